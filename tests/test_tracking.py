"""Who is who from frame to frame."""

import numpy as np
import pytest

from fer_core.imaging.faces import Box, Face
from fer_core.inference.tracking import LOST, Tracker

FPS = 30


def face(x, y, side=80.0):
    return Face(Box(x - side / 2, y - side / 2, side, side), 1.0)


def test_a_face_keeps_its_number_and_colour_while_it_moves_and_grows():
    tracker = Tracker()
    for frame in range(60):
        (track,) = tracker.update([face(100 + 6 * frame, 200, 80 + frame)], frame / FPS)
    assert track.number == 1 and track.first == 0 and track.seen == 59 / FPS
    assert track.velocity[0] == pytest.approx(6 * FPS, rel=0.05) and abs(track.velocity[1]) < 1e-6
    other = Tracker().update([face(0, 0), face(300, 0)], 0.0)
    assert [t.number for t in other] == [1, 2] and other[0].colour == track.colour != other[1].colour


@pytest.mark.parametrize("fps", [5, 15, 30])
def test_two_faces_that_cross_keep_their_numbers(fps):
    tracker = Tracker()
    for frame in range(2 * fps + 1):
        at = frame / fps
        # The left one goes right, the other left, 60 px apart in height.
        one, two = face(100 + 150 * at, 200), face(400 - 150 * at, 260)
        tracks = tracker.update([two, one] if frame % 2 else [one, two], at)
    assert [t.number for t in tracks] == [1, 2]
    assert tracks[0].face is one and tracks[1].face is two


def test_a_face_missed_for_a_moment_comes_back_as_itself_and_fades_meanwhile():
    tracker = Tracker()
    tracker.update([face(100, 100)], 0.0)
    (missed,) = tracker.update([], 0.2)
    assert missed.seen == 0.0 and missed.strength(0.2) == 1
    (missed,) = tracker.update([], 0.65)
    assert missed.strength(0.65) == pytest.approx(0.5) and missed.strength(1.0) == 0
    (back,) = tracker.update([face(110, 100)], 0.7)
    assert (back.number, back.first, back.strength(0.7)) == (1, 0.0, 1)


def test_a_face_that_was_lost_is_somebody_else_when_it_comes_back():
    tracker = Tracker()
    tracker.update([face(100, 100)], 0.0)
    assert tracker.update([], LOST + 0.01) == []
    (new,) = tracker.update([face(100, 100)], LOST + 0.02)
    assert new.number == 2
    patient = Tracker(lost=5.0)
    patient.update([face(100, 100)], 0.0)
    patient.update([], 4.0)
    assert patient.update([face(100, 100)], 4.5)[0].number == 1


def test_a_face_far_off_or_of_another_size_is_another():
    tracker = Tracker()
    tracker.update([face(100, 100, 80)], 0.0)
    tracks = tracker.update([face(400, 100, 80)], 1 / FPS)
    assert [t.number for t in tracks] == [1, 2] and tracks[0].seen == 0
    tracks = tracker.update([face(100, 100, 240)], 2 / FPS)
    assert [t.number for t in tracks if t.seen == 2 / FPS] == [3]


def test_between_detections_a_box_moves_on_but_not_for_long():
    tracker = Tracker()
    for frame in range(FPS + 1):
        (track,) = tracker.update([face(100 + 10 * frame, 100)], frame / FPS)
    ahead = track.moved(1 + 1 / FPS).centre[0] - track.moved(1.0).centre[0]
    assert ahead == pytest.approx(10, rel=0.05)
    assert track.moved(5.0) == track.moved(1.2) and track.moved(0.5) == track.box


def test_a_trembling_detector_draws_a_steadier_box():
    tremble = np.random.default_rng(0).normal(0, 3, 300)
    tracker = Tracker()
    boxes = [tracker.update([face(200 + t, 200)], i / FPS)[0].box.centre[0] for i, t in enumerate(tremble)]
    # Compared with the detector's own jumps from frame to frame.
    assert np.abs(np.diff(boxes)).mean() < 0.75 * np.abs(np.diff(tremble)).mean()


def test_a_clock_that_is_set_back_loses_nobody_and_does_not_stop_time():
    tracker = Tracker()
    tracker.update([face(100, 100)], 1000.0)
    (track,) = tracker.update([face(103, 100)], 10.0)
    assert (track.number, track.seen) == (1, 10.0) and np.isfinite(track.velocity).all()
    assert tracker.update([], 10.5)[0].seen == 10.0
    assert tracker.update([], 11.5) == []
    (same,) = Tracker().update([face(100, 100)], 0.0)
    assert same.strength(-5.0) == 1 and same.moved(-5.0) == same.box


def test_two_frames_of_the_same_moment_divide_by_nothing():
    tracker = Tracker()
    tracker.update([face(100, 100)], 1.0)
    (track,) = tracker.update([face(120, 100)], 1.0)
    assert track.number == 1 and not track.velocity.any() and track.box == track.face.box


def test_thirty_faces_are_thirty_people():
    def crowd(shift):
        return [face(60 + 120 * (i % 6) + shift, 60 + 120 * (i // 6)) for i in range(30)]

    tracker = Tracker()
    places = {}
    for frame in range(10):
        found = crowd(2 * frame)
        tracks = tracker.update(found[::-1] if frame % 2 else found, frame / FPS)
        now = {
            t.number: round(t.face.box.centre[0] - 2 * frame + 1000 * t.face.box.centre[1]) for t in tracks
        }
        assert frame == 0 or now == places
        places = now
    assert sorted(places) == list(range(1, 31))
