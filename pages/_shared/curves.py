"""Curves over the epochs of runs: one figure each, ranges that stay put while a run goes on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import plotly.graph_objects as go
import streamlit as st

from pages._shared import charts

VALIDATION, TRAINING = "#2F8F9A", "#8C8C8C"
"""Both are seen on white and on black; training is dashed too."""

HEIGHT, SMALL = 260, 200
"""px"""

_GRID = "rgba(128,128,128,0.25)"
_FADED = 0.55
_SPREAD = 10
"""From so many times the median on, the largest value asks for a logarithmic axis: a run that loses its
way for an epoch would hide all the others."""


@dataclass(frozen=True)
class Figure:
    """A number that is measured each epoch.

    Attributes:
        title: its name for people.
        short: its name where there is little room.
        help: what it says, in some words.
        percent: shown as per cent.
        step: width of the axis' steps, for figures that have a known range.
        low: the lowest possible value of a figure with a known range.
    """

    title: str
    short: str
    help: str
    percent: bool = False
    step: float = 0.0
    low: float = 0.0

    def said(self, value: float | None) -> str:
        """The value in words; "not a number" where training lost its way."""
        if value is None:
            return "not a number"
        return (
            f"{value * 100:.1f} %" if self.percent else f"{value:.3g}" if self.step == 0 else f"{value:.3f}"
        )


FIGURES: Mapping[str, Figure] = {
    "loss": Figure("Loss", "Loss", "What training makes as small as it can: how far the answers are off."),
    "accuracy": Figure("Accuracy", "Accuracy", "The share of right answers.", percent=True, step=0.1),
    "macro_f1": Figure(
        "Macro F1",
        "Macro F1",
        "Mean of the expressions' F1: rare ones count as much as common ones.",
        step=0.1,
    ),
    "ccc": Figure(
        "Concordance (CCC)",
        "CCC",
        "How well valence and arousal agree with the raters: 1 is all, 0 none.",
        step=0.2,
        low=-1.0,
    ),
    "pearson": Figure(
        "Correlation (Pearson)",
        "Correlation",
        "Whether answers rise and fall with the raters': 1 always.",
        step=0.2,
        low=-1.0,
    ),
    "rmse": Figure(
        "Error (RMSE)", "RMSE", "How far valence and arousal are off, of a range of 2; small is good."
    ),
    "auc": Figure(
        "Area under the ROC curve",
        "ROC area",
        "How often a genuine pair is closer than an imposter; half is chance.",
        step=0.1,
    ),
    "learning_rate": Figure(
        "Learning rate", "Learning rate", "How large the steps are by which the weights change."
    ),
}


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: value by epoch, counted from 1; a value of None leaves a gap.
        live: epoch (with its part) and value of the epoch at work.
        best: the epoch that is marked.
        label: words at the mark.
        colour, dash, faint: how it is drawn.
        group: the name of the curve that it comes and goes with; it is then not in the legend itself.
    """

    name: str
    points: Mapping[float, float | None]
    live: tuple[float, float] | None = None
    best: float | None = None
    label: str = ""
    colour: str = VALIDATION
    dash: str = "solid"
    faint: bool = False
    group: str = ""

    @property
    def values(self) -> list[float]:
        """All numbers in it."""
        own = [value for value in self.points.values() if value is not None]
        return own + ([self.live[1]] if self.live else [])


@dataclass(frozen=True)
class Axis:
    """The epochs that a chart shows.

    Attributes:
        last: the largest epoch.
        marks: words for moments, by epoch.
    """

    last: float
    marks: Mapping[float, str] = field(default_factory=dict)


def points(epochs: Iterable[dict], name: str) -> dict[float, float | None]:
    """One figure of whole epochs, by epoch counted from 1."""
    return {event["epoch"] + 1: event[name] for event in epochs if name in event}


def last_epoch(done: float, planned: int, at_work: bool) -> int:
    """Where the axis ends: at the plan while a run is at work, unless that is far away."""
    if not at_work:
        return max(math.ceil(done), 1)
    return min(planned, max(60, math.ceil(done / 30 + 1) * 30))


def draw(name: str, curves: Sequence[Curve], axis: Axis, key: str, height: int = HEIGHT) -> None:
    """A titled chart of one figure; nothing where no curve has a point yet."""
    figure = FIGURES[name]
    st.markdown(f"**{figure.title}**", help=figure.help)
    shown = [curve for curve in curves if curve.values]
    if not shown:
        st.caption("Appears with the first whole epoch.")
        return
    st.plotly_chart(
        _chart(figure, shown, axis, key, height), key=key, config=charts.BUTTONS, alt=_alt(figure, shown)
    )


