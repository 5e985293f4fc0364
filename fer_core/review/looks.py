"""Answers that change no label: a second look at one's own, and pictures whose label is beyond doubt."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import schema, versions, votes
from fer_core.dataset.store import Store, find_dataset, now, slices
from fer_core.errors import BadInput, NotFound
from fer_core.review import people

KINDS = ("second", "gold")

FRESH = 20
"""The last answers of a person, which are not shown again yet: they are still remembered."""

_look, _gold, _sample = schema.look.c, schema.gold.c, schema.sample.c


@dataclass(frozen=True)
class Look:
    """One answer that changes no label.

    Attributes:
        kind: of KINDS.
        label: any usual spelling; None where the picture was passed over.
        answer: a name that whoever answers made for it: sent twice, it counts once.
    """

    sample: int
    kind: str
    label: str | None
    answer: str


def look(store: Store, dataset: str, looks: Iterable[Look], who: str, sitting: str = "") -> int:
    """Keep some answers, all of them or none.

    Returns:
        How many were new.

    Raises:
        BadInput: a kind or label that there is not, or no name in `who`.
        NotFound: no such dataset, or a sample that is not in it.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    person, wanted = _person(who), list(looks)
    if strange := next((one.kind for one in wanted if one.kind not in KINDS), None):
        raise BadInput(f"A look is one of {', '.join(KINDS)}. Received: kind={strange!r}.")
    with store.write() as connection:
        found = find_dataset(connection, dataset)
        _check_here(connection, found.id, [one.sample for one in wanted])
        allowed = people.classes_of(found)
        rows = [
            {
                "sample": one.sample, "dataset": found.id, "who": person, "at": now(), "kind": one.kind,
                "label": None if one.label is None else _label(one.label, allowed), "answer": one.answer,
                "sitting": sitting,
            }
            for one in wanted
        ]  # fmt: skip
        before = _count(connection)
        if rows:
            connection.execute(sa.insert(schema.look).prefix_with("OR IGNORE"), rows)
        return _count(connection) - before


def looks_of(store: Store, dataset: str, who: str | None = None) -> pd.DataFrame:
    """All looks with an answer: columns sample (int64), who, at, kind, label and sitting, the oldest first.

    Raises:
        NotFound: no such dataset.
    """
    names = ["sample", "who", "at", "kind", "label", "sitting"]
    query = sa.select(*(_look[name] for name in names)).where(_look.label.is_not(None)).order_by(_look.id)
    with store.read() as connection:
        query = query.where(_look.dataset == find_dataset(connection, dataset).id)
        rows = connection.execute(query if who is None else query.where(_look.who == who)).all()
    return pd.DataFrame([tuple(row) for row in rows], columns=names, dtype=object).astype({"sample": "int64"})


def second_looks(store: Store, dataset: str, who: str, share: float = 0.05, seed: int = 0) -> list[int]:
    """Which of a person's own answers to show once more, without the label: drawn by chance.

    The last FRESH answers are not among them, nor what was shown again before.

    Args:
        share: how many of all answers are shown again.

    Raises:
        NotFound: no such dataset.
    """
    mine = people.newest(people.answers_of(store, dataset, who)).sort_values("at", kind="stable")
    seen = _seen(store, dataset, who, "second")
    known = [sample for sample in mine["sample"][: max(len(mine) - FRESH, 0)].tolist() if sample not in seen]
    return _drawn(known, math.ceil(share * len(mine)) - len(seen), seed)


def gold_looks(store: Store, dataset: str, who: str, share: float = 0.05, seed: int = 0) -> list[int]:
    """Which gold pictures to show a person between the others; each is shown once.

    Args:
        share: how many there shall be for each answer of that person's.

    Raises:
        NotFound: no such dataset.
    """
    seen = _seen(store, dataset, who, "gold")
    known = [sample for sample in gold_samples(store, dataset)["sample"].tolist() if sample not in seen]
    answers = len(people.newest(people.answers_of(store, dataset, who)))
    return _drawn(known, math.ceil(share * answers) - len(seen), seed)


