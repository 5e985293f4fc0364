"""Two models on the same faces: how far apart they are, and whether that is more than chance.

Every change is `other` minus `one`: put the older model first, and a positive change is progress.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from fer_core.errors import BadInput
from fer_core.evaluation import metrics
from fer_core.evaluation.results import NO_FACE, Result
from fer_core.labels import LabelSet

BETTER, WORSE, NO_PROOF = "better", "worse", "no proof"
"""What a comparison says of `other`."""

SIGNIFICANCE = 0.05
"""A difference that chance gives more often than this is no proof."""

DRAWS = 1000
"""Bootstrap samples."""


@dataclass(frozen=True)
class Change:
    """A figure of `other` minus that of `one`, with its 95 % interval; accuracies as shares, not percent."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the rows and classes that both know.

    Attributes:
        one, other: their answers to the same n rows in the same order, over the same K classes.
        left_out: rows that only one of the models has an answer for, counted by their truth.
        accuracy, macro_f1: how they change, by paired bootstrap.
        recall: K changes, one for each class; from -1 to 1 where the class does not occur.
        p: how often chance alone gives a difference in accuracy at least this large (exact McNemar test).
        kappa: Cohen's: agreement of the two beyond what chance gives, at most 1; 0 where it is undefined.
    """

    one: Result
    other: Result
    left_out: dict[str, int]
    accuracy: Change
    macro_f1: Change
    recall: tuple[Change, ...]
    p: float
    kappa: float

    def __len__(self) -> int:
        return len(self.one)

    @property
    def label_set(self) -> LabelSet:
        """The K classes."""
        return self.one.label_set

    @cached_property
    def only_one(self) -> np.ndarray:
        """(b,) int64 positions of the rows that `one` gets right and `other` wrong, surest first."""
        return _surest(self.other, self.one.right & ~self.other.right)

    @cached_property
    def only_other(self) -> np.ndarray:
        """(c,) int64 positions of the rows that `other` gets right and `one` wrong, surest first."""
        return _surest(self.one, self.other.right & ~self.one.right)

    @cached_property
    def same(self) -> np.ndarray:
        """(n,) bool, where both answer the same, or both found no face."""
        return self.one.predicted == self.other.predicted

    @property
    def agreement(self) -> float:
        """Share of the rows where both answer the same, right or wrong."""
        return float(self.same.mean())

    @property
    def verdict(self) -> str:
        """BETTER or WORSE where test and interval both say so of `other`'s accuracy, else NO_PROOF."""
        if self.p >= SIGNIFICANCE or self.accuracy.low <= 0 <= self.accuracy.high:
            return NO_PROOF
        return BETTER if self.accuracy.value > 0 else WORSE


def pair(one: Result, other: Result, draws: int = DRAWS, seed: int = 0) -> Comparison:
    """Compare two models on the rows that both have an answer for.

    Rows are matched by their sample. Where one model knows classes that the other does not, both are asked
    among the shared ones only, in the order of `one`. A face that was not found is a wrong answer.

    Args:
        draws, seed: of the bootstrap.

    Raises:
        BadInput: the two share no rows or classes, or their truth is not the same.
    """
    label_set = LabelSet(one.label_set.name, tuple(n for n in one.label_set.names if n in other.label_set))
    places = pd.Index(other.frame["sample"]).get_indexer(one.frame["sample"])
    known = places >= 0
    if one.kind != other.kind or (_names(one)[known] != _names(other)[places[known]]).any():
        raise BadInput(
            "Two models are compared against the same truth. "
            f"Received: {one.kind} and {other.kind}, not alike. Choose one version and one kind of truth."
        )
    both = known & np.isin(_names(one), label_set.names)
    if not both.any():
        raise BadInput(
            "Two models are compared on rows that both have an answer for. Received: none, of "
            f"{len(one):,} and {len(other):,} rows, with classes {', '.join(one.label_set.names)} and "
            f"{', '.join(other.label_set.names)}. Choose models that share classes."
        )
    first = _among(one, np.flatnonzero(both), label_set)
    second = _among(other, places[both], label_set)
    shared = set(first.frame["sample"])
    alone = Counter(
        str(name)
        for result in (one, other)
        for name in _names(result)[~result.frame["sample"].isin(shared).to_numpy()]
    )
    accuracy, macro_f1 = _bootstrap(first, second, draws, seed)
    return Comparison(
        first,
        second,
        dict(alone.most_common()),
        accuracy,
        macro_f1,
        tuple(_recall(first, second, place) for place in range(len(label_set))),
        mcnemar(int((first.right & ~second.right).sum()), int((second.right & ~first.right).sum())),
        kappa(first.predicted, second.predicted),
    )


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided p of b rows that only one model gets right and c that only the other does.

    Source: McNemar 1947, Psychometrika 12, 153-157; the binomial test of b among b + c.
    """
    n = b + c
    rest = math.lgamma(n + 1) - n * math.log(2)
    tail = math.fsum(
        math.exp(rest - math.lgamma(k + 1) - math.lgamma(n - k + 1)) for k in range(min(b, c) + 1)
    )
    return min(1.0, 2 * tail)


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement beyond chance of two (N,) int answers; 0 where it is undefined: one answer only.

    Source: Cohen 1960, Educational and Psychological Measurement 20, 37-46.
    """
    names, index = np.unique(np.stack([first, second]), return_inverse=True)
    index = index.reshape(2, -1)
    table = metrics.confusion(index[0], index[1], len(names)) / max(len(first), 1)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return 0.0 if chance >= 1 else (float(np.trace(table)) - chance) / (1 - chance)


