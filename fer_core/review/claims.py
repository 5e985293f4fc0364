"""Who has which picture of a queue before them: two people never get the same one, unless they ask for it."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import sqlalchemy as sa

from fer_core.dataset import ledger, schema
from fer_core.dataset.store import Store, find_dataset, now

MINUTES = 15
"""How long a picture waits for the person who has it. Each further batch renews all of that person's."""

_claim = schema.claim.c
_event = schema.event.c
_sample = schema.sample.c


def take(
    store: Store,
    dataset: str,
    queue: str,
    samples: Sequence[int] | np.ndarray,
    who: str,
    count: int,
    *,
    shared: bool = False,
    without: Collection[int] = (),
) -> list[int]:
    """The next samples of a queue for a person, claimed in one step.

    Args:
        queue: its key, which stands in the ledger as `surfaced_by` of every answer.
        samples: all of the queue, the best first.
        shared: everyone answers for every sample: nothing is claimed, one's own answers alone are done.
        without: samples that this person has before them or has skipped.

    Returns:
        At most `count` samples, in the queue's order; fewer where no more are free.

    Raises:
        NotFound: no such dataset.
        Conflict, StorageError: the claim could not be stored.
    """
    with store.write() as connection:
        key = find_dataset(connection, dataset).id
        busy = set(without) | _answered(connection, key, queue, who if shared else None)
        if not shared:
            others = sa.select(_claim.sample).where(
                _claim.queue == queue, _claim.who != who, _claim.until > now()
            )
            busy |= set(connection.scalars(others))
        taken = list(islice(_free(connection, key, samples, busy), count))
        if not shared:
            _put(connection, key, queue, taken, who)
    return taken


def hold(store: Store, dataset: str, queue: str, sample: int, who: str) -> None:
    """Claim one sample for a person who went back to it, unless somebody else has it by now.

    Raises:
        NotFound: no such dataset.
        Conflict, StorageError: the claim could not be stored.
    """
    take(store, dataset, queue, [sample], who, 1)


def elsewhere(store: Store, dataset: str, queue: str, who: str) -> list[tuple[str, int, int]]:
    """Who else has samples of a queue without an answer: (name, how many, minutes until all are free).

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = (
            sa.select(_claim.who, sa.func.count(), sa.func.max(_claim.until))
            .where(_claim.queue == queue, _claim.who != who, _claim.until > now())
            .where(~_has_answer(connection, key, queue))
            .group_by(_claim.who)
            .order_by(sa.func.max(_claim.until))
        )
        rows = connection.execute(query).all()
    left = [(datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() for _, _, until in rows]
    return [(name, n, max(1, -int(-s // 60))) for (name, n, _), s in zip(rows, left, strict=True)]


def done(store: Store, dataset: str, queue: str, who: str | None = None) -> int:
    """How many samples of a queue have an answer, of everyone or of one person.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        return len(_answered(connection, find_dataset(connection, dataset).id, queue, who))


def without_answer(
    store: Store, dataset: str, queue: str, samples: Sequence[int], who: str | None = None
) -> list[int]:
    """Those of some samples that have no answer in a queue yet, of anyone or of one person, in their order.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        busy = _answered(connection, find_dataset(connection, dataset).id, queue, who)
    return [sample for sample in samples if sample not in busy]


def past(
    store: Store, dataset: str, queue: str, who: str, before: int, skip: int, count: int
) -> list[tuple[str, int, str | None, str]]:
    """A person's standing answers in a queue: (batch, sample, label before, answer), the newest last.

    Args:
        before: answers up to this event of the ledger.
        skip: so many of the newest are left out.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = (
            sa.select(_event.batch, _event.sample, _event.old, _event.new)
            .where(*_standing(connection, key, queue), _event.who == who, _event.id <= before)
            .order_by(_event.id.desc())
            .limit(count)
            .offset(skip)
        )
        return [tuple(row) for row in connection.execute(query)][::-1]


def yields(store: Store, dataset: str, kind: str) -> tuple[int, int]:
    """How many answers were given in all queues of a kind, and how many of them changed the label.

    Raises:
        NotFound: no such dataset.
    """
    changed = sa.func.sum(sa.cast(_event.new.is_distinct_from(_event.old), sa.Integer))
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = sa.select(sa.func.count(), changed).where(
            _event.dataset == key,
            sa.or_(_event.surfaced_by == kind, _event.surfaced_by.startswith(f"{kind} · ", autoescape=True)),
            sa.text("event.kind = 'label'"),
        )
        answers, hits = connection.execute(query).one()
    return answers, hits or 0


