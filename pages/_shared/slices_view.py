"""Where a model is better or worse: accuracy by what pictures are like and where they come from."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.evaluation import report, slices
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.slices import Cut, Slice
from fer_core.evaluation.trial import Trial
from pages._shared import cell_view, charts, errors, jobs, resources, words

_NAMED = 4
"""Differences that are told in words."""

_COLOUR = "#2F8F9A"


def show(store: Store, trial: Trial, kind: str) -> None:
    """What is measured first where it is missing; then words, a chart for each property, and the errors."""
    result = trial.result(kind)
    overall = report.share(result.right, np.ones(len(result), bool))
    st.markdown(
        f"Over all: **{words.accuracy(overall)}**. Below, the same faces in groups: by what can be measured "
        "on a picture, and by what was stored with it."
    )
    st.caption(
        "Race and gender are never guessed: a face does not tell them, and a guess would be wrong for some "
        "more often than for others."
    )
    points, ready = _prepared(store, trial)
    found = _cuts(store, trial, kind, points, ready)
    _differences(found)
    shown = [cut for cut in found if len(cut.slices) > 1]
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        for column, cut in zip(st.columns(2), row, strict=False):
            with column:
                _chart(cut, overall["accuracy"])
        _errors(store, trial, kind, row)
    for cut in found:
        if len(cut.slices) == 1:
            st.caption(f"{cut.property.title}: alike for all, {cut.slices[0].name}.")
    if trial.faces != WHOLE:
        st.caption("How heads are turned is measured only where the whole picture is the face.")
    _table(shown)


def _prepared(store: Store, trial: Trial) -> tuple[np.ndarray | None, bool]:
    """Landmarks and whether the measuring is over; it begins by itself, and goes on when the page is left."""
    key = f"slices {trial.rows.dataset} {trial.rows.version} {trial.rows.split} {trial.faces}"
    if jobs.find(key) is None:
        jobs.start(key, "Measuring the pictures", lambda progress: slices.prepare(store, trial, progress))
    ended = jobs.show(key)
    if ended is None:
        return None, False
    if ended.state != "done" and st.button("Measure the rest"):
        jobs.forget(key)
        st.rerun()
    return ended.value, True


def _cuts(store: Store, trial: Trial, kind: str, points: np.ndarray | None, ready: bool) -> list[Cut]:
    card = trial.card
    key = (
        resources.weights(card),
        f"{card.temperature:g}",
        trial.rows.version,
        trial.rows.split,
        trial.faces,
    )
    if not ready:
        # Measures come in while this is drawn: nothing to keep.
        return slices.cuts(store, trial.result(kind), trial.rows.dataset)
    return _kept(store, trial, kind, points, key, points is not None, trial.rows.dataset)


@st.cache_resource(max_entries=16, show_spinner=False)
def _kept(
    _store: Store, _trial: Trial, kind: str, _points: np.ndarray | None, key: tuple, posed: bool, dataset: str
) -> list[Cut]:
    return slices.cuts(_store, _trial.result(kind), dataset, _points)


def _differences(found: list[Cut]) -> None:
    """How many slices differ from the rest, how many would by chance, and the largest in words."""
    tested = [(cut, part) for cut in found for part in cut.slices if part.p is not None]
    if not tested:
        st.info(f"No group has {slices.LEAST} faces and as many outside it: too few to compare.")
        return
    holding = [(cut, part) for cut, part in tested if part.holds]
    chance = max(1, round(slices.RATE * len(tested)))
    st.markdown(
        f"**{len(holding)} of {words.many(len(tested), 'group')}** differ from the other faces by more than "
        f"chance explains. Looked at alone, about {chance} of so many would seem to differ even if none "
        "did; so the bar is raised by Benjamini and Hochberg's rule: at most 1 in 20 of those that hold is "
        "expected to be chance."
    )
    own = [(cut, part) for cut, part in holding if cut.property.id != "label" and not part.explained]
    own.sort(key=lambda pair: -abs(pair[1].accuracy - pair[1].expected))
    st.markdown(
        "\n".join(
            f"- {cut.property.title}, {errors.plain(part.name)}: **{words.percent(part.accuracy)}** of "
            f"{len(part.places):,}; its expressions alone would give {words.percent(part.expected)}"
            for cut, part in own[:_NAMED]
        )
    )
    st.caption(
        "● a difference that holds · ○ may be chance · | what the group's mix of expressions alone would "
        "give · dotted: all faces · bars: 95 % intervals. Click a dot to see the group's errors."
    )


def _chart(cut: Cut, overall: float) -> None:
    parts = cut.slices
    names = [f"{part.name} ({len(part.places):,})" for part in parts]
    figure = go.Figure()
    figure.add_vline(x=100 * overall, line={"color": "#8C8C8C", "width": 1, "dash": "dot"})
    if cut.property.id != "label":
        figure.add_scatter(
            x=[100 * part.expected for part in parts],
            y=names,
            mode="markers",
            marker={"symbol": "line-ns", "size": 12, "line": {"width": 2, "color": "#8C8C8C"}},
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[100 * part.accuracy for part in parts],
        y=names,
        mode="markers",
        error_x={
            "array": [100 * (part.high - part.accuracy) for part in parts],
            "arrayminus": [100 * (part.accuracy - part.low) for part in parts],
            "color": _COLOUR,
            "thickness": 1.5,
            "width": 0,
        },
        marker={
            "size": 11,
            "color": _COLOUR,
            "symbol": ["circle" if part.holds else "circle-open" for part in parts],
            "line": {"width": 2, "color": _COLOUR},
        },
        unselected={"marker": {"opacity": 1}},
        customdata=[part.name for part in parts],
        hovertext=[_said(part) for part in parts],
        hoverinfo="text",
    )
    least = min([0.5, *(part.low for part in parts)])
    figure.update_xaxes(
        range=[100 * least - 3, 102], ticksuffix=" %", fixedrange=True, gridcolor="rgba(128,128,128,0.25)"
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True, type="category")
    charts.plain(figure, height=28 * len(parts) + 50)
    st.markdown(f"**{cut.property.title}**")
    st.caption(
        cut.property.words[:1].upper()
        + cut.property.words[1:]
        + (f"; not known of {words.many(cut.unknown, 'face')}" if cut.unknown else "")
    )
    key = f"slices {cut.property.id}"
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: _choose(key, cut.property.id),
        selection_mode="points",
        config=charts.BUTTONS,
        alt=f"Accuracy by {cut.property.title}: "
        + ", ".join(f"{part.name} {words.percent(part.accuracy, 0)} of {len(part.places)}" for part in parts),
    )


def _said(part: Slice) -> str:
    figures = {"accuracy": part.accuracy, "accuracy_low": part.low, "accuracy_high": part.high}
    said = f"{words.accuracy({**figures, 'n': len(part.places)})}<br>"
    if part.p is None:
        return said + "too few faces to compare"
    return said + ("differs from the rest" if part.holds else "may be chance") + f" (p = {part.p:.2g})"


def _choose(key: str, name: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points and "customdata" in points[0]:
        st.query_params["slice"] = f"{name}:{np.ravel(points[0]['customdata'])[0]}"


def _errors(store: Store, trial: Trial, kind: str, found: list[Cut]) -> None:
    """The errors of the slice in the address, where it is one of these."""
    asked = st.query_params.get("slice")
    known = {f"{cut.property.id}:{part.name}": (cut, part) for cut in found for part in cut.slices}
    if asked not in known:
        return
    cut, part = known[asked]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(errors.plain(f"Errors: {cut.property.title}, {part.name}"), anchor=False)
        st.button("Close", type="tertiary", on_click=_close)
    wrong = part.places[~trial.result(kind).right[part.places]]
    cell_view.pictures(store, trial, kind, wrong, "slice", f"slices, {cut.property.title} {part.name}")


def _close() -> None:
    st.query_params.pop("slice", None)


def _table(found: list[Cut]) -> None:
    rows = [
        {
            "property": cut.property.title,
            "group": part.name,
            "faces": len(part.places),
            "accuracy": f"{words.percent(part.accuracy)} ({100 * part.low:.1f} to {100 * part.high:.1f})",
            "by its expressions": words.percent(part.expected),
            "p": "" if part.p is None else f"{part.p:.2g}",
            "holds": part.holds,
        }
        for cut in found
        for part in cut.slices
    ]
    with st.expander("As a table"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Accuracy of each group of faces")
