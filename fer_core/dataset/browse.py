"""Look through a dataset: any page of any size of set in milliseconds."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pandas as pd
import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import schema
from fer_core.dataset.store import Store, find_dataset
from fer_core.errors import NotFound

NO_LABEL = ""
"""In a filter and in counts: samples without a label."""

STATES = {
    "changed": "label changed since import",
    "unchanged": "label as imported",
    "unlabelled": "no label",
    labels.UNSURE: "unsure",
    labels.NOT_A_FACE: "not a face",
}
"""What a filter can ask of a sample's label, in words."""

ORDERS = {
    "imported": "as imported",
    "latest": "last imported first",
    "shuffled": "shuffled",
    "class": "by class",
    "name": "by name",
    "suspicious": "most suspicious first",
    "groups": "group by group",
}
"""Orders of a grid, in words. The last two need a filter by finding; without one they are "imported"."""

_sample, _event, _finding = schema.sample.c, schema.event.c, schema.finding.c


@dataclass(frozen=True)
class Filter:
    """Which samples; None asks nothing.

    Attributes:
        label: a name, or NO_LABEL.
        state: key of STATES.
        who: a person who labelled it by hand at some time.
        arrival: batch of the import that brought it.
        finding: kind of finding of the last checkup.
        cluster: number of one group within a finding, as duplicates have.
        text: part of the sample's source (its file name), in any case.
        samples: these alone, by id.
    """

    split: str | None = None
    label: str | None = None
    subject: str | None = None
    state: str | None = None
    who: str | None = None
    arrival: str | None = None
    finding: str | None = None
    cluster: int | None = None
    text: str | None = None
    samples: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Tile:
    """One sample as a grid shows it.

    Attributes:
        score, cluster: of the finding that was asked for.
    """

    sample: int
    image: str
    source: str
    split: str
    label: str | None
    subject: str | None
    valence: float | None
    arousal: float | None
    score: float | None = None
    cluster: int | None = None


@dataclass(frozen=True)
class Detail:
    """Everything about one sample.

    Attributes:
        dataset: its name.
        width, height: px.
        bytes: of the encoded file.
        votes: raters per answer, summed over who asked them; empty without votes.
        measure: brightness, contrast, sharpness and faces by name, as far as they are known.
        findings: what the last checkup suspects: kind -> cluster, None for kinds that stand alone.
        same: other samples with the very same pixels, of any dataset: (dataset, tile).
        before, after: ids of its neighbours in the dataset, as imported.
    """

    tile: Tile
    dataset: str
    width: int
    height: int
    bytes: int
    votes: dict[str, int]
    measure: dict[str, float]
    findings: dict[str, int | None]
    same: list[tuple[str, Tile]]
    before: int | None
    after: int | None


def page(
    store: Store,
    dataset: str,
    where: Filter = Filter(),
    order: str = "imported",
    first: int = 0,
    count: int = 60,
) -> list[Tile]:
    """Samples `first` to `first + count` of those that a filter lets through.

    Raises:
        NotFound: no such dataset, order or state.
    """
    if order not in ORDERS:
        raise NotFound.of("order", order, ORDERS)
    total = counted(store, dataset, where)
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        count = min(count, total - first)
        if count <= 0:
            return []
        columns, descending = _order(order, where)
        # The second half is reached from the end, because whatever is skipped is walked through.
        if backwards := first > total // 2:
            descending, first = not descending, total - first - count
        places = [column.desc() if descending else column for column in columns]
        query = _ids(connection, key, where)
        if order == "shuffled" and where.label and _walks(connection, key, first + count, total):
            # Through the index by picture, past what the filter holds back, instead of sorting the class.
            unindexed: sa.ColumnClause = sa.literal_column("+sample.label")
            query = _ids(connection, key, replace(where, label=None)).where(unindexed == where.label)
        ids = connection.scalars(query.order_by(*places).limit(count).offset(first)).all()
        return tiles(connection, ids[::-1] if backwards else ids, where.finding)


