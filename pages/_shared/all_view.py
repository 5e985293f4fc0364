"""All models beside each other: how good, how well calibrated, how fast, and what they learned from."""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset import overview
from fer_core.dataset.store import SPLITS, Store
from fer_core.evaluation import register, report, speed
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.evaluation.speed import Speed
from fer_core.evaluation.trial import Rows
from fer_core.zoo import library
from fer_core.zoo.card import Card
from fer_core.zoo.specs import EXPRESSION, TASKS
from pages._shared import across_view, address, charts, errors, resources, trials, words

_RIGHT = {"labels": "the dataset's labels", "votes": "most frequent vote"}
_DRAWN = 2
"""From so many models on, a chart of accuracy against time says something."""


@dataclass(frozen=True)
class Row:
    """A model in the table.

    Attributes:
        title: told apart from all others.
        record: its figures on the chosen rows, as on cards; None where it was not measured on them.
        at: day of that measurement; "" where the figures stand on the model's card.
        speed: None where it was not measured on this machine.
    """

    card: Card
    title: str
    record: dict | None
    at: str
    speed: Speed | None
    size_mb: float


def show(store: Store) -> None:
    """The table on one split of one dataset, and the matrix of all datasets."""
    models = resources.models()
    if not models or not store.datasets():
        st.info("Here all models are measured on the same faces: that takes a model and a dataset.")
        st.page_link("pages/datasets.py", label="Add a dataset →")
        return
    with errors.guard():
        _table(store, models)
    if expressions := resources.models(EXPRESSION.id):
        st.divider()
        with errors.guard():
            across_view.show(store, expressions)


def _table(store: Store, models: Mapping[str, Card]) -> None:
    asked, kind = _choice(store)
    table = rows(store, models, asked, kind)
    _verdict(store, table, asked)
    _offer(store, table, asked)
    _dataframe(table, asked, kind)
    _chart(table)


def _choice(store: Store) -> tuple[Rows, str]:
    """Which rows, and what is right there."""
    names = [dataset.name for dataset in store.datasets()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=170):
            dataset = address.select("Dataset", names, "data", str, always=True)
        counts = overview.balance(store, dataset).groupby("split")["n"].sum()
        splits = [split for split in ("validation", "test", "train", "none") if counts.get(split)]
        splits = [*splits, ALL] if len(splits) > 1 else splits or list(SPLITS[:1])
        if st.query_params.get("split") not in splits:
            # It belongs to the dataset that was chosen before.
            st.query_params.pop("split", None)
        with st.container(width=130):
            split = address.select("Split", splits, "split", _split, always=True)
        asked = trials.rows(store, dataset, None, split)
        kinds = report.kinds(asked.frame)
        if st.query_params.get("truth") not in kinds:
            st.query_params.pop("truth", None)
        with st.container(width=200):
            kind = address.select("Right is", kinds, "truth", _RIGHT.__getitem__)
    return asked, kind


def _split(name: str) -> str:
    return {"none": "no split", ALL: "every picture"}.get(name, name)


def rows(store: Store, models: Mapping[str, Card], asked: Rows, kind: str) -> list[Row]:
    """Every model with what the register, else its card, knows of it on these rows: the best first."""
    known = register.entries(store, dataset=asked.dataset, version=asked.version, split=asked.split)
    looks = {entry.weights: entry for entry in known if entry.faces == WHOLE}
    folders = {entry.id: entry.folder for entry in library.entries()}
    titles, found = across_view.distinct(models), []
    for model, card in models.items():
        if model not in folders:
            continue  # deleted a moment ago
        look = looks.get(resources.weights(card))
        told = look.figures if look else [r for r in card.evaluations if _same(r, asked)]
        record = next((r for r in told if r.get("kind") == kind), None)
        at = look.at[:10] if look and record else ""
        size = speed.size_mb(folders[model])
        found.append(Row(card, titles[model], record, at, speed.known(card), size))
    return sorted(found, key=lambda row: -row.record["accuracy"] if row.record else 1)


def _same(record: dict, asked: Rows) -> bool:
    where = (record.get("dataset"), record.get("version"), record.get("split"))
    return where == (asked.dataset, asked.version, asked.split) and record.get("faces", WHOLE) == WHOLE


