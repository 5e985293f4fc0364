"""The last minute of a camera: a strip of probabilities, and valence and arousal on the circumplex.

Drawn by ECharts, which takes new points into the chart that is there (see `curves`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from fer_core import labels
from fer_core.inference.circumplex import COORDINATES

SPAN = 60
"""s"""

_A_SECOND = 2
"""Points drawn for each second: more can hardly be told apart, and hold the video up (see `live_view`)."""

_GAP = 1.5
"""s without the face after which its line is broken."""

_TRAIL = 8
"""s of the way that a face took on the circumplex."""

_BESIDE = {"fear": "left", "angry": "right", "happy": "bottom"}
"""Where a name stands that would else lie over another, or over the edge."""

_GREY = "#8C8C8C"
_AXES = {"valence": "#2F8F9A", "arousal": "#D55E00"}


def of_face(minute: pd.DataFrame, face: int, now: pd.Timestamp) -> pd.DataFrame:
    """What the charts draw of one face.

    Args:
        minute: as from `Session.minute`.
        now: in UTC.

    Returns:
        Its rows of the last minute, at most two a second, with the column "ago": s, at most 0.
    """
    rows = minute[minute["face"] == face]
    ago = (rows["time"] - now).dt.total_seconds()
    rows = rows.assign(ago=ago.clip(upper=0.0))[ago >= -SPAN]
    return rows[~(rows["seconds"] * _A_SECOND).astype(int).duplicated()]


def strip(rows: pd.DataFrame, names: Sequence[str], key: str) -> None:
    """The probabilities of one face, or its valence and arousal where there are none.

    Args:
        rows: as from `of_face`.
        names: of the expressions; empty from a model of valence and arousal.
    """
    times = 100 if names else 1
    colours = {name: labels.colour(name) for name in names} or _AXES
    series = [
        {
            "type": "line",
            "name": name,
            "color": colour,
            "lineStyle": {"width": 2},
            "symbol": "none",
            "data": _points(rows, name, times),
        }
        for name, colour in colours.items()
    ]
    option = {
        "animation": False,
        "legend": {"bottom": 0, "left": 0, "itemWidth": 16, "itemStyle": {"opacity": 0}},
        "grid": {"left": 4, "right": 14, "top": 12, "bottom": 58, "containLabel": True},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.0f %%" if names else "%.2f"},
        "xAxis": {
            "type": "value",
            "min": -SPAN,
            "max": 0,
            "interval": 15,
            "axisLabel": {"formatter": "{value} s"},
            "splitLine": {"show": False},
            "axisPointer": {"label": {"precision": 0}},
        },
        "yAxis": {
            "type": "value",
            "min": 0 if names else -1,
            "max": times,
            "interval": 25 if names else 0.5,
            "axisLabel": {"formatter": "{value} %"} if names else {},
        },
        "series": series,
    }
    st.echarts_chart(option, height=270, key=key, alt=_said(rows, list(colours), bool(names)))


def circumplex(trails: dict[int, tuple[str, pd.DataFrame]], key: str) -> None:
    """Where each face is between unpleasant and pleasant, calm and excited, and the way it took.

    Args:
        trails: by face number its colour, and its rows as from `of_face`.
    """
    series: list[dict] = [
        {
            "type": "scatter",
            "silent": True,
            "symbolSize": 4,
            "itemStyle": {"color": _GREY, "opacity": 0.7},
            "label": {"show": True, "formatter": "{b}", "position": "top", "color": _GREY, "fontSize": 11},
            "data": [
                {"name": name, "value": list(place), "label": {"position": _BESIDE.get(name, "top")}}
                for name, place in COORDINATES.items()
            ],
        }
    ]
    said = []
    for number, (colour, rows) in trails.items():
        way = rows[rows["ago"] > -_TRAIL][["valence", "arousal"]].dropna().to_numpy(float).round(3)
        if not len(way):
            continue
        said.append(f"face {number} at valence {way[-1][0]:+.2f}, arousal {way[-1][1]:+.2f}")
        series.append(
            {
                "type": "line",
                "silent": True,
                "symbol": "none",
                "lineStyle": {"color": colour, "width": 2, "opacity": 0.5},
                "data": way.tolist(),
            }
        )
        series.append(
            {
                "type": "scatter",
                "symbolSize": 20,
                "itemStyle": {"color": colour, "borderColor": _GREY, "borderWidth": 1},
                "label": {"show": True, "formatter": str(number), "color": _ink(colour), "fontWeight": 600},
                "data": [way[-1].tolist()],
            }
        )
    option = {
        "animation": False,
        "grid": {"left": 26, "right": 14, "top": 12, "bottom": 26, "containLabel": True},
        "xAxis": _axis("valence: unpleasant to pleasant", 24),
        "yAxis": _axis("arousal: calm to excited", 36),
        "series": series,
    }
    alt = "Valence and arousal: " + ("; ".join(said) or "no face now")
    st.echarts_chart(option, height=270, key=key, alt=alt)


def _axis(name: str, gap: int) -> dict:
    return {
        "type": "value",
        "name": name,
        "nameLocation": "middle",
        "nameGap": gap,
        "min": -1,
        "max": 1,
        "interval": 0.5,
        "splitLine": {"lineStyle": {"opacity": 0.3}},
    }


def _points(rows: pd.DataFrame, name: str, times: int) -> list[list[float | None]]:
    """Seconds ago and value; an empty point wherever the face was away."""
    if name not in rows:
        return []
    points: list[list[float | None]] = []
    before = -np.inf
    for ago, value in rows[["ago", name]].to_numpy(float):
        if points and ago - before > _GAP:
            points.append([round(ago, 2), None])
        points.append([round(ago, 2), None if np.isnan(value) else round(value * times, 2)])
        before = ago
    return points


def _said(rows: pd.DataFrame, names: list[str], percent: bool) -> str:
    if rows.empty:
        return "The last minute: no face"
    last = rows.iloc[-1]
    values = {name: float(last[name]) for name in names if name in rows and not np.isnan(last[name])}
    now = ", ".join(f"{n} {v:.0%}" if percent else f"{n} {v:+.2f}" for n, v in values.items())
    return f"The last minute of face {int(last['face'])}; now {now}"


def _ink(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "#FFFFFF"
