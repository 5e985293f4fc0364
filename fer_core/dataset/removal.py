"""Deletion for good, when a person asks for it: nothing of a picture, its file name or its subject stays.

The ledger says that a sample was removed, when and by whom. Earlier events stay; they hold names of labels.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import sqlalchemy as sa

from fer_core import workspace
from fer_core.dataset import schema
from fer_core.dataset.store import Store, find_dataset, now, slices
from fer_core.errors import BadInput, NotFound


@dataclass(frozen=True)
class Receipt:
    """What was deleted, to be shown to whoever asked for it. It names nothing that was deleted.

    Attributes:
        samples: samples that are gone.
        pictures: pictures that are gone, with their bytes.
        kept: pictures that stay, because other samples show them.
        wiped: whether the freed parts of the database file are overwritten too. If not, the disk was
            full or somebody was reading: `wipe` can be called again.
        at: UTC, ISO 8601.
    """

    samples: int
    pictures: int
    kept: int
    wiped: bool
    who: str
    at: str


def remove(
    store: Store, samples: Iterable[int], who: str, *, everywhere: bool = False, why: str = ""
) -> Receipt:
    """Delete samples, and the pictures that no other sample shows.

    Args:
        everywhere: also every other sample, of any dataset, that shows one of these pictures.
        why: stays in the ledger for good, so it should not name anybody.

    Raises:
        BadInput: no name in `who`.
        NotFound: a sample does not exist; then nothing was deleted.
        Conflict, StorageError: it could not be done; then nothing was deleted.
    """
    wanted = sorted(set(map(int, samples)))
    with store.write() as connection:
        _empty_list(connection)
        for some in slices(wanted):
            connection.exec_driver_sql(
                f"INSERT INTO doomed SELECT id, image FROM sample WHERE id IN ({', '.join('?' * len(some))})",
                tuple(some),
            )
        found = set(connection.exec_driver_sql("SELECT sample FROM doomed").scalars())
        if missing := next((sample for sample in wanted if sample not in found), None):
            raise NotFound(
                f"Samples are found by the id that an import gave them. Received: sample={missing}. "
                "It may have been deleted already; nothing was deleted now."
            )
        outcome = _delete(connection, who, why, everywhere)
    return _finished(store, *outcome)


def remove_subject(
    store: Store, subject: str, who: str, *, dataset: str | None = None, why: str = ""
) -> Receipt:
    """Delete all samples of one subject.

    Args:
        dataset: only there; None is everywhere, with every other sample that shows one of these pictures.
        why: stays in the ledger for good, so it should not name anybody.

    Raises:
        BadInput: no name in `who`.
        NotFound: no such dataset, or no sample of that subject.
        Conflict, StorageError: it could not be done; then nothing was deleted.
    """
    sample = schema.sample.c
    query = sa.select(sample.id, sample.image).where(sample.subject == subject)
    with store.write() as connection:
        if dataset is not None:
            query = query.where(sample.dataset == find_dataset(connection, dataset).id)
        else:
            # By dataset, so that the index of subjects serves.
            query = query.where(sample.dataset.in_(sa.select(schema.dataset.c.id)))
        _empty_list(connection)
        connection.execute(sa.insert(_doomed).from_select(["sample", "image"], query))
        if not connection.exec_driver_sql("SELECT count(*) FROM doomed").scalar_one():
            raise NotFound(
                "A subject is found by its exact name. "
                f"Received: subject={subject!r} in {dataset or 'all datasets'}, which has no sample. "
                "Check the spelling; nothing was deleted."
            )
        outcome = _delete(connection, who, why, everywhere=dataset is None)
    return _finished(store, *outcome)


def remove_dataset(store: Store, dataset: str, who: str, *, why: str = "") -> Receipt:
    """Delete a dataset with its samples, versions and findings. Pictures that others show stay.

    Raises:
        BadInput: no name in `who`.
        NotFound: no such dataset.
        Conflict, StorageError: it could not be done; then nothing was deleted.
    """
    sample = schema.sample.c
    with store.write() as connection:
        key = find_dataset(connection, dataset).id
        _empty_list(connection)
        query = sa.select(sample.id, sample.image).where(sample.dataset == key)
        connection.execute(sa.insert(_doomed).from_select(["sample", "image"], query))
        outcome = _delete(connection, who, why, everywhere=False)
        for table in (schema.version, schema.tally):
            connection.execute(sa.delete(table).where(table.c.dataset == key))
        connection.execute(sa.delete(schema.dataset).where(schema.dataset.c.id == key))
    return _finished(store, *outcome)


def wipe(store: Store) -> bool:
    """Write the database file anew without what was deleted, so that no byte of it stays in freed places.

    Takes as long as copying the file, and as much free space.

    Returns:
        Whether it could be done: not while the disk is full or somebody else reads or writes.
    """
    connection = store.engine.raw_connection()
    try:
        cursor = connection.cursor()
        # Rows move while the tables grow and leave copies of themselves behind: clearing the places that
        # a deletion frees would not reach those. VACUUM copies only what is there.
        cursor.execute("VACUUM")
        (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except sqlite3.Error:
        return False
    finally:
        connection.close()


_doomed = sa.table("doomed", sa.column("sample"), sa.column("image"))


def _empty_list(connection: sa.Connection) -> None:
    """The list of samples to delete, this connection's own."""
    connection.exec_driver_sql(
        "CREATE TEMP TABLE IF NOT EXISTS doomed (sample INTEGER PRIMARY KEY, image TEXT NOT NULL)"
    )
    connection.exec_driver_sql("DELETE FROM doomed")