def _verdict(store: Store, table: list[Row], asked: Rows) -> None:
    """Who leads, and how much of that may be luck."""
    measured = [row for row in table if row.record]
    if not measured:
        st.markdown(f"No model was measured on {errors.plain(asked.dataset)} {_split(asked.split)} yet.")
        return
    best = measured[0]
    assert best.record is not None
    said = f"**{errors.plain(best.title)}** reads the most faces right: {words.accuracy(best.record)}."
    if len(measured) > 1:
        second = measured[1].record
        assert second is not None
        ahead = (best.record["accuracy"] - second["accuracy"]) * 100
        luck = register.luck(len(measured), best.record["n"]) * 100
        said += (
            f" The next is {ahead:.1f} points behind; the best of {len(measured)} equally good models leads "
            f"by up to {luck:.1f} through luck alone."
        )
    st.markdown(said)
    if len({row.record["n"] for row in measured if row.record}) > 1:
        st.caption(
            "Models with other classes have other faces to answer for: Two models takes the same ones."
        )
    known = register.entries(store, dataset=asked.dataset, version=asked.version, split=asked.split)
    for caution in register.cautions(best.card, asked.dataset, asked.split, best.record["n"], known):
        st.caption(f"{errors.plain(best.title)}: {caution}")


def _offer(store: Store, table: list[Row], asked: Rows) -> None:
    wanted: dict[str, list[Rows]] = {}
    for row in table:
        missing = row.record is None and _can_answer(row.card, asked)
        if missing or row.speed is None:
            wanted[row.card.id] = [asked] if missing else []
    count = sum(map(len, wanted.values()))
    of_all = (
        words.many(count, "missing model") if count else f"the speed of {words.many(len(wanted), 'model')}"
    )
    key = f"models on {asked.dataset} {_split(asked.split)}"
    across_view.offer(store, key, wanted, of_all)


def _can_answer(card: Card, asked: Rows) -> bool:
    known = set(asked.frame["label"].dropna())
    return card.task == EXPRESSION.id and any(name in known for name in card.labels.names)


def _dataframe(table: list[Row], asked: Rows, kind: str) -> None:
    st.dataframe(
        pd.DataFrame([_cells(row) for row in table]),
        hide_index=True,
        key="all models",
        on_select=lambda: _open(table, asked, kind),
        selection_mode="single-row",
        placeholder="–",
        alt=f"All models on {asked.dataset} {asked.split}",
        column_config=_COLUMNS,
    )
    st.caption(
        "Click a column's head to sort, the box before a row to open its model. All pictures are read whole. "
        "Where the day is missing the figures stand on the model's card."
    )


def _cells(row: Row) -> dict[str, object]:
    card, record = row.card, row.record or {}
    free = record.get("leak_free") or {}
    learnt = card.training
    images = learnt.get("images", {}).get("train")
    return {
        "model": row.title,
        "accuracy": record["accuracy"] * 100 if record else None,
        "interval": f"{record['accuracy_low'] * 100:.1f} to {record['accuracy_high'] * 100:.1f}"
        if record
        else "",
        "faces": record.get("n"),
        "leak-free": free["accuracy"] * 100 if free.get("n") else None,
        "macro F1": record.get("macro_f1"),
        "ECE": record["ece"] * 100 if "ece" in record else None,
        "ms a face": row.speed and row.speed.one,
        "ms in a batch": row.speed and row.speed.batch,
        "size": row.size_mb,
        "answers": TASKS[card.task].title,
        "learned from": f"{learnt.get('dataset', 'unknown')}, {learnt.get('targets', 'labels')}"
        + (f", {images:,} images" if images else ""),
        "trained": _day(str(learnt.get("run", ""))),
        "measured": row.at,
    }


