"""What happened between two versions, and the way back."""

import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import ledger, schema, versions
from fer_core.dataset.store import Store, find_dataset
from fer_core.dataset.versions import Version

COLUMNS = ("sample", "image", "source", "split", "kind", "old", "new", "who", "at", "why")

_NOW = 2**63 - 1
"""A place in the ledger that no event reaches."""

_BETWEEN = """
WITH touched AS (
    SELECT sample, max(id) AS last FROM event
    WHERE dataset = :dataset AND id > :low AND id <= :high {only}
        -- What was taken back beneath a later label has not made that label.
        AND (undoes IS NULL OR old IS NOT new)
    GROUP BY sample
)
SELECT touched.sample, sample.image, sample.source, sample.split, after.kind = 'removed' AS gone,
    before.id IS NULL AS fresh, before.new AS old, first.new AS given, after.new AS new,
    after.who, after.at, after.why
FROM touched
JOIN event after ON after.id = touched.last
JOIN event first ON first.id = (SELECT min(id) FROM event WHERE sample = touched.sample)
LEFT JOIN event before ON before.id = (
    SELECT max(id) FROM event WHERE sample = touched.sample AND id <= :low
)
LEFT JOIN sample ON sample.id = touched.sample
WHERE sample.id IS NOT NULL OR after.kind = 'removed'
ORDER BY touched.last DESC
"""
"""Each sample that an event between two places names: its label at both, and the last such event."""


def diff(store: Store, dataset: str, old: Version | str, new: Version | str | None = None) -> pd.DataFrame:
    """What differs between two versions, a row per sample, the latest change first.

    Args:
        new: None is the present state. It may be older than `old`: then what was added counts as removed.

    Returns:
        Columns sample (int64), image, source, split, kind ("relabelled", "added" or "removed"), old and
        new (names or None), and who, at, why of the last event in between. Of a sample that was deleted
        for good there is no image, source or split any more.

    Raises:
        NotFound: no such dataset or version.
    """
    start, end = _place(store, dataset, old), _place(store, dataset, new)
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        return _diff(connection, key, start, end)


def relabelled(
    store: Store, dataset: str, old: Version | str | None = None, new: Version | str | None = None
) -> pd.DataFrame:
    """The samples whose label is another one, in `diff`'s columns.

    Args:
        old: None is what the imports said. A sample that came after `old` counts from its import on.
        new: None is the present state.

    Raises:
        NotFound: no such dataset or version.
    """
    start, end = 0 if old is None else _place(store, dataset, old), _place(store, dataset, new)
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        frame = _between(connection, key, min(start, end), max(start, end), "AND kind <> 'import'")
    frame["old"] = frame["old"].where(~frame["fresh"], frame["given"])
    frame["kind"] = "relabelled"
    if end < start:
        frame[["old", "new"]] = frame[["new", "old"]]
    differs = frame["old"].fillna("") != frame["new"].fillna("")
    return _shaped(frame[differs & ~frame["gone"]])


def newest(store: Store, dataset: str) -> int:
    """The last event of a dataset (0 for none): while it stays the same, so does every diff.

    Raises:
        NotFound: no such dataset.
    """
    event = schema.event.c
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        return connection.scalar(sa.select(sa.func.max(event.id)).where(event.dataset == key)) or 0


def counts(store: Store, dataset: str, version: Version | str | None = None) -> pd.DataFrame:
    """How many samples of each class stand in each split.

    Args:
        version: None is the present state.

    Returns:
        A row per label ("" for none), a column per split that has samples; int64.

    Raises:
        NotFound: no such dataset or version.
    """
    place = _place(store, dataset, version)
    tally = schema.tally.c
    query = sa.select(tally.label, tally.split, tally.n)
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        rows = connection.execute(query.where(tally.dataset == key))
        found = {(row.label, row.split): row.n for row in rows}
        since = _diff(connection, key, place, _NOW)
    # From the present state backwards: far fewer labels were changed since than there are samples.
    since = since[since["split"].notna()]
    for column, step, kinds in (("new", -1, ("added", "relabelled")), ("old", 1, ("relabelled",))):
        some = since[since["kind"].isin(kinds)]
        for cell, count in some.groupby([some[column].fillna(""), "split"]).size().items():
            found[cell] = found.get(cell, 0) + step * count
    table = pd.Series({cell: count for cell, count in found.items() if count}, dtype="int64")
    if table.empty:
        return pd.DataFrame()
    return table.unstack(fill_value=0)


def restore(store: Store, dataset: str, version: Version | str, who: str, why: str = "") -> ledger.Change:
    """Give the samples of a version the labels that they had then, by further events.

    Nothing is lost: the labels of today stay in the ledger, and `ledger.undo` of the batch brings them
    back. Samples that were imported since are left as they are.

    Returns:
        The new events; `kept` are the samples that were imported since.

    Raises:
        BadInput: no name in `who`.
        NotFound: no such dataset or version.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    wanted = version if isinstance(version, Version) else versions.find(store, dataset, version)
    with store.write() as connection:
        key = find_dataset(connection, dataset).id
        since = _diff(connection, key, wanted.event, _NOW)
        changed = since[since["kind"] == "relabelled"]
        rows = [
            {"sample": sample, "dataset": key, "old": new, "new": old}
            for sample, old, new in zip(
                changed["sample"].tolist(), changed["old"], changed["new"], strict=True
            )
        ]
        why = why or f"as in the version {wanted.name}"
        change = ledger.record(connection, rows, who, why=why, surfaced_by=ledger.BY_RESTORE)
    kept = since.loc[since["kind"] == "added", "sample"]
    return ledger.Change(change.batch, change.events, tuple(kept.tolist()))


def _place(store: Store, dataset: str, version: Version | str | None) -> int:
    if version is None:
        return _NOW
    return version.event if isinstance(version, Version) else versions.find(store, dataset, version).event


def _diff(connection: sa.Connection, dataset: int, start: int, end: int) -> pd.DataFrame:
    frame = _between(connection, dataset, min(start, end), max(start, end))
    frame["kind"] = "relabelled"
    frame.loc[frame["fresh"], "kind"] = "added"
    frame.loc[frame["gone"], "kind"] = "removed"
    came_and_went = frame["fresh"] & frame["gone"]
    same = (frame["kind"] == "relabelled") & (frame["old"].fillna("") == frame["new"].fillna(""))
    frame = frame[~came_and_went & ~same]
    if end < start:
        frame = frame.assign(
            old=frame["new"],
            new=frame["old"],
            kind=frame["kind"].replace({"added": "removed", "removed": "added"}),
        )
    return _shaped(frame)


def _between(connection: sa.Connection, dataset: int, low: int, high: int, only: str = "") -> pd.DataFrame:
    query = sa.text(_BETWEEN.format(only=only))
    found = connection.execute(query, {"dataset": dataset, "low": low, "high": high})
    names = list(found.keys())
    columns = list(zip(*found, strict=True)) or [()] * len(names)
    frame = pd.DataFrame({n: pd.Series(c, dtype=object) for n, c in zip(names, columns, strict=True)})
    return frame.astype({"sample": "int64", "gone": bool, "fresh": bool})


def _shaped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[list(COLUMNS)].reset_index(drop=True)
