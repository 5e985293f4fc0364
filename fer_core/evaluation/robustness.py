"""How much of a model's accuracy is left when its pictures get worse: blurred, dark, turned, covered, small.

A disturbance acts on the face as it is stored, in its own size and before `to_input`: so every model meets
the same disturbed pictures, whatever size its own input has.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_core import workspace
from fer_core.dataset import arrays
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import metrics, report
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.results import Result
from fer_core.imaging import detectors, landmarks
from fer_core.imaging.decode import decode_image
from fer_core.imaging.disturbances import DISTURBANCES, Disturbance, disturbed
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card
from fer_core.zoo.specs import EXPRESSION

SAMPLE = 500
"""Faces that a first measurement is of: every accuracy is then known to about 4 points."""

BLOCK = 50
"""Faces whose answers are kept in one file: what is lost at most when the work is stopped."""

_VERSION = 1
"""Part of the cache's keys: raise it when a disturbance becomes another one."""


@dataclass(frozen=True, eq=False)
class Curves:
    """A model's answers to N faces as they are and disturbed.

    Attributes:
        result: the answers to the faces as they are.
        right: for each disturbance's id (strengths, N) bool, in the order of its strengths.
    """

    result: Result
    right: dict[str, np.ndarray]

    def at(self, disturbance: Disturbance, strength: float | None) -> np.ndarray:
        """(N,) bool, which faces are read right; None is as they are."""
        if strength is None:
            return self.result.right
        return self.right[disturbance.id][disturbance.strengths.index(strength)]

    def turned(self, disturbance: Disturbance, strength: float) -> np.ndarray:
        """(N,) bool, the faces that this turns from a right answer into a wrong one."""
        return self.result.right & ~self.at(disturbance, strength)


@dataclass(frozen=True)
class Loss:
    """What one disturbance costs, on the same faces.

    Attributes:
        before, after: accuracy without and with it.
        change: after minus before, with its 95 % interval.
    """

    disturbance: Disturbance
    strength: float
    n: int
    before: float
    after: float
    change: float
    low: float
    high: float

    @property
    def lost(self) -> float:
        """The share of the accuracy that is gone; below 0 where it grew."""
        return -self.change / self.before if self.before else 0.0


def drawn(result: Result, most: int = SAMPLE) -> np.ndarray:
    """Positions of at most `most` rows of a result, each class in the share that it has in all of them.

    They are the same each time, and fewer are the first ones of more: nothing is measured twice.
    """
    order = np.random.default_rng(0).permutation(len(result))
    place = np.empty(len(result))
    for index in range(len(result.label_set)):
        mine = order[result.truth[order] == index]
        place[mine] = (np.arange(len(mine)) + 0.5) / max(len(mine), 1)
    return np.argsort(place, kind="stable")[:most]


def measure(
    store: Store,
    predictor: Predictor,
    sample: Result,
    faces: str = WHOLE,
    progress: Progress | None = None,
) -> Curves:
    """Ask a model for some faces under every disturbance; block by block kept in the cache, so that what was
    stopped goes on where it was.

    Args:
        sample: the model's answers to these faces as they are, as `Result.among(drawn(...))` gives them.
        faces: how faces are found, as in `answers.of`; they are sought before the picture is disturbed, for
            this is about the network and not about the detector.
        progress: called with (faces done, faces in all, text); what it raises ends the work.

    Raises:
        BadInput: no rows, a model of another task, or a picture cannot be read.
        NotFound: a picture is not in the store, or no such detector.
        StorageError: the cache cannot be written.
    """
    _must_fit(predictor.card, sample)
    parts: list[np.ndarray] = []
    done = 0
    for images, path in _blocks(predictor.card, sample, faces):
        shape = _shape(predictor.card, len(images))
        part = arrays.cached(path, shape)
        if part is None:
            part, data = np.full(shape, np.nan, np.float32), store.image_bytes(images)
            for place, image in enumerate(images):
                _tell(progress, done + place, len(sample))
                part[place] = _asked(predictor, decode_image(data[image]), faces)
            arrays.keep(path, part)
        parts.append(part)
        done += len(part)
        _tell(progress, done, len(sample))
    return _curves(predictor.card, sample, np.concatenate(parts))


def known(card: Card, sample: Result, faces: str = WHOLE) -> Curves | None:
    """What `measure` would return, where all of it is in the cache."""
    parts = []
    for images, path in _blocks(card, sample, faces):
        part = arrays.cached(path, _shape(card, len(images)))
        if part is None:
            return None
        parts.append(part)
    return _curves(card, sample, np.concatenate(parts)) if parts else None


def loss(curves: Curves, disturbance: Disturbance, strength: float) -> Loss:
    """What a disturbance costs, with the interval of a difference on the same faces.

    Source: Agresti & Min 2005, Statistics in Medicine 24, 729-740: Wald's interval after half a face is
    added to each cell of the two by two table.
    """
    before, after = curves.result.right, curves.at(disturbance, strength)
    n = len(before)
    won, gone = int((~before & after).sum()), int((before & ~after).sum())
    more = n + 2
    middle = (won - gone) / more
    half = metrics.Z95 * np.sqrt(max((won + gone + 1) / more - middle**2, 0) / more)
    return Loss(
        disturbance,
        strength,
        n,
        float(before.mean()),
        float(after.mean()),
        (won - gone) / n,
        max(-1.0, float(middle - half)),
        min(1.0, float(middle + half)),
    )


