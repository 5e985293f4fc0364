"""Each kind of fault is found where it was put, and a checkup replaces the one before."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from benchmarks import finders
from fer_core import cli
from fer_core.dataset import findings, ledger, practice, schema
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.intake import Intake, Row
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.labels import FER7, NOT_A_FACE

FACES = [face for face, _ in practice.pictures(practice.plan(60))]


def dimmed(face, share):
    return (face * share).astype(np.uint8)


def blurred(face):
    return cv2.GaussianBlur(face, (0, 0), 6)


def washed_out(face):
    return (235 + face * 0.08).astype(np.uint8)


def tiny(face):
    return cv2.resize(face, (24, 24), interpolation=cv2.INTER_AREA)


CASES = {
    # name: (picture, split, label, votes)
    "dup": (FACES[0], "train", "happy", None),
    "dup again": (FACES[0], "train", "happy", None),
    "leak": (FACES[1], "train", "sad", None),
    "leak in test": (FACES[1], "test", "sad", None),
    "near": (FACES[2], "train", "fear", None),
    "near in validation": (dimmed(FACES[2], 0.8), "validation", "fear", None),
    "near, called angry": (FACES[3], "train", "angry", None),
    "near, called sad": (np.ascontiguousarray(FACES[3][:, ::-1]), "train", "sad", None),
    "black": (np.zeros_like(FACES[0]), "train", "happy", None),
    "grey": (np.full_like(FACES[0], 90), "train", "sad", None),
    "dark": (dimmed(FACES[4], 0.12), "train", "sad", None),
    "bright": (washed_out(FACES[5]), "train", "sad", None),
    "blurred": (blurred(FACES[6]), "train", "sad", None),
    "tiny": (tiny(FACES[7]), "train", "sad", None),
    "nobody": (FACES[8], "train", NOT_A_FACE, None),
    "voted nobody": (FACES[9], "train", "sad", {"sad": 3, NOT_A_FACE: 7}),
    "outvoted": (FACES[10], "train", "sad", {"sad": 1, "happy": 9}),
    "doubtful": (FACES[11], "train", "sad", {"sad": 4, "happy": 6}),
    "no such label": (FACES[12], "train", "sad", {"contempt": 10}),
    "unlabelled": (FACES[13], "train", None, None),
    "rare": (FACES[14], "train", "disgust", None),
}
SEEN_ONCE = {f"other {n}": (FACES[n], "train", FER7.names[n % 7], None) for n in range(15, 57)}
FOUND = {
    "leak": {"leak", "leak in test"},
    "near_leak": {"near", "near in validation"},
    "conflict": {"near, called angry", "near, called sad"},
    "votes": {"outvoted"},
    "not_a_face": {"nobody", "voted nobody"},
    "blank": {"black", "grey"},
    "exact_duplicate": {"dup", "dup again", "leak", "leak in test"},
    "near_duplicate": {"near", "near in validation", "near, called angry", "near, called sad"},
    "dark": {"dark"},
    "bright": {"bright"},
    "blurred": {"blurred", "tiny"},
    "tiny": {"tiny"},
}


def filled(store: Store, cases: dict, name: str = "faulty") -> None:
    rows = [
        Row(n, pixel_id(p), p.shape[1], p.shape[0], encode_png(p), split, label, votes=votes)
        for n, (p, split, label, votes) in cases.items()
    ]
    with store.write() as connection:
        intake = Intake(connection, ensure_dataset(connection, name, FER7))
        intake.add(rows)
        intake.finish("test", "drawn", "batch")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("store") / "studio.db")
    filled(store, {**CASES, **SEEN_ONCE})
    return store, findings.check(store, "faulty")


def found(store: Store, kind: str) -> list[sa.Row]:
    finding, sample = schema.finding.c, schema.sample.c
    query = sa.select(sample.source, finding.score, finding.cluster).join_from(schema.finding, schema.sample)
    with store.read() as connection:
        return list(connection.execute(query.where(finding.kind == kind).order_by(finding.score.desc())))


@pytest.mark.parametrize("kind", FOUND)
def test_what_was_put_is_found_and_nothing_else(checked, kind):
    store, checkup = checked
    rows = found(store, kind)
    assert {row.source for row in rows} == FOUND[kind]
    assert checkup.counts[kind] == len(rows) and min(row.score for row in rows) > 0


def test_samples_of_a_group_share_a_cluster(checked):
    store, checkup = checked
    assert checkup.clusters == {
        "leak": 1, "near_leak": 1, "conflict": 1, "exact_duplicate": 2, "near_duplicate": 2
    }  # fmt: skip
    assert {kind for kind in findings.KINDS if findings.KINDS[kind].grouped} == checkup.clusters.keys()
    (cluster,) = {row.cluster for row in found(store, "near_leak")}
    assert cluster in {row.cluster for row in found(store, "near_duplicate")}
    assert {row.cluster for row in found(store, "dark")} == {None}


def test_the_strongest_suspicion_comes_first(checked):
    store, _ = checked
    assert found(store, "not_a_face")[0].source == "nobody"
    assert found(store, "votes")[0].score == pytest.approx(0.8)
    assert found(store, "leak")[0].score == 2, "a leak into the test split"


def test_classes_are_counted_and_the_rare_ones_named(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    labels = ["happy"] * 28 + ["sad"] * 28 + ["disgust"] + [None]
    filled(store, {f"{n}": (FACES[n], "train", label, None) for n, label in enumerate(labels)})
    checkup = findings.check(store, "faulty")
    assert checkup.classes["happy"] == 28 and checkup.classes["disgust"] == 1 and checkup.unlabelled == 1
    assert checkup.rare == ("angry", "disgust", "fear", "surprise", "neutral"), "some have no sample at all"
    assert [row.source for row in found(store, "rare_class")] == ["56"] and checkup.samples == 58


def test_a_checkup_knows_when_labels_moved_on_and_is_replaced(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    filled(store, {name: CASES[name] for name in ("nobody", "dark", "dup", "dup again")})
    assert findings.summary(store, "faulty") is None
    first = findings.check(store, "faulty")
    assert not first.stale and first.counts["not_a_face"] == 1 and first.faces is False
    ledger.relabel(store, [(1, "sad")], "Ann")
    assert findings.summary(store, "faulty").stale
    second = findings.check(store, "faulty", faces=True)
    assert not second.stale and second.counts["not_a_face"] == 0 and second.counts["dark"] == 1
    assert second.faces and second.at > first.at


def test_no_face_is_said_only_when_faces_were_looked_for(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    noise = np.random.default_rng(0).integers(0, 256, FACES[0].shape, np.uint8)
    filled(store, {"noise": (noise, "train", "sad", None), "face": (FACES[0], "train", "sad", None)})
    assert findings.check(store, "faulty").counts["no_face"] == 0
    assert findings.check(store, "faulty", faces=True).counts["no_face"] == 1
    assert found(store, "no_face")[0].source == "noise"


def test_a_stopped_checkup_leaves_the_last_one(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    filled(store, {name: CASES[name] for name in ("nobody", "dup", "dup again")})
    before = findings.check(store, "faulty")

    def stop(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        findings.check(store, "faulty", progress=stop)
    assert findings.summary(store, "faulty") == before


def test_a_set_of_small_pictures_is_not_called_tiny_all_over(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    filled(store, {str(n): (tiny(FACES[n]), "train", "sad", None) for n in range(5)})
    assert findings.check(store, "faulty").counts["tiny"] == 0


def test_an_empty_dataset_has_no_faults(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    filled(store, {})
    checkup = findings.check(store, "faulty")
    assert set(checkup.counts.values()) == {0} and checkup.rare == () and not checkup.stale


def test_practice_is_not_flooded(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    practice.import_practice(store, count=84)
    checkup = findings.check(store, practice.NAME)
    assert checkup.counts["leak"] == 2 and checkup.clusters["leak"] == 1
    kinds = set(findings.KINDS) - {"leak", "exact_duplicate"}
    assert all(checkup.counts[kind] <= 0.15 * checkup.samples for kind in kinds)


def test_every_finder_on_practice_which_knows_the_truth():
    scores = finders.scores(350)
    assert scores["near duplicates: twins"].recall == 1 and scores["near duplicates: twins"].precision >= 0.85
    leak = scores["leaks: the leak"]
    assert (leak.there, leak.found, leak.hits) == (2, 2, 2)
    conflicts = scores["conflicts: twins called differently"]
    assert conflicts.there > 0 and conflicts.recall == 1


def test_the_command_prints_what_was_found(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    filled(Store.open(), {name: CASES[name] for name in ("black", "grey", "leak", "leak in test")})
    assert cli.main(["check", "faulty"]) == 0
    said = capsys.readouterr().out
    assert "Leaks: 2 samples in 1 group" in said and "Blank: 2 samples" in said and "Dark" not in said
    assert cli.main(["check", "gone"]) == 1


@pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no folder with fer2013.zip")
def test_what_is_known_of_fer2013(tmp_path):
    folder, store = Path(os.environ["FER_DATA"]), Store.open(tmp_path / "studio.db")
    import_fer2013(store, folder / "fer2013.zip", votes=folder / "fer2013new.csv")
    checkup = findings.check(store, "fer2013")
    sample, finding = schema.sample.c, schema.finding.c
    query = sa.select(sa.func.count()).join_from(schema.finding, schema.sample)
    with store.read() as connection:
        leaked = connection.scalar(query.where(finding.kind == "leak", sample.split == "validation"))
    assert leaked == 280 and checkup.clusters["exact_duplicate"] == 1273
    assert 12 <= checkup.counts["blank"] <= 13 and checkup.rare == ("disgust",)
    assert 1600 < checkup.clusters["near_duplicate"] < 1900 and 430 < checkup.clusters["near_leak"] < 520
    flooded = ("dark", "bright", "blurred", "not_a_face")
    assert all(0 < checkup.counts[kind] < 0.01 * checkup.samples for kind in flooded)
    assert checkup.counts["votes"] < 0.15 * checkup.samples
