"""The way in: what a preview says, what is stored, what is left out and why, and nothing half done."""

import os
import shutil
import sqlite3
import threading

import pytest
import sqlalchemy as sa
from drawn_fer2013 import lines, vote_lines
from drawn_fer2013 import pictures as faces
from packed import as_folder, as_zip, packed, picture, pictures

from fer_core import workspace
from fer_core.dataset import importers, ledger, schema, versions
from fer_core.dataset.importers import import_any, plan, preview, staging
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.looking import OUTSIDE
from fer_core.dataset.importers.staging import UNREADABLE
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.imaging.decode import encode_png
from fer_core.labels import AFFECTNET8, FER7, FERPLUS8

NAMES = ("happy", "sad", "fear")


def three_classes(each: int, suffix: str = "png") -> dict[str, bytes]:
    return pictures(*(f"{name}/{k}.{suffix}" for name in NAMES for k in range(each)))


def rows(store: Store, dataset: str) -> dict[str, tuple]:
    """(split, label, image) by source."""
    with store.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT source, split, label, image FROM sample JOIN dataset d ON d.id = dataset WHERE name = ?",
            (dataset,),
        )
        return {source: tuple(rest) for source, *rest in found}


def assert_empty(store: Store) -> None:
    with store.read() as connection:
        for table in ("image", "image_data", "dataset", "sample", "event", "arrival"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0, table
    assert not os.listdir(workspace.folder("cache"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "studio.db")


def test_a_preview_says_what_an_import_does_and_writes_nothing(store, tmp_path):
    files = {f"train/{path}": data for path, data in three_classes(12).items()}
    files |= pictures("test/happy/a.jpg", "test/Happiness/b.pgm", first=100)
    for place in packed(tmp_path / "packed", files):
        seen = preview(place)
        assert not os.path.exists(os.environ["FER_WORKSPACE"])
        assert (seen.form, seen.splits, seen.rows, seen.subjects) == ("class_folders", "source", 38, 0)
        assert seen.counts == {"train": dict.fromkeys(NAMES, 12), "test": {"happy": 2}}
        assert seen.classes[-1] == plan.FoundClass("Happiness", "happy", 1)
        assert seen.label_set == FER7 and seen.sizes == ((12, 12),)
        assert [name for name, _ in seen.examples] == [
            name for name in FER7.names for _ in range(3) if name in NAMES
        ]
        assert all(data in files.values() for _, data in seen.examples)
        assert seen.problems == {plan.EMPTY: ["angry", "disgust", "surprise", "neutral"]}
    for number, place in enumerate(packed(tmp_path / "packed", files)):
        report = import_any(store, place, name=f"faces {number}", who="Ada")
        assert (report.added, report.rows, report.unreadable, report.blank) == (38, 38, 0, 0)
        assert (report.counts, report.problems) == (seen.counts, seen.problems)
        assert rows(store, f"faces {number}") == rows(store, "faces 0"), "every packing gives the same"
    with store.read() as connection:
        stored = {row.image: row.data for row in connection.execute(sa.select(schema.image_data))}
        arrivals = connection.execute(sa.select(schema.arrival.c.what, schema.arrival.c.who)).all()
    assert set(stored.values()) == set(files.values()), "the files are stored as they are"
    assert arrivals[0] == ("import of faces", "Ada") and len(arrivals) == 8
    assert os.listdir(workspace.folder("cache")) == []


def test_splits_are_assigned_where_the_source_has_none(store, tmp_path):
    files = three_classes(20)
    files["sad/copy.png"] = files["happy/0.png"]
    files["fear/copy.png"] = files["happy/0.png"]
    place = as_zip(tmp_path / "faces.zip", files)
    assert preview(place).splits == "assigned"
    report = import_any(store, place)
    assert report.splits == "assigned" and report.duplicates == 2
    for label in NAMES:
        for split, wanted in (("train", 12), ("validation", 4), ("test", 4)):
            assert abs(report.counts[split][label] - wanted) <= 2
    found = rows(store, "faces")
    assert len({found[path][0] for path in ("happy/0.png", "sad/copy.png", "fear/copy.png")}) == 1
    everything = import_any(store, place, name="all", ratios=(1, 0, 0))
    assert everything.counts.keys() == {"train"} == preview(place, ratios=(1, 0, 0)).counts.keys()
    with pytest.raises(BadInput, match="three shares"):
        import_any(store, place, name="none", ratios=(1, 2))


def test_people_stay_together_unless_they_may_not(store, tmp_path):
    names = [
        f"{who}.{what}{n}.1.png" for who in ("KA", "KL", "KM") for what in ("AN", "HA") for n in range(5)
    ]
    place = as_zip(tmp_path / "a.zip", pictures(*names))
    import_any(store, place, name="together")
    import_any(store, place, name="apart", by_subject=False)
    for name, most in (("together", 1), ("apart", 3)):
        splits_of = {
            who: {s for k, (s, *_) in rows(store, name).items() if k[:2] == who} for who in ("KA", "KL", "KM")
        }
        assert max(map(len, splits_of.values())) == most


def test_the_same_twice_doubles_nothing_and_what_is_new_joins(store, tmp_path):
    files = three_classes(8)
    place = as_folder(tmp_path / "faces", files)
    first = import_any(store, place)
    before = rows(store, "faces")
    with store.read() as connection:
        sample = connection.exec_driver_sql("SELECT id FROM sample WHERE source = 'sad/0.png'").scalar_one()
    ledger.relabel(store, [(sample, "fear")], "Ada")
    again = import_any(store, place)
    assert (first.added, again.added, again.already_there) == (24, 0, 24)
    as_folder(place, pictures("happy/new.png", first=99) | {"sad/twin.png": files["happy/0.png"]})
    grown = import_any(store, place)
    assert (grown.added, grown.already_there) == (2, 24)
    after = rows(store, "faces")
    assert after.pop("happy/new.png")[0] in ("train", "validation", "test")
    assert after.pop("sad/twin.png")[0] == before["happy/0.png"][0], "a copy goes where the picture is"
    assert after.pop("sad/0.png")[:2] == (before.pop("sad/0.png")[0], "fear"), "labels that people gave stay"
    assert after == before
    (place / "happy/0.png").write_bytes(picture(1000))
    with pytest.raises(Conflict, match="another picture for 'happy/0.png'"):
        import_any(store, place)
    assert len(rows(store, "faces")) == 26


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("happy", "sad"), FER7),
        (("happy", "contempt"), AFFECTNET8),
        (("happy", "not a face", "unsure"), FER7),
        (("bored", "happy", "amused", "angry"), ("angry", "happy", "amused", "bored")),
    ],
)
def test_the_label_set_is_the_first_that_has_all(store, tmp_path, folders, expected):
    place = as_zip(tmp_path / "a.zip", pictures(*(f"{name}/1.png" for name in folders)))
    seen = preview(place)
    import_any(store, place)
    assert seen.label_set == store.dataset("a").label_set
    assert expected in (seen.label_set, seen.label_set.names)
    assert ("bored" in folders) == (seen.problems.get(plan.UNKNOWN) == ["amused", "bored"])


