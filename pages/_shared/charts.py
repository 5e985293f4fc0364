"""Charts that every page draws alike: one question each, units, and the same colour for an expression."""

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from pages._shared import words

_LIGHT = [[0, "#F3F7F7"], [1, "#1F6F78"]]
_DARK = [[0, "#1B2225"], [1, "#2F8F9A"]]
"""One hue, opaque: Plotly chooses black or white text for each cell by its colour."""

BUTTONS = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg"},
    "scrollZoom": False,
}


def bars(names: Sequence[str], shares: np.ndarray, alt: str) -> None:
    """Horizontal bars of probabilities 0..1, top to bottom in the given order.

    Plain HTML: it is there at once, whereas the first Plotly chart of a visit waits for 5 MB of script.
    """
    best = int(np.argmax(shares))
    rows = []
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        bar = (
            f"width:{share * 100:.2f}%;min-width:2px;height:.7em;border-radius:2px;"
            # The outline keeps the yellow bar visible on white.
            f"box-sizing:border-box;background:{labels.colour(name)};border:1px solid rgba(128,128,128,.6)"
        )
        weight = 650 if place == best else 400
        rows.append(
            f'<div style="font-weight:{weight}">{html.escape(name)}</div><div><div style="{bar}"></div></div>'
            f'<div style="font-weight:{weight};text-align:right">{html.escape(words.share(share))}</div>'
        )
    st.html(
        f'<div role="img" aria-label="{html.escape(alt, quote=True)}" style="display:grid;align-items:center;'
        "max-width:36em;grid-template-columns:max-content 1fr max-content;gap:.2em .8em;font-size:.92em;"
        f'font-variant-numeric:tabular-nums">{"".join(rows)}</div>'
    )


def confusion(
    matrix: np.ndarray,
    names: Sequence[str],
    key: str,
    alt: str,
    said: tuple[str, str] = ("true", "predicted as"),
) -> None:
    """Confusion matrix: rows = truth, shade = share of the row, count and row percent in the cell.

    Args:
        matrix: (K, K) counts, rows = truth.
        said: what rows and columns are, in words.
    """
    rows = matrix.sum(axis=1, keepdims=True)
    share = matrix / np.maximum(rows, 1)
    row, column = said
    hover = [
        [
            f"{row} {true}, {column} {guess}: {matrix[i, j]:,} of {int(rows[i, 0]):,} ({share[i, j]:.0%})"
            for j, guess in enumerate(names)
        ]
        for i, true in enumerate(names)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=share * 100,
            x=list(names),
            y=list(names),
            text=[
                [f"{p:.0%}<br>{n:,}" for p, n in zip(ps, ns, strict=True)]
                for ps, ns in zip(share, matrix, strict=True)
            ],
            texttemplate="%{text}",
            textfont={"size": 11},
            hovertext=hover,
            hoverinfo="text",
            colorscale=scale(),
            zmin=0,
            zmax=100,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_xaxes(title=column, side="top", fixedrange=True, showgrid=False, tickangle=-40)
    figure.update_yaxes(title=row, autorange="reversed", fixedrange=True, showgrid=False, automargin=True)
    plain(figure, height=46 * len(names) + 90)
    st.plotly_chart(figure, key=key, config=BUTTONS, alt=alt)


def scale() -> list[list]:
    """The one hue of all heat maps, for the theme of this visitor."""
    return _DARK if st.context.theme.type == "dark" else _LIGHT


def per_class(
    names: Sequence[str],
    recall: Sequence[float],
    precision: Sequence[float],
    support: Sequence[int],
    key: str,
) -> None:
    """For each expression the share found (recall) and the share right among its predictions (precision)."""
    figure = go.Figure()
    places = [f"{name} ({n:,})" for name, n in zip(names, support, strict=True)]
    for values, title, symbol in (
        (recall, "found (recall)", "circle"),
        (precision, "right (precision)", "circle-open"),
    ):
        figure.add_scatter(
            x=[v * 100 for v in values],
            y=places,
            mode="markers",
            name=title,
            marker={
                "symbol": symbol,
                "size": 11,
                "color": [labels.colour(n) for n in names],
                "line": {"width": 2},
            },
            hovertemplate="%{y}: %{x:.1f} %<extra>" + title + "</extra>",
        )
    figure.update_xaxes(range=[-3, 103], ticksuffix=" %", fixedrange=True, gridcolor="rgba(128,128,128,0.25)")
    figure.update_yaxes(
        autorange="reversed",
        fixedrange=True,
        automargin=True,
        showgrid=True,
        gridcolor="rgba(128,128,128,0.15)",
    )
    plain(figure, height=34 * len(names) + 80)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.12, "x": 0})
    st.plotly_chart(figure, key=key, config=BUTTONS, alt="Recall and precision for each expression")


def plain(figure: go.Figure, height: int) -> None:
    """What all charts have in common: no frame, no background, no dragging, no legend unless asked for."""
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode=False,
        showlegend=False,
        font={"size": 13},
    )
