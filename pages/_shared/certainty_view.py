"""When a model had better say "can't tell": how sure it must be, and the sets that hold the truth."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.evaluation import certainty
from fer_core.evaluation.certainty import Curve
from fer_core.evaluation.results import Result
from fer_core.evaluation.trial import Trial
from fer_core.zoo import thresholds
from fer_core.zoo.card import Card
from pages._shared import address, cell_view, charts, errors, resources, sets_view, words

_WANTED = (80, 90, 95)
"""Shares of right answers that one click asks for, per cent."""

_FEW = 50
"""The curve begins where so many faces are answered: before that its interval fills the chart."""

_LINE = "#2F8F9A"


def show(store: Store, trial: Trial, kind: str) -> None:
    """Both ways to be honest about doubt: no answer, or several."""
    result = trial.result(kind)
    _cautions(trial, result)
    st.subheader("Answer less, and be right more often", anchor=False)
    curve = certainty.curve(result)
    if not len(curve.threshold):
        st.info("No face was found in these pictures, so nothing was answered.")
        return
    percent = _threshold(trial.card, curve)
    _faces(store, trial, kind, percent / 100)
    st.subheader("Answer with several, and hold the truth", anchor=False)
    sets_view.show(store, result)


def _cautions(trial: Trial, result: Result) -> None:
    said = []
    if trial.seen is not None and result.leaked.mean() > 0.5:
        said.append(
            "The model was trained on most of these faces: it is surer and more often right here than "
            "elsewhere. Choose a threshold on validation."
        )
    elif (result.frame["split"] == "test").any():
        said.append(
            "A threshold that is chosen on a test split flatters its figures: choose it on validation."
        )
    others = [name for name in trial.card.labels.names if name not in result.label_set]
    if others:
        said.append(
            f"These faces are never {' or '.join(others)}, so the model was asked without: on photos, where "
            "it may say so, it is a little less sure."
        )
    for sentence in said:
        st.caption(f":material/info: {errors.plain(sentence)}")


def _threshold(card: Card, curve: Curve) -> int:
    """Chart, slider and what becomes of it; the chosen threshold in per cent."""
    used = resources.threshold(card)
    chart, sentence = st.container(), st.container()
    percent = _slider("Answer only when at least so sure", "sure", round(used * 100))
    (answered, right), (found, always) = curve.at(percent / 100), curve.at(0.0)
    with sentence:
        st.markdown(
            f"Answer only when at least **{percent} %** sure: it answers "
            f"**{words.percent(answered.value, 0)}** of {curve.total:,} faces, and "
            + (
                f"**{words.margin(right.value, right.low, right.high)}** of these answers are right. "
                if right.n
                else "nothing else. "
            )
            + f"Always answering, {words.margin(always.value, always.low, always.high)} are right."
        )
    with chart:
        _coverage_chart(curve, percent, card.answer_threshold)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("To be right at least", width="content")
        for wanted in _WANTED:
            to = _whole_percent(curve, wanted / 100)
            st.button(
                f"{wanted} %",
                key=f"reach {wanted}",
                disabled=to is None,
                on_click=address.write,
                args=("sure", to),
                help="No threshold is known to reach it." if to is None else None,
            )
        st.caption("of the time, with the whole interval", width="content")
    _keep(card, percent, used)
    st.caption(
        f"Area under the risk-coverage curve: {curve.area:.3f}; a model that does not know when it is "
        f"wrong has {1 - always.value * found.value:.3f}, a perfect one hardly more than 0."
    )
    return percent


def _whole_percent(curve: Curve, accuracy: float) -> int | None:
    """The least threshold of the slider that surely reaches an accuracy."""
    place = curve.reach(accuracy)
    if place is None:
        return None
    start = int(np.ceil(place * 100))
    return next((p for p in range(start, 100) if curve.at(p / 100)[1].low >= accuracy), None)


def _keep(card: Card, percent: int, used: float) -> None:
    """What the photo page uses now, and the two buttons that change it."""
    own = f"{card.answer_threshold * 100:.0f} %"
    with errors.guard():
        chosen = thresholds.chosen(card)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Use {percent} % on photos",
                type="primary",
                disabled=round(used * 100) == percent,
                on_click=_choose,
                args=(card, percent / 100),
                help="The Photo page, its table and `python -m fer_core predict` say can't tell below it.",
            )
            if chosen is not None:
                st.button(f"Back to the model's own, {own}", on_click=_choose, args=(card, None))
            st.caption(
                f"Photos are read with {used * 100:.0f} %, chosen here; the model's own is {own}."
                if chosen is not None
                else f"Photos are read with the model's own, {own}: below it answers were more often wrong "
                "than right when it was trained.",
                width="content",
            )


def _choose(card: Card, value: float | None) -> None:
    with errors.guard():
        thresholds.choose(card, value)
        if value is None:
            address.write("sure", None)


def _faces(store: Store, trial: Trial, kind: str, threshold: float) -> None:
    """The faces behind the two shares."""
    result = trial.result(kind)
    sure = result.found & (result.confidence >= threshold)
    lists = {
        "wrong": ("answered and wrong", sure & ~result.right),
        "silent": ("can't tell", ~sure),
        "lost": ("can't tell, though it would be right", ~sure & result.right),
    }
    asked = st.query_params.get("list")
    st.session_state["doubtful faces"] = asked if asked in lists else None
    st.segmented_control(
        "Faces",
        list(lists),
        format_func=lambda name: f"{lists[name][0]} ({lists[name][1].sum():,})",
        key="doubtful faces",
        on_change=lambda: address.write("list", st.session_state["doubtful faces"]),
        label_visibility="collapsed",
    )
    if asked in lists:
        places = np.flatnonzero(lists[asked][1])
        cell_view.pictures(store, trial, kind, places, f"doubt {asked}", lists[asked][0])


def _coverage_chart(curve: Curve, percent: int, own: float) -> None:
    """Share of right answers against the share of faces that are answered."""
    first = min(int(np.searchsorted(curve.answered, _FEW)), len(curve.answered) - 1)
    seen = np.unique(np.linspace(first, len(curve.threshold) - 1, 200).astype(int))
    across, (low, high) = curve.coverage[seen] * 100, curve.interval
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate([across, across[::-1]]),
        y=np.concatenate([high[seen], low[seen][::-1]]) * 100,
        fill="toself",
        fillcolor="rgba(47,143,154,0.18)",
        line={"width": 0},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=across,
        y=curve.accuracy[seen] * 100,
        mode="lines",
        line={"color": _LINE, "width": 2},
        customdata=curve.threshold[seen] * 100,
        hovertemplate="at least %{customdata:.0f} % sure:<br>%{x:.0f} % answered, %{y:.1f} % right"
        "<extra></extra>",
    )
    for value, title, symbol in (
        (own, "the model's own", "circle-open"),
        (percent / 100, "chosen", "circle"),
    ):
        answered, right = curve.at(value)
        if right.n:
            figure.add_scatter(
                x=[answered.value * 100],
                y=[right.value * 100],
                mode="markers",
                name=f"{title}, {value * 100:.0f} % sure",
                marker={"symbol": symbol, "size": 13, "color": "#D55E00", "line": {"width": 2}},
                hovertemplate=f"{title}: at least {value * 100:.0f} % sure<br>%{{x:.0f}} % answered, "
                "%{y:.1f} % right<extra></extra>",
                showlegend=True,
            )
    grid = {"ticksuffix": " %", "fixedrange": True, "gridcolor": "rgba(128,128,128,0.25)"}
    figure.update_xaxes(title="faces that get an answer", range=[-2, 102], **grid)
    bottom = max(0.0, float(low[seen].min()) * 100 - 5)
    figure.update_yaxes(title="answers that are right", range=[bottom, 102], automargin=True, **grid)
    charts.plain(figure, height=340)
    figure.update_layout(legend={"orientation": "h", "y": -0.24, "x": 0})
    for trace in figure.data[:2]:
        trace.showlegend = False
    figure.update_layout(showlegend=True)
    st.plotly_chart(
        figure,
        key="coverage",
        config=charts.BUTTONS,
        alt="Share of right answers against share of faces answered",
    )


def _slider(label: str, name: str, default: int) -> int:
    """Whole per cent that stand in the address as `?name=…` once they are chosen."""
    key = f"{name} slider"
    st.session_state[key] = min(address.number(name, default) or 0, 99)
    st.slider(
        label, 0, 99, format="%d %%", key=key, on_change=lambda: address.write(name, st.session_state[key])
    )
    return st.session_state[key]
