"""Faces beside a camera that does not wait."""

import gc
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from fer_core import workspace
from fer_core.errors import BadInput
from fer_core.imaging import detectors
from fer_core.imaging.detectors.base import Detector
from fer_core.imaging.faces import Box, Face
from fer_core.inference import live
from fer_core.inference.following import Follower, Setup, drawn
from fer_core.inference.live import LiveSettings, Session
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library, specs

GREY = np.full((120, 160, 3), 90, np.uint8)
PLACE = Box(20, 30, 40, 40)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)


@pytest.fixture
def open_session():
    """Sessions that are closed after the test, whatever came of it."""
    sessions = []

    def make(*means):
        sessions.append(Session(*means))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
    assert not live_threads()


def always(*boxes: Box) -> Detector:
    return Detector("drawn", "Drawn", lambda image: [Face(box, 1.0) for box in boxes], 10_000)


def live_threads():
    return [thread for thread in threading.enumerate() if thread.name == "live"]


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def read(session, frame=GREY, at=None):
    """Show a frame and wait until it was read; its state."""
    before = session.state().read
    session.show(frame, at)
    until(lambda: session.state().read > before)
    return session.state()


def test_the_astronaut_is_followed_and_looks_happy(predictor, open_session):
    session = open_session(predictor, detectors.get(), LiveSettings(landmarks=True))
    for frame in range(4):
        state = read(session, np.roll(data.astronaut(), 5 * frame, axis=1), frame / 10)
    (face,) = state.look.faces
    assert (face.track.number, face.verdict.label, face.caption) == (1, "happy", "happy")
    assert (
        face.affect[0] > 0.5 and state.look.derived and face.probabilities.sum() == pytest.approx(1, abs=1e-5)
    )
    inside = face.track.face.box.square(1.5)
    x, y = face.points.mean(axis=0)
    assert face.points.shape == (68, 2) and inside.x < x < inside.x + inside.width and inside.y < y
    assert state.look.milliseconds.keys() == {"detect", "classify"} and state.trouble is None


def test_a_slow_detector_holds_no_picture_up_and_only_the_newest_frame_is_read(predictor, open_session):
    go, seen = threading.Event(), []

    def find(image):
        seen.append(int(image[0, 0, 0]))
        assert go.wait(30)
        return []

    session = open_session(predictor, Detector("slow", "Slow", find, 10_000), None)
    session.show(np.zeros_like(GREY))
    until(lambda: seen)
    for value in range(1, 41):
        assert session.show(np.full_like(GREY, value)).shape == GREY.shape
    assert seen == [0]
    session.use(LiveSettings(smoothing=1.0))
    go.set()
    until(lambda: session.state().read == 2)
    state = session.state()
    assert seen == [0, 40] and (state.shown, state.dropped) == (41, 39) and state.fps > 0


def test_boxes_are_drawn_once_known_and_then_move_and_fade(predictor):
    follower = Follower(Setup(predictor, always(PLACE)))
    look = follower.look(GREY, 0.0)
    clear = drawn(GREY, look.faces, 0.0)
    assert (clear != GREY).any() and (GREY == 90).all()
    faint = drawn(GREY, look.faces, 0.8)
    contrast = np.abs(faint.astype(int) - GREY).max()
    assert 0 < contrast < 0.5 * np.abs(clear.astype(int) - GREY).max()
    assert np.array_equal(drawn(GREY, look.faces, 1.0), GREY)


def test_while_a_slow_detector_looks_its_last_box_stays_on_the_face(predictor, open_session, monkeypatch):
    monkeypatch.setattr(live, "_SLOW", 0.0)
    go = threading.Event()
    go.set()

    def find(image):
        assert go.wait(30)
        return [Face(Box(177, 66, 95, 95), 1.0)]

    session = open_session(predictor, Detector("slow", "Slow", find, 10_000), LiveSettings(mirror=False))
    photo = data.astronaut()
    read(session, photo, 0.0)
    go.clear()
    for frame in range(8):
        moved = np.roll(photo, 8 * frame, axis=1)
        picture = session.show(moved, (frame + 1) / 30)
    changed = np.flatnonzero((picture != moved).any(axis=2).any(axis=0))
    go.set()
    # 7 frames of 8 px; the lines lie a few px outside.
    assert changed.min() == pytest.approx(177 + 56, abs=10) and changed.max() == pytest.approx(
        272 + 56, abs=10
    )


def test_a_mirror_turns_the_picture_but_not_what_is_read(predictor):
    follower = Follower(Setup(predictor, always(PLACE)))
    frame = np.arange(120 * 160 * 3, dtype=np.uint32).reshape(GREY.shape).astype(np.uint8)
    look = follower.look(frame, 0.0)
    assert look.faces[0].track.face.box == PLACE
    picture = drawn(frame, look.faces, 0.0, mirror=True)
    columns = np.flatnonzero((picture != frame[:, ::-1]).any(axis=(0, 2)))
    # 160 px less the box's 20..60 px, and the width of the lines.
    assert 97 <= columns.min() and columns.max() <= 160
    assert np.array_equal(drawn(frame, [], 0.0, mirror=True), frame[:, ::-1])


