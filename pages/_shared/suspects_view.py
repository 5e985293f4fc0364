"""Looking for wrong labels: what it does and takes, how far it is, and what stopped it."""

import streamlit as st

from fer_core.dataset import overview
from fer_core.dataset.store import Dataset, Store
from fer_core.training import estimate, folds, runs
from fer_core.training.config import TrainingConfig
from fer_core.training.folds import FoldSet
from pages._shared import errors, estimate_view, history, words

_LOOK_EVERY = 2.0
"""Seconds between two looks at how far the folds are."""


def show(store: Store, dataset: Dataset) -> None:
    """The way to suspect labels; nothing where there are no images to train and to validate on."""
    counts = overview.balance(store, dataset.name)
    n = counts[counts["label"].isin(dataset.label_set.names)].groupby("split")["n"].sum()
    train, validation = int(n.get("train", 0)), int(n.get("validation", 0))
    if not train or not validation:
        return
    known = folds.sets(dataset.name)
    last = known[0] if known else None
    with st.container(border=True):
        st.markdown("**Wrong labels**")
        if last and last.state in ("running", "queued"):
            history.look_cheaply()
            st.fragment(_watch, run_every=_LOOK_EVERY)(dataset.name, last.state)
            return
        if last and last.state == "incomplete":
            _incomplete(last)
        _ask(dataset, train, validation, again=last is not None)


def looked(dataset: str) -> bool:
    """Whether networks have judged all labels of a dataset."""
    return any(found.state == "finished" for found in folds.sets(dataset))


def _ask(dataset: Dataset, train: int, validation: int, again: bool) -> None:
    config = folds.settings(dataset, train)
    probe = estimate.known(config)
    takes = ""
    if probe:
        each = estimate.scaled(probe, config, train - train // folds.FOLDS, validation)
        takes = f" Takes about {words.duration(folds.FOLDS * each.seconds)} in all, beside your other work."
    st.caption(
        f"{folds.FOLDS} networks learn in turn, each from all training images but a fifth, and judge that "
        "fifth: so every label is judged by a network that never saw it. It changes no label." + takes
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Look for wrong labels again" if again else "Look for wrong labels",
            on_click=_start,
            args=(config,),
        )
        estimate_view.button(config, train, validation)
    if not probe:
        estimate_view.show(config, train, validation)


def _incomplete(found: FoldSet) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"Not judged yet: {len(found.missing)} of {len(found.runs)} parts. "
            "What was to judge them was stopped, or failed."
        )
        if None not in found.runs:
            st.button("Go on", type="primary", on_click=_resume, args=(found,))


def _watch(dataset: str, state: str) -> None:
    """The part that looks again; the whole page is drawn anew when the state is another."""
    runs.advance()
    found = next(iter(folds.sets(dataset)), None)
    if found is None or found.state != state:
        st.rerun()
        return
    done = len(found.runs) - len(found.missing)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            st.progress(found.share, f"{done} of {len(found.runs)} networks have judged their part")
        at_work = [run for run in found.runs if run and run.state() in ("running", "stopping", "queued")]
        if st.button("Watch"):
            st.switch_page("pages/train.py", query_params={"run": at_work[0].id} if at_work else {})


def _start(config: TrainingConfig) -> None:
    with errors.guard():
        folds.start(config)


def _resume(found: FoldSet) -> None:
    with errors.guard():
        folds.resume(found)