_COLUMNS = {
    # No wider, so that a phone shows the accuracy beside it.
    "model": st.column_config.TextColumn(width=230),
    "accuracy": st.column_config.NumberColumn(format="%.1f %%", help="Share of the faces read right."),
    "interval": st.column_config.TextColumn(
        "95 % interval", help="Where the accuracy lies on other such faces, in 95 of 100 cases."
    ),
    "faces": st.column_config.NumberColumn(format="localized"),
    "leak-free": st.column_config.NumberColumn(
        format="%.1f %%",
        help="Accuracy without faces of which it learned a copy. Empty where its training set is not here.",
    ),
    "macro F1": st.column_config.NumberColumn(
        format="%.3f", help="Mean of the expressions' F1: rare ones count as much as common ones."
    ),
    "ECE": st.column_config.NumberColumn(
        format="%.1f %%", help="Expected calibration error: how far stated percentages are off on average."
    ),
    "ms a face": st.column_config.NumberColumn(
        format="%.2f", help="Milliseconds for a face that comes alone, on this machine: the median."
    ),
    "ms in a batch": st.column_config.NumberColumn(
        format="%.2f", help=f"Milliseconds for one of {speed.BATCH} faces that come together: the median."
    ),
    "size": st.column_config.NumberColumn("MB", format="%.2f", help="The file that predicts."),
    "trained": st.column_config.TextColumn(help="The day on which its training began."),
    "measured": st.column_config.TextColumn(help="The day of the look that the register holds."),
}


def _day(run: str) -> str:
    return f"{run[:4]}-{run[4:6]}-{run[6:8]}" if run[:8].isdigit() else ""


def _open(table: list[Row], asked: Rows, kind: str) -> None:
    chosen = st.session_state["all models"].selection.rows
    if chosen:
        _go(table[chosen[0]].card.id, asked, kind)


def _go(model: str, asked: Rows, kind: str) -> None:
    truth = {"truth": kind} if kind != "labels" else {}
    address.go(view="model", model=model, data=asked.dataset, split=asked.split, **truth)


def _names(drawn: list[tuple[str, dict, Speed]]) -> list[str]:
    """What stands beside the points; "" where it would lie over another name."""
    shares = [record["accuracy"] for _, record, _ in drawn]
    line = 0.08 * max(max(shares) - min(shares), 0.1)
    names: list[str] = []
    taken: list[float] = []
    for (title, _, _), share in zip(drawn, shares, strict=True):
        apart = all(abs(share - other) > line for other in taken)
        names.append(html.escape(title.split(" (")[0]) if apart else "")
        taken += [share] if apart else []
    return names


def _chart(table: list[Row]) -> None:
    """Whether a slower model is a better one."""
    drawn = [(row.title, row.record, row.speed) for row in table if row.record and row.speed]
    if len(drawn) < _DRAWN:
        return
    shares = [record["accuracy"] * 100 for _, record, _ in drawn]
    times = sorted(measured.one for _, _, measured in drawn)
    middle = math.sqrt(times[0] * times[-1])
    figure = go.Figure(
        go.Scatter(
            x=[measured.one for _, _, measured in drawn],
            y=shares,
            error_y={
                "array": [r["accuracy_high"] * 100 - a for (_, r, _), a in zip(drawn, shares, strict=True)],
                "arrayminus": [
                    a - r["accuracy_low"] * 100 for (_, r, _), a in zip(drawn, shares, strict=True)
                ],
                "thickness": 1.2,
                "color": "rgba(128,128,128,.8)",
            },
            mode="markers+text",
            text=_names(drawn),
            # Names stand towards the middle, where there is room on a phone too.
            textposition=["middle left" if ms.one > middle else "middle right" for _, _, ms in drawn],
            textfont={"size": 11},
            cliponaxis=False,
            marker={"size": 11, "color": "#2F8F9A"},
            hovertext=[f"{title}: {words.accuracy(r)}, {m.one:.2f} ms a face" for title, r, m in drawn],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(
        title="milliseconds a face, on this machine",
        type="log",
        range=[math.log10(times[0] * 0.8), math.log10(times[-1] * 1.25)],
        tickvals=[n * 10**e for e in range(-2, 4) for n in (1, 2, 5)],
        fixedrange=True,
        gridcolor="rgba(128,128,128,.25)",
    )
    figure.update_yaxes(
        title="accuracy", ticksuffix=" %", fixedrange=True, automargin=True, gridcolor="rgba(128,128,128,.25)"
    )
    charts.plain(figure, height=300)
    st.plotly_chart(
        figure,
        key="accuracy against time",
        config=charts.BUTTONS,
        alt="Accuracy against time a face: "
        + "; ".join(f"{title} {words.percent(r['accuracy'])}, {m.one:.2f} ms" for title, r, m in drawn),
    )
