"""A dataset at a glance: some faces of each class, how many of each, and what the pictures are like."""

import secrets

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.dataset import overview
from fer_core.dataset.browse import NO_LABEL
from fer_core.dataset.store import SPLITS, Dataset, Store
from pages._shared import address, charts, errors, gallery, words

_EACH = 10


def show(store: Store, dataset: Dataset) -> None:
    """From top to bottom: what is in it, examples, balance, pictures, where it came from."""
    counts = overview.balance(store, dataset.name)
    _figures(dataset, counts)
    _examples(store, dataset)
    st.subheader("How many of each class", anchor=False)
    _balance(dataset, counts)
    st.subheader("What the pictures are like", anchor=False)
    _pictures(overview.pictures(store, dataset.name))
    st.subheader("Where they came from", anchor=False)
    for arrival in overview.arrivals(store, dataset.name):
        what, who, at = (
            errors.plain(arrival.what),
            errors.plain(arrival.who),
            arrival.at[:16].replace("T", " "),
        )
        st.markdown(f"{at}: {words.many(arrival.rows, 'picture')}, {what} (by {who})")


def _figures(dataset: Dataset, counts: pd.DataFrame) -> None:
    splits = counts.groupby("split")["n"].sum()
    in_order = [split for split in SPLITS if split in splits]
    parts = ", ".join(f"{splits[split]:,} {_SAID.get(split, split)}" for split in in_order)
    unlabelled = int(counts.loc[counts["label"] == NO_LABEL, "n"].sum())
    st.markdown(
        f"**{words.many(int(splits.sum()), 'picture')}**: {parts}. "
        f"Classes: {errors.plain(', '.join(dataset.label_set.names))}."
        + (f" {unlabelled:,} have no label." if unlabelled else "")
    )


_SAID = {"train": "to train on", "validation": "to validate", "test": "to test", "none": "in no split"}


def _examples(store: Store, dataset: Dataset) -> None:
    key = f"seed {dataset.id}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Some of each class", anchor=False)
        st.button("Others", on_click=lambda: st.session_state.update({key: secrets.randbelow(10**6)}))
    shown = overview.examples(store, dataset.name, _EACH, st.session_state.get(key, 0))
    for name, tiles in shown.items():
        left, right = st.columns([1, 7], vertical_alignment="center")
        left.button(
            f"{name} →",
            key=f"all {name}",
            type="tertiary",
            on_click=address.go,
            kwargs={"data": dataset.name, "label": name},
            help=f"All pictures labelled {name}",
        )
        with right:
            gallery.show(
                store,
                tiles,
                f"some {dataset.id} {name}",
                on_open=lambda sample: address.go(data=dataset.name, sample=str(sample)),
                captions=lambda tile: "",
                size=72,
                one_row=True,
            )


def _balance(dataset: Dataset, counts: pd.DataFrame) -> None:
    """A bar for each class, in parts by split; shares are the same in each split where a split is fair."""
    table = counts.pivot_table(index="label", columns="split", values="n", fill_value=0, aggfunc="sum")
    order = [
        n for n in (*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE, NO_LABEL) if n in table.index
    ]
    table = table.reindex(order)[[split for split in SPLITS if split in table.columns]]
    figure = go.Figure()
    for split, opacity in zip(table.columns, (1.0, 0.65, 0.4, 0.25), strict=False):
        share = table[split] / max(int(table[split].sum()), 1)
        figure.add_bar(
            y=[name or "no label" for name in table.index],
            x=table[split],
            orientation="h",
            name=_SAID.get(split, split),
            marker={
                "color": [labels.colour(name) for name in table.index],
                "opacity": opacity,
                "line": {"width": 1, "color": "rgba(128,128,128,.6)"},
            },
            customdata=np.stack([share * 100], axis=-1),
            hovertemplate="%{y}: %{x:,} "
            + _SAID.get(split, split)
            + ", %{customdata[0]:.1f} % of them<extra></extra>",
        )
    figure.update_xaxes(title="pictures", fixedrange=True, gridcolor="rgba(128,128,128,0.25)")
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    charts.plain(figure, height=34 * len(table) + 70)
    figure.update_layout(barmode="stack")
    said = ", ".join(f"{name or 'no label'} {int(row.sum()):,}" for name, row in table.iterrows())
    st.plotly_chart(figure, key="balance", config=charts.BUTTONS, alt=f"Pictures of each class: {said}")
    st.caption("Full colour: to train on; paler: to validate; palest: to test.")
    with st.expander("As a table"):
        st.dataframe(table.rename(index={NO_LABEL: "no label"}), alt="Pictures of each class and split")


def _pictures(found: pd.DataFrame) -> None:
    sizes = found.groupby(["width", "height"])["n"].sum().sort_values(ascending=False)
    commonest = [f"{w} × {h} px ({n:,})" for (w, h), n in sizes.head(3).items()]
    st.markdown(
        f"**Size**: {', '.join(commonest)}"
        + (f", and {words.many(len(sizes) - 3, 'other size')}" if len(sizes) > 3 else "")
        + "."
    )
    looked = found.dropna(subset=["faces"])
    if len(looked):
        without = int(looked.loc[looked["faces"] == 0, "n"].sum())
        st.markdown(f"**Faces**: none found in {without:,} of {int(looked['n'].sum()):,} pictures looked at.")
    measured = found.dropna(subset=["brightness"]).groupby("brightness")["n"].sum()
    if measured.empty:
        st.caption("Brightness is known after a checkup: see Problems.")
        return
    figure = go.Figure(
        go.Bar(
            x=measured.index + 4,
            y=measured,
            width=7.4,
            marker={"color": [f"rgb({v},{v},{v})" for v in (measured.index.astype(int) + 4)]},
            marker_line={"width": 1, "color": "rgba(128,128,128,.6)"},
            hovertemplate="%{y:,} pictures around %{x:.0f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="mean brightness, 0 black to 255 white", range=[0, 256], fixedrange=True)
    figure.update_yaxes(title="pictures", fixedrange=True, gridcolor="rgba(128,128,128,0.25)")
    charts.plain(figure, height=200)
    middle = float(np.average(measured.index + 4, weights=measured))
    st.plotly_chart(
        figure, key="brightness", config=charts.BUTTONS, alt=f"Brightness, {middle:.0f} on average"
    )
