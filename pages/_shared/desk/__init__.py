"""The desk: one picture, one key, the next picture. Answers survive slow networks, closed tabs, crashes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.errors import FerError
from fer_core.review.answers import Answer

AHEAD = 40
"""Pictures that the browser has before it needs them."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Item:
    """One picture to judge.

    Attributes:
        src: data: address.
        label: what it is labelled now; None also where that is not to be shown.
        said: one line about it, which can be hidden.
        look: of looks.KINDS where it is shown to measure the person.
    """

    sample: int
    src: str
    label: str | None
    said: str = ""
    look: str = ""


@dataclass(frozen=True)
class Given:
    """A picture with the answer that this person gave it before.

    Attributes:
        id: of the answer, by which it is taken back.
        answer: the label that was given.
    """

    id: str
    item: Item
    answer: str | None


@dataclass(frozen=True)
class Feed:
    """More pictures, and what is left.

    Attributes:
        total: pictures in all, those that were answered here included.
        rest: one sentence to show when no picture is left here; "" for the usual one.
        notice: one sentence to show now.
    """

    items: Sequence[Item]
    total: int
    rest: str = ""
    notice: str = ""


def show(
    sitting: str,
    token: str,
    classes: Sequence[tuple[str, str, str]],
    feed: Callable[[int, int], Feed],
    past: Callable[[int], list[Given]],
    store: Callable[[list[Answer]], dict[str, str]],
    *,
    owner: str,
    context: dict[str, Any],
    hints: bool = True,
    heat: Callable[[list[int]], dict[int, str]] | None = None,
) -> None:
    """Draw the desk. Call it inside a fragment: each answer runs it again.

    Args:
        sitting: what answers belong to; another sitting begins a new desk.
        token: tells this list of pictures from that of a server which was started again.
        classes: (name, key, colour) of each.
        feed: feed(first, last) by place in the list.
        past: answers of before, past(those that are there already), the newest last.
        store: stores answers and returns, by answer id, why one can never be stored. It must take the
            same answer twice for one. What else it raises is said, and the browser sends again.
        owner: under which the browser keeps answers that are not stored yet, also for a later sitting.
        context: goes with each answer: queue, sitting and copies of Answer, as they were when it was given.
        hints: whether `said` is shown.
        heat: data: addresses of pictures under their heat map, by sample; None where there are none.
    """
    mounted = f"desk {sitting}"
    message = _message(mounted)
    # Stored first: nothing that goes wrong afterwards may keep an answer from its place.
    stored, refused, trouble = _stored(message, store)
    have, at = int(message.get("have", 0)), int(message.get("at", 0))
    if message.get("token") != token:
        have = at = 0
    fed: Feed | None = None
    older: list[Given] = []
    heats: dict[int, str] = {}
    try:
        if have - at <= AHEAD // 2:
            fed = feed(have, at + AHEAD)
        if not message or message.get("older"):
            older = past(int(message.get("past", 0)))
    except FerError as error:
        trouble = trouble or str(error)
    if heat and message.get("heat"):
        wanted = [int(sample) for sample in message["heat"]]
        try:
            heats = dict.fromkeys(wanted, "") | heat(wanted)
        except FerError as error:
            # An empty address says that there will be none: the browser would ask again and again.
            heats, trouble = dict.fromkeys(wanted, ""), trouble or str(error)
    items = fed.items if fed else ()
    _component()(
        key=mounted,
        data={
            "sitting": sitting,
            "token": token,
            "owner": owner,
            "context": context,
            "trouble": trouble,
            "classes": [{"name": n, "key": k, "colour": c} for n, k, c in classes],
            "total": fed.total if fed else None,
            "rest": fed.rest if fed else "",
            "notice": fed.notice if fed else "",
            "ahead": AHEAD,
            "hints": hints,
            "canHeat": heat is not None,
            "heats": {str(sample): src for sample, src in heats.items()},
            "items": [{"place": place, **_data(item)} for place, item in enumerate(items, have)],
            "past": [{**_data(given.item), "id": given.id, "given": given.answer} for given in older],
            "stored": stored,
            "refused": refused,
        },
        on_message_change=lambda: None,
    )


def _message(mounted: str) -> dict[str, Any]:
    """What the browser said last; empty before it said anything."""
    return (st.session_state.get(mounted) or {}).get("message") or {}


def _data(item: Item) -> dict[str, Any]:
    return {
        "sample": item.sample,
        "src": item.src,
        "label": item.label,
        "said": item.said,
        "look": item.look,
    }


def _stored(
    message: dict, store: Callable[[list[Answer]], dict[str, str]]
) -> tuple[list[str], dict[str, str], str]:
    """Which answers are stored, which never can be and why, and what goes wrong for now."""
    answers = [_answer(said) for said in message.get("answers", [])]
    if not answers:
        return [], {}, ""
    try:
        refused = store(answers)
    except FerError as error:
        return [], {}, str(error)
    return [a.id for a in answers if a.id not in refused], refused, ""


def _answer(said: dict[str, Any]) -> Answer:
    context = said.get("context") or {}
    return Answer(
        id=str(said["id"]),
        sample=int(said["sample"]),
        label=said.get("label"),
        queue=str(context.get("queue", "")),
        sitting=str(context.get("sitting", "")),
        undo=said.get("undo"),
        look=str(said.get("look") or ""),
        over=tuple(map(str, said.get("over") or ())),
        copies=bool(context.get("copies")),
    )


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_desk",
        html='<div class="desk"></div>',
        css=(_HERE / "desk.css").read_text("utf-8"),
        js=(_HERE / "desk.js").read_text("utf-8"),
    )