def tiles(connection: sa.Connection, ids: Sequence[int], finding: str | None = None) -> list[Tile]:
    """Samples by id, in the order asked; those that are gone are left out."""
    query = sa.select(
        _sample.id, _sample.image, _sample.source, _sample.split, _sample.label, _sample.subject,
        _sample.valence, _sample.arousal,
    ).where(_sample.id.in_(ids))  # fmt: skip
    rows = {row.id: tuple(row) for row in connection.execute(query)}
    scores: dict[int, tuple] = {}
    if finding:
        found = sa.select(_finding.sample, _finding.score, _finding.cluster)
        found = found.where(_finding.sample.in_(ids), _finding.kind == finding)
        scores = {sample: (score, cluster) for sample, score, cluster in connection.execute(found)}
    return [Tile(*rows[id], *scores.get(id, (None, None))) for id in ids if id in rows]


def counted(store: Store, dataset: str, where: Filter = Filter()) -> int:
    """How many samples a filter lets through; counted anew only when something has changed.

    Raises:
        NotFound: no such dataset or state.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        if where in (Filter(), Filter(split=where.split), Filter(split=where.split, label=where.label)):
            return _tallied(connection, key, where)
        place = connection.scalar(sa.select(sa.func.max(_event.id)))
        checked = connection.scalar(sa.select(schema.checkup.c.at).where(schema.checkup.c.dataset == key))
    return _counted(store, key, where, (place, checked))


def outline(store: Store, dataset: str, where: Filter = Filter()) -> pd.DataFrame:
    """Everything that a filter lets through: columns sample (int64), split and label (names or None).

    Raises:
        NotFound: no such dataset or state.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = _ids(connection, key, where).add_columns(_sample.split, _sample.label)
        rows = connection.execute(query).all()
    frame = pd.DataFrame([tuple(row) for row in rows], columns=["sample", "split", "label"], dtype=object)
    return frame.astype({"sample": "int64"})


def detail(store: Store, sample: int) -> Detail:
    """Everything about one sample, but for its history (`ledger.history`) and its picture.

    Raises:
        NotFound: there is no such sample (any more).
    """
    with store.read() as connection:
        found = tiles(connection, [sample])
        if not found:
            raise NotFound(
                f"A sample is found by its number. Received: {sample}, which is not here; it may have been "
                "deleted. Go back to the pictures."
            )
        tile, image = found[0], schema.image.c
        key, name = connection.execute(
            sa.select(schema.dataset.c.id, schema.dataset.c.name).where(
                schema.dataset.c.id
                == sa.select(_sample.dataset).where(_sample.id == sample).scalar_subquery()
            )
        ).one()
        size = sa.select(image.width, image.height, image.bytes).where(image.id == tile.image)
        width, height, bytes = connection.execute(size).one()
        votes: Counter[str] = Counter()
        for counts in connection.scalars(
            sa.select(schema.votes.c.counts).where(schema.votes.c.sample == sample)
        ):
            votes.update(counts)
        table = schema.measure.c
        query = sa.select(table.brightness, table.contrast, table.sharpness, table.faces)
        row = connection.execute(query.where(table.image == tile.image)).first()
        measure = {k: v for k, v in row._mapping.items() if v is not None} if row else {}
        findings = connection.execute(
            sa.select(_finding.kind, _finding.cluster).where(_finding.sample == sample)
        )
        others = sa.select(_sample.id, schema.dataset.c.name).join_from(schema.sample, schema.dataset)
        others = (
            others.where(_sample.image == tile.image, _sample.id != sample).order_by(_sample.id).limit(50)
        )
        names = dict(connection.execute(others).all())
        same = [(names[other.sample], other) for other in tiles(connection, list(names))]
        mine = _sample.dataset == key
        before = connection.scalar(sa.select(sa.func.max(_sample.id)).where(mine, _sample.id < sample))
        after = connection.scalar(sa.select(sa.func.min(_sample.id)).where(mine, _sample.id > sample))
        return Detail(
            tile,
            name,
            width,
            height,
            bytes,
            dict(votes),
            measure,
            dict(findings.all()),
            same,
            before,
            after,
        )


