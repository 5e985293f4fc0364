"""All runs: what is at work and what waits, a table of everything, and the choice of some to compare."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from fer_core.errors import NotFound
from fer_core.training import runs
from fer_core.training.runs import Run
from fer_core.zoo import specs
from pages._shared import address, compare_view, curves, errors, history, run_words

_LOOK_EVERY = 2.0
"""Seconds between two looks at what is at work."""
_ALL = ""


def show() -> None:
    """The runs that the address asks to compare, or the queue and the table."""
    runs.advance()
    if asked := st.query_params.get("compare"):
        st.button("← Back to the table", on_click=address.go, type="tertiary")
        _compare(asked.split(","))
        return
    known = runs.runs()
    if not known:
        st.info("No network was trained here yet. A run shows its curves here, and its model in the Library.")
        st.button("Train one", type="primary", on_click=address.go, kwargs={"view": "new"})
        return
    states = {run.id: run.state() for run in known}
    busy = [run for run in known if states[run.id] in run_words.AT_WORK]
    waiting = runs.queue()
    if busy or waiting:
        history.look_cheaply()
        st.fragment(_line, run_every=_LOOK_EVERY)([run.id for run in (*busy, *waiting)])
    _table(_wanted(known), states)


def _compare(ids: Sequence[str]) -> None:
    chosen = []
    for run_id in dict.fromkeys(ids):
        try:
            chosen.append(runs.find(run_id))
        except NotFound:
            st.warning(errors.plain(f"The run {run_id!r} is not here any more."))
    if len(chosen) > compare_view.MOST:
        st.warning(f"The first {compare_view.MOST} are shown: more lines cannot be told apart.")
    if chosen:
        compare_view.show(chosen[: compare_view.MOST])


def _line(seen: Sequence[str]) -> None:
    """What is at work and what waits; the whole page is drawn anew when that is something else."""
    runs.advance()
    busy = [run for run in runs.runs() if run.state() in run_words.AT_WORK]
    waiting = [run for run in runs.queue() if run not in busy]
    if [run.id for run in (*busy, *waiting)] != list(seen):
        st.rerun()
    for run in busy:
        state, config = run.state(), run.config
        share, said = run_words.progress(history.of(run), config, state)
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.progress(share, errors.plain(f"{run_words.name(config)} · {said}"))
            st.button("Watch", key=f"watch {run.id}", on_click=address.go, kwargs={"run": run.id})
    for place, run in enumerate(waiting, 1):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.markdown(
                    errors.plain(
                        f"{place}. in line: {run_words.name(run.config)} on {run.config.dataset}, "
                        f"{run.config.epochs} epochs"
                    )
                )
            st.button("Take out", key=f"out {run.id}", on_click=runs.unqueue, args=(run,))


def _wanted(known: Sequence[Run]) -> list[Run]:
    """The runs of the dataset and network that the address names; asked for where there are several."""
    configs = {run.id: run.config for run in known}
    datasets = sorted({config.dataset for config in configs.values()})
    networks = sorted({config.spec for config in configs.values()})
    dataset = network = _ALL
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(datasets) > 1:
            with st.container(width=240):
                dataset = address.select(
                    "Dataset", [_ALL, *datasets], "data", lambda name: name or "all datasets"
                )
        if len(networks) > 1:
            with st.container(width=240):
                network = address.select(
                    "Network",
                    [_ALL, *networks],
                    "network",
                    lambda spec: specs.get(spec).title if spec else "all networks",
                )
    return [
        run
        for run in known
        if dataset in (_ALL, configs[run.id].dataset) and network in (_ALL, configs[run.id].spec)
    ]


def _table(shown: Sequence[Run], states: dict[str, str]) -> None:
    rows = [_row(run, states[run.id]) for run in shown]
    if not rows:
        st.info("No run is of this dataset and this network.")
        return
    key = f"runs {len(rows)} {shown[0].id}"
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content" if len(rows) < 12 else 440,
        key=key,
        on_select=partial(_open, key, [run.id for run in shown]),
        selection_mode=["multi-row", "single-cell"],
        column_config={
            "Best": st.column_config.TextColumn(help="On the validation images, in the best epoch"),
            "Note": st.column_config.TextColumn(width="medium"),
        },
        alt="Runs: "
        + "; ".join(f"{row['Run']} on {row['Dataset']}, {row['State']}, {row['Best']}" for row in rows),
    )
    ticked = [shown[place].id for place in event["selection"]["rows"] if place < len(shown)]
    if len(ticked) < 2:
        st.caption("Click a run to open it. Tick two or more to compare them.")
        return
    st.button(
        f"Compare {len(ticked)} runs",
        type="primary",
        on_click=address.go,
        kwargs={"compare": ",".join(ticked)},
        disabled=len(ticked) > compare_view.MOST,
        help=f"At most {compare_view.MOST}: more lines cannot be told apart."
        if len(ticked) > compare_view.MOST
        else None,
    )


def _row(run: Run, state: str) -> dict[str, str]:
    config, result = run.config, run.result or {}
    figure = specs.get(config.spec).task.key
    value, epoch, done = result.get("value"), result.get("best_epoch"), ""
    if "value" not in result and state != "ready":
        # Only what has not ended by itself is read event by event: a table of many runs stays quick.
        told = history.of(run)
        best = told.best(figure) or {}
        value, epoch = best.get("val_" + figure), best["epoch"] + 1 if best else None
        done = f"at {told.done} of {config.epochs}" if told.done else ""
    known = curves.FIGURES[figure]
    return {
        "Run": run_words.name(config),
        "State": run_words.standing(state, run.result),
        "Best": f"{known.short} {known.said(value)}" if value is not None else "",
        "Epoch": f"{epoch} of {config.epochs}" if epoch else done,
        "Dataset": config.dataset + (f", {config.version}" if config.version else ""),
        "Network": specs.get(config.spec).title,
        "Set up (UTC)": run_words.began(run),
        "Note": run.note[:200],
    }


def _open(key: str, ids: Sequence[str]) -> None:
    if cells := st.session_state[key]["selection"]["cells"]:
        address.go(run=ids[cells[0][0]])
