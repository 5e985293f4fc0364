"""How long a run will take and what it needs, from a short trial of the network on this machine."""

from functools import partial

import streamlit as st

from fer_core.training import estimate
from fer_core.training.config import TrainingConfig
from fer_core.training.estimate import Estimate
from pages._shared import jobs, words
from pages._shared.words import duration, size

_MUCH = 0.9
"""The part of memory or disk beyond which a run is likely to fail."""


def button(config: TrainingConfig | None, train: int, validation: int) -> None:
    """Ask how long it will take; not drawn where that is known already or the settings are not possible."""
    if config is None or not train or estimate.known(config):
        return
    st.button(
        "How long will it take?",
        on_click=_measure,
        args=(config, train, validation),
        help="Trains a few steps on random pictures in a process of its own. Takes some seconds to a minute.",
    )


def show(config: TrainingConfig | None, train: int, validation: int) -> None:
    """What a trial found, or how far one is."""
    if config is None or not train:
        return
    found = estimate.known(config)
    if found is None:
        jobs.show(_key(config))
        return
    run = estimate.scaled(found, config, train, validation)
    memory, disk = estimate.memory_mb(), estimate.free_disk_mb()
    st.markdown(sentence(run, config.epochs, found.device, memory))
    if found.busy:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Measured while this machine had other work: alone it is quicker.")
            st.button("Measure again", on_click=_measure, args=(config, train, validation), type="tertiary")
        jobs.show(_key(config))
    if run.memory_mb > _MUCH * memory:
        st.warning(
            f"It needs {size(run.memory_mb)} of memory and this machine has {size(memory)}: the run "
            "may be ended by the system. Choose a smaller batch, input or network."
        )
    if run.disk_mb > _MUCH * disk:
        st.warning(
            f"It needs {size(run.disk_mb)} of disk and {size(disk)} are free: delete runs or datasets "
            "that nobody needs."
        )


def sentence(run: Estimate, epochs: int, device: str, memory: float) -> str:
    """ "About 12 min for 40 epochs (18 s each) on the CPU; 900 MB of memory, of 24 GB here; …"."""
    each = duration(run.seconds_per_epoch)
    return (
        f"**About {duration(run.seconds)}** for {words.many(epochs, 'epoch')} ({each} each) on {device}. "
        f"{size(run.memory_mb)} of memory, of {size(memory)} here; {size(run.disk_mb)} of disk. "
        f"The network has {run.parameters:,} weights."
    )


def _measure(config: TrainingConfig, train: int, validation: int) -> None:
    jobs.forget(_key(config))
    jobs.start(_key(config), "Trying it out", partial(estimate.probe, config, train, validation))


def _key(config: TrainingConfig) -> str:
    return f"estimate {estimate.key(config)}"
