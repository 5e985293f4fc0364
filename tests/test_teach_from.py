"""“Teach with these”: pictures of a dataset, mistakes, a photo's face and the camera's, into a class."""

import time
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core.dataset import practice
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict
from fer_core.evaluation import trial
from fer_core.evaluation.trial import Trial
from fer_core.fewshot import classes, crops, from_dataset, teach
from fer_core.imaging import detectors
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.imaging.detectors.base import Detector
from fer_core.imaging.faces import Box, Face
from fer_core.inference import photo
from fer_core.inference.live import Session
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from pages._shared import gallery
from pages._shared.tray import Item
from tests.drawn_dataset import here, picture, row
from tests.evaluated import nothing_kept, settled  # noqa: F401 (a fixture)

APP = str(Path(__file__).resolve().parent.parent / "app.py")


@pytest.fixture
def store():
    """Twelve pictures of two labels, a copy among them, and a photo."""
    rows = [row(f"{n}.png", picture(n, 48), "happy" if n < 6 else "sad", "train") for n in range(12)]
    rows += [row("again.png", picture(0, 48), "happy", "test")]
    rows += [row("photo.png", data.astronaut()[:300], "surprise", "train")]
    return here(Path(Store.open().engine.url.database).parent, rows)


def samples(store, label, split="train"):
    return from_dataset.drawn(store, "faces", label, 100, split)


def page(address, **query):
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.switch_page(address)
    for name, value in query.items():
        app.query_params[name] = value
    return settled(app)


def widget(widgets, label):
    (found,) = (one for one in widgets if one.label == label)
    return found


def sources(set_id):
    return {one.name: [e.source for e in one.examples] for one in classes.load(set_id).classes}


def test_pictures_are_drawn_the_same_way_twice_and_from_where_it_is_said(store):
    three = from_dataset.drawn(store, "faces", "happy", 3)
    assert three == from_dataset.drawn(store, "faces", "happy", 3) and len(set(three)) == 3
    assert set(three) < set(samples(store, "happy"))
    assert len(from_dataset.drawn(store, "faces", "happy", 100, None)) == 7
    for wrong in ({"label": "fear"}, {"label": "happy", "split": "validation"}):
        with pytest.raises(BadInput, match="drawn where there are some"):
            from_dataset.drawn(store, "faces", count=3, **wrong)
    with pytest.raises(BadInput, match="1 to 200"):
        from_dataset.drawn(store, "faces", "happy", 201)


def test_an_example_says_where_it_came_from_and_a_model_which_pictures_it_was_taught(store):
    made = classes.create("Moods", library.DEFAULT)
    happy = samples(store, "happy")
    added = from_dataset.add(store, "faces", made.id, "glad", [*happy, happy[0], 999])
    assert len(added.taken) == 6
    from_dataset.add(store, "faces", made.id, "down", samples(store, "sad"))
    assert sources(made.id)["glad"] == [f"faces: {n}.png (train)" for n in range(6)]
    # Evaluation on the same pictures: none of them was unseen, nor the copy of one in the test split.
    predictor = Predictor.load(library.find(teach.teach(made.id).id).folder)
    rows = trial.rows(store, "faces", None, "all")
    asked = Trial(predictor.card, rows, "whole", np.zeros((len(rows.frame), 3), np.float32), None)
    unseen = rows.frame["sample"][~asked.examples]
    assert unseen.tolist() == samples(store, "surprise") and asked.examples.sum() == 13


def test_a_picture_goes_into_one_class_and_a_photo_is_searched_where_that_is_asked(store):
    made = classes.create("Moods", library.DEFAULT)
    from_dataset.add(store, "faces", made.id, "glad", samples(store, "happy"))
    with pytest.raises(Conflict, match="already in 'glad'"):
        from_dataset.add(store, "faces", made.id, "down", samples(store, "happy", "test"))
    added = from_dataset.add(store, "faces", made.id, "struck", samples(store, "surprise"), whole=False)
    assert added.taken[0].box is not None
    with pytest.raises(BadInput, match="none of them there"):
        from_dataset.add(store, "faces", made.id, "glad", [999])
    with pytest.raises(BadInput, match="at most 200"):
        from_dataset.add(store, "faces", made.id, "glad", range(201))


def test_marked_pictures_of_a_dataset_become_a_class_of_a_new_set(store, monkeypatch):
    marked = samples(store, "happy")[:3]
    monkeypatch.setattr(gallery, "show", lambda *_, **__: marked)
    app = page("pages/datasets.py", data="faces", view="pictures")
    widget(app.text_input, "Name of the class set").set_value("Moods in class")
    widget(app.text_input, "Name of the class").set_value("glad")
    widget(app.button, "Add").click()
    app.run()
    assert not app.exception
    (made,) = classes.all_sets()
    assert made.title == "Moods in class" and made.base == library.default_id()
    assert sources(made.id) == {"glad": [f"faces: {n}.png (train)" for n in range(3)]}
    assert app.query_params["set"] == [made.id] or app.query_params["set"] == made.id
    assert [title.value for title in app.title] == ["Teach"]


def test_a_name_that_cannot_be_used_leaves_no_empty_set(store, monkeypatch):
    monkeypatch.setattr(gallery, "show", lambda *_, **__: samples(store, "happy")[:3])
    app = page("pages/datasets.py", data="faces", view="pictures")
    widget(app.text_input, "Name of the class set").set_value("Moods")
    widget(app.text_input, "Name of the class").set_value("/")
    widget(app.button, "Add").click().run()
    assert "name of letters or digits" in app.error[0].value and classes.all_sets() == []