def losses(curves: Curves) -> list[Loss]:
    """What each disturbance costs at its usual strength, the dearest first."""
    return sorted((loss(curves, each, each.usual) for each in DISTURBANCES), key=lambda found: found.change)


def worst(curves: Curves) -> Loss:
    """The disturbance that costs most at its usual strength."""
    return losses(curves)[0]


def sentence(found: Loss) -> str:
    """What a disturbance costs, for people."""
    each = found.disturbance
    known = f"{found.before:.1%} → {found.after:.1%} of {found.n:,} faces".replace("%", " %")
    if found.high >= 0:
        return (
            f"None of these disturbances costs a proven part of its accuracy at its usual strength ({known})."
        )
    return (
        f"It loses {_part(found.lost)} of its accuracy when {each.when} ({each.axis}: "
        f"{each.said(found.strength)}): {known}."
    )


def _part(share: float) -> str:
    """0.48 as "half"."""
    words = {
        "a quarter": 1 / 4,
        "a third": 1 / 3,
        "half": 1 / 2,
        "two thirds": 2 / 3,
        "three quarters": 3 / 4,
    }
    near = [word for word, value in words.items() if abs(share - value) < 0.025]
    return near[0] if near else f"{share * 100:.0f} %"


def record(curves: Curves) -> dict:
    """All figures, ready for JSON: n, accuracy and interval as they are, and for each disturbance and
    strength; "change" is paired, with its interval."""
    result = curves.result
    return {
        "kind": result.kind,
        "undisturbed": report.share(result.right, np.ones(len(result), bool)),
        "disturbances": [
            {
                "id": each.id,
                "strengths": each.axis,
                "usual": each.usual,
                "points": [_point(curves, each, strength) for strength in each.strengths],
            }
            for each in DISTURBANCES
        ],
    }


def face_of(picture: np.ndarray, faces: str, spec: InputSpec) -> np.ndarray | None:
    """The face that is disturbed, in its own size: (H, W, 3) uint8; None where none is found.

    Args:
        picture: (H, W, 3) uint8 RGB.
        faces: answers.WHOLE, or the detector that looks for it.
        spec: how the model's faces are cut out.
    """
    if faces == WHOLE:
        return picture
    found = max(detectors.get(faces).detect(picture), key=lambda face: face.box.width, default=None)
    if found is None:
        return None
    side = max(8, round(found.box.square(spec.scale).width))
    return to_input(picture, found, replace(spec, height=side, width=side, channels=3))


def _asked(predictor: Predictor, picture: np.ndarray, faces: str) -> np.ndarray | float:
    """(disturbances and strengths, outputs) float32; NaN where no face is found."""
    face = face_of(picture, faces, predictor.card.input)
    if face is None:
        return np.nan
    points = landmarks.of_crops(face[None])[0]
    made = (disturbed(each, face, s, points) for each in DISTURBANCES for s in each.strengths)
    return predictor.raw(np.stack([to_input(one, None, predictor.card.input) for one in made]))


def _must_fit(card: Card, sample: Result) -> None:
    if card.task != EXPRESSION.id:
        raise BadInput(f"Robustness is measured of models of expressions. Received: {card.id}, {card.task}.")
    if not len(sample):
        raise BadInput("Robustness needs faces. Received: 0 rows. Choose another split.")


def _blocks(card: Card, sample: Result, faces: str) -> Iterator[tuple[list[str], Path]]:
    """Pictures of each block, and where its answers are kept."""
    settings = [f"{_VERSION}", *(f"{each.id} {each.strengths}" for each in DISTURBANCES)]
    images = sample.frame["image"].tolist()
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        content = "\n".join([card.weights, str(card.flip_average), faces, *settings, *block])
        name = hashlib.sha256(content.encode()).hexdigest()
        yield block, workspace.folder("cache") / f"{name}.disturbed.npy"


def _shape(card: Card, rows: int) -> tuple[int, int, int]:
    return rows, sum(len(each.strengths) for each in DISTURBANCES), len(card.labels)


def _curves(card: Card, sample: Result, told: np.ndarray) -> Curves:
    columns = [card.labels.names.index(name) for name in sample.label_set.names]
    shared = np.moveaxis(told[..., columns], 0, 1)
    right = ~np.isnan(shared[..., 0]) & (np.nan_to_num(shared).argmax(axis=-1) == sample.truth)
    ends = np.cumsum([len(each.strengths) for each in DISTURBANCES])
    parts = np.split(right, ends[:-1])
    return Curves(sample, {each.id: part for each, part in zip(DISTURBANCES, parts, strict=True)})


def _point(curves: Curves, disturbance: Disturbance, strength: float) -> dict:
    right, found = curves.at(disturbance, strength), loss(curves, disturbance, strength)
    figures = report.share(right, np.ones(len(right), bool))
    change = {"change": found.change, "change_low": found.low, "change_high": found.high}
    return {"strength": strength, **figures, **change}


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total, f"{done:,} of {total:,} faces")
