"""Warnings about faces that are hard to read: none for a good one, the right one for a spoilt one."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.errors import BadInput
from fer_core.imaging import detectors, quality
from fer_core.imaging.faces import Box, Face


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def face(photo) -> Face:
    return detectors.get().detect(photo)[0]


def scaled(photo: np.ndarray, gain: float, offset: float = 0) -> np.ndarray:
    return np.clip(photo.astype(float) * gain + offset, 0, 255).astype(np.uint8)


def test_a_good_face_has_no_warnings(photo, face):
    assert quality.warnings(photo, face) == ()


@pytest.mark.parametrize(
    ("gain", "offset", "word"), [(0.2, 0, "dark"), (3, 0, "over-exposed"), (0.15, 110, "contrast")]
)
def test_bad_light_is_named_once(photo, face, gain, offset, word):
    (warning,) = quality.warnings(scaled(photo, gain, offset), face)
    assert word in warning


def test_blur_is_named_and_light_does_not_hide_it(photo, face):
    blurred = cv2.GaussianBlur(photo, (0, 0), 0.04 * face.box.width)
    for image in (blurred, scaled(blurred, 0.5)):
        assert [w for w in quality.warnings(image, face) if "blurred" in w]
    assert not [w for w in quality.warnings(scaled(photo, 0.5), face) if "blurred" in w]


def test_sharpness_does_not_depend_on_contrast(photo):
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    assert quality.sharpness(grey // 2) == pytest.approx(quality.sharpness(grey), rel=0.05)
    assert quality.sharpness(np.full((9, 9), 7, np.uint8)) == 0


@pytest.mark.parametrize(("side", "warned"), [(30, True), (47, True), (49, False), (60, False)])
def test_small_faces_are_named_with_their_size_and_not_called_blurred(photo, face, side, warned):
    factor = side / face.box.width
    small = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    found = quality.warnings(small, face.scaled(factor))
    assert any("small" in w and f"{side} px" in w for w in found) == warned
    assert side < 40 or not any("blurred" in w for w in found)


def test_a_face_at_the_edge_is_cut_off(photo, face):
    cut = round(face.box.x + 0.3 * face.box.width)
    box = replace(face.box, x=face.box.x - cut)
    found = quality.warnings(np.ascontiguousarray(photo[:, cut:]), Face(box, 1.0))
    assert any("cut off" in w for w in found)
    barely = replace(face, box=replace(face.box, x=-2.0))
    assert not any("cut off" in w for w in quality.warnings(photo, barely))


@pytest.mark.parametrize(("degrees", "warned"), [(0, False), (10, False), (30, True), (-30, True)])
def test_a_tilted_head_is_named(photo, face, degrees, warned):
    turn = cv2.getRotationMatrix2D(face.box.centre, degrees, 1)
    turned = cv2.warpAffine(photo, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    eyes = face.eyes @ turn[:, :2].T + turn[:, 2]
    nose = turn[:, :2] @ face.nose + turn[:, 2]
    found = quality.warnings(turned, replace(face, eyes=eyes, nose=nose))
    assert any("tilted" in w for w in found) == warned
    assert not any("sideways" in w for w in found), "a tilt alone is not a turn"


@pytest.mark.parametrize(("nose_x", "warned"), [(50, False), (58, False), (65, True), (35, True)])
def test_a_face_from_the_side_is_named(photo, face, nose_x, warned):
    """By hand: eyes at 30 and 70 are 40 apart, so a nose at 62 is just 0.3 eye distances off."""
    eyes, nose = np.array([[30, 40], [70, 40]], np.float32), np.array([nose_x, 60], np.float32)
    found = quality.warnings(photo, replace(face, eyes=eyes, nose=nose))
    assert any("sideways" in w for w in found) == warned


def test_without_eyes_nothing_is_said_about_the_pose(photo, face):
    assert quality.warnings(photo, replace(face, eyes=None, nose=None)) == ()
    same = np.zeros((2, 2), np.float32)
    assert not any("sideways" in w for w in quality.warnings(photo, replace(face, eyes=same)))


def test_a_box_off_the_photo_is_refused(photo):
    with pytest.raises(BadInput, match="touch"):
        quality.warnings(photo, Face(Box(900, 900, 50, 50), 1.0))
