"""The page Live through Streamlit's own test runner: a made camera instead of WebRTC."""

import asyncio
import gc
import io
import threading
import time
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core.imaging import detectors
from fer_core.imaging.detectors.base import Detector
from fer_core.inference.following import LiveSettings
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from pages._shared import doctor, live_charts, webrtc
from pages._shared.doctor import Facts, Wait
from pages._shared.live_stage import Stage
from pages._shared.webrtc import Link

ROOT = Path(__file__).resolve().parent.parent
ASTRONAUT = np.ascontiguousarray(data.astronaut()[:360])


@pytest.fixture
def camera(monkeypatch):
    """What the browser says of connection and camera; the page shows its pictures to `camera.show`."""

    class Camera:
        link = Link()
        facts = Facts(permission="granted", cameras=1)
        show = None

    camera = Camera()

    def stream(key, show):
        camera.show = show
        return camera.link

    monkeypatch.setattr(webrtc, "stream", stream)
    monkeypatch.setattr(doctor, "ask", lambda: camera.facts)
    return camera


@pytest.fixture
def app(camera):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/live.py").run()
    assert not app.exception
    yield app
    app.session_state["stage"].session.close()


def text(app):
    kinds = (app.markdown, app.caption, app.title, app.error, app.warning)
    return "\n".join([e.value for kind in kinds for e in kind] + [e.proto.body for e in app.get("html")])


def widget(widgets, label):
    (found,) = (w for w in widgets if w.label == label)
    return found


def play(app, camera, number=1):
    """Show the astronaut, until she was read as often as asked."""
    camera.link = Link(playing=True)
    app.run()
    session = app.session_state["stage"].session
    before = session.state().read
    deadline = time.monotonic() + 20
    while session.state().read < before + number:
        assert time.monotonic() < deadline
        shown = camera.show(ASTRONAUT, time.monotonic())
        time.sleep(0.02)
    app.run()
    assert not app.exception
    return shown


def test_nothing_runs_before_start(app):
    assert "Press Start" in text(app)
    assert not [b for b in app.button if b.label == "That's wrong"]
    assert not [t for t in threading.enumerate() if t.name == "live"]


def test_a_face_gets_boxes_a_sentence_its_pace_and_charts(app, camera):
    shown = play(app, camera, 3)
    assert shown.shape == ASTRONAUT.shape
    assert (shown != ASTRONAUT[:, ::-1]).any()
    said = text(app)
    assert "Mostly happy" in said
    assert "Face 1 looks happy" in said
    assert "frames/s" in said
    assert "ms · classify" in said
    assert "The last minute of face 1" in said
    assert "Valence and arousal, derived" in said
    assert len(app.get("echarts_chart")) == 2


def test_settings_change_while_it_runs_and_people_keep_their_number(app, camera):
    play(app, camera)
    session = app.session_state["stage"].session
    widget(app.selectbox, "Face detector").set_value("haar")
    widget(app.slider, "Smoothing").set_value(2.0)
    widget(app.slider, "Can't tell below").set_value(95)
    widget(app.toggle, "Mirror").set_value(False)
    widget(app.toggle, "Landmarks").set_value(True)
    play(app, camera, 3)
    look = session.state().look
    assert app.session_state["stage"].session is session
    assert app.query_params["detector"] == "haar"
    assert session.minute()["detector"].iloc[-1] == "haar"
    assert look.faces[0].track.number == 1
    assert look.faces[0].points.shape == (68, 2)
    shown = session.snapshot().picture
    # Not mirrored, and untouched away from the face.
    assert (shown[-40:] == ASTRONAUT[-40:]).all()


def test_what_was_seen_can_be_taken_along_and_deleted(app, camera):
    play(app, camera, 2)
    session = app.session_state["stage"].session
    rows = pd.read_csv(io.BytesIO(session.log_csv()))
    assert rows["face"].tolist()[0] == 1
    assert rows["looks"].tolist()[0] == "happy"
    widget(app.toggle, "Record the video").set_value(True).run()
    play(app, camera, 3)
    widget(app.toggle, "Record the video").set_value(False).run()
    recorded = app.session_state["stage"].recorded
    with av.open(str(recorded)) as video:
        assert next(video.decode(video=0)).width == ASTRONAUT.shape[1]
    widget(app.button, "Delete what was seen").click().run()
    assert not app.exception
    assert app.session_state["stage"].session is not session
    assert app.session_state["stage"].session.state().look is None
    assert not [b for b in app.button if b.label == "That's wrong"]