def paired_interval(b: int, c: int, both: int, neither: int) -> tuple[float, float]:
    """95 % interval of (c - b) / n, a difference of two shares of the same n rows; (-1, 1) where n is 0.

    Args:
        b, c: rows that only the first, and only the second, gets right.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10. It holds for few rows too,
    and where nothing changed, for which a bootstrap shows no uncertainty at all.
    """
    n = b + c + both + neither
    if n == 0:
        return -1.0, 1.0
    first, second = (both + b) / n, (both + c) / n
    (low1, high1), (low2, high2) = metrics.wilson(both + b, n), metrics.wilson(both + c, n)
    product = (both + b) * (neither + c) * (both + c) * (neither + b)
    cross = float(both * neither - b * c)
    # Newcombe's correction of a positive correlation for continuity.
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = cross / math.sqrt(product) if product else 0.0
    below, above = second - low2, high1 - first
    down = math.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    below, above = first - low1, high2 - second
    up = math.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    return max(-1.0, second - first - down), min(1.0, second - first + up)


def _names(result: Result) -> np.ndarray:
    """(N,) object, the truth by name."""
    return np.array(result.label_set.names, object)[result.truth]


def _among(result: Result, places: np.ndarray, label_set: LabelSet) -> Result:
    """The rows at these places, asked among these classes only."""
    kept = result.among(places)
    columns = [result.label_set.names.index(name) for name in label_set.names]
    probabilities = kept.probabilities[:, columns]
    total = probabilities.sum(axis=1, keepdims=True)
    index = np.array([label_set.names.index(name) for name in _names(kept)], np.int64)
    return replace(
        kept, label_set=label_set, truth=index, probabilities=probabilities / np.maximum(total, 1e-12)
    )


def _surest(result: Result, rows: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(rows)
    return places[np.argsort(-result.confidence[places], kind="stable")]


def _recall(one: Result, other: Result, place: int) -> Change:
    rows = one.truth == place
    first, second = one.right[rows], other.right[rows]
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = paired_interval(b, c, int((first & second).sum()), int((~first & ~second).sum()))
    return Change((c - b) / max(len(first), 1), low, high)


def _bootstrap(one: Result, other: Result, draws: int, seed: int) -> tuple[Change, Change]:
    """How accuracy and macro F1 change, with percentile intervals over rows drawn again with replacement.

    Rows that agree in truth and both answers are one outcome: to draw n rows is to draw how often each
    of at most some hundred outcomes occurs.
    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    classes = len(one.label_set)
    rows = np.stack([one.truth, one.predicted, other.predicted])
    outcomes, counts = np.unique(rows, axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(one), counts / counts.sum(), draws)
    # The first is what was measured.
    drawn = np.concatenate([counts[None], drawn]).astype(float)
    truth = np.eye(classes)[outcomes[0]]
    accuracies, f1s = [], []
    for answer in outcomes[1:]:
        called = np.eye(classes)[answer] * (answer != NO_FACE)[:, None]
        hits, size = drawn @ (truth * called), drawn @ (truth + called)
        accuracies.append(hits.sum(axis=1) / len(one))
        f1s.append((2 * hits / np.maximum(size, 1)).sum(axis=1) / (size > 0).sum(axis=1))
    return _change(accuracies[1] - accuracies[0]), _change(f1s[1] - f1s[0])


def _change(values: np.ndarray) -> Change:
    """The first value, and the middle 95 % of the others."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return Change(float(values[0]), float(low), float(high))
