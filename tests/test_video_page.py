"""The page Video, through Streamlit's own test runner."""

import io
import threading
import time
from pathlib import Path

import pytest
from made_videos import write
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.errors import BadInput
from fer_core.imaging import detectors
from fer_core.inference import video
from fer_core.inference.predictor import Predictor
from fer_core.inference.video_people import Peak, Person
from fer_core.zoo import library
from pages._shared import jobs, video_results, video_view
from pages._shared.video_results import Asked

ROOT = Path(__file__).resolve().parent.parent
ASKED = Asked("party.mp4", library.DEFAULT, detectors.DEFAULT, 0.2, 0.5)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Bytes of a video of two faces, two seconds."""
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", 2, faces=2, size=(480, 320)).read_bytes()


@pytest.fixture
def app(_workspace):
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def open_page(app, **address):
    app.run()
    app.switch_page("pages/video.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def text(app):
    return "\n".join(e.value for kind in (app.markdown, app.caption, app.subheader) for e in kind)


def button(app, label):
    (found,) = (b for b in app.button if b.label == label)
    return found


def asked(app, name):
    """A value of the address."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def wait(app):
    """Run the page when its job has ended."""
    token = asked(app, "video")
    deadline = time.monotonic() + 60
    while (job := jobs.find(f"video {token}")) and job.state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    app.run()
    assert not app.exception
    return token


def read(clip, predictor):
    """A video that was read, without the page."""
    kept = video_results.take_in(io.BytesIO(clip), ASKED)
    video_results.work(kept, predictor, detectors.get())(lambda done, total, text: None)
    return video_results.find(kept.token)


def test_a_dropped_video_comes_back_annotated_and_is_found_again(app, clip):
    open_page(app)
    assert "until you delete them" in text(app)
    app.file_uploader[0].set_value(("party.mp4", clip, "video/mp4")).run()
    token = wait(app)
    shown = text(app)
    assert "party" in shown and "2 faces" in shown
    assert "Face 1 looks happy 100 % of the time" in shown
    assert [b.proto.label for b in app.get("download_button")] == ["Video (mp4)", "Table (CSV)"]
    kept = video_results.find(token)
    assert not kept.source.exists(), "the upload goes when it was read"
    assert (kept.seconds, kept.faces) == (2.0, 2)

    button(app, "← Another video").click().run()
    (again,) = (b for b in app.button if b.label.startswith("party"))
    assert "0:02, 2 faces" in again.label
    again.click().run()
    assert asked(app, "video") == token
    assert "Face 1 looks happy" in text(app)


def test_a_moment_opens_its_frame_and_stands_in_the_address(app, clip, predictor):
    kept = read(clip, predictor)
    open_page(app, video=kept.token)
    assert "Play from here" not in [b.label for b in app.button]
    peak = next(b for b in app.button if b.key == f"peak {kept.token} 1 happy")
    assert peak.label.startswith("happy 99")
    peak.click().run()
    assert asked(app, "face") == "1"
    assert 0 <= float(asked(app, "at")) < 2
    button(app, "Play from here").click().run()
    button(app, "Close").click().run()
    assert "at" not in app.query_params
    assert not app.exception
    open_page(app, video=kept.token, face="1", at="words")
    assert not app.error


def test_what_is_no_video_is_told_and_leaves_nothing(app):
    open_page(app)
    app.file_uploader[0].set_value(("song.mp4", b"just words" * 100, "video/mp4")).run()
    (error,) = app.error
    assert "cannot be opened" in error.value and "song" in error.value
    assert "video" not in app.query_params
    assert list(workspace.folder("videos").iterdir()) == []


def test_the_sample_is_a_video_with_a_face(app):
    open_page(app)
    assert "No video at hand?" in text(app)
    button(app, "Try a clip of 4 seconds").click().run()
    wait(app)
    assert "1 face" in text(app) and "Face 1" in text(app)


def test_a_result_is_deleted_for_good(app, clip, predictor):
    kept = read(clip, predictor)
    open_page(app, video=kept.token)
    button(app, "Delete for good").click().run()
    assert not kept.video.parent.exists()
    assert "video" not in app.query_params
    open_page(app, video=kept.token)
    assert "not here any more" in app.warning[0].value


@pytest.mark.parametrize("token", ["../../etc", "0123456789abcdef", "ABCDEF0123456789"])
def test_an_address_leads_nowhere_else(app, token):
    open_page(app, video=token)
    assert "not here any more" in app.warning[0].value
    video_results.remove(token)
    assert workspace.root().exists()


def test_work_that_the_end_of_the_server_cut_off_can_be_done_again(app, clip):
    kept = video_results.take_in(io.BytesIO(clip), ASKED)
    open_page(app, video=kept.token)
    assert "cut off" in app.warning[0].value
    button(app, "Read it again").click().run()
    wait(app)
    assert "Face 1 looks happy" in text(app)


def test_stop_keeps_what_is_done(clip, predictor):
    kept = video_results.take_in(io.BytesIO(clip), ASKED)
    begun, go = threading.Event(), threading.Event()

    def work(progress):
        def slowly(done, total, text):
            if done >= 500:
                begun.set()
                go.wait(30)
            progress(done, total, text)

        return video_results.work(kept, predictor, detectors.get())(slowly)

    jobs.start(kept.job, "Reading", work)
    assert begun.wait(30)
    job = jobs.find(kept.job)
    job.stopping.set()
    go.set()
    while job.state == "running":
        time.sleep(0.02)
    assert job.state == "done"
    summary = kept.summary()
    assert summary.stopped and 0.9 < summary.seconds < 1.3
    assert video.probe(kept.video).seconds == pytest.approx(summary.seconds, abs=0.05)
    jobs.forget(kept.job)


def test_forgotten_uploads_go_but_results_and_work_stay(clip, predictor, monkeypatch):
    done = read(clip, predictor)
    left, busy = (video_results.take_in(io.BytesIO(clip), ASKED) for _ in range(2))
    video_results.tidy([busy.job])
    assert video_results.find(left.token), "not yet"
    monkeypatch.setattr(video_results, "KEPT_SECONDS", -1)
    video_results.tidy([busy.job])
    assert video_results.find(left.token) is None
    assert video_results.find(busy.token) and video_results.find(done.token)
    assert [kept.token for kept in video_results.results()] == [done.token]


def test_an_upload_without_a_frame_is_named_as_its_owner_named_it():
    with pytest.raises(BadInput, match=r"party\.mp4, 0 bytes"):
        video_results.take_in(io.BytesIO(b""), ASKED)


def test_the_words_for_a_face_say_looks_and_what_it_could_not_tell():
    peaks = {"happy": Peak(0.9, 1.0, b""), "sad": Peak(0.4, 2.0, b"")}
    shares = {"happy": 0.6, "sad": 0.1}
    person = Person(3, 0, 5, 20, shares, {"happy": 0.7, "sad": 0.3}, peaks, 0.5, None)
    said = video_view.sentence(person).replace("\\", "")
    assert said == "Face 3 looks happy 60 %, sad 10 % of the time; can't tell: 30 %."
    nobody_knows = Person(1, 0, 1, 2, {"happy": 0.0}, {"happy": 0.5}, peaks, None, None)
    assert video_view.sentence(nobody_knows).replace("\\", "") == "Face 1 can't tell: 100 %."
