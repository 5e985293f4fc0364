"""How far people agree, and what most probably is true where they do not: pure functions of their answers.

Counts are (N, K): how many people gave image n the answer k. Answers are index triples, so that people who
answered little cost little: `image` (A,), `person` (A,) and `answer` (A,), int, at most one of each person
for an image.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer_core.evaluation.metrics import Z95, confusion, wilson

NOBODY = -1
"""Stands for the winner of a vote that has none."""


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance: 1 is perfect, 0 what chance would give, below 0 worse than that.

    Attributes:
        value: NaN where it is not defined: nothing was answered twice, or every answer is the same.
        low, high: 95 % interval; -1 and 1 where there is no value.
        error: standard error.
        agreement: share of pairs of answers that agree; NaN without any.
        n: images that count.
    """

    value: float
    low: float
    high: float
    error: float
    agreement: float
    n: int


def cohen(matrix: np.ndarray) -> Kappa:
    """Cohen's kappa of two people.

    Args:
        matrix: (K, K) counts of images; row = what one said, column = what the other did.

    Source: Cohen 1960, doi:10.1177/001316446002000104; standard error: Fleiss, Cohen & Everitt 1969,
    doi:10.1037/h0028106.
    """
    n = int(matrix.sum())
    if not n:
        return _undefined(math.nan, 0)
    share = matrix / n
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    agreed, chance = float(np.trace(share)), float(rows @ columns)
    if chance >= 1 - 1e-12:
        return _undefined(agreed, n)
    kappa = (agreed - chance) / (1 - chance)
    diagonal = np.diag(share) @ ((1 - chance) - (rows + columns) * (1 - agreed)) ** 2
    crossed = share * (columns[:, None] + rows[None, :]) ** 2
    elsewhere = (1 - agreed) ** 2 * (crossed.sum() - np.trace(crossed))
    rest = (agreed * chance - 2 * chance + agreed) ** 2
    error = math.sqrt(max(float(diagonal + elsewhere - rest), 0.0) / n) / (1 - chance) ** 2
    return _with_interval(kappa, error, agreed, chance, n)


def fleiss(counts: np.ndarray) -> Kappa:
    """Fleiss' kappa of any number of people, who need not have answered the same images.

    Images with fewer than two answers say nothing and are left out. Of the others each counts alike,
    however many answered it; where all have as many answers, this is Fleiss' own formula.

    Args:
        counts: (N, K) answers.

    Source: Fleiss 1971, doi:10.1037/h0031619; varying numbers of answers and standard error: Gwet 2014,
    Handbook of Inter-Rater Reliability, 4th edition.
    """
    counts = counts[counts.sum(axis=1) >= 2].astype(float)
    n = len(counts)
    if not n:
        return _undefined(math.nan, 0)
    answers = counts.sum(axis=1)
    agreed = (counts * (counts - 1)).sum(axis=1) / (answers * (answers - 1))
    share = counts / answers[:, None]
    prevalence = share.mean(axis=0)
    mean, chance = float(agreed.mean()), float(prevalence @ prevalence)
    if chance >= 1 - 1e-12:
        return _undefined(mean, n)
    kappa = (mean - chance) / (1 - chance)
    # What each image adds to the figure: its own agreement, and how it moves what chance would give.
    pull = (agreed - mean - 2 * (1 - kappa) * (share @ prevalence - chance)) / (1 - chance)
    error = math.sqrt(float(pull @ pull) / (n * (n - 1))) if n > 1 else math.inf
    return _with_interval(kappa, error, mean, chance, n)


def _undefined(agreement: float, n: int) -> Kappa:
    return Kappa(math.nan, -1.0, 1.0, math.nan, agreement, n)


def _with_interval(kappa: float, error: float, agreed: float, chance: float, n: int) -> Kappa:
    # As wide as Wilson's interval of the agreement, too: of a handful of answers without a disagreement
    # the asymptotic one would claim certainty.
    bounds = wilson(round(agreed * n), n)
    least, most = ((bound - chance) / (1 - chance) for bound in bounds)
    low, high = min(kappa - Z95 * error, least), max(kappa + Z95 * error, most)
    return Kappa(kappa, max(low, -1.0), min(high, 1.0), error, agreed, n)


