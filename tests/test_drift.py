"""Boxes that stay on their faces while a slow detector is still looking."""

import numpy as np
import pytest
from skimage import data

from fer_core.imaging.faces import Box, Face
from fer_core.inference.drift import Drift
from fer_core.inference.following import LiveFace
from fer_core.inference.tracking import Track

HEAD = data.astronaut()[0:230, 110:340]
PLACE = Box(67, 66, 95, 95)
"""The face in HEAD."""


def scene(x, y):
    picture = np.full((480, 640, 3), 90, np.uint8)
    picture[y : y + 230, x : x + 230] = HEAD
    return picture


def face(x, y, seen, number=1):
    box = Box(PLACE.x + x, PLACE.y + y, 95, 95)
    track = Track(number, Face(box, 1.0), box, np.array([900.0, 0.0]), seen, seen)
    points = np.tile(np.float32(box.centre), (68, 1))
    return LiveFace(track, None, None, None, points)


def test_a_face_is_followed_from_frame_to_frame_after_one_look():
    drift = Drift()
    for frame in range(15):
        (now,) = drift.follow(scene(50 + 9 * frame, 40 + 4 * frame), [face(50, 40, 0.0)], frame / 30)
    true = Box(PLACE.x + 50 + 126, PLACE.y + 40 + 56, 95, 95)
    assert now.track.moved(14 / 30).iou(true) > 0.9
    assert now.points[0] == pytest.approx(now.track.box.centre, abs=0.5) and now.track.seen == 0.0


def test_a_look_that_comes_late_is_brought_to_the_present():
    drift = Drift()
    first = face(50, 40, 0.0)
    for frame in range(10):
        drift.follow(scene(50 + 6 * frame, 40), [first], frame / 30)
    # Seen in the fourth frame, known in the eleventh.
    (now,) = drift.follow(scene(110, 40), [face(50 + 18, 40, 3 / 30)], 10 / 30)
    assert now.track.box.iou(Box(PLACE.x + 110, PLACE.y + 40, 95, 95)) > 0.9


def test_two_faces_go_their_own_ways():
    def pair(frame):
        picture = np.full((480, 640, 3), 90, np.uint8)
        picture[10 + 5 * frame : 240 + 5 * frame, 20:250] = HEAD
        picture[200 - 5 * frame : 430 - 5 * frame, 350:580] = HEAD
        return picture

    drift = Drift()
    for frame in range(10):
        one, two = drift.follow(pair(frame), [face(20, 10, 0.0), face(350, 200, 0.0, 2)], frame / 30)
    assert one.track.box.y - PLACE.y - 10 == pytest.approx(45, abs=4)
    assert two.track.box.y - PLACE.y - 200 == pytest.approx(-45, abs=4)


def test_a_still_face_stays_and_a_cut_throws_no_box_away():
    drift, seen = Drift(), [face(50, 40, 0.0)]
    noise = np.random.default_rng(0)
    for frame in range(10):
        dim = scene(50, 40) + noise.normal(0, 6, (480, 640, 3))
        (now,) = drift.follow(dim.clip(0, 255).astype(np.uint8), seen, frame / 30)
    assert now.track.box.iou(seen[0].track.box) > 0.95
    (now,) = drift.follow(noise.integers(0, 256, (480, 640, 3), np.uint8), seen, 0.4)
    assert now.track.box.iou(seen[0].track.box) > 0.2


def test_a_turned_camera_a_clock_set_back_and_nobody_begin_anew():
    drift, seen = Drift(), [face(50, 40, 0.0)]
    drift.follow(scene(50, 40), seen, 5.0)
    drift.follow(scene(80, 40), seen, 5.1)
    assert drift.follow(np.ascontiguousarray(scene(80, 40).transpose(1, 0, 2)), seen, 5.2) == tuple(seen)
    drift.follow(scene(80, 40), seen, 5.3)
    drift.follow(scene(80, 40), seen, 5.4)
    assert drift.follow(scene(200, 40), seen, 1.0) == tuple(seen)
    assert drift.follow(scene(80, 40), [], 1.1) == ()
