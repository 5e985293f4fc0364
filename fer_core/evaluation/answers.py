"""What a model says of a dataset's pictures: asked once, and kept."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core import workspace
from fer_core.dataset import arrays
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, slices
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import to_input
from fer_core.inference.predictor import Predictor
from fer_core.zoo import calibration
from fer_core.zoo.card import Card
from fer_core.zoo.specs import EXPRESSION

WHOLE = "whole"
"""The whole picture is the face, as in datasets of crops. Else a detector's name: its largest face is."""

CHUNK = 256
"""Pictures in one call of the model: between two calls the work can be stopped."""


def of(
    store: Store,
    predictor: Predictor,
    frame: pd.DataFrame,
    faces: str = WHOLE,
    progress: Progress | None = None,
) -> np.ndarray:
    """The model's answers to the rows of a manifest, in their order; kept in the cache.

    Args:
        faces: WHOLE, or the name of a detector that looks for the face first, as on the photo page.
        progress: called with (done, in all, text) in the unit of each step; what it raises ends the work.

    Returns:
        (N, K) float32 calibrated probabilities, or the answer of another task; a row of NaN where the
        detector found no face.

    Raises:
        BadInput: no rows, or a picture cannot be read.
        NotFound: a picture is not in the store, or no such detector.
        BadModel: the detector cannot be used here.
        StorageError: the cache cannot be written.
    """
    path = _path(predictor.card, frame, faces)
    # What the network says, before the temperature: a card that is calibrated anew keeps it.
    raw = arrays.cached(path)
    if raw is None or len(raw) != len(frame):
        raw = _asked(store, predictor, predictor.raw, frame, faces, progress)
        arrays.keep(path, raw)
    if predictor.card.task != EXPRESSION.id:
        return raw
    return calibration.soften(raw, predictor.card.temperature).astype(np.float32)


def known(card: Card, frame: pd.DataFrame, faces: str = WHOLE) -> bool:
    """Whether `of` would find the answers in the cache."""
    return _path(card, frame, faces).exists()


def embeddings(
    store: Store, predictor: Predictor, frame: pd.DataFrame, progress: Progress | None = None
) -> np.ndarray:
    """(N, E) float32 features of whole pictures before the answer; kept in the cache. Raises as `of`."""
    path = _path(predictor.card, frame, WHOLE, "embedding")
    found = arrays.cached(path)
    if found is None or len(found) != len(frame):
        found = _asked(store, predictor, predictor.embed, frame, WHOLE, progress)
        found = found.reshape(len(found), -1)
        arrays.keep(path, found)
    return found


def _path(card: Card, frame: pd.DataFrame, faces: str, output: str = "answer") -> Path:
    content = "\n".join([card.weights, str(card.flip_average), faces, *frame["image"]])
    return workspace.folder("cache") / f"{hashlib.sha256(content.encode()).hexdigest()}.{output}.npy"


def _asked(
    store: Store,
    predictor: Predictor,
    ask: Callable[[np.ndarray], np.ndarray],
    frame: pd.DataFrame,
    faces: str,
    progress: Progress | None,
) -> np.ndarray:
    if faces != WHOLE:
        return _looked_for(store, predictor, frame, faces, progress)
    pictures = arrays.build(store, frame, predictor.card.input, progress)
    parts = []
    for start in range(0, len(pictures), CHUNK):
        parts.append(ask(pictures[start : start + CHUNK]))
        if progress:
            done = min(start + CHUNK, len(pictures))
            progress(done, len(pictures), f"{done:,} of {len(pictures):,} pictures read")
    return np.concatenate(parts)


def _looked_for(
    store: Store, predictor: Predictor, frame: pd.DataFrame, faces: str, progress: Progress | None
) -> np.ndarray:
    detector, total = detectors.get(faces), len(frame)
    answers: list[np.ndarray | None] = []
    for images in slices(frame["image"].tolist(), CHUNK // 8):
        data = store.image_bytes(images)
        pictures = [decode_image(data[image]) for image in images]
        largest = [max(detector.detect(p), key=lambda face: face.box.width, default=None) for p in pictures]
        crops = [
            to_input(p, face, predictor.card.input)
            for p, face in zip(pictures, largest, strict=True)
            if face is not None
        ]
        shape = (0, *predictor.card.input.shape)
        told = iter(predictor.raw(np.stack(crops) if crops else np.zeros(shape, np.uint8)))
        answers += [next(told) if face is not None else None for face in largest]
        if progress:
            progress(len(answers), total, f"{len(answers):,} of {total:,} pictures searched for a face")
    outputs = next((len(a) for a in answers if a is not None), len(predictor.labels))
    return np.array([np.full(outputs, np.nan) if a is None else a for a in answers], np.float32)
