"""Photos on their way into a class: from files, the camera or a dataset, with what became of each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.dataset import browse
from fer_core.dataset.browse import Filter
from fer_core.errors import FerError
from fer_core.fewshot import classes, from_dataset
from fer_core.fewshot.classes import NO_FACE, Added
from fer_core.fewshot.crops import SIDE
from fer_core.fewshot.sets import MOST_EXAMPLES, Class, ClassSet
from fer_core.imaging.decode import decode_image, encode_png
from pages._shared import errors, resources, tray, words

_WAYS = ("Files", "Camera", "Dataset")
_LISTED = 5
"""Refused photos that are listed without scrolling."""


@dataclass(frozen=True)
class Outcome:
    """What became of some photos.

    Attributes:
        faceless: name and small picture (PNG) of each in which no face was found.
    """

    taken: int
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    faceless: tuple[tuple[str, bytes], ...] = ()


def ask(class_set: ClassSet, one: Class) -> None:
    """The ways in."""
    key = f"{class_set.id} {one.name}"
    way = st.segmented_control(
        "Where the photos come from",
        _WAYS,
        default="Files",
        required=True,
        key=f"way {key}",
        label_visibility="collapsed",
    )
    turn = st.session_state.setdefault(f"turn {key}", 0)
    if way == "Camera":
        shot = st.camera_input(f"Show “{one.name}” to the camera", key=f"camera {key} {turn}", width=420)
        st.caption(
            "Each picture that you take is added. Turn the head a little between two. "
            "For many at once: “Teach with this face” on the page Live."
        )
        if shot is not None:
            _photos(class_set, one, [shot], name=f"camera {turn + 1}")
    elif way == "Dataset":
        with errors.guard():
            _from_dataset(class_set, one)
    else:
        files = st.file_uploader(
            f"Photos of “{one.name}”",
            accept_multiple_files=True,
            max_upload_size=50,
            key=f"files {key} {turn}",
            help=f"1 to 8 are enough; at most {MOST_EXAMPLES}. Of each photo the largest face is taken.",
        )
        if files:
            _photos(class_set, one, files)
    st.caption(words.kept_faces())


def outcome(class_set: ClassSet, one: Class) -> None:
    """What became of the last photos, until it is put away."""
    said: Outcome | None = st.session_state.get(_outcome(class_set.id, one.name))
    if said is None:
        return
    parts = [f"{words.many(said.taken, 'photo')} added"]
    parts += [f"{len(said.refused)} not"] if said.refused else []
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{', '.join(parts)}**")
        if said.faceless and st.button(
            "Take the whole picture" if len(said.faceless) == 1 else "Take the whole pictures",
            key=f"whole {class_set.id} {one.name}",
            help="Where no face was found: for faces that are cut out already, or drawn ones.",
        ):
            _taken(class_set, one, said.faceless, count=len(said.faceless), whole=True)
        st.button(
            "OK",
            type="tertiary",
            key=f"seen {class_set.id} {one.name}",
            on_click=lambda: st.session_state.pop(_outcome(class_set.id, one.name), None),
        )
    lines = [f"- {errors.plain(name)}: {errors.plain(reason)}" for name, reason in said.refused]
    lines += [f"- {errors.plain(note)}" for note in said.notes]
    if lines:
        with st.container(height=180 if len(lines) > _LISTED else "content", border=False):
            st.markdown("\n".join(lines))


def _photos(class_set: ClassSet, one: Class, uploads: Sequence[UploadedFile], name: str = "") -> None:
    """Add uploads, one in memory at a time, and drop them."""

    def read() -> Iterator[tuple[str, bytes]]:
        for upload in uploads:
            yield name or upload.name, upload.getvalue()
        for upload in uploads:
            tray.release(upload)

    _taken(class_set, one, read(), count=len(uploads))


def _taken(
    class_set: ClassSet,
    one: Class,
    photos: Iterable[tuple[str, bytes]],
    *,
    count: int = 1,
    whole: bool = False,
) -> None:
    """Add photos one by one, so that each is judged by itself and what is done stays done."""
    progress = st.progress(0.0, f"Looking at {words.many(count, 'photo')}…")
    taken, faceless = 0, []
    refused: list[tuple[str, str]] = []
    notes: list[str] = []
    for done, (name, data) in enumerate(photos, 1):
        added = _tried(class_set.id, one.name, name, data, whole)
        taken += len(added.taken)
        refused += added.refused
        notes += added.notes
        if any(reason == NO_FACE for _, reason in added.refused):
            # As small as a whole picture is kept.
            faceless.append((name, encode_png(decode_image(data, max_side=SIDE))))
        progress.progress(min(done / count, 1.0), f"{done} of {words.many(count, 'photo')}")
    _say(class_set, one, Outcome(taken, tuple(refused), tuple(notes), tuple(faceless)))


def _tried(set_id: str, class_name: str, name: str, data: bytes, whole: bool) -> Added:
    try:
        return classes.add(set_id, class_name, [(name, data)], whole=whole)
    except FerError as error:
        return Added((), ((name, str(error)),))


def _from_dataset(class_set: ClassSet, one: Class) -> None:
    store = resources.store()
    datasets = {dataset.name: dataset for dataset in store.datasets()}
    if not datasets:
        st.info("No dataset is here yet.")
        st.page_link("pages/datasets.py", label="Get one on the page Datasets →")
        return
    key = f"{class_set.id} {one.name}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Dataset", list(datasets), key=f"dataset {key}", width=240)
        labels = list(datasets[name].label_set.names)
        label = st.selectbox(
            "Pictures labelled",
            labels,
            labels.index(one.name) if one.name in labels else 0,
            key=f"label {key} {name}",
            width=180,
        )
        count = st.number_input("How many", 1, MOST_EXAMPLES, 8, key=f"count {key}", width=130)
        go = st.button(f"Take {count}", key=f"take {key}", type="primary")
    look = st.checkbox(
        "Look for the face in each",
        key=f"look for faces {key}",
        help="For whole photos. Most datasets hold faces that are cut out already.",
    )
    if go:
        # Not what models are tested on, where there is anything else; and other ones each time.
        split = "train" if browse.counted(store, name, Filter(split="train", label=label)) else None
        samples = from_dataset.drawn(store, name, label, int(count), split, seed=len(one.examples))
        with st.spinner(f"Taking {count} pictures…"):
            added = from_dataset.add(store, name, class_set.id, one.name, samples, whole=not look)
        _say(class_set, one, Outcome(len(added.taken), added.refused, added.notes))


def _say(class_set: ClassSet, one: Class, said: Outcome) -> None:
    """Remember what became of the photos, empty the field that they came in, and run again."""
    st.session_state[_outcome(class_set.id, one.name)] = said
    st.session_state[f"turn {class_set.id} {one.name}"] = (
        st.session_state.get(f"turn {class_set.id} {one.name}", 0) + 1
    )
    st.rerun()


def _outcome(set_id: str, name: str) -> str:
    return f"teach outcome {set_id} {name}"
