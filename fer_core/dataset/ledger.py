"""The label ledger: who called what how, when and why. Nothing in it changes; undo is one more event."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import schema
from fer_core.dataset.store import Store, now, slices
from fer_core.errors import BadInput, NotFound

BY_RESTORE, BY_FILE = "version", "file"
"""`surfaced_by` of labels that came with a restored version or an applied file, without a look."""

_event = schema.event.c
_sample = schema.sample.c


@dataclass(frozen=True)
class Event:
    """One line of the ledger.

    Attributes:
        id: place in the ledger; later events have greater ones.
        kind: "import", "label", "undo" or "removed".
        old, new: names of labels; None is no label.
        at: UTC, ISO 8601.
        surfaced_by: what put the sample before a person's eyes (a queue, a filter).
        batch: what was done in one go, and is undone in one go.
        sitting: what one person did without a break; empty where nobody keeps sittings.
        undoes: id of the event that this one takes back.
    """

    id: int
    sample: int
    dataset: int
    kind: str
    old: str | None
    new: str | None
    who: str
    at: str
    why: str
    surfaced_by: str
    batch: str
    sitting: str
    undoes: int | None


@dataclass(frozen=True)
class Change:
    """What a call wrote.

    Attributes:
        batch: its name in the ledger; `undo` takes it.
        events: ids of the new events.
        kept: samples that an undo left alone, because someone labelled them again since; or that
            a restored version did not have.
    """

    batch: str
    events: tuple[int, ...]
    kept: tuple[int, ...] = ()


def relabel(
    store: Store,
    changes: Iterable[tuple[int, str | None]],
    who: str,
    why: str = "",
    surfaced_by: str = "",
    sitting: str = "",
    batch: str | None = None,
) -> Change:
    """Give samples a label, all of them or none.

    A label that repeats the present one is written too: it says that someone looked and agreed.

    Args:
        changes: (sample, label); any usual spelling, "unsure", "not a face", or None for no label.
        batch: a name of the caller's for this call. A batch that is there already is returned as it is,
            so that a call whose answer got lost can be sent again.

    Raises:
        BadInput: a label outside the dataset's set, a sample named twice, or no name in `who`.
        NotFound: no such sample.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    wanted = [(int(sample), None if label is None else labels.canonical(label)) for sample, label in changes]
    if len({sample for sample, _ in wanted}) != len(wanted):
        raise BadInput(
            "A sample has one label at a time. Received: a sample twice in one call. Send two calls."
        )
    with store.write() as connection:
        if batch and (known := _events_of(connection, batch)):
            return Change(batch, known)
        present = _present(connection, [sample for sample, _ in wanted])
        allowed = _allowed(connection)
        for sample, label in wanted:
            if sample not in present:
                raise NotFound(
                    f"Samples are found by the id that an import gave them. Received: sample={sample}. "
                    "It may have been deleted: open the list again."
                )
            dataset = present[sample].dataset
            if label is not None and label not in allowed[dataset]:
                raise BadInput(
                    f"Labels of this dataset are: {', '.join(allowed[dataset])}. Received: {label!r}. "
                    "Choose one of them."
                )
        rows = [
            {"sample": s, "dataset": present[s].dataset, "old": present[s].label, "new": label}
            for s, label in wanted
        ]
        shared = {
            "kind": "label",
            "who": _person(who),
            "why": why,
            "surfaced_by": surfaced_by,
            "sitting": sitting,
        }
        return _write(connection, rows, batch or _new_batch(), shared)


