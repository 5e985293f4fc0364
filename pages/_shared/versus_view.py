"""Two models on the same faces: which is better, whether that is proven, and where they differ."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.dataset.store import Store
from fer_core.evaluation import compare, metrics
from fer_core.evaluation.compare import BETTER, NO_PROOF, Change, Comparison
from fer_core.evaluation.results import Result
from fer_core.evaluation.trial import Rows, Trial
from fer_core.zoo.specs import EXPRESSION
from pages._shared import (
    across_view,
    address,
    cell_view,
    charts,
    errors,
    evaluation_choice,
    resources,
    why_view,
    words,
)

_LOSS, _GAIN = "#D55E00", "#0072B2"
"""Worse and better, told apart by colour-blind eyes; the sign stands beside them."""


def show(store: Store, rows: Rows, faces: str, kind: str) -> None:
    """The choice of the second model, the verdict, what changed, and the faces that they read differently."""
    models = resources.models(EXPRESSION.id)
    one = st.query_params.get("model") or next(iter(models), "")
    if one not in models:
        st.info("Two models are compared that name an expression. Choose such a model above.")
        return
    others = [model for model in models if model != one]
    if not others:
        st.info("A comparison takes two models of expressions: train another one.")
        st.page_link("pages/train.py", label="Train a model →")
        return
    titles = across_view.distinct(models)
    with st.container(width=320):
        other = address.select(
            "Compared with",
            others,
            "other",
            titles.__getitem__,
            "It answers for the same faces.",
            always=True,
        )
    first = evaluation_choice.measured(store, one, rows, faces)
    second = evaluation_choice.measured(store, other, rows, faces) if first else None
    if first is None or second is None:
        return
    if (sample := address.number("sample")) is not None:
        _one(store, (first, second), (titles[one], titles[other]), kind, sample)
        return
    found, _, _ = _pair(first, second, kind)
    _figures(found, titles[one], titles[other])
    st.subheader("What changes for each expression", anchor=False)
    _classes(found, titles[one], titles[other])
    st.subheader("Which mistakes become rarer", anchor=False)
    _matrices(found, titles[one], titles[other])
    st.subheader("Where they differ", anchor=False)
    _faces(store, found, (first, second), (titles[one], titles[other]), kind)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Trial: id})
def _pair(one: Trial, other: Trial, kind: str) -> tuple[Comparison, Trial, Trial]:
    # With the trials, so that they live as long as this and no other ones take their places in memory.
    return compare.pair(one.result(kind), other.result(kind)), one, other


def verdict(found: Comparison, one: str, other: str) -> str:
    """Whether the second model is better, as a sentence in Markdown; titles as they are."""
    first, second = (f"**{errors.plain(title)}**" for title in (one, other))
    change, n = found.accuracy, f"the same {words.many(len(found), 'face')}"
    points = f"{_points(abs(change.value))} points"
    if found.verdict == NO_PROOF:
        ahead = (
            f"{second} reads {points} more right"
            if change.value > 0
            else f"{second} reads {points} fewer right"
        )
        ahead = ahead if change.value else "Both read as many right"
        return f"No proof that one is better: {ahead} on {n}, with an interval of {_signed(change)}."
    low, high = sorted((abs(change.low), abs(change.high)))
    return (
        f"{second} is {'better' if found.verdict == BETTER else 'worse'} than {first} by **{points}** "
        f"({_points(low)} to {_points(high)}) on {n}."
    )


def _figures(found: Comparison, one: str, other: str) -> None:
    first, second = (f"**{errors.plain(title)}**" for title in (one, other))
    st.markdown(verdict(found, one, other))
    st.markdown(chance(found, one, other))
    st.markdown(
        f"Accuracy: {first} {_accuracy(found.one)}, {second} {_accuracy(found.other)}. "
        f"Macro F1 changes by {found.macro_f1.value:+.3f} ({found.macro_f1.low:+.3f} to "
        f"{found.macro_f1.high:+.3f}). They give the same answer for {words.percent(found.agreement)} of the "
        f"faces (Cohen's kappa {found.kappa:.2f}).",
        help="Macro F1: rare expressions count as much as common ones. "
        "Kappa: agreement beyond chance; 0 is none, 1 is complete.",
    )
    if found.left_out:
        parts = ", ".join(f"{n:,} {errors.plain(name)}" for name, n in found.left_out.items())
        st.caption(f"Left out, because only one of the two has an answer for them: {parts}.")


def chance(found: Comparison, one: str, other: str) -> str:
    """McNemar's test in words."""
    b, c = len(found.only_one), len(found.only_other)
    if not b + c:
        return "Both are right, and wrong, on the very same faces."
    much = "less than 1 in 1,000 cases" if found.p < 0.001 else f"{found.p * 100:.2g} of 100 cases"
    return (
        f"{words.many(c, 'face')} only {errors.plain(other)} reads right, {b:,} only {errors.plain(one)}. "
        f"Were both equally good, chance would part them so unevenly, or more, in {much} "
        "(exact McNemar test)."
    )