def test_classes_can_be_renamed_and_left_out(store, tmp_path):
    place = as_zip(tmp_path / "a.zip", pictures("smiles/1.png", "smiles/2.png", "cats/1.png", "sad/1.png"))
    names = {"smiles": "Happiness", "cats": None}
    seen = preview(place, names=names, label_set="ferplus8")
    assert {found.name: found.label for found in seen.classes} == {
        "smiles": "happy",
        "cats": None,
        "sad": "sad",
    }
    assert seen.rows == 3 and seen.label_set == FERPLUS8 and OUTSIDE not in seen.problems
    report = import_any(store, place, names=names, label_set="ferplus8")
    assert report.left_out == {"cats": 1} and report.added == 3
    assert {label for _, label, _ in rows(store, "a").values()} == {"happy", "sad"}
    with pytest.raises(NotFound, match="class in this source.*'dogs'.*cats, sad, smiles"):
        import_any(store, place, names={"dogs": None})
    with pytest.raises(BadInput, match="needs pictures"):
        import_any(store, place, names=dict.fromkeys(("smiles", "cats", "sad")))


def test_a_label_outside_the_set_is_never_left_out_silently(store, tmp_path):
    place = as_zip(tmp_path / "a.zip", pictures("happy/1.png", "bored/1.png"))
    assert preview(place, label_set=FER7).problems[OUTSIDE] == ["bored"]
    with pytest.raises(BadInput, match=r"place in the label set \(angry, .*Received: bored"):
        import_any(store, place, label_set=FER7)
    assert_empty(store)
    with pytest.raises(NotFound, match="label set"):
        import_any(store, place, label_set="fer77")
    import_any(store, as_zip(tmp_path / "b.zip", pictures("happy/1.png")), name="mine")
    with pytest.raises(BadInput, match="bored"):
        import_any(store, place, name=" mine ")
    with pytest.raises(Conflict, match="keeps one label set"):
        import_any(store, as_zip(tmp_path / "c.zip", pictures("sad/1.png")), name="mine", label_set=FERPLUS8)