def test_mistakes_of_a_model_are_taught_on_top_of_it_but_never_those_of_a_test_split(monkeypatch):
    store = Store.open()
    practice.import_practice(store, count=63)
    app = page(
        "pages/evaluate.py", data="practice", split="validation", read="wrong", model="mini_xception_raw"
    )
    found = trial.run(
        store,
        Predictor.load(library.find("mini_xception_raw").folder),
        trial.rows(store, "practice", None, "validation"),
    ).result()
    widget(app.text_input, "Name of the class set").set_value("Drawn")
    widget(app.text_input, "Name of the class").set_value("odd")
    widget(app.button, "Add").click().run()
    (made,) = classes.all_sets()
    assert made.base == "mini_xception_raw"
    wanted = set(found.frame["image"][~found.right])
    assert {example.image for _, example in made.examples} == wanted
    app = page("pages/evaluate.py", data="practice", split="test", read="wrong", look="1")
    assert not [one for one in app.button if one.label == "Add"]


def test_the_face_of_a_photo_is_taken_as_it_was_found():
    made = classes.create("Moods", library.DEFAULT)
    shown = data.astronaut()
    face = crops.faces_of(shown)[0]
    faces = [("me.jpg", shown, face), ("me again.jpg", shown, face), ("all.jpg", shown, None)]
    added = classes.add_faces(made.id, "glad", faces)
    assert [one.source for one in added.taken] == ["me.jpg", "all.jpg"]
    assert added.refused == (("me again.jpg", "the same picture is in 'glad' already"),)
    assert added.taken[0].image == added.taken[1].image and added.taken[1].box is None
    alone = classes.add(classes.create("Others", library.DEFAULT).id, "glad", [("me.jpg", shown)])
    assert alone.taken[0] == added.taken[0]


def test_the_cameras_face_of_the_last_seconds_becomes_several_examples(monkeypatch):
    def beside_the_camera():
        import streamlit as st

        from pages._shared import live_still

        live_still.teach(st.session_state["session"], st.session_state["card"])

    links = []
    monkeypatch.setattr("streamlit.page_link", lambda page, **how: links.append((page, how["query_params"])))
    found = [Face(Box(300, 40, 30, 30), 1.0), Face(Box(177, 66, 95, 95), 1.0)]
    predictor = Predictor.load(library.find(library.DEFAULT).folder)
    session = Session(
        predictor, Detector("drawn", "Drawn", lambda image: found if image.any() else [], 10_000)
    )
    app = AppTest.from_function(beside_the_camera, default_timeout=60)
    app.session_state["session"], app.session_state["card"] = session, predictor.card
    for label, name in (("Name of the class set", "Moods"), ("Name of the class", "glad")):
        widget(app.run().text_input, label).set_value(name)
    widget(app.button, "Add").click().run()
    assert "no face in the last seconds" in app.error[0].value and classes.all_sets() == []
    for number in range(3):
        session.show(data.astronaut() // (number + 1), float(number))
        while session.state().read <= number:
            time.sleep(0.01)
    session.close()
    widget(app.button, "Add").click().run()
    assert app.success[0].value.startswith("3 photos added to “glad”.")
    (made,) = classes.all_sets()
    assert [one.box.width for one in made.classes[0].examples] == pytest.approx([95, 95, 95], abs=1)
    assert links == [("pages/teach.py", {"set": made.id})]
    # Once more into the same class, without saying so again: they are there already, and it is said.
    widget(app.button, "Add").click().run()
    assert "is in 'glad' already" in app.warning[0].value.replace("\\", "")
    assert len(classes.load(made.id).examples) == 3
    # What was chosen is deleted meanwhile: then a new one is asked for.
    classes.create("Others", library.DEFAULT)
    classes.delete(made.id)
    assert not app.run().error and widget(app.selectbox, "Class set").value == "others"
    assert widget(app.text_input, "Name of the class")


def test_the_face_that_was_read_wrongly_is_taught_from_the_photo_as_it_came(monkeypatch):
    def under_the_face():
        import streamlit as st

        from pages._shared import wrong_view

        wrong_view.show(st.session_state["item"], st.session_state["result"], 1)

    monkeypatch.setattr("streamlit.page_link", lambda *_, **__: None)
    shown = data.astronaut()
    predictor = Predictor.load(library.find(library.DEFAULT).folder)
    result = photo.analyse(np.ascontiguousarray(shown[::2, ::2]), predictor, detectors.get(), "me.png")
    app = AppTest.from_function(under_the_face, default_timeout=60)
    app.session_state["item"] = Item(1, "me.png", encode_png(shown))
    app.session_state["result"] = result
    widget(app.run().toggle, "That's wrong").set_value(True).run()
    widget(app.text_input, "Name of the class set").set_value("Moods")
    widget(app.text_input, "Name of the class").set_value("glad")
    widget(app.button, "Add").click().run()
    assert not app.exception and app.success
    ((_, example),) = classes.all_sets()[0].examples
    assert example.source == "me.png" and example.image == pixel_id(shown)
    assert example.box.width == pytest.approx(2 * result.faces[0].face.box.width, abs=1.5)
