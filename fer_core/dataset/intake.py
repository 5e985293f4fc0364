"""How every importer writes: rows go in block by block within one transaction, nothing is doubled."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.store import Dataset, now, slices
from fer_core.errors import Conflict

Progress = Callable[[int, int | None, str], None]
"""progress(done, total or None, text), in whatever unit the importer counts."""


class Row(NamedTuple):
    """One sample to store.

    Attributes:
        source: key of the row within its dataset; the same file gives the same keys each time.
        image: `pixel_id` of the decoded picture.
        width, height: px.
        data: the encoded file.
        split: "train", "validation", "test" or "none".
        label: a name of the dataset's label set, or None.
        votes: raters per label, or None.
    """

    source: str
    image: str
    width: int
    height: int
    data: bytes
    split: str
    label: str | None
    subject: str | None = None
    votes: dict[str, int] | None = None
    valence: float | None = None
    arousal: float | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import found and did.

    Attributes:
        rows: rows in the file.
        added: samples that are new in the dataset.
        already_there: rows that the dataset had.
        duplicates: samples of the dataset whose picture an earlier sample shows too.
        blank: rows whose pixels are all alike.
        votes: rows with votes.
        counts: rows of the file per split and label; the label of a row without one is "".
        seconds: wall-clock time.
        splits: "source", or "assigned" where the source has none.
        left_out: pictures of each class that was left out as asked.
        unreadable: pictures that could not be read, and are not among the rows.
        problems: what could not be used -> the first few cases.
    """

    dataset: str
    rows: int
    added: int
    already_there: int
    duplicates: int
    blank: int
    votes: int
    counts: dict[str, dict[str, int]]
    seconds: float
    splits: str = "source"
    left_out: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Intake:
    """Writes the rows of one import; lives as long as the transaction of `connection`.

    Call `add` for each block, then `finish` once, before the transaction ends.
    """

    connection: sa.Connection
    dataset: Dataset
    rater: str = ""
    rows: int = 0
    added: int = 0
    votes: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        newest = sa.select(sa.func.max(schema.sample.c.id))
        self._before = self.connection.scalar(newest) or 0
        mine = newest.where(schema.sample.c.dataset == self.dataset.id)
        self._had_rows = self.connection.scalar(mine) is not None

    def add(self, rows: Sequence[Row]) -> None:
        """Store a block of rows; those that the dataset has already are left as they are.

        Raises:
            Conflict: the dataset has another picture, split, label or votes under the same source.
        """
        present = self._present(rows) if self._had_rows else {}
        fresh = []
        for row in rows:
            self.counts.setdefault(row.split, {}).setdefault(row.label or "", 0)
            self.counts[row.split][row.label or ""] += 1
            if row.source in present:
                _check_same(row, present[row.source], self.dataset.name)
            else:
                fresh.append(row)
        if fresh:
            self._insert(fresh)
        self._insert_votes(
            [r for r in rows if r.votes and not (r.source in present and present[r.source][3])]
        )
        self.rows += len(rows)
        self.added += len(fresh)
        self.votes += sum(row.votes is not None for row in rows)

    def finish(self, who: str, why: str, batch: str) -> int:
        """Write the ledger's first event of each new sample, and what arrived.

        Returns:
            How many samples of the dataset show a picture that an earlier one shows too.
        """
        self.connection.exec_driver_sql(
            "INSERT INTO event (sample, dataset, kind, old, new, who, at, why, surfaced_by, batch, sitting) "
            "SELECT id, dataset, 'import', NULL, label, ?, ?, ?, '', ?, '' FROM sample "
            "WHERE dataset = ? AND id > ? ORDER BY id",
            (who, now(), why, batch, self.dataset.id, self._before),
        )
        newest = self.connection.execute(
            sa.select(sa.func.min(schema.sample.c.id), sa.func.max(schema.sample.c.id)).where(
                schema.sample.c.dataset == self.dataset.id, schema.sample.c.id > self._before
            )
        ).one()
        if self.added:
            arrived = {"batch": batch, "dataset": self.dataset.id, "what": why, "who": who, "at": now()}
            self.connection.execute(
                sa.insert(schema.arrival).values(**arrived, first=newest[0], last=newest[1])
            )
        image, mine = schema.sample.c.image, schema.sample.c.dataset == self.dataset.id
        distinct = sa.func.count(sa.distinct(image))
        return self.connection.execute(sa.select(sa.func.count() - distinct).where(mine)).scalar_one()

    def report(self, started: float, duplicates: int, **more: Any) -> ImportReport:
        """What this import did.

        Args:
            started: time.perf_counter() when it began.
            duplicates: what `finish` returned.
            more: the fields of ImportReport that an intake knows nothing of.
        """
        return ImportReport(
            dataset=self.dataset.name,
            rows=self.rows,
            added=self.added,
            already_there=self.rows - self.added,
            duplicates=duplicates,
            votes=self.votes,
            counts=self.counts,
            seconds=time.perf_counter() - started,
            **more,
        )

    def _present(self, rows: Sequence[Row]) -> dict[str, tuple]:
        """(image, split, label at import, votes) of the rows that the dataset has, by source."""
        sample, event, inner = schema.sample.c, schema.event.c, schema.event.alias("first_event")
        first = sa.select(sa.func.min(inner.c.id)).where(inner.c.sample == sample.id).scalar_subquery()
        query = (
            sa.select(sample.source, sample.image, sample.split, event.new, schema.votes.c.counts)
            .join_from(schema.sample, schema.event, event.id == first)
            .outerjoin(
                schema.votes, (schema.votes.c.sample == sample.id) & (schema.votes.c.rater == self.rater)
            )
            .where(sample.dataset == self.dataset.id)
        )
        found: dict[str, tuple] = {}
        for some in slices([row.source for row in rows]):
            for source, *rest in self.connection.execute(query.where(sample.source.in_(some))):
                found[source] = tuple(rest)
        return found

    def _insert(self, rows: list[Row]) -> None:
        self._many(
            "INSERT INTO image (id, width, height, bytes) VALUES",
            [(r.image, r.width, r.height, len(r.data)) for r in rows],
            "ON CONFLICT DO NOTHING",
        )
        self._many(
            "INSERT INTO image_data (image, data) VALUES",
            [(r.image, r.data) for r in rows],
            "ON CONFLICT DO NOTHING",
        )
        key = self.dataset.id
        self._many(
            "INSERT INTO sample (dataset, image, source, split, label, subject, valence, arousal) VALUES",
            [(key, r.image, r.source, r.split, r.label, r.subject, r.valence, r.arousal) for r in rows],
        )

    def _many(self, head: str, rows: list[tuple], tail: str = "") -> None:
        # Many rows a statement, not executemany: the driver takes the interpreter back after each
        # statement, and other threads would fight for it at every row.
        for some in slices(rows, 200):
            places = ", ".join(["(" + ", ".join("?" * len(some[0])) + ")"] * len(some))
            self.connection.exec_driver_sql(f"{head} {places} {tail}", tuple(chain.from_iterable(some)))

    def _insert_votes(self, rows: list[Row]) -> None:
        sample = schema.sample.c
        keys: dict[str, int] = {}
        query = sa.select(sample.source, sample.id).where(sample.dataset == self.dataset.id)
        for some in slices([row.source for row in rows]):
            keys.update(self.connection.execute(query.where(sample.source.in_(some))).all())
        ballots = [(keys[row.source], self.rater, json.dumps(row.votes)) for row in rows]
        self._many("INSERT INTO votes (sample, rater, counts) VALUES", ballots)


def _check_same(row: Row, present: tuple, dataset: str) -> None:
    image, split, label, votes = present
    kinds: list[tuple[str, object, object]]
    kinds = [("picture", image, row.image), ("split", split, row.split), ("label", label, row.label)]
    if row.votes and votes:
        kinds.append(("votes", votes, row.votes))
    for kind, old, new in kinds:
        if old != new:
            raise Conflict(
                f"A row that is imported again must be what it was. Received: another {kind} for "
                f"{row.source!r} than {dataset!r} has. Import this file under another name."
            )
