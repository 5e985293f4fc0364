"""The faces behind a number: worst first, each with what is true and what was read, to open and to mend."""

import secrets
from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st

from fer_core import labels
from fer_core.dataset import browse
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import SPLITS, Store
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.results import NO_FACE, Result
from fer_core.evaluation.trial import Trial
from pages._shared import address, gallery, labelling, teach_from, words

A_PAGE = 60
"""Pictures shown at a time: divides into rows of 3, 4, 5, 6, 10 and 12."""

_SHOWN = "evaluated faces"
"""The samples of the last list, in its order, to walk through one by one."""


def pictures(
    store: Store, trial: Trial, kind: str, places: np.ndarray, key: str, surfaced_by: str = ""
) -> None:
    """A gallery of some faces, worst first: the surest mistakes, then the faces that were barely right.

    Args:
        places: positions in `trial.result(kind)`, in any order.
        key: tells this list from others on the page; its page stands in the address as `?<key>_page=`.
        surfaced_by: what the ledger shall say brought these faces up; the model is named in any case.
    """
    found = trial.result(kind).among(worst_first(trial.result(kind), np.asarray(places, int)))
    if not len(found):
        st.info("No face is like that.")
        return
    samples = [int(sample) for sample in found.frame["sample"]]
    st.session_state[_SHOWN] = samples
    pages = -(-len(samples) // A_PAGE)
    name = f"{key}_page"
    page = max(1, min(address.number(name, 1) or 1, pages))
    part = found.among(np.arange((page - 1) * A_PAGE, min(page * A_PAGE, len(samples))))
    with store.read() as connection:
        tiles = browse.tiles(connection, part.frame["sample"].tolist())
    grid, bar = f"{key} grid {page} {samples[0]}", st.container()
    because = f"{trial.card.id}: {surfaced_by}" if surfaced_by else f"evaluation of {trial.card.id}"
    chosen = gallery.show(
        store,
        tiles,
        grid,
        on_open=open_sample,
        captions=_captions(part, set(trial.rows.frame["sample"][trial.examples])),
        choosing=_may_label(trial),
        size=104,
        classes=labelling.keys(_classes(store, trial)) if labelling.name() else (),
        on_act=partial(labelling.act, store, surfaced_by=because),
        undone=labelling.undone(),
    )
    with bar:
        _act(store, trial, samples, chosen, grid, because)
        if key == "cell" and kind == "labels" and not chosen:
            _relabel(trial, grid)
    if len(tiles) < len(part):
        st.caption(f"{words.many(len(part) - len(tiles), 'picture')} of these were deleted since.")
    st.caption(
        "Click a face to see why it was read so. The circle in its corner marks it, a rectangle drawn by the "
        "mouse several, shift-click a row; then a key labels them, Esc unmarks."
    )
    if pages > 1:
        st.pagination(
            pages, default=page, key=f"{key} page {page}", on_change=_turn, args=(name, f"{key} page {page}")
        )


def worst_first(result: Result, places: np.ndarray) -> np.ndarray:
    """(N,) int positions sorted: wrong and sure, wrong and unsure, right and unsure, right and sure."""
    sureness = result.confidence[places]
    return places[np.argsort(np.where(result.right[places], sureness, -sureness), kind="stable")]


def open_sample(sample: int) -> None:
    """Show one face large; for callbacks. The rest of the address stays."""
    st.query_params["sample"] = str(sample)


def close_sample() -> None:
    """Back to the list; for callbacks."""
    st.query_params.pop("sample", None)


def neighbours(sample: int) -> None:
    """Ways back, and to the faces before and after this one in the list that it was opened from."""
    shown = st.session_state.get(_SHOWN, [])
    place = shown.index(sample) if sample in shown else -1
    before = shown[place - 1] if place > 0 else None
    after = shown[place + 1] if 0 <= place < len(shown) - 1 else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("← Back to the faces", on_click=close_sample, type="tertiary", shortcut="Escape")
        st.space("stretch")
        if place >= 0:
            st.caption(f"{place + 1:,} of {len(shown):,}", width="content")
        for title, shortcut, to in (("Previous", "ArrowLeft", before), ("Next", "ArrowRight", after)):
            st.button(title, disabled=to is None, on_click=open_sample, args=(to,), shortcut=shortcut)


def _captions(part: Result, examples: set[int]) -> Callable[[Tile], str]:
    """What is true, with the label that a face has by now where it was changed; below it what was read, and
    whether the model was taught from it."""
    names = part.label_set.names
    rows = zip(
        part.frame["sample"], part.frame["label"], part.truth, part.predicted, part.confidence, strict=True
    )
    said = {}
    for sample, label, true, guess, sureness in rows:
        read = "no face found" if guess == NO_FACE else f"{names[guess]} {words.share(float(sureness))}"
        said[sample] = label, names[true], read

    def caption(tile: Tile) -> str:
        label, true, read = said[tile.sample]
        now = f", now {tile.label or 'no label'}" if (label or None) != tile.label else ""
        return f"{true}{now} →\n{read}" + (", example" if tile.sample in examples else "")

    return caption


def _may_label(trial: Trial) -> bool:
    """Whoever mends only what a model got wrong makes it look better than it is: never in a test."""
    return not (trial.rows.frame["split"] == "test").any()


def _classes(store: Store, trial: Trial) -> tuple[str, ...]:
    return store.dataset(trial.rows.dataset).label_set.names


def _act(store: Store, trial: Trial, samples: list[int], chosen: list[int], grid: str, because: str) -> None:
    """One line above the grid: how many there are, or what can be done with the marked ones."""
    with st.container(horizontal=True, vertical_alignment="bottom", height=76, border=False):
        if chosen:
            classes = _classes(store, trial)
            with st.container(width=170):
                label = st.selectbox(
                    f"Label {len(chosen)} marked",
                    [*classes, labels.UNSURE, labels.NOT_A_FACE],
                    format_func=labelling.with_key(classes),
                    key=f"as {grid}",
                )
            with st.container(width=170):
                who = labelling.ask_name()
            st.button(
                "Label",
                type="primary",
                disabled=not who,
                on_click=_label,
                args=(store, chosen, label, grid, because),
            )
            _teach(store, trial, chosen, grid)
            st.button("Unmark", on_click=gallery.clear_choice, args=(grid,), type="tertiary")
            return
        st.markdown(f"**{words.many(len(samples), 'face')}**, worst first")
        if st.button("Open on the page Datasets", type="tertiary", key=f"datasets {grid}"):
            picked = secrets.token_hex(4)
            st.session_state[f"picked {picked}"] = samples
            st.switch_page("pages/datasets.py", query_params={"data": trial.rows.dataset, "picked": picked})
        if len(samples) <= A_PAGE and _may_label(trial):
            _teach(store, trial, samples, grid)
        st.space("stretch")
        if _may_label(trial):
            labelling.offer_undo(store)
        else:
            st.caption(
                "Labels of a test split are not mended from a list of mistakes: that would flatter the model."
            )


def _teach(store: Store, trial: Trial, samples: list[int], grid: str) -> None:
    """These faces as examples, on top of the very model."""
    whole = trial.faces == WHOLE
    teach_from.samples(store, trial.rows.dataset, samples, grid, card=trial.card, whole=whole)


def _relabel(trial: Trial, grid: str) -> None:
    """The way to the desk with the mistakes of the cell in the address; those of a test split blind only."""
    split, names = trial.rows.split, trial.card.labels.names
    true, read = (st.query_params.get(name) for name in ("true", "read"))
    if split not in SPLITS or true == read or read == "no face":
        return
    wanted = {"data": trial.rows.dataset, "split": split, "model": trial.card.id, "queue": "blind"}
    if split != "test":
        cell = {"true": true, "read": read if read in names else None}
        wanted |= {"queue": "missed", **{name: value for name, value in cell.items() if value}}
    title, about = "Relabel these →", "At the desk, by keys, the surest mistakes first."
    if split == "test":
        title, about = (
            "Check the test blind →",
            "At the desk, hits and misses mixed and nothing said of them.",
        )
    if st.button(title, key=f"relabel {grid}", help=about):
        st.switch_page("pages/relabel.py", query_params=wanted)


def _label(store: Store, chosen: list[int], label: str, grid: str, because: str) -> None:
    if labelling.give(store, chosen, label, because):
        gallery.clear_choice(grid)


def _turn(name: str, widget: str) -> None:
    wanted = st.session_state[widget]
    if wanted > 1:
        st.query_params[name] = str(wanted)
    else:
        st.query_params.pop(name, None)