def _points(share: float) -> str:
    return f"{share * 100:.1f}"


def _signed(change: Change) -> str:
    return f"{change.low * 100:+.1f} to {change.high * 100:+.1f}"


def _accuracy(result: Result) -> str:
    hits, n = int(result.right.sum()), len(result)
    low, high = metrics.wilson(hits, n)
    return f"{words.percent(hits / n)} ± {(high - low) * 50:.1f}"


def _classes(found: Comparison, one: str, other: str) -> None:
    """For each expression the change of the share that is found, with its interval."""
    names, counts = found.label_set.names, np.bincount(found.one.truth, minlength=len(found.label_set))
    present = [place for place in range(len(names)) if counts[place]]
    values = [found.recall[place].value * 100 for place in present]
    spans = [found.recall[place] for place in present]
    said = [
        f"{names[place]}: {change.value * 100:+.1f} points ({_signed(change)}), {counts[place]:,} faces"
        for place, change in zip(present, spans, strict=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[f"{names[place]} ({counts[place]:,})" for place in present],
            error_x={
                "array": [change.high * 100 - v for change, v in zip(spans, values, strict=True)],
                "arrayminus": [v - change.low * 100 for change, v in zip(spans, values, strict=True)],
                "thickness": 1.5,
                "color": "rgba(128,128,128,.9)",
            },
            mode="markers",
            marker={
                "size": 12,
                "color": [labels.colour(names[place]) for place in present],
                "line": {"width": 1, "color": "rgba(90,90,90,.8)"},
            },
            hovertext=said,
            hoverinfo="text",
        )
    )
    figure.add_vline(x=0, line={"width": 1, "color": "rgba(128,128,128,.9)"})
    figure.update_xaxes(
        title="change of the share found, points", fixedrange=True, gridcolor="rgba(128,128,128,.25)"
    )
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, automargin=True, gridcolor="rgba(128,128,128,.15)"
    )
    charts.plain(figure, height=36 * len(present) + 70)
    st.plotly_chart(figure, key="change of each class", config=charts.BUTTONS, alt="; ".join(said))
    st.caption(
        f"To the right, {errors.plain(other)} finds more of an expression's faces than {errors.plain(one)}. "
        "The lines are 95 % intervals; with so many of them, one may miss zero by chance."
    )