def gold_samples(store: Store, dataset: str) -> pd.DataFrame:
    """The pictures by which people are measured: columns sample (int64), label, who and at.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = sa.select(schema.gold).join(schema.sample, _sample.id == _gold.sample)
        rows = connection.execute(query.where(_sample.dataset == key).order_by(_gold.sample)).all()
    frame = pd.DataFrame([tuple(row) for row in rows], columns=["sample", "label", "who", "at"], dtype=object)
    return frame.astype({"sample": "int64"})


def gold_offers(store: Store, dataset: str, share: float = 0.9, least: int = 5) -> pd.DataFrame:
    """Pictures that could be gold, because nearly all of their imported raters gave one answer.

    What people answered here does not count: they are to be measured by it.

    Args:
        share: of the raters who must agree.
        least: raters who must have answered.

    Returns:
        Columns sample (int64), label, share and raters, those that most agree on first; without those
        that are gold already.

    Raises:
        NotFound: no such dataset.
    """
    frame, allowed = versions.manifest(store, dataset), people.classes_of(store.dataset(dataset))
    table = votes.counts(frame, votes.names(frame))
    raters, most = table.sum(axis=1), table.max(axis=1, initial=0)
    offers = pd.DataFrame(
        {
            "sample": frame["sample"],
            "label": votes.plurality(frame),
            "share": most / np.maximum(raters, 1),
            "raters": raters.astype(int),
        }
    )
    gold = set(gold_samples(store, dataset)["sample"])
    usable = offers["label"].isin(allowed) & ~offers["sample"].isin(gold)
    found = offers[usable & (offers["share"] >= share) & (offers["raters"] >= least)]
    return found.sort_values(["share", "raters"], ascending=False, kind="stable", ignore_index=True)


def make_gold(store: Store, dataset: str, wanted: Mapping[int, str], who: str) -> None:
    """Declare the labels of some pictures beyond doubt, all of them or none; their own label stays.

    Raises:
        BadInput: a label that the dataset does not have, or no name in `who`.
        NotFound: no such dataset, or a sample that is not in it.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    person = _person(who)
    with store.write() as connection:
        found = find_dataset(connection, dataset)
        _check_here(connection, found.id, list(wanted))
        allowed = people.classes_of(found)
        rows = [
            {"sample": int(sample), "label": _label(label, allowed), "who": person, "at": now()}
            for sample, label in wanted.items()
        ]
        if rows:
            connection.execute(sa.insert(schema.gold).prefix_with("OR REPLACE"), rows)


def drop_gold(store: Store, samples: Iterable[int]) -> None:
    """These pictures are as doubtful as others again; what people answered to them stays."""
    with store.write() as connection:
        for some in slices(list(samples)):
            connection.execute(sa.delete(schema.gold).where(_gold.sample.in_(some)))


def _drawn(known: list[int], count: int, seed: int) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(known))
    return [known[place] for place in order[: max(count, 0)]]


def _seen(store: Store, dataset: str, who: str, kind: str) -> set[int]:
    """What was shown to a person already, answered or passed over."""
    query = sa.select(_look.sample).where(_look.who == who, _look.kind == kind)
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        return set(connection.scalars(query.where(_look.dataset == key)))


def _count(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(schema.look)).scalar_one()


def _check_here(connection: sa.Connection, dataset: int, samples: list[int]) -> None:
    here: set[int] = set()
    for some in slices(samples):
        query = sa.select(_sample.id).where(_sample.dataset == dataset, _sample.id.in_(some))
        here.update(connection.scalars(query))
    if strange := [sample for sample in samples if sample not in here]:
        raise NotFound(
            f"Samples are found by the id that an import gave them. Received: sample={strange[0]}. "
            "It may have been deleted: open the list again."
        )


def _label(label: str, allowed: tuple[str, ...]) -> str:
    name = labels.canonical(label)
    if name not in allowed:
        raise BadInput(
            f"Labels of this dataset are: {', '.join(allowed)}. Received: {name!r}. Choose one of them."
        )
    return name


def _person(who: str) -> str:
    cleaned = " ".join(who.split())
    if not cleaned:
        raise BadInput(f"Every answer says who gave it. Received: who={who!r}. Enter a name.")
    return cleaned
