"""What is wrong with a dataset: each kind of fault, and which samples are suspected of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from types import MappingProxyType

import pandas as pd
import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import duplicates, measures, schema, versions
from fer_core.dataset.finders import FINDERS, rare
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, find_dataset, now, slices
from fer_core.errors import BadInput


@dataclass(frozen=True)
class Kind:
    """A kind of fault, for people.

    Attributes:
        title: its name.
        sentence: what it means.
        fix: what can be done.
        grouped: whether its samples come in groups that belong together.
    """

    title: str
    sentence: str
    fix: str
    grouped: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "leak": Kind(
            "Leaks",
            "The same picture is in two splits, so a test asks what training told.",
            "Train leak-free, which leaves the copies out of training.",
            grouped=True,
        ),
        "near_leak": Kind(
            "Near leaks",
            "Nearly the same picture is in two splits: lighter, cut, mirrored or compressed anew.",
            "Train leak-free, which leaves near copies out of training too.",
            grouped=True,
        ),
        "conflict": Kind(
            "Conflicting labels",
            "Copies of one picture have different labels, so at least one of them is wrong.",
            "Look at each group and give all of it the right label.",
            grouped=True,
        ),
        "suspect": Kind(
            "Suspect labels",
            "Networks that never saw the sample find its label improbable.",
            "Look at each, the likeliest mistakes first, and give it the right label.",
        ),
        "votes": Kind(
            "Outvoted labels",
            "Most people who looked at the picture called it something else.",
            "Take the most frequent answer, or train on the votes.",
        ),
        "not_a_face": Kind(
            "Not a face",
            "A label, or most votes, say that no face is to be seen.",
            "Check and label as not a face: training and measuring leave these out.",
        ),
        "no_face": Kind(
            "No face found",
            "The face detector finds no face, which it does in a few real ones too.",
            "Check, and label as not a face where there is none.",
        ),
        "blank": Kind(
            "Blank", "The picture is one plain colour.", "Label as not a face, or delete the samples."
        ),
        "exact_duplicate": Kind(
            "Exact duplicates",
            "The same pixels occur more than once.",
            "Harmless within a split; see leaks for copies across splits.",
            grouped=True,
        ),
        "near_duplicate": Kind(
            "Near duplicates",
            "The picture occurs again, lighter, cut, mirrored or compressed anew.",
            "Harmless within a split; see near leaks for copies across splits.",
            grouped=True,
        ),
        "dark": Kind(
            "Dark", "Hardly anything in the picture is bright.", "Check whether the expression can be seen."
        ),
        "bright": Kind(
            "Washed out",
            "Nearly all of the picture is close to white.",
            "Check whether the expression can be seen.",
        ),
        "blurred": Kind(
            "Blurred",
            "The picture has no fine detail: out of focus, or enlarged from a tiny one.",
            "Check whether the expression can be seen.",
        ),
        "tiny": Kind(
            "Tiny",
            "The picture is much smaller than most of this dataset.",
            "Replace by larger pictures where there are any.",
        ),
        "rare_class": Kind(
            "Rare classes",
            "There are so few samples of this class that a model will hardly learn it.",
            "Add samples of it, or train without it.",
        ),
    }
)
"""All kinds, those that matter most first. A checkup finds all but suspects, which folds find
(training/folds.py) and a checkup leaves alone."""


@dataclass(frozen=True)
class Checkup:
    """What the last look through a dataset found.

    Attributes:
        at: UTC, ISO 8601.
        stale: whether labels or samples changed since.
        counts: samples per kind, in the order of KINDS; 0 where none is suspected.
        clusters: groups of samples per kind that has them.
        samples: of the dataset, now.
        classes: samples per label, now; labels of the set without samples have 0.
        rare: the rare classes among them.
        unlabelled: samples without a label, now.
        unsure: samples labelled "unsure", now.
        faces: whether faces were looked for in every picture.
    """

    dataset: str
    at: str
    stale: bool
    counts: dict[str, int]
    clusters: dict[str, int]
    samples: int
    classes: dict[str, int]
    rare: tuple[str, ...]
    unlabelled: int
    unsure: int
    faces: bool


_finding = schema.finding.c
_sample = schema.sample.c


def check(store: Store, dataset: str, *, faces: bool = False, progress: Progress | None = None) -> Checkup:
    """Look through a dataset for every kind of fault; what was found replaces the last checkup's findings.

    Args:
        faces: also look for faces in the pictures; the first time takes 5 to 20 ms each.
        progress: called with (done, in all, text) in the unit of each step; what it raises ends the
            work and leaves the last checkup as it was.

    Raises:
        NotFound: no such dataset.
        BadInput: a picture cannot be read.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    measures.measure(store, dataset, faces=faces, progress=progress)
    with store.read() as connection:
        known = find_dataset(connection, dataset)
        place = _newest_event(connection, known.id)
    frame = versions.manifest(store, dataset)
    frame = frame.merge(_measures(store, known.id), on="sample")
    copies = duplicates.near_copies(store, dataset, progress=progress)
    found = {kind: finder(frame, known, copies) for kind, finder in FINDERS.items()}
    rows = [
        (known.id, kind, sample, score, cluster)
        for kind, part in found.items()
        for sample, score, cluster in _rows(part)
    ]
    _put(store, known.id, place or 0, rows, progress)
    checkup = summary(store, dataset)
    assert checkup is not None
    return checkup