def test_damaged_pictures_are_named_and_the_others_stored(store, tmp_path):
    files = three_classes(10) | {
        "happy/cut.png": picture(1)[:40],
        "happy/text.jpg": b"not found",
        "sad/empty.png": b"",
    }
    place = as_zip(tmp_path / "a.zip", files)
    report = import_any(store, place)
    assert (report.added, report.unreadable) == (30, 3)
    (cut, text, empty) = report.problems[UNREADABLE]
    assert cut.startswith("happy/cut.png: a") and "text file" in text and "empty file" in empty
    assert not {"happy/cut.png", "happy/text.jpg", "sad/empty.png"} & rows(store, "a").keys()


def test_where_nothing_can_be_read_nothing_is_stored(store, tmp_path):
    place = as_zip(tmp_path / "a.zip", {"happy/1.png": b"x", "sad/1.png": b"y"})
    assert len(preview(place).problems[UNREADABLE]) == 2
    with pytest.raises(BadInput, match="none of which can.*happy/1.png"):
        import_any(store, place)
    assert_empty(store)


def test_absurdly_large_files_are_refused(store, tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "PICTURE_LIMIT", 3000)
    large = encode_png(faces(1, 120)[0])
    assert len(large) > 3000
    place = as_folder(tmp_path / "a", pictures("happy/1.png") | {"happy/large.png": large})
    report = import_any(store, place)
    assert report.added == 1 and report.problems[UNREADABLE][0].startswith("happy/large.png")


def test_long_lists_of_problems_are_cut(store, tmp_path):
    place = as_zip(tmp_path / "a.zip", pictures("happy/1.png") | {f"sad/{k}.png": b"" for k in range(50)})
    listed = import_any(store, place).problems[UNREADABLE]
    assert len(listed) == 21 and listed[-1] == "… and 30 more"


@pytest.mark.parametrize("files", [{}, {"readme.txt": b"x"}, {"1.png": picture(1)}, {"a.zip": b"PK"}])
def test_what_has_no_known_form_is_told(store, tmp_path, files):
    place = as_folder(tmp_path / "faces", files)
    place.mkdir(exist_ok=True)
    for look in (preview, lambda place: import_any(store, place)):
        with pytest.raises(BadInput, match="needs a known form. Received: faces with .*There are: FER2013"):
            look(place)
    assert_empty(store)
    with pytest.raises(NotFound, match="form of dataset.*class_folders"):
        preview(place, form="tea leaves")


def a_form(found: list[Found], **more) -> Form:
    reading = Reading(lambda: iter(found), **more)
    return Form("test", "A test", "", lambda source: 9, lambda source: reading)


def test_all_that_a_form_can_say_is_stored(store, tmp_path, monkeypatch):
    place = as_folder(tmp_path / "a", {"list.csv": b"", "1.png": picture(1), "2.png": picture(2)})
    found = [
        Found("one", "1.png", "0", "train", "Ada", 0.5, -1.0, {"0": 3, "bored": 2, "other": 1}),
        Found("same file", "1.png", "1", "test"),
        Found("within", "list.csv", "0", None, data=picture(3)),
        Found("broken", "list.csv", "1", "test", data=b"x"),
        Found("one", "2.png", "0", "test"),
        Found("gone", "3.png", "0", "test"),
        Found("unlabelled", "2.png", None, "none"),
        Found("blank", "2.png", "", "none"),
        Found("other", "2.png", "other", "none"),
    ]
    form = a_form(found, names={"0": "happy", "1": "sad", "other": None}, problems={"of the form": ["x"]})
    monkeypatch.setattr(importers, "FORMS", {"test": form})
    report = import_any(store, place)
    found_rows = rows(store, "a")
    assert {k: v[:2] for k, v in found_rows.items()} == {
        "one": ("train", "happy"),
        "same file": ("test", "sad"),
        "within": ("none", "happy"),
        "unlabelled": ("none", None),
        "blank": ("none", None),
    }
    assert report.left_out == {"other": 1} and report.unreadable == 1
    assert report.problems[plan.REPEATED] == ["one"] and report.problems[plan.MISSING] == ["3.png"]
    assert report.problems[plan.WITHOUT_SPLIT] == ["within"] and report.problems["of the form"] == ["x"]
    frame = versions.manifest(store, "a")
    assert frame.loc[0, ["subject", "votes:happy", "votes:bored"]].tolist() == ["Ada", 3, 2]
    with store.read() as connection:
        (valence, arousal) = connection.exec_driver_sql("SELECT valence, arousal FROM sample LIMIT 1").one()
    assert (valence, arousal) == (0.5, -1.0)
    assert [name for name, _ in preview(place).examples].count("happy") == 2


