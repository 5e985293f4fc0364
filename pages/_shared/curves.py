"""Curves over the epochs of runs: one figure each, ranges that stay put while a run goes on.

Drawn by ECharts: under a key it takes new points into the chart that is there. Streamlit's Plotly chart is
made anew for each (it flashes, the page jumps, and a browser is busy with it).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import streamlit as st

VALIDATION, TRAINING = "#2F8F9A", "#8C8C8C"
"""Both are seen on white and on black; training is dashed too."""

HEIGHT, SMALL = 270, 200
"""px"""

_FADED = 0.55
_SPREAD = 10
"""From so many times the median on, the largest value asks for a logarithmic axis: a run that loses its
way for an epoch would hide all the others."""
_LINES = 5
"""Most lines across a chart."""
_TOPS = ((1, 0.2), (1.5, 0.5), (2, 0.5), (3, 1), (4, 1), (5, 1), (6, 2), (8, 2), (10, 2))
"""Ends of an axis from zero, in powers of ten, each with the distance of its lines."""


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
        listed: whether it is in the legend.
    """

    name: str
    points: Mapping[float, float | None]
    live: tuple[float, float] | None = None
    best: float | None = None
    label: str = ""
    colour: str = VALIDATION
    dash: str = "solid"
    faint: bool = False
    listed: bool = True

    @property
    def values(self) -> list[float]:
        """All numbers in it."""
        own = [value for value in self.points.values() if value is not None]
        return own + ([self.live[1]] if self.live else [])


@dataclass(frozen=True)
class Scale:
    """A value axis.

    Attributes:
        line: the distance of its lines; None on a logarithmic axis.
    """

    low: float
    high: float
    line: float | None


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
    st.echarts_chart(_option(figure, shown, axis), height=height, key=key, alt=_alt(figure, shown))


def scale(figure: Figure, values: Sequence[float]) -> Scale:
    """A value axis for these values, in steps so coarse that it rarely moves."""
    low, high = min(values), max(values)
    if figure.step:
        first = max(math.floor(low / figure.step + 1e-9), round(figure.low / figure.step))
        last = max(min(math.ceil(high / figure.step - 1e-9), round(1 / figure.step)), first + 1)
        wide = last - first > _LINES
        # Every other step has a line then: an odd one below would stand alone.
        first -= wide and (last - first) % 2
        return Scale(first * figure.step, last * figure.step, figure.step * (1 + wide))
    positive = [value for value in values if value > 0]
    if positive and figure is not FIGURES["learning_rate"] and high > _SPREAD * median(positive):
        return Scale(10 ** math.floor(math.log10(min(positive))), 10 ** math.ceil(math.log10(high)), None)
    unit = 10 ** math.floor(math.log10(high)) if high > 0 else 1.0
    top, line = next((top, line) for top, line in _TOPS if high <= top * unit * (1 + 1e-9))
    return Scale(0.0, top * unit, line * unit)


def _option(figure: Figure, curves: Sequence[Curve], axis: Axis) -> dict:
    """The chart as ECharts wants it. Source: https://echarts.apache.org/en/option.html."""
    times = 100 if figure.percent else 1
    values = scale(figure, [value for curve in curves for value in curve.values])
    series = [part for curve in curves for part in _series(curve, times)]
    series[0]["markLine"] = {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"type": "dotted", "color": TRAINING},
        "label": {"formatter": "{b}", "position": "end", "color": TRAINING, "distance": 4},
        "data": [{"xAxis": at, "name": words} for at, words in axis.marks.items()],
    }
    listed = [curve.name for curve in curves if curve.listed]
    rows = -(-len(listed) // 2) if len(listed) > 1 else 0
    return {
        "animation": False,
        "legend": {
            "show": rows > 0,
            "data": listed,
            "left": 0,
            "top": 0,
            "itemWidth": 28,
            # The line alone: its dashes tell it from others.
            "itemStyle": {"opacity": 0},
        },
        "grid": {
            "left": 4,
            "right": 12,
            "top": 12 + 20 * rows + 16 * bool(axis.marks),
            "bottom": 22,
            "containLabel": True,
        },
        "tooltip": {"trigger": "axis", "valueFormatter": "%.1f %%" if figure.percent else "%.4g"},
        "xAxis": {
            "type": "value",
            "name": "epoch",
            "nameLocation": "middle",
            "nameGap": 26,
            "min": 0,
            "max": axis.last,
            "minInterval": 1,
            "splitLine": {"show": False},
            "axisPointer": {"label": {"formatter": "epoch {value}", "precision": 0}},
        },
        "yAxis": {
            "type": "log" if values.line is None else "value",
            "min": round(values.low * times, 9),
            "max": round(values.high * times, 9),
            "interval": None if values.line is None else round(values.line * times, 9),
            "axisLabel": {"formatter": "{value} %"} if figure.percent else {},
        },
        "series": series,
    }


def _series(curve: Curve, times: int) -> list[dict]:
    """A curve with its mark, and its live end."""
    line = {"color": curve.colour, "type": curve.dash, "width": 1.5 if curve.faint else 2}
    data = [[at, None if value is None else value * times] for at, value in curve.points.items()]
    whole: dict = {
        "type": "line",
        "name": curve.name,
        "data": data,
        "color": curve.colour,
        "lineStyle": {**line, "opacity": _FADED if curve.faint else 1},
        # A line of one point would not be seen.
        "symbol": "circle" if len(data) == 1 else "none",
    }
    best = curve.points.get(curve.best) if curve.best is not None else None
    if best is not None:
        whole["markPoint"] = {
            "silent": True,
            "symbol": "diamond",
            "symbolSize": 13,
            "label": {"formatter": curve.label, "position": "top", "fontSize": 12},
            "data": [{"coord": [curve.best, best * times]}],
        }
    if curve.live is None:
        return [whole]
    at, value = curve.live
    end = [] if not data or data[-1][1] is None else [{"value": data[-1], "symbol": "none"}]
    return [
        whole,
        {
            "type": "line",
            "name": f"{curve.name}, now",
            "data": [*end, [at, value * times]],
            "color": curve.colour,
            "lineStyle": {**line, "type": "dotted", "width": 1.5},
            "symbol": "emptyCircle",
            "symbolSize": 9,
        },
    ]


def _alt(figure: Figure, curves: Sequence[Curve]) -> str:
    said = []
    for curve in curves:
        last = max(curve.points, default=None)
        parts = [] if last is None else [f"{figure.said(curve.points[last])} in epoch {last:g}"]
        if curve.best in curve.points and curve.best != last and curve.best is not None:
            parts.append(f"{figure.said(curve.points[curve.best])} in the best, {curve.best:g}")
        if curve.live:
            parts.append(f"{figure.said(curve.live[1])} now")
        said.append(f"{curve.name} {', '.join(parts)}")
    return f"{figure.title} by epoch: {'; '.join(said)}"
