"""What a hurried or hostile user gives to few-shot: each is told in words, and nothing of a set is lost."""

import errno
import io
import os
import time
import zipfile

import numpy as np
import pytest
from skimage import data

from fer_core import cli, labels, workspace
from fer_core.errors import BadInput, Conflict, FerError
from fer_core.fewshot import classes, personal, sets, sharing, teach
from fer_core.imaging.decode import encode_jpeg, encode_png
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from tests.drawn_dataset import picture

BASE = library.DEFAULT


@pytest.fixture(scope="module")
def base():
    return Predictor.load(library.find(BASE).folder)


@pytest.fixture
def moods():
    """The id of a set with two photos of two classes."""
    made = classes.create("Moods", BASE)
    for place, name in enumerate(("glad", "bored")):
        classes.add_crops(made.id, name, [(f"{n}.png", noise(10 * place + n)) for n in range(2)])
    return made.id


def noise(seed, side=48):
    return picture(seed, side, colour=True)


def kept(set_id):
    """All that a set is: its list, and the bytes of its pictures; no file is there that it does not name."""
    found = classes.load(set_id)
    there = {path.name: path.read_bytes() for path in found.folder.iterdir() if path.name != ".lock"}
    assert set(there) == {"set.json", *(example.file for _, example in found.examples)}
    return there


def crowd():
    """A photo of ten people, two rows of five."""
    head = data.astronaut()[0:230, 110:340] // 2
    rows = [np.concatenate([head + 10 * (5 * row + n) for n in range(5)], axis=1) for row in range(2)]
    return np.concatenate(rows)


def test_one_class_or_one_photo_is_told_what_is_missing_and_kept(base):
    made = classes.create("Little", BASE)
    classes.add_crops(made.id, "glad", [("only.png", noise(1))])
    with pytest.raises(BadInput, match="two classes or more.*1 classes.*Add photos"):
        teach.teach(made.id, predictor=base)
    seen = teach.look(made.id, predictor=base)
    assert (seen.scores, seen.kind, seen.confusing) == ({}, None, ())
    classes.add_class(made.id, "bored")
    with pytest.raises(BadInput, match="no photo of bored"):
        teach.teach(made.id, predictor=base)
    assert [path.name for path in workspace.folder("models").iterdir()] == [] and len(kept(made.id)) == 2
    # One photo of each is a model, which says how little it knows.
    classes.add_crops(made.id, "bored", [("other.png", noise(2))])
    card = teach.teach(made.id, predictor=base)
    assert "too few to ask" in card.limitations[0]
    told = Predictor.load(library.find(card.id).folder).predict(np.zeros((1, *card.input.shape), np.uint8))
    assert np.isfinite(told).all()


def test_nothing_at_all_is_no_error(moods, base):
    before = kept(moods)
    assert classes.add(moods, "glad", []) == classes.Added(())
    empty = classes.create("Empty", BASE)
    assert teach.look(empty.id, predictor=base).places == ()
    with pytest.raises(BadInput, match="two classes"):
        teach.teach(empty.id, predictor=base)
    assert sharing.taken_in(sharing.exported(empty.id)).classes == () and kept(moods) == before


def test_the_same_photo_in_two_classes_names_both_and_adds_nothing_as_bytes_too(moods):
    before = kept(moods)
    for photo in (noise(0), encode_png(noise(0))):
        with pytest.raises(Conflict, match="'bored' and already in 'glad'"):
            classes.add_crops(moods, "bored", [("new.png", noise(99)), ("copy.png", photo)])
    assert kept(moods) == before


def test_without_a_face_and_with_ten(moods):
    added = classes.add(moods, "glad", [("grey.png", np.full((200, 200, 3), 90, np.uint8))])
    assert added.taken == () and added.refused == (("grey.png", classes.NO_FACE),)
    photo = crowd()
    added = classes.add(moods, "glad", [("crowd.png", photo)])
    assert len(added.taken) == 1 and added.taken[0].box.width > 60
    assert added.notes == ("crowd.png: 10 faces, the largest was taken",)
    added = classes.add(moods, "bored", [("crowd again.png", photo[:, ::-1].copy())], every_face=True)
    assert len({example.source for example in added.taken}) == len(added.taken) == 10


