"""One sample, large: its label and how it came to it, and whatever else is known of it."""

import numpy as np
import streamlit as st

from fer_core.dataset import browse, findings, ledger
from fer_core.dataset.browse import Detail, Filter
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import NotFound
from fer_core.imaging.decode import decode_image
from pages._shared import address, charts, errors, gallery, labelling, removal_view

_LARGE = 380
"""px on the screen."""


def show(store: Store, dataset: Dataset, sample: int, where: Filter, order: str) -> None:
    """The sample, with ways to its neighbours among those that a filter lets through."""
    st.button("← Back to the pictures", on_click=_leave, type="tertiary", shortcut="Escape")
    try:
        found = browse.detail(store, sample)
    except NotFound as error:
        st.warning(errors.plain(str(error)))
        return
    if found.dataset != dataset.name:
        st.info(f"Sample {sample} belongs to the dataset {errors.plain(found.dataset)}.")
    left, right = st.columns([2, 3], gap="medium")
    with left:
        picture = decode_image(store.image_bytes([found.tile.image])[found.tile.image], max_side=1200)
        alt = f"sample {sample}, labelled {found.tile.label or 'nothing'}"
        st.image(_enlarged(picture), width=_LARGE, alt=alt)
        _neighbours(store, dataset, found, where, order)
    with right:
        st.subheader(errors.plain((found.tile.label or "no label").capitalize()), anchor=False)
        labelling.choose(store, dataset.label_set.names, found.tile, "one sample")
        if found.findings:
            _suspicions(dataset, found)
        if found.votes:
            _votes(found)
    _facts(found)
    _history(store, found)
    removal_view.one_sample(store, sample, labelling.name())
    if found.same:
        st.subheader("The very same picture elsewhere", anchor=False)
        gallery.show(
            store,
            [tile for _, tile in found.same],
            f"same {sample}",
            on_open=_open,
            captions=lambda tile: f"{tile.label or 'no label'}, {tile.split}",
        )


def _neighbours(store: Store, dataset: Dataset, found: Detail, where: Filter, order: str) -> None:
    """The samples before and after this one, in the order of the grid that it was opened from."""
    size = 60
    page = address.number("page", 1) or 1
    start = max(0, (page - 1) * size - 1)
    around = [t.sample for t in browse.page(store, dataset.name, where, order, start, size + 2)]
    before, after = found.before, found.after
    if found.tile.sample in around:
        place = around.index(found.tile.sample)
        before = around[place - 1] if place else None
        after = around[place + 1] if place + 1 < len(around) else None
    with st.container(horizontal=True, width=_LARGE):
        for title, key, to in (("Previous", "ArrowLeft", before), ("Next", "ArrowRight", after)):
            st.button(title, disabled=to is None, on_click=_open, args=(to,), shortcut=key, width="stretch")


def _suspicions(dataset: Dataset, found: Detail) -> None:
    st.markdown("**The last checkup says**")
    for kind, cluster in found.findings.items():
        about = findings.KINDS[kind]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{about.title}. {about.sentence}")
            if cluster is not None:
                st.button(
                    "Show the group",
                    key=f"group {kind}",
                    on_click=address.go,
                    kwargs={"data": dataset.name, "finding": kind, "group": str(cluster)},
                    type="tertiary",
                )


def _votes(found: Detail) -> None:
    total = sum(found.votes.values())
    ranked = sorted(((n, name) for name, n in found.votes.items() if n), reverse=True)
    st.markdown(f"**What {total} raters saw**")
    said = ", ".join(f"{name} {n}" for n, name in ranked)
    charts.bars([name for _, name in ranked], np.array([n for n, _ in ranked]) / total, f"votes: {said}")


def _facts(found: Detail) -> None:
    tile, measure = found.tile, found.measure
    facts = {
        "Split": tile.split,
        "File": tile.source,
        "Person shown": tile.subject,
        "Valence, arousal": f"{tile.valence:+.2f}, {tile.arousal:+.2f}"
        if tile.valence is not None and tile.arousal is not None
        else None,
        "Size": f"{found.width} × {found.height} px, {found.bytes / 1000:,.1f} kB",
        "Brightness": f"{measure['brightness']:.0f} of 255" if "brightness" in measure else None,
        "Faces found in it": f"{measure['faces']:.0f}" if "faces" in measure else None,
        "Number": f"{tile.sample}",
    }
    rows = {name: errors.plain(value) for name, value in facts.items() if value}
    st.table(rows, hide_header=True, border="horizontal")


def _history(store: Store, found: Detail) -> None:
    st.subheader("How it came to its label", anchor=False)
    for event in ledger.history(store, found.tile.sample):
        who, at = errors.plain(event.who), event.at[:16].replace("T", " ")
        if event.kind == "import":
            said = f"came as {event.new or 'unlabelled'}"
        elif event.undoes and event.old == event.new:
            said = "withdrew an earlier label" if event.kind == "undo" else "gave an earlier label again"
        elif event.kind == "undo":
            said = f"went back to {event.new or 'no label'}"
        elif event.old == event.new:
            said = f"confirmed {event.new or 'no label'}"
        else:
            said = f"{event.old or 'no label'} → {event.new or 'no label'}"
        because = f" ({errors.plain(event.why)})" if event.why else ""
        st.markdown(f"{at}, {who}: **{errors.plain(said)}**{because}")


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """Small pictures with each pixel repeated: the browser would blur what should be judged."""
    factor = max(1, _LARGE * 2 // max(picture.shape[:2]))
    return picture.repeat(factor, 0).repeat(factor, 1) if factor > 1 else picture


def _open(sample: int) -> None:
    st.query_params["sample"] = str(sample)


def _leave() -> None:
    st.query_params.pop("sample", None)
