"""A class set at work: tried on a photo at once, saved as a model, and led to where that is used."""

import numpy as np
import streamlit as st

from fer_core import labels
from fer_core.errors import FerError
from fer_core.fewshot import classes, teach
from fer_core.fewshot.sets import LONGEST_NAME, ClassSet
from fer_core.fewshot.teach import Look
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.inference import photo
from fer_core.inference.photo import PhotoResult
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from fer_core.zoo.card import Card
from pages._shared import charts, errors, heat, resources, teach_look, words
from pages._shared.teach_look import Settings

_CROP = 112
"""px on the page for the crop that the network saw."""

_STRANGE = (
    "It lies further from every photo than those lie from each other. Add photos like it, or turn this "
    "answer off under “How it works inside”."
)

_NEEDS = "On a dataset with pictures that are labelled so: two of these classes or more."

_FACES = 6
"""Faces of one photo whose bars are shown."""


def show(class_set: ClassSet, chosen: Settings) -> None:
    """A new photo, from a file or the camera, and what it looks like to the set as it stands."""
    way = st.segmented_control(
        "Where the photo comes from",
        ["File", "Camera"],
        default="File",
        required=True,
        key="way of trying",
        label_visibility="collapsed",
    )
    if way == "Camera":
        data = st.camera_input("Look into the camera", key="try camera", width=420)
    else:
        data = st.file_uploader("A photo that it has not seen", max_upload_size=50, key="try file")
    if data is None:
        return
    network = _rehearsed(
        class_set.id,
        teach_look.state(class_set),
        resources.weights(resources.models().get(class_set.base)),
        chosen.kind,
        chosen.unknown,
    )
    image = decode_image(data.getvalue())
    found = _read(network, image)
    if not found.faces:
        st.markdown("**No face was found**, so the whole picture is taken.")
        found = _read(network, image, whole=True)
    for number, face in enumerate(found.faces[:_FACES], 1):
        st.markdown(f"**{errors.plain(words.face(number, face))}**")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.image(
                heat.enlarged(face.crop, _CROP), width=_CROP, alt=f"Face {number} as the network sees it"
            )
            with st.container(width="stretch"):
                said = ", ".join(
                    f"{name} {share:.0%}"
                    for name, share in zip(found.labels.names, face.probabilities, strict=True)
                )
                charts.bars(found.labels.names, face.probabilities, f"Probabilities of face {number}: {said}")
        notes = [*face.warnings, *([_STRANGE] if face.verdict.label == labels.UNKNOWN else [])]
        for note in notes:
            st.caption(errors.plain(note))
    if len(found.faces) > _FACES:
        st.caption(f"And {words.many(len(found.faces) - _FACES, 'more face')}.")
    st.caption(words.privacy())


def save(class_set: ClassSet, look: Look, chosen: Settings) -> None:
    """Into the library, and from there to the other pages."""
    card = saved(class_set.id)
    with st.form("save the model", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container(width=420):
                title = st.text_input(
                    "Name of the model",
                    class_set.title,
                    max_chars=2 * LONGEST_NAME,
                    help="The class set takes this name too.",
                )
            go = st.form_submit_button("Save again" if card else "Save to the library", type="primary")
    if go:
        if title.strip() != class_set.title:
            classes.rename(class_set.id, title)
        teach.teach(
            class_set.id,
            kind=chosen.kind,
            unknown=chosen.unknown,
            predictor=resources.predictor(class_set.base),
        )
        st.rerun()
    if card is None:
        st.caption("It can then be chosen wherever a model is: photo, live, video, measuring.")
        return
    version = card.training["taught"].get("version", 1)
    if _stands(card, look, chosen):
        st.success(f"“{errors.plain(card.title)}” is in the library, version {version}, as shown here.")
    else:
        st.warning(
            f"“{errors.plain(card.title)}” is in the library, version {version}, and what is shown here has "
            "changed since. Save again to use it."
        )
    links(card)


def links(card: Card) -> None:
    """To the pages where a model is used."""
    places = {
        "Use it on a photo": "photo",
        "Live": "live",
        "On a video": "video",
        "Measure it": "evaluate",
        "Its card": "library",
    }
    with st.container(horizontal=True):
        for label, page in places.items():
            help = _NEEDS if page == "evaluate" else None
            if st.button(label, key=f"{label} {card.id}", help=help):
                st.switch_page(f"pages/{page}.py", query_params={"model": card.id})


def saved(set_id: str) -> Card | None:
    """The model that was saved of a set, if any."""
    try:
        card = library.find(f"taught_{set_id}").card
    except FerError:
        return None
    return card if card and card.training.get("taught", {}).get("set") == set_id else None


def _stands(card: Card, look: Look, chosen: Settings) -> bool:
    """Whether a saved model is what the set gives now."""
    told = card.training["taught"]
    now = {
        "base": look.base.id,
        "kind": chosen.kind or look.kind,
        "unknown": chosen.unknown,
        "examples": {one.name: len(one.examples) for one in look.class_set.classes},
        "images": sorted({example.image for _, example in look.class_set.examples}),
    }
    return card.title == look.class_set.title and all(told.get(key) == value for key, value in now.items())


def _read(network: Predictor, image: np.ndarray, whole: bool = False) -> PhotoResult:
    threshold = network.card.answer_threshold
    return photo.analyse(image, network, detectors.get(), whole=whole, threshold=threshold)


@st.cache_resource(max_entries=8, show_spinner=False)
def _rehearsed(set_id: str, state: str, weights: str, kind: str | None, unknown: bool) -> Predictor:
    """What the set would make, for each state of it and of its base."""
    base = classes.load(set_id).base
    return teach.rehearse(set_id, kind=kind, unknown=unknown, predictor=resources.predictor(base))
