"""The ledger: every label is an event, no event is ever lost or changed."""

import signal
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from drawn_fer2013 import filled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_core.dataset import ledger, schema
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.labels import FER7, NOT_A_FACE, UNSURE


def labels_of(store: Store) -> dict[int, str | None]:
    with store.read() as connection:
        return dict(connection.execute(sa.select(schema.sample.c.id, schema.sample.c.label)).all())


def events_of(store: Store) -> list[sa.Row]:
    with store.read() as connection:
        return connection.execute(sa.select(schema.event).order_by(schema.event.c.id)).all()


def replay(store: Store) -> dict[int, str | None]:
    """The labels by the ledger alone; each event must start from what the one before left."""
    state: dict[int, str | None] = {}
    for event in events_of(store):
        assert event.old == state.get(event.sample), event
        state[event.sample] = event.new
    return state


def test_relabel_is_told_in_the_history(tmp_path):
    store = filled(tmp_path, 4)
    change = ledger.relabel(store, [(1, "Happiness"), (2, None)], " Ada ", "typo", "confusion cell", "s1")
    first, second = ledger.history(store, 1)
    assert (first.kind, first.old, first.new, first.who) == ("import", None, "angry", "import")
    assert (second.kind, second.old, second.new) == ("label", "angry", "happy")
    assert (second.who, second.why, second.surfaced_by) == ("Ada", "typo", "confusion cell")
    assert (second.sitting, second.batch, second.id) == ("s1", change.batch, change.events[0])
    assert first.at <= second.at and second.at.endswith("+00:00")
    assert labels_of(store) == {1: "happy", 2: None, 3: "fear", 4: "happy"}


def test_agreeing_is_an_event_too(tmp_path):
    store = filled(tmp_path, 4)
    ledger.relabel(store, [(1, "angry")], "Ada")
    assert [(e.old, e.new) for e in ledger.history(store, 1)] == [(None, "angry"), ("angry", "angry")]


def test_undo_goes_back_step_by_step_and_forth(tmp_path):
    store = filled(tmp_path, 4)
    ledger.relabel(store, [(1, "sad"), (2, "sad")], "Ada")
    ledger.relabel(store, [(1, "fear")], "Ada")
    ledger.relabel(store, [(3, "happy")], "Bob")
    back = ledger.undo(store, "Ada")
    assert labels_of(store)[1] == "sad"
    ledger.undo(Store.open(tmp_path / "studio.db"), "Ada")
    assert labels_of(store) == {1: "angry", 2: "disgust", 3: "happy", 4: "happy"}
    with pytest.raises(NotFound, match="nothing left to undo"):
        ledger.undo(store, "Ada")
    assert labels_of(store)[3] == "happy", "Bob's work is his own"
    ledger.undo(store, "Ada", back.batch)
    assert labels_of(store)[1] == "fear", "the undo of an undo puts back what it took"
    assert replay(store) == labels_of(store)


def test_an_undo_can_be_taken_back_and_done_again(tmp_path):
    store = filled(tmp_path, 4)
    ledger.relabel(store, [(1, "sad")], "Ada")
    for _ in range(3):
        back = ledger.undo(store, "Ada")
        assert labels_of(store)[1] == "angry"
        ledger.undo(store, "Ada", back.batch)
        assert labels_of(store)[1] == "sad"
        with pytest.raises(NotFound):
            ledger.undo(store, "Ada", back.batch)
    assert replay(store) == labels_of(store)


def test_undo_keeps_what_someone_said_since(tmp_path):
    store = filled(tmp_path, 4)
    mine = ledger.relabel(store, [(1, "sad"), (2, "sad")], "Ada")
    ledger.relabel(store, [(2, "neutral")], "Bob")
    assert ledger.undo(store, "Ada", mine.batch).kept == (2,)
    assert labels_of(store)[1] == "angry" and labels_of(store)[2] == "neutral"
    with store.read() as connection:
        assert ledger.taken_back(connection, 1) == set(mine.events), "the answer beneath is withdrawn too"
    ledger.undo(store, "Bob")
    assert labels_of(store)[2] == "disgust", "and does not come up again"


