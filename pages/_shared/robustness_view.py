"""How much of a model's accuracy is left when pictures get worse: a small chart for each disturbance."""

import base64
import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.evaluation import report, robustness
from fer_core.evaluation.results import Result
from fer_core.evaluation.robustness import Curves, Loss
from fer_core.evaluation.trial import Trial
from fer_core.imaging.decode import decode_image, encode_png
from fer_core.imaging.disturbances import DISTURBANCES, Disturbance, disturbed
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.zoo.card import Card
from fer_core.zoo.specs import EXPRESSION
from pages._shared import address, cell_view, charts, errors, evaluation_choice, jobs, resources, words

MOST_ALSO = 3
"""Models beside the chosen one; more lines would not be told apart."""

_LOOKS = (("#2F8F9A", "circle"), ("#D55E00", "square"), ("#8C6BB1", "diamond"), ("#0072B2", "triangle-up"))
"""Colour and marker of each model's line, never colour alone."""

_EDGE = 44
"""px left of every chart, for its percentages; the examples below begin there too."""

_EXAMPLE = InputSpec(64, 64, 3)


def show(store: Store, trial: Trial, kind: str) -> None:
    """The way to the curves while they are not measured, then the worst weakness, the charts and examples."""
    st.markdown(
        "The same faces again, made worse step by step. Whatever lowers the accuracy here will lower it on "
        "photos like that."
    )
    result = trial.result(kind)
    most, others = _asked(trial, result)
    drawn = result.among(robustness.drawn(result, most))
    samples = {trial.card.id: (trial.card, drawn)}
    for model in others:
        with errors.guard():
            other = evaluation_choice.measured(store, model, trial.rows, trial.faces)
            if other is not None:
                samples[model] = (other.card, _same(other.result(kind), drawn))
    curves = {id: robustness.known(card, sample, trial.faces) for id, (card, sample) in samples.items()}
    _measure(store, trial, kind, samples, [id for id, known in curves.items() if known is None])
    found = {samples[id][0].id: known for id, known in curves.items() if known is not None}
    if not found:
        return
    cards = {id: card for id, (card, _) in samples.items()}
    mine = found.get(trial.card.id)
    if mine is not None:
        costs = robustness.losses(mine)
        st.markdown(f"**{errors.plain(robustness.sentence(costs[0]))}**")
        st.caption(
            "At strengths that photos often have, in points of accuracy: "
            + ", ".join(f"{cost.disturbance.title.lower()} {100 * cost.change:+.1f}" for cost in costs)
            + f". Differences below {_unsure(costs):.0f} points between two of them may be chance."
        )
    _legend(cards, found, drawn)
    examples = _examples(store, trial, drawn)
    for start in range(0, len(DISTURBANCES), 3):
        for column, each in zip(st.columns(3), DISTURBANCES[start : start + 3], strict=False):
            with column:
                _chart(each, found, cards, drawn)
                _strip(each, examples[each.id])
        if mine is not None:
            _turned(store, trial, kind, drawn, mine, DISTURBANCES[start : start + 3])
    st.button("Examples on another face", type="tertiary", on_click=_next_face)
    _table(found, cards)


def _asked(trial: Trial, result: Result) -> tuple[int, list[str]]:
    """How many faces, and which other models; both stand in the address."""
    everything = f"all {len(result):,}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        most = len(result)
        if len(result) > robustness.SAMPLE:
            with st.container(width=230):
                of = address.select(
                    "Faces", ["some", "all"], "of",
                    lambda id: everything if id == "all" else f"{robustness.SAMPLE:,}, drawn by expression",
                    "Each expression is drawn in its share; the same faces for every model.",
                )  # fmt: skip
            most = most if of == "all" else robustness.SAMPLE
        cards = {id: card for id, card in resources.models(EXPRESSION.id).items() if id != trial.card.id}
        others: list[str] = []
        if cards:
            named = [id for id in st.query_params.get("also", "").split(",") if id in cards][:MOST_ALSO]
            key = f"also {trial.card.id}"
            st.session_state.setdefault(key, named)
            with st.container(width=460):
                others = st.multiselect(
                    "Beside it", list(cards), key=key, max_selections=MOST_ALSO,
                    format_func=lambda id: cards[id].title, placeholder="other models",
                )  # fmt: skip
            if others:
                st.query_params["also"] = ",".join(others)
            else:
                st.query_params.pop("also", None)
    return most, others


def _same(result: Result, drawn: Result) -> Result:
    """The rows of another model's result that were drawn, in their order."""
    places = pd.Index(result.frame["sample"]).get_indexer(drawn.frame["sample"])
    return result.among(places[places >= 0])


