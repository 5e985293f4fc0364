"""Exports: whole or absent, named safely, and the same again when they come back."""

import base64
import csv
import json
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from drawn_dataset import here, picture, row, write

from fer_core import labels
from fer_core.dataset import exports, importers, ledger, removal, versions
from fer_core.dataset.exports import names, selection
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.imaging.decode import decode_image, pixel_id
from fer_core.imaging.preprocess import InputSpec, to_input


def varied(**more):
    """Everything that makes an export hard: twins, other scripts, the same file name twice, odd names."""
    return [
        row("a/happy.png", picture(1), "happy", "train", subject="Ünal"),
        row("b/happy.png", picture(2), "sad", "train", votes={"sad": 3, "happy": 1}),
        row("b/HAPPY.PNG", picture(2), "fear", "test", votes={"sad": 2}),
        row("脸/笑 顔.jpg", picture(3, 16, colour=True), "surprise", "validation", "jpg", subject="子"),
        row("fer2013.csv:7", picture(4), None, "none", "pgm", votes={"happy": 2}),
        row("../con.pgm", picture(5), labels.NOT_A_FACE, "test", "pgm", valence=-0.5, arousal=0.25),
        row("wrong ending.jpg", picture(6), labels.UNSURE, "none", "png"),
        row("=cmd|' /C calc'!A0", picture(7), "disgust", "none", "png"),
    ]


def grey_only():
    """Samples as FER2013's csv can hold them, one of them twice."""
    kinds = ("train", "validation", "test")
    rows = [
        row(f"{n}.png", picture(n), labels.FER7.names[n % 7], kinds[n % 3], "pgm" if n % 2 else "png")
        for n in range(9)
    ]
    return [*rows, row("again.png", picture(0), "sad", "test")]


def state(store, name="faces", version=None):
    return versions.manifest_id(versions.manifest(store, name, version))


