"""Class folders and JAFFE: every usual way to lay them out, told apart and read alike."""

import os
from pathlib import Path

import numpy as np
import pytest
from packed import as_folder, as_zip, pictures

from fer_core.dataset.importers import FORMS, import_any, preview
from fer_core.dataset.importers.forms import class_folders, jaffe
from fer_core.dataset.importers.source import open_source
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.imaging.decode import encode_png
from fer_core.labels import AFFECTNET8, FER7


def read(place: Path, form: str) -> tuple[int, list[tuple], dict]:
    """How well it fits; (path, label as it becomes, split) of each picture; problems."""
    with open_source(place) as source:
        reading = FORMS[form].read(source)
        found = [
            (f.source, reading.names.get(f.label, f.label) if f.label else None, f.split)
            for f in reading.found()
        ]
        return FORMS[form].fits(source), found, reading.problems


@pytest.mark.parametrize(
    ("path", "label", "split"),
    [
        ("happy/1.png", "happy", None),
        ("Happiness/1.png", "happy", None),
        ("faces/HAPPY/1.png", "happy", None),
        ("train/happy/1.png", "happy", "train"),
        ("test/happy/1.png", "happy", "test"),
        ("images/validation/happy/1.png", "happy", "validation"),
        ("a/b/c/Training/d/joy/e/1.png", "happy", "train"),
        ("happy/val/1.png", "happy", "validation"),
        ("PublicTest/sad/1.png", "sad", "validation"),
        ("PrivateTest/sad/1.png", "sad", "test"),
        ("test/train/sad/1.png", "sad", "train"),
        ("Train_Set/sad/1.png", "sad", "train"),
        ("dev/3_happy/1.png", "happy", "validation"),
        ("valid/03 - Happy/1.png", "happy", "validation"),
        ("testing/not a face/1.png", "not a face", "test"),
        ("none/unsure/1.png", "unsure", "none"),
        ("none/no label/1.png", None, "none"),
        ("no label/1.png", None, None),
        ("smiles/1.png", "smiles", None),
        ("train/smiles/1.png", "smiles", "train"),
        ("happy/anna/1.png", "happy", None),
    ],
)
def test_folders_say_class_and_split(tmp_path, path, label, split):
    _, found, problems = read(as_folder(tmp_path / "faces", pictures(path)), "class_folders")
    assert found == [(path, label, split)] and problems == {}


def test_numbers_are_fer2013s(tmp_path):
    place = as_folder(tmp_path / "faces", pictures(*(f"train/{k}/a.png" for k in range(7))))
    fits, found, problems = read(place, "class_folders")
    assert fits == 4 and [label for _, label, _ in found] == list(FER7.names)
    assert list(problems) == [class_folders.NUMBERS]
    assert preview(place).label_set == FER7


def test_numbers_that_fer2013_does_not_have_stay_numbers(tmp_path):
    place = as_folder(tmp_path / "faces", pictures(*(f"{k}/a.png" for k in range(1, 9))))
    _, found, problems = read(place, "class_folders")
    assert [label for _, label, _ in found] == [str(k) for k in range(1, 9)] and problems == {}


def test_what_is_no_picture_or_in_no_folder_is_named(tmp_path):
    files = pictures("happy/1.png", "loose.png", "train/2.png") | {"readme.txt": b"x", "happy/1.txt": b"x"}
    _, found, problems = read(as_zip(tmp_path / "a.zip", files), "class_folders")
    assert [path for path, *_ in found] == ["happy/1.png"]
    assert problems == {
        class_folders.OTHER: ["happy/1.txt", "readme.txt"],
        class_folders.LOOSE: ["loose.png", "train/2.png"],
    }


@pytest.mark.parametrize(
    ("paths", "fits"),
    [
        (("happy/1.png", "sad/1.png"), 5),
        (("0/1.png", "1/1.png"), 4),
        (("happy/1.png", *(f"holiday/{k}.png" for k in range(5))), 2),
        (("cats/1.png", "dogs/1.png"), 1),
        (("cats/1.png", "cats/2.png"), 0),
        (("1.png", "2.png"), 0),
        (("happy/notes.txt",), 0),
    ],
)
def test_how_well_folders_fit(tmp_path, paths, fits):
    files = dict.fromkeys(paths, b"")
    assert read(as_zip(tmp_path / "a.zip", files), "class_folders")[0] == fits