def replace(store: Store, dataset: str, kind: str, found: pd.DataFrame) -> None:
    """Put findings of a kind that no checkup makes in place of those that were there.

    Args:
        found: columns sample and score; a greater score is a stronger suspicion.

    Raises:
        NotFound: no such dataset.
        BadInput: a kind that a checkup makes.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    if kind in FINDERS or kind not in KINDS:
        own = ", ".join(name for name in KINDS if name not in FINDERS)
        raise BadInput(f"Findings that no checkup makes are: {own}. Received: kind={kind!r}.")
    with store.write() as connection:
        key = find_dataset(connection, dataset).id
        _write(connection, key, (kind,), [(key, kind, *row) for row in _rows(found)])


def summary(store: Store, dataset: str) -> Checkup | None:
    """What the last `check` found; None before the first.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        known = find_dataset(connection, dataset)
        last = connection.execute(
            sa.select(schema.checkup).where(schema.checkup.c.dataset == known.id)
        ).one_or_none()
        if last is None:
            return None
        tally = schema.tally.c
        query = sa.select(tally.label, sa.func.sum(tally.n)).where(tally.dataset == known.id)
        given: dict[str, int] = dict(connection.execute(query.group_by(tally.label)).all())
        # A thousand stand for all: a dataset's pictures are looked at in the order of their hashes.
        some = sa.select(_sample.image).where(_sample.dataset == known.id).limit(1000).subquery()
        looked = sa.select(schema.measure.c.image).where(
            schema.measure.c.image == some.c.image, schema.measure.c.faces.is_not(None)
        )
        unseen = sa.select(some.c.image).where(~looked.exists()).limit(1)
        all_seen = connection.scalar(unseen) is None
        newest = _newest_event(connection, known.id)
        suspects = _counted(connection, known.id, _finding.kind.not_in(FINDERS))
    classes = {name: given.get(name, 0) for name in known.label_set.names}
    # Findings come with a checkup and go with their samples, so these two tell whether to count again.
    counts = {**_counts(store, known.id, (last.at, sum(given.values()))), **suspects}
    return Checkup(
        dataset=dataset,
        at=last.at,
        stale=(newest or 0) != last.event,
        counts={kind: counts.get(kind, (0, 0))[0] for kind in KINDS},
        clusters={kind: counts[kind][1] for kind in KINDS if kind in counts and counts[kind][1]},
        samples=sum(given.values()),
        classes=classes,
        rare=rare(classes),
        unlabelled=given.get("", 0),
        unsure=given.get(labels.UNSURE, 0),
        faces=all_seen,
    )


@lru_cache(maxsize=64)
def _counts(store: Store, dataset: int, state: tuple[str, int]) -> dict[str, tuple[int, int]]:
    """Samples and clusters of each kind of finding that a checkup makes."""
    with store.read() as connection:
        return _counted(connection, dataset, _finding.kind.in_(FINDERS))


def _counted(
    connection: sa.Connection, dataset: int, which: sa.ColumnElement[bool]
) -> dict[str, tuple[int, int]]:
    query = sa.select(_finding.kind, sa.func.count(), sa.func.count(sa.distinct(_finding.cluster)))
    rows = connection.execute(query.where(_finding.dataset == dataset, which).group_by(_finding.kind)).all()
    return {kind: (samples, groups) for kind, samples, groups in rows}


def _rows(part: pd.DataFrame) -> list[tuple[int, float, int | None]]:
    groups = part["cluster"].tolist() if "cluster" in part else [None] * len(part)
    return list(zip(part["sample"].tolist(), part["score"].tolist(), groups, strict=True))


def _measures(store: Store, dataset: int) -> pd.DataFrame:
    """What was measured of each sample's picture, and its size in px."""
    measured, image = schema.measure.c, schema.image.c
    wanted = (measured.brightness, measured.contrast, measured.sharpness, measured.faces)
    query = (
        sa.select(_sample.id, *wanted, image.width, image.height)
        .join_from(schema.sample, schema.measure, measured.image == _sample.image)
        .join(schema.image, image.id == _sample.image)
        .where(_sample.dataset == dataset)
    )
    names = ["sample", *(column.name for column in wanted), "width", "height"]
    with store.read() as connection:
        return pd.DataFrame(connection.execute(query).all(), columns=names).astype({"faces": float})


def _newest_event(connection: sa.Connection, dataset: int) -> int | None:
    event = schema.event.c
    return connection.scalar(sa.select(sa.func.max(event.id)).where(event.dataset == dataset))


def _put(store: Store, dataset: int, place: int, rows: list[tuple], progress: Progress | None) -> None:
    """Replace the findings of a checkup, all of them or none."""
    with store.write() as connection:
        connection.execute(sa.delete(schema.checkup).where(schema.checkup.c.dataset == dataset))
        connection.execute(sa.insert(schema.checkup).values(dataset=dataset, event=place, at=now()))
        _write(connection, dataset, FINDERS, rows, progress)


def _write(
    connection: sa.Connection,
    dataset: int,
    kinds: Iterable[str],
    rows: list[tuple],
    progress: Progress | None = None,
) -> None:
    """Put rows of dataset, kind, sample, score and cluster in place of all findings of these kinds."""
    # In the order of the table, which is faster to write.
    rows = sorted(rows, key=lambda row: (row[1], row[2]))
    there = set(connection.scalars(sa.select(_sample.id).where(_sample.dataset == dataset)))
    rows = [row for row in rows if row[2] in there]  # a sample may have been deleted since
    connection.execute(sa.delete(schema.finding).where(_finding.dataset == dataset, _finding.kind.in_(kinds)))
    done = 0
    for some in slices(rows, 200):
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(some))
        connection.exec_driver_sql(
            f"INSERT INTO finding (dataset, kind, sample, score, cluster) VALUES {places}",
            tuple(chain.from_iterable(some)),
        )
        done += len(some)
        if progress and (done % 5000 == 0 or done == len(rows)):
            progress(done, len(rows), f"{done:,} findings written")
