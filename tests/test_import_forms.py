"""Every form of dataset: recognised by itself, and read as its publishers meant it."""

import base64
import json
from collections import Counter

import drawn_fer2013
import drawn_forms
import numpy as np
import pytest

from fer_core.dataset import exports, importers, ledger, versions
from fer_core.dataset.importers import FORMS, lists
from fer_core.dataset.importers.forms import emotic
from fer_core.dataset.importers.source import open_source
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.imaging.decode import decode_image
from fer_core.labels import AFFECTNET8, FER7, FERPLUS8, NOT_A_FACE, UNSURE, canonical


def fer2013(folder):
    folder.mkdir(parents=True, exist_ok=True)
    drawn_fer2013.write(folder / "fer2013.csv", drawn_fer2013.lines(drawn_fer2013.pictures(8)))
    return folder


def class_folders(folder):
    drawn_forms.put(
        folder, *(f"{s}/{n}/{s}.png" for s in ("train", "test") for n in ("happy", "sadness", "fear"))
    )
    return folder


def jaffe(folder):
    drawn_forms.put(folder, "jaffe/KA.AN1.39.tiff", "jaffe/KA.HA2.30.tiff", "jaffe/YM.NE1.49.tiff")
    return folder


SAMPLES = {
    drawn_forms.affectnet_annotated: "affectnet",
    drawn_forms.affectnet_listed: "affectnet",
    drawn_forms.affectnet_folders: "affectnet",
    drawn_forms.ck_sequences: "ckplus",
    drawn_forms.ck_folders: "ckplus",
    drawn_forms.ck_csv: "ckplus",
    drawn_forms.raf_listed: "rafdb",
    drawn_forms.raf_folders: "rafdb",
    drawn_forms.emotic: "emotic",
    drawn_forms.table: "table",
    drawn_forms.parquet: "parquet",
    drawn_forms.hugging_face: "parquet",
    drawn_forms.label_studio: "label_studio",
    fer2013: "fer2013",
    class_folders: "class_folders",
    jaffe: "jaffe",
}


def read(form, folder):
    """What a form says of a folder: its reading, the samples by source, and each one's label in our words."""
    with open_source(folder) as source:
        reading = FORMS[form].read(source)
        found = {row.source: row for row in reading.found()}
        assert list(reading.found()) == list(found.values())
        for row in found.values():
            assert decode_image(row.data or source.read(row.path)).ndim == 3
            assert row.split in (None, "train", "validation", "test", "none")
    named = {key: _named(row.label, reading.names) for key, row in found.items()}
    return reading, found, named


def _named(label, names):
    return None if label is None else names[label] if label in names else canonical(label)


@pytest.mark.parametrize("draw", SAMPLES, ids=lambda draw: draw.__name__)
def test_each_form_knows_its_own_and_no_other_wants_it_more(draw, tmp_path):
    with open_source(draw(tmp_path / "set")) as source:
        wanted = {key: form.fits(source) for key, form in FORMS.items()}
    own = wanted.pop(SAMPLES[draw])
    assert own > max(wanted.values()), wanted
    assert own <= 9 and min(wanted.values()) >= 0


def test_every_form_has_a_sample():
    assert set(SAMPLES.values()) == FORMS.keys()


@pytest.mark.parametrize("draw", SAMPLES, ids=lambda draw: draw.__name__)
def test_what_the_preview_says_is_what_comes_in_and_comes_in_once(draw, tmp_path):
    folder = draw(tmp_path / "set")
    seen = importers.preview(folder)
    store = Store.open(tmp_path / "studio.db")
    report = importers.import_any(store, folder)
    assert (seen.form, seen.rows, seen.splits) == (SAMPLES[draw], report.rows, report.splits)
    assert report.added == report.rows > 1 and seen.examples
    if seen.splits == "source":
        assert seen.counts == report.counts
    assert store.dataset(report.dataset).label_set == seen.label_set
    again = importers.import_any(store, folder)
    assert (again.added, again.already_there) == (0, report.rows)


@pytest.mark.parametrize("form", ["class_folders", "label_studio", "parquet"])
@pytest.mark.parametrize(
    "draw",
    [jaffe, drawn_forms.ck_folders, drawn_forms.raf_folders, drawn_forms.ck_csv],
    ids=lambda d: d.__name__,
)
def test_an_export_is_read_by_its_own_labels_whatever_its_files_are_called(draw, form, tmp_path):
    store = Store.open(tmp_path / "studio.db")
    name = importers.import_any(store, draw(tmp_path / "set")).dataset
    first, second, third, *_ = versions.manifest(store, name)["sample"].tolist()
    ledger.relabel(store, [(first, "surprise"), (second, NOT_A_FACE), (third, None)], "me")
    exports.export(store, name, form, tmp_path / f"out{exports.EXPORTS[form].endings[0]}")
    (out,) = tmp_path.glob("out*")
    assert importers.preview(out).form == form
    importers.import_any(store, out, name="back")
    assert versions.manifest_id(versions.manifest(store, "back")) == versions.manifest_id(
        versions.manifest(store, name)
    )