def _measure(
    store: Store, trial: Trial, kind: str, samples: dict[str, tuple[Card, Result]], missing: list[str]
) -> None:
    """A button where some are missing, or the progress of the work that it began."""
    # By all that are shown: the key stays when the first of them is done.
    names = " ".join(f"{resources.weights(card)} {len(sample)}" for card, sample in samples.values())
    key = f"robustness {trial.rows.version} {trial.rows.split} {trial.faces} {kind} {names}"
    if not missing:
        jobs.forget(key)
        return
    job = jobs.find(key)
    if job is not None and job.state == "stopped":
        st.info(f"Stopped. What was measured is kept, but for the last {robustness.BLOCK} faces at most.")
    elif job is not None and jobs.show(key) is None:
        return
    if job is not None and job.state == "done":
        jobs.forget(key)
        st.rerun()

    def work(progress):
        for id in missing:
            robustness.measure(store, resources.predictor(id), samples[id][1], trial.faces, progress)

    titles = " and ".join(samples[id][0].title for id in missing)
    count = sum(len(samples[id][1]) for id in missing)
    strengths = sum(len(each.strengths) for each in DISTURBANCES)
    if st.button(
        "Go on measuring" if job is not None else f"Measure {titles}",
        type="primary",
        help=f"{count:,} faces, each disturbed in {strengths} ways: seconds to minutes, by the network.",
    ):
        jobs.forget(key)
        jobs.start(key, f"Disturbing {count:,} faces", work)
        st.rerun()


def _unsure(costs: list[Loss]) -> float:
    """Points that the widest interval reaches to either side."""
    return 50 * max(cost.high - cost.low for cost in costs)


def _legend(cards: dict[str, Card], found: dict[str, Curves], drawn: Result) -> None:
    shapes = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲"}
    lines = []
    for (id, curves), (colour, shape) in zip(found.items(), _LOOKS, strict=False):
        figures = report.share(curves.result.right, np.ones(len(curves.result), bool))
        said = f"{cards[id].title}: {words.accuracy(figures)} as they are"
        lines.append(f'<span style="color:{colour}">{shapes[shape]}</span> {html.escape(said)}')
    base = words.percent(_baseline(drawn), 0)
    lines.append(f"┈ always guessing the commonest expression: {base}")
    st.html(f'<div style="font-size:.92em;line-height:1.7">{"<br>".join(lines)}</div>')
    st.caption("Bands are 95 % intervals. Click a point to see the faces that it turns wrong.")


def _baseline(drawn: Result) -> float:
    return float(np.bincount(drawn.truth).max() / len(drawn))


def _chart(each: Disturbance, found: dict[str, Curves], cards: dict[str, Card], drawn: Result) -> None:
    figure, x = go.Figure(), [each.said(step) for step in each.steps]
    figure.add_hline(y=100 * _baseline(drawn), line={"color": "#8C8C8C", "width": 1, "dash": "dot"})
    for (id, curves), (colour, symbol) in zip(found.items(), _LOOKS, strict=False):
        every = np.ones(len(curves.result), bool)
        points = [report.share(curves.at(each, step), every) for step in each.steps]
        low, high = ([100 * point[f"accuracy_{end}"] for point in points] for end in ("low", "high"))
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*high, *low[::-1]], fill="toself", mode="lines", line={"width": 0},
            fillcolor=colour, opacity=0.16, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=x,
            y=[100 * point["accuracy"] for point in points],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": symbol, "size": 9},
            unselected={"marker": {"opacity": 1}},
            customdata=[_mark(each, step) for step in each.steps],
            hovertext=[
                f"{html.escape(cards[id].title)}<br>{said}: {_change(curves, each, step, point)}"
                for said, step, point in zip(x, each.steps, points, strict=True)
            ],
            hoverinfo="text",
        )
    figure.update_xaxes(
        title={"text": each.axis, "font": {"size": 12}}, type="category", range=[-0.5, len(x) - 0.5],
        fixedrange=True, showgrid=False, tickfont={"size": 11}, tickangle=0,
    )  # fmt: skip
    figure.update_yaxes(
        range=[0, _top(found)], dtick=20, ticksuffix=" %", fixedrange=True, gridcolor="rgba(128,128,128,0.25)"
    )
    charts.plain(figure, height=210)
    figure.update_layout(margin={"l": _EDGE, "r": 4, "t": 4, "b": 40})
    st.markdown(f"**{each.title}**")
    first = next(iter(found.values()))
    said = ", ".join(f"{each.said(s)} {words.percent(first.at(each, s).mean(), 0)}" for s in each.steps)
    key = f"disturbed {each.id}"
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: _choose(key),
        selection_mode="points",
        config=charts.BUTTONS,
        alt=f"Accuracy by {each.axis}: {said}",
    )


