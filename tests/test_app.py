"""The pages, through Streamlit's own test runner."""

import html
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import streamlit as st
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import schema
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image, encode_jpeg, encode_png
from fer_core.inference import photo
from fer_core.inference.predictor import Predictor
from fer_core.zoo import card as cards
from fer_core.zoo import library
from pages._shared import errors, tray, words
from pages._shared.webrtc import Link

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py")
ASTRONAUT = ("astronaut.png", encode_png(data.astronaut()), "image/png")
COFFEE = ("coffee.png", encode_png(data.coffee()), "image/png")
BROKEN = ("broken.jpg", b"just words", "image/jpeg")


@pytest.fixture
def app(monkeypatch):
    # The video wants a real server and a real browser (tests/browser/test_live_journey.py).
    monkeypatch.setattr("pages._shared.webrtc.stream", lambda key, show: Link())
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def open_page(app, name, **address):
    app.run()
    app.switch_page(f"pages/{name}")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def drop(app, *files):
    app.file_uploader[0].set_value(files).run()
    assert not app.exception
    return app


def text(app) -> str:
    """All that stands on the page, as one string."""
    parts = [e.value for kind in (app.markdown, app.caption, app.title, app.subheader) for e in kind]
    return "\n".join(parts + [html.unescape(e.proto.body) for e in app.get("html")])


def button(app, label):
    (found,) = (b for b in app.button if b.label == label)
    return found


@pytest.fixture(scope="module")
def expected():
    predictor = Predictor.load(library.find(library.default_id()).folder)
    return photo.analyse(data.astronaut(), predictor, detectors.get())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_a_title_and_a_sentence(app, name):
    open_page(app, name)
    assert len(app.title) == 1
    assert app.markdown[0].value.endswith(".")
    assert not app.error


def test_every_page_is_in_the_navigation():
    listed = (ROOT / "app.py").read_text("utf-8")
    assert all(f'"pages/{name}"' in listed for name in PAGES)


def test_a_photo_gets_a_sentence_bars_and_the_crop(app, expected):
    drop(open_page(app, "photo.py"), ASTRONAUT)
    (found,) = expected.faces
    shown = text(app)
    assert words.face(1, found) in shown
    for name, share in zip(expected.labels.names, found.probabilities, strict=True):
        assert f">{name}</div>" in shown
        assert f">{words.share(share)}</div>" in shown
    assert "48 × 48 px, grey" in shown
    assert "**1 photo, 1 face**" in shown


def test_without_a_face_the_whole_picture_can_be_taken_and_given_back(app):
    drop(open_page(app, "photo.py"), COFFEE)
    assert "**No face found.**" in text(app)
    assert "**1 photo, 0 faces, 1 without a face**" in text(app)
    button(app, "Use the whole picture").click().run()
    assert "The picture" in text(app)
    assert "**1 photo, 1 face**" in text(app)
    button(app, "Look for faces again").click().run()
    assert "**No face found.**" in text(app)


def test_a_box_drawn_by_hand_is_read(app):
    drop(open_page(app, "photo.py"), COFFEE)
    (toggle,) = (t for t in app.toggle if t.label == "Draw a box")
    toggle.set_value(True).run()
    across, down = app.slider
    across.set_value((100, 300))
    down.set_value((50, 350)).run()
    button(app, "Read this face").click().run()
    assert "Face 1" in text(app)
    (item,) = app.session_state["tray"].items
    box = item.answer.result.faces[0].face.box
    assert (box.x, box.y, box.width, box.height) == (100, 50, 200, 300)


def test_a_broken_file_is_explained_and_the_others_go_on(app, expected):
    drop(open_page(app, "photo.py"), BROKEN, ASTRONAUT, ("empty.png", b"", "image/png"))
    assert len(app.error) == 2
    assert "a text file of 10 bytes" in app.error[0].value.replace("\\", "")
    assert "0 bytes" in app.error[1].value.replace("\\", "")
    assert words.face(1, expected.faces[0]) in text(app)
    assert "**3 photos, 1 face, 2 not readable**" in text(app)


