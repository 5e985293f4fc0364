"""One photo with its answer."""

import html

import numpy as np
import streamlit as st

from fer_core import labels
from fer_core.imaging import draw, landmarks
from fer_core.imaging.decode import decode_image
from fer_core.imaging.detectors.base import shrunk
from fer_core.imaging.faces import Box
from fer_core.inference import explanation
from fer_core.inference.photo import FaceResult, PhotoResult
from pages._shared import charts, errors, heat, resources, words, wrong_view
from pages._shared.tray import Item

_CROP = 144
"""px on the page for the crop that the network saw."""


def show(item: Item) -> None:
    """A photo: name, picture with numbered boxes, one sentence a face, and the details of one face."""
    with st.container(border=True):
        st.markdown(f"**{errors.plain(item.name)}**")
        answer = item.answer
        if answer is None:
            st.skeleton(200)
        elif answer.result is None:
            st.error(errors.plain(answer.error))
            st.caption("The other photos are not affected.")
        else:
            _answer(item, answer.result, answer.picture)


@st.fragment
def _answer(item: Item, result: PhotoResult, picture: bytes) -> None:
    height, width = result.image.shape[:2]
    if width > 1.6 * height:
        left, right = st.container(), st.container()
    else:
        left, right = st.columns([11, 9], gap="medium")
    place = left.empty()
    if item.reduced:
        left.caption("Kept smaller than it came, since many photos came at once; small faces may suffer.")
    with right:
        if not result.faces:
            st.markdown("**No face found.** That may be right. If there is one, say where:")
        else:
            st.html(_sentences(result))
            _details(item, result)
        box = _other_ways(item, result)
    if box is None:
        place.image(picture, width="stretch", alt=_alt(item.name, result))
    else:
        place.image(_with_box(item, box), width="stretch", alt="Your box on the photo")


def _alt(name: str, result: PhotoResult) -> str:
    found = "; ".join(words.face(number, face) for number, face in enumerate(result.faces, 1))
    return f"{name}: {found or 'no face found'}"


def _sentences(result: PhotoResult) -> str:
    rows = []
    for number, face in enumerate(result.faces, 1):
        colour = labels.colour(face.verdict.label) if face.verdict.sure else "#8C8C8C"
        badge = (
            f'<span aria-hidden="true" style="background:{colour};color:{_ink(colour)};border-radius:4px;'
            f'padding:0 .45em;margin-right:.6em;font-weight:650">{number}</span>'
        )
        warnings = "".join(
            f'<div style="opacity:.75;font-size:.85em;margin-left:2.1em">{html.escape(w)}</div>'
            for w in face.warnings
        )
        rows.append(f"<li>{badge}{html.escape(words.face(number, face))}{warnings}</li>")
    return (
        '<ol style="list-style:none;margin:0;padding:0;display:grid;gap:.45em;font-size:1.08em;'
        f'max-height:22em;overflow-y:auto">{"".join(rows)}</ol>'
    )


def _ink(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "#FFFFFF"


def _details(item: Item, result: PhotoResult) -> None:
    """All probabilities of one face, and what the network saw of it."""
    number = 1
    if len(result.faces) > 1:
        numbers = list(range(1, len(result.faces) + 1))
        number = (
            st.pills("Details of face", numbers, default=1, required=True, key=f"face {item.number}") or 1
        )
        number = min(number, len(result.faces))
    face = result.faces[number - 1]
    names = result.labels.names
    alt = ", ".join(f"{n} {p:.0%}" for n, p in zip(names, face.probabilities, strict=True))
    charts.bars(names, face.probabilities, f"Probabilities of face {number}: {alt}")
    wrong_view.show(item, result, number)
    if st.toggle("Why?", key=f"why {item.number}", help="Shows what in the crop speaks for the answer."):
        with errors.guard():
            _why(result, face, f"heat {item.number}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        crop = heat.enlarged(face.crop, _CROP)
        st.image(crop, width=_CROP, alt=f"The crop of face {number} that the network saw")
        height, width, channels = face.crop.shape
        grey = "grey" if channels == 1 else "colour"
        st.caption(f"What the network saw:\n\n{width} × {height} px, {grey}", width=150)


def _why(result: PhotoResult, face: FaceResult, key: str) -> None:
    """The crop under a heat map, and a sentence; nothing of it is kept."""
    predictor = resources.predictor(result.model)
    crops, guess = face.crop[None], np.array([face.probabilities.argmax()])
    label = result.labels.names[int(guess[0])]
    with st.spinner("Looking into the network…", show_time=True):
        (occluded,) = explanation.heat(predictor, crops, guess)
    part = explanation.mostly(occluded, landmarks.of_crops(crops)[0])
    st.markdown(errors.plain(heat.rests_on(label, occluded, part)))

    def of(kind: str) -> np.ndarray:
        if kind == explanation.OCCLUSION:
            return occluded
        return explanation.heat(predictor, crops, guess, kind)[0]

    heat.show(face.crop, of, label, key)


def _other_ways(item: Item, result: PhotoResult) -> Box | None:
    """The whole picture, or a box drawn by hand; open by itself where no face was found.

    Returns:
        The box that is being drawn, px; None where none is.
    """
    key = item.number
    by_hand = item.boxes is not None or item.whole
    if result.faces and not by_hand and not st.toggle("A face is missing or wrong", key=f"other {key}"):
        return None
    with st.container(horizontal=True):
        if not item.whole and st.button("Use the whole picture", key=f"whole {key}"):
            item.ask_again(whole=True)
            st.rerun()
        if by_hand and st.button("Look for faces again", key=f"again {key}"):
            item.ask_again()
            st.rerun()
    return _drawn(item, result) if st.toggle("Draw a box", key=f"draw {key}") else None


def _drawn(item: Item, result: PhotoResult) -> Box:
    """Two sliders with a handle for each edge: they work with a mouse, a finger and a keyboard."""
    height, width = result.image.shape[:2]
    key = item.number
    middle = (width // 4, width * 3 // 4), (height // 4, height * 3 // 4)
    left, right = st.slider("Left and right edge", 0, width, middle[0], key=f"x {key}", format="%d px")
    top, bottom = st.slider("Upper and lower edge", 0, height, middle[1], key=f"y {key}", format="%d px")
    box = Box(left, top, max(1, right - left), max(1, bottom - top))
    st.caption("From the brows to the chin works best.")
    if st.button("Read this face", type="primary", key=f"read {key}"):
        item.ask_again(boxes=(*(item.boxes or ()), box))
        st.session_state.pop(f"draw {key}")
        st.rerun()
    return box


def _with_box(item: Item, box: Box) -> np.ndarray:
    """The photo with a box on it, as large as it is shown."""
    photo = decode_image(item.data)
    picture = shrunk(photo, 900)
    factor = picture.shape[1] / photo.shape[1]
    small = Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor)
    return draw.annotate(picture, [small], ["your box"], ["#1F6F78"])
