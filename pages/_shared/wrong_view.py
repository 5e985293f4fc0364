"""“That's wrong” under a face: one tap, the right expression, and consent before anything is stored."""

import numpy as np
import streamlit as st

from fer_core.imaging.decode import decode_image
from fer_core.imaging.faces import Face
from fer_core.inference.photo import FaceResult, PhotoResult
from pages._shared import errors, resources, words
from pages._shared.tray import Item


def show(item: Item, result: PhotoResult, number: int) -> None:
    """The tap and what follows it.

    Args:
        number: of the face, from 1.
    """
    key = _key(item, number)
    if not st.toggle("That's wrong", key=f"wrong {key}", help="Say what you see, and keep the face."):
        return
    # Imported when somebody asks: the photo page opens without the database's library.
    from fer_core.review import reports

    stored = st.session_state.get(f"reported {key}")
    if stored is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"Kept as {stored[1]}.")
            st.button("Delete it again", on_click=_withdraw, args=(key, stored[0]))
        return
    label = st.pills("What does the face show?", reports.CLASSES, key=f"right {key}")
    consent = st.checkbox("Store this face, so that it can be learned from", key=f"consent {key}")
    st.caption(_where(reports.DATASET))
    st.button(
        "Send",
        key=f"send {key}",
        type="primary",
        disabled=not (label and consent),
        on_click=_keep,
        args=(item, result, number, label, consent, key),
    )
    from pages._shared import teach_from

    def found() -> list:
        return [(item.name, *_where_it_is(item, result, number))]

    about = "This face as an example of an expression of your own"
    teach_from.faces("Or teach with this face", about, f"face {key}", found)


def unfold(item: Item, number: int) -> None:
    """Show what follows the tap without a tap. For callbacks."""
    st.session_state[f"wrong {_key(item, number)}"] = True


def _key(item: Item, number: int) -> str:
    return f"{item.number} {number} {item.boxes}"


def _where(dataset: str) -> str:
    place = "on this computer" if words.served_here() else "on this server, where those who run it see it"
    return (
        f"Stored, if you tick the box: the part of the photo with this face, what the model said, and your "
        f"answer; neither the rest of the photo nor its name. Where: in the dataset “{dataset}” {place}; "
        "models may learn from it. Delete it at any time: here at once, later on the page Datasets. Ask "
        "whoever is shown before you tick it for them."
    )


def _keep(item: Item, result: PhotoResult, number: int, label: str, consent: bool, key: str) -> None:
    from fer_core.review import reports
    from pages._shared import labelling

    face: FaceResult = result.faces[number - 1]
    with errors.guard():
        photo, there = _where_it_is(item, result, number)
        box = there.box if there else None
        why = f"{result.model}: {face.verdict.sentence}"
        store = resources.store()
        sample = reports.keep(store, photo, box, label, why, labelling.name(), consent=consent)
        st.session_state[f"reported {key}"] = sample, label


def _where_it_is(item: Item, result: PhotoResult, number: int) -> tuple[np.ndarray, Face | None]:
    """The photo as it came, and the face in it; a photo that was kept smaller has its boxes in fewer px."""
    photo, face = decode_image(item.data), result.faces[number - 1].face
    return photo, face.scaled(photo.shape[1] / result.image.shape[1]) if face else None


def _withdraw(key: str, sample: int) -> None:
    from fer_core.review import reports
    from pages._shared import gallery, labelling

    with errors.guard():
        reports.withdraw(resources.store(), sample, labelling.name())
        gallery.forget()
        for name in (f"reported {key}", f"consent {key}", f"wrong {key}"):
            st.session_state.pop(name, None)