def copies(store: Store, sample: int) -> list[int]:
    """The other samples of the same dataset with the very same pixels."""
    one, other = schema.sample.alias("one"), schema.sample.alias("other")
    query = (
        sa.select(other.c.id)
        .join_from(one, other, sa.and_(other.c.image == one.c.image, other.c.dataset == one.c.dataset))
        .where(one.c.id == sample, other.c.id != sample)
    )
    with store.read() as connection:
        return list(connection.scalars(query))


@lru_cache(maxsize=512)
def _counted(store: Store, dataset: int, where: Filter, state: tuple) -> int:
    """`state` tells one state of the database from the next."""
    with store.read() as connection:
        query = _ids(connection, dataset, where).subquery()
        return connection.scalar(sa.select(sa.func.count()).select_from(query)) or 0


def _tallied(connection: sa.Connection, dataset: int, where: Filter) -> int:
    tally = schema.tally.c
    query = sa.select(sa.func.sum(tally.n)).where(tally.dataset == dataset)
    if where.split is not None:
        query = query.where(tally.split == where.split)
    if where.label is not None:
        query = query.where(tally.label == where.label)
    return connection.scalar(query) or 0


def _ids(connection: sa.Connection, dataset: int, where: Filter) -> sa.Select:
    """The ids of the samples that a filter lets through."""
    query = sa.select(_sample.id)
    if where.finding is not None:
        query = query.join_from(schema.finding, schema.sample, _sample.id == _finding.sample)
        query = query.where(_finding.dataset == dataset, _finding.kind == where.finding)
        if where.cluster is not None:
            query = query.where(_finding.cluster == where.cluster)
    query = query.where(_sample.dataset == dataset)
    if where.split is not None:
        query = query.where(_sample.split == where.split)
    if where.label is not None:
        query = query.where(_sample.label == where.label if where.label else _sample.label.is_(None))
    if where.subject is not None:
        query = query.where(_sample.subject == where.subject)
    if where.state is not None:
        query = query.where(_state(dataset, where.state))
    if where.who is not None:
        query = query.where(_sample.id.in_(_touched(dataset).where(_event.who == where.who)))
    if where.arrival is not None:
        table = schema.arrival.c
        span = connection.execute(
            sa.select(table.first, table.last).where(table.batch == where.arrival)
        ).first()
        query = query.where(_sample.id.between(*span) if span else sa.false())
    if where.text is not None:
        query = query.where(_sample.source.contains(where.text, autoescape=True))
    if where.samples is not None:
        some = sa.func.json_each(json.dumps(where.samples)).table_valued("value")
        query = query.where(_sample.id.in_(sa.select(some.c.value)))
    return query


def _state(dataset: int, state: str) -> sa.ColumnElement[bool]:
    if state not in STATES:
        raise NotFound.of("state of a label", state, STATES)
    if state == "unlabelled":
        return _sample.label.is_(None)
    if state in (labels.UNSURE, labels.NOT_A_FACE):
        return _sample.label == state
    first = sa.select(_event.new).where(_event.sample == _sample.id, sa.text("event.kind = 'import'"))
    differs = _sample.label.is_distinct_from(first.order_by(_event.id).limit(1).scalar_subquery())
    touched = _sample.id.in_(_touched(dataset))
    return sa.and_(touched, differs) if state == "changed" else sa.not_(sa.and_(touched, differs))


def _touched(dataset: int) -> sa.Select:
    """Samples with an event after their import."""
    return sa.select(_event.sample).where(_event.dataset == dataset, sa.text("event.kind <> 'import'"))


def _walks(connection: sa.Connection, dataset: int, rows: int, total: int) -> bool:
    """Whether meeting `rows` of `total` samples on a walk through the dataset beats sorting all `total`."""
    return _tallied(connection, dataset, Filter()) * rows < total * total


def _order(order: str, where: Filter) -> tuple[list[sa.ColumnElement], bool]:
    """The columns to order by, and whether from the greatest down."""
    # Where findings are asked for, their own index gives the order.
    id = _sample.id if where.finding is None else _finding.sample
    if order == "suspicious" and where.finding is not None:
        return [_finding.score, id], True
    if order == "groups" and where.finding is not None:
        return [_finding.cluster, id], False
    columns = {"shuffled": [_sample.image, id], "class": [_sample.label, id], "name": [_sample.source]}
    return columns.get(order, [id]), order == "latest"