@pytest.fixture
def store(tmp_path):
    return here(tmp_path, varied())


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def zipped(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_class_folders_hold_the_pictures_as_they_came(store, tmp_path):
    report = exports.export(store, "faces", "class_folders", tmp_path / "out.zip")
    found = zipped(tmp_path / "out.zip")
    assert list(found) == [
        "train/happy/happy.png",
        "train/sad/happy-5e543c43.png",
        "test/fear/HAPPY-effbc4ee.PNG",
        "validation/surprise/笑 顔.jpg",
        "none/no label/fer2013.csv_7.pgm",
        "test/not a face/_con.pgm",
        "none/unsure/wrong ending.png",
        "none/disgust/C calc'!A0.png",
    ]
    originals = {s.data for s in varied()}
    assert set(found.values()) <= originals
    assert (report.rows, report.left_out, report.bytes) == (8, {}, (tmp_path / "out.zip").stat().st_size)
    exports.export(store, "faces", "class_folders", tmp_path / "out")
    folder = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_bytes()
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    assert folder == found


def test_a_name_depends_neither_on_the_label_nor_on_what_else_is_exported(store, tmp_path):
    exports.export(store, "faces", "class_folders", tmp_path / "before.zip", samples=[2])
    ledger.relabel(store, [(2, "happy")], "Ada")
    exports.export(store, "faces", "class_folders", tmp_path / "after.zip")
    (before,) = zipped(tmp_path / "before.zip")
    assert before.replace("/sad/", "/happy/") in zipped(tmp_path / "after.zip")


@pytest.mark.parametrize(
    "text", ["a/b\\c", "CON", "com1.png", " . ", "..", "", "x" * 400, "é" * 200, "a\x00b\n", "e\u0301"]
)
def test_safe_names(text):
    name = names.safe(text)
    assert name and name == names.safe(name) and len(name.encode()) <= names.LONGEST + 1
    assert not set(name) & set('<>:"/\\|?*\x00\n') and not name.startswith(".") and name.strip(" .") == name


def test_a_label_that_can_be_no_folder_is_refused(tmp_path):
    odd = labels.custom(["good/bad", "so so"])
    store = here(tmp_path, [row("a.png", picture(1), "good/bad")], label_set=odd)
    with pytest.raises(BadInput, match="good/bad.*Parquet"):
        exports.export(store, "faces", "class_folders", tmp_path / "out.zip")
    assert sorted(p.name for p in tmp_path.iterdir() if "studio" not in p.name) == []


def test_an_old_version_is_exported_as_it_was(store, tmp_path):
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad")], "Ada")
    write(store, [row("late.png", picture(9))], why="late")
    exports.export(store, "faces", "parquet", tmp_path / "one.parquet", version="one")
    frame = pd.read_parquet(tmp_path / "one.parquet")
    assert frame["label"].tolist()[0] == "happy" and len(frame) == 8
    exports.export(store, "faces", "parquet", tmp_path / "now.parquet")
    frame = pd.read_parquet(tmp_path / "now.parquet")
    assert frame["label"].tolist()[0] == "sad" and len(frame) == 9


def test_parquet_holds_everything_in_groups_of_rows(store, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "ROWS", 3)
    exports.export(store, "faces", "parquet", tmp_path / "out.parquet")
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_row_groups == 3
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert list(frame.columns) == [
        "image",
        "file",
        "label",
        "split",
        "subject",
        "valence",
        "arousal",
        "votes",
    ]
    for (_, got), given in zip(frame.iterrows(), varied(), strict=True):
        kept = {k: None if pd.isna(v) else v for k, v in got.items()}
        assert (kept["file"], kept["label"], kept["split"]) == (given.source, given.label, given.split)
        assert (kept["subject"], kept["valence"], kept["arousal"]) == (
            given.subject, given.valence, given.arousal,
        )  # fmt: skip
        assert json.loads(kept["votes"] or "null") == given.votes
        assert pixel_id(decode_image(kept["image"])) == given.image


def test_memory_is_bounded_by_bytes_too(store, monkeypatch):
    monkeypatch.setattr(selection, "GROUP_BYTES", 200)
    chosen = exports._selection(store, "faces", None, None)
    sizes = [[len(data) for _, data in group] for group in chosen.groups()]
    assert sum(map(len, sizes)) == 8 and all(len(group) == 1 or sum(group) <= 400 for group in sizes)
    assert len(sizes) > 3


def test_fer2013_csv_is_the_official_one(tmp_path):
    store = here(tmp_path, grey_only())
    exports.export(store, "faces", "fer2013", tmp_path / "out.csv")
    rows = table(tmp_path / "out.csv")
    assert list(rows[0]) == ["emotion", "pixels", "Usage"]
    assert [r["emotion"] for r in rows] == ["0", "1", "2", "3", "4", "5", "6", "0", "1", "4"]
    assert [r["Usage"] for r in rows[:3]] == ["Training", "PublicTest", "PrivateTest"]
    assert rows[1]["pixels"] == " ".join(map(str, picture(1).ravel()))


def test_fer2013_says_what_stands_in_the_way_or_leaves_it_out(store, tmp_path):
    write(
        store, [row("wide.png", np.zeros((8, 9), np.uint8)), row("red.png", picture(8, colour=True))], why="2"
    )
    with pytest.raises(BadInput, match="3 .*1 not square.*nothing was written|1 not square"):
        exports.export(store, "faces", "fer2013", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    report = exports.export(store, "faces", "fer2013", tmp_path / "out.csv", leave_out=True)
    assert report.rows == 3 and report.left_out == {
        "not square": 1,
        "of another size than 8 px": 1,
        "without a label": 1,
        "labelled not a face": 1,
        "labelled unsure": 1,
        "without a split": 1,
        "in colour (this is the first)": 1,
    }
    only_colour = here(tmp_path, [row("a.png", picture(1, colour=True))], name="colour", why="3")
    with pytest.raises(BadInput, match="in colour"):
        exports.export(only_colour, "colour", "fer2013", tmp_path / "colour.csv")


def test_pgm_takes_the_one_road(store, tmp_path):
    exports.export(store, "faces", "pgm", tmp_path / "out.zip")
    found = zipped(tmp_path / "out.zip")
    assert len(found) == 8 and all(name.endswith(".pgm") for name in found)
    data = found["validation/surprise/笑 顔.pgm"]
    original = decode_image(next(r.data for r in varied() if r.source.startswith("脸")))
    assert data == b"P5\n256 256\n255\n" + to_input(original, None, InputSpec(256, 256, 1)).tobytes()


def test_label_studio_tasks(store, tmp_path):
    exports.export(store, "faces", "label_studio", tmp_path / "out.zip")
    found = zipped(tmp_path / "out.zip")
    tasks = json.loads(found["tasks.json"])
    second, unlabelled = tasks[1], tasks[4]
    assert found[second["data"].pop("image")] == varied()[1].data
    assert second["data"] == {"source": "b/happy.png", "split": "train"}
    said = [(a["ground_truth"], [r["value"]["choices"] for r in a["result"]]) for a in second["annotations"]]
    assert said == [(True, [["sad"]])] + [(False, [["sad"]])] * 3 + [(False, [["happy"]])]
    assert [a["result"] == [] for a in unlabelled["annotations"]] == [True, False, False]
    assert b'<Choice value="not a face"/>' in found["labeling_config.xml"]
    exports.export(store, "faces", "label_studio", tmp_path / "out.json")
    inside = json.loads((tmp_path / "out.json").read_text("utf-8"))
    kind, _, packed = inside[3]["data"]["image"].partition(";base64,")
    assert kind == "data:image/jpeg" and base64.b64decode(packed) == varied()[3].data


def changed(store):
    """Labels as they are corrected by two people, with a version in between."""
    ledger.relabel(store, [(1, "sad"), (8, labels.NOT_A_FACE)], "Ada", "=typo")
    versions.freeze(store, "faces", "middle", "Ada")
    ledger.relabel(store, [(2, None), (3, "happy"), (5, "fear")], "子", "second, look\nagain")
    ledger.relabel(store, [(3, "fear")], "Ada")


def test_changes_only(store, tmp_path):
    changed(store)
    report = exports.export(store, "faces", "changes", tmp_path / "all.csv")
    rows = table(tmp_path / "all.csv")
    assert report.rows == 4 and [(r["source"], r["old"], r["new"], r["who"]) for r in rows] == [
        ("a/happy.png", "happy", "sad", "Ada"),
        ("'=cmd|' /C calc'!A0", "disgust", "not a face", "Ada"),
        ("b/happy.png", "sad", "", "子"),
        ("fer2013.csv:7", "", "fear", "子"),
    ]
    assert rows[0]["why"] == "'=typo" and rows[0]["image"] == varied()[0].image
    exports.export(store, "faces", "changes", tmp_path / "since.csv", since="middle")
    assert len(table(tmp_path / "since.csv")) == 2
    exports.export(store, "faces", "changes", tmp_path / "until.csv", version="middle")
    assert len(table(tmp_path / "until.csv")) == 2


def test_changes_bring_another_copy_to_the_same_version(store, tmp_path):
    changed(store)
    exports.export(store, "faces", "changes", tmp_path / "changes.csv")
    (tmp_path / "copy").mkdir()
    copy = here(tmp_path / "copy", varied())
    assert state(copy) != state(store)
    applied = exports.apply_changes(copy, "faces", tmp_path / "changes.csv", "Bob")
    assert (len(applied.change.events), applied.already, applied.differing, applied.missing) == (4, 0, 0, 0)
    assert state(copy) == state(store)
    last = ledger.history(copy, 1)[-1]
    assert last.who == "Bob" and last.why == f"Ada, {last.at[:10]}: =typo"
    assert exports.apply_changes(copy, "faces", tmp_path / "changes.csv", "Bob").already == 4
    ledger.undo(copy, "Bob", applied.change.batch)
    assert versions.manifest(copy, "faces")["label"].tolist() == [r.label for r in varied()]


def test_changes_are_matched_by_picture_where_sources_differ_and_overwrite_nobody(store, tmp_path):
    changed(store)
    exports.export(store, "faces", "changes", tmp_path / "changes.csv")
    (tmp_path / "copy").mkdir()
    renamed = [r._replace(source=f"{n}.png") for n, r in enumerate(varied()) if n != 7]
    copy = here(tmp_path / "copy", renamed)
    ledger.relabel(copy, [(5, "happy")], "Cleo")
    applied = exports.apply_changes(copy, "faces", tmp_path / "changes.csv", "Bob")
    # The second is shown twice, so without its source nobody can tell which one is meant.
    assert (len(applied.change.events), applied.differing, applied.missing) == (1, 1, 2)
    again = exports.apply_changes(copy, "faces", tmp_path / "changes.csv", "Bob", overwrite=True)
    assert (len(again.change.events), again.already, again.missing) == (1, 1, 2)


def test_changes_that_cannot_be_applied_change_nothing(store, tmp_path):
    head = ",".join(exports.changes.COLUMNS)
    bad = tmp_path / "bad.csv"
    bad.write_text(f"{head}\na/happy.png,{varied()[0].image},happy,contempt,Ada,2026,\n", "utf-8")
    with pytest.raises(BadInput, match="row 1 with 'contempt'"):
        exports.apply_changes(store, "faces", bad, "Bob")
    bad.write_text("source,old,new\n", "utf-8")
    with pytest.raises(BadInput, match="without image, who, at, why"):
        exports.apply_changes(store, "faces", bad, "Bob")
    with pytest.raises(BadInput, match="cannot be read"):
        exports.apply_changes(store, "faces", tmp_path / "gone.csv", "Bob")


@pytest.mark.parametrize("form", exports.EXPORTS)
def test_a_stop_leaves_nothing_behind(tmp_path, form, monkeypatch):
    store = here(tmp_path, grey_only())
    ledger.relabel(store, [(1, "sad")], "Ada")
    monkeypatch.setattr(selection, "ROWS", 4)

    class Stop(BaseException):
        pass

    def stop(done, total, text):
        raise Stop

    for ending in exports.EXPORTS[form].endings:
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(Stop):
            exports.export(store, "faces", form, tmp_path / "out" / f"faces{ending}", progress=stop)
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("form", exports.EXPORTS)
def test_every_form_reports_its_progress_to_the_end(tmp_path, form):
    store = here(tmp_path, grey_only())
    ledger.relabel(store, [(1, "sad")], "Ada")
    told = []
    ending = exports.EXPORTS[form].endings[0]
    report = exports.export(
        store, "faces", form, tmp_path / f"faces{ending}", progress=lambda *now: told.append(now)
    )
    assert told[-1][0] == told[-1][1] == report.rows == (1 if form == "changes" else 10)


def test_a_full_disk_is_told_and_leaves_nothing(store, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer_core.dataset.exports.target.Files.write", full)
    with pytest.raises(StorageError, match="No space left on device.*free some space"):
        exports.export(store, "faces", "class_folders", tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


def test_calls_that_cannot_be_done(store, tmp_path):
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for name, form in (("there.csv", "changes"), ("full", "class_folders")):
        with pytest.raises(Conflict, match="overwrites nothing"):
            exports.export(store, "faces", form, tmp_path / name)
    assert (tmp_path / "there.csv").read_text() == "mine"
    with pytest.raises(BadInput, match="written as: .csv"):
        exports.export(store, "faces", "fer2013", tmp_path / "out.zip")
    with pytest.raises(NotFound, match="class_folders"):
        exports.export(store, "faces", "docx", tmp_path / "out")
    with pytest.raises(NotFound, match="There are: none"):
        exports.export(store, "faces", "parquet", tmp_path / "out.parquet", version="one")
    with pytest.raises(BadInput, match="needs samples"):
        exports.export(store, "faces", "parquet", tmp_path / "out.parquet", samples=[])


def test_a_removed_sample_is_in_no_export_of_an_old_version(store, tmp_path):
    versions.freeze(store, "faces", "one", "Ada")
    removal.remove(store, [1], "Ada")
    report = exports.export(store, "faces", "parquet", tmp_path / "out.parquet", version="one")
    assert report.rows == 7 and "a/happy.png" not in set(pd.read_parquet(tmp_path / "out.parquet")["file"])


def test_an_export_reads_what_was_there_when_it_began(tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "ROWS", 2)
    store = here(tmp_path, grey_only())
    before = versions.manifest(store, "faces")["label"].tolist()

    def meanwhile(done, total, text):
        ledger.relabel(Store.open(tmp_path / "studio.db"), [(10, labels.FER7.names[done % 7])], "Ada")

    exports.export(store, "faces", "parquet", tmp_path / "out.parquet", progress=meanwhile)
    assert pd.read_parquet(tmp_path / "out.parquet")["label"].tolist() == before


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("class_folders", "out"),
        ("class_folders", "out.zip"),
        ("parquet", "out.parquet"),
        ("label_studio", "out"),
        ("label_studio", "out.zip"),
        ("label_studio", "out.json"),
    ],
)
def test_what_is_exported_imports_back_to_the_same_version(store, tmp_path, form, name):
    changed(store)
    exports.export(store, "faces", form, tmp_path / name)
    other = Store.open(tmp_path / "other.db")
    report = importers.import_any(other, tmp_path / name, name="faces")
    assert report.added == 8
    assert state(other) == state(store)
    exports.export(other, "faces", form, tmp_path / f"again {name}")
    third = Store.open(tmp_path / "third.db")
    importers.import_any(third, tmp_path / f"again {name}", name="faces")
    assert state(third) == state(store)
    if form != "class_folders":
        both = [versions.manifest(s, "faces").set_index("sample") for s in (store, other)]
        votes = [c for c in both[0] if c.startswith("votes:")]
        by = [f.sort_values(["image", "split"]).reset_index(drop=True)[["subject", *votes]] for f in both]
        pd.testing.assert_frame_equal(*by)


def test_fer2013_csv_imports_back_to_the_same_version(tmp_path):
    store = here(tmp_path, grey_only())
    exports.export(store, "faces", "fer2013", tmp_path / "out.csv")
    other = Store.open(tmp_path / "other.db")
    importers.import_any(other, tmp_path / "out.csv", name="faces")
    assert state(other) == state(store)


def test_prepared_pgm_import_back_as_what_they_are(store, tmp_path):
    exports.export(store, "faces", "pgm", tmp_path / "out.zip")
    other = Store.open(tmp_path / "other.db")
    importers.import_any(other, tmp_path / "out.zip", name="faces")
    columns = ["split", "label"]
    ours, theirs = (
        versions.manifest(s, "faces")[columns].fillna("").value_counts().sort_index() for s in (store, other)
    )
    pd.testing.assert_series_equal(ours, theirs)
