"""A check of the measuring itself: with the truth shuffled, the best model is as good as chance."""

import math
from dataclasses import dataclass

import numpy as np

from fer_core.dataset import votes
from fer_core.evaluation import report, results
from fer_core.evaluation.trial import Rows
from fer_core.labels import LabelSet

_DEVIATIONS = 4.0
"""How many standard deviations from chance are still chance: 1 of 16,000 sound checks fails."""


@dataclass(frozen=True)
class Check:
    """What was measured against a shuffled truth.

    Attributes:
        record: as `report.record` has it, by the road that every figure takes.
        expected: the accuracy that answers and truths as frequent as these have by chance.
        passed: whether the measured accuracy is within chance of it.
    """

    record: dict
    expected: float
    passed: bool


def check(answers: np.ndarray, asked: Rows, kind: str, label_set: LabelSet, seed: int = 0) -> Check:
    """Give each row the truth of another one, and measure as ever.

    Args:
        answers: (N, K) for the rows that were asked, over the classes of `label_set`.
        kind: what counts as true, of results.KINDS.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    frame = asked.frame
    columns = ["label", *(votes.PREFIX + name for name in votes.names(frame))]
    order = np.random.default_rng(seed).permutation(len(frame))
    shuffled = frame.assign(**{name: frame[name].to_numpy()[order] for name in columns})
    result = results.of(answers, shuffled, kind, label_set, known=asked.known.get(kind))
    record, n = report.record(result), len(result)
    truths = np.bincount(result.truth, minlength=len(result.label_set))
    given = np.bincount(result.predicted[result.found], minlength=len(result.label_set))
    expected = float(truths @ given) / n**2
    deviation = math.sqrt(expected * (1 - expected) / n)
    return Check(record, expected, abs(record["accuracy"] - expected) <= _DEVIATIONS * deviation)
