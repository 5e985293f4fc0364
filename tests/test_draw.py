"""Boxes and captions on a photo."""

import cv2
import numpy as np
import pytest

from fer_core.imaging.draw import _ink, annotate
from fer_core.imaging.faces import Box

ORANGE = "#D55E00"
ORANGE_RGB = [0xD5, 0x5E, 0x00]


def where(image: np.ndarray, colour: list[int]) -> np.ndarray:
    return (image == colour).all(axis=2)


@pytest.mark.parametrize("ground", [0, 255])
def test_a_box_stands_where_it_should_and_shows_on_any_ground(ground):
    photo = np.full((300, 400, 3), ground, np.uint8)
    drawn = annotate(photo, [Box(100, 120, 80, 90)], ["happy 92 %"], [ORANGE])
    assert (photo == ground).all(), "the photo itself must not change"
    rows, columns = np.nonzero(where(drawn, ORANGE_RGB)[120:])
    assert columns.min() == 100 and columns.max() == 179
    assert rows.max() + 120 == 209
    edge = drawn[165, 95:110]
    assert {0, 255} <= set(edge[:, 0]) | {ground}
    assert (drawn[150:190, 115:165] == ground).all(), "the face itself stays untouched"


@pytest.mark.parametrize(
    "box",
    [Box(0, 0, 60, 60), Box(-30, -30, 80, 80), Box(350, 260, 80, 80), Box(0, 0, 400, 300), Box(390, 0, 9, 9)],
)
def test_a_caption_is_whole_and_inside_wherever_the_face_is(box):
    """The very same bar as in the middle of the photo is found, pixel for pixel, elsewhere."""
    photo = np.full((300, 400, 3), 128, np.uint8)
    text, colour = ["surprise 100 %"], ["#0072B2"]
    middle = annotate(photo, [Box(150, 120, 60, 60)], text, colour)
    rows, columns = np.nonzero(where(middle[:118], [0x00, 0x72, 0xB2]))
    bar = middle[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert bar.shape[1] > 60
    drawn = annotate(photo, [box], text, colour)
    assert cv2.matchTemplate(drawn, bar, cv2.TM_SQDIFF).min() < 1


def test_a_number_stands_on_each_box_even_without_caption():
    photo = np.zeros((300, 400, 3), np.uint8)
    boxes = [Box(50, 100, 60, 60), Box(200, 100, 60, 60)]
    one = annotate(photo, boxes, ["", ""], [ORANGE, ORANGE])
    assert not (one[:95, 40:150] == one[:95, 190:300]).all(), "the numbers 1 and 2 differ"


def test_captions_of_neighbours_do_not_cover_each_other():
    photo = np.zeros((300, 400, 3), np.uint8)
    boxes = [Box(100, 100, 60, 60), Box(130, 100, 60, 60)]
    both = annotate(photo, boxes, ["happy", "happy"], ["#F0E442", "#0072B2"])
    alone = annotate(photo, boxes[:1], ["happy"], ["#F0E442"])
    bar = np.zeros(photo.shape[:2], bool)
    bar[:99] = where(alone, [0xF0, 0xE4, 0x42])[:99]
    assert bar.sum() > 100
    assert (both[bar] == [0xF0, 0xE4, 0x42]).all(axis=1).mean() > 0.95


def test_a_large_photo_gets_larger_letters():
    small, large = np.zeros((300, 400, 3), np.uint8), np.zeros((1500, 2000, 3), np.uint8)

    def bar(photo: np.ndarray, factor: int) -> int:
        drawn = annotate(
            photo, [Box(100 * factor, 100 * factor, 50 * factor, 50 * factor)], ["sad"], [ORANGE]
        )
        return int(where(drawn, ORANGE_RGB)[: 98 * factor].any(axis=1).sum())

    assert bar(large, 5) > 3 * bar(small, 1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (200, 3), (20, 20), (48, 48)])
def test_tiny_photos_do_not_break_it(height, width):
    photo = np.zeros((height, width, 3), np.uint8)
    boxes = [Box(0, 0, width, height), Box(-500, -500, 10, 10), Box(width / 2, 0, 0.2, 0.2)]
    drawn = annotate(photo, boxes, ["a very long caption indeed " * 5] * 3, [ORANGE] * 3)
    assert drawn.shape == photo.shape and drawn.dtype == np.uint8


def test_ink_has_the_better_contrast():
    assert _ink("#FFFFFF") == _ink("#F0E442") == "black"
    assert _ink("#000000") == _ink("#0072B2") == "white"


def test_every_box_needs_its_caption_and_colour():
    with pytest.raises(ValueError, match="zip"):
        annotate(np.zeros((9, 9, 3), np.uint8), [Box(0, 0, 5, 5)], [], [])
