"""The one road into a network."""

import cv2
import numpy as np
import pytest
import skimage.data

from fer_core.errors import BadInput
from fer_core.imaging import preprocess
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import InputSpec, to_batch, to_input

FACE = Box(177, 66, 95, 95)
NOISE = np.random.default_rng(5).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


def with_level_eyes(box: Box) -> Face:
    left, right = box.x + box.width * 0.3, box.x + box.width * 0.7
    return Face(box, 1.0, eyes=np.array([[left, box.y + 30], [right, box.y + 30]], np.float32))


def test_a_crop_of_the_right_size_is_cut_exactly():
    crop = to_input(NOISE, Box(10, 20, 32, 32), InputSpec(32, 32, 3))
    np.testing.assert_array_equal(crop, NOISE[20:52, 10:42])


def test_what_lies_outside_repeats_the_edge():
    crop = to_input(NOISE, Box(-8, -8, 32, 32), InputSpec(32, 32, 3))
    np.testing.assert_array_equal(crop[8:, 8:], NOISE[:24, :24])
    assert (crop[:8, :8] == NOISE[0, 0]).all()


def test_scale_widens_the_crop_about_its_centre():
    crop = to_input(NOISE, Box(24, 14, 32, 32), InputSpec(48, 48, 3, scale=1.5))
    np.testing.assert_array_equal(crop, NOISE[6:54, 16:64])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image", [NOISE, NOISE[..., 0]])
def test_grey_and_colour_fit_either_network(image, channels):
    crop = to_input(image, None, InputSpec(48, 48, channels))
    assert crop.shape == (48, 48, channels) and crop.dtype == np.uint8


def test_a_batch_holds_the_same_crops(photo):
    spec = InputSpec(48, 48, 1, scale=1.1)
    faces = [FACE, Face(FACE, 1.0), None]
    batch = to_batch(photo, faces, spec)
    for row, face in zip(batch, faces, strict=True):
        np.testing.assert_array_equal(row, to_input(photo, face, spec))


@pytest.mark.parametrize("box", [Box(10, 20, 32, 32), Box(-8, 40, 32, 32)])
def test_level_eyes_change_nothing(box):
    """A turn by 0 degrees is the plain crop, to the pixel; an offset by half a px would show here."""
    plain, aligned = InputSpec(32, 32, 3), InputSpec(32, 32, 3, align=True)
    face = with_level_eyes(box)
    np.testing.assert_array_equal(to_input(NOISE, face, aligned), to_input(NOISE, face, plain))


@pytest.mark.parametrize("degrees", [-25, 10, 40])
def test_a_turned_face_comes_back_level(photo, degrees):
    """The photo is turned about the face: the aligned crop must show what the upright photo showed."""
    (cx, cy), spec = FACE.centre, InputSpec(64, 64, 3, align=True)
    turn = cv2.getRotationMatrix2D((cx - 0.5, cy - 0.5), degrees, 1)
    turned = cv2.warpAffine(photo, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    eyes = with_level_eyes(FACE).eyes @ turn[:, :2].T + turn[:, 2]
    upright = to_input(photo, FACE, spec).astype(int)
    again = to_input(turned, Face(FACE, 1.0, eyes=eyes.astype(np.float32)), spec).astype(int)
    assert np.abs(again - upright).mean() < 4
    assert np.abs(to_input(turned, FACE, spec).astype(int) - upright).mean() > 15


def test_alignment_warps_the_crop_and_not_the_photo(photo, monkeypatch):
    sizes = []
    warp = cv2.warpAffine

    def watched(image, matrix, size, **options):
        sizes.append(size)
        return warp(image, matrix, size, **options)

    monkeypatch.setattr(preprocess.cv2, "warpAffine", watched)
    eyes = np.array([[200, 100], [245, 110]], np.float32)
    to_input(photo, Face(FACE, 1.0, eyes=eyes), InputSpec(48, 48, 1, align=True))
    assert sizes == [(95, 95)]


@pytest.mark.parametrize("align", [False, True])
def test_a_box_off_the_photo_is_refused(photo, align):
    face = with_level_eyes(Box(600, 600, 50, 50))
    with pytest.raises(BadInput, match="touch the picture"):
        to_input(photo, face, InputSpec(48, 48, 1, align=align))


@pytest.mark.parametrize(
    "image", [NOISE / 255, NOISE.astype(np.int32), NOISE[..., :2], NOISE[None], NOISE[0, 0]]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(BadInput, match="uint8"):
        to_input(image, None, InputSpec(48, 48, 1))


@pytest.mark.parametrize(
    "wrong", [{"channels": 2}, {"height": 4}, {"width": 0}, {"scale": 0.1}, {"scale": float("nan")}]
)
def test_a_spec_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadInput):
        InputSpec(**({"height": 48, "width": 48, "channels": 1} | wrong))