def _delete(
    connection: sa.Connection, who: str, why: str, everywhere: bool
) -> tuple[Receipt, dict[int, str]]:
    """Delete what is listed, with one event for each; a receipt, and the picture of each sample."""
    person = " ".join(who.split())
    if not person:
        raise BadInput(f"A deletion says who made it. Received: who={who!r}. Enter a name.")

    def run(statement: str, *values: str) -> int:
        return connection.exec_driver_sql(statement, values).rowcount

    if everywhere:
        run(
            "INSERT OR IGNORE INTO doomed SELECT sample.id, sample.image FROM sample "
            "WHERE sample.image IN (SELECT image FROM doomed)"
        )
    at = now()
    run(
        "INSERT INTO event (sample, dataset, kind, old, new, who, at, why, surfaced_by, batch, sitting) "
        "SELECT id, dataset, 'removed', label, NULL, ?, ?, ?, '', ?, '' FROM sample "
        "WHERE id IN (SELECT sample FROM doomed) ORDER BY id",
        person, at, why, secrets.token_hex(8),
    )  # fmt: skip
    run("DELETE FROM sample WHERE id IN (SELECT sample FROM doomed)")
    pictures = run(
        "DELETE FROM image WHERE id IN (SELECT image FROM doomed) "
        "AND NOT EXISTS (SELECT 1 FROM sample WHERE sample.image = image.id)"
    )
    # An import is known by the name of its archive or file; with its last sample that goes too.
    run(
        "DELETE FROM arrival WHERE NOT EXISTS (SELECT 1 FROM sample WHERE sample.dataset = arrival.dataset "
        "AND sample.id BETWEEN arrival.first AND arrival.last)"
    )
    gone: dict[int, str] = dict(connection.execute(sa.select(_doomed)).all())
    run("DELETE FROM doomed")
    kept = len(set(gone.values())) - pictures
    return Receipt(len(gone), pictures, kept, False, person, at), gone


def _finished(store: Store, receipt: Receipt, gone: dict[int, str]) -> Receipt:
    """After the transaction: the copies outside of the tables."""
    _empty_cache()
    for path in workspace.folder("runs").glob("*/manifest.parquet"):
        _leave_out(path, gone)
    return replace(receipt, wiped=wipe(store))


def _empty_cache() -> None:
    """Arrays, prepared downloads and uploads that wait hold many pictures each, and can be made anew."""
    for entry in workspace.folder("cache").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _leave_out(path: Path, gone: dict[int, str]) -> None:
    """Take the samples out of the manifest that a training run keeps: it names subjects."""
    if not gone.keys() & set(pq.read_table(path, columns=["sample"])["sample"].to_pylist()):
        return
    frame = pd.read_parquet(path)
    # By both: a run may have learned from another store, where the number is another sample's.
    here = frame["sample"].map(gone) == frame["image"]
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    frame[~here].to_parquet(part, index=False)
    os.replace(part, path)
