"""Several answers instead of one: the expressions that a model cannot rule out, and a promise kept."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.dataset import browse
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import certainty, metrics
from fer_core.evaluation.certainty import Sets
from fer_core.evaluation.results import Result
from pages._shared import address, cell_view, charts, errors, gallery, words

_GUARANTEES = (70, 75, 80, 85, 90, 95, 98, 99)
"""Per cent."""


def show(store: Store, result: Result) -> None:
    """The guarantee, what comes of it, and examples."""
    st.markdown(
        "Instead of one answer a model can name all expressions that it cannot rule out. How many those are "
        "follows from a guarantee: that the truth is among them so often, for new faces like these."
    )
    guarantee = _guarantee()
    st.session_state["guarantee for each"] = st.query_params.get("each") == "1"
    each = st.toggle(
        "For each expression by itself",
        key="guarantee for each",
        on_change=lambda: address.write("each", "1" if st.session_state["guarantee for each"] else None),
        help="Else rare expressions may be missed more often, if common ones make up for it.",
    )
    try:
        sets = certainty.crossed(result, guarantee / 100, each)
    except BadInput as error:
        st.info(errors.plain(str(error)))
        return
    measured, held = result.among(sets.places), sets.coverage
    share = words.margin(held.value, held.low, held.high)
    st.markdown(
        f"The truth is in the set for **{share}** of {held.n:,} faces. A set has "
        f"**{sets.sizes.mean():.1f} expressions** on average; **{words.percent(sets.singles.value, 0)}** of "
        "the sets are one expression, a plain answer."
    )
    st.caption(
        f"Each half of the faces was measured with cutoffs from the other, of {sets.calibrated:,} or more. "
        + (
            f"Too few of them are {' or '.join(sets.always)} for a promise: in every set. "
            if sets.always
            else ""
        )
        + "Split conformal prediction: a promise for faces of the same source, not for another camera's."
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**How many expressions are named?**")
        st.dataframe(
            sizes(sets),
            hide_index=True,
            alt="Number of expressions in a set, with how often the truth is among them",
            column_config={
                "named": st.column_config.NumberColumn(help="Expressions in the set."),
                "hold the truth": st.column_config.TextColumn(help="95 % interval in brackets."),
            },
        )
    with right:
        st.markdown("**Is it held for each expression, as promised (dotted)?**")
        _class_chart(sets, measured.label_set.names)
    _examples(store, sets, measured)


def sizes(sets: Sets) -> pd.DataFrame:
    """A row for each size of sets that occurs: faces, their share, and how many sets hold the truth."""
    rows = []
    for size in np.unique(sets.sizes):
        mine = sets.sizes == size
        n, hits = int(mine.sum()), int(sets.covered[mine].sum())
        low, high = (limit * 100 for limit in metrics.wilson(hits, n))
        rows.append(
            {
                "named": int(size),
                "faces": n,
                "share": words.percent(n / len(sets.sizes), 0),
                "hold the truth": f"{hits / n * 100:.0f} % ({low:.0f} to {high:.0f})",
            }
        )
    return pd.DataFrame(rows)


def _examples(store: Store, sets: Sets, measured: Result) -> None:
    """Two faces of each size, and two whose set misses the truth."""
    found = [np.flatnonzero(sets.covered & (sets.sizes == size))[:2] for size in np.unique(sets.sizes)]
    places = np.concatenate([*found, np.flatnonzero(~sets.covered)[:2]]).astype(int)
    names, said = np.array(measured.label_set.names, object), {}
    for place in places:
        members = np.flatnonzero(sets.members[place])
        surest = members[np.argsort(-measured.probabilities[place, members], kind="stable")]
        missed = "" if sets.covered[place] else ", missed"
        sample = int(measured.frame["sample"].iloc[place])
        said[sample] = f"{names[measured.truth[place]]}{missed}\n→ {_lines(list(names[surest]))}"
    with store.read() as connection:
        tiles = browse.tiles(connection, list(said))

    def caption(tile: Tile) -> str:
        return said[tile.sample]

    st.markdown("**Examples**: what is true, and the set below it, the likeliest first.")
    gallery.show(store, tiles, "sets", on_open=cell_view.open_sample, captions=caption, size=150)


def _lines(names: list[str]) -> str:
    """Two names a line: a caption is as wide as its picture."""
    return ",\n".join(", ".join(names[start : start + 2]) for start in range(0, len(names), 2))


def _class_chart(sets: Sets, names: tuple[str, ...]) -> None:
    """For each expression how often its faces' sets hold it, beside the guarantee."""
    shares = [(name, share) for name, share in zip(names, sets.per_class, strict=True) if share.n]
    values = np.array([share.value for _, share in shares]) * 100
    figure = go.Figure()
    figure.add_scatter(
        x=values,
        y=[f"{name} ({share.n:,})" for name, share in shares],
        mode="markers",
        marker={"size": 11, "color": [labels.colour(name) for name, _ in shares], "line": {"width": 1}},
        error_x={
            "array": np.array([share.high for _, share in shares]) * 100 - values,
            "arrayminus": values - np.array([share.low for _, share in shares]) * 100,
            "thickness": 1,
            "width": 3,
            "color": "#8C8C8C",
        },
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )
    figure.add_vline(sets.guarantee * 100, line={"dash": "dot", "color": "#8C8C8C"})
    lowest = min(share.low for _, share in shares) * 100
    figure.update_xaxes(
        title="sets that hold the truth",
        range=[max(0.0, lowest - 5), 102],
        ticksuffix=" %",
        fixedrange=True,
        gridcolor="rgba(128,128,128,0.25)",
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True, showgrid=False)
    charts.plain(figure, height=34 * len(shares) + 70)
    st.plotly_chart(
        figure, key="held", config=charts.BUTTONS, alt="How often the sets of each expression hold it"
    )


def _guarantee() -> int:
    asked = address.number("guarantee", 90)
    st.session_state["guarantee slider"] = asked if asked in _GUARANTEES else 90
    st.select_slider(
        "The truth shall be in the set for",
        _GUARANTEES,
        format_func=lambda value: f"{value} %",
        key="guarantee slider",
        on_change=lambda: address.write("guarantee", st.session_state["guarantee slider"]),
    )
    return st.session_state["guarantee slider"]
