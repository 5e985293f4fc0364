"""A sitting at the desk: one queue, one person, key by key."""

from functools import partial

import streamlit as st

from fer_core import labels
from fer_core.dataset import browse, changes, ledger
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import BadInput, NotFound
from fer_core.review import claims
from fer_core.review.queues import KINDS, Queue
from pages._shared import address, desk, errors, gallery, labelling, queues_view
from pages._shared.desk import Answer, Given, Item

_KEYS = "123456789"
_BACK = 30
"""Answers of before that are there to go back to; more come when these are used up."""


def show(store: Store, dataset: Dataset) -> None:
    """The desk, with the way back above it and what came of the sitting below."""
    who = labelling.name()
    kind = KINDS.get(st.query_params.get("queue", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("← Queues", on_click=address.go, kwargs={"data": dataset.name}, type="tertiary")
        if kind:
            st.markdown(f"**{kind.title}**, {errors.plain(dataset.name)}")
    if not who:
        with st.container(width=260):
            labelling.ask_name()
        st.caption("Enter your name to go on.")
        return
    with errors.guard():
        queue = queues_view.build(store, dataset)
        if queue is None:
            return
        if not len(queue):
            st.success("Nothing is left in this queue.")
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            hints = not queue.blind and st.toggle("Show what speaks against the label", value=True)
            copies = st.toggle(
                "Exact copies too", help="Give every exact copy of the picture the same label."
            )
        _sitting(store, dataset, queue, who, hints, copies)


@st.fragment
def _sitting(store: Store, dataset: Dataset, queue: Queue, who: str, hints: bool, copies: bool) -> None:
    sitting = st.query_params.get("sitting", "")
    taken = st.session_state.setdefault(f"taken {sitting} {queue.key}", [])
    why = dict(zip(queue.samples.tolist(), queue.why, strict=True))
    began = st.session_state.setdefault(f"began {sitting}", changes.newest(store, dataset.name))
    # What this sitting has answered is in its list, and counts as its own.
    own = len(taken) - len(claims.without_answer(store, dataset.name, queue.key, taken))
    total = len(queue) - claims.done(store, dataset.name, queue.key) + own

    def items(first: int, last: int) -> list[Item]:
        if first == 0:
            # A desk that begins anew, as after a reload: what has its answer is past.
            taken[:] = claims.without_answer(store, dataset.name, queue.key, taken)
        if last > len(taken):
            taken.extend(
                claims.take(
                    store, dataset.name, queue.key, queue.samples.tolist(), who, last - len(taken),
                    without=frozenset(taken),
                )
            )  # fmt: skip
        with store.read() as connection:
            tiles = {tile.sample: tile for tile in browse.tiles(connection, taken[first:last])}
        # What was deleted meanwhile has no place in the list.
        taken[first:last] = [sample for sample in taken[first:last] if sample in tiles]
        shown = [tiles[sample] for sample in taken[first:last]]
        sources = gallery.thumbnails(store, [tile.image for tile in shown])
        return [
            Item(t.sample, sources[t.image], None if queue.blind else t.label, why.get(t.sample, ""))
            for t in shown
        ]

    def past(skip: int) -> list[Given]:
        answers = claims.past(store, dataset.name, queue.key, who, began, skip, _BACK)
        with store.read() as connection:
            tiles = {t.sample: t for t in browse.tiles(connection, [sample for _, sample, _, _ in answers])}
        sources = gallery.thumbnails(store, [tile.image for tile in tiles.values()])
        return [
            Given(batch, Item(sample, sources[tiles[sample].image], None if queue.blind else old), answer)
            for batch, sample, old, answer in answers
            if sample in tiles
        ]

    desk.show(
        f"{dataset.name} {who} {sitting}",
        _classes(dataset),
        total,
        items,
        past,
        partial(_keep, store, queue, who, sitting, copies),
        owner=f"{dataset.name} {who}",
        hints=hints,
    )


def _classes(dataset: Dataset) -> list[tuple[str, str, str]]:
    named = [
        (name, key, labels.colour(name)) for name, key in zip(dataset.label_set.names, _KEYS, strict=False)
    ]
    grey = labels.colour("")
    return [*named, (labels.NOT_A_FACE, "0", grey), (labels.UNSURE, "u", grey)]


def _keep(
    store: Store, queue: Queue, who: str, sitting: str, copies: bool, answers: list[Answer]
) -> dict[str, str]:
    """Store answers in their order; those that never can be come back with the reason."""
    refused = {}
    for answer in answers:
        try:
            if answer.undo:
                ledger.undo(store, who, answer.undo, sitting=sitting, name=answer.id)
                continue
            samples = [answer.sample]
            if copies:
                samples += browse.copies(store, answer.sample)
            ledger.relabel(
                store,
                [(sample, answer.label) for sample in samples],
                who,
                surfaced_by=queue.key,
                sitting=sitting,
                batch=answer.id,
            )
        except (BadInput, NotFound) as error:
            refused[answer.id] = str(error)
    return refused