@pytest.mark.parametrize("draw", SAMPLES, ids=lambda draw: draw.__name__)
def test_the_same_files_give_the_same_keys_wherever_they_lie(draw, tmp_path):
    one, other = (read(SAMPLES[draw], draw(tmp_path / name))[1] for name in ("one", "two"))
    assert list(one) == list(other) and len(one) > 1


def test_affectnet_annotations(tmp_path):
    reading, found, named = read("affectnet", drawn_forms.affectnet_annotated(tmp_path))
    assert reading.label_set is AFFECTNET8 and not reading.problems
    assert named == {
        "train_set/images/0.jpg": "neutral",
        "train_set/images/7.jpg": "happy",
        "train_set/images/12.jpg": "contempt",
        "val_set/images/3.jpg": "angry",
    }
    seven, none = found["train_set/images/7.jpg"], found["train_set/images/12.jpg"]
    assert (seven.split, seven.valence, seven.arousal) == ("train", 0.8, 0.3)
    assert (none.valence, none.arousal) == (None, None)
    assert found["val_set/images/3.jpg"].split == "validation"


def test_an_annotation_is_never_unpickled(tmp_path):
    drawn_forms.affectnet_annotated(tmp_path)
    np.save(tmp_path / "train_set/annotations/7_exp.npy", np.array({"a": 1}, object), allow_pickle=True)
    (tmp_path / "train_set/images/12.jpg").unlink()
    drawn_forms.put(tmp_path, "val_set/images/99.jpg")
    reading, found, _ = read("affectnet", tmp_path)
    assert len(found) == 2
    assert reading.problems == {
        "Annotations that cannot be read": ["train_set/annotations/7_exp.npy"],
        "Annotations whose picture is missing": ["train_set/annotations/12_exp.npy"],
        "Pictures without an annotation; left out": ["val_set/images/99.jpg"],
    }


def test_affectnet_csv_with_and_without_a_first_line_of_names(tmp_path):
    reading, found, named = read("affectnet", drawn_forms.affectnet_listed(tmp_path))
    top = "Manually_Annotated_Images"
    assert named == {
        f"{top}/1/10af.jpg": "happy",
        f"{top}/2/20af.jpg": UNSURE,
        f"{top}/3/30af.jpg": NOT_A_FACE,
        f"{top}/4/40af.jpg": None,  # none of the eight: left out, by the map
        f"{top}/5/50af.jpg": "disgust",
    }
    assert found[f"{top}/4/40af.jpg"].label == "8" and reading.names["8"] is None
    assert found[f"{top}/2/20af.jpg"].valence is None
    last = found[f"{top}/5/50af.jpg"]
    assert (last.split, last.valence, last.arousal) == ("validation", -0.75, 0.25)
    assert [len(which) for which in reading.problems.values()] == [1]


def test_affectnet_folders(tmp_path):
    _, found, named = read("affectnet", drawn_forms.affectnet_folders(tmp_path))
    assert [named[f"AffectNet/train/{n}/{n}1.jpg"] for n in range(8)] == list(AFFECTNET8.names)
    assert Counter(row.split for row in found.values()) == {"train": 8, "validation": 8}


def test_ck_sequences_give_the_peak_and_a_neutral_face(tmp_path):
    reading, found, named = read("ckplus", drawn_forms.ck_sequences(tmp_path))
    top = "cohn-kanade-images"
    assert named == {
        f"{top}/S005/001/S005_001_00000001.png": "neutral",
        f"{top}/S005/001/S005_001_00000003.png": "disgust",
        f"{top}/S010/002/S010_002_00000001.png": "neutral",
        f"{top}/S010/002/S010_002_00000004.png": "surprise",
    }
    assert [row.subject for row in found.values()] == ["S005", "S005", "S010", "S010"]
    assert reading.problems == {"Sequences without a label; left out": ["S010/003"]}
    assert reading.label_set is FERPLUS8


def test_ck_folders(tmp_path):
    _, found, named = read("ckplus", drawn_forms.ck_folders(tmp_path))
    assert set(named.values()) == {"angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"}
    assert found["CK+48/anger/S010_004_00000017.png"].subject == "S010"


