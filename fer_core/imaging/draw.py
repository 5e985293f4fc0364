"""Boxes and captions on a photo."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from fer_core.imaging.faces import Box

_LEAST_TEXT, _MOST_TEXT = 9, 64
"""px, heights of the captions' letters."""

_Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in px; right and bottom belong to it."""


def annotate(
    image: np.ndarray,
    boxes: Sequence[Box],
    captions: Sequence[str],
    colours: Sequence[str],
    numbers: Sequence[int] | None = None,
) -> np.ndarray:
    """Draw a numbered box with its caption for every face.

    Args:
        image: (H, W, 3) uint8 RGB; it is not changed.
        boxes: in px of the image.
        captions: one for each box; may be empty, the number stays.
        colours: one for each box, as hex ("#D55E00").
        numbers: one for each box; None counts from 1.

    Returns:
        (H, W, 3) uint8 RGB. A caption that is too long for the photo is shortened, and one that
        has no room at all (photos a few px wide) is left out.
    """
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    short = min(canvas.size)
    line = max(1, round(short / 240))
    rows = list(zip(boxes, captions, colours, strict=True))
    for box, _, colour in rows:
        left, top, right, bottom = _edges(box, canvas.size)
        # A dark and a light line beside the coloured one: one of the three shows on any ground.
        draw.rectangle(_grown(left, top, right, bottom, line), outline="black", width=line)
        draw.rectangle((left, top, right, bottom), outline=colour, width=2 * line)
        draw.rectangle(_grown(left, top, right, bottom, -2 * line), outline="white", width=max(1, line // 2))
    taken: list[_Rectangle] = []
    names = range(1, len(rows) + 1) if numbers is None else numbers
    for number, (box, caption, colour) in zip(names, rows, strict=True):
        _caption(draw, box, f"{number} {caption}".strip(), colour, canvas.size, taken)
    return np.array(canvas)


def _edges(box: Box, size: tuple[int, int]) -> _Rectangle:
    """The box's corners, kept inside the photo."""
    width, height = size
    left, right = (min(max(round(x), 0), width - 1) for x in (box.x, box.x + box.width - 1))
    top, bottom = (min(max(round(y), 0), height - 1) for y in (box.y, box.y + box.height - 1))
    return left, top, max(left, right), max(top, bottom)


def _grown(left: int, top: int, right: int, bottom: int, by: int) -> _Rectangle:
    """A rectangle made larger on every side; never turned inside out."""
    across, down = max(by, -((right - left) // 2)), max(by, -((bottom - top) // 2))
    return left - across, top - down, right + across, bottom + down


def _caption(
    draw: ImageDraw.ImageDraw,
    box: Box,
    text: str,
    colour: str,
    size: tuple[int, int],
    taken: list[_Rectangle],
) -> None:
    """Write a caption on a bar of its box's colour, where it hides no other caption."""
    width, height = size
    letters = min(_MOST_TEXT, max(_LEAST_TEXT, round(min(size) / 28)))
    font = ImageFont.load_default(letters)
    padding = max(1, letters // 5)
    while text and draw.textlength(text, font) + 2 * padding > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else text[:-1]
    wide = int(np.ceil(draw.textlength(text, font))) + 2 * padding
    high = round(1.25 * letters) + 2 * padding
    if not text or high > height or wide > width:
        return
    left, top, _, bottom = _edges(box, size)
    x = min(left, width - wide)
    places = []
    for wanted in (top - high, bottom + 1, top, bottom - high + 1):
        y = min(max(wanted, 0), height - high)
        places.append((x, y, x + wide - 1, y + high - 1))
    place = next((p for p in places if not any(_overlap(p, other) for other in taken)), places[0])
    taken.append(place)
    draw.rectangle(place, fill=colour)
    draw.text((place[0] + padding, place[1] + padding), text, font=font, fill=_ink(colour))


def _overlap(one: _Rectangle, other: _Rectangle) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _ink(colour: str) -> str:
    """Black or white, whichever has more contrast on a colour.

    Source: WCAG 2.2, relative luminance; both have equal contrast at a luminance of 0.179.
    """
    channels = [value / 255 for value in ImageColor.getrgb(colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"
