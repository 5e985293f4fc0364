"""A sitting at the desk: one queue, one person, key by key."""

import base64
import secrets
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import streamlit as st

from fer_core import labels
from fer_core.dataset import browse, changes
from fer_core.dataset.store import Dataset, Store
from fer_core.evaluation import why
from fer_core.evaluation.answers import WHOLE
from fer_core.imaging.decode import encode_jpeg
from fer_core.inference import explanation
from fer_core.review import answers, claims, looks
from fer_core.review.queues import KINDS, Queue
from pages._shared import address, desk, errors, gallery, heat, labelling, queues_view, resources, sitting_end
from pages._shared.desk import Feed, Given, Item

_KEYS = "123456789"
_BACK = 30
"""Answers of before that are there to go back to; more come when these are used up."""

EVERY = 20
"""Among so many pictures one is shown to measure the person: a second look at an own answer, or gold."""

_EXPLAINED = ("missed", "doubt")
"""Queues that ask one model, whose heat maps can be shown."""


@dataclass
class _Begun:
    """What the session remembers of a sitting.

    Attributes:
        before: the newest event when it began.
        taken: samples in the order of the desk, each with the kind of look that it is, "" for none.
        token: tells this list from that of another session.
    """

    before: int
    taken: list[tuple[int, str]] = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_hex(4))

    def of_queue(self) -> list[int]:
        return [sample for sample, look in self.taken if not look]


def show(store: Store, dataset: Dataset) -> None:
    """The desk with the way back above it; once it was ended, what came of it."""
    who = labelling.name()
    kind = KINDS.get(st.query_params.get("queue", ""))
    if not st.query_params.get("sitting"):
        st.query_params["sitting"] = secrets.token_hex(4)
    sitting = st.query_params["sitting"]
    bar = st.container(horizontal=True, vertical_alignment="center")
    with bar:
        st.button("← Queues", on_click=address.go, kwargs={"data": dataset.name}, type="tertiary")
        if kind:
            st.markdown(f"**{kind.title}**, {errors.plain(dataset.name)}")
    if not who:
        with st.container(width=260):
            labelling.ask_name()
        st.caption("Enter your name to go on.")
        return
    if st.query_params.get("ended"):
        sitting_end.show(store, dataset, who, sitting)
        return
    with errors.guard():
        queue = queues_view.build(store, dataset)
        if queue is None:
            return
        if not len(queue):
            st.success("Nothing is left in this queue.")
            return
        with bar:
            st.space("stretch")
            st.button("End the sitting", on_click=_end, args=(store, queue.key, who))
        with st.container(horizontal=True, vertical_alignment="center"):
            shared = _shared()
            hidden = queue.blind or shared
            hints = not hidden and st.toggle("Show what speaks against the label", value=True)
            copies = st.toggle(
                "Exact copies too", help="Give every exact copy of the picture the same label."
            )
        if hidden:
            st.caption("Blind: only the picture is shown, so that answers are independent of each other.")
        _sitting(store, dataset, queue, who, hints, copies, shared)


def _shared() -> bool:
    """Whether everyone answers for every picture; stands in the address, for the others' link."""

    def write() -> None:
        address.write("shared", "1" if st.session_state["everyone answers"] else None)

    st.session_state["everyone answers"] = st.query_params.get("shared") == "1"
    return st.toggle(
        "Everyone answers for every picture",
        key="everyone answers",
        on_change=write,
        help="Off: each picture goes to one person. On: you also get what others answered, without their "
        "answers. That is how agreement between people is measured.",
    )


def _end(store: Store, queue: str, who: str) -> None:
    with errors.guard():
        claims.release(store, queue, who)
    st.query_params["ended"] = "1"


@st.fragment
def _sitting(
    store: Store, dataset: Dataset, queue: Queue, who: str, hints: bool, copies: bool, shared: bool
) -> None:
    with errors.guard():
        _desk(store, dataset, queue, who, hints, copies, shared)


def _desk(
    store: Store, dataset: Dataset, queue: Queue, who: str, hints: bool, copies: bool, shared: bool
) -> None:
    sitting = st.query_params.get("sitting", "")
    name = f"begun {sitting} {queue.key} {shared}"
    if name not in st.session_state:
        st.session_state[name] = _Begun(changes.newest(store, dataset.name))
    begun: _Begun = st.session_state[name]
    hidden = queue.blind or shared
    model = st.query_params.get("model", "") if queue.kind in _EXPLAINED and not hidden else ""
    desk.show(
        f"{dataset.name} {who} {sitting} {shared}",
        begun.token,
        _classes(dataset),
        partial(_feed, store, dataset, queue, who, begun, shared),
        partial(_past, store, dataset, queue, who, begun, hidden),
        partial(answers.keep, store, dataset.name, who),
        owner=f"{dataset.name} {who}",
        context={"queue": queue.key, "sitting": sitting, "copies": copies},
        hints=hints,
        heat=partial(_heats, store, model) if model in resources.models("expression") else None,
    )