def test_ck_csv(tmp_path):
    drawn_forms.ck_csv(tmp_path)
    with (tmp_path / "ckextended.csv").open("a") as file:
        file.write("3,1 2 3,Training\n4,1 2 3 300,Training\n")
    reading, found, named = read("ckplus", tmp_path)
    assert list(named.values()) == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt",
    ]  # fmt: skip
    assert Counter(row.split for row in found.values()) == {"train": 6, "validation": 1, "test": 1}
    assert sum(map(len, reading.problems.values())) == 2
    written = (tmp_path / "ckextended.csv").read_text().splitlines()[1].split(",")[1]
    shown = decode_image(found["ckextended.csv:1"].data)[:, :, 0]
    assert " ".join(map(str, shown.ravel())) == written


def test_raf_list(tmp_path):
    reading, found, named = read("rafdb", drawn_forms.raf_listed(tmp_path))
    assert named == {
        "Image/aligned/train_00001_aligned.jpg": "sad",
        "Image/aligned/train_00002_aligned.jpg": "surprise",
        "Image/aligned/test_0001_aligned.jpg": "neutral",
    }
    assert [row.split for row in found.values()] == ["train", "train", "test"]
    assert [len(which) for which in reading.problems.values()] == [1]


def test_raf_folders(tmp_path):
    reading, found, named = read("rafdb", drawn_forms.raf_folders(tmp_path))
    order = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]
    assert [named[f"DATASET/train/{n}/train_{n:05d}_aligned.jpg"] for n in range(1, 8)] == order
    assert [named[f"DATASET/test/{n}/test_{n:04d}_aligned.jpg"] for n in range(1, 8)] == order
    assert Counter(row.split for row in found.values()) == {"train": 7, "test": 7}
    assert reading.label_set is FER7 and not reading.problems


def test_emotic(tmp_path):
    reading, found, named = read("emotic", drawn_forms.emotic(tmp_path))
    assert named == {
        "emotic/framesdb/images/c.jpg": "disgust",
        "emotic/mscoco/images/a.jpg": "happy",
        "emotic/mscoco/images/a.jpg#2": None,
    }
    last, first, second = found.values()
    assert (first.valence, first.arousal) == (1.0, 0.0) and second.label == "Disconnection"
    assert (last.split, last.valence, last.arousal) == ("test", -1.0, 0.5)
    several, scenes = reading.problems
    assert reading.problems[several] == ["emotic/ade20k/images/b.jpg: Fear, Surprise"]
    assert "person's box" in scenes
    assert set(emotic.BASIC) <= set(emotic.CATEGORIES) and len(emotic.CATEGORIES) == 26


def test_emotic_with_a_label_or_a_column_a_category(tmp_path):
    drawn_forms.put(tmp_path, "a.jpg", "b.jpg")
    lines = ["path,label,valence,arousal,dominance", "a.jpg,happy,10,1,5", "b.jpg,Peace,5.5,11,5"]
    drawn_forms.write(tmp_path, "list.csv", "\n".join(lines))
    _, found, named = read("emotic", tmp_path)
    assert named == {"a.jpg": "happy", "b.jpg": None} and found["b.jpg"].label == "Peace"
    assert (found["a.jpg"].valence, found["a.jpg"].arousal) == (1, -1)
    assert (found["b.jpg"].valence, found["b.jpg"].arousal) == (0, None)
    flags = [str(int(name in ("Sadness", "Pain"))) for name in emotic.CATEGORIES]
    lines = ["Filename," + ",".join(emotic.CATEGORIES), "b.jpg," + ",".join(flags)]
    drawn_forms.write(tmp_path, "list.csv", "\n".join(lines))
    assert read("emotic", tmp_path)[2] == {"b.jpg": "sad"}


def test_a_table_of_another_machine(tmp_path):
    reading, found, named = read("table", drawn_forms.table(tmp_path))
    assert named == {"faces/a one.png": "happy", "faces/b.png": "sad", "more/b.png": None}
    assert [row.split for row in found.values()] == ["train", "validation", "test"]
    assert [row.subject for row in found.values()] == ["Ann", "Bob", None]
    assert [(row.valence, row.arousal) for row in found.values()] == [(0.5, 0.25), (-0.5, None), (None, None)]
    assert {what.split(";")[0]: len(which) for what, which in reading.problems.items()} == {
        "Rows whose file is missing": 1,
        "Valence or arousal outside -1 to 1": 1,
        "Pictures that no row names": 1,
    }


