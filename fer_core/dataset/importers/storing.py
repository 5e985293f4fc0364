"""From a plan to the store: pictures are set aside first, then written in one short transaction."""

import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

import sqlalchemy as sa

from fer_core.dataset import schema, splits
from fer_core.dataset.importers import staging
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.plan import Plan, all_found, shortened
from fer_core.dataset.importers.source import Source
from fer_core.dataset.importers.staging import UNREADABLE, Give, Staged, Staging
from fer_core.dataset.intake import ImportReport, Intake, Progress, Row
from fer_core.dataset.store import Dataset, Store, ensure_dataset
from fer_core.errors import BadInput, NotFound
from fer_core.labels import LabelSet

_BLOCK = 1000
"""Rows that are written at once."""

_TELL_SECONDS = 0.1

_READING = 3
"""How many times as long as writing a picture reading it takes, for progress."""


def label_set(store: Store, dataset: str) -> LabelSet | None:
    """The label set of a dataset, if there is such a dataset."""
    try:
        return store.dataset(" ".join(dataset.split())).label_set
    except NotFound:
        return None


def store_all(
    store: Store,
    source: Source,
    form: Form,
    reading: Reading,
    planned: Plan,
    *,
    name: str,
    ratios: Sequence[float],
    by_subject: bool,
    who: str,
    progress: Progress | None,
    started: float,
) -> ImportReport:
    """Store what was planned, all of it that can be read or nothing.

    Raises:
        BadInput, Conflict, StorageError: as `importers.import_any`.
    """
    if planned.outside:
        raise BadInput(
            f"Every class needs a place in the label set ({', '.join(planned.label_set.names)}). "
            f"Received: {', '.join(planned.outside)}. Name another label for each, or leave it out."
        )
    splits.assign([], [], ratios=ratios)  # bad ratios are told before the work, not after it
    problems = dict(planned.problems)
    with staging.open_staging() as aside:
        staged = _set_aside(source, reading, planned, aside, problems, progress)
        rows = [row for row in planned.rows if row.source in staged]
        if not rows:
            raise BadInput(
                f"An import needs pictures that can be read. Received: {len(planned.rows):,} files, none of "
                f"which can ({'; '.join(problems[UNREADABLE][:1])}). Check the files."
            )
        aside.flush()
        with store.write() as connection:
            dataset = ensure_dataset(connection, name, planned.label_set)
            intake = Intake(connection, dataset, form.key)
            given = _splits(connection, dataset, planned, rows, staged, ratios, by_subject)
            for start in range(0, len(rows), _BLOCK):
                some = range(start, min(start + _BLOCK, len(rows)))
                intake.add([_row(rows[k], staged[rows[k].source], given[k], aside) for k in some])
                if progress:
                    progress(_READING * len(rows) + some.stop, (_READING + 1) * len(rows), "pictures stored")
            duplicates = intake.finish(who, f"import of {source.name}", secrets.token_hex(8))
    return intake.report(
        started,
        duplicates,
        blank=sum(staged[row.source].blank for row in rows),
        splits=planned.splits,
        left_out=planned.left_out,
        unreadable=len(planned.rows) - len(rows),
        problems=shortened(problems),
    )


def _set_aside(
    source: Source,
    reading: Reading,
    planned: Plan,
    aside: Staging,
    problems: dict[str, list[str]],
    progress: Progress | None,
) -> dict[str, Staged]:
    """Read and decode all pictures: source of a row -> where its picture waits."""
    staged: dict[str, Staged] = {}
    total, told, done = len(planned.rows), 0.0, 0
    # Closed here, not whenever a traceback is forgotten: its threads read from the source.
    with closing(staging.in_threads(_pictures(source, reading, planned))) as pictures:
        for sources, looked in pictures:
            done += len(sources)
            if isinstance(looked, BadInput):
                problems.setdefault(UNREADABLE, []).extend(staging.why(name, looked) for name in sources)
            else:
                staged |= dict.fromkeys(sources, aside.put(*looked))
            if progress and (done == total or time.monotonic() - told > _TELL_SECONDS):
                told = time.monotonic()
                progress(_READING * done, (_READING + 1) * total, f"{done:,} of {total:,} pictures read")
    return staged


def _pictures(source: Source, reading: Reading, planned: Plan) -> Iterator[tuple[list[str], Give]]:
    """Sources of rows, and what gives the picture that they show."""
    by_path: dict[str, list[str]] = defaultdict(list)
    within: set[str] = set()
    for row in planned.rows:
        if row.data is None:
            by_path[row.path].append(row.source)
        else:
            within.add(row.source)
    for path, give in source.pending(by_path, staging.PICTURE_LIMIT):
        yield by_path[path], give
    for found in all_found(reading) if within else ():
        if found.source in within and found.data is not None:
            within.discard(found.source)
            yield [found.source], partial(bytes, found.data)


def _splits(
    connection: sa.Connection,
    dataset: Dataset,
    planned: Plan,
    rows: list[Found],
    staged: dict[str, Staged],
    ratios: Sequence[float],
    by_subject: bool,
) -> list[str]:
    """The split of each row: that of the source, or of the dataset where it has the row, or a new one."""
    if planned.splits == "source":
        return [row.split or "none" for row in rows]
    columns = schema.sample.c
    query = sa.select(columns.source, columns.image, columns.label, columns.subject, columns.split)
    there = connection.execute(query.where(columns.dataset == dataset.id)).all()
    split_of = {row.source: row.split for row in there}
    # What is there is given along: a new copy of a picture, or a new one of a person, goes where they are.
    images = [*(row.image for row in there), *(staged[row.source].image for row in rows)]
    subjects = [*(row.subject for row in there), *(row.subject for row in rows)]
    found = splits.assign(
        images,
        [*(row.label for row in there), *(row.label for row in rows)],
        subjects if by_subject else None,
        ratios=ratios,
        given=[*(row.split for row in there), *(split_of.get(row.source) for row in rows)],
    )
    return found[len(there) :]


def _row(found: Found, staged: Staged, split: str, aside: Staging) -> Row:
    return Row(
        source=found.source,
        image=staged.image,
        width=staged.width,
        height=staged.height,
        data=aside.get(staged),
        split=split,
        label=found.label,
        subject=found.subject,
        votes=found.votes,
        valence=found.valence,
        arousal=found.arousal,
    )
