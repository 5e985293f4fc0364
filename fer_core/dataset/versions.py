"""Versions: a name for a place in the ledger. Freezing copies nothing; every version can be had again."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import schema, votes
from fer_core.dataset.store import Store, find_dataset, now
from fer_core.errors import BadInput, Conflict, NotFound

_version = schema.version.c

_removed: sa.Label[int] = sa.literal_column(
    "(SELECT count(*) FROM event gone WHERE gone.dataset = version.dataset AND gone.kind = 'removed' "
    "AND gone.id > version.event "
    "AND (SELECT min(id) FROM event WHERE sample = gone.sample) <= version.event)"
).label("removed")


@dataclass(frozen=True)
class Version:
    """A frozen dataset.

    Attributes:
        id: `manifest_id` of its manifest.
        event: place in the ledger: the last event that counts.
        rows: number of samples when it was frozen.
        at: UTC, ISO 8601.
        removed: how many of them were deleted for good since; what is left has another id.
    """

    id: str
    dataset: str
    name: str
    event: int
    rows: int
    who: str
    at: str
    note: str
    removed: int = 0


def freeze(store: Store, dataset: str, name: str, who: str, note: str = "") -> Version:
    """Give the present state of a dataset a name.

    Freezing an unchanged dataset again under the same name returns the version that is there.

    Raises:
        BadInput: an empty name, or a dataset without samples.
        Conflict: the name stands for another state.
        NotFound: no such dataset.
    """
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > 100 or not cleaned.isprintable():
        raise BadInput(f"A version's name has 1 to 100 letters. Received: {name[:120]!r}. Choose another.")
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        place = connection.scalar(
            sa.select(sa.func.max(schema.event.c.id)).where(schema.event.c.dataset == key)
        )
        if place is None:
            raise BadInput(f"A version needs samples. Received: the empty {dataset!r}. Import some first.")
        frame = _as_of(connection, key, place)
    identity = manifest_id(frame)
    with store.write() as connection:
        row = connection.execute(
            sa.select(schema.version).where(_version.dataset == key, _version.name == cleaned)
        ).one_or_none()
        if row is None:
            connection.execute(
                sa.insert(schema.version).values(
                    dataset=key, name=cleaned, id=identity, event=place, rows=len(frame), who=who, at=now(),
                    note=note,
                )
            )  # fmt: skip
        elif row.id != identity:
            raise Conflict(
                f"A version keeps its name. Received: {cleaned!r}, which stands for the state of {row.at}. "
                "Choose another name."
            )
    return _find(versions(store, dataset), cleaned)


def versions(store: Store, dataset: str) -> list[Version]:
    """All versions of a dataset, oldest first.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = sa.select(schema.version, _removed).where(_version.dataset == key)
        rows = connection.execute(query.order_by(_version.event, _version.at)).all()
    return [Version(**{**row._mapping, "dataset": dataset}) for row in rows]


def find(store: Store, dataset: str, version: str) -> Version:
    """The version of that name or id.

    Raises:
        NotFound: no such dataset or version.
    """
    return _find(versions(store, dataset), version)


def manifest(store: Store, dataset: str, version: Version | str | None = None) -> pd.DataFrame:
    """What a dataset holds, a row per sample, by sample id.

    Args:
        version: a version, its name or its id; None is the present state.

    Returns:
        Columns sample (int64), image (str), split (str), label and subject (object: a name or None),
        valence and arousal (float64 in -1..1, or NaN), and `votes:<label>` (int64, summed over raters)
        for each label that has votes.

    Raises:
        NotFound: no such dataset or version.
    """
    place = None
    if version is not None:
        wanted = version.name if isinstance(version, Version) else version
        place = _find(versions(store, dataset), wanted).event
    with store.read() as connection:
        return _as_of(connection, find_dataset(connection, dataset).id, place)


def manifest_id(frame: pd.DataFrame) -> str:
    """The identity of a manifest: sha256 (64 hex digits) of its rows in sorted order.

    A row counts with image, split and label, so the same pictures, split and labelled alike, have
    the same identity on every machine and after any export and import. Sample ids, subjects and
    votes do not count: not every form of export carries them.
    """
    label = frame["label"].astype(object).where(frame["label"].notna(), "")
    rows = sorted(map("\t".join, zip(frame["image"], frame["split"], label, strict=True)))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _find(known: Iterable[Version], wanted: str) -> Version:
    by_key = {v.id: v for v in known} | {v.name: v for v in known}
    if wanted not in by_key:
        raise NotFound.of("version", wanted, (v.name for v in known))
    return by_key[wanted]


def _as_of(connection: sa.Connection, dataset: int, place: int | None) -> pd.DataFrame:
    """The manifest after the event `place`; None is now."""
    sample = schema.sample.c
    fixed = (sample.id, sample.image, sample.split, sample.subject, sample.valence, sample.arousal)
    if place is None:
        query = sa.select(*fixed[:3], sample.label, *fixed[3:])
    else:
        event, inner = schema.event.c, schema.event.alias("inner_event")
        # A sample is there from its first event on, which its import wrote.
        newest = (
            sa.select(sa.func.max(inner.c.id))
            .where(inner.c.sample == sample.id, inner.c.id <= place)
            .correlate(schema.sample)
            .scalar_subquery()
        )
        query = sa.select(*fixed[:3], event.new, *fixed[3:])
        query = query.join_from(schema.sample, schema.event, event.id == newest)
    rows = connection.execute(query.where(sample.dataset == dataset).order_by(sample.id)).all()
    columns = zip(*rows, strict=True) if rows else ((),) * 7
    ids, images, splits, given, subjects, valence, arousal = columns
    frame = pd.DataFrame(
        {
            "sample": np.array(ids, np.int64),
            "image": pd.Series(images, dtype="str"),
            "split": pd.Series(splits, dtype="str"),
            "label": pd.Series(given, dtype=object),
            "subject": pd.Series(subjects, dtype=object),
            "valence": pd.Series(valence, dtype="float64"),
            "arousal": pd.Series(arousal, dtype="float64"),
        }
    )
    return _with_votes(connection, dataset, frame)


def _with_votes(connection: sa.Connection, dataset: int, frame: pd.DataFrame) -> pd.DataFrame:
    """The manifest with its vote columns; zeros where a sample has no votes."""
    stored = schema.votes.c
    query = (
        # As text, because parsing all of them in one go is several times faster than one by one.
        sa.select(stored.sample, sa.type_coerce(stored.counts, sa.Text))
        .join_from(schema.votes, schema.sample, stored.sample == schema.sample.c.id)
        .where(schema.sample.c.dataset == dataset)
    )
    present = set(frame["sample"])
    rows = [row for row in connection.execute(query) if row[0] in present]
    if not rows:
        return frame
    counts = json.loads(f"[{','.join(text for _, text in rows)}]")
    names = list(dict.fromkeys(name for row in counts for name in row))
    table = np.zeros((len(frame), len(names)), np.int64)
    place = frame["sample"].searchsorted(np.array([sample for sample, _ in rows]))
    np.add.at(table, place, np.array([[row.get(name, 0) for name in names] for row in counts], np.int64))
    return pd.concat([frame, pd.DataFrame(table, columns=[votes.PREFIX + name for name in names])], axis=1)
