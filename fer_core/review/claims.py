"""Who has which picture of a queue before them: two people never get the same one, unless they ask for it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import sqlalchemy as sa

from fer_core.dataset import schema
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
    samples: Sequence[int],
    who: str,
    count: int,
    *,
    shared: bool = False,
    without: frozenset[int] = frozenset(),
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
        there = set(connection.scalars(sa.select(_sample.id).where(_sample.dataset == key)))
        free = (int(sample) for sample in samples if sample in there and sample not in busy)
        taken = list(islice(free, count))
        if not shared:
            _put(connection, queue, taken, who)
    return taken


def done(store: Store, dataset: str, queue: str, who: str | None = None) -> int:
    """How many samples of a queue have an answer, of everyone or of one person.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        return len(_answered(connection, find_dataset(connection, dataset).id, queue, who))


def without_answer(store: Store, dataset: str, queue: str, samples: Sequence[int]) -> list[int]:
    """Those of some samples that have no answer in a queue yet, in their order.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        busy = _answered(connection, find_dataset(connection, dataset).id, queue, None)
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
            .where(*_standing(key, queue), _event.who == who, _event.id <= before)
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


def release(store: Store, queue: str, who: str) -> None:
    """Let others have what this person did not answer."""
    with store.write() as connection:
        connection.execute(sa.delete(schema.claim).where(_claim.queue == queue, _claim.who == who))


def _answered(connection: sa.Connection, dataset: int, queue: str, who: str | None) -> set[int]:
    """Samples with an answer in this queue that was not taken back."""
    query = sa.select(_event.sample).where(*_standing(dataset, queue))
    return set(connection.scalars(query if who is None else query.where(_event.who == who)))


def _standing(dataset: int, queue: str) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """Answers in this queue that were not taken back."""
    later = schema.event.alias("later")
    return (
        _event.dataset == dataset,
        _event.surfaced_by == queue,
        sa.text("event.kind = 'label'"),
        ~sa.select(later.c.id).where(later.c.undoes == _event.id).correlate(schema.event).exists(),
    )


def _put(connection: sa.Connection, queue: str, samples: list[int], who: str) -> None:
    """Claim samples, and renew this person's other claims."""
    until = (datetime.now(UTC) + timedelta(minutes=MINUTES)).isoformat(timespec="milliseconds")
    mine = sa.and_(_claim.queue == queue, _claim.who == who)
    connection.execute(sa.update(schema.claim).where(mine).values(until=until))
    for sample in samples:
        connection.execute(
            sa.text(
                "INSERT INTO claim (queue, sample, who, until) VALUES (:queue, :sample, :who, :until) "
                "ON CONFLICT (queue, sample) DO UPDATE SET who = :who, until = :until"
            ),
            {"queue": queue, "sample": sample, "who": who, "until": until},
        )
