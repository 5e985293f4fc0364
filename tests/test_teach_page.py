"""The page Teach: a class set is made, shown, tried, saved, taken along and deleted."""

import html
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core import labels
from fer_core.dataset import drawing
from fer_core.dataset.store import Store
from fer_core.fewshot import classes, sharing, teach
from fer_core.imaging.decode import encode_png
from fer_core.zoo import library
from pages._shared import gallery, teach_look
from tests.drawn_dataset import here, picture, row

APP = str(Path(__file__).resolve().parent.parent / "app.py")
ASTRONAUT = ("astronaut.png", encode_png(data.astronaut()), "image/png")
COFFEE = ("coffee.png", encode_png(data.coffee()), "image/png")
WORDS = ("notes.jpg", b"just words", "image/jpeg")


def faces(expression, count, first=0):
    """Drawn faces of as many people, named."""
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        who, seen = drawing.person(random), drawing.view(random)
        yield f"{expression} {number}.png", drawing.draw(drawing.PROTOTYPES[expression], who, seen, 96)


@pytest.fixture
def moods():
    """The id of a set with four gleeful and three gloomy faces."""
    made = classes.create("Moods in class", library.DEFAULT)
    classes.add_crops(made.id, "gleeful", list(faces("happy", 4)))
    classes.add_crops(made.id, "gloomy", list(faces("sad", 3, 10)))
    return made.id


def opened(**query):
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.switch_page("pages/teach.py")
    for name, value in query.items():
        app.query_params[name] = value
    return run(app)


def run(app):
    app.run()
    assert not app.exception
    return app


def text(app) -> str:
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error, app.success)
    parts = [element.value for kind in kinds for element in kind]
    return "\n".join(parts + [html.unescape(e.proto.body) for e in app.get("html")]).replace("\\", "")


def widget(widgets, label):
    (found,) = (one for one in widgets if one.label == label)
    return found