def limits(figure: Figure, values: Sequence[float]) -> tuple[tuple[float, float], bool]:
    """The range of the value axis, in steps so coarse that it rarely moves, and whether it is logarithmic."""
    low, high = min(values), max(values)
    if figure.step:
        floor = max(math.floor(low / figure.step + 1e-9) * figure.step, figure.low)
        roof = min(math.ceil(high / figure.step - 1e-9) * figure.step, 1.0)
        return (floor, max(roof, floor + figure.step)), False
    positive = [value for value in values if value > 0]
    if positive and figure is not FIGURES["learning_rate"] and high > _SPREAD * median(positive):
        return (10 ** math.floor(math.log10(min(positive))), 10 ** math.ceil(math.log10(high))), True
    return (0.0, _round_up(high)), False


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    unit = 10 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * unit * (1 + 1e-9))


def _chart(figure: Figure, curves: Sequence[Curve], axis: Axis, key: str, height: int) -> go.Figure:
    times = 100 if figure.percent else 1
    chart = go.Figure()
    for curve in curves:
        _line(chart, figure, curve, times)
    for at, words in axis.marks.items():
        chart.add_vline(x=at, line={"width": 1, "dash": "dot", "color": TRAINING})
        # At the foot, where curves rarely are.
        chart.add_annotation(
            x=at,
            y=0,
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            text=words,
            showarrow=False,
            font_size=12,
        )
    (low, high), logarithmic = limits(figure, [value for curve in curves for value in curve.values])
    bounds = [low * times, high * times]
    chart.update_xaxes(
        title="epoch",
        range=[0.5, axis.last + 0.5],
        fixedrange=True,
        showgrid=False,
        nticks=8,
        tickformat="d",
        # A run of few epochs has no ticks between them.
        dtick=1 if axis.last <= 8 else None,
    )
    chart.update_yaxes(
        range=[math.log10(bound) for bound in bounds] if logarithmic else bounds,
        type="log" if logarithmic else "linear",
        # Powers of ten alone, where there are some.
        dtick=1 if logarithmic else None,
        ticksuffix=" %" if figure.percent else "",
        fixedrange=True,
        automargin=True,
        nticks=6,
        gridcolor=_GRID,
        zeroline=False,
    )
    charts.plain(chart, height)
    chart.update_layout(
        # What a visitor switched off stays off when new points come.
        uirevision=key,
        hovermode="x",
        showlegend=len(curves) > 1,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        margin={"t": 12 + 18 * sum(not curve.group for curve in curves) // 2},
    )
    return chart


def _line(chart: go.Figure, figure: Figure, curve: Curve, times: int) -> None:
    """A curve with its live end and its mark, which come and go with it in the legend."""
    unit = " %" if figure.percent else ""
    hover = "%{y:.1f}" if figure.percent else "%{y:.4g}"
    scaled = {at: value if value is None else value * times for at, value in curve.points.items()}
    chart.add_scatter(
        x=list(scaled),
        y=list(scaled.values()),
        # A line of one point would not be seen.
        mode="lines" if len(scaled) > 1 else "lines+markers",
        name=curve.name,
        legendgroup=curve.group or curve.name,
        showlegend=not curve.group,
        opacity=_FADED if curve.faint else 1.0,
        line={"color": curve.colour, "dash": curve.dash, "width": 1.5 if curve.faint else 2},
        hovertemplate=f"epoch %{{x}}: {hover}{unit}<extra>{curve.name}</extra>",
    )
    if curve.live:
        at, value = curve.live
        end = max(scaled, default=None)
        start = [] if end is None or scaled[end] is None else [(end, scaled[end])]
        ends = [*start, (at, value * times)]
        chart.add_scatter(
            x=[x for x, _ in ends],
            y=[y for _, y in ends],
            mode="lines+markers",
            legendgroup=curve.group or curve.name,
            showlegend=False,
            line={"color": curve.colour, "dash": "dot", "width": 1.5},
            marker={"symbol": "circle-open", "size": [0] * len(start) + [9], "line": {"width": 2}},
            hovertemplate=f"now: {hover}{unit}<extra>{curve.name}</extra>",
        )
    if curve.best is not None and scaled.get(curve.best) is not None:
        chart.add_scatter(
            x=[curve.best],
            y=[scaled[curve.best]],
            mode="markers+text" if curve.label else "markers",
            text=[curve.label],
            textposition="top center",
            legendgroup=curve.group or curve.name,
            showlegend=False,
            marker={"symbol": "star", "size": 11, "color": curve.colour},
            hovertemplate=f"best epoch, %{{x}}: {hover}{unit}<extra>{curve.name}</extra>",
        )


def _alt(figure: Figure, curves: Sequence[Curve]) -> str:
    said = []
    for curve in curves:
        last = max(curve.points, default=None)
        parts = [] if last is None else [f"{figure.said(curve.points[last])} in epoch {last:g}"]
        if curve.best in curve.points and curve.best != last and curve.best is not None:
            parts.append(f"{figure.said(curve.points[curve.best])} in the best, {curve.best:g}")
        if curve.live:
            parts.append(f"{figure.said(curve.live[1])} now")
        said.append(f"{curve.group} {curve.name} {', '.join(parts)}".strip())
    return f"{figure.title} by epoch: {'; '.join(said)}"