def pair(
    image: np.ndarray, person: np.ndarray, answer: np.ndarray, one: int, other: int, classes: int
) -> np.ndarray:
    """(K, K) int64: the images that two people both answered; row = one's answer, column = the other's."""
    mine, theirs = person == one, person == other
    _, first, second = np.intersect1d(image[mine], image[theirs], assume_unique=True, return_indices=True)
    return confusion(answer[mine][first], answer[theirs][second], classes)


def tally(image: np.ndarray, answer: np.ndarray, images: int, classes: int) -> np.ndarray:
    """(images, classes) int64: how many gave each answer."""
    flat = np.bincount(image * classes + answer, minlength=images * classes)
    return flat.reshape(images, classes)


def majority(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent answer of each image, and which images have two of them.

    Args:
        counts: (N, K) answers.

    Returns:
        (N,) int64 answers, NOBODY for a tie and where nobody answered; (N,) bool, ties.
    """
    most = counts.max(axis=1)
    tied = ((counts == most[:, None]).sum(axis=1) > 1) & (most > 0)
    return np.where(tied | (most == 0), NOBODY, counts.argmax(axis=1)), tied


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is probably true, and how people answer what is true.

    Attributes:
        posterior: (N, K) float64, rows sum to 1; the prevalence where nobody answered.
        confusion: (P, K, K) float64, [person, true class, answer]; rows sum to 1.
        prevalence: (K,) float64.
        converged: whether it had come to rest in the steps that it was given.
    """

    posterior: np.ndarray
    confusion: np.ndarray
    prevalence: np.ndarray
    converged: bool


def dawid_skene(
    image: np.ndarray,
    person: np.ndarray,
    answer: np.ndarray,
    shape: tuple[int, int, int],
    *,
    smoothing: float = 1.0,
    steps: int = 200,
    tolerance: float = 1e-6,
) -> Estimate:
    """Truth and people's habits at once, by expectation maximisation.

    It starts from the shares of the votes, so that class k stays the answer k, and no chance is in it.
    Three people or more should have answered many images in common: of two nobody can say who is right.

    Args:
        shape: how many images, people and classes there are: N, P, K.
        smoothing: answers that each person is taken to have given to each true class beforehand, spread
            as all people's answers are: who answered little is thought of as like the others.
        tolerance: the greatest change of any probability at which it has come to rest.

    Source: Dawid & Skene 1979, doi:10.2307/2346806.
    """
    images, people, classes = shape
    posterior = tally(image, answer, images, classes) + 1e-9
    posterior /= posterior.sum(axis=1, keepdims=True)
    answered = np.bincount(image, minlength=images) > 0
    cell = person * classes + answer
    for _ in range(steps):
        prevalence = posterior[answered].sum(axis=0) + 1 / classes
        prevalence /= prevalence.sum()
        table = _habits(posterior[image], cell, people, classes, smoothing)
        logs = np.log(table).transpose(0, 2, 1).reshape(people * classes, classes)[cell]
        said = np.stack([np.bincount(image, logs[:, k], images) for k in range(classes)], axis=1)
        said = said + np.log(prevalence)
        said = np.exp(said - said.max(axis=1, keepdims=True))
        said /= said.sum(axis=1, keepdims=True)
        moved = float(np.abs(said - posterior)[answered].max(initial=0.0))
        posterior = said
        if moved < tolerance:
            break
    return Estimate(posterior, table, prevalence, moved < tolerance)


def _habits(belief: np.ndarray, cell: np.ndarray, people: int, classes: int, smoothing: float) -> np.ndarray:
    """(P, K, K) how each person answers each true class; belief: (A, K), what is true behind each answer."""
    each = np.stack([np.bincount(cell, belief[:, k], people * classes) for k in range(classes)], axis=1)
    each = each.reshape(people, classes, classes).transpose(0, 2, 1)
    # An answer nobody gave to a class is still possible: its logarithm must be a number.
    common = each.sum(axis=0) + 1 / classes
    each = each + smoothing * common / common.sum(axis=1, keepdims=True)
    return each / each.sum(axis=2, keepdims=True)