def test_samples_need_no_upload_and_bad_light_is_warned_about(app):
    open_page(app, "photo.py")
    button(app, "In bad light").click().run()
    assert "The face is dark" in text(app)
    assert not [b for b in app.button if b.label == "An astronaut"]
    button(app, "Remove all").click().run()
    button(app, "No face").click().run()
    assert "**No face found.**" in text(app)


def test_the_address_holds_model_and_detector(app):
    open_page(app, "photo.py", detector="haar")
    (detector,) = (s for s in app.selectbox if s.label == "Face detector")
    assert detector.value == "haar"
    detector.set_value("hog").run()
    assert app.query_params["detector"] == "hog"
    (detector,) = (s for s in app.selectbox if s.label == "Face detector")
    detector.set_value(detectors.DEFAULT).run()
    assert "detector" not in app.query_params


def test_a_choice_survives_a_visit_to_another_page_and_a_link_wins_over_it(app):
    open_page(app, "photo.py", detector="haar")
    app.switch_page("pages/home.py").run()
    app.query_params.clear()
    app.switch_page("pages/photo.py").run()
    (detector,) = (s for s in app.selectbox if s.label == "Face detector")
    assert detector.value == "haar"
    assert app.query_params["detector"] == "haar"
    app.query_params["detector"] = "hog"
    app.run()
    (detector,) = (s for s in app.selectbox if s.label == "Face detector")
    assert detector.value == "hog"


def test_two_models_of_one_title_stay_two_choices(app):
    first = library.find(library.default_id())
    shutil.copytree(first.folder, workspace.folder("models") / "twin")
    open_page(app, "library.py")
    app.selectbox[0].set_value("twin").run()
    assert app.selectbox[0].value == "twin"
    assert app.query_params["model"] == "twin"
    twins = {option for option in app.selectbox[0].options if option.startswith(first.card.title)}
    assert twins == {f"{first.card.title} ({first.id})", f"{first.card.title} (twin)"}


def test_an_address_that_asks_for_what_is_not_here_is_answered_in_words(app):
    open_page(app, "photo.py", model="resnet_of_yesterday")
    assert "resnet" in app.warning[0].value
    assert "model" not in app.query_params


def test_another_detector_reads_the_same_photos_again(app):
    drop(open_page(app, "photo.py"), ASTRONAUT)
    asked = app.session_state["tray"].items[0].asked
    (detector,) = (s for s in app.selectbox if s.label == "Face detector")
    detector.set_value("haar").run()
    (item,) = app.session_state["tray"].items
    assert item.asked != asked
    assert "1 face" in text(app)


def test_three_hundred_photos_are_paged_and_a_page_of_them_can_be_left(app):
    small = encode_jpeg(data.astronaut()[:256, 96:352], 80)
    drop(open_page(app, "photo.py"), *((f"photo {i}.jpg", small, "image/jpeg") for i in range(300)))
    photos = app.session_state["tray"]
    assert len(photos.items) == 300
    assert all(item.answer for item in photos.items)
    assert "**300 photos, 300 faces**" in text(app)
    assert "photo 0" in text(app)
    assert "photo 6" not in text(app)
    app.get("pagination")[0].set_value(50).run()
    assert "photo 299" in text(app)


def test_reading_stops_when_asked_and_goes_on(app):
    open_page(app, "photo.py")
    photos = tray.Tray()
    app.session_state["tray"] = photos
    for number in range(9):
        photos.add(f"{number}.png", ASTRONAUT[1])
    photos.stopped = True
    app.run()
    assert [bool(item.answer) for item in photos.items] == [True] * 6 + [False] * 3
    assert "Stopped. 3 photos not read yet." in text(app)
    button(app, "Go on").click().run()
    assert all(item.answer for item in photos.items)