def _matrices(found: Comparison, one: str, other: str) -> None:
    """The second confusion matrix less the first, in points of each row."""
    names, classes = found.label_set.names, len(found.label_set)
    both = [_shares(result, classes) for result in (found.one, found.other)]
    change = (both[1] - both[0]) * 100
    reach = max(float(np.abs(change).max()), 1.0)
    diagonal = np.eye(classes, dtype=bool)
    # On the diagonal more is better, beside it fewer.
    good = np.where(diagonal, change, -change)
    dark = st.context.theme.type == "dark"
    figure = go.Figure(
        go.Heatmap(
            z=good,
            x=list(names),
            y=list(names),
            text=[
                [f"<b>{v:+.1f}</b>" if i == j else f"{v:+.1f}" for j, v in enumerate(r)]
                for i, r in enumerate(change)
            ],
            texttemplate="%{text}",
            textfont={"size": 11},
            hovertext=[
                [
                    f"true {true}, read as {guess}: first {both[0][i, j]:.1%}, second {both[1][i, j]:.1%}"
                    for j, guess in enumerate(names)
                ]
                for i, true in enumerate(names)
            ],
            hoverinfo="text",
            colorscale=[[0, _LOSS], [0.5, "#1B2225" if dark else "#F5F5F5"], [1, _GAIN]],
            zmin=-reach,
            zmax=reach,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_xaxes(title="read as", side="top", fixedrange=True, showgrid=False, tickangle=-40)
    figure.update_yaxes(title="true", autorange="reversed", fixedrange=True, showgrid=False, automargin=True)
    charts.plain(figure, height=44 * classes + 90)
    worst = np.unravel_index(good.argmin(), good.shape)
    st.plotly_chart(
        figure,
        key="difference of matrices",
        config=charts.BUTTONS,
        alt=f"Change of the confusion matrix; the largest loss: true {names[worst[0]]}, "
        f"read as {names[worst[1]]}, {change[worst]:+.1f} points",
    )
    st.caption(
        f"{errors.plain(other)} less {errors.plain(one)}, in points of each row. Blue is better: more on the "
        "diagonal, less beside it. Orange is worse."
    )


def _shares(result: Result, classes: int) -> np.ndarray:
    """(classes, classes) shares of each true class; a face that was not found is in no column."""
    matrix = metrics.confusion(result.truth[result.found], result.predicted[result.found], classes)
    return matrix / np.maximum(np.bincount(result.truth, minlength=classes)[:, None], 1)


def _faces(
    store: Store, found: Comparison, trials: tuple[Trial, Trial], titles: tuple[str, str], kind: str
) -> None:
    """The faces that only one reads right, and those that both read wrong alike."""
    alike = np.flatnonzero(~found.one.right & found.same & found.one.found)
    lists = {
        "other": ("Gained", found.only_other, trials[0]),
        "one": ("Lost", found.only_one, trials[1]),
        "both": ("Both wrong alike", alike, trials[1]),
    }
    asked = st.query_params.get("which", "other")
    st.session_state["which faces"] = asked if asked in lists else "other"
    st.segmented_control(
        "Which faces",
        list(lists),
        format_func=lambda key: f"{lists[key][0]} · {len(lists[key][1]):,}",
        key="which faces",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: st.query_params.update(which=st.session_state["which faces"]),
    )
    chosen = st.session_state["which faces"]
    _, places, trial = lists[chosen]
    first, second = map(errors.plain, titles)
    st.caption(
        {
            "other": f"{second} is right here. The answers shown are those of {first}.",
            "one": f"{first} is right here. The answers shown are those of {second}.",
            "both": "Both give the same answer, and it is not the label: some of these labels may be wrong. "
            f"The percentages are those of {second}.",
        }[chosen]
    )
    cell_view.pictures(
        store, trial, kind, _in_trial(found, trial, kind, places), f"versus {chosen}", "two models"
    )


def _in_trial(found: Comparison, trial: Trial, kind: str, places: np.ndarray) -> np.ndarray:
    """Positions in the trial's own result: a comparison holds only the rows of both."""
    samples = found.one.frame["sample"].iloc[places]
    return pd.Index(trial.result(kind).frame["sample"]).get_indexer(samples)


def _one(store: Store, trials: tuple[Trial, Trial], titles: tuple[str, str], kind: str, sample: int) -> None:
    """One face: what both say of it, and why the second says so."""
    cell_view.neighbours(sample)
    for trial, title in zip(trials, titles, strict=True):
        result = trial.result(kind)
        (places,) = np.nonzero(result.frame["sample"].to_numpy() == sample)
        for place in places:
            names, row = result.label_set.names, result.probabilities[place]
            read = (
                f"{names[result.predicted[place]]} ({words.share(float(row.max()))})"
                if result.found[place]
                else "no face found"
            )
            st.markdown(f"**{errors.plain(title)}**: {read}; right is {names[result.truth[place]]}.")
    why_view.show(store, trials[1], kind, sample)
