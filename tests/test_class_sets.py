"""Class sets: what goes in comes out, nothing is lost, and what cannot be used is said."""

import io
import json
import threading
import zipfile

import numpy as np
import pytest
from skimage import data

from fer_core import labels, workspace
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.fewshot import classes, crops, sets, sharing, shelf
from fer_core.imaging import preprocess
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.imaging.preprocess import InputSpec
from fer_core.zoo import library

BASE = library.DEFAULT


def pictures(count, first=0, side=24):
    """Named pictures; another number is another picture."""
    shown = [
        np.random.default_rng(first + n).integers(0, 256, (side, side, 3), np.uint8) for n in range(count)
    ]
    return [(f"picture {first + number}", picture) for number, picture in enumerate(shown)]


@pytest.fixture
def moods():
    """The id of a set: 3 of happy, 2 of bored."""
    made = classes.create("Moods in class", BASE)
    classes.add_crops(made.id, "happy", pictures(3))
    classes.add_crops(made.id, "bored", pictures(2, first=3))
    return made.id


def counts(set_id):
    return {one.name: len(one.examples) for one in classes.load(set_id).classes}


def files(set_id):
    return sorted(path.name for path in classes.load(set_id).folder.glob("*.png"))


def named(set_id):
    return sorted(example.file for _, example in classes.load(set_id).examples)


def test_a_set_is_found_again_and_two_of_a_name_are_two():
    first, second = classes.create("  Café  moods ", BASE), classes.create("Café moods", BASE)
    assert (first.id, second.id) == ("cafe-moods", "cafe-moods-2")
    assert first.title == second.title == "Café moods"
    assert classes.load(first.id) == first and classes.all_sets() == [first, second]
    assert classes.create("表情", BASE).id == "set"


@pytest.mark.parametrize("title", ["", " \n", "!?", "x" * 81])
def test_a_set_has_a_name(title):
    with pytest.raises(BadInput, match="name of letters or digits"):
        classes.create(title, BASE)
    assert classes.all_sets() == [] and list(workspace.folder("teach").iterdir()) == []


def test_the_largest_face_is_taken_with_room_around_it_and_it_is_said():
    photo = data.astronaut()
    both = np.concatenate([photo, np.zeros_like(photo)], axis=1)
    small = crops.faces_of(photo)[0].box
    both[40:, 512:][:360, :360] = photo[60:420, 60:420]
    made = classes.create("People", BASE)
    added = classes.add(made.id, "happy", [("crew.png", both)])
    (example,) = added.taken
    assert added.refused == () and added.notes == ("crew.png: 2 faces, the largest was taken",)
    crop = crops.picture(classes.load(made.id), example)
    assert max(crop.shape[:2]) <= sets.SIDE and crop.shape[0] == crop.shape[1]
    assert example.box.width * crops.MARGIN == pytest.approx(crop.shape[0])
    assert example.box.width == pytest.approx(small.width, abs=4)
    others = classes.create("Others", BASE).id
    every = classes.add(others, "calm", [("crew.png", both)], every_face=True)
    assert [one.source for one in every.taken] == ["crew.png, face 1", "crew.png, face 2"]
    assert every.notes == ()


def test_what_the_network_gets_of_a_kept_crop_is_what_it_gets_of_the_photo():
    photo = data.astronaut()
    made = classes.create("People", BASE)
    classes.add(made.id, "happy", [("astronaut", photo)])
    spec = InputSpec(48, 48, 1)
    (kept,) = crops.inputs(classes.load(made.id), spec).astype(int)
    direct = preprocess.to_input(photo, crops.faces_of(photo)[0], spec).astype(int)
    assert np.abs(kept - direct).mean() < 3


def test_a_photo_without_a_face_is_refused_with_words_and_taken_whole_on_request():
    made, coffee = classes.create("Things", BASE), data.coffee()
    added = classes.add(made.id, "happy", [("cup.png", coffee)])
    assert added.taken == () and added.refused == (("cup.png", "no face was found; it can be taken whole"),)
    (example,) = classes.add(made.id, "happy", [("cup.png", coffee)], whole=True).taken
    assert example.box is None and example.image == pixel_id(coffee)
    height, width = crops.picture(classes.load(made.id), example).shape[:2]
    assert (height, width) == (round(256 * 400 / 600), 256)


def test_a_class_is_spelt_as_datasets_spell_it_and_made_where_it_is_new(moods):
    classes.add_crops(moods, " Happiness ", pictures(1, first=9))
    classes.add_class(moods, "Cat-that-got-the-cream FACE")
    assert counts(moods) == {"happy": 4, "bored": 2, "cat-that-got-the-cream face": 0}


