"""dlib's convolutional detector: seldom wrong, and seconds slow without a graphics card."""

import dlib
import numpy as np

from fer_core.imaging.detectors.base import Convention, Find, package_file
from fer_core.imaging.detectors.hog import box_of
from fer_core.imaging.faces import Face

LONGEST = 640

CONVENTION = Convention(scale=1.22, right=0.03, down=-0.01)


def load() -> Find:
    """dlib's max-margin network. Source: King 2015, arXiv:1502.00046; weights by Davis King, CC0."""
    weights = package_file("face_recognition_models", "models", "mmod_human_face_detector.dat")
    detector = dlib.cnn_face_detection_model_v1(str(weights))

    def find(image: np.ndarray) -> list[Face]:
        return [
            Face(CONVENTION.apply(box_of(found.rect)), float(found.confidence))
            for found in detector(image, 0)
        ]

    return find
