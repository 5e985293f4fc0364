"""A model beside the people who voted: how often either agrees with the others, and how far apart they are.

Votes count only among the classes of the result: the model is asked among these alone, so raters are too.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer_core.dataset import votes
from fer_core.errors import BadInput
from fer_core.evaluation.metrics import Z95
from fer_core.evaluation.results import NO_FACE, Result


@dataclass(frozen=True)
class Mean:
    """A mean over faces, with its 95 % interval (normal: it is about other faces, not other raters)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Raters:
    """What people and model have in common.

    Attributes:
        n: faces with two votes or more.
        votes: mean number of votes for one of them.
        human: the human line: how often one rater agrees with the most frequent answer of the others.
        model: how often the model's answer agrees with the same: the others' answer, without that rater.
        ahead: by how much the model agrees more often than a rater; paired, face by face.
        answered: faces of n that the model answered for; the distances are of these.
        distance: total variation between the model's probabilities and the votes, 0..1. The headline:
            the share of the votes that would have to change to say what the model says.
        rater_distance: the same between one rater, who gives one answer, and the others' votes.
        divergence, rater_divergence: Jensen-Shannon divergence in bits, 0..1, of the same pairs; it weighs
            answers that one side rules out.
    """

    n: int
    votes: float
    human: Mean
    model: Mean
    ahead: Mean
    answered: int
    distance: Mean
    rater_distance: Mean
    divergence: Mean
    rater_divergence: Mean


def measure(result: Result) -> Raters:
    """The model and its raters on the rows of a result.

    Raises:
        BadInput: no row has two votes for these classes.
    """
    names = result.label_set.names
    counts = votes.counts(result.frame, names).astype(np.float64)
    voted = counts.sum(axis=1) >= 2
    if not voted.any():
        raise BadInput(
            "Raters are compared where two or more voted for the classes of the model. "
            f"Received: no such row among {len(result):,}, with classes {', '.join(names)}. "
            "Choose a dataset with votes."
        )
    counts, predicted = counts[voted], result.predicted[voted]
    answered = result.found[voted]
    human, model = agreement(counts), agreement_of(predicted, counts)
    told = result.probabilities[voted][answered].astype(np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    rater_distance, rater_divergence = _one_against_the_others(counts[answered])
    return Raters(
        len(counts),
        float(counts.sum(axis=1).mean()),
        mean(human, 0, 1),
        mean(model, 0, 1),
        mean(model - human, -1, 1),
        int(answered.sum()),
        mean(total_variation(told, shares[answered]), 0, 1),
        mean(rater_distance, 0, 1),
        mean(jensen_shannon(told, shares[answered]), 0, 1),
        mean(rater_divergence, 0, 1),
    )


def agreement(counts: np.ndarray) -> np.ndarray:
    """(N,) float64: the chance that a rater, drawn from a face's own, says what most of the others say.

    Exact: every rater is left out once. Where the others are divided between m equally frequent answers
    they have no one answer, and each counts one m-th, as if a coin decided.

    Args:
        counts: (N, K) votes, two or more for each face.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkk->n", share, _others_say(counts))


def agreement_of(predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) float64: the same for an answer from outside: it meets the others when each rater is left out.

    Args:
        predicted: (N,) class indices; NO_FACE agrees with nobody.
        counts: (N, K) votes, two or more for each face.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    met = np.take_along_axis(_others_say(counts), np.maximum(predicted, 0)[:, None, None], axis=2)
    return np.where(predicted == NO_FACE, 0.0, (share * met[:, :, 0]).sum(axis=1))


def total_variation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...,) float64, half the sum of differences of (..., K) distributions: 0 alike, 1 nothing in common.

    Source: Levin, Peres & Wilmer 2009, Markov Chains and Mixing Times, chapter 4.
    """
    return np.abs(first - second).sum(axis=-1) / 2


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...,) float64 divergence in bits of (..., K) distributions: 0 alike, 1 nothing in common.

    Source: Lin 1991, IEEE Transactions on Information Theory 37, 145-151.
    """
    return _entropy((first + second) / 2) - (_entropy(first) + _entropy(second)) / 2


def mean(values: np.ndarray, lowest: float, highest: float) -> Mean:
    """The mean of (N,) values of that range, with the interval; the whole range for fewer than two."""
    if len(values) < 2:
        return Mean(float(values.mean()) if len(values) else 0.0, lowest, highest)
    value, half = float(values.mean()), Z95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Mean(value, max(lowest, value - half), min(highest, value + half))


def _without_each(counts: np.ndarray) -> np.ndarray:
    """(N, K, K) float64: the votes without one for class k, in [:, k]; meaningless where there is none."""
    return counts[:, None, :] - np.eye(counts.shape[1])


def _others_say(counts: np.ndarray) -> np.ndarray:
    """(N, K, K) float64: without one vote for k, each class's part in being the most frequent answer."""
    others = _without_each(counts)
    most = others == others.max(axis=2, keepdims=True)
    return most / most.sum(axis=2, keepdims=True)


def _one_against_the_others(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) expected total variation and Jensen-Shannon divergence of one rater and the others."""
    total = counts.sum(axis=1, keepdims=True)
    others = np.maximum(_without_each(counts), 0) / (total - 1)[:, :, None]
    one, share = np.eye(counts.shape[1]), counts / total
    return (share * total_variation(one, others)).sum(axis=1), (share * jensen_shannon(one, others)).sum(
        axis=1
    )


def _entropy(shares: np.ndarray) -> np.ndarray:
    return -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1)
