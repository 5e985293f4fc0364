"""How well the people who label do: how fast, how much they agree with others and with themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import changes, schema
from fer_core.dataset.store import Store
from fer_core.evaluation import agreement
from fer_core.evaluation.agreement import NOBODY, Kappa
from fer_core.evaluation.metrics import confusion, wilson
from fer_core.review import looks, people

BREAK = 120
"""Seconds between two answers of a sitting after which somebody was away; such gaps do not count."""


@dataclass(frozen=True)
class Share:
    """How many of n."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """0..1; NaN of nothing."""
        return self.hits / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval; 0 to 1 of nothing."""
        return wilson(self.hits, self.n)


@dataclass(frozen=True, eq=False)
class Person:
    """One who labels.

    Attributes:
        answers: pictures that have an answer of this person's.
        pace: images a minute within sittings, without breaks; NaN where none was kept.
        changed: answers that gave a picture another label than it had, of those to pictures that had one.
        others: answers that agree with what most of the others say; their ties are left out.
        itself: second looks that came out as the first.
        gold: looks at gold pictures that came out right.
        confusion: (K, K) int64, row = what most of the others say, column = what this person says.
    """

    who: str
    answers: int
    pace: float
    changed: Share
    others: Share
    itself: Share
    gold: Share
    confusion: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Report:
    """Everyone who labelled a dataset.

    Attributes:
        people: who answered most comes first.
        classes: names of the answers, in the order of each confusion.
        pairs: kappa of each two people, by their names in the order of `people`.
        together: Fleiss' kappa of all of them.
        shared: pictures that two people or more answered.
        conflicts: votes on pictures that were answered differently (people.conflicts).
    """

    people: tuple[Person, ...]
    classes: tuple[str, ...]
    pairs: Mapping[tuple[str, str], Kappa]
    together: Kappa
    shared: int
    conflicts: pd.DataFrame


def report(store: Store, dataset: str) -> Report:
    """How well the people who labelled a dataset do.

    A person is compared with the majority of the others, never with one that the person is part of: of
    two people each would else agree with themselves half of the time.

    Raises:
        NotFound: no such dataset.
    """
    answers, seen = people.answers_of(store, dataset), looks.looks_of(store, dataset)
    votes, classes = people.newest(answers), people.classes_of(store.dataset(dataset))
    names = votes["who"].value_counts().index.tolist()
    image = np.unique(votes["sample"].to_numpy(), return_inverse=True)[1]
    who = pd.Categorical(votes["who"], categories=names).codes.astype(np.int64)
    answer = pd.Categorical(votes["label"], categories=list(classes)).codes.astype(np.int64)
    counts = agreement.tally(image, answer, int(image.max(initial=-1)) + 1, len(classes))
    speeds = pace(answers, seen)
    same, right = _second(answers, seen), _gold(store, dataset, seen)
    each = []
    for place, name in enumerate(names):
        mine = who == place
        against = _against_others(counts, image[mine], answer[mine])
        given = answers[(answers["who"] == name) & answers["label"].notna() & answers["old"].notna()]
        each.append(
            Person(
                name,
                int(mine.sum()),
                speeds.get(name, float("nan")),
                Share(int((given["label"] != given["old"]).sum()), len(given)),
                Share(int(np.trace(against)), int(against.sum())),
                same.get(name, Share(0, 0)),
                right.get(name, Share(0, 0)),
                against,
            )
        )
    pairs = {
        (names[i], names[j]): agreement.cohen(agreement.pair(image, who, answer, i, j, len(classes)))
        for i, j in combinations(range(len(names)), 2)
    }
    shared = int((counts.sum(axis=1) >= 2).sum())
    together, differing = agreement.fleiss(counts), people.conflicts(votes)
    return Report(tuple(each), classes, pairs, together, shared, differing)


def state(store: Store, dataset: str) -> tuple[int, int, int, str]:
    """While it stays the same, so do the report and the consensus.

    Raises:
        NotFound: no such dataset.
    """
    look, gold = schema.look.c, schema.gold.c
    newest = changes.newest(store, dataset)
    with store.read() as connection:
        looked = connection.scalar(sa.select(sa.func.max(look.id))) or 0
        count, latest = connection.execute(sa.select(sa.func.count(), sa.func.max(gold.at))).one()
    return newest, looked, count, latest or ""


def pace(answers: pd.DataFrame, seen: pd.DataFrame) -> dict[str, float]:
    """Images a minute of each person who kept a sitting, between the first and the last answer of each.

    Args:
        answers: from people.answers_of; seen: from looks.looks_of, which take their time too.
    """
    columns = ["who", "sitting", "at"]
    given = pd.concat([answers[columns], seen[columns]])
    given = given[given["sitting"] != ""]
    given = given.assign(at=pd.to_datetime(given["at"], format="ISO8601", utc=True))
    given = given.sort_values("at", ignore_index=True)
    gap = given.groupby(["who", "sitting"])["at"].diff().dt.total_seconds()
    at_work = gap[gap <= BREAK].groupby(given["who"])
    seconds = at_work.sum()
    return (60 * at_work.size() / seconds)[seconds > 0].to_dict()


def _against_others(counts: np.ndarray, image: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """(K, K) int64: what most of the others say, against what one person answered."""
    others = counts[image]
    others[np.arange(len(image)), answer] -= 1
    winner, _ = agreement.majority(others)
    known = winner != NOBODY
    return confusion(winner[known], answer[known], counts.shape[1])


def _second(answers: pd.DataFrame, seen: pd.DataFrame) -> dict[str, Share]:
    """For each person how many second looks came out as the answer that stood when they were taken."""
    again = seen[seen["kind"] == "second"]
    if again.empty or answers.empty:
        return {}
    first, then = (
        frame[["sample", "who", "label"]]
        .assign(at=pd.to_datetime(frame["at"], format="ISO8601", utc=True))
        .sort_values("at", kind="stable")
        for frame in (answers, again)
    )
    both = pd.merge_asof(then, first, on="at", by=["sample", "who"], suffixes=("", " before"))
    return _shares(both[both["label before"].notna()], "label before")


def _gold(store: Store, dataset: str, seen: pd.DataFrame) -> dict[str, Share]:
    gold = looks.gold_samples(store, dataset)[["sample", "label"]]
    both = seen[seen["kind"] == "gold"].merge(gold, on="sample", suffixes=("", " true"))
    return _shares(both, "label true")


def _shares(both: pd.DataFrame, column: str) -> dict[str, Share]:
    right = (both["label"] == both[column]).groupby(both["who"])
    return {str(who): Share(int(hits.sum()), len(hits)) for who, hits in right}