def test_tables_named_after_splits_with_numbers_for_classes(tmp_path):
    drawn_forms.put(tmp_path, "a.png", "b.png", "c.png")
    drawn_forms.write(tmp_path, "train.tsv", "file\tclass\na.png\t0\nb.png\t3.0\na.png\t1\n")
    drawn_forms.write(tmp_path, "val_labels.tsv", "file\tclass\nc.png\t6\n")
    reading, found, named = read("table", tmp_path)
    assert named == {"a.png": "angry", "b.png": "happy", "c.png": "neutral"}
    assert [row.split for row in found.values()] == ["train", "train", "validation"]
    assert any(what.startswith("The classes are numbers") for what in reading.problems)
    assert ["train.tsv, row 3: a.png"] in reading.problems.values()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_tables_in_any_usual_encoding(encoding, tmp_path):
    drawn_forms.put(tmp_path, "größe.png")
    drawn_forms.write(tmp_path, "list.csv", "image,label\ngröße.png,fear\n".encode(encoding))
    assert read("table", tmp_path)[2] == {"größe.png": "fear"}


def test_a_guess_that_fits_two_files_is_none(tmp_path):
    drawn_forms.put(tmp_path, "x/1.png", "y/1.png", "x/2.png")
    with open_source(tmp_path) as source:
        files = lists.Files(source)
    assert files.find("/somewhere/1.png") is None
    assert files.find("D:\\set\\Y\\1.PNG") == "y/1.png"
    assert files.find("./y/../x/1.png") == "x/1.png"
    assert files.find("../x/2.png", beside="lists/all.csv") == "x/2.png"
    assert files.find("/a/2.png") == "x/2.png"
    assert files.find("/b/2.png") is None, "another row has made this guess"
    assert files.find("") is None and files.find("..") is None


def test_parquet_as_it_is_exported(tmp_path):
    _, found, named = read("parquet", drawn_forms.parquet(tmp_path))
    assert named == {"a.png": "happy", "b.png": None, "c.png": NOT_A_FACE}
    assert [row.split for row in found.values()] == ["train", "validation", "none"]
    assert (found["a.png"].subject, found["a.png"].valence, found["a.png"].arousal) == ("Ann", 0.5, -0.5)
    assert [row.votes for row in found.values()] == [{"happy": 8, "sad": 2}, None, None]
    assert [row.data for row in found.values()] == [drawn_forms.picture(n) for n in (1, 2, 3)]


def test_parquet_of_hugging_face(tmp_path):
    _, found, named = read("parquet", drawn_forms.hugging_face(tmp_path))
    assert named == {"test_0.png": "sad", "test_1.png": "happy", "train_0.png": "sad", "train_1.png": "happy"}
    assert {row.split for row in found.values()} == {"train", "test"}


def test_a_damaged_parquet_says_so(tmp_path):
    drawn_forms.parquet(tmp_path)
    whole = (tmp_path / "faces.parquet").read_bytes()
    (tmp_path / "faces.parquet").write_bytes(whole[: len(whole) // 2])
    with open_source(tmp_path) as source, pytest.raises(BadInput, match="Get it again"):
        FORMS["parquet"].read(source)


def test_label_studio(tmp_path):
    reading, found, named = read("label_studio", drawn_forms.label_studio(tmp_path))
    assert {key[7]: label for key, label in named.items()} == {
        "a": "happy", "b": "sad", "c": None, "d": None, "e": "happy",
    }  # fmt: skip
    several = found["images/b.png"]
    assert several.votes == {"Sad": 2, "Happy": 1}
    assert (several.split, several.subject, several.valence) == ("test", "Bob", -0.5)
    assert found["images/a.png"].votes is None
    assert sorted(map(len, reading.problems.values())) == [1, 1]


def test_label_studio_of_our_own_export(tmp_path):
    def said(label, true):
        value = {"from_name": "expression", "type": "choices", "value": {"choices": [label]}}
        return {"ground_truth": true, "was_cancelled": False, "result": [value] if label else []}

    packed = "data:image/png;base64," + base64.b64encode(drawn_forms.picture(1)).decode()
    votes = [said("happy", False)] * 2
    tasks = [
        {"data": {"image": packed, "source": "one"}, "annotations": [said("sad", True), *votes]},
        {"data": {"image": packed, "source": "two"}, "annotations": [said(None, True), *votes]},
    ]
    drawn_forms.write(tmp_path, "tasks.json", json.dumps(tasks))
    reading, found, named = read("label_studio", tmp_path)
    assert named == {"one": "sad", "two": None} and not reading.problems
    assert [row.votes for row in found.values()] == [{"happy": 2}, {"happy": 2}]
    assert [row.data for row in found.values()] == [drawn_forms.picture(1)] * 2


@pytest.mark.parametrize("content", ["[{", "[1, null]", '[{"data": []}]', "[" * 100_000])
def test_label_studio_that_is_not_one(content, tmp_path):
    drawn_forms.write(tmp_path, "a.json", content)
    with open_source(tmp_path) as source:
        try:
            assert list(FORMS["label_studio"].read(source).found()) == []
        except BadInput as error:
            assert "Export it again" in str(error)
