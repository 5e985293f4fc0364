"""The 68 facial landmarks of dlib's predictor.

Its weights come with the package face_recognition_models. They were trained on iBUG 300-W, whose
pictures may be used for non-commercial purposes only (Sagonas et al. 2013): check that before a
commercial use.
"""

import threading
from dataclasses import replace
from functools import lru_cache

import dlib
import numpy as np

from fer_core.imaging.detectors import hog
from fer_core.imaging.detectors.base import package_file
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import InputSpec, to_input

_EYE, _OTHER_EYE = slice(36, 42), slice(42, 48)
_NOSE_TIP = 30
"""Points of the 68, counted from 0. Source: the iBUG 300-W mark-up."""

MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
)
"""Which point of the face becomes which in its mirror image."""

CROP_SIDE = 192
"""px to which a network's input is enlarged before its landmarks are sought: dlib compares pixels at
distances that vanish in 48."""

_lock = threading.Lock()


def landmarks68(image: np.ndarray, box: Box) -> np.ndarray:
    """Find the 68 points of the face in a box; what is no face gets points all the same.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        box: the face, in Haar's convention.

    Returns:
        (68, 2) float32, x and y in px of the photo.

    Raises:
        NotFound: the predictor's file is not there.

    Source: Kazemi & Sullivan 2014, One millisecond face alignment; dlib.
    """
    own = hog.CONVENTION.undo(box)
    left, top = round(own.x), round(own.y)
    side = max(1, round(own.width))
    rectangle = dlib.rectangle(left, top, left + side - 1, top + side - 1)
    with _lock:
        shape = _predictor()(np.ascontiguousarray(image), rectangle)
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def of_crops(crops: np.ndarray) -> np.ndarray:
    """Landmarks of faces as a network is fed them: the crop is the face box.

    Args:
        crops: (N, H, W, C) uint8, made by `to_input`.

    Returns:
        (N, 68, 2) float32, x and y as parts of the side: 0 left or top edge, 1 right or bottom edge.

    Raises:
        NotFound: the predictor's file is not there.
    """
    spec = InputSpec(CROP_SIDE, CROP_SIDE, channels=3)
    whole = Box(0, 0, CROP_SIDE, CROP_SIDE)
    found = np.empty((len(crops), 68, 2), np.float32)
    for points, crop in zip(found, crops, strict=True):
        picture = crop[..., 0] if crop.shape[2] == 1 else crop
        points[...] = (landmarks68(to_input(picture, None, spec), whole) + 0.5) / CROP_SIDE
    return found


def mirrored(points: np.ndarray) -> np.ndarray:
    """(..., 68, 2) points of the mirror images, for points in parts of the side."""
    flipped = points[..., MIRROR, :].copy()
    flipped[..., 0] = 1 - flipped[..., 0]
    return flipped


def eyes_of(points: np.ndarray) -> np.ndarray:
    """(2, 2) float32: middle of the eye on the left and on the right of the picture, of (68, 2) points."""
    eyes = np.stack([points[_EYE].mean(axis=0), points[_OTHER_EYE].mean(axis=0)])
    return eyes[np.argsort(eyes[:, 0])].astype(np.float32)


def with_eyes(image: np.ndarray, face: Face) -> Face:
    """The face with eyes and nose; a detector that gave them is believed.

    Raises:
        NotFound: the predictor's file is not there.
    """
    if face.eyes is not None:
        return face
    points = landmarks68(image, face.box)
    return replace(face, eyes=eyes_of(points), nose=points[_NOSE_TIP])


@lru_cache(maxsize=1)
def _predictor() -> dlib.shape_predictor:
    """100 MB, so loaded on first use and kept."""
    file = package_file("face_recognition_models", "models", "shape_predictor_68_face_landmarks.dat")
    return dlib.shape_predictor(str(file))