def in_address(app, name):
    """A page that led to itself gives a word, another one a list of it."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def press(app, label, number=0):
    [one for one in app.button if one.label == label][number].click()
    return run(app)


def drop(app, label, *files):
    widget(app.file_uploader, label).set_value(list(files) if len(files) > 1 else files[0])
    return run(app)


def counts(set_id):
    return {one.name: len(one.examples) for one in classes.load(set_id).classes}


def test_without_a_set_three_steps_say_what_this_is_and_one_is_begun():
    app = opened()
    assert all(f"**{n}. " in text(app) for n in "123") and "For example" in text(app)
    widget(app.text_input, "Name of the class set").set_value("Moods in class")
    widget(app.text_input, "Its classes, with commas between").set_value("bored, skeptical, none of these")
    press(app, "Begin")
    (made,) = classes.all_sets()
    assert (made.title, made.names, made.base) == ("Moods in class", ("bored", "skeptical"), library.DEFAULT)
    assert in_address(app, "set") == made.id, "the address finds it again"
    assert "Choose another" in text(app), "a name that cannot be used is said, the others are kept"
    assert "Photos are missing: bored, skeptical" in text(app)
    widget(app.text_input, "Add a class").set_value("amused")
    press(app, "Add")
    assert classes.load(made.id).names == ("bored", "skeptical", "amused")


def test_photos_come_in_and_what_was_refused_is_said_and_can_be_taken_whole():
    made = classes.create("Mine", library.DEFAULT)
    for name in ("bored", "amused"):
        classes.add_class(made.id, name)
    app = drop(opened(set=made.id), "Photos of “bored”", ASTRONAUT, COFFEE, WORDS)
    assert counts(made.id) == {"bored": 1, "amused": 0}
    assert "**1 photo added, 2 not**" in text(app)
    assert "coffee.png: no face was found" in text(app) and "notes.jpg: A photo must be" in text(app)
    press(app, "Take the whole picture")
    assert counts(made.id) == {"bored": 2, "amused": 0} and "**1 photo added**" in text(app)
    # The first class without a photo is open for the next ones.
    drop(app, "Photos of “amused”", ASTRONAUT, (COFFEE[0], encode_png(data.coffee()[:200]), COFFEE[2]))
    assert "already in 'bored'" in text(app) and counts(made.id)["amused"] == 0
    press(app, "Take the whole picture")
    assert counts(made.id)["amused"] == 1, "one photo that is refused does not hold up the others"


def test_photos_come_from_a_dataset_and_not_from_its_test_split():
    rows = [row(f"{n}.png", picture(n, 48), "happy", "test" if n < 9 else "train") for n in range(14)]
    here(Path(Store.open().engine.url.database).parent, rows)
    made = classes.create("Mine", library.DEFAULT)
    classes.add_class(made.id, "happy")
    app = opened(set=made.id)
    widget(app.button_group, "Where the photos come from").set_value("Dataset")
    run(app)
    assert widget(app.selectbox, "Pictures labelled").value == "happy"
    widget(app.number_input, "How many").set_value(3)
    press(run(app), "Take 3")
    (one,) = classes.load(made.id).classes
    assert len(one.examples) == 3 and "**3 photos added**" in text(app)
    assert all("(train)" in example.source for example in one.examples)


def test_it_says_how_well_the_classes_are_told_apart_with_an_honest_interval(moods):
    look = teach.look(moods)
    app = opened(set=moods)
    assert f"**{teach_look.right(look.scores[look.kind])}** when each photo is left out" in text(app)
    assert "would get 4 of 7" in text(app) and "the same photos that it is taught from" in text(app)
    table = app.table[0].value
    assert list(table[""]) == [teach_look.right(score) for score in look.scores.values()]
    assert [name for name in table.index if "✓" in name] == [teach_look.KINDS[look.kind] + " ✓"]
    app = opened(set=moods, kind="neighbours")
    assert "Deciding by a vote of the nearest photos" in text(app)


def test_a_photo_in_the_wrong_class_is_pointed_out(moods):
    classes.add_crops(moods, "gloomy", list(faces("happy", 1, 30)))
    look = teach.look(moods)
    wrong = next(place for place in look.confusing if place.example.source == "happy 30.png")
    app = opened(set=moods)
    assert f"{len(look.confusing)} photos may confuse the classes" in text(app)
    assert "happy 30.png looks more like **gleeful** than **gloomy**" in text(app)
    # A click on it, as the grid tells of it.
    app.session_state["teach closer"] = wrong.example.id
    run(app)
    assert "is it in the right class" in text(app) and "the nearest of gleeful" in text(app)
    press(app, "Remove this photo")
    assert counts(moods) == {"gleeful": 4, "gloomy": 3}


def test_marked_photos_are_removed_or_moved(moods, monkeypatch):
    shown = gallery.draw

    def marking(tiles, key, **options):
        shown(tiles, key, **options)
        return [tiles[0]["id"]] if key.endswith("gleeful") and len(tiles) > 2 else []

    monkeypatch.setattr(gallery, "draw", marking)
    app = opened(set=moods)
    first, second = (example.id for example in classes.load(moods).classes[0].examples[:2])
    press(app, "Move")
    assert counts(moods) == {"gleeful": 3, "gloomy": 4}
    press(app, "Remove")
    kept = {example.id for _, example in classes.load(moods).examples}
    assert counts(moods) == {"gleeful": 2, "gloomy": 4} and first in kept and second not in kept


def test_classes_are_renamed_and_removed_and_the_set_too(moods):
    app = opened(set=moods)
    widget(app.text_input, "Name").set_value("Faces at work")
    press(app, "Rename", 0)
    [one for one in app.text_input if one.label == "Name of the class"][0].set_value("sunny")
    press(app, "Rename", 1)
    assert classes.load(moods).title == "Faces at work" and counts(moods) == {"sunny": 4, "gloomy": 3}
    press(app, "Remove the class and its 3 photos")
    assert counts(moods) == {"sunny": 4} and "Name two classes or more" in text(app)
    assert widget(app.button, "Delete for good").disabled
    widget(app.checkbox, "Delete “Faces at work” with its 4 photos").check()
    press(run(app), "Delete for good")
    assert classes.all_sets() == [] and "**1. " in text(app) and "set" not in app.query_params


def test_a_set_is_tried_saved_saved_again_and_used(moods):
    app = opened(set=moods)
    ((name, face),) = faces("happy", 1, 50)
    drop(app, "A photo that it has not seen", (name, encode_png(face), "image/png"))
    said = teach.rehearse(moods).card.labels.names
    assert said == ("gleeful", "gloomy", labels.UNKNOWN)
    assert "The picture looks" in text(app) or "Face 1" in text(app) or "can't tell" in text(app)
    assert all(f">{label}</div>" in text(app) for label in said)
    widget(app.text_input, "Name of the model").set_value("My moods")
    press(app, "Save to the library")
    card = library.find(f"taught_{moods}").card
    assert card.title == classes.load(moods).title == "My moods"
    assert "“My moods” is in the library, version 1, as shown here" in text(app)
    classes.add_crops(moods, "gloomy", list(faces("sad", 1, 60)))
    assert "has changed since" in text(run(app))
    widget(app.toggle, f"May answer “{labels.UNKNOWN}”").set_value(False)
    run(app)
    press(app, "Save again")
    card = library.find(card.id).card
    assert card.labels.names == ("gleeful", "gloomy") and card.training["taught"]["version"] == 2
    assert "version 2, as shown here" in text(app)
    press(app, "Use it on a photo")
    assert in_address(app, "model") == card.id
    app.switch_page("pages/photo.py")
    run(app)
    widget(app.file_uploader, "Drop photos here: one or hundreds").set_value([ASTRONAUT])
    run(app)
    assert ">gleeful</div>" in text(app) and ">happy</div>" not in text(app)


def test_the_library_says_what_a_taught_model_stands_on(moods):
    card = teach.teach(moods)
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.switch_page("pages/library.py")
    app.query_params["model"] = card.id
    run(app)
    facts = app.table[0].value[""]
    assert "Taught here. Recognised" in text(app) and "of its own 7 photos" in text(app)
    assert facts["Built on"].replace("\\", "") == library.DEFAULT
    assert facts["Photos"].replace("\\", "") == "4 of gleeful, 3 of gloomy, version 1"
    assert "no network file of its own" in text(app)
    assert not [one for one in app.button if one.label == "Convert and check"]
    press(app, "Open its class set")
    assert in_address(app, "set") == moods and "gleeful" in text(app)


def test_a_set_travels_as_a_file(moods):
    given = sharing.exported(moods)
    assert len(zipfile.ZipFile(BytesIO(given)).namelist()) == 8
    app = drop(opened(), "A class set from a file (zip)", ("moods.zip", given, "application/zip"))
    assert [one.title for one in classes.all_sets()] == ["Moods in class"] * 2
    assert in_address(app, "set") == "moods-in-class-2"
    drop(app, "A class set from a file (zip)", ("x.zip", b"no zip", "application/zip"))
    assert "Nothing was taken in" in text(app) and len(classes.all_sets()) == 2


def test_a_base_that_is_gone_is_words_and_another_can_be_chosen(moods):
    classes.use_base(moods, "nobody")
    app = opened(set=moods)
    assert "nobody" in text(app) and "Traceback" not in text(app)
    widget(app.selectbox, "Built on").set_value("mini_xception_raw")
    run(app)
    assert classes.load(moods).base == "mini_xception_raw" and "left out in turn" in text(app)
    press(app, "Compare them")
    assert len(app.table[0].value) == len(library.entries()) and "flatters itself" in text(app)


def test_a_persons_neutral_photos_make_a_model():
    app = opened(view="person")
    assert "JAFFE" in text(app) and widget(app.button, "Make the model").disabled
    photos = [(name, encode_png(face), "image/png") for name, face in faces("neutral", 2)]
    drop(app, "1 to 8 photos of this person with a neutral face", *photos)
    widget(app.text_input, "Whose face it is").set_value("Ada")
    widget(app.checkbox, "The photos are faces already").check()
    press(run(app), "Make the model")
    card = library.find(f"{library.DEFAULT}_for_ada").card
    assert card.training["taught"]["examples"] == {"neutral": 2} and "is in the library" in text(app)
    press(app, "Its card")
    assert "Ada, by 2 neutral photos" in app.table[0].value[""]["Shifted for"].replace("\\", "")


def test_mean_distances_leave_out_a_photo_with_itself():
    distances = np.array([[0, 1, 2], [1, 0, 4], [2, 4, 0]], np.float32)
    means = teach_look.class_distances(distances, np.array([0, 0, 1]), 2)
    assert means[0].tolist() == [1, 3] and means[1, 0] == 3 and np.isnan(means[1, 1])


def test_a_picture_that_is_gone_can_be_removed_and_a_damaged_set_too(moods, monkeypatch):
    tiles = []
    monkeypatch.setattr(gallery, "draw", lambda drawn, key, **options: tiles.extend(drawn) or [])
    (example,) = classes.add_crops(moods, "gleeful", list(faces("happy", 1, 70))).taken
    (classes.load(moods).folder / example.file).unlink()
    app = opened(set=moods)
    assert f"{example.file}" in text(app) and "Traceback" not in text(app)
    assert [tile["caption"] for tile in tiles].count("picture gone") == 1 and len(tiles) == 8
    app.session_state["teach closer"] = example.id
    press(run(app), "Remove this photo")
    assert counts(moods)["gleeful"] == 4 and "left out in turn" in text(app)

    (classes.load(moods).folder / "set.json").write_text("{")
    app = opened(set=moods)
    assert "set.json" in text(app) and "Traceback" not in text(app)
    press(app, "Delete for good")
    assert "**1. " in text(app) and classes.all_sets() == []


def test_a_class_that_is_full_refuses_the_rest(moods, monkeypatch):
    monkeypatch.setattr("fer_core.fewshot.classes.MOST_EXAMPLES", 5)
    app = opened(set=moods)
    app.session_state[f"teach open {moods}"] = "gleeful"
    run(app)
    files = [(name, encode_png(face), "image/png") for name, face in faces("happy", 3, 40)]
    drop(app, "Photos of “gleeful”", *files)
    if [one for one in app.button if one.label.startswith("Take the whole picture")]:
        press(app, next(one.label for one in app.button if one.label.startswith("Take the whole picture")))
    assert counts(moods)["gleeful"] == 5
    assert text(app).count("a class has at most 5 examples") >= 1
