"""Haar cascade: the classic detector, and the one that FER2013's crops were made with."""

import cv2
import numpy as np

from fer_core.imaging.detectors.base import Find, package_file
from fer_core.imaging.faces import Box, Face

LONGEST = 800

_WINDOW = 24
"""px, the smallest face: the window that the cascade was trained on."""


def load() -> Find:
    """Haar's frontal-face cascade. Source: Viola & Jones 2001; Lienhart & Maydt 2002, in OpenCV."""
    cascade = cv2.CascadeClassifier(str(package_file("cv2", "data", "haarcascade_frontalface_default.xml")))

    def find(image: np.ndarray) -> list[Face]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        boxes, _, weights = cascade.detectMultiScale3(
            grey,
            scaleFactor=1.1,
            minNeighbors=5,
            minSize=(_WINDOW, _WINDOW),
            outputRejectLevels=True,
        )
        return [
            Face(Box(*map(float, box)), float(weight)) for box, weight in zip(boxes, weights, strict=True)
        ]

    return find
