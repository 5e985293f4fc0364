"""Versions: a name for a place in the ledger, had again exactly."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from drawn_fer2013 import filled, lines, pictures, usage_of, write

from fer_core.dataset import ledger, versions
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.labels import FER7


def test_manifest_has_a_row_per_sample(tmp_path):
    frame = versions.manifest(filled(tmp_path, 8, votes=True), "faces")
    assert list(frame.columns[:5]) == ["sample", "image", "split", "label", "subject"]
    assert frame["sample"].dtype == np.int64 and frame["sample"].tolist() == list(range(1, 9))
    assert frame["split"].tolist() == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert frame["label"].tolist() == "angry disgust fear happy sad surprise neutral angry".split()
    assert frame["subject"].tolist() == [None] * 8
    assert frame["votes:happy"].tolist() == [0, 9, 0, 0, 0, 0, 0, 0]
    assert frame["votes:not a face"].tolist() == [1] * 8
    assert (frame.filter(like="votes:").sum(axis=1) == 10).all()


def test_manifest_without_votes_has_no_vote_columns(tmp_path):
    assert versions.manifest(filled(tmp_path, 4), "faces").shape == (4, 7)


def test_a_version_stays_what_it_was(tmp_path):
    store = filled(tmp_path, 8, votes=True)
    before = versions.manifest(store, "faces")
    first = versions.freeze(store, "faces", "as published", "Ada", "the first")
    ledger.relabel(store, [(1, "happy"), (2, None)], "Ada")
    second = versions.freeze(store, "faces", "cleaned", "Ada")
    import_fer2013(store, write(tmp_path / "more.csv", lines(pictures(10), usages=usages(10))), name="faces")
    for name in (first, "as published", first.id):
        pd.testing.assert_frame_equal(versions.manifest(store, "faces", name), before)
    assert versions.manifest(store, "faces", "cleaned")["label"].tolist()[:3] == ["happy", None, "fear"]
    assert len(versions.manifest(store, "faces")) == 10
    assert versions.versions(store, "faces") == [first, second]
    assert (first.rows, first.who, first.note, first.event) == (8, "Ada", "the first", 8)


def usages(count: int) -> list[str]:
    """The usages of eight rows, then more of the last."""
    return usage_of(8) + ["PrivateTest"] * (count - 8)


def test_undo_leads_back_to_the_same_id(tmp_path):
    store = filled(tmp_path, 8)
    first = versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "happy")], "Ada")
    changed = versions.freeze(store, "faces", "two", "Ada")
    ledger.undo(store, "Ada")
    again = versions.freeze(store, "faces", "three", "Ada")
    assert first.id == again.id != changed.id and first.event < again.event


def test_freezing_again_gives_the_same_version_or_a_conflict(tmp_path):
    store = filled(tmp_path, 4)
    first = versions.freeze(store, "faces", "one", "Ada")
    assert versions.freeze(store, "faces", " one ", "Bob") == first
    ledger.relabel(store, [(1, "happy")], "Ada")
    with pytest.raises(Conflict, match="keeps its name"):
        versions.freeze(store, "faces", "one", "Ada")


def test_errors_of_versions(tmp_path):
    store = filled(tmp_path, 4)
    versions.freeze(store, "faces", "one", "Ada")
    with pytest.raises(NotFound, match="'two'.*There are: one"):
        versions.manifest(store, "faces", "two")
    with pytest.raises(NotFound, match="There are: faces"):
        versions.manifest(store, "nobody")
    with pytest.raises(BadInput, match="name"):
        versions.freeze(store, "faces", " ", "Ada")


def test_manifest_id_by_hand():
    frame = pd.DataFrame({"image": ["b", "a"], "split": ["test", "train"], "label": [None, "sad"]})
    assert versions.manifest_id(frame) == hashlib.sha256(b"a\ttrain\tsad\nb\ttest\t").hexdigest()


def test_manifest_id_counts_what_matters_and_nothing_else(tmp_path):
    frame = versions.manifest(filled(tmp_path, 8, votes=True), "faces")
    known = versions.manifest_id(frame)
    shuffled = frame.sample(frac=1, random_state=1).assign(sample=range(100, 108), subject="someone")
    assert versions.manifest_id(shuffled) == known
    assert versions.manifest_id(frame.drop(columns=["votes:happy"])) == known
    for column, value in (("image", "0" * 64), ("split", "none"), ("label", "surprise")):
        changed = frame.copy()
        changed.loc[0, column] = value
        assert versions.manifest_id(changed) != known
    assert versions.manifest_id(pd.concat([frame, frame[:1]])) != known, "an occurrence more is another set"


def test_the_same_file_has_the_same_id_in_another_store(tmp_path):
    ids = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        store = filled(tmp_path / name, 8)
        ids.append(versions.manifest_id(versions.manifest(store, "faces")))
    assert ids[0] == ids[1]


def test_a_dataset_without_samples(tmp_path):
    store = Store.open(tmp_path / "a.db")
    with store.write() as connection:
        ensure_dataset(connection, "empty", FER7)
    assert versions.manifest(store, "empty").empty
    with pytest.raises(BadInput, match="needs samples"):
        versions.freeze(store, "empty", "one", "Ada")