@pytest.mark.parametrize(
    "name", ["", "   ", "--", "a" * 41, "a\x00b", labels.UNKNOWN, labels.UNKNOWN.upper()]
)
def test_names_that_cannot_be_used_are_refused(moods, name):
    with pytest.raises(BadInput):
        classes.add_crops(moods, name, pictures(1, first=9))
    with pytest.raises(BadInput):
        classes.rename_class(moods, "happy", name)
    assert counts(moods) == {"happy": 3, "bored": 2}


def test_the_same_picture_in_two_classes_is_an_error_that_names_both_and_adds_nothing(moods):
    with pytest.raises(Conflict, match=r"picture 1, for 'bored' and already in 'happy'"):
        classes.add_crops(moods, "bored", [*pictures(1, first=9), *pictures(1, first=1)])
    assert counts(moods) == {"happy": 3, "bored": 2} and files(moods) == named(moods)


def test_the_same_picture_in_the_same_class_counts_once(moods):
    added = classes.add_crops(moods, "happy", [*pictures(1), *pictures(1, first=9), *pictures(1, first=9)])
    assert [one.source for one in added.taken] == ["picture 9"]
    assert [title for title, _ in added.refused] == ["picture 0", "picture 9"]
    assert counts(moods)["happy"] == 4


def test_a_class_takes_200_and_says_what_it_does_not_take(monkeypatch, moods):
    monkeypatch.setattr(classes, "MOST_EXAMPLES", 5)
    seen = []
    told = classes.add(moods, "happy", pictures(9, first=9), whole=True, progress=lambda *at: seen.append(at))
    assert len(told.taken) == 2 and counts(moods)["happy"] == 5
    assert told.refused == tuple((f"picture {n}", "a class has at most 5 examples") for n in range(11, 18))
    # What there is no room for is not even looked at.
    assert seen == [(1, 9, "photos looked at"), (2, 9, "photos looked at")]
    with pytest.raises(Conflict, match="at most 5"):
        classes.move(moods, [example.id for example in classes.load(moods).named("bored").examples], "happy")
    assert sets.MOST_EXAMPLES == 200


def test_a_set_has_20_classes_at_most(moods):
    for number in range(18):
        classes.add_class(moods, f"mood {number}")
    with pytest.raises(BadInput, match="at most 20 classes"):
        classes.add_crops(moods, "one more", pictures(1, first=9))
    assert len(classes.add_class(moods, "mood 3").classes) == 20


def test_examples_move_and_go_and_their_pictures_with_them(moods):
    first, second, third = classes.load(moods).named("happy").examples
    classes.move(moods, [first.id, second.id], "bored")
    assert counts(moods) == {"happy": 1, "bored": 4}
    classes.remove(moods, [first.id, third.id])
    assert counts(moods) == {"happy": 0, "bored": 3}
    assert files(moods) == named(moods) and second.file in files(moods)
    with pytest.raises(NotFound, match=first.id):
        classes.remove(moods, [second.id, first.id])
    assert counts(moods) == {"happy": 0, "bored": 3}
    classes.remove_class(moods, "bored")
    assert counts(moods) == {"happy": 0} and files(moods) == []


def test_classes_and_sets_are_renamed_and_a_taken_name_is_refused(moods):
    assert classes.rename_class(moods, "bored", "Tired").names == ("happy", "tired")
    with pytest.raises(Conflict, match="'happy'"):
        classes.rename_class(moods, "tired", "happiness")
    with pytest.raises(NotFound, match="happy, tired"):
        classes.rename_class(moods, "bored", "weary")
    assert classes.rename(moods, "Other moods").id == moods
    assert classes.use_base(moods, "another").base == "another"
    found = classes.load(moods)
    assert (found.title, found.base, counts(moods)) == ("Other moods", "another", {"happy": 3, "tired": 2})


def test_a_deleted_set_is_gone_with_its_photos_and_others_stay(moods):
    other = classes.create("Others", BASE)
    classes.delete(moods)
    assert classes.all_sets() == [other]
    assert [path.name for path in workspace.folder("teach").iterdir()] == [other.id]
    for call in (classes.load, classes.delete):
        with pytest.raises(NotFound, match="others"):
            call(moods)


@pytest.mark.parametrize("name", ["..", "../models", "/etc", "", ".hidden", "a/b"])
def test_an_id_is_no_path(moods, name):
    for call in (classes.load, classes.delete):
        with pytest.raises(NotFound):
            call(name)
    assert classes.load(moods)