def test_a_detector_that_fails_is_told_and_the_picture_goes_on(app, camera, monkeypatch):
    def find(picture):
        raise RuntimeError("out of order")

    monkeypatch.setattr(detectors, "get", lambda name: Detector(name, name, find, 640))
    camera.link = Link(playing=True)
    app.run()
    session = app.session_state["stage"].session
    deadline = time.monotonic() + 20
    while session.state().trouble is None:
        assert time.monotonic() < deadline
        shown = camera.show(ASTRONAUT, time.monotonic())
        time.sleep(0.02)
    assert (shown == ASTRONAUT[:, ::-1]).all()
    app.run()
    assert "out of order" in app.warning[0].value


def test_a_picture_is_stopped_and_one_face_reported_with_consent(app, camera):
    from fer_core.review import reports
    from pages._shared import resources

    play(app, camera)
    widget(app.button, "That's wrong").click().run()
    assert "The picture that you stopped" in text(app)
    (send,) = (b for b in app.button if b.label == "Send")
    assert send.disabled
    (pills,) = (g for g in app.button_group if g.label == "What does the face show?")
    pills.set_value("surprise").run()
    widget(app.checkbox, "Store this face, so that it can be learned from").check().run()
    widget(app.button, "Send").click().run()
    assert not app.exception
    assert "Kept as surprise." in [e.value for e in app.success]
    from fer_core.dataset import browse

    assert browse.counted(resources.store(), reports.DATASET) == 1
    widget(app.button, "Close the picture").click().run()
    assert "The picture that you stopped" not in text(app)


def test_the_doctor_speaks_and_offers_other_ways(app, camera):
    camera.facts = Facts(permission="denied", cameras=1, failure="NotAllowedError")
    app.run()
    assert doctor.REFUSED.wrong in app.error[0].value
    assert app.file_uploader
    assert not app.get("camera_input")


def test_without_a_way_single_pictures_still_work(app, camera, monkeypatch):
    monkeypatch.setattr(Stage, "wait", lambda self, link: Wait(first=60))
    app.run()
    assert "no way to each other" in app.error[0].value
    assert app.get("camera_input")
    app.file_uploader[0].set_value(("me.png", _png(ASTRONAUT), "image/png")).run()
    assert not app.exception
    assert "Face 1 looks happy" in text(app)


