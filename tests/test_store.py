"""The database: opened by anyone, changed as a whole or not at all."""

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from drawn_fer2013 import filled

from fer_core.dataset import schema
from fer_core.dataset import store as store_module
from fer_core.dataset.ledger import relabel, undo
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.imaging.decode import decode_image, pixel_id
from fer_core.labels import AFFECTNET8, FER7, custom


def test_opens_in_the_workspace_and_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    with Store.open().write() as connection:
        ensure_dataset(connection, "faces", FER7)
    assert (tmp_path / "studio.db").is_file()
    assert [d.name for d in Store.open().datasets()] == ["faces"]
    assert Store.open(f"sqlite:///{tmp_path}/studio.db").dataset("faces").label_set is FER7


def test_own_label_sets_keep_their_order(tmp_path):
    store = Store.open(tmp_path / "a.db")
    mine = custom(["zeal", "awe", "joy"], "mine")
    with store.write() as connection:
        ensure_dataset(connection, "moods", mine)
    assert store.dataset("moods").label_set == mine


def test_a_dataset_keeps_its_label_set(tmp_path):
    store = Store.open(tmp_path / "a.db")
    with store.write() as connection:
        ensure_dataset(connection, "faces", FER7)
    with pytest.raises(Conflict, match="keeps one label set"), store.write() as connection:
        ensure_dataset(connection, "faces", AFFECTNET8)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b"])
def test_names_that_cannot_be_used(tmp_path, name):
    with pytest.raises(BadInput, match="name"), Store.open(tmp_path / "a.db").write() as connection:
        ensure_dataset(connection, name, FER7)


def test_a_failed_lookup_lists_what_exists(tmp_path):
    store = filled(tmp_path, 4)
    with pytest.raises(NotFound, match="'face'.*There are: faces"):
        store.dataset("face")
    with pytest.raises(NotFound, match="image='nowhere'"):
        store.image_bytes(["nowhere"])


def test_pictures_come_back_under_their_own_id(tmp_path):
    store = filled(tmp_path, 12)
    with store.read() as connection:
        images = connection.scalars(sa.select(schema.image.c.id)).all()
    found = store.image_bytes(images)
    assert len(found) == 12
    assert all(pixel_id(decode_image(data)) == image for image, data in found.items())


def test_a_block_that_raises_stores_nothing(tmp_path):
    store = Store.open(tmp_path / "a.db")
    with pytest.raises(RuntimeError, match="half way"), store.write() as connection:
        ensure_dataset(connection, "faces", FER7)
        raise RuntimeError("half way")
    assert store.datasets() == []


def test_refuses_what_is_not_its_own(tmp_path):
    (tmp_path / "text.db").write_text("this is no database, " * 100)
    with pytest.raises(StorageError, match="not a database"):
        Store.open(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE recipe (id)")
    with pytest.raises(StorageError, match="recipe"):
        Store.open(tmp_path / "other.db")
    with pytest.raises(StorageError, match="unable to open"):
        Store.open(tmp_path / "no such folder" / "a.db")
    with pytest.raises(BadInput, match="postgresql"):
        Store.open("postgresql://somewhere/faces")


def test_refuses_a_newer_schema(tmp_path):
    Store.open(tmp_path / "a.db").close()
    with sqlite3.connect(tmp_path / "a.db") as later:
        later.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    with pytest.raises(StorageError, match="Update the program"):
        Store.open(tmp_path / "a.db")


def test_a_writer_that_waits_too_long_is_told(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "a.db")
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.1)
    hurried = Store.open(tmp_path / "a.db")
    with store.write(), pytest.raises(Conflict, match="One writer at a time"), hurried.write():
        pass
    assert hurried.datasets() == []


def test_readers_do_not_wait_for_a_writer(tmp_path):
    store = Store.open(tmp_path / "a.db")
    with store.write() as connection:
        ensure_dataset(connection, "faces", FER7)
        assert Store.open(tmp_path / "a.db").datasets() == []
    assert [d.name for d in store.datasets()] == ["faces"]


def test_several_processes_make_one_database(tmp_path):
    code = (
        "import sys; from fer_core.dataset.store import *; from fer_core.labels import FER7\n"
        "with Store.open(sys.argv[1]).write() as c: ensure_dataset(c, 'from ' + sys.argv[2], FER7)"
    )
    place = str(tmp_path / "a.db")
    command = [sys.executable, "-c", code, place]
    started = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE) for n in range(4)]
    assert [(p.communicate()[1], p.returncode) for p in started] == [(b"", 0)] * 4
    assert [d.name for d in Store.open(place).datasets()] == [f"from {n}" for n in range(4)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sample SET split = 'test' WHERE id = 1",
        "UPDATE sample SET image = (SELECT image FROM sample WHERE id = 2) WHERE id = 1",
        "UPDATE sample SET label = 'contempt' WHERE id = 1",
        "UPDATE votes SET counts = '{}'",
        "INSERT INTO sample (dataset, image, source, split) SELECT 1, id, 'x', 'holdout' FROM image LIMIT 1",
        "INSERT INTO sample (dataset, image, source, split) VALUES (1, 'nowhere', 'x', 'test')",
    ],
)
def test_the_database_keeps_the_rules(tmp_path, statement):
    store = filled(tmp_path, 4, votes=True)
    with pytest.raises(Conflict, match="keeps its rules"), store.write() as connection:
        connection.exec_driver_sql(statement)


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path):
    filled(tmp_path, 6).close()
    path = next(tmp_path.glob("*.db"))
    with sqlite3.connect(path) as old:
        for trigger in ("sample_is_counted", "relabelled_is_counted", "deleted_is_counted"):
            old.execute(f"DROP TRIGGER {trigger}")
        for table in ("arrival", "measure", "finding", "checkup", "tally"):
            old.execute(f"DROP TABLE {table}")
        for index in ("sample_all", "sample_split", "sample_shuffled", "sample_subject", "event_change"):
            old.execute(f"DROP INDEX {index}")
        old.execute("PRAGMA user_version = 1")
    old.close()
    store = Store.open(path)
    with store.read() as connection:
        arrival = connection.execute(sa.select(schema.arrival)).one()
        indexes = {index["name"] for index in sa.inspect(connection).get_indexes("sample")}
        tally = connection.scalar(sa.select(sa.func.sum(schema.tally.c.n)))
    assert (arrival.first, arrival.last) == (1, 6)
    assert "sample_shuffled" in indexes and tally == 6
    relabel(store, [(1, "sad"), (2, None)], "Ada")
    assert_tally_is_true(store)


def test_the_tally_follows_every_change(tmp_path):
    store = filled(tmp_path, 20)
    relabel(store, [(1, "sad"), (2, None), (3, "not a face")], "Ada")
    undo(store, "Ada")
    relabel(store, [(1, "happy"), (4, None)], "Ada")
    with store.write() as connection:
        connection.execute(sa.delete(schema.sample).where(schema.sample.c.id == 5))
    assert_tally_is_true(store)


def assert_tally_is_true(store):
    sample, tally = schema.sample.c, schema.tally.c
    label = sa.func.ifnull(sample.label, "")
    with store.read() as connection:
        counted = connection.execute(
            sa.select(sample.dataset, sample.split, label, sa.func.count()).group_by(
                sample.dataset, sample.split, label
            )
        ).all()
        kept = connection.execute(sa.select(schema.tally).where(tally.n > 0)).all()
    assert sorted(map(tuple, kept)) == sorted(map(tuple, counted))
