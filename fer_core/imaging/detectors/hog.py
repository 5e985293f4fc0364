"""dlib's HOG detector: histograms of oriented gradients under a sliding window."""

import dlib
import numpy as np

from fer_core.imaging.detectors.base import Convention, Find
from fer_core.imaging.faces import Box, Face

LONGEST = 1000

CONVENTION = Convention(scale=1.185, right=0.0, down=-0.11)
_UPSAMPLE_BELOW = 700
"""px: a photo whose longer side is shorter is looked at twice as large, since 80 px is the least face."""

_SCORE = 0.2
"""Least score. Of pasted faces 1 % score less; the astronaut's suit scores 0.12."""


def load() -> Find:
    """dlib's frontal-face detector. Source: Dalal & Triggs 2005; King 2015, arXiv:1502.00046."""
    detector = dlib.get_frontal_face_detector()

    def find(image: np.ndarray) -> list[Face]:
        upsample = 1 if max(image.shape[:2]) < _UPSAMPLE_BELOW else 0
        rectangles, scores, _ = detector.run(image, upsample, _SCORE)
        return [
            Face(CONVENTION.apply(box_of(rectangle)), float(score))
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]

    return find


def box_of(rectangle: dlib.rectangle) -> Box:
    """dlib's rectangle as a box."""
    return Box(rectangle.left(), rectangle.top(), rectangle.width(), rectangle.height())
