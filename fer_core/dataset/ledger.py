"""The label ledger: who called what how, when and why. Nothing in it changes; undo is one more event."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import schema
from fer_core.dataset.store import Store, find_dataset, now, slices
from fer_core.errors import BadInput, NotFound

BY_RESTORE, BY_FILE = "version", "file"
"""`surfaced_by` of labels that came with a restored version or an applied file, without a look."""

BY_FILTER = "all of a filter"
"""`surfaced_by` of labels given in one go to everything that a filter let through, without a look at each."""

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
        kept: samples whose label an undo left alone, because someone labelled them again since; or
            that a restored version did not have.
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

    A sample that was labelled again since keeps that later label; what is taken back then counts as
    withdrawn all the same. Taking an undo back, by its batch, labels the samples anew.

    Args:
        batch: what to take back; None is the newest of this person's that is not yet taken back.
        name: of the undo itself, as `batch` is for `relabel`: sent again, it takes back nothing more.

    Raises:
        NotFound: no such batch, nothing left to take back, or its samples were deleted.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    person = _person(who)
    with store.write() as connection:
        if name and (known := _events_of(connection, name)):
            return Change(name, known)
        batch = batch or _newest_batch(connection, person)
        query = sa.select(_event.id, _event.sample, _event.dataset, _event.kind).where(
            _event.batch == batch, _event.kind.in_(("label", "undo")), ~_taken_back().exists()
        )
        events = connection.execute(query).all() if batch else []
        if not events:
            raise _nothing_left(connection, person, batch)
        shared = {"who": person, "why": why, "sitting": sitting}
        return _take_back(connection, events, name or _new_batch(), shared)


def revert(
    store: Store,
    who: str,
    *,
    dataset: str,
    sitting: str | None = None,
    person: str | None = None,
    why: str = "",
    name: str | None = None,
) -> Change:
    """Take back a whole sitting, or all that one person labelled in a dataset, as one batch.

    Samples that somebody else labelled later keep that label; the answers beneath it are withdrawn.
    Restored versions and applied files are nobody's answers: they stay. `undo` of the batch brings
    everything back.

    Args:
        who: the person who takes it back.
        sitting, person: whose labels; both together are one person's within a sitting.
        name: of the batch, as for `undo`.

    Raises:
        BadInput: neither a sitting nor a person, or no name in `who`.
        NotFound: no such dataset, or nothing of it left to take back.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    if sitting is None and person is None:
        raise BadInput(
            "What is taken back belongs to a sitting or a person. Received: neither. Name one of them."
        )
    by = _person(who)
    with store.write() as connection:
        if name and (known := _events_of(connection, name)):
            return Change(name, known)
        key = find_dataset(connection, dataset).id
        query = sa.select(_event.id, _event.sample, _event.dataset, _event.kind).where(
            _event.dataset == key,
            sa.text("event.kind <> 'import'"),
            _event.kind == "label",
            _event.undoes.is_(None),
            _event.surfaced_by.not_in((BY_RESTORE, BY_FILE)),
        )
        if sitting is not None:
            query = query.where(_event.sitting == sitting)
        if person is not None:
            query = query.where(_event.who == person)
        gone = taken_back(connection, key)
        events = [event for event in connection.execute(query) if event.id not in gone]
        if not events:
            raise NotFound(
                f"Only labels that still stand are taken back. Received: sitting={sitting!r}, "
                f"person={person!r}. There is nothing left to take back."
            )
        shared = {"who": by, "why": why, "sitting": ""}
        return _take_back(connection, events, name or _new_batch(), shared)


def taken_back(connection: sa.Connection, dataset: int) -> set[int]:
    """Events of a dataset that an undo took back; an undo that was itself taken back takes nothing back."""
    # The plus keeps SQLite from walking through all events of the dataset: few undo anything.
    query = "SELECT id, undoes FROM event WHERE +dataset = :dataset AND undoes IS NOT NULL ORDER BY id DESC"
    found: set[int] = set()
    for event, undone in connection.execute(sa.text(query), {"dataset": dataset}):
        if event not in found:
            found.add(undone)
    return found


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


@dataclass
class _Pile:
    """The labellings of one sample, one upon the other: the topmost that stands is its label.

    An undo takes a labelling out of the pile, wherever it lies; undoing the undo puts it back there.

    Attributes:
        labels: label of each labelling, by its event, in order.
        out: those that are taken back.
        roots: event -> the labelling that it gave, took out or put back.
        ends: labelling -> the last event about it.
    """

    labels: dict[int, str | None] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)
    roots: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)

    def tell(self, event: int, new: str | None, undoes: int | None) -> None:
        root = event if undoes is None else self.roots[undoes]
        self.roots[event], self.ends[root] = root, event
        if undoes is None:
            self.labels[event] = new
        else:
            self.turn(root)

    def turn(self, root: int) -> None:
        self.out ^= {root}

    def top(self) -> tuple[int, str | None]:
        return next(
            ((root, self.labels[root]) for root in reversed(self.labels) if root not in self.out), (0, None)
        )


def _take_back(connection: sa.Connection, events: Sequence[sa.Row], batch: str, shared: dict) -> Change:
    """Take events back, the newest first; several of one sample too."""
    samples = list(dict.fromkeys(event.sample for event in events))
    present = _present(connection, samples)
    if not present:
        raise NotFound(
            f"Labels are taken back of pictures that are here. Received: {len(samples):,} that were deleted "
            "meanwhile. There is nothing left to undo."
        )
    piles = _piles(connection, list(present))
    rows, before = [], {sample: pile.top()[0] for sample, pile in piles.items()}
    for event in sorted(events, key=lambda event: -event.id):
        if (pile := piles.get(event.sample)) is None:
            continue
        root, old = pile.roots[event.id], pile.top()[1]
        pile.turn(root)
        rows.append(
            {
                "kind": "undo" if event.kind == "label" else "label",
                "sample": event.sample,
                "dataset": event.dataset,
                "old": old,
                "new": pile.top()[1],
                "undoes": pile.ends[root],
            }
        )
    kept = tuple(sample for sample in samples if sample in piles and piles[sample].top()[0] == before[sample])
    return _write(connection, rows, batch, shared, kept)


def _piles(connection: sa.Connection, samples: list[int]) -> dict[int, _Pile]:
    found = {sample: _Pile() for sample in samples}
    for some in slices(samples):
        query = sa.select(_event.sample, _event.id, _event.new, _event.undoes)
        for sample, *told in connection.execute(query.where(_event.sample.in_(some)).order_by(_event.id)):
            found[sample].tell(*told)
    return found


def _nothing_left(connection: sa.Connection, who: str, batch: str | None) -> NotFound:
    """Why there is nothing to undo: who was faster, or that there never was anything."""
    later, undone = schema.event.alias("later"), schema.event.alias("undone")
    query = (
        sa.select(later.c.who, later.c.at)
        .join_from(undone, later, later.c.undoes == undone.c.id)
        .where(undone.c.batch == batch, sa.text("undone.kind <> 'import'"))
        .order_by(later.c.id.desc())
        .limit(1)
    )
    if batch and (faster := connection.execute(query).first()):
        at = faster.at[:16].replace("T", " ")
        return NotFound(
            f"What was taken back is not taken back again. Received: batch={batch!r}, which {faster.who} "
            f"took back at {at} UTC. There is nothing left to undo; open the page again to see the labels."
        )
    return NotFound(
        f"Undo takes back a batch that still stands. Received: who={who!r}, batch={batch!r}. "
        "There is nothing left to undo."
    )


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
