"""Charts that every page draws alike: one question each, units, and the same colour for an expression."""

import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.evaluation.metrics import Reliability
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


TRUTH = ("true", "predicted")
"""What rows and columns of a confusion matrix are, in words."""


def confusion(
    matrix: np.ndarray, names: Sequence[str], key: str, alt: str, said: tuple[str, str] = TRUTH
) -> None:
    """Confusion matrix: rows = truth, shade = share of the row, count and row percent in the cell.

    Args:
        matrix: (K, K) counts, rows = truth.
        said: what rows and columns are, in words.
    """
    figure = _cells(matrix, names, names, BY_ROW, said)
    figure.update_traces(hoverinfo="text")
    _matrix_axes(figure, len(names), len(names), said)
    st.plotly_chart(figure, key=key, config=BUTTONS, alt=alt)


BY_ROW, BY_COLUMN, COUNTS = "row", "column", "counts"
"""What a cell of a confusion matrix is a share of, if of anything."""

ALL = "all"
"""The row and column of totals: a click there takes a whole column or row."""


def confusion_to_click(
    matrix: np.ndarray,
    names: Sequence[str],
    columns: Sequence[str],
    by: str,
    key: str,
    alt: str,
    chosen: tuple[str, str] | None,
    on_click: Callable[[str, str], None],
) -> None:
    """Confusion matrix with totals, in which a click on a cell is answered.

    Args:
        matrix: (K, columns) counts, rows = truth.
        by: BY_ROW, BY_COLUMN or COUNTS.
        chosen: truth and answer of the cell that is open, by name or ALL.
        on_click: called with truth and answer of the cell that was clicked, before the page runs again.
    """
    figure = _cells(matrix, names, columns, by)
    figure.update_traces(hoverinfo="skip")
    spots = _spots(matrix, names, columns, by)
    cells = [tuple(cell) for cell in spots["customdata"]]
    ringed = _ringed(key, chosen)
    # A click on a heatmap selects nothing: invisible points lie over its cells, and a click belongs to the
    # nearest. Plotly rings the one that was clicked by itself.
    ring = "#E6EAEA" if _dark() else "#22282B"
    total = {"size": 11, "color": "#9AA5A8" if _dark() else "#5C6669"}
    figure.add_scatter(
        **spots,
        mode="markers+text",
        hoverinfo="text",
        marker={"symbol": "square-open", "size": 32, "opacity": 0, "color": ring, "line": {"width": 3}},
        textfont=total,
        selected={"marker": {"opacity": 1}, "textfont": {"color": total["color"]}},
        unselected={"marker": {"opacity": 0}, "textfont": {"color": total["color"]}},
        selectedpoints=[cells.index(ringed)] if ringed in cells else None,
    )
    figure.update_layout(hovermode="closest", hoverdistance=-1)
    _matrix_axes(figure, len(names) + 1, len(columns) + 1)

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        # A click on the ringed cell takes the ring away, and means that cell all the same.
        cell = tuple(points[-1]["customdata"]) if points else st.session_state.get(f"{key} clicked")
        if cell:
            st.session_state[f"{key} clicked"] = cell
            on_click(*cell)

    st.plotly_chart(figure, key=key, config=BUTTONS, alt=alt, on_select=clicked, selection_mode="points")


def _ringed(key: str, chosen: tuple[str, str] | None) -> tuple[str, str] | None:
    """The cell that the chart itself says is ringed: not the one that was clicked, which Plotly rings.

    Data that change would mount the chart again, which flashes.
    """
    if key not in st.session_state or st.session_state.get(f"{key} clicked") != chosen:
        st.session_state[f"{key} clicked"] = st.session_state[f"{key} ringed"] = chosen
    return st.session_state[f"{key} ringed"]


