"""Why a face was read as it was: what of the crop the answer rests on, and which part of a face that is."""

import cv2
import numpy as np
from PIL import Image

from fer_core.errors import BadInput, BadModel, Conflict
from fer_core.imaging import landmarks
from fer_core.inference.predictor import Predictor
from fer_core.zoo import calibration, gradients, library
from fer_core.zoo.process import Progress
from fer_core.zoo.specs import EXPRESSION

OCCLUSION, GRAD_CAM, GRADIENT = "occlusion", gradients.GRAD_CAM, gradients.GRADIENT
KINDS = (OCCLUSION, GRAD_CAM, GRADIENT)

POSITIONS = 9
"""Places of the patch along each side: 81 passes a face, and as many for its mirror image."""

PATCH = 0.25
"""Side of the patch as a part of the crop's. One of 0.2 leaves half of a broad smile, and the answer with it
(measured on the sample photo: it falls by 2 points, under 0.25 by 34); a larger one tells less where."""

DRAWS = 16
"""Noisy copies whose gradients are averaged: one gradient alone is hardly more than noise."""

NOTABLE = 0.05
"""Least drop of the probability, with the patch in its best place, that is spoken of."""

PARTS = {
    "the brows": range(17, 27),
    "the nose": range(27, 36),
    "the eyes": range(36, 48),
    "the mouth": range(48, 68),
}
"""Which landmarks belong to what. Source: the iBUG 300-W mark-up, counted from 0."""

_REACH = 0.1
"""What lies further than this part of the side from every landmark belongs to no part of the face."""


def heat(
    predictor: Predictor,
    crops: np.ndarray,
    targets: np.ndarray,
    kind: str = OCCLUSION,
    progress: Progress | None = None,
) -> np.ndarray:
    """What in each crop speaks for a class, of the answer that is served: over both mirror images where
    the card says so.

    Args:
        crops: (N, H, W, C) uint8, made by `to_input`.
        targets: (N,) int class indices.
        kind: OCCLUSION needs nothing but the served network; GRAD_CAM and GRADIENT ask the process in
            which TensorFlow runs.
        progress: called with (done, in all, text) in the unit of each step.

    Returns:
        (N, H, W) float32, 0 or larger. Of OCCLUSION: by how much the calibrated probability drops when
        a patch over this place is blurred, the weighted mean over the patches that cover it. Of the others
        in no unit.

    Raises:
        BadInput: a kind that there is not, or a model of another task.
        BadModel: the model cannot be differentiated; see `gradients.maps`.
        NotFound, Conflict: the model is not in the library any more, or another stands in its place.
    """
    if kind not in KINDS:
        raise BadInput(f"A heat map is one of {', '.join(KINDS)}. Received: {kind!r}.")
    if predictor.card.task != EXPRESSION.id:
        raise BadInput(
            f"Heat maps are for models that name an expression. Received: {predictor.card.id}, "
            f"of the kind {predictor.card.task!r}."
        )
    if len(crops) == 0:
        return np.zeros(crops.shape[:3], np.float32)
    points = landmarks.of_crops(crops) if predictor.card.input.landmarks else None
    if kind != OCCLUSION:
        return _differentiated(predictor, crops, targets, kind, points, progress)
    found = np.empty(crops.shape[:3], np.float32)
    for row, crop in enumerate(crops):
        found[row] = _occluded(predictor, crop, int(targets[row]), None if points is None else points[row])
        if progress:
            progress(row + 1, len(crops), f"{row + 1:,} of {len(crops):,} faces looked into")
    return found


