"""A model of valence and arousal on one split: its figures, truth against answer, the faces behind them."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset import browse
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import Store
from fer_core.evaluation.affect import AXES
from fer_core.evaluation.trial import Trial
from pages._shared import cell_view, charts, figures_view, gallery, words

_MOST = 3000
"""Points of a chart; more would neither be told apart nor drawn smoothly."""

_FARTHEST = 48


def show(store: Store, trial: Trial) -> None:
    """The table, a chart for each axis, and the faces that were read farthest from their truth."""
    figures_view.affect(trial.records)
    frame = trial.rows.frame
    found = ~np.isnan(trial.answers[:, 0])
    asked = frame[list(AXES)].notna().all(axis=1).to_numpy()
    if left_out := int((~asked).sum()):
        st.caption(f"Left out, because nobody said what is right: {words.many(left_out, 'face')}.")
    if missed := int((asked & ~found).sum()):
        st.caption(f"No face was found in {words.many(missed, 'picture')}: these figures are without them.")
    places = np.flatnonzero(asked & found)
    samples = frame["sample"].to_numpy()[places]
    truth, read = frame[list(AXES)].to_numpy(float)[places], trial.answers[places]
    for place, (column, axis) in enumerate(zip(st.columns(len(AXES), gap="large"), AXES, strict=True)):
        with column:
            st.markdown(f"**{axis.capitalize()}**")
            _scatter(axis, truth[:, place], read[:, place], samples)
    if len(places) > _MOST:
        st.caption(f"{_MOST:,} of {len(places):,} faces are drawn.")
    st.subheader("Farthest from the truth", anchor=False)
    worst = np.argsort(-np.linalg.norm(truth - read, axis=1), kind="stable")[:_FARTHEST]
    _faces(store, samples[worst], truth[worst], read[worst])


def _scatter(axis: str, truth: np.ndarray, read: np.ndarray, samples: np.ndarray) -> None:
    """Truth across, answer up; a click on a point opens its face."""
    drawn = np.random.default_rng(0).permutation(len(truth))[:_MOST]
    figure = go.Figure()
    figure.add_scatter(
        x=[-1, 1], y=[-1, 1], mode="lines", line={"color": "#8C8C8C", "dash": "dot"}, hoverinfo="skip"
    )
    figure.add_scattergl(
        x=truth[drawn],
        y=read[drawn],
        mode="markers",
        customdata=samples[drawn],
        marker={"size": 6, "color": "#2F8F9A", "opacity": 0.5},
        hovertemplate="true %{x:+.2f}, read as %{y:+.2f}<extra></extra>",
    )
    lines = {"range": [-1.05, 1.05], "fixedrange": True, "gridcolor": "rgba(128,128,128,0.25)"}
    figure.update_xaxes(title=f"true {axis}, -1 to 1", **lines)
    figure.update_yaxes(title="read as", **lines)
    charts.plain(figure, height=380)
    key = f"scatter {axis}"

    def clicked() -> None:
        if points := st.session_state[key]["selection"]["points"]:
            cell_view.open_sample(int(np.ravel(points[-1]["customdata"])[0]))

    alt = f"True {axis} against what was read, {len(drawn)} faces"
    st.plotly_chart(
        figure, key=key, config=charts.BUTTONS, alt=alt, on_select=clicked, selection_mode="points"
    )


def _faces(store: Store, samples: np.ndarray, truth: np.ndarray, read: np.ndarray) -> None:
    with store.read() as connection:
        tiles = browse.tiles(connection, samples.tolist())
    said = dict(zip(samples.tolist(), zip(truth, read, strict=True), strict=True))

    def caption(tile: Tile) -> str:
        true, guess = said[tile.sample]
        return "\n".join(
            f"{axis[0]} {t:+.1f} → {g:+.1f}" for axis, t, g in zip(AXES, true, guess, strict=True)
        )

    gallery.show(store, tiles, "farthest", on_open=cell_view.open_sample, captions=caption, size=92)
    st.caption("v is valence, a is arousal: what is true → what it read. Click a face to see all about it.")
