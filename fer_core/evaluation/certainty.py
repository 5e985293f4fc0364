"""When a model should say "can't tell": fewer answers that are right more often, or several at once.

A face that was not found is never answered: it lowers coverage, and no set is made for it.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fer_core.errors import BadInput
from fer_core.evaluation import metrics
from fer_core.evaluation.results import Result

LEAST = 50
"""Fewest faces to calibrate sets on. Of 50, a guarantee of 90 % may come out at 81 to 97 % (the Beta
distribution of Vovk 2012, arXiv:1209.2673); of 1,000, at 88 to 92 %."""


@dataclass(frozen=True)
class Share:
    """A share of n faces, with its 95 % interval."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Curve:
    """What is left to answer, and how much of it is right, as more certainty is asked for.

    Attributes:
        total: all faces, those that were not found too.
        threshold: (T,) float64, every confidence that occurs, falling: an answer needs at least that.
        answered, right: (T,) int64 faces.
        area: under the curve of risk, the share of wrong answers, against coverage: risk averaged over all
            coverages, 0 at best. A model without any sense of certainty has its share of wrong answers.
    """

    total: int
    threshold: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    area: float

    @property
    def coverage(self) -> np.ndarray:
        """(T,) share of the faces that get an answer."""
        return self.answered / max(self.total, 1)

    @property
    def accuracy(self) -> np.ndarray:
        """(T,) share of the answers that are right."""
        return self.right / self.answered

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """(T,) low and (T,) high, 95 % interval of the accuracy at each threshold by itself."""
        return metrics.wilson_each(self.right, self.answered)

    def at(self, threshold: float) -> tuple[Share, Share]:
        """Of all faces those that get an answer, and of these those that are right."""
        place = int((self.threshold >= threshold).sum()) - 1
        answered, right = (int(self.answered[place]), int(self.right[place])) if place >= 0 else (0, 0)
        return _share(answered, self.total), _share(right, answered)

    def reach(self, accuracy: float) -> float | None:
        """The lowest threshold at which the whole interval lies at this accuracy or above; None without one.

        The interval, not the share: the threshold is chosen on these faces, so their luck must not count.
        """
        enough = np.flatnonzero(self.interval[0] >= accuracy)
        return float(self.threshold[enough[-1]]) if len(enough) else None


def curve(result: Result) -> Curve:
    """Coverage and accuracy of a result at every threshold.

    Source: El-Yaniv & Wiener 2010, JMLR 11, 1605-1641; the area: Geifman, Uziel & El-Yaniv 2019,
    arXiv:1805.08206.
    """
    found = result.found
    confidence, right = result.confidence[found].astype(np.float64), result.right[found]
    values, where = np.unique(-confidence, return_inverse=True)
    n = np.bincount(where, minlength=len(values))
    hits = np.bincount(where, weights=right, minlength=len(values))
    # Equals are answered in any order: each has its group's share of errors. Unfound faces come last.
    wrong = np.append((1 - hits / np.maximum(n, 1))[np.sort(where)], np.ones(len(result) - found.sum()))
    risk = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return Curve(
        len(result),
        -values,
        np.cumsum(n),
        np.cumsum(hits).astype(np.int64),
        float(risk.mean()) if len(risk) else 0.0,
    )


@dataclass(frozen=True, eq=False)
class Sets:
    """For each face the expressions that cannot be ruled out.

    Attributes:
        guarantee: how often the truth should be among them, for faces like those calibrated on.
        each: whether that holds for each expression, or over all faces together.
        cutoffs: (K,) float64, the probability from which an expression is in a set.
        always: expressions with too few faces to calibrate on, hence in every set (of `crossed`: of a half).
        calibrated: how many faces set the cutoffs.
        places: (M,) int64 positions in the measured result of the faces with an answer.
        members: (M, K) bool, the sets; the most probable expression is always in.
        truth: (M,) int64 class indices.
    """

    guarantee: float
    each: bool
    cutoffs: np.ndarray
    always: tuple[str, ...]
    calibrated: int
    places: np.ndarray
    members: np.ndarray
    truth: np.ndarray

    @cached_property
    def covered(self) -> np.ndarray:
        """(M,) bool, whether the set holds the truth."""
        return self.members[np.arange(len(self.truth)), self.truth]

    @cached_property
    def sizes(self) -> np.ndarray:
        """(M,) int64 expressions in each set, 1 to K."""
        return self.members.sum(axis=1)

    @property
    def coverage(self) -> Share:
        """How often the sets hold the truth."""
        return _share(int(self.covered.sum()), len(self.truth))

    @property
    def singles(self) -> Share:
        """How many sets are one expression: a plain answer."""
        return _share(int((self.sizes == 1).sum()), len(self.truth))

    @property
    def per_class(self) -> tuple[Share, ...]:
        """K shares: how often the sets of each expression's faces hold it."""
        rows = [self.truth == place for place in range(self.members.shape[1])]
        return tuple(_share(int(self.covered[mine].sum()), int(mine.sum())) for mine in rows)