def test_links_to_this_machine_are_refused_in_words(app):
    open_page(app, "photo.py")
    app.session_state["way"] = "Link"
    app.run()
    app.text_input[0].set_value("http://127.0.0.1/photo.jpg")
    button(app, "Fetch").click().run()
    assert len(app.error) == 1
    assert "127" in app.error[0].value
    assert not app.session_state["tray"].items


def test_the_table_and_the_zip_hold_every_photo_once(expected):
    photos = tray.Tray()
    predictor, detector = Predictor.load(library.find(library.default_id()).folder), detectors.get()
    for name, content in (
        ("a.png", ASTRONAUT[1]),
        ("a.png", COFFEE[1]),
        ("../=cmd.jpg", ASTRONAUT[1]),
        BROKEN[:2],
    ):
        photos.read(photos.add(name, content), predictor, detector, ("m",))
    with zipfile.ZipFile(io.BytesIO(tray.pictures(photos.items))) as archive:
        assert archive.namelist() == ["0001 a.jpg", "0002 a.jpg", "0003 __cmd.jpg", "faces.csv"]
        drawn = decode_image(archive.read("0001 a.jpg")).astype(int)
    changed = np.abs(drawn - data.astronaut()).max(axis=2) > 60
    box = expected.faces[0].face.box
    assert changed[:, : int(box.x) - 20].sum() == 0
    assert changed[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)].sum() > 100
    table = tray.csv(photos.results()).decode("utf-8-sig").splitlines()
    assert len(table) == 1 + 3
    assert table[0].startswith("file,face,looks,probability")
    assert tray.csv([]) is not None


def test_a_spreadsheet_takes_no_file_name_for_a_formula(expected):
    from dataclasses import replace

    table = tray.csv([replace(expected, name="=HYPERLINK(1)")]).decode("utf-8-sig")
    assert table.splitlines()[1].startswith("'=HYPERLINK(1),")


def test_many_large_photos_are_kept_smaller(monkeypatch):
    monkeypatch.setattr(tray, "ORIGINALS", 100_000)
    rng = np.random.default_rng(0)
    large = encode_jpeg(rng.integers(0, 255, (1500, 2400, 3), dtype=np.uint8), 80)
    photos = tray.Tray()
    item = photos.add("large.jpg", large)
    photos.read(item, Predictor.load(library.find(library.default_id()).folder), detectors.get(), ("m",))
    assert item.reduced
    assert max(decode_image(item.data).shape) == tray.REDUCED
    assert len(item.data) < len(large)
    assert item.answer.result.image.strides == (0, 0, 1)


def test_a_full_tray_takes_no_more(monkeypatch):
    monkeypatch.setattr(tray, "MOST", 2)
    photos = tray.Tray()
    assert [photos.add("x", b"x") is not None for _ in range(3)] == [True, True, False]


def test_uploads_are_not_kept_twice(app):
    drop(open_page(app, "photo.py"), ASTRONAUT)
    assert app.file_uploader[0].value in (None, [])


def test_nothing_uploaded_is_written_to_the_workspace(app, tmp_path):
    drop(open_page(app, "photo.py"), ASTRONAUT)
    store = Store.open()
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.image)) == 0
    store.close()
    written = {path.name for path in (tmp_path / "workspace").rglob("*") if path.is_file()}
    assert written <= {"studio.db", "studio.db-wal", "studio.db-shm"}


@pytest.mark.parametrize(
    ("url", "address", "headers", "here"),
    [
        ("http://localhost:8501/photo", None, {}, True),
        ("http://127.0.0.1:8501/", "127.0.0.1", {}, True),
        ("https://faces.example.org/photo", "203.0.113.9", {}, False),
        ("http://192.0.2.7:8501/", "192.0.2.8", {}, False),
        ("http://localhost:8501/", None, {"X-Forwarded-For": "203.0.113.9"}, False),
    ],
)
def test_the_privacy_line_is_true_for_where_the_app_is_served(monkeypatch, url, address, headers, here):
    for name in ("SSH_CONNECTION", "SSH_CLIENT", "CODESPACES"):
        monkeypatch.delenv(name, raising=False)

    class Context:
        pass

    Context.url, Context.ip_address, Context.headers = url, address, headers
    monkeypatch.setattr(st, "context", Context)
    assert words.served_here() is here
    assert ("stays on this computer" in words.privacy()) is here
    assert ("sent to this server" in words.privacy()) is not here
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.8 50000 192.0.2.7 22")
    assert not words.served_here()


