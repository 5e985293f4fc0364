"""The why pane of the Evaluate page, the means of each class, and "Why?" on the photo page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import ledger, removal
from fer_core.dataset.store import Store
from fer_core.errors import BadModel
from fer_core.evaluation import why
from fer_core.imaging.decode import encode_png
from fer_core.inference.predictor import Predictor
from fer_core.zoo import gradients, library
from pages._shared import heat, jobs, trials, why_view
from tests import drawn_dataset
from tests.drawn_dataset import picture, row
from tests.evaluated import settled

ROOT = Path(__file__).resolve().parent.parent
MODEL = library.DEFAULT
FACE = 1
"""The sample that the tests look at: to validate, with a copy to train on."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three faces to validate with votes, one to test, six to train on of which one is a copy."""
    votes = {"sad": 6, "neutral": 3, "happy": 1}
    rows = [row(f"v{i}", picture(i, 48), "sad", "validation", votes=votes) for i in range(3)]
    rows += [row("test", picture(50, 48), "happy", "test", votes=votes)]
    rows += [row("copy", picture(0, 48), "fear")]
    rows += [row(f"t{i}", picture(60 + i, 48), "sad") for i in range(5)]
    folder = tmp_path_factory.mktemp("drawn")
    drawn_dataset.here(folder, rows).close()
    return folder / "studio.db"


@pytest.fixture
def store(drawn):
    shutil.copy(drawn, workspace.root() / "studio.db")
    return Store.open()


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(MODEL).folder)


@pytest.fixture(autouse=True)
def _nothing_kept():
    yield
    for kept in (trials._trials(), jobs._jobs(), why_view._kept()):
        kept.clear()
    # Its key names a state of a dataset, and every test has another dataset of that name.
    trials._rows.clear()
    why_view._explained.clear()
    why_view._differentiated.clear()