def undo(
    store: Store,
    who: str,
    batch: str | None = None,
    why: str = "",
    *,
    sitting: str = "",
    name: str | None = None,
) -> Change:
    """Take one batch back, as further events.

    A sample that was labelled again since keeps that later label. Taking an undo back, by its
    batch, labels the samples anew.

    Args:
        batch: what to take back; None is the newest of this person's that is not yet taken back.
        name: of the undo itself, as `batch` is for `relabel`: sent again, it takes back nothing more.

    Raises:
        NotFound: no such batch, or nothing left to take back.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    person = _person(who)
    with store.write() as connection:
        if name and (known := _events_of(connection, name)):
            return Change(name, known)
        batch = batch or _newest_batch(connection, person)
        query = (
            sa.select(_event.id, _event.sample, _event.dataset, _event.kind, _event.old, _event.new)
            .where(_event.batch == batch, sa.text("event.kind <> 'import'"), ~_taken_back().exists())
            .order_by(_event.id)
        )
        events = connection.execute(query).all() if batch else []
        if not events:
            raise NotFound(
                "Undo takes back a batch that still stands. "
                f"Received: who={person!r}, batch={batch!r}. There is nothing left to undo."
            )
        standing = _standing(connection, [e.sample for e in events])
        newest = {sample: list(places.values())[-1] for sample, places in standing.items()}
        stands = {e.id: standing[e.sample][e.id] == newest[e.sample] for e in events}
        rows = [
            {
                "kind": "undo" if e.kind == "label" else "label",
                "sample": e.sample,
                "dataset": e.dataset,
                "old": e.new,
                "new": e.old,
                "undoes": e.id,
            }
            for e in events
            if stands[e.id]
        ]
        kept = tuple(e.sample for e in events if not stands[e.id])
        shared = {"who": person, "why": why, "sitting": sitting}
        return _write(connection, rows, name or _new_batch(), shared, kept)


def record(connection: sa.Connection, rows: list[dict], who: str, **shared: str) -> Change:
    """Write labellings within a transaction of the caller's, as one batch that `undo` takes back.

    Args:
        rows: sample, dataset, old (the label it has now) and new of each; may carry a `why` of their own.
        shared: what all events have in common: why, surfaced_by, sitting.

    Raises:
        BadInput: no name in `who`.
    """
    common = {"kind": "label", "why": "", **shared, "who": _person(who)}
    return _write(connection, rows, _new_batch(), common)


def history(store: Store, sample: int) -> list[Event]:
    """All events of one sample, oldest first; empty if there never was such a sample."""
    with store.read() as connection:
        query = sa.select(schema.event).where(_event.sample == sample).order_by(_event.id)
        return [Event(**row._mapping) for row in connection.execute(query)]


def _write(
    connection: sa.Connection, rows: list[dict], batch: str, shared: dict, kept: tuple[int, ...] = ()
) -> Change:
    if not rows:
        return Change(batch, (), kept)
    at = now()
    connection.execute(sa.insert(schema.event), [{**shared, **row, "batch": batch, "at": at} for row in rows])
    # A trigger of the database has brought sample.label along.
    return Change(batch, _events_of(connection, batch), kept)


def _events_of(connection: sa.Connection, batch: str) -> tuple[int, ...]:
    query = sa.select(_event.id).where(_event.batch == batch, sa.text("event.kind <> 'import'"))
    return tuple(connection.scalars(query.order_by(_event.id)))


def _present(connection: sa.Connection, samples: list[int]) -> dict[int, sa.Row]:
    found: dict[int, sa.Row] = {}
    for some in slices(samples):
        query = sa.select(_sample.id, _sample.dataset, _sample.label).where(_sample.id.in_(some))
        found.update((row.id, row) for row in connection.execute(query))
    return found


def _standing(connection: sa.Connection, samples: list[int]) -> dict[int, dict[int, int]]:
    """For each sample and each of its events, in order: the labelling that stood after the event.

    After a labelling that is itself; after an undo, whatever stood before the event that it takes back.
    """
    found: dict[int, dict[int, int]] = {sample: {0: 0} for sample in samples}
    before: dict[int, int] = {}
    for some in slices(samples):
        query = sa.select(_event.id, _event.sample, _event.kind, _event.undoes)
        for row in connection.execute(query.where(_event.sample.in_(some)).order_by(_event.id)):
            places = found[row.sample]
            before[row.id] = next(reversed(places))
            places[row.id] = places[before[row.undoes]] if row.kind == "undo" else row.id
    return found


def _newest_batch(connection: sa.Connection, who: str) -> str | None:
    query = sa.select(_event.batch).where(
        _event.who == who, sa.text("event.kind <> 'import'"), _event.kind == "label", ~_taken_back().exists()
    )
    return connection.scalar(query.order_by(_event.id.desc()).limit(1))


def _taken_back() -> sa.Select:
    """The event that takes an outer query's event back."""
    later = schema.event.alias("later")
    return sa.select(later.c.id).where(later.c.undoes == _event.id).correlate(schema.event)


def _allowed(connection: sa.Connection) -> dict[int, tuple[str, ...]]:
    query = sa.select(schema.dataset.c.id, schema.dataset.c.label_set)
    return {
        key: (*label_set["names"], labels.UNSURE, labels.NOT_A_FACE)
        for key, label_set in connection.execute(query)
    }


def _person(who: str) -> str:
    cleaned = " ".join(who.split())
    if not cleaned:
        raise BadInput(f"Every label says who gave it. Received: who={who!r}. Enter a name.")
    return cleaned


def _new_batch() -> str:
    return secrets.token_hex(8)