def crossed(result: Result, guarantee: float, each: bool = False, seed: int = 0) -> Sets:
    """Sets for every face with an answer: each half of them is calibrated on the other.

    Cutoffs are the means of both halves' and `calibrated` the smaller one. One half that happens to be
    easier makes its own sets hold too often and the other's too seldom, which evens out.

    Raises:
        BadInput: as `conformal`; half of the faces are there to calibrate on.
    """
    first, second = halves(result, seed)
    both = [(first, second), (second, first)]
    parts = [conformal(result.among(one), result.among(other), guarantee, each) for one, other in both]
    places = np.concatenate(
        [np.flatnonzero(mine)[part.places] for (_, mine), part in zip(both, parts, strict=True)]
    )
    order = np.argsort(places)
    return Sets(
        guarantee,
        each,
        np.mean([part.cutoffs for part in parts], axis=0),
        tuple(n for n in result.label_set.names if any(n in part.always for part in parts)),
        min(part.calibrated for part in parts),
        places[order],
        np.concatenate([part.members for part in parts])[order],
        np.concatenate([part.truth for part in parts])[order],
    )


def halves(result: Result, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool twice: two random halves, the same for the same seed; copies of a picture stay together."""
    pictures, where = np.unique(result.frame["image"].to_numpy(str), return_inverse=True)
    first = np.zeros(len(pictures), bool)
    first[np.random.default_rng(seed).permutation(len(pictures))[: len(pictures) // 2]] = True
    return first[where], ~first[where]


def conformal(calibration: Result, measured: Result, guarantee: float, each: bool = False) -> Sets:
    """Sets that hold the truth as often as asked, calibrated on some faces and measured on others.

    Whatever the model is, a new face's set holds the truth with at least this probability if the faces were
    drawn alike: split conformal prediction. Least ambiguous sets (LAC) take what is above a cutoff. With
    `each`, every expression has its own cutoff: at 90 % over all of FER2013's PublicTest, the worst
    expression's sets hold the truth for 46 to 81 % of its faces (three models, labels and votes), with a
    cutoff each for 85 to 88 %, and sets are from 0.5 smaller to 0.7 larger. Adaptive sets (APS, RAPS) gave
    larger ones for less, and are not offered.

    Sources: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World; Sadinle, Lei & Wasserman
    2019, doi:10.1080/01621459.2017.1395341 (LAC); Vovk 2012, arXiv:1209.2673 (by class); Romano, Sesia &
    Candès 2020, arXiv:2006.02544, and Angelopoulos et al. 2021, arXiv:2009.14193 (APS, RAPS).

    Args:
        guarantee: a share below 1, as 0.9.

    Raises:
        BadInput: the guarantee is no share, too few faces for it, or classes that differ.
    """
    if not 0 < guarantee < 1:
        raise BadInput(f"A guarantee is a share between 0 and 1. Received: {guarantee}.")
    if calibration.label_set.names != measured.label_set.names:
        raise BadInput(
            "Sets are calibrated and measured over the same classes. Received: "
            f"{', '.join(calibration.label_set.names)} and {', '.join(measured.label_set.names)}."
        )
    classes = measured.label_set.names
    truth, shares = calibration.truth[calibration.found], calibration.probabilities[calibration.found]
    needed = max(LEAST, faces_for(guarantee))
    if len(truth) < needed or not measured.found.any():
        raise BadInput(
            f"A guarantee of {guarantee * 100:g} % needs {needed:,} faces to calibrate on, and others to "
            f"measure it. Received: {len(truth):,} and {int(measured.found.sum()):,}. "
            "Choose a lower guarantee or a larger split."
        )
    own = shares[np.arange(len(truth)), truth].astype(np.float64)
    if each:
        cutoffs = np.array([cutoff(own[truth == place], guarantee) for place in range(len(classes))])
    else:
        cutoffs = np.full(len(classes), cutoff(own, guarantee))
    if (cutoffs == 0).all() and each:
        raise BadInput(
            f"A guarantee of {guarantee * 100:g} % for each expression needs {faces_for(guarantee):,} faces "
            "of one to calibrate on. Received: fewer of every one. "
            "Choose a lower guarantee or a larger split."
        )
    asked = measured.probabilities[measured.found]
    members = asked >= cutoffs
    # An empty set would tell a person nothing; one answer more can only help the guarantee.
    members[np.arange(len(asked)), asked.argmax(axis=1)] = True
    always = tuple(name for name, low in zip(classes, cutoffs, strict=True) if low == 0 and each)
    places = np.flatnonzero(measured.found)
    return Sets(guarantee, each, cutoffs, always, len(truth), places, members, measured.truth[places])


def cutoff(own: np.ndarray, guarantee: float) -> float:
    """The probability that enough faces give to their truth: a set takes what has at least as much.

    With n faces it is the one of rank ceil((n + 1) guarantee) from the top, so that the guarantee holds for
    a few faces too; 0, which takes everything, where there is no such rank.

    Args:
        own: (n,) probability of the truth.
    """
    rank = _rank(len(own), guarantee)
    return float(np.sort(own)[::-1][rank - 1]) if rank <= len(own) else 0.0


def faces_for(guarantee: float) -> int:
    """The fewest faces that a guarantee can be calibrated on at all."""
    n = max(1, math.floor(guarantee / (1 - guarantee)) - 1)
    while _rank(n, guarantee) > n:
        n += 1
    return n


def _rank(n: int, guarantee: float) -> int:
    # What rounding adds to a product such as 100 x 0.9 must not ask for one face more.
    return math.ceil((n + 1) * guarantee - 1e-9)


def _share(hits: int, n: int) -> Share:
    low, high = metrics.wilson(hits, n)
    return Share(n, hits / max(n, 1), low, high)
