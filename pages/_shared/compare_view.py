"""Runs side by side: their best values, what differs in their settings, and their curves on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from fer_core.dataset import versions
from fer_core.training.runs import Run
from fer_core.zoo import specs
from pages._shared import curves, errors, history, run_view, run_words, words

MOST = 6
"""Runs at a time: more lines cannot be told apart."""

_COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#AA3377", "#66CCEE")
"""Six that colour-blind eyes can tell apart and that stand for no expression.
Source: Paul Tol's "bright" scheme, https://personal.sron.nl/~pault/."""


def show(chosen: Sequence[Run]) -> None:
    """From top to bottom: best values, what differs, curves.

    Args:
        chosen: at most `MOST` runs.
    """
    names = titles(chosen)
    st.subheader(f"{words.many(len(chosen), 'run')} side by side", anchor=False)
    _best(chosen, names)
    if len({_pictures(str(run.folder)) for run in chosen}) > 1:
        st.info(
            "They were not trained and validated on the same pictures and labels: part of a difference in "
            "their figures may come from that."
        )
    st.subheader("What differs in their settings", anchor=False)
    _differences(chosen, names)
    st.subheader("How they learned", anchor=False)
    _curves(chosen, names)


def titles(chosen: Sequence[Run]) -> dict[str, str]:
    """A numbered name for each run by id."""
    return {run.id: f"{number} {run_words.name(run.config)}" for number, run in enumerate(chosen, 1)}


def differing(settings: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """The options, names left aside, that are not the same in all runs: a row each, a column a run.

    Args:
        settings: for each run its options in words.
    """
    table = pd.DataFrame(settings).drop(index=["name", "title"])
    return table[table.nunique(axis=1) > 1]


def _best(chosen: Sequence[Run], names: Mapping[str, str]) -> None:
    rows = []
    for run in chosen:
        config, told, result = run.config, history.of(run), run.result
        task = specs.get(config.spec).task
        best = told.best(task.key)
        row = {"Run": names[run.id], "State": run_words.standing(run.state(), result)}
        if best:
            for figure in task.figures:
                row[curves.FIGURES[figure].title] = curves.FIGURES[figure].said(best.get("val_" + figure))
            row["Best epoch"] = f"{best['epoch'] + 1} of {told.done}"
            row["Time"] = words.duration(sum(event["seconds"] for event in told.epochs.values()))
        card = run_view.card(result or {})
        row["The model, measured"] = run_words.measured(card) if card else ""
        row["Note"] = run.note[:100]
        rows.append(row)
    table = pd.DataFrame(rows).fillna("").astype(str)
    st.dataframe(
        table.loc[:, (table != "").any()],
        hide_index=True,
        alt="Best validation figures: "
        + "; ".join(", ".join(filter(None, map(str, row.values()))) for row in rows),
    )
    st.caption("Figures on the validation images, in the best epoch of each run.")


def _differences(chosen: Sequence[Run], names: Mapping[str, str]) -> None:
    found = differing({names[run.id]: run_words.settings(run.config) for run in chosen})
    if found.empty:
        st.markdown("Nothing: all their settings are the same.")
        return
    found = found.rename(columns=errors.plain).map(errors.plain)
    st.table(found, border="horizontal", alt=f"Settings that differ: {', '.join(found.index)}")


def _curves(chosen: Sequence[Run], names: Mapping[str, str]) -> None:
    told = {run.id: history.of(run) for run in chosen}
    tasks = [specs.get(run.config.spec).task for run in chosen]
    figures = list(dict.fromkeys(["loss", *(figure for task in tasks for figure in task.figures)]))
    done = max(history.done + bool(history.live) for history in told.values())
    axis = curves.Axis(curves.last_epoch(done, done, at_work=False))
    for first in range(0, len(figures), 2):
        for column, figure in zip(st.columns(2, gap="medium"), figures[first : first + 2], strict=False):
            lines = [
                line
                for run, task, colour in zip(chosen, tasks, _COLOURS, strict=False)
                for line in _lines(told[run.id], figure, task.key, names[run.id], colour)
            ]
            with column:
                curves.draw(figure, lines, axis, f"compared {figure}", curves.HEIGHT + 20 * len(chosen))
    st.caption(
        "Full lines: validation, with the run's number at its best epoch. Pale dashed lines: training."
    )


def _lines(told: history.History, figure: str, key: str, name: str, colour: str) -> list[curves.Curve]:
    best = told.best(key)
    training, validation = run_view.of_figure(told, figure, best)
    return [
        replace(training, name=f"{name}, training", colour=colour, faint=True, listed=False),
        replace(validation, name=name, colour=colour, label=name.split()[0]),
    ]


@st.cache_data(max_entries=64, show_spinner=False)
def _pictures(folder: str) -> str:
    """Tells the pictures, labels and splits of one run from another's; frozen with the run."""
    return versions.manifest_id(Run(Path(folder)).manifest)