def test_a_death_between_picture_and_list_loses_nothing_and_leaves_nothing(moods, monkeypatch):
    before = classes.load(moods)
    write = shelf._write

    def dies(class_set):
        raise KeyboardInterrupt

    monkeypatch.setattr(shelf, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        classes.add_crops(moods, "bored", pictures(1, first=9))
    assert classes.load(moods) == before and len(files(moods)) == 6
    monkeypatch.setattr(shelf, "_write", write)
    classes.add_class(moods, "calm")
    assert files(moods) == named(moods)


def test_many_who_add_at_once_lose_no_photo(moods):
    def adds(number):
        for turn in range(3):
            classes.add_crops(moods, f"mood {number % 2}", pictures(1, first=100 + 10 * number + turn))

    threads = [threading.Thread(target=adds, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(moods) == {"happy": 3, "bored": 2, "mood 0": 6, "mood 1": 6}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 9}', '{"schema_version": 1, "title": "x"}']
)
def test_a_damaged_list_is_left_alone_and_named(moods, text):
    path = classes.load(moods).folder / "set.json"
    path.write_text(text)
    with pytest.raises(StorageError, match=r"set\.json.*left as it is"):
        classes.load(moods)
    with pytest.raises(StorageError):
        classes.add_crops(moods, "happy", pictures(1, first=9))
    assert path.read_text() == text and classes.all_sets() == []


def test_a_lost_picture_is_named(moods):
    found = classes.load(moods)
    _, example = found.examples[0]
    (found.folder / example.file).unlink()
    with pytest.raises(StorageError, match=f"{example.file}.*add its photo again"):
        crops.inputs(found, InputSpec(48, 48, 1))


def test_an_exported_set_comes_back_the_same_elsewhere(moods, tmp_path, monkeypatch):
    packed, before = sharing.exported(moods), classes.load(moods)
    shown = crops.inputs(before, InputSpec(32, 32, 3))
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path / "elsewhere"))
    again = sharing.taken_in(packed)
    assert again == before == classes.load(moods)
    assert np.array_equal(crops.inputs(again, InputSpec(32, 32, 3)), shown)
    assert sharing.taken_in(packed).id == f"{moods}-2"


def test_a_base_that_is_not_here_is_replaced_by_the_default(moods):
    classes.use_base(moods, "somebody_elses")
    assert sharing.taken_in(sharing.exported(moods)).base == library.default_id()


def repacked(packed, change):
    """The zip with its members, name to bytes, changed."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def first_png(members):
    return next(name for name in members if name.endswith(".png"))


def one_of(members):
    return json.loads(members["set.json"])["classes"][0]["examples"][0]


def listed(members, **changes):
    values = json.loads(members["set.json"])
    members["set.json"] = json.dumps(values | changes).encode()


HOSTILE = {
    "a path": lambda m: m.update({"../evil.png": b"x"}),
    "an extra file": lambda m: m.update({"run.sh": b"x"}),
    "a missing picture": lambda m: m.pop(first_png(m)),
    "another picture": lambda m: m.update({first_png(m): encode_png(pictures(1, first=99)[0][1])}),
    "no picture": lambda m: m.update({first_png(m): b"MZ"}),
    "a bomb of a picture": lambda m: m.update({first_png(m): bytes(50_000_000)}),
    "a huge picture": lambda m: m.update({first_png(m): encode_png(np.zeros((3000, 3000), np.uint8))}),
    "a bomb of a list": lambda m: m.update({"set.json": b" " * 50_000_000}),
    "deep nesting": lambda m: m.update({"set.json": b"[" * 100_000}),
    "no list": lambda m: m.pop("set.json"),
    "another schema": lambda m: listed(m, schema_version=2),
    "no classes": lambda m: listed(m, classes=None),
    "a box that is nowhere": lambda m: listed(
        m,
        classes=[
            {"name": "x", "examples": [{**one_of(m), "box": {"x": 1e9, "y": 0, "width": 1, "height": 1}}]}
        ],
    ),
    "an id that is a path": lambda m: listed(
        m,
        classes=[
            {"name": "x", "examples": [{"id": "../../a", "source": "", "box": None, "image": "0" * 64}]}
        ],
    ),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(moods, change):
    packed = repacked(sharing.exported(moods), change)
    with pytest.raises(BadInput, match="Nothing was taken in"):
        sharing.taken_in(packed)
    assert [path.name for path in workspace.folder("teach").iterdir()] == [moods]


@pytest.mark.parametrize("packed", [b"", b"not a zip", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_zip_is_refused(packed):
    with pytest.raises(BadInput, match="zip that was exported here"):
        sharing.taken_in(packed)