def _cells(
    matrix: np.ndarray,
    names: Sequence[str],
    columns: Sequence[str],
    by: str,
    said: tuple[str, str] = TRUTH,
) -> go.Figure:
    """The heatmap: (rows, columns) counts, shaded by their share."""
    share = _shares(matrix, by)
    return go.Figure(
        go.Heatmap(
            z=share * 100,
            x=list(columns),
            y=list(names),
            text=[
                [_cell_text(p, n, by, i == j) for j, (p, n) in enumerate(zip(ps, ns, strict=True))]
                for i, (ps, ns) in enumerate(zip(share, matrix, strict=True))
            ],
            texttemplate="%{text}",
            textfont={"size": 11},
            hovertext=_sentences(matrix, names, columns, by, said),
            colorscale=scale(),
            zmin=0,
            zmax=max(float(share.max()), 1e-9) * 100 if by == COUNTS else 100,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )


def scale() -> list[list]:
    """One hue for amounts, for the theme that the visitor has."""
    return _DARK if _dark() else _LIGHT


def _shares(matrix: np.ndarray, by: str) -> np.ndarray:
    if by == COUNTS:
        return matrix / max(matrix.sum(), 1)
    return matrix / np.maximum(matrix.sum(axis=1 if by == BY_ROW else 0, keepdims=True), 1)


def _cell_text(share: float, n: int, by: str, diagonal: bool) -> str:
    said = f"{n:,}" if by == COUNTS else f"{share:.0%}<br>{n:,}"
    return f"<b>{said}</b>" if diagonal else said


def _sentences(
    matrix: np.ndarray,
    names: Sequence[str],
    columns: Sequence[str],
    by: str,
    said: tuple[str, str] = TRUTH,
) -> list[list[str]]:
    """What a cell says when the mouse is over it."""
    share, total = _shares(matrix, by), matrix.sum()
    sentences = []
    for i, true in enumerate(names):
        line = []
        for j, guess in enumerate(columns):
            of = {
                BY_ROW: f"{matrix[i].sum():,}",
                BY_COLUMN: f"{matrix[:, j].sum():,} read as {guess}",
                COUNTS: f"{total:,} faces",
            }[by]
            cell = f"{matrix[i, j]:,} of {of} ({share[i, j]:.0%})"
            line.append(f"{said[0]} {true}, {said[1]} {guess}: {cell}")
        sentences.append(line)
    return sentences


def _spots(matrix: np.ndarray, names: Sequence[str], columns: Sequence[str], by: str) -> dict[str, list]:
    """A point for each cell and each total."""
    sentences = _sentences(matrix, names, columns, by)
    spots = [
        (guess, true, "", sentences[i][j]) for i, true in enumerate(names) for j, guess in enumerate(columns)
    ]
    spots += [
        (ALL, true, f"{n:,}", f"all {n:,} that are truly {true}")
        for true, n in zip(names, matrix.sum(axis=1), strict=True)
    ]
    spots += [
        (guess, ALL, f"{n:,}", f"all {n:,} read as {guess}")
        for guess, n in zip(columns, matrix.sum(axis=0), strict=True)
    ]
    x, y, text, said = (list(part) for part in zip(*spots, strict=True))
    return {
        "x": x,
        "y": y,
        "text": text,
        "hovertext": said,
        "customdata": [list(c) for c in zip(y, x, strict=True)],
    }


def _matrix_axes(figure: go.Figure, rows: int, columns: int, said: tuple[str, str] = TRUTH) -> None:
    title = f"{said[0]} ↓ · {said[1]} →"
    axes = {"fixedrange": True, "showgrid": False, "ticks": "", "zeroline": False}
    figure.update_xaxes(title=title, side="top", tickangle=-40, range=[-0.5, columns - 0.5], **axes)
    figure.update_yaxes(range=[rows - 0.5, -0.5], automargin=True, **axes)
    plain(figure, height=46 * rows + 90)


def _dark() -> bool:
    return st.context.theme.type == "dark"


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


def precision_recall(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], key: str) -> None:
    """For each class the share right among its answers against the share of its faces that are found.

    Args:
        curves: class -> recall and precision, each (T,) 0..1.
    """
    figure = go.Figure()
    for name, (recall, precision) in curves.items():
        # As many points as can be seen: a curve has one for each face.
        seen = np.unique(np.linspace(0, len(recall) - 1, 160).astype(int))
        figure.add_scatter(
            x=recall[seen] * 100,
            y=precision[seen] * 100,
            mode="lines",
            name=name,
            line={"color": labels.colour(name), "width": 2},
            hovertemplate=f"{name}: %{{x:.0f}} % found,<br>%{{y:.0f}} % of the answers right<extra></extra>",
        )
    _percent_axes(figure, "found (recall)", "right (precision)")
    plain(figure, height=380)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.2, "x": 0})
    said = f"Precision against recall of {', '.join(curves)}"
    st.plotly_chart(figure, key=key, config=BUTTONS, alt=said)


def reliability(bins: Reliability, key: str) -> None:
    """How often answers are right against how sure they were; on the dotted line both are the same.

    A point's area grows with its number of faces.
    """
    some = bins.n > 0
    accuracy, confidence = bins.accuracy[some] * 100, bins.confidence[some] * 100
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": "#8C8C8C", "dash": "dot"}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=confidence,
        y=accuracy,
        mode="markers",
        marker={"color": "#2F8F9A", "size": 5 + 13 * np.sqrt(bins.n[some] / bins.n.max())},
        error_y={
            "array": bins.high[some] * 100 - accuracy,
            "arrayminus": accuracy - bins.low[some] * 100,
            "thickness": 1,
            "width": 3,
        },
        customdata=bins.n[some],
        hovertemplate="said %{x:.0f} %, right %{y:.0f} %,<br>%{customdata:,} faces<extra></extra>",
    )
    _percent_axes(figure, "what it says", "how often it is right")
    plain(figure, height=380)
    st.plotly_chart(figure, key=key, config=BUTTONS, alt="Share of right answers against stated confidence")


def _percent_axes(figure: go.Figure, across: str, up: str) -> None:
    axes = {"range": [-3, 103], "ticksuffix": " %", "fixedrange": True, "gridcolor": "rgba(128,128,128,0.25)"}
    figure.update_xaxes(title=across, **axes)
    figure.update_yaxes(title=up, automargin=True, **axes)


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