def test_five_hundred_photos_fill_a_class_and_the_others_are_named(moods, base):
    photos = [(f"{n}.png", encode_png(noise(1000 + n, 16))) for n in range(500)]
    added = classes.add(moods, "glad", photos, whole=True)
    assert len(added.taken) == sets.MOST_EXAMPLES - 2 and len(added.refused) == 500 - 198
    assert {reason for _, reason in added.refused} == {"a class has at most 200 examples"}
    start = time.process_time()
    card = teach.teach(moods, predictor=base)
    assert time.process_time() - start < 10
    assert card.training["taught"]["examples"] == {"glad": 200, "bored": 2}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("empty.jpg", b""),
        ("text.jpg", b"not a photo"),
        ("cut.jpg", encode_jpeg(noise(5))[:300]),
        ("cut.png", encode_png(noise(5))[:300]),
        ("zip.jpg", b"PK\x03\x04" + bytes(100)),
        ("page.jpg", b"<html><script>alert(1)</script>"),
    ],
)
def test_a_damaged_file_is_refused_with_its_reason_and_stops_no_other(moods, name, file):
    added = classes.add(moods, "glad", [(name, file), ("good.png", encode_png(noise(6)))], whole=True)
    assert [example.source for example in added.taken] == ["good.png"]
    ((title, reason),) = added.refused
    assert title == name and "A photo must be" in reason


def test_a_huge_picture_is_refused_before_it_is_read_and_a_large_one_kept_small(moods):
    # 30,000 x 30,000 px in a header; nothing of it is there.
    huge = b"P6\n30000 30000\n255\n" + bytes(100)
    large = encode_jpeg(np.full((2000, 6000, 3), 90, np.uint8))
    added = classes.add(moods, "glad", [("huge.ppm", huge), ("large.jpg", large)], whole=True)
    assert [title for title, _ in added.refused] == ["huge.ppm"] and "million pixels" in added.refused[0][1]
    assert (classes.load(moods).folder / added.taken[0].file).stat().st_size < 300_000


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (7, 3)])
def test_a_sliver_is_taken_or_refused_with_words(moods, base, shape):
    sliver = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for whole in (True, False):
        classes.add(moods, "glad", [("sliver.png", encode_png(sliver))], whole=whole)
    assert np.isfinite(teach.look(moods, predictor=base).distances).all()


HOSTILE_NAMES = {
    "../../etc/passwd": "../../etc/passwd",
    "C:\\temp\\x": "c:\\temp\\x",
    "a/b": "a/b",
    "😀 grin": "😀 grin",
    "Skeptical": "skeptical",
    "sKEPTICAL  ": "skeptical",
    "<b>bold</b>": "<b>bold</b>",
    "'; DROP TABLE sample; --": "'; drop table sample; --",
    "שלום": "שלום",
}


def test_class_names_are_words_and_never_paths(base):
    made = classes.create("../../../escape", BASE)
    for number, name in enumerate(HOSTILE_NAMES):
        classes.add_crops(made.id, name, [(name, noise(number))])
    assert classes.load(made.id).names == tuple(dict.fromkeys(HOSTILE_NAMES.values()))
    assert sorted(path.parent.name for path in kept_files()) == [made.id]
    card = teach.teach(made.id, predictor=base)
    assert library.find(card.id).card.labels.names[:-1] == tuple(dict.fromkeys(HOSTILE_NAMES.values()))
    assert sharing.taken_in(sharing.exported(made.id)).classes == classes.load(made.id).classes


def kept_files():
    """The lists of all sets, wherever in the workspace they lie."""
    return list(workspace.root().rglob("set.json"))


@pytest.mark.parametrize(
    "name",
    ["", " ", "/", "...", "😀", "x" * 300, "a\nb\x00c", "a\u202eb", "unknown", "Unknown ", labels.UNKNOWN],
)
def test_a_name_that_cannot_be_used_changes_nothing(moods, name):
    before = kept(moods)
    for call in (
        lambda: classes.add_crops(moods, name, [("x.png", noise(50))]),
        lambda: classes.add_class(moods, name),
        lambda: classes.add_faces(moods, name, [("x.png", noise(50), None)]),
        lambda: classes.rename_class(moods, "glad", name),
    ):
        with pytest.raises(BadInput):
            call()
    assert kept(moods) == before


