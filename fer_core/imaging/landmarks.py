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

_EYE, _OTHER_EYE = slice(36, 42), slice(42, 48)
_NOSE_TIP = 30
"""Points of the 68, counted from 0. Source: the iBUG 300-W mark-up."""

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
