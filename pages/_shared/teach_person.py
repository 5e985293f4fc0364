"""A model for one person, from a few photos of the face at rest."""

import streamlit as st

from fer_core.errors import BadInput, FerError
from fer_core.fewshot import model, personal
from fer_core.imaging.decode import decode_image
from fer_core.zoo import library
from fer_core.zoo.specs import EXPRESSION
from pages._shared import address, errors, resources, teach_try, words

_MADE = "teach person made"
_MOST = 8

_MEASURED = (
    "Measured on JAFFE, ten women in one studio: with one neutral photo, the two models that come with FER "
    "Studio name 53 % of her other photos instead of 41 (12 ± 8 points more), and 65 % instead of 51 (14 ± "
    "14 more). With a photo of another woman it is 4 ± 7 and 3 ± 8 more: most of it is owed to the person."
)
"""By benchmarks.personal."""


def show() -> None:
    """What it is and brings, the photos, and the model."""
    st.markdown(
        "Some faces look sad or angry at rest. A few photos of one person doing nothing shift a model for "
        "that person: it learns where their rest lies."
    )
    cards = {c.id: c for c in model.bases() if c.task == EXPRESSION.id and personal.NEUTRAL in c.labels}
    if not cards:
        st.info("This needs a model that names neutral. None is here.")
        st.page_link("pages/train.py", label="Train a model →")
        return
    st.caption(_MEASURED)
    first = library.default_id()
    with st.container(width=420):
        chosen = address.select(
            "Model to shift", sorted(cards, key=lambda id: id != first), "model", lambda id: cards[id].title
        )
    files = st.file_uploader(
        "1 to 8 photos of this person with a neutral face",
        accept_multiple_files=True,
        max_upload_size=50,
        key="neutral files",
        help="Looking into the camera, mouth closed, doing nothing. The largest face of each is taken.",
    )
    with st.expander("Or take one with the camera"):
        shot = st.camera_input("A neutral face, please", key="neutral camera", width=420)
    photos = [(file.name, file.getvalue()) for file in files or []]
    photos += [("camera", shot.getvalue())] if shot is not None else []
    with st.container(width=420):
        name = st.text_input("Whose face it is", placeholder="Ada", max_chars=40, key="person")
    st.caption(f"{words.privacy()} The model keeps a row of numbers and the name.")
    whole = st.checkbox("The photos are faces already", help="Take each whole, and look for no face.")
    ready = photos and name.strip()
    if st.button("Make the model", type="primary", disabled=not ready):
        with errors.guard():
            st.session_state[_MADE] = _make(chosen, photos, name, whole)
    _made()


def _make(base: str, photos: list[tuple[str, bytes]], name: str, whole: bool) -> str:
    if len(photos) > _MOST:
        raise BadInput(f"A person shows 1 to {_MOST} photos. Received: {len(photos)}. Leave some out.")
    with st.spinner("Looking at the photos…"):
        pictures = [(title, decode_image(data)) for title, data in photos]
        card = personal.calibrate(base, pictures, name, whole=whole, predictor=resources.predictor(base))
    return card.id


def _made() -> None:
    made = st.session_state.get(_MADE)
    if made is None:
        return
    try:
        card = library.find(made).card
    except FerError:
        return
    if card is not None:
        st.success(f"“{errors.plain(card.title)}” is in the library.")
        teach_try.links(card)
