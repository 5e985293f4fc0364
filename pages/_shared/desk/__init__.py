"""The desk: one picture, one key, the next picture. Answers survive slow networks, closed tabs, crashes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.errors import FerError

AHEAD = 40
"""Pictures that the browser has before it needs them."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Item:
    """One picture to judge.

    Attributes:
        src: data: address.
        label: what it is labelled now.
        said: one line about it, which can be hidden.
    """

    sample: int
    src: str
    label: str | None
    said: str = ""


@dataclass(frozen=True)
class Given:
    """A picture with the answer that this person gave it before.

    Attributes:
        id: of the answer, by which it is taken back.
        answer: the label that was given.
    """

    id: str
    item: Item
    answer: str


@dataclass(frozen=True)
class Answer:
    """What a person said.

    Attributes:
        id: made by the browser; the same answer, sent twice, has the same.
        label: a name; None where `undo` says which answer is taken back.
    """

    id: str
    sample: int
    label: str | None
    undo: str | None = None


def show(
    sitting: str,
    classes: Sequence[tuple[str, str, str]],
    total: int,
    items: Callable[[int, int], list[Item]],
    past: Callable[[int], list[Given]],
    store: Callable[[list[Answer]], dict[str, str]],
    *,
    owner: str,
    hints: bool = True,
) -> None:
    """Draw the desk. Call it inside a fragment: each answer runs it again.

    Args:
        sitting: what answers belong to; another sitting begins a new desk.
        classes: (name, key, colour) of each.
        items: items(first, last) by place in the queue.
        past: answers of before, past(those that are there already), the newest last.
        store: stores answers and returns, by answer id, why one can never be stored. It must take the
            same answer twice for one. What else it raises is said, and the browser sends again.
        owner: under which the browser keeps answers that are not stored yet, also for a later sitting.
        hints: whether `said` is shown.
    """
    mounted = f"desk {sitting}"
    message = (st.session_state.get(mounted) or {}).get("message") or {}
    stored, refused, trouble = _stored(message, store)
    have = int(message.get("have", 0))
    wanted = items(have, min(have + AHEAD, total)) if have < total else []
    older = past(int(message.get("past", 0))) if not message or message.get("older") else []
    _component()(
        key=mounted,
        data={
            "sitting": sitting,
            "owner": owner,
            "trouble": trouble,
            "classes": [{"name": n, "key": k, "colour": c} for n, k, c in classes],
            "total": total,
            "ahead": AHEAD,
            "hints": hints,
            "items": [{"place": place, **_data(item)} for place, item in enumerate(wanted, have)],
            "past": [{**_data(given.item), "id": given.id, "given": given.answer} for given in older],
            "stored": stored,
            "refused": refused,
        },
        on_message_change=lambda: None,
    )


def _data(item: Item) -> dict[str, Any]:
    return {"sample": item.sample, "src": item.src, "label": item.label, "said": item.said}


def _stored(
    message: dict, store: Callable[[list[Answer]], dict[str, str]]
) -> tuple[list[str], dict[str, str], str]:
    """Which answers are stored, which never can be and why, and what goes wrong for now."""
    answers = [
        Answer(str(a["id"]), int(a["sample"]), a.get("label"), a.get("undo"))
        for a in message.get("answers", [])
    ]
    if not answers:
        return [], {}, ""
    try:
        refused = store(answers)
    except FerError as error:
        return [], {}, str(error)
    return [a.id for a in answers if a.id not in refused], refused, ""


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_desk",
        html='<div class="desk"></div>',
        css=(_HERE / "desk.css").read_text("utf-8"),
        js=(_HERE / "desk.js").read_text("utf-8"),
    )
