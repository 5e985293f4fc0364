"""All pictures on one map, alike beside alike: mark a region to see who is in it."""

import secrets

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.dataset import browse, versions
from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Dataset, Store
from fer_core.inference import embedding_map
from pages._shared import address, charts, gallery, jobs, resources, words

_PIXELS = "pixels"
_MOST = 8000
"""Points; more would neither be told apart nor drawn smoothly."""

_SHOWN = 60


def show(store: Store, dataset: Dataset) -> None:
    """The map once it is made, else the way to it."""
    models = resources.models()
    with st.container(width=420):
        model_id = address.select(
            "Alike in the eyes of",
            [*models, _PIXELS],
            "eyes",
            lambda id: models[id].title if id in models else "nobody: raw pixels",
            "A network puts faces side by side that it cannot tell apart.",
        )
    frame = _sampled(versions.manifest(store, dataset.name))
    key = f"map {dataset.id} {model_id} {versions.manifest_id(frame)}"
    job = jobs.show(key)
    if job is None and key not in jobs.running(key):
        st.markdown(
            "Every picture becomes a point; points that lie together look alike. "
            "An island of another colour is often a group of wrong labels."
        )
        model = resources.predictor(model_id) if model_id in models else None
        st.button(
            "Draw the map",
            type="primary",
            on_click=jobs.start,
            args=(
                key,
                "Drawing the map",
                lambda progress: embedding_map.project(store, frame, model, progress=progress),
            ),
        )
    if job and job.state == "done":
        _map(store, dataset, frame, job.value, key)
    elif job:
        jobs.forget(key)


def _sampled(frame: pd.DataFrame) -> pd.DataFrame:
    """At most _MOST rows, the same each time."""
    return (
        frame
        if len(frame) <= _MOST
        else frame.sample(_MOST, random_state=0).sort_index().reset_index(drop=True)
    )


def _map(store: Store, dataset: Dataset, frame: pd.DataFrame, points: np.ndarray, key: str) -> None:
    st.caption(
        f"{words.many(len(frame), 'picture')}{' drawn at random' if len(frame) == _MOST else ''}. "
        "Draw a loop around some of them; a click on a class in the legend hides it."
    )
    figure = go.Figure()
    shown = frame["label"].fillna("no label")
    order = [*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE, "no label"]
    for name in [name for name in order if (shown == name).any()]:
        rows = np.flatnonzero(shown == name)
        figure.add_scattergl(
            x=points[rows, 0],
            y=points[rows, 1],
            mode="markers",
            name=name,
            customdata=frame["sample"].to_numpy()[rows],
            marker={
                "size": 5,
                "color": labels.colour(name),
                "line": {"width": 0.3, "color": "rgba(90,90,90,.7)"},
            },
            hovertemplate=f"{name}, sample %{{customdata}}<extra></extra>",
        )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(visible=False)
    charts.plain(figure, height=560)
    figure.update_layout(
        dragmode="lasso",
        showlegend=True,
        legend={"orientation": "h", "y": -0.02, "itemsizing": "constant"},
    )
    buttons = {
        **charts.BUTTONS,
        "modeBarButtons": [["lasso2d", "select2d", "pan2d", "zoom2d", "resetScale2d", "toImage"]],
    }
    chosen = st.plotly_chart(
        figure,
        key=f"chart {key}",
        on_select="rerun",
        selection_mode=("lasso", "box"),
        config=buttons,
        alt=f"Map of {len(frame)} pictures, alike beside alike, coloured by label",
    )
    # Plotly gives what stands behind a point alone or in a list of its own.
    ids = [int(np.ravel(point["customdata"])[0]) for point in chosen["selection"]["points"]]
    if ids:
        _chosen(store, dataset, ids)


def _chosen(store: Store, dataset: Dataset, ids: list[int]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.many(len(ids), 'picture')} marked**")
        st.button("Open them in the grid →", on_click=_pick, args=(dataset.name, ids), type="primary")
    gallery.show(
        store,
        browse.page(store, dataset.name, Filter(samples=tuple(ids)), "class", 0, _SHOWN),
        "marked on the map",
        on_open=lambda sample: address.go(data=dataset.name, sample=str(sample)),
    )


def _pick(dataset: str, ids: list[int]) -> None:
    name = secrets.token_hex(4)
    st.session_state[f"picked {name}"] = ids
    address.go(data=dataset, picked=name)