def test_texts_that_no_database_takes_are_spelt_out(store, tmp_path, monkeypatch):
    place = as_folder(tmp_path / "a", {"1.png": picture(1)})
    found = [
        Found("\ud800", "1.png", "b\udcff", "test", "\ud83d"),
        Found("fu\u0308r", "", "sad", data=picture(2)),
    ]
    monkeypatch.setattr(importers, "FORMS", {"test": a_form(found)})
    assert import_any(store, place).added == 2
    assert {key: label for key, (_, label, _) in rows(store, "a").items()} == {
        "\\xed\\xa0\\x80": "b\\xff",
        "für": "sad",
    }


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_stopped_from_outside_nothing_is_stored(store, tmp_path, monkeypatch, steps):
    class Stopped(Exception):
        pass

    calls = []

    def stop(done, total, text):
        calls.append(done / total)
        if len(calls) == steps:
            raise Stopped

    monkeypatch.setattr("fer_core.dataset.importers.storing._TELL_SECONDS", 0)
    monkeypatch.setattr("fer_core.dataset.importers.storing._BLOCK", 10)
    place = as_zip(tmp_path / "a.zip", three_classes(30))
    with pytest.raises(Stopped):
        import_any(store, place, progress=stop)
    assert_empty(store)
    steps = 0
    calls.clear()
    assert import_any(store, place, progress=stop).added == 90
    assert calls == sorted(calls) and calls[-1] == 1


def test_a_folder_that_vanishes_leaves_nothing(store, tmp_path):
    place = as_folder(tmp_path / "faces", three_classes(100))
    with pytest.raises(Conflict, match="must stay as it is"):
        import_any(store, place, progress=lambda *_: shutil.rmtree(place, ignore_errors=True))
    assert_empty(store)


def test_the_database_is_free_while_pictures_are_decoded(store, tmp_path):
    place = as_folder(tmp_path / "faces", three_classes(30))
    written = []

    def write_meanwhile(done, total, text):
        if text.endswith("read"):
            with sqlite3.connect(tmp_path / "studio.db", timeout=0.01) as other:
                other.execute(
                    "INSERT INTO dataset (name, label_set, created) VALUES (?, '{}', '')",
                    (str(len(written)),),
                )
            written.append(text)

    import_any(store, place, progress=write_meanwhile)
    assert written


def test_a_workspace_that_cannot_be_written_is_told(store, tmp_path):
    (workspace.root() / "cache").write_text("in the way")
    with pytest.raises(StorageError, match="room in the workspace.*Nothing was stored"):
        import_any(store, as_zip(tmp_path / "a.zip", three_classes(2)))


def fer2013_files(count: int) -> dict[str, bytes]:
    return {
        "challenge/fer2013.csv": "\n".join(lines(faces(count, 12))).encode(),
        "challenge/fer2013new.csv": "\n".join(vote_lines(count)).encode(),
        "challenge/README": b"x",
    }


def test_fer2013_in_any_packing_with_the_votes_beside_it(store, tmp_path):
    ids = set()
    for number, place in enumerate(packed(tmp_path / "packed", fer2013_files(14))):
        seen = preview(place)
        assert (seen.form, seen.name, seen.splits, seen.rows) == ("fer2013", "fer2013", "source", 14)
        report = import_any(store, place, name=f"faces {number}")
        assert (report.added, report.votes) == (14, 14) and report.counts == seen.counts
        ids.add(versions.manifest_id(versions.manifest(store, f"faces {number}")))
    assert len(ids) == 1
    alone = as_zip(tmp_path / "alone.zip", {"fer2013.csv": fer2013_files(14)["challenge/fer2013.csv"]})
    assert import_any(store, alone).votes == 0
    votes = tmp_path / "votes.csv"
    votes.write_bytes(fer2013_files(14)["challenge/fer2013new.csv"])
    assert preview([alone, votes]).rows == 14
    report = import_any(store, alone, votes=votes)
    assert (report.added, report.votes, report.dataset) == (0, 14, "fer2013")
    assert import_any(store, [alone, votes], name="both").votes == 14


def test_fer2013_with_classes_of_ones_own(store, tmp_path):
    place = as_folder(tmp_path / "a", fer2013_files(14))
    report = import_any(store, place, names={"disgust": None, "fear": "scared"})
    assert report.left_out == {"disgust": 2} and report.added == 12 and report.votes == 12
    assert import_any(store, place).added == 2, "the same keys as by the fast path"


def test_votes_row_by_row_are_fer2013s(store, tmp_path):
    (tmp_path / "votes.csv").write_bytes(fer2013_files(2)["challenge/fer2013new.csv"])
    with pytest.raises(BadInput, match="Votes row by row.*Class folders"):
        import_any(store, as_zip(tmp_path / "a.zip", three_classes(2)), votes=tmp_path / "votes.csv")
    (tmp_path / "votes.csv").write_text("a,b")
    for look in (preview, lambda *a, **k: import_any(store, *a, **k)):
        with pytest.raises(BadInput, match="without Usage"):
            look(as_folder(tmp_path / "b", fer2013_files(2)), votes=tmp_path / "votes.csv")
