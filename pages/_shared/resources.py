"""What all visitors share: loaded once for each server, whoever asks."""

import streamlit as st

from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.detectors import base
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from fer_core.zoo.library import Entry

SAMPLES = {
    "An astronaut": ("skimage", "data", "astronaut.png"),
    "A cup of coffee (no face)": ("skimage", "data", "coffee.png"),
}
"""Photos that need no upload, with the package that holds them. The astronaut is Eileen Collins (NASA,
public domain); the coffee is by Rachel Michetti (CC0)."""


def models() -> dict[str, Entry]:
    """The usable models by id; the default one first."""
    first = library.default_id()
    usable = {entry.id: entry for entry in library.entries() if entry.card is not None}
    return dict(sorted(usable.items(), key=lambda pair: pair[0] != first))


def predictor(entry: Entry) -> Predictor:
    """The loaded model; loaded again when its files have changed."""
    return _predictor(str(entry.folder), str(entry.card and entry.card.files.get("model.tflite")), entry)


@st.cache_resource(max_entries=4, show_spinner="Loading the model…")
def _predictor(folder: str, checksum: str, _entry: Entry) -> Predictor:
    return Predictor.load(_entry.folder)


@st.cache_resource(show_spinner=False)
def detector_problems() -> dict[str, str | None]:
    """For each detector why it cannot be used here, or None."""
    return detectors.available()


def sample(title: str) -> tuple[str, bytes]:
    """File name and bytes of a sample photo."""
    path = base.package_file(*SAMPLES[title])
    return path.name, path.read_bytes()


@st.cache_data(show_spinner=False)
def sample_thumbnail(title: str):
    """(H, W, 3) uint8 RGB, small."""
    return decode_image(sample(title)[1], max_side=160)