def test_the_library_shows_the_figures_of_the_card(app):
    open_page(app, "library.py")
    card = library.find(library.default_id()).card
    record = words.headline(card)
    frame = app.dataframe[0].value
    assert f"{record['accuracy'] * 100:.1f} %" in " ".join(frame["accuracy"])
    assert record["n"] in list(frame["faces"])
    assert f"{card.parameters:,} weights".replace(",", "\\,") in str(app.table[0].value) or "weights" in str(
        app.table[0].value
    )
    assert all(errors.plain(sentence) in text(app) for sentence in card.limitations)


def test_the_responsible_page_counts_the_errors_of_the_shipped_model(app):
    open_page(app, "responsible.py")
    record = words.headline(library.find(library.default_id()).card)
    matrix = np.array(record["confusion"])
    shown = text(app).replace("\\", "")
    assert f"Of {matrix.sum():,} measured faces it reads {matrix.sum() - np.trace(matrix):,} wrongly" in shown
    assert "Article 5(1)(f)" in shown


def test_without_any_model_every_page_says_so(app, monkeypatch, tmp_path):
    monkeypatch.setattr(workspace, "SHIPPED_MODELS", tmp_path / "none")
    open_page(app, "home.py")
    assert "No model yet" in text(app)
    for page in ("photo.py", "library.py"):
        app.switch_page(f"pages/{page}").run()
        assert not app.exception
        assert "No model" in app.info[0].value
    app.switch_page("pages/responsible.py").run()
    assert not app.exception


def test_a_model_that_cannot_be_used_is_shown_with_the_reason(app):
    shutil.copytree(library.find(library.default_id()).folder, workspace.folder("models") / "damaged")
    (workspace.folder("models") / "damaged" / cards.FILE_NAME).write_text(json.dumps({"schema_version": 99}))
    open_page(app, "library.py")
    assert "damaged" in text(app)
    assert len(app.error) == 1
    assert "99" in app.error[0].value


def test_a_model_whose_weights_were_changed_is_refused_on_the_photo_page(app):
    folder = workspace.folder("models") / "changed"
    shutil.copytree(library.find(library.default_id()).folder, folder)
    (folder / "model.tflite").write_bytes(b"something else")
    open_page(app, "photo.py", model="changed")
    assert len(app.error) == 1
    assert "changed since" in app.error[0].value.replace("\\", "")


def test_the_unforeseen_becomes_a_number_and_a_log_entry(caplog):
    words_for = errors.sentence(ZeroDivisionError("secret path /home/ada"))
    assert "secret" not in words_for
    assert caplog.records[0].exc_info
    number = words_for.split("number ")[1].split(",")[0]
    assert number in caplog.text
    assert errors.sentence(BadInput("A rule. Received: x.")) == "A rule. Received: x."


def test_file_names_are_never_read_as_markdown():
    assert errors.plain("![x](http://a.b/c.png)") == "\\!\\[x\\]\\(http\\://a\\.b/c\\.png\\)"


def test_every_accuracy_comes_with_its_interval_and_n():
    record = {"accuracy": 0.712, "accuracy_low": 0.697, "accuracy_high": 0.727, "n": 3589}
    assert words.accuracy(record) == "71.2 % ± 1.5, 3,589 faces"


def test_no_probability_is_shown_as_a_certainty():
    shown = [words.share(p) for p in (0.9999, 0.994, 0.5, 0.006, 0.0001)]
    assert shown == ["99\xa0%", "99\xa0%", "50\xa0%", "1\xa0%", "< 1\xa0%"]
