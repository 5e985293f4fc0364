"""What is measured on the Evaluate page: which model on which faces, against which truth."""

from dataclasses import dataclass

import streamlit as st

from fer_core.dataset import changes, overview, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import register, report, results
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Rows, Trial
from fer_core.imaging import detectors
from fer_core.zoo import library
from fer_core.zoo.card import Card
from fer_core.zoo.specs import AFFECT, EXPRESSION
from pages._shared import address, errors, resources, trials, words

FIELDS = ("model", "data", "version", "split", "truth", "faces")
"""Where the choice stands in the address."""

_NOW = ""
"""In the address: the present state of a dataset."""

_SPLITS = ("validation", "test", "train", "none")
"""The first that has pictures is shown first: looking at a test split is a decision."""

_TRUTHS = {"labels": "labels", "votes": "raters' votes"}


@dataclass(frozen=True, eq=False)
class Choice:
    """What the fields say.

    Attributes:
        model: its id.
        rows: the faces to measure on.
        kind: what counts as true, of results.KINDS.
        faces: answers.WHOLE, or a detector's name.
    """

    model: str
    rows: Rows
    kind: str
    faces: str


def ask(store: Store) -> Choice | None:
    """Draw the fields; None where there is nothing to choose from, which is said.

    Raises:
        BadInput: the split has no pictures.
        NotFound: dataset or version have gone a moment ago.
    """
    models = resources.models()
    datasets = [dataset.name for dataset in store.datasets()]
    if not models or not datasets:
        _nothing(bool(models))
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = _field("Model", list(models), "model", lambda id: models[id].title, 280)
        dataset = _field("Dataset", datasets, "data", str, 130)
        _forget_another(dataset)
        counts = overview.balance(store, dataset).groupby("split")["n"].sum()
        splits = [split for split in _SPLITS if counts.get(split)] or list(_SPLITS[:1])
        splits += [register.ALL] if len(splits) > 1 else []
        split = _field("Split", splits, "split", _split, 120, "The part of the dataset that is measured on.")
        truth = st.container(width=140)
        with st.popover("More"):
            names = [version.name for version in versions.versions(store, dataset)][::-1]
            version = address.select("Version", [_NOW, *names], "version", lambda name: name or "now")
            faces = address.select(
                "The face is",
                [WHOLE, *detectors.DETECTORS],
                "faces",
                _faces,
                "Datasets of cropped faces are read whole; in other pictures a detector looks for the face.",
            )
    rows = _rows(store, dataset, version or None, split)
    with truth:
        help = "What an answer is compared with: one label, or what most raters saw."
        kind = address.select("Right is", report.kinds(rows.frame), "truth", _TRUTHS.__getitem__, help)
    return Choice(model, rows, kind, faces)


def _rows(store: Store, dataset: str, version: str | None, split: str) -> Rows:
    """The rows of the choice.

    The present state is read once for each visit: whoever mends labels here goes on with the same figures
    until they ask for new ones.
    """
    newest = changes.newest(store, dataset)
    key = f"state of {dataset}"
    place = st.session_state.setdefault(key, newest)
    # As high with the button as without: labels are given further down, where nothing shall jump.
    with st.container(horizontal=True, vertical_alignment="center", height=44, border=False):
        found = trials.rows(store, dataset, version, split, place)
        st.caption(
            words.many(len(found.frame), "face") + (f" of version {errors.plain(version)}" if version else "")
        )
        if version is None and place != newest:
            st.caption(f"{errors.plain(dataset)} was edited since.")
            help = "The figures and lists are of the labels as they were when you came."
            if st.button("Measure again", icon=":material/refresh:", type="tertiary", help=help):
                st.session_state[key] = newest
                st.rerun()
    return found


def measured(store: Store, model: str, asked: Rows, faces: str) -> Trial | None:
    """The trial of a model, as `trials.get`; a test split is looked at only when somebody asks for it.

    Raises:
        NotFound, BadModel: no such model, or one that must not be served.
        BadInput: no row has an answer that the model can give.
    """
    card = library.find(model).card
    assert card is not None
    if trials.made(card, asked, faces) is None:
        _fits(card, asked)
        if (asked.frame["split"] == "test").any() and not _agreed(store, card, asked, faces):
            return None
    return trials.get(store, model, asked, faces)


def _agreed(store: Store, card: Card, asked: Rows, faces: str) -> bool:
    """Whether this test was made before, or is asked for now."""
    weights = resources.weights(card)
    looks = register.entries(store, dataset=asked.dataset, version=asked.version, split=asked.split)
    if any(look.weights == weights and look.faces == faces for look in looks):
        return True
    key = f"test of {weights} {asked.version} {faces}"
    if st.session_state.get(key):
        return True
    others = len({look.weights for look in looks})
    st.info(
        f"{errors.plain(card.title)} has not been measured on this test split yet. A test split answers "
        "honestly once: whoever looks, changes something and looks again begins to fit the test. "
        "Compare on validation as often as you like, and come here when you have decided. "
        f"Every look is written into a register{_so_far(others)}."
    )
    st.button(
        "Measure on the test split", type="primary", on_click=st.session_state.update, args=({key: True},)
    )
    return False


def _so_far(others: int) -> str:
    return f", which has {words.many(others, 'other model')} so far" if others else ""


def _fits(card: Card, asked: Rows) -> None:
    """Refuse before thousands of pictures are read what could not be compared afterwards.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    if card.task == EXPRESSION.id:
        results.truth(asked.frame, "labels", card.labels)
    elif card.task == AFFECT.id and asked.frame[["valence", "arousal"]].isna().any(axis=1).all():
        raise BadInput(
            "Model and dataset must share valence and arousal. "
            f"Received: {asked.dataset} {asked.split}, without them. Choose another dataset or model."
        )


def _field(label: str, options: list[str], name: str, said, width: int, help: str = "") -> str:
    with st.container(width=width):
        return address.select(label, options, name, said, help, always=name in ("model", "data", "split"))


def _forget_another(dataset: str) -> None:
    """What was chosen of the dataset before means nothing in this one."""
    before = st.session_state.get("evaluated")
    if before not in (None, dataset):
        for name in ("version", "split", "truth", "true", "read", "sample"):
            st.query_params.pop(name, None)
    st.session_state["evaluated"] = dataset


def _split(name: str) -> str:
    return {"none": "no split", register.ALL: "every picture"}.get(name, name)


def _faces(name: str) -> str:
    return "the whole picture" if name == WHOLE else f"what {detectors.DETECTORS[name].title} finds"


def _nothing(models: bool) -> None:
    if models:
        st.info("Here a model is measured on a dataset, and every figure leads to its faces. No dataset yet.")
        st.page_link("pages/datasets.py", label="Add a dataset →")
    else:
        st.info("Here a model is measured on a dataset, and every figure leads to its faces. No model yet.")
        st.page_link("pages/train.py", label="Train a model →")