def visit(sample, **address):
    """The pane of a sample in a new tab, once everything is read."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/evaluate.py")
    wanted = {"model": MODEL, "data": "faces", "split": "validation", "sample": sample, **address}
    for key, value in wanted.items():
        app.query_params[key] = str(value)
    return settled(settled(app))


def said(app):
    parts = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    shown = [element.value for kind in parts for element in kind]
    shown += [element.proto.body for element in app.get("html")]
    return "\n".join(shown).replace("\\", "").replace("**", "")


def pictures(app):
    return [image.alt for element in app.get("image") for image in element.proto.imgs]


def button(app, label):
    return next(b for b in app.button if b.label == label)


def choose(app, key, value):
    """Pick one of a segmented control."""
    control = next(c for c in app.button_group if c.key == key)
    control.set_value(value)
    app.run()
    assert not app.exception
    return app


def test_a_face_is_explained_beside_its_neighbours_and_a_better_label(store, predictor):
    app = visit(FACE)
    dataset, own, frame = why.training_rows(store, predictor.card, "faces")
    learnt = why.learn(store, predictor, dataset, own, frame)
    expected = why.explain(store, predictor, FACE, learnt=learnt)
    shown = said(app)
    assert expected.sentence in shown
    assert "Its label is sad" in shown and "What 10 raters saw" in shown
    assert "Its own training faces are not here; these are of faces" in shown
    names = predictor.labels.names
    assert f"“{names[int(expected.probabilities.argmax())]}” falls by" in shown or "Nothing in" in shown
    tiles = [
        tile for element in app.get("bidi_component") for tile in json.loads(element.proto.json)["tiles"]
    ]
    assert [tile["id"] for tile in tiles] == [n.sample for n in (*expected.copies, *expected.nearest)]
    assert tiles[0]["caption"] == "fear, same picture"
    assert tiles[1]["caption"] == f"sad, {1 - expected.nearest[0].distance:.2f}"
    assert any("labelled sad" in (alt or "") for alt in pictures(app))
    assert any("Occlusion" in (alt or "") for alt in pictures(app))


def test_against_votes_the_commonest_is_what_is_true(store):
    assert "most raters said sad" in said(visit(FACE, truth="votes"))


def test_a_label_is_given_where_the_face_is_seen_and_taken_back(store):
    app = visit(FACE)
    assert button(app, "angry").disabled
    next(t for t in app.text_input if t.label == "Your name").set_value("Ada").run()
    button(app, "angry").click().run()
    assert "now angry" in said(app)
    event = ledger.history(store, FACE)[-1]
    assert (event.who, event.new, event.surfaced_by) == ("Ada", "angry", f"why {MODEL} answered so")
    button(app, "Undo").click().run()
    assert ledger.history(store, FACE)[-1].new == "sad" and "now angry" not in said(app)


def test_the_labels_of_a_test_split_are_left_alone(store, predictor):
    app = visit(4, split="test")
    button(app, "Measure on the test split").click()
    app = settled(settled(app))
    assert "would flatter the model" in said(app) and not [b for b in app.button if b.label == "angry"]


def test_a_neighbour_from_another_split_can_be_opened_too(store):
    shown = said(visit(5))
    assert "Not one of the faces that are measured: it is of faces, train, labelled fear" in shown
    assert "It reads" in shown


def test_a_face_that_was_deleted_is_said(store):
    removal.remove(store, [FACE], "Ada")
    shown = said(visit(FACE))
    assert "it may have been deleted" in shown
    assert "Received: 999" in said(visit(999))


def test_another_heat_map_is_asked_for_once_and_errors_stand_in_its_place(store, monkeypatch):
    asked = []

    def maps(folder, kind, images, classes, points, draws, progress):
        asked.append((kind, len(images), draws))
        return np.ones((len(images), 3, 3), np.float32)

    monkeypatch.setattr(gradients, "maps", maps)
    app = choose(visit(FACE), "heat", "grad-cam")
    assert any("Grad-CAM" in (alt or "") for alt in pictures(app)) and "most weight" in said(app)
    choose(choose(app, "heat", "off"), "heat", "grad-cam")
    assert asked == [("grad-cam", 2, 1)]

    def broken(*arguments):
        raise BadModel("Grad-CAM looks at a layer. Received: none.")

    monkeypatch.setattr(gradients, "maps", broken)
    app = choose(app, "heat", "gradient")
    assert "Received: none" in said(app) and "It reads" in said(app)
    assert any("that the network saw" in (alt or "") for alt in pictures(choose(app, "heat", "off")))


def test_a_model_that_is_deleted_under_an_open_page_is_said(store, monkeypatch):
    folder = workspace.folder("models") / "mine"
    shutil.copytree(library.find(MODEL).folder, folder)
    app = visit(FACE, model="mine")
    assert "It reads" in said(app)
    shutil.rmtree(folder)
    app.run()
    assert not app.exception


def test_the_means_of_each_class_are_drawn_when_asked_for(store, predictor, monkeypatch):
    monkeypatch.setattr(
        gradients, "maps", lambda folder, kind, images, *rest: np.ones((len(images), 6, 6), np.float32)
    )
    monkeypatch.setattr(why_view, "_FEWEST", 1)
    guess = int(predictor.predict(picture(0, 48)[None, :, :, None]).argmax())
    ledger.relabel(store, [(FACE, predictor.labels.names[guess])], "Ada")
    app = visit("")
    app = choose(app, "average heat", "grad-cam")
    button(app, "Average up to 40 faces of each class").click()
    app = settled(settled(app))
    name = predictor.labels.names[guess]
    assert any(f"Mean face of {name}" in (alt or "") for alt in pictures(app))
    assert "Too few right answers to average: " in said(app)


def test_why_on_the_photo_page_shows_the_crop_and_a_sentence_and_keeps_nothing(monkeypatch):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/photo.py")
    app.query_params["model"] = "mini_xception_ferplus"
    app.run()
    app.file_uploader[0].set_value(("a.png", encode_png(data.astronaut()), "image/png")).run()
    next(t for t in app.toggle if t.label == "Why?").set_value(True).run()
    assert not app.exception and not app.error
    shown = said(app)
    assert "It rests mostly on the mouth: blurring a patch there lowers “happy” by up to" in shown
    assert any("What speaks for happy: Occlusion" in (alt or "") for alt in pictures(app))
    assert not list(workspace.folder("cache").iterdir())


def test_the_overlay_is_lightest_where_the_map_is_largest():
    crop = np.full((8, 8, 1), 100, np.uint8)
    warmth = np.zeros((8, 8), np.float32)
    warmth[0, 7] = 3
    shown = heat.overlay(crop, warmth).astype(int)
    assert (
        shown.shape == (640, 640, 3) and shown.sum(axis=2)[:20, -20:].mean() > 1.5 * shown.sum(axis=2)[600, 0]
    )
    assert np.array_equal(heat.overlay(crop, np.zeros((8, 8))), heat.overlay(crop, np.full((8, 8), 0.0)))
    assert heat.overlay(np.zeros((16, 16, 3), np.uint8), np.ones((16, 16))).shape == (640, 640, 3)


@pytest.mark.parametrize(
    ("most", "part", "words"),
    [
        (0.01, "the mouth", "No single place decides"),
        (
            0.3,
            "the mouth",
            "It rests mostly on the mouth: blurring a patch there lowers “sad” by up to 30 points",
        ),
        (0.3, None, "no one part of the face alone"),
    ],
)
def test_the_sentence_of_a_heat_map(most, part, words):
    assert words in heat.rests_on("sad", np.array([[0, most]]), part)