def test_model_detector_and_settings_change_while_it_runs(predictor, open_session):
    other = Predictor.load(workspace.SHIPPED_MODELS / "mini_xception_raw")
    session = open_session(predictor, always(PLACE), LiveSettings(mirror=False))
    assert read(session, at=0.0).look.labels == predictor.labels
    session.use(LiveSettings(mirror=False, threshold=1.01), other)
    state = read(session, at=0.1)
    (face,) = state.look.faces
    assert state.look.labels == other.labels and len(face.probabilities) == len(other.labels)
    assert face.track.number == 1 and face.caption == "?" and not face.verdict.sure
    session.use(LiveSettings(), detector=always())
    assert read(session, at=5.0).look.faces == ()
    with pytest.raises(BadInput, match="seconds=-1"):
        session.use(LiveSettings(smoothing=-1), predictor)
    assert read(session, at=5.1).look.labels == other.labels and len(live_threads()) == 1


def test_answers_are_smoothed_over_time(predictor):
    face = data.astronaut()[66:161, 177:272]
    follower = Follower(Setup(predictor, always(Box(0, 0, 95, 95)), LiveSettings(smoothing=0.5)))
    first = follower.look(face, 0.0).faces[0].probabilities
    dark = np.zeros_like(face)
    soon = follower.look(dark, 0.05).faces[0].probabilities
    assert np.abs(soon - first).max() < 0.1
    # What is only shown otherwise, or by another detector, does not let answers jump.
    follower.use(Setup(predictor, always(Box(0, 0, 95, 95)), LiveSettings(smoothing=0.5, mirror=False)))
    assert np.abs(follower.look(dark, 0.06).faces[0].probabilities - soon).max() < 0.1
    late = follower.look(dark, 5.0).faces[0].probabilities
    alone = Follower(Setup(predictor, always(Box(0, 0, 95, 95)))).look(dark, 0.0).faces[0].probabilities
    assert np.allclose(late, alone, atol=1e-3) and not np.allclose(late, first, atol=0.1)


def test_a_model_of_valence_and_arousal_gives_them_itself(predictor):
    class Calm:
        def run(self, batch, outputs, points=None):
            return {"affect": np.tile(np.float32([0.5, -0.25]), (len(batch), 1))}

    affective = Predictor(replace(predictor.card, task=specs.AFFECT.id), Calm())
    look = Follower(Setup(affective, always(PLACE))).look(GREY, 0.0)
    (face,) = look.faces
    assert face.affect.tolist() == [0.5, -0.25] and not look.derived
    assert face.verdict is None and face.probabilities is None and face.caption == "v +0.5 a -0.2"
    with pytest.raises(BadInput, match="Same expression or not"):
        Setup(Predictor(replace(predictor.card, task=specs.SIMILARITY.id), Calm()), always())


def test_a_detector_that_breaks_is_told_in_words_and_the_picture_goes_on(predictor, open_session):
    broken = threading.Event()

    def find(image):
        if broken.is_set():
            raise RuntimeError("out of memory")
        return [Face(PLACE, 1.0)]

    session = open_session(predictor, Detector("frail", "Frail", find, 10_000), None)
    read(session, at=0.0)
    broken.set()
    assert session.show(GREY, 0.1).shape == GREY.shape
    until(lambda: session.state().trouble)
    state = session.state()
    assert "RuntimeError (out of memory)" in state.trouble and state.faces == ()
    assert np.array_equal(session.show(GREY, 3.0), GREY)
    broken.clear()
    until(lambda: session.show(GREY, 3.1) is not None and session.state().trouble is None)
    assert session.state().faces and len(live_threads()) == 1


def test_a_model_that_refuses_is_told_in_its_own_words(predictor, open_session):
    class Refusing:
        def run(self, *_):
            raise BadInput("A network wants faces. Received: none.")

    session = open_session(Predictor(predictor.card, Refusing()), always(PLACE))
    session.show(GREY)
    until(lambda: session.state().trouble)
    assert session.state().trouble == "A network wants faces. Received: none."