def _top(found: dict[str, Curves]) -> float:
    """Where all charts end, %: alike, so that they may be compared."""
    best = max(right.mean() for curves in found.values() for right in (curves.result.right, *_all(curves)))
    return min(100.0, 100 * float(best) + 10)


def _all(curves: Curves) -> list[np.ndarray]:
    return [right for strengths in curves.right.values() for right in strengths]


def _change(curves: Curves, each: Disturbance, step: float | None, point: dict) -> str:
    said = words.accuracy(point)
    if step is None:
        return said
    found = robustness.loss(curves, each, step)
    return (
        f"{said}<br>{100 * found.change:+.1f} points on the same faces "
        f"({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    )


def _mark(each: Disturbance, step: float | None) -> str:
    return "" if step is None else f"{each.id} {step:g}"


def _choose(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    mark = str(np.ravel(points[0].get("customdata", ""))[0]) if points else ""
    if mark:
        st.query_params["turned"] = mark


def _turned(
    store: Store, trial: Trial, kind: str, drawn: Result, curves: Curves, above: tuple[Disturbance, ...]
) -> None:
    """The faces that the point in the address turns wrong, where it is a point of the charts above."""
    asked = st.query_params.get("turned")
    marks = {_mark(each, s): (each, s) for each in above for s in each.strengths}
    if asked not in marks:
        return
    each, strength = marks[asked]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Turned wrong: {each.axis}, {each.said(strength)}", anchor=False)
        st.button("Close", type="tertiary", on_click=_close)
    wanted = drawn.frame["sample"].to_numpy()[curves.turned(each, strength)]
    places = np.flatnonzero(trial.result(kind).frame["sample"].isin(wanted))
    st.caption("They are read right as they are: that answer stands below each.")
    cell_view.pictures(store, trial, kind, places, "turned", f"robustness, {each.title}")


def _close() -> None:
    st.query_params.pop("turned", None)


def _table(found: dict[str, Curves], cards: dict[str, Card]) -> None:
    rows = []
    for id, curves in found.items():
        for each in DISTURBANCES:
            for strength in each.strengths:
                cost = robustness.loss(curves, each, strength)
                every = np.ones(cost.n, bool)
                rows.append(
                    {
                        "model": cards[id].title,
                        "disturbance": each.title,
                        "strength": f"{each.axis}: {each.said(strength)}",
                        "accuracy": words.accuracy(report.share(curves.at(each, strength), every)),
                        "change, points": f"{100 * cost.change:+.1f} ({100 * cost.low:+.1f} to "
                        f"{100 * cost.high:+.1f})",
                    }
                )
    with st.expander("As a table"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Accuracy under each disturbance and strength")


def _next_face() -> None:
    st.session_state["example face"] = st.session_state.get("example face", 0) + 1


def _examples(store: Store, trial: Trial, drawn: Result) -> dict[str, list[str]]:
    """One face under every disturbance and strength, as data: addresses; empty where none was found."""
    right = np.flatnonzero(drawn.right)
    places = right if len(right) else np.flatnonzero(drawn.found)
    if not len(places):
        return {each.id: [] for each in DISTURBANCES}
    place = places[st.session_state.get("example face", 0) % len(places)]
    return _disturbed(store, str(drawn.frame["image"].iloc[place]), trial.faces, trial.card.input)


@st.cache_data(max_entries=32, show_spinner=False)
def _disturbed(_store: Store, image: str, faces: str, spec: InputSpec) -> dict[str, list[str]]:
    face = robustness.face_of(decode_image(_store.image_bytes([image])[image]), faces, spec)
    if face is None:
        return {each.id: [] for each in DISTURBANCES}
    return {each.id: [_address(disturbed(each, face, step)) for step in each.steps] for each in DISTURBANCES}


def _address(picture: np.ndarray) -> str:
    small = encode_png(to_input(picture, None, _EXAMPLE))
    return f"data:image/png;base64,{base64.b64encode(small).decode()}"


def _strip(each: Disturbance, sources: list[str]) -> None:
    """The example below its chart, a picture under each strength."""
    pictures = "".join(
        f'<img src="{source}" alt="{html.escape(each.title)}, {html.escape(each.said(step))}" '
        'style="width:100%;max-width:64px;justify-self:center;border-radius:3px">'
        for source, step in zip(sources, each.steps, strict=False)
    )
    st.html(
        f'<div style="display:grid;grid-template-columns:repeat({len(each.steps)},1fr);gap:3px;'
        f'padding:0 4px .6em {_EDGE}px">{pictures}</div>'
    )