def test_pgm_folders_are_imported_byte_for_byte(tmp_path):
    """The siamese seed prepares its set as 256x256 grey .pgm in a folder for each expression."""
    files = pictures(*(f"train/{name}/{k}.pgm" for name in ("anger", "contempt", "joy") for k in range(2)))
    store = Store.open(tmp_path / "studio.db")
    report = import_any(store, as_zip(tmp_path / "aed.zip", files))
    assert report.dataset == "aed" and report.counts == {"train": {"angry": 2, "contempt": 2, "happy": 2}}
    assert store.dataset("aed").label_set == AFFECTNET8
    with store.read() as connection:
        stored = connection.exec_driver_sql(
            "SELECT source, data FROM sample JOIN image_data ON sample.image = image_data.image"
        ).all()
    assert dict(map(tuple, stored)) == files


@pytest.mark.parametrize(
    ("name", "label", "subject"),
    [
        ("KA.AN1.39.tiff", "angry", "KA"),
        ("jaffe/UY.NE3.115.tiff", "neutral", "UY"),
        ("TM.SU3.189.jpg", "surprise", "TM"),
        ("km.di2.20.TIFF", "disgust", "KM"),
    ],
)
def test_jaffe_names_say_person_and_expression(tmp_path, name, label, subject):
    place = as_zip(tmp_path / "a.zip", {name: b"", "jaffe/README": b"", "jaffe/other.png": b""})
    with open_source(place) as source:
        (found,) = FORMS["jaffe"].read(source).found()
        assert FORMS["jaffe"].fits(source) == 1, "half of the pictures are called otherwise"
        assert FORMS["jaffe"].read(source).problems == {jaffe.OTHER: ["jaffe/other.png"]}
    assert (found.source, found.subject) == (name, subject)
    assert FER7.names[FER7.index(found.label)] == label


def test_jaffe_is_recognised_and_split_by_person(tmp_path):
    names = [
        f"jaffe/{who}.{what}{n}.{n}.png"
        for who in "KA KL KM KR".split()
        for what in "AN HA NE".split()
        for n in (1, 2)
    ]
    store = Store.open(tmp_path / "studio.db")
    place = as_zip(tmp_path / "japanese.zip", pictures(*names))
    assert preview(place).form == "jaffe" and preview(place).subjects == 4
    import_any(store, place)
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT DISTINCT subject, split FROM sample").all()
    assert sorted(subject for subject, _ in rows) == ["KA", "KL", "KM", "KR"], "nobody is in two splits"


@pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no folder with jaffe.zip")
def test_the_real_sets(tmp_path):
    folder = Path(os.environ["FER_DATA"])
    store = Store.open(tmp_path / "studio.db")
    seen = preview(folder / "jaffe.zip")
    assert (seen.form, seen.rows, seen.subjects, seen.label_set) == ("jaffe", 213, 10, FER7)
    report = import_any(store, folder / "jaffe.zip")
    assert (report.added, report.unreadable, report.splits) == (213, 0, "assigned")
    assert {split: 4 < len(counts) <= 7 for split, counts in report.counts.items()} == dict.fromkeys(
        ("train", "validation", "test"), True
    )
    assert 0.5 < sum(report.counts["train"].values()) / 213 < 0.7
    report = import_any(store, folder / "affect7.zip")
    assert (report.added, report.splits, report.duplicates) == (2730, "source", 0)
    assert report.counts == {
        "train": dict.fromkeys(FER7.names, 330),
        "test": dict.fromkeys(FER7.names, 60),
    }


def test_a_part_of_train_validates_where_nothing_else_does(tmp_path):
    place = tmp_path / "faces"
    for split, count in (("train", 20), ("test", 6)):
        for label in ("happy", "sad"):
            for number in range(count):
                picture = np.full(
                    (9, 9), number * 7 + (label == "sad") * 3 + (split == "test") * 101, np.uint8
                )
                file = place / split / label / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(encode_png(picture))
    store = Store.open()
    assert preview(place).counts.keys() == {"train", "test"}
    expected = {"train": {"happy": 15, "sad": 15}, "validation": {"happy": 5, "sad": 5}}
    expected["test"] = {"happy": 6, "sad": 6}
    assert preview(place, hold_out=25).counts == expected
    assert import_any(store, place, hold_out=25).counts == expected
    assert import_any(store, place, hold_out=25).added == 0
    assert import_any(store, place, name="as it came").counts.keys() == {"train", "test"}
    with pytest.raises(BadInput, match="hold_out=100"):
        preview(place, hold_out=100)