def test_a_sitting_is_taken_back_whole_and_brought_back_whole(tmp_path):
    store = filled(tmp_path, 4)
    name = store.datasets()[0].name
    ledger.relabel(store, [(1, "sad"), (2, "sad"), (3, "sad")], "Ada", sitting="s1")
    ledger.relabel(store, [(1, "fear")], "Ada", sitting="s1")
    ledger.relabel(store, [(2, "neutral")], "Bob", sitting="s2")
    ledger.relabel(store, [(4, "sad")], "Ada", sitting="s3")
    change = ledger.revert(store, "Eve", dataset=name, sitting="s1", why="tired", name="once")
    assert labels_of(store) == {1: "angry", 2: "neutral", 3: "fear", 4: "sad"} and change.kept == (2,)
    assert len(change.events) == 4 and ledger.history(store, 1)[-1].why == "tired"
    again = ledger.revert(store, "Eve", dataset=name, sitting="s1", name="once")
    assert again.events == change.events, "sent twice, done once"
    with pytest.raises(NotFound, match="nothing left to take back"):
        ledger.revert(store, "Eve", dataset=name, sitting="s1")
    ledger.undo(store, "Bob", change.batch)
    assert labels_of(store) == {1: "fear", 2: "neutral", 3: "sad", 4: "sad"}
    ledger.revert(store, "Eve", dataset=name, person="Ada")
    assert labels_of(store) == {1: "angry", 2: "neutral", 3: "fear", 4: "happy"}
    ledger.undo(store, "Bob")
    assert labels_of(store)[2] == "disgust" and replay(store) == labels_of(store)


def test_a_revert_names_what_and_who(tmp_path):
    store = filled(tmp_path, 4)
    name = store.datasets()[0].name
    ledger.relabel(store, [(1, "sad")], "Ada", surfaced_by=ledger.BY_FILE)
    for wrong, error, said in (
        ({}, BadInput, "sitting or a person"),
        ({"person": "Ada"}, NotFound, "nothing left"),
        ({"person": "Ada", "who": " "}, BadInput, "who gave it"),
        ({"person": "Ada", "dataset": "gone"}, NotFound, "'gone'"),
    ):
        with pytest.raises(error, match=said):
            ledger.revert(store, **{"who": "Eve", "dataset": name, **wrong})


def test_a_tab_that_is_behind_is_told_who_was_faster(tmp_path):
    store = filled(tmp_path, 4)
    mine = ledger.relabel(store, [(1, "sad")], "Ada", sitting="s1")
    ledger.revert(store, "Eve", dataset=store.datasets()[0].name, sitting="s1")
    with pytest.raises(NotFound, match="which Eve took back at .* nothing left to undo"):
        ledger.undo(store, "Ada", mine.batch)


def test_what_was_deleted_meanwhile_is_not_labelled_from_the_dead(tmp_path):
    store = filled(tmp_path, 4)
    mine = ledger.relabel(store, [(1, "sad"), (2, "sad")], "Ada")
    alone = ledger.relabel(store, [(3, "sad")], "Ada")
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM sample WHERE id IN (2, 3)")
    assert len(ledger.undo(store, "Ada", mine.batch).events) == 1
    before = events_of(store)
    with pytest.raises(NotFound, match="deleted meanwhile"):
        ledger.undo(store, "Ada", alone.batch)
    assert events_of(store) == before and labels_of(store) == {1: "angry", 4: "happy"}


def test_the_import_itself_cannot_be_undone(tmp_path):
    store = filled(tmp_path, 4)
    with pytest.raises(NotFound):
        ledger.undo(store, "import")
    with pytest.raises(NotFound):
        ledger.undo(store, "Ada", ledger.history(store, 1)[0].batch)


@pytest.mark.parametrize(
    ("changes", "who", "error", "said"),
    [
        ([(1, "sad"), (2, "contempt")], "Ada", BadInput, "Labels of this dataset are: angry.*'contempt'"),
        ([(1, "sad"), (99, "sad")], "Ada", NotFound, "sample=99"),
        ([(1, "sad"), (1, "fear")], "Ada", BadInput, "twice"),
        ([(1, "sad")], "  ", BadInput, "who gave it"),
    ],
)
def test_a_call_that_cannot_be_kept_whole_writes_nothing(tmp_path, changes, who, error, said):
    store = filled(tmp_path, 4)
    before = events_of(store)
    with pytest.raises(error, match=said):
        ledger.relabel(store, changes, who)
    assert events_of(store) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET new = 'sad' WHERE id = 1",
        "UPDATE event SET why = 'as if' WHERE id = 1",
        "DELETE FROM event WHERE id = 1",
        "DELETE FROM event",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE id = 1",
    ],
)
def test_events_cannot_be_changed_even_past_our_code(tmp_path, statement):
    store = filled(tmp_path, 4)
    before = events_of(store)
    store.close()
    with (
        sqlite3.connect(tmp_path / "studio.db") as raw,
        pytest.raises(sqlite3.IntegrityError, match="append"),
    ):
        raw.execute(statement)
    assert events_of(store) == before


def test_a_deleted_sample_leaves_its_events_and_its_id_is_not_given_again(tmp_path):
    store = filled(tmp_path, 4, votes=True)
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM sample WHERE id = 4")
        connection.exec_driver_sql("DELETE FROM image WHERE id NOT IN (SELECT image FROM sample)")
        sizes = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("sample", "image", "image_data", "votes", "event")
        ]
        connection.exec_driver_sql(
            "INSERT INTO sample (dataset, image, source, split) SELECT 1, id, 'x', 'none' FROM image LIMIT 1"
        )
    assert sizes == [3, 3, 3, 3, 4]
    assert sorted(labels_of(store)) == [1, 2, 3, 5]