def stands(store: Store, dataset: str, queue: str, sample: int, who: str) -> tuple[str, str | None] | None:
    """A person's newest answer to a sample in a queue: (batch, label); None where there is none that stands.

    What came along with an answer to an exact copy is none.

    Raises:
        NotFound: no such dataset.
    """
    first = schema.event.alias("first")
    leads = sa.select(sa.func.min(first.c.id)).where(
        first.c.batch == _event.batch, sa.text("first.kind <> 'import'")
    )
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = (
            sa.select(_event.batch, _event.new)
            .where(*_standing(connection, key, queue), _event.sample == sample, _event.who == who)
            .where(_event.id == leads.correlate(schema.event).scalar_subquery())
            .order_by(_event.id.desc())
            .limit(1)
        )
        found = connection.execute(query).one_or_none()
    return None if found is None else (found.batch, found.new)


def taken_back(store: Store, dataset: str, who: str, sitting: str) -> list[tuple[str, int]]:
    """Who took answers of a person's sitting back outside of it, and how many: a revert, another page.

    Raises:
        NotFound: no such dataset.
    """
    undo = schema.event.alias("undo")
    query = (
        sa.select(undo.c.who, sa.func.count())
        .join_from(schema.event, undo, undo.c.undoes == _event.id)
        .where(sa.text("event.kind <> 'import'"), _event.who == who, _event.sitting == sitting)
        .where(undo.c.sitting != sitting)
        .group_by(undo.c.who)
    )
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        return [tuple(row) for row in connection.execute(query.where(_event.dataset == key))]


def release(store: Store, queue: str, who: str) -> None:
    """Let others have what this person did not answer."""
    with store.write() as connection:
        connection.execute(sa.delete(schema.claim).where(_claim.queue == queue, _claim.who == who))


def _answered(connection: sa.Connection, dataset: int, queue: str, who: str | None) -> set[int]:
    """Samples with an answer in this queue that was not taken back."""
    query = sa.select(_event.sample).where(*_standing(connection, dataset, queue))
    return set(connection.scalars(query if who is None else query.where(_event.who == who)))


def _standing(
    connection: sa.Connection, dataset: int, queue: str
) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """Answers in this queue that were not taken back, or were given back since."""
    gone = sa.func.json_each(json.dumps(sorted(ledger.taken_back(connection, dataset)))).table_valued("value")
    return (
        _event.dataset == dataset,
        _event.surfaced_by == queue,
        sa.text("event.kind = 'label'"),
        _event.id.not_in(sa.select(gone.c.value)),
    )


def _free(
    connection: sa.Connection, dataset: int, samples: Sequence[int] | np.ndarray, busy: set[int]
) -> Iterator[int]:
    """Samples that are there and not busy; looked up in parts, because a queue may hold a million."""
    for start in range(0, len(samples), 500):
        some = [sample for sample in map(int, samples[start : start + 500]) if sample not in busy]
        query = sa.select(_sample.id).where(_sample.dataset == dataset, _sample.id.in_(some))
        there = set(connection.scalars(query)) if some else set()
        yield from (sample for sample in some if sample in there)


def _has_answer(connection: sa.Connection, dataset: int, queue: str) -> sa.Exists:
    """That the sample of a claim has a standing answer."""
    answered = sa.select(_event.id).where(
        *_standing(connection, dataset, queue), _event.sample == _claim.sample
    )
    return answered.correlate(schema.claim).exists()


def _put(connection: sa.Connection, dataset: int, queue: str, samples: list[int], who: str) -> None:
    """Claim samples, renew this person's other claims, and drop those that are past."""
    until = (datetime.now(UTC) + timedelta(minutes=MINUTES)).isoformat(timespec="milliseconds")
    mine = sa.and_(_claim.queue == queue, _claim.who == who)
    connection.execute(sa.delete(schema.claim).where(mine, _has_answer(connection, dataset, queue)))
    connection.execute(sa.update(schema.claim).where(mine).values(until=until))
    for sample in samples:
        connection.execute(
            sa.text(
                "INSERT INTO claim (queue, sample, who, until) VALUES (:queue, :sample, :who, :until) "
                "ON CONFLICT (queue, sample) DO UPDATE SET who = :who, until = :until"
            ),
            {"queue": queue, "sample": sample, "who": who, "until": until},
        )