def test_a_4k_camera_is_shrunk_and_a_portrait_one_stays_upright(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    large = np.zeros((2160, 3840, 3), np.uint8)
    assert session.show(large).shape == (720, 1280, 3)
    until(lambda: session.state().read)
    assert session.snapshot().frame.shape == (720, 1280, 3)
    assert session.show(np.zeros((640, 480, 3), np.uint8)).shape == (640, 480, 3)


def test_thirty_faces_and_five_frames_a_second(predictor):
    boxes = [Box(10 + 60 * (i % 6), 10 + 60 * (i // 6), 40, 40) for i in range(30)]
    frame = np.full((320, 380, 3), 60, np.uint8)
    follower = Follower(Setup(predictor, always(*boxes)))
    for number in range(3):
        look = follower.look(frame, number / 5)
    assert [face.track.number for face in look.faces] == list(range(1, 31))
    assert drawn(frame, look.faces, 0.4).shape == frame.shape


def test_a_clock_that_is_set_back_is_a_moment_like_any_other(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    read(session, at=1000.0)
    state = read(session, at=3.0)
    (face,) = state.faces
    assert face.track.number == 1 and face.track.seen == 3.0 and state.trouble is None
    assert session.minute()["seconds"].tolist() == [0.0, -997.0]


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(predictor, open_session, frame):
    with pytest.raises(BadInput, match="A frame is"):
        open_session(predictor, always()).show(frame)


def test_a_snapshot_is_one_frame_with_its_own_answers(predictor, open_session):
    session = open_session(predictor, always(PLACE), LiveSettings(mirror=True))
    assert session.snapshot() is None
    read(session, GREY, 0.0)
    session.close()
    shot = session.snapshot()
    assert shot.frame is GREY and shot.picture.shape == GREY.shape and (shot.picture != GREY).any()
    assert shot.look.faces[0].track.face.box == PLACE


def test_a_burst_is_the_last_seconds_half_a_second_apart(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    assert session.burst() == []
    frames = [GREY + number for number in range(33)]
    for number, frame in enumerate(frames):
        read(session, frame, number / 10)
    kept = session.burst()
    assert [look.at for _, look in kept] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert all(frame is frames[round(10 * look.at)] for frame, look in kept)
    # A clock that was set back begins anew.
    read(session, GREY, 0.0)
    assert session.burst()[-1][1].at == 0.0 and len(session.burst()) == live.BURST


def test_the_log_names_each_face_and_expression(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    assert session.minute().empty and session.log_csv().startswith(b"time,seconds,face,looks,sure,x,y")
    for frame in range(4):
        read(session, at=frame / 10)
    table = session.minute()
    assert len(table) == 4 and set(table["face"]) == {1} and set(table["model"]) == {predictor.card.id}
    assert table[list(predictor.labels.names)].sum(axis=1).tolist() == pytest.approx([1] * 4, abs=1e-3)
    assert session.log_csv().count(b"\n") == 5


def test_what_is_read_is_recorded_until_asked_to_stop(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    assert session.stop_recording() is None
    session.start_recording()
    for frame in range(5):
        state = read(session, at=frame / 10)
    until(lambda: session.state().recording == pytest.approx(0.4))
    path = session.stop_recording()
    assert isinstance(path, Path) and path.stat().st_size > 500 and state.trouble is None
    size = path.stat().st_size
    read(session, at=1.0)
    session.close()
    assert path.stat().st_size == size
    session.start_recording()
    assert not path.exists()


def test_closing_ends_the_thread_and_frames_that_still_come_are_plain(predictor, open_session):
    session = open_session(predictor, always(PLACE))
    assert not live_threads()
    read(session, at=0.0)
    assert len(live_threads()) == 1
    session.close()
    session.close()
    assert not live_threads()
    assert np.array_equal(session.show(GREY, 0.1), GREY) and not live_threads()


def test_a_camera_that_falls_silent_leaves_no_thread_and_may_come_back(predictor, open_session, monkeypatch):
    monkeypatch.setattr(live, "_IDLE", 0.05)
    session = open_session(predictor, always(PLACE))
    read(session, at=0.0)
    until(lambda: not live_threads())
    assert read(session, at=0.5).faces[0].track.number == 1


def test_a_forgotten_session_leaves_nothing(predictor, monkeypatch):
    monkeypatch.setattr(live, "_IDLE", 0.05)

    def visit():
        session = Session(predictor, always(PLACE))
        session.start_recording()
        for at in (0.0, 0.1):
            read(session, at=at)
        until(lambda: session.state().recording == pytest.approx(0.1))
        return session.stop_recording(), weakref.ref(session)

    path, session = visit()
    until(lambda: not live_threads())
    gc.collect()
    assert session() is None and not path.exists()


def test_two_thousand_frames_leave_memory_flat(predictor, open_session):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux")
    session = open_session(predictor, always(PLACE, Box(90, 30, 40, 40)))
    frames = np.random.default_rng(0).integers(0, 256, (20, *GREY.shape), np.uint8)
    for number in range(2300):
        session.show(frames[number % 20], number / 30)
        if number == 299:
            start = resident()
    state = session.state()
    assert state.shown == 2300 and state.read > 10 and state.trouble is None
    # A frame is 0.06 MB: kept ones would be 115 MB.
    assert resident() - start < 10