ANY_LABEL = st.sampled_from([*FER7.names, UNSURE, NOT_A_FACE, None])
STEP = st.one_of(
    st.tuples(
        st.just("label"),
        st.dictionaries(st.integers(1, 6), ANY_LABEL, min_size=1),
        st.sampled_from(["Ada", "Bob"]),
    ),
    st.tuples(st.just("undo"), st.none(), st.sampled_from(["Ada", "Bob"])),
    st.tuples(st.just("undo"), st.integers(0, 30), st.sampled_from(["Ada", "Bob"])),
    st.tuples(st.just("person"), st.none(), st.sampled_from(["Ada", "Bob"])),
    st.tuples(st.just("sitting"), st.none(), st.sampled_from(["Ada", "Bob"])),
)


def standing(store: Store) -> dict[int, list[sa.Row]]:
    """The labellings of each sample that nobody took back, found by toggling them one by one."""
    told: dict[int, dict[int, list]] = {}
    roots: dict[int, int] = {}
    for event in events_of(store):
        pile = told.setdefault(event.sample, {})
        if event.undoes is None:
            roots[event.id] = event.id
            pile[event.id] = [event, True]
        else:
            root = roots[event.id] = roots[event.undoes]
            pile[root][1] = not pile[root][1]
    return {s: [event for event, stands in pile.values() if stands] for s, pile in told.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=12))
def test_labels_are_always_the_replay_of_the_ledger(steps):
    with tempfile.TemporaryDirectory() as folder:
        store = filled(Path(folder), 6)
        name = store.datasets()[0].name
        batches = ["no such batch"]
        for turn, (kind, what, who) in enumerate(steps):
            if kind == "label":
                sitting = f"{turn // 4} of {who}"
                batches.append(ledger.relabel(store, what.items(), who, sitting=sitting).batch)
            elif kind in ("person", "sitting"):
                whose = {"person": who} if kind == "person" else {"sitting": f"0 of {who}"}
                before = labels_of(store)
                try:
                    change = ledger.revert(store, "Eve", dataset=name, **whose)
                except NotFound:
                    continue
                left = [event for pile in standing(store).values() for event in pile]
                assert not [e for e in left if (e.who if kind == "person" else e.sitting) in whose.values()]
                assert change.kept == tuple(s for s in change.kept if before[s] == labels_of(store)[s])
                after = labels_of(store)
                again = ledger.undo(store, "Eve", change.batch)
                assert labels_of(store) == before
                assert replay(store) == before
                ledger.undo(store, "Eve", again.batch)
                assert labels_of(store) == after
                batches += [change.batch, again.batch]
            else:
                batch = None if what is None else batches[what % len(batches)]
                try:
                    batches.append(ledger.undo(store, who, batch).batch)
                except NotFound:
                    pass
            assert replay(store) == labels_of(store)
            assert {s: pile[-1].new for s, pile in standing(store).items()} == labels_of(store)
        store.close()


def test_writers_at_once_lose_nothing(tmp_path):
    store = filled(tmp_path, 4)
    names = [f"annotator {n}" for n in range(8)]

    def work(who: str) -> None:
        mine = store if who < "annotator 4" else Store.open(tmp_path / "studio.db")
        for turn in range(15):
            ledger.relabel(mine, [(1, FER7.names[turn % 7]), (2 + turn % 3, "sad")], who)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(work, names))
    assert len(events_of(store)) == 4 + len(names) * 15 * 2
    assert replay(store) == labels_of(store)


def test_a_kill_loses_no_label_that_was_acknowledged(tmp_path):
    filled(tmp_path, 4).close()
    code = (
        "import sys; from fer_core.dataset import ledger; from fer_core.dataset.store import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "while True: print(*ledger.relabel(store, [(1, 'sad'), (2, 'fear')], 'Ada').events, flush=True)"
    )
    for labels_before_kill in (1, 7, 30):
        command = [sys.executable, "-c", code, str(tmp_path / "studio.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            told = [writer.stdout.readline() for _ in range(labels_before_kill)]
            writer.send_signal(signal.SIGKILL)
            told += writer.stdout.readlines()
        store = Store.open(tmp_path / "studio.db")
        kept = {event.id for event in events_of(store)}
        acknowledged = {int(number) for line in told if line.endswith("\n") for number in line.split()}
        assert acknowledged and acknowledged <= kept
        assert len([e for e in events_of(store) if e.kind == "label"]) % 2 == 0, "both of a call or neither"
        assert replay(store) == labels_of(store)
        store.close()


def test_a_rule_of_the_database_is_told_as_a_conflict(tmp_path):
    store = filled(tmp_path, 4)
    with pytest.raises(Conflict, match="append-only"), store.write() as connection:
        connection.execute(sa.delete(schema.event))
