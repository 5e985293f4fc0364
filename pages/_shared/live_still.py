"""One picture of a camera, read as a photo: to look closer, or to say that the answer is wrong."""

import numpy as np
import streamlit as st

from fer_core.errors import BadInput
from fer_core.imaging import detectors
from fer_core.imaging.decode import encode_png
from fer_core.imaging.faces import Face
from fer_core.inference.live import APART, BURST, Session
from fer_core.zoo.card import Card
from pages._shared import cards, doctor, resources, teach_from, wrong_view
from pages._shared.doctor import Finding
from pages._shared.tray import Item, Tray

_KEY = "live still"

_FIRST = 1_000_000
"""Photos are counted from 1 on the page Photo; what somebody says of one must not turn up at the other."""

_CAMERA_WORKS = (doctor.NO_ROUTE, doctor.NO_ROUTE_HERE, doctor.STILL)


def ask(session: Session) -> None:
    """The button that takes a still."""
    st.button(
        "That's wrong",
        key="live wrong",
        help="Stops one picture, to say what a face shows, or to look closer.",
        on_click=_take,
        args=(session,),
    )


def teach(session: Session, card: Card) -> None:
    """What puts the face of the last seconds into a class, several pictures at once."""

    def found() -> list[tuple[str, np.ndarray, Face | None]]:
        seen = [
            (place, frame, face.track)
            for place, (frame, look) in enumerate(session.burst(), 1)
            for face in look.faces
            if face.track.seen == look.at
        ]
        if not seen:
            raise BadInput(
                "A face is taken while it is in the picture. Received: no face in the last seconds. "
                "Look into the camera."
            )
        who = max(seen, key=lambda one: (one[0], one[2].face.box.width))[2].number
        return [
            (f"camera, picture {place}", frame, track.face)
            for place, frame, track in seen
            if track.number == who
        ]

    about = f"The largest face of the last {BURST * APART:.0f} seconds, up to {BURST} pictures of it"
    teach_from.faces("Teach with this face", about, "live", found, card=card)


def show(model: str, detector: str) -> None:
    """The still that was taken, if any."""
    item = st.session_state.get(_KEY)
    if item is not None:
        _read(item, model, detector)
        st.button("Close the picture", on_click=forget, key="close still")


def instead(finding: Finding) -> None:
    """Without video: single pictures, from the camera where it works, else from a file."""
    upload, label = None, "Drop a photo instead"
    if finding in _CAMERA_WORKS:
        st.markdown("Single pictures work all the same:")
        upload, label = st.camera_input("Look into the camera", key="live camera"), "Or drop a photo"
    upload = upload or st.file_uploader(
        label,
        ["jpg", "jpeg", "png", "webp", "heic"],
        max_upload_size=50,
        key="live photo",
    )
    models = resources.models("expression")
    if upload is not None and models:
        data = upload.getvalue()
        before = st.session_state.get(f"{_KEY} upload")
        if before is None or before.data != data:
            before = st.session_state[f"{_KEY} upload"] = Item(_number(), upload.name, data)
        _read(before, next(iter(models)), detectors.DEFAULT)


def forget() -> None:
    """Put the still away. For callbacks."""
    st.session_state.pop(_KEY, None)


def _take(session: Session) -> None:
    shot = session.snapshot()
    if shot is not None:
        item = Item(_number(), "The picture that you stopped", encode_png(shot.frame))
        st.session_state[_KEY] = item
        wrong_view.unfold(item, 1)


def _number() -> int:
    number = st.session_state[f"{_KEY} number"] = st.session_state.get(f"{_KEY} number", _FIRST) + 1
    return number


def _read(item: Item, model: str, detector: str) -> None:
    expression = resources.models("expression")
    if model not in expression:
        model = next(iter(expression))
    card = expression[model]
    threshold = resources.threshold(card)
    asked = (model, resources.weights(card), detector, f"{threshold:.6f}")
    if item.answer is None or item.asked != asked:
        Tray([item]).read(item, resources.predictor(model), detectors.get(detector), asked, threshold)
    cards.show(item)