def _feed(
    store: Store,
    dataset: Dataset,
    queue: Queue,
    who: str,
    begun: _Begun,
    shared: bool,
    first: int,
    last: int,
) -> Feed:
    taken, me = begun.taken, who if shared else None
    if first == 0:
        # A desk that begins anew, as after a reload: what has its answer is past.
        left = claims.without_answer(store, dataset.name, queue.key, begun.of_queue(), me)
        taken[:] = [(sample, "") for sample in left]
    exhausted = False
    if (wanted := last - len(taken)) > 0:
        mine = set(begun.of_queue())
        fresh = claims.take(
            store, dataset.name, queue.key, queue.samples, who, wanted, shared=shared, without=mine
        )
        exhausted = len(fresh) < wanted
        taken.extend(_mixed(store, dataset, who, taken, fresh))
    with store.read() as connection:
        tiles = {t.sample: t for t in browse.tiles(connection, [sample for sample, _ in taken[first:last]])}
    # What was deleted meanwhile has no place in the list.
    taken[first:last] = [entry for entry in taken[first:last] if entry[0] in tiles]
    said = queue.said([sample for sample, _ in taken[first:last]])
    sources = gallery.thumbnails(store, [tile.image for tile in tiles.values()])
    items = []
    for sample, look in taken[first:last]:
        blind = bool(look) or queue.blind or shared
        about = "" if blind else said.get(sample, "")
        label = None if blind else tiles[sample].label
        items.append(Item(sample, sources[tiles[sample].image], label, about, look))
    others = claims.elsewhere(store, dataset.name, queue.key, who) if exhausted and not shared else []
    if exhausted:
        total = len(taken) + sum(n for _, n, _ in others)
    else:
        here = begun.of_queue()
        own = len(here) - len(claims.without_answer(store, dataset.name, queue.key, here, me))
        done = claims.done(store, dataset.name, queue.key, me)
        total = len(queue) - done + own + len(taken) - len(here)
    return Feed(items, total, _rest(others), _notice(store, dataset, who))


def _rest(others: list[tuple[str, int, int]]) -> str:
    """Where the pictures are that nobody here can have now."""
    if not others:
        return ""
    each = [f"{name} ({n:,}, back in {minutes} min)" for name, n, minutes in others]
    return f"The rest is with {', '.join(each)}. What they do not answer by then comes here by itself."


def _notice(store: Store, dataset: Dataset, who: str) -> str:
    taken_back = claims.taken_back(store, dataset.name, who, st.query_params.get("sitting", ""))
    if not taken_back:
        return ""
    by = ", ".join(f"{name} ({n:,})" for name, n in taken_back)
    return (
        f"Answers of this sitting were taken back elsewhere, by {by}. Those that you see here as given may "
        "not stand any more: load this page again to see what does."
    )


def _mixed(
    store: Store, dataset: Dataset, who: str, taken: list[tuple[int, str]], fresh: list[int]
) -> list[tuple[int, str]]:
    """Samples of the queue, and between them what is shown to measure the person."""
    entries = [(sample, "") for sample in fresh]
    shown = {entry for entry in taken if entry[1]}
    due = (len(taken) + len(fresh)) // EVERY - len(shown)
    if due <= 0 or not fresh:
        return entries
    kinds = {"second": looks.second_looks, "gold": looks.gold_looks}
    found = [[(sample, kind) for sample in of(store, dataset.name, who)] for kind, of in kinds.items()]
    # One of each kind in turn, as long as there are both.
    turns = [
        entry for turn in range(max(map(len, found))) for kind in found for entry in kind[turn : turn + 1]
    ]
    picked = [entry for entry in turns if entry not in shown][:due]
    places = np.sort(np.random.default_rng(len(taken)).integers(0, len(entries) + 1, len(picked)))
    for moved, (place, entry) in enumerate(zip(places.tolist(), picked, strict=True)):
        entries.insert(place + moved, entry)
    return entries


def _past(
    store: Store, dataset: Dataset, queue: Queue, who: str, begun: _Begun, hidden: bool, skip: int
) -> list[Given]:
    given = claims.past(store, dataset.name, queue.key, who, begun.before, skip, _BACK)
    with store.read() as connection:
        tiles = {t.sample: t for t in browse.tiles(connection, [sample for _, sample, _, _ in given])}
    sources = gallery.thumbnails(store, [tile.image for tile in tiles.values()])
    return [
        Given(batch, Item(sample, sources[tiles[sample].image], None if hidden else old), answer)
        for batch, sample, old, answer in given
        if sample in tiles
    ]


def _heats(store: Store, model: str, samples: list[int]) -> dict[int, str]:
    """Pictures under a map of where the model looked, as data: addresses."""
    predictor, found = resources.predictor(model), {}
    with store.read() as connection:
        tiles = browse.tiles(connection, samples)
    for tile in tiles:
        crop = why.crop_of(store, predictor.card, tile.image, WHOLE)
        if crop is None:
            continue
        guess = predictor.predict(crop[None])[0].argmax(keepdims=True)
        picture = heat.overlay(crop, explanation.heat(predictor, crop[None], guess)[0])
        found[tile.sample] = "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture, 80)).decode()
    return found


def _classes(dataset: Dataset) -> list[tuple[str, str, str]]:
    """(name, key, colour) of each answer."""
    named = [
        (name, key, labels.colour(name)) for name, key in zip(dataset.label_set.names, _KEYS, strict=False)
    ]
    grey = labels.colour("")
    return [*named, (labels.NOT_A_FACE, "0", grey), (labels.UNSURE, "u", grey)]
