"""What all visitors share: loaded once for each server, whoever asks."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import streamlit as st

from fer_core import workspace
from fer_core.errors import StorageError
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image, encode_png
from fer_core.imaging.detectors import base
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library, thresholds
from fer_core.zoo.card import Card
from pages._shared import errors

if TYPE_CHECKING:
    from fer_core.dataset.store import Store

SAMPLES = ("An astronaut", "In bad light", "No face")
"""Photos that need no upload. The astronaut is Eileen Collins (NASA, public domain); the coffee is by
Rachel Michetti (CC0); scikit-image ships both."""


def store() -> "Store":
    """The datasets of this workspace.

    Raises:
        StorageError: the database cannot be opened.
    """
    return _store(str(workspace.root() / "studio.db"))


@st.cache_resource(show_spinner=False)
def _store(path: str) -> "Store":
    # Imported here, because the database's library takes half a second and the photo page does without.
    from fer_core.dataset.store import Store

    return Store.open(path)


def models(task: str | None = None) -> dict[str, Card]:
    """The cards of the usable models by id, all or those of one task; the default one first."""
    first = library.default_id()
    cards = {e.id: e.card for e in library.entries() if e.card and task in (None, e.card.task)}
    return dict(sorted(cards.items(), key=lambda pair: pair[0] != first))


def predictor(model_id: str) -> Predictor:
    """The loaded model; loaded again when its files have changed.

    Raises:
        NotFound, BadModel: no such model, or one that must not be served.
    """
    entry = library.find(model_id)
    return _predictor(str(entry.folder), weights(entry.card))


def weights(card: Card | None) -> str:
    """The checksum of what predicts: tells a model from the one that it replaced."""
    return card.weights if card else ""


def threshold(card: Card) -> float:
    """The confidence under which the model's answer is "can't tell"; the card's own, and words, where the
    chosen ones cannot be read."""
    try:
        return thresholds.of(card)
    except StorageError as error:
        st.warning(errors.plain(str(error)))
        return card.answer_threshold


@st.cache_resource(max_entries=4, show_spinner="Loading the model…")
def _predictor(folder: str, checksum: str) -> Predictor:
    return Predictor.load(Path(folder))


@st.cache_resource(show_spinner=False)
def detector_problems() -> dict[str, str | None]:
    """For each detector why it cannot be used here, or None."""
    return detectors.available()


def sample(title: str) -> tuple[str, bytes]:
    """File name and bytes of a sample photo."""
    name = "coffee.png" if title == "No face" else "astronaut.png"
    data = base.package_file("skimage", "data", name).read_bytes()
    if title != "In bad light":
        return name, data
    dim = cv2.GaussianBlur(decode_image(data), (0, 0), 3) // 4
    return "astronaut in bad light.png", encode_png(dim)


@st.cache_data(show_spinner=False)
def sample_thumbnail(title: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB, small."""
    return decode_image(sample(title)[1], max_side=160)
