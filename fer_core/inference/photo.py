"""A photo in, expressions out: detect, cut, predict in one batch, and say it in words."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core import labels
from fer_core.imaging import draw, quality
from fer_core.imaging.detectors.base import Detector
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import to_batch
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import thresholds


@dataclass(frozen=True)
class Verdict:
    """What one face looks like, in words.

    Attributes:
        label: the most probable expression.
        probability: its calibrated probability.
        runner_up: the second.
        sure: False where the model is wrong more often than right at this confidence.
    """

    label: str
    probability: float
    runner_up: str
    sure: bool

    @property
    def sentence(self) -> str:
        """For people: "looks happy (82 %)" or "can't tell: sad or neutral"."""
        if not self.sure:
            return f"can't tell: {self.label} or {self.runner_up}"
        # Never "100 %": no model is certain.
        share = min(round(100 * self.probability), 99)
        return f"looks {ADJECTIVES.get(self.label, self.label)} ({share} %)"


ADJECTIVES = {
    "disgust": "disgusted",
    "fear": "afraid",
    "surprise": "surprised",
    "contempt": "contemptuous",
    labels.UNKNOWN: f"like {labels.UNKNOWN}",
}


@dataclass(frozen=True, eq=False)
class FaceResult:
    """One face of a photo.

    Attributes:
        face: where it is; None when the whole picture was taken as the face.
        crop: (h, w, c) uint8, exactly what the network saw.
        probabilities: (K,) float32, in the order of the model's labels.
        warnings: what makes the answer doubtful, in plain words.
    """

    face: Face | None
    crop: np.ndarray
    probabilities: np.ndarray
    verdict: Verdict
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PhotoResult:
    """The answer for one photo; `faces` is empty where none was found.

    Attributes:
        image: (H, W, 3) uint8 RGB, the upright photo.
        milliseconds: time of "detect", "prepare" and "classify".
    """

    name: str
    image: np.ndarray
    labels: LabelSet
    model: str
    faces: tuple[FaceResult, ...]
    milliseconds: dict[str, float]


def analyse(
    image: np.ndarray,
    predictor: Predictor,
    detector: Detector,
    name: str = "photo",
    boxes: Sequence[Box] | None = None,
    whole: bool = False,
    threshold: float | None = None,
) -> PhotoResult:
    """Find the faces of a photo and read their expressions in one batch.

    Args:
        image: (H, W, 3) uint8 RGB upright, from `decode_image`.
        boxes: faces given by hand, px; nothing is searched then.
        whole: take the whole picture as one face.
        threshold: calibrated confidence under which the answer is "can't tell"; None for the one that was
            chosen for the model in this workspace, or its card's.

    Raises:
        BadInput: a box lies outside the picture.
        StorageError: no threshold was given, and the chosen ones cannot be read.
    """
    if threshold is None:
        threshold = thresholds.of(predictor.card)
    start = time.perf_counter()
    faces: list[Face | None]
    if whole:
        faces = [None]
    elif boxes is not None:
        faces = [Face(box, 1.0) for box in boxes]
    else:
        faces = list(detector.detect(image))
    detected = time.perf_counter()
    batch = to_batch(image, faces, predictor.card.input)
    prepared = time.perf_counter()
    probabilities = predictor.predict(batch) if faces else np.zeros((0, len(predictor.labels)), np.float32)
    classified = time.perf_counter()
    results = tuple(
        FaceResult(
            face,
            crop,
            row,
            verdict(row, predictor.labels, threshold),
            quality.warnings(image, face) if face is not None else (),
        )
        for face, crop, row in zip(faces, batch, probabilities, strict=True)
    )
    times = {
        "detect": (detected - start) * 1e3,
        "prepare": (prepared - detected) * 1e3,
        "classify": (classified - prepared) * 1e3,
    }
    return PhotoResult(name, image, predictor.labels, predictor.card.id, results, times)


def verdict(probabilities: np.ndarray, label_set: LabelSet, threshold: float) -> Verdict:
    """The words for one (K,) row of probabilities."""
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    top = float(probabilities[first])
    return Verdict(label_set.names[first], top, label_set.names[second], top >= threshold)


def table(results: Iterable[PhotoResult]) -> pd.DataFrame:
    """One row a face, and one for each photo without: file, face, box in px, label, probabilities."""
    rows: list[dict[str, object]] = []
    for result in results:
        if not result.faces:
            rows.append({"file": result.name, "model": result.model, "warnings": "no face found"})
        for number, found in enumerate(result.faces, 1):
            box = found.face.box if found.face else Box(0, 0, result.image.shape[1], result.image.shape[0])
            rows.append(
                {
                    "file": result.name,
                    "face": number,
                    "looks": found.verdict.label,
                    "probability": round(found.verdict.probability, 4),
                    "sure": found.verdict.sure,
                    "x": round(box.x),
                    "y": round(box.y),
                    "width": round(box.width),
                    "height": round(box.height),
                    **{
                        n: round(float(p), 4)
                        for n, p in zip(result.labels.names, found.probabilities, strict=True)
                    },
                    "warnings": "; ".join(found.warnings),
                    "model": result.model,
                }
            )
    return pd.DataFrame(rows).convert_dtypes()


def annotated(result: PhotoResult) -> np.ndarray:
    """(H, W, 3) uint8: the photo with numbered boxes in the colours of the expressions."""
    shown = [(found.face.box, found.verdict) for found in result.faces if found.face]
    return draw.annotate(
        result.image,
        [box for box, _ in shown],
        [verdict.label if verdict.sure else "?" for _, verdict in shown],
        [labels.colour(verdict.label) for _, verdict in shown],
    )
