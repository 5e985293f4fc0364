"""What differs between two versions, and the way back."""

import tempfile
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from drawn_fer2013 import filled, lines, pictures, usage_of, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_core.dataset import changes, ledger, removal, versions
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.errors import BadInput, NotFound
from fer_core.labels import FER7


def more(store, folder, count):
    """Import further rows, all of them test."""
    usages = usage_of(8) + ["PrivateTest"] * (count - 8)
    import_fer2013(store, write(folder / "more.csv", lines(pictures(count), usages=usages)), name="faces")


def in_short(frame: pd.DataFrame) -> list[tuple]:
    return list(frame[["sample", "kind", "old", "new", "who", "why"]].itertuples(index=False, name=None))


def test_a_diff_tells_what_who_and_why_latest_first(tmp_path):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, "sad")], "Ada", "typo")
    ledger.relabel(store, [(1, "happy")], "Bob", "clear smile")
    ledger.relabel(store, [(3, "fear")], "Bob", "agreed: no difference")
    ledger.relabel(store, [(4, None)], "Bob")
    ledger.undo(store, "Bob")
    more(store, tmp_path, 10)
    versions.freeze(store, "faces", "two", "Ada")
    ledger.relabel(store, [(5, "fear")], "Ada", "after both")
    frame = changes.diff(store, "faces", "one", "two")
    assert tuple(frame.columns) == changes.COLUMNS
    assert in_short(frame) == [
        (10, "added", None, "fear", "import", "import of more.csv"),
        (9, "added", None, "disgust", "import", "import of more.csv"),
        (1, "relabelled", "angry", "happy", "Bob", "clear smile"),
        (2, "relabelled", "disgust", "sad", "Ada", "typo"),
    ]
    first = frame[frame["sample"] == 1].iloc[0]
    manifest = versions.manifest(store, "faces").set_index("sample")
    assert (first["image"], first["split"], first["source"]) == (
        manifest.loc[1, "image"],
        "train",
        "fer2013.csv:1",
    )
    assert first["at"] == ledger.history(store, 1)[-1].at


def test_a_diff_with_the_present_and_backwards(tmp_path):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    assert changes.diff(store, "faces", "one").empty
    ledger.relabel(store, [(1, "sad")], "Ada", "typo")
    more(store, tmp_path, 9)
    versions.freeze(store, "faces", "two", "Ada")
    forth, back = changes.diff(store, "faces", "one", "two"), changes.diff(store, "faces", "two", "one")
    pd.testing.assert_frame_equal(forth, changes.diff(store, "faces", "one"))
    assert [(k, o, n) for _, k, o, n, *_ in in_short(back)] == [
        ("removed", "disgust", None),
        ("relabelled", "sad", "angry"),
    ]


def test_relabelled_counts_from_the_import_or_from_a_version(tmp_path):
    store = filled(tmp_path, 8)
    ledger.relabel(store, [(1, "sad")], "Ada")
    versions.freeze(store, "faces", "one", "Ada")
    more(store, tmp_path, 10)
    ledger.relabel(store, [(2, "sad"), (9, "neutral")], "Ada")
    ledger.relabel(store, [(1, "fear"), (2, "disgust")], "Bob")

    def rows(*places):
        frame = changes.relabelled(store, "faces", *places)
        return sorted((sample, old, new) for sample, _, old, new, *_ in in_short(frame))

    assert rows() == [(1, "angry", "fear"), (9, "disgust", "neutral")]
    assert rows("one") == [(1, "sad", "fear"), (9, "disgust", "neutral")]
    assert rows(None, "one") == [(1, "angry", "sad")]


@pytest.mark.parametrize("when", ["one", "two", None])
def test_counts_are_those_of_the_manifest(tmp_path, when):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, None)], "Ada")
    versions.freeze(store, "faces", "two", "Ada")
    more(store, tmp_path, 10)
    ledger.relabel(store, [(1, "happy"), (2, "happy"), (9, "not a face")], "Ada")
    frame = versions.manifest(store, "faces", when)
    expected = pd.crosstab(frame["label"].fillna(""), frame["split"])
    pd.testing.assert_frame_equal(changes.counts(store, "faces", when), expected, check_names=False)