def test_a_set_of_any_title_lies_in_its_own_folder():
    for title in ("..", "a/../../b", "CON", "x" * 80, "😀 1", "-rf", "set.json", ".hidden"):
        try:
            made = classes.create(title, BASE)
        except BadInput:
            continue
        assert made.folder.parent == workspace.folder("teach") and not made.id.startswith((".", "-"))
    assert {path.parent.parent for path in kept_files()} == {workspace.folder("teach")}
    assert len(classes.all_sets()) == len(kept_files()) >= 5


def bomb():
    """A zip of 100 kB whose set.json unpacks to 100 MB."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("set.json", "w") as member,
    ):
        for _ in range(100):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


def lying():
    """An honest zip whose directory says that a member is 10 bytes long."""
    data_ = bytearray(bomb())
    place = data_.rfind(b"PK\x01\x02")
    data_[place + 24 : place + 28] = (10).to_bytes(4, "little")
    return bytes(data_)


@pytest.mark.parametrize("packed", [bomb, lying], ids=lambda made: made.__name__)
def test_a_zip_bomb_is_no_set_and_takes_no_memory(moods, packed, tmp_path, capsys):
    before, data_ = kept(moods), packed()
    assert len(data_) < 1_000_000
    with pytest.raises(BadInput, match="Nothing was taken in"):
        sharing.taken_in(data_)
    (tmp_path / "bomb.zip").write_bytes(data_)
    assert cli.main(["fewshot", "import", str(tmp_path / "bomb.zip")]) == 1
    assert "Nothing was taken in" in capsys.readouterr().err
    assert kept(moods) == before and len(classes.all_sets()) == 1
    assert not [path for path in workspace.folder("teach").iterdir() if path.name != moods]


def test_every_truncation_of_an_export_is_refused_or_whole(moods):
    packed = sharing.exported(moods)
    for end in range(0, len(packed), len(packed) // 40):
        with pytest.raises(BadInput):
            sharing.taken_in(packed[:end])
    assert len(classes.all_sets()) == 1


def test_every_flipped_byte_of_an_export_is_refused_or_a_set_that_can_be_used(moods, base):
    packed = bytearray(sharing.exported(moods))
    random = np.random.default_rng(0)
    for place in random.integers(0, len(packed), 60):
        changed = packed.copy()
        changed[place] ^= 0xFF
        try:
            made = sharing.taken_in(bytes(changed))
        except FerError:
            continue
        assert len(teach.look(made.id, predictor=base).places) == 4
        classes.delete(made.id)
    assert len(classes.all_sets()) == 1


def test_the_full_disk_loses_nothing(moods, base, monkeypatch):
    before = kept(moods)
    card = teach.teach(moods, predictor=base)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(FerError, match="No space left"):
            classes.add_crops(moods, "glad", [("x.png", noise(50))])
        # Making the model anew: the one that is there stays.
        patch.setattr("shutil.copyfile", full)
        with pytest.raises(FerError, match="No space left"):
            teach.teach(moods, predictor=base)
    assert kept(moods) == before and Predictor.load(library.find(card.id).folder).card.id == card.id


@pytest.mark.parametrize("place", [0, 1])
def test_whoever_is_second_is_told_and_the_model_that_is_there_stays(moods, base, monkeypatch, place):
    card = teach.teach(moods, predictor=base)
    renamed, rename = [], os.rename

    def too_late(here, there):
        renamed.append(there)
        if len(renamed) == place + 1:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        rename(here, there)

    monkeypatch.setattr("os.rename", too_late)
    with pytest.raises(Conflict, match="somebody else is teaching"):
        teach.teach(moods, predictor=base)
    assert Predictor.load(library.find(card.id).folder).card.id == card.id
    assert [path.name for path in workspace.folder("models").iterdir()] == [card.id]


def test_a_person_of_no_photos_no_face_or_no_name_makes_no_model(base):
    grey = np.full((200, 200, 3), 90, np.uint8)
    for photos, name, why in (
        ([], "Ada", "1 to 50"),
        ([("x.png", grey)] * 51, "Ada", "1 to 50"),
        ([("grey.png", grey)], "Ada", "grey.png, without one"),
        ([("x.png", noise(1))], "../..", "letters or digits"),
    ):
        with pytest.raises(BadInput, match=why):
            personal.calibrate(BASE, photos, name, whole=why != "grey.png, without one", predictor=base)
    assert list(workspace.folder("models").iterdir()) == []
