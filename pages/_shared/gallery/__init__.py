"""A grid of pictures: click one to open it, mark several to act on them."""

import base64
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core import labels
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import Store
from fer_core.imaging.decode import decode_image, encode_jpeg, encode_png

THUMBNAIL = 160
"""px of the longer side; screens with small pixels show a tile of 96 px with twice as many."""

_KEPT = 6000
"""Thumbnails in memory, 2 to 6 kB each."""

_REMEMBERED = 50
"""Names of acts that a grid is told are done: it sends each again until then."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Act:
    """What a key did.

    Attributes:
        batch: made by the browser; the same act, sent twice, has the same.
        samples: those that were marked; empty where `undo` says which act is taken back.
    """

    batch: str
    samples: tuple[int, ...]
    label: str
    undo: str = ""


def show(
    store: Store,
    tiles: Sequence[Tile],
    key: str,
    *,
    on_open: Callable[[int], None],
    captions: Callable[[Tile], str] | None = None,
    choosing: bool = False,
    size: int = 96,
    one_row: bool = False,
    classes: Sequence[tuple[str, str]] = (),
    on_act: Callable[[Act], None] | None = None,
    undone: Sequence[str] = (),
) -> list[int]:
    """Draw tiles in their order.

    Args:
        on_open: called with the sample that was clicked, before the page runs again.
        captions: what stands below a picture; None is its label, "" nothing.
        choosing: whether several can be marked: by their corner, a rectangle, shift, a long press or Space.
        size: least width of a tile, css px.
        one_row: show as many as fit beside each other, and no more.
        classes: (name, key) of the labels that a key gives to the marked ones (labelling.keys).
        on_act: called with what such a key did, before the page runs again. The same act may come twice
            and must then count once.
        undone: batches that were taken back in other ways, which the key for undo shall pass over.

    Returns:
        The marked samples.
    """
    thumbs = thumbnails(store, [tile.image for tile in tiles])
    drawn = [_data(tile, thumbs[tile.image], captions or _label) for tile in tiles]
    return draw(
        drawn,
        key,
        on_open=on_open,
        choosing=choosing,
        size=size,
        one_row=one_row,
        classes=classes,
        on_act=on_act,
        undone=undone,
    )


def draw(
    tiles: Sequence[dict[str, Any]],
    key: str,
    *,
    on_open: Callable[[int], None],
    choosing: bool = False,
    size: int = 96,
    one_row: bool = False,
    classes: Sequence[tuple[str, str]] = (),
    on_act: Callable[[Act], None] | None = None,
    undone: Sequence[str] = (),
) -> list[int]:
    """`show` for pictures that are in no dataset.

    Args:
        tiles: of each its id (a whole number), src (`address`), alt, title, caption and colour.
    """
    data = {
        "tiles": list(tiles),
        "choosing": choosing,
        "size": size,
        "oneRow": one_row,
        "classes": [{"name": name, "key": pressed} for name, pressed in classes],
    }
    # Unmarking makes a new component, which knows of no marks.
    mounted = f"{key} {st.session_state.get(f'{key} cleared', 0)}"

    def opened() -> None:
        if (sample := st.session_state[mounted].get("opened")) is not None:
            on_open(int(sample))

    done: list[str] = st.session_state.setdefault(f"{mounted} done", [])

    def acted() -> None:
        for told in st.session_state[mounted].get("acts") or []:
            if on_act and told["batch"] not in done:
                samples = tuple(int(sample) for sample in told.get("samples", []))
                on_act(
                    Act(str(told["batch"]), samples, str(told.get("label", "")), str(told.get("undo", "")))
                )
                done.append(str(told["batch"]))
        del done[:-_REMEMBERED]

    result = _component()(
        key=mounted,
        data={**data, "stored": list(done), "undone": list(undone)},
        on_opened_change=opened,
        on_chosen_change=lambda: None,
        on_acts_change=acted,
        default={"chosen": []},
    )
    known = {tile["id"] for tile in tiles}
    return [sample for sample in result.chosen or [] if sample in known] if choosing else []


def clear_choice(key: str) -> None:
    """Unmark everything in a gallery; for callbacks."""
    st.session_state[f"{key} cleared"] = st.session_state.get(f"{key} cleared", 0) + 1


def thumbnails(store: Store, images: Sequence[str]) -> dict[str, str]:
    """Small pictures as data: addresses, by image id.

    Raises:
        NotFound: a picture is not in the store.
    """
    kept = _kept()
    if missing := [image for image in dict.fromkeys(images) if image not in kept]:
        for image, data in store.image_bytes(missing).items():
            kept[image] = address(data)
    found = {image: kept[image] for image in images}
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return found


def forget() -> None:
    """Drop all thumbnails from memory, as after pictures were deleted for good."""
    _kept().clear()


def address(data: bytes) -> str:
    """The data: address of a thumbnail of an encoded picture."""
    picture = decode_image(data, max_side=THUMBNAIL)
    small = max(picture.shape[:2]) <= 64
    kind, encoded = ("png", encode_png(picture)) if small else ("jpeg", encode_jpeg(picture, 85))
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _data(tile: Tile, source: str, captions: Callable[[Tile], str]) -> dict[str, Any]:
    label = tile.label or "no label"
    return {
        "id": tile.sample,
        "src": source,
        "alt": f"sample {tile.sample}, labelled {label}",
        "title": f"{label} · {tile.split} · {tile.source}",
        "caption": captions(tile),
        "colour": labels.colour(tile.label or ""),
    }


def _label(tile: Tile) -> str:
    return tile.label or "no label"


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_gallery",
        html='<div class="grid"></div>',
        css=(_HERE / "gallery.css").read_text("utf-8"),
        js=(_HERE / "gallery.js").read_text("utf-8"),
    )


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[str, str]:
    return OrderedDict()