def test_waiting_is_counted_from_start_and_from_the_last_picture(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stage = Stage()
    assert stage.wait(Link()) == Wait()
    assert stage.wait(Link(connecting=True)) == Wait()
    now[0] = 107.0
    assert stage.wait(Link(connecting=True)) == Wait(first=7.0)
    # The connection gave up, not the visitor.
    assert stage.wait(Link()) == Wait(first=float("inf"))
    assert stage.wait(Link(connecting=True)) == Wait()
    stage.show(ASTRONAUT, 108.0)
    now[0] = 110.0
    assert stage.wait(Link(playing=True)) == Wait(next=2.0)
    assert stage.wait(Link()) == Wait()
    # A visitor who stops soon has no trouble.
    stage.wait(Link(connecting=True))
    now[0] = 112.0
    assert stage.wait(Link()) == Wait()


def test_nothing_is_kept_of_a_visitor_who_deletes_or_leaves():
    def alive():
        return [t for t in threading.enumerate() if t.name == "live"]

    stage = Stage()
    stage.use(LiveSettings(), _predictor(), detectors.get())
    stage.show(ASTRONAUT, 1.0)
    first = weakref.ref(stage.session)
    stage.forget()
    gc.collect()
    assert first() is None
    stage.show(ASTRONAUT, 2.0)
    assert alive()
    second = weakref.ref(stage.session)
    del stage
    gc.collect()
    assert second() is None
    assert not alive()


def test_a_session_that_fails_lets_the_picture_through(caplog):
    stage = Stage()
    assert stage.show(ASTRONAUT, 1.0) is ASTRONAUT
    stage.use(LiveSettings(), _predictor(), detectors.get())
    stage.session.show = None
    assert stage.show(ASTRONAUT, 2.0) is ASTRONAUT
    assert "a picture was not read" in caplog.text


def test_a_picture_goes_through_the_callback_with_even_sides_and_no_larger_than_needed():
    seen = []

    def show(picture, at):
        seen.append(picture.shape)
        return picture

    answer = webrtc._answering(show)
    for shape in ((2160, 3840), (641, 481), (480, 640)):
        back = answer(av.VideoFrame.from_ndarray(np.zeros((*shape, 3), np.uint8), format="rgb24"))
        assert (back.height, back.width) == seen[-1][:2]
    assert seen == [(720, 1280, 3), (640, 480, 3), (480, 640, 3)]


def finished(work: Coroutine) -> Any:
    """What it returns, from a thread of its own: the tests' browser has a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_a_picture_is_answered_with_its_own_and_the_loop_goes_on_meanwhile():
    class Camera(MediaStreamTrack):
        kind = "video"

        async def recv(self):
            frame = av.VideoFrame(16, 16, "rgb24")
            frame.pts, frame.time_base = 7, Fraction(1, 30)
            return frame

    class Slow:
        def recv(self, frame):
            time.sleep(0.2)
            return av.VideoFrame(32, 16, "rgb24")

    async def taken():
        answer = asyncio.ensure_future(webrtc._Prompt(Camera(), Slow()).recv())
        turns = 0
        while not answer.done():
            await asyncio.sleep(0.01)
            turns += 1
        return await answer, turns

    answer, turns = finished(taken())
    assert (answer.width, answer.pts, answer.time_base) == (32, 7, Fraction(1, 30))
    assert turns > 3


def test_what_comes_next_gets_the_newest_picture_however_slow_it_is(monkeypatch):
    class Camera(MediaStreamTrack):
        kind, pictures = "video", 0

        async def recv(self):
            await asyncio.sleep(0.005)
            self.pictures += 1
            return self.pictures

    async def taken():
        camera = Camera()
        line = relay.subscribe(camera)
        numbers = []
        for _ in range(3):
            numbers.append((await line.recv(), camera.pictures))
            await asyncio.sleep(0.1)
        return numbers

    relay = MediaRelay()
    monkeypatch.setattr(webrtc, "get_global_relay", lambda: relay)
    webrtc._be_prompt()
    numbers = finished(taken())
    assert all(newest - number <= 1 for number, newest in numbers)
    assert numbers[-1][1] > 10


def test_on_this_computer_nobody_is_asked_for_a_way(monkeypatch):
    monkeypatch.setattr(webrtc.words, "served_here", lambda: True)
    assert webrtc.configuration() == {"iceServers": []}
    monkeypatch.setattr(webrtc.words, "served_here", lambda: False)
    assert webrtc.configuration() is None


def test_the_strip_holds_a_minute_of_one_face_and_breaks_where_it_was_away():
    now = pd.Timestamp("2026-01-01T00:02:00Z")
    seconds = np.concatenate([np.arange(0, 90, 0.1), np.arange(100, 120, 0.1)])
    rows = pd.DataFrame(
        {
            "time": now + pd.to_timedelta(seconds - 120, unit="s"),
            "seconds": seconds,
            "face": 1,
            "happy": 0.5,
            "valence": 0.1,
            "arousal": np.nan,
        }
    )
    other = rows.assign(face=2)
    kept = live_charts.of_face(pd.concat([rows, other]), 1, now)
    assert kept["face"].eq(1).all()
    assert kept["ago"].between(-60, 0).all()
    assert len(kept) == pytest.approx(2 * 50, abs=2)
    points = live_charts._points(kept, "happy", 100)
    assert [p for p in points if p[1] is None] == [[pytest.approx(-20, abs=0.6), None]]
    assert points[0][1] == 50.0


def _predictor():
    return Predictor.load(library.find(library.default_id()).folder)


def _png(picture):
    from fer_core.imaging.decode import encode_png

    return encode_png(picture)
