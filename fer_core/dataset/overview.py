"""What is in a dataset at a glance: classes, people, imports, sizes, and a few pictures of each class."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.browse import Tile, tiles
from fer_core.dataset.store import Store, find_dataset

_sample, _event = schema.sample.c, schema.event.c


@dataclass(frozen=True)
class Arrival:
    """One import that added samples; `rows` counts those of them that are still there."""

    batch: str
    what: str
    who: str
    at: str
    rows: int


def balance(store: Store, dataset: str) -> pd.DataFrame:
    """How many samples each split and label has.

    Returns:
        Columns split, label (NO_LABEL for none) and n; the dataset's classes in their order first.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        found = find_dataset(connection, dataset)
        tally = schema.tally.c
        query = sa.select(tally.split, tally.label, tally.n).where(tally.dataset == found.id, tally.n > 0)
        rows = connection.execute(query).all()
    places = {name: place for place, name in enumerate(found.label_set.names)}
    rows = sorted(rows, key=lambda row: (row.split, places.get(row.label, 99), row.label))
    return pd.DataFrame([tuple(row) for row in rows], columns=["split", "label", "n"])


def subjects(store: Store, dataset: str) -> tuple[str, ...]:
    """The first 1,000 subjects of a dataset, by name."""
    return _subjects(store, *_samples(store, dataset))


def people(store: Store, dataset: str) -> tuple[str, ...]:
    """Everyone who labelled a sample of a dataset by hand, by name."""
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        place = connection.scalar(sa.select(sa.func.max(_event.id)))
    return _people(store, key, place)


def arrivals(store: Store, dataset: str) -> tuple[Arrival, ...]:
    """The imports that brought a dataset's samples, oldest first."""
    return _arrivals(store, *_samples(store, dataset))


def pictures(store: Store, dataset: str) -> pd.DataFrame:
    """How many samples have pictures of which size and brightness, per split.

    Returns:
        Columns split, width, height (px), brightness (0..255 in steps of 8, NaN where nobody measured),
        faces (number found, NaN where nobody looked) and n.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        place = connection.scalar(sa.select(sa.func.max(_event.id)))
        looked = connection.execute(
            sa.select(sa.func.count(), sa.func.count(schema.measure.c.faces)).select_from(schema.measure)
        ).one()
    return _pictures(store, key, (place, *looked)).copy()


def examples(store: Store, dataset: str, per_class: int = 8, seed: int = 0) -> dict[str, list[Tile]]:
    """Random samples of each class (fewer where a class has fewer), the same for the same seed."""
    random = np.random.default_rng(seed)
    with store.read() as connection:
        found = find_dataset(connection, dataset)
        chosen: dict[str, list[Tile]] = {}
        for name in found.label_set.names:
            mine = sa.and_(_sample.dataset == found.id, _sample.label == name)
            low, high = connection.execute(
                sa.select(sa.func.min(_sample.id), sa.func.max(_sample.id)).where(mine)
            ).one()
            if low is None:
                continue
            # From random places on to the next one of the class: quick however large the class is.
            ids: set[int] = set()
            for place in random.integers(low, high + 1, per_class * 4):
                query = (
                    sa.select(_sample.id).where(mine, _sample.id >= int(place)).order_by(_sample.id).limit(1)
                )
                ids.update(connection.scalars(query))
                if len(ids) == per_class:
                    break
            chosen[name] = tiles(connection, sorted(ids))
        return chosen


def _samples(store: Store, dataset: str) -> tuple[int, tuple]:
    """The number of a dataset, and what changes whenever a sample of it comes or goes."""
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        last = sa.select(sa.func.max(_sample.id)).where(_sample.dataset == key)
        total = sa.select(sa.func.sum(schema.tally.c.n)).where(schema.tally.c.dataset == key)
        return key, (connection.scalar(total) or 0, connection.scalar(last))


@lru_cache(maxsize=128)
def _subjects(store: Store, dataset: int, state: tuple) -> tuple[str, ...]:
    query = sa.select(_sample.subject).where(_sample.dataset == dataset, _sample.subject.is_not(None))
    with store.read() as connection:
        return tuple(connection.scalars(query.distinct().order_by(_sample.subject).limit(1000)))


@lru_cache(maxsize=128)
def _people(store: Store, dataset: int, place: int | None) -> tuple[str, ...]:
    query = sa.select(_event.who).where(_event.dataset == dataset, sa.text("event.kind <> 'import'"))
    with store.read() as connection:
        return tuple(sorted(connection.scalars(query.distinct())))


@lru_cache(maxsize=128)
def _arrivals(store: Store, dataset: int, state: tuple) -> tuple[Arrival, ...]:
    table = schema.arrival.c
    mine = sa.and_(_sample.dataset == table.dataset, _sample.id.between(table.first, table.last))
    rows = sa.select(sa.func.count()).select_from(schema.sample).where(mine).correlate(schema.arrival)
    query = sa.select(table.batch, table.what, table.who, table.at, rows.scalar_subquery())
    with store.read() as connection:
        found = connection.execute(query.where(table.dataset == dataset).order_by(table.at))
        return tuple(Arrival(*row) for row in found)


@lru_cache(maxsize=32)
def _pictures(store: Store, dataset: int, state: tuple) -> pd.DataFrame:
    image, measure = schema.image.c, schema.measure.c
    step = sa.cast(measure.brightness / 8, sa.Integer) * 8
    columns = [_sample.split, image.width, image.height, step.label("brightness"), measure.faces]
    query = sa.select(*columns, sa.func.count().label("n")).join_from(schema.sample, schema.image)
    query = query.outerjoin(schema.measure, measure.image == image.id).where(_sample.dataset == dataset)
    with store.read() as connection:
        rows = connection.execute(query.group_by(*columns)).all()
    names = ["split", "width", "height", "brightness", "faces", "n"]
    return pd.DataFrame([tuple(row) for row in rows], columns=names)