def parts(heat: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """The share of a heat map on each of PARTS, 0..1; what remains is elsewhere.

    Args:
        heat: (H, W), 0 or larger.
        points: (68, 2) landmarks as parts of the side.
    """
    height, width = heat.shape
    across, down = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    away = np.hypot(across[..., None] - points[:, 0], down[..., None] - points[:, 1])
    nearest = np.where(away.min(axis=2) < _REACH, away.argmin(axis=2), -1)
    total = max(float(heat.sum()), 1e-12)
    return {
        name: float(heat[(nearest >= of.start) & (nearest < of.stop)].sum()) / total
        for name, of in PARTS.items()
    }


def mostly(heat: np.ndarray, points: np.ndarray) -> str | None:
    """The part that an answer rests on, as "the mouth" or "the eyes and brows", where that is clear: more
    than half of an OCCLUSION map lies there, and its largest drop is NOTABLE. For arguments see `parts`."""
    if heat.max(initial=0) < NOTABLE:
        return None
    shares = parts(heat, points)
    best = max(shares, key=lambda name: shares[name])
    if shares[best] > 0.5:
        return best
    return "the eyes and brows" if shares["the eyes"] + shares["the brows"] > 0.5 else None


def enlarged(heat: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width) float32: a heat map drawn smoothly at another size, for eyes and not for networks."""
    picture = Image.fromarray(np.ascontiguousarray(heat, np.float32))
    return np.array(picture.resize((width, height), Image.Resampling.BILINEAR))


def _occluded(predictor: Predictor, crop: np.ndarray, target: int, points: np.ndarray | None) -> np.ndarray:
    """(H, W) float32. Landmarks stay those of the whole crop: what a patch does to them is not the question.

    Source: Zeiler & Fergus 2014, section 4.1, with a grey patch; a blurred one (Fong & Vedaldi 2017) takes
    the features away and leaves skin, where grey draws an edge of its own.
    """
    height, width = crop.shape[:2]
    high, wide = max(2, round(PATCH * height)), max(2, round(PATCH * width))
    blurred = cv2.GaussianBlur(crop, (0, 0), max(high, wide) / 2).reshape(crop.shape)
    # A frame around the crop spares the patches that reach over its edge their own arithmetic.
    places = [
        (slice(top, top + high), slice(left, left + wide))
        for top in np.linspace(high * 2 / 3, height + high / 3, POSITIONS).round().astype(int)
        for left in np.linspace(wide * 2 / 3, width + wide / 3, POSITIONS).round().astype(int)
    ]
    inside = slice(high, high + height), slice(wide, wide + width)
    batch = np.repeat(crop[None], len(places) + 1, axis=0)
    covers = np.zeros((height + 2 * high, width + 2 * wide), bool)
    for picture, place in zip(batch, places, strict=False):
        covers[place] = True
        picture[covers[inside]] = blurred[covers[inside]]
        covers[place] = False
    spread = None if points is None else np.repeat(points[None], len(batch), axis=0)
    answers = calibration.soften(predictor.raw(batch, spread), predictor.card.temperature)[:, target]
    # The middle of a patch counts more than its rim: the map is smooth where the patches overlap.
    weight = np.outer(np.hanning(high + 2)[1:-1], np.hanning(wide + 2)[1:-1])
    drops, weights = np.zeros((2, *covers.shape))
    for place, answer in zip(places, answers, strict=False):
        drops[place] += weight * (answers[-1] - answer)
        weights[place] += weight
    return np.maximum(drops[inside] / weights[inside], 0).astype(np.float32)


def _differentiated(
    predictor: Predictor,
    crops: np.ndarray,
    targets: np.ndarray,
    kind: str,
    points: np.ndarray | None,
    progress: Progress | None,
) -> np.ndarray:
    card, height, width = predictor.card, *crops.shape[1:3]
    entry = library.find(card.id)
    if entry.card is None or entry.card.weights != card.weights:
        raise Conflict(
            f"A model keeps its files while it is looked into. Received: {card.id}, which was replaced. "
            "Reload the page."
        )
    if card.taught:
        raise BadModel(
            f"Gradients are taken of a network that gives the answer itself. Received: {card.id}, which was "
            "taught on top of one. Occlusion does without."
        )
    ways = [(crops, points)]
    if card.flip_average:
        ways.append((crops[:, :, ::-1], None if points is None else landmarks.mirrored(points)))
    images = np.concatenate([way[0] for way in ways])
    beside = None if points is None else np.concatenate([way[1] for way in ways])
    classes = np.tile(np.asarray(targets), len(ways))
    draws = DRAWS if kind == GRADIENT else 1
    small = gradients.maps(entry.folder, kind, images, classes, beside, draws, progress)
    maps = np.stack([enlarged(one, height, width) for one in small])
    if len(ways) == 1:
        return maps
    return (maps[: len(crops)] + maps[len(crops) :, :, ::-1]) / 2