def test_restoring_leads_back_to_the_same_id_and_can_be_undone(tmp_path):
    store = filled(tmp_path, 8)
    one = versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, None)], "Ada")
    ledger.relabel(store, [(1, "happy")], "Bob")
    two = versions.freeze(store, "faces", "two", "Ada")
    change = changes.restore(store, "faces", "one", "Cleo")
    assert len(change.events) == 2 and change.kept == ()
    assert versions.manifest_id(versions.manifest(store, "faces")) == one.id
    last = ledger.history(store, 1)[-1]
    assert (last.kind, last.who, last.why) == ("label", "Cleo", "as in the version one")
    assert changes.diff(store, "faces", "one").empty
    ledger.undo(store, "Cleo", change.batch)
    assert versions.manifest_id(versions.manifest(store, "faces")) == two.id
    assert versions.manifest_id(versions.manifest(store, "faces", "one")) == one.id


def test_restoring_leaves_what_came_since_and_says_so(tmp_path):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    more(store, tmp_path, 10)
    ledger.relabel(store, [(9, "neutral"), (1, "sad")], "Ada")
    change = changes.restore(store, "faces", "one", "Cleo", "too hasty")
    assert sorted(change.kept) == [9, 10] and len(change.events) == 1
    assert versions.manifest(store, "faces")["label"].tolist()[8] == "neutral"
    assert ledger.history(store, 1)[-1].why == "too hasty"


def test_restoring_what_is_there_writes_nothing(tmp_path):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    assert changes.restore(store, "faces", "one", "Ada").events == ()
    assert len(ledger.history(store, 1)) == 1


def test_errors(tmp_path):
    store = filled(tmp_path, 8)
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad")], "Ada")
    with pytest.raises(NotFound, match="There are: one"):
        changes.diff(store, "faces", "two")
    with pytest.raises(NotFound, match="There are: faces"):
        changes.counts(store, "nobody")
    with pytest.raises(BadInput, match="who gave it"):
        changes.restore(store, "faces", "one", " ")


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("label"), st.integers(1, 6), st.sampled_from([*FER7.names[:3], None])),
        st.tuples(st.just("undo")),
        st.tuples(st.just("freeze")),
        st.tuples(st.just("restore"), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(1, 6)),
    ),
    max_size=10,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_whatever_happened_diff_is_what_the_manifests_say(tmp_path, monkeypatch, actions):
    monkeypatch.setattr(removal, "wipe", lambda store: True)  # slow, and no part of this
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    store = filled(folder, 6)
    versions.freeze(store, "faces", "v0", "Ada")
    for number, (kind, *what) in enumerate(actions):
        known = versions.versions(store, "faces")
        here = versions.manifest(store, "faces")["sample"].tolist()
        if kind == "label" and what[0] in here:
            ledger.relabel(store, [(what[0], what[1])], "Ada")
        elif kind == "undo":
            try:
                ledger.undo(store, "Ada")
            except NotFound:
                pass
        elif kind == "freeze":
            versions.freeze(store, "faces", f"v{number + 1}", "Ada")
        elif kind == "restore":
            wanted = known[what[0] % len(known)]
            changes.restore(store, "faces", wanted, "Ada")
            now, then = (versions.manifest(store, "faces", v) for v in (None, wanted))
            pd.testing.assert_frame_equal(now, then)
        elif kind == "remove" and what[0] in here and len(here) > 1:
            removal.remove(store, what, "Ada")
    known = [*versions.versions(store, "faces"), None]
    for old, new in product(known[:-1], known):
        before, after = (
            versions.manifest(store, "faces", v).set_index("sample")["label"] for v in (old, new)
        )
        frame = changes.diff(store, "faces", old, new)
        told = frame[frame["kind"] == "relabelled"].set_index("sample")
        differs = before.fillna("") != after.fillna("")
        assert set(told.index) == set(before.index[differs])
        assert told["old"].fillna("").to_dict() == before[differs].fillna("").to_dict()
        assert told["new"].fillna("").to_dict() == after[differs].fillna("").to_dict()
        between = abs((new.removed if new else 0) - old.removed)
        assert between == (frame["kind"] != "relabelled").sum()
    store.close()
