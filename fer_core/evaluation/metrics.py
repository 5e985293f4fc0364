"""Measures of a classifier, as pure functions of truth and probabilities.

Truth is (N,) int class indices; probabilities are (N, K) float, rows summing to 1; in every
confusion matrix rows are the truth.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer_core.zoo.calibration import cross_entropy

Z95 = 1.959963984540054
"""97.5 % quantile of the normal distribution: two-sided 95 % intervals."""


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64 counts; row = truth, column = prediction."""
    flat = np.asarray(truth, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share; (0, 1) where nothing was measured.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def wilson_each(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`wilson` of (T,) hits of (T,) n, all at once: (T,) low, (T,) high."""
    some, z2 = np.maximum(n, 1), Z95 * Z95
    share = hits / some
    middle = (share + z2 / (2 * some)) / (1 + z2 / some)
    half = Z95 / (1 + z2 / some) * np.sqrt(share * (1 - share) / some + z2 / (4 * some * some))
    low, high = np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)
    return np.where(n == 0, 0.0, low), np.where(n == 0, 1.0, high)


def per_class(matrix: np.ndarray, missed: np.ndarray | int = 0) -> dict[str, np.ndarray]:
    """precision, recall, f1 (K,) float64 and support (K,) int64; 0 where a quotient is undefined.

    Args:
        missed: (K,) int, for each class the faces that got no answer at all: they lower its recall.
    """
    hits = np.diag(matrix).astype(float)
    support, called = matrix.sum(axis=1) + missed, matrix.sum(axis=0)
    precision, recall = hits / np.maximum(called, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + called, 1)
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


def summary(truth: np.ndarray, probabilities: np.ndarray, missed: np.ndarray | int = 0) -> dict[str, float]:
    """n, accuracy with its interval, macro and weighted F1, balanced accuracy, log loss, ECE.

    Args:
        missed: (K,) int, for each class the faces that got no answer: wrong in all but log loss and ECE.

    Macro figures are means over the classes that occur in the truth or among the predictions, as
    scikit-learn has them; balanced accuracy is the mean recall of the classes that occur in the truth.
    """
    classes = probabilities.shape[1]
    matrix = confusion(truth, probabilities.argmax(axis=1), classes)
    n, hits = int((matrix.sum(axis=1) + missed).sum()), int(np.trace(matrix))
    each = per_class(matrix, missed)
    present, met = each["support"] > 0, matrix.sum(axis=0) + each["support"] > 0
    low, high = wilson(hits, n)
    return {
        "n": n,
        "accuracy": hits / max(n, 1),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": float(each["f1"][met].mean()) if n else 0.0,
        "weighted_f1": float((each["f1"] * each["support"]).sum() / max(n, 1)),
        "balanced_accuracy": float(each["recall"][present].mean()) if n else 0.0,
        "log_loss": cross_entropy(np.eye(classes)[truth], probabilities),
        "ece": expected_calibration_error(truth, probabilities),
    }


BINS = 15
"""Equal-width bins of confidence."""


def expected_calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of confidence.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    if len(truth) == 0:
        return 0.0
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    gaps = np.bincount(_bin(confidence, bins), weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often answers are right in each bin of confidence.

    Attributes:
        edges: (bins + 1,) float64, from 0 to 1.
        n: (bins,) int64 answers.
        confidence, accuracy: (bins,) float64 means; NaN in an empty bin.
        low, high: (bins,) float64, 95 % interval of the accuracy.
    """

    edges: np.ndarray
    n: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray


def reliability(right: np.ndarray, confidence: np.ndarray, bins: int = BINS) -> Reliability:
    """The bins of a reliability diagram, those of `expected_calibration_error`.

    Args:
        right: (N,) bool; confidence: (N,) float 0..1.

    Source: Niculescu-Mizil & Caruana 2005, doi:10.1145/1102351.1102430.
    """
    where = _bin(confidence, bins)
    n, hits = (np.bincount(where, weights=w, minlength=bins) for w in (np.ones(len(where)), right))
    total = np.bincount(where, weights=confidence, minlength=bins)
    some = np.where(n > 0, n, np.nan)
    edges = np.linspace(0, 1, bins + 1)
    return Reliability(edges, n.astype(np.int64), total / some, hits / some, *wilson_each(hits, n))


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)


def within(truth: np.ndarray, probabilities: np.ndarray, k: int) -> np.ndarray:
    """(N,) bool, whether the truth is among the k most probable classes; of equals the first count.

    A row of NaN, where there was no answer, is False.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return (best == np.asarray(truth)[:, None]).any(axis=1) & ~np.isnan(probabilities[:, 0])


def baseline(truth: np.ndarray) -> float:
    """Accuracy of always answering the most frequent class; 0 where nothing was measured."""
    return float(np.bincount(truth).max() / len(truth)) if len(truth) else 0.0


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """One class against the others: a point for each threshold, from the strictest on.

    Attributes:
        threshold: (T,) float64, the distinct scores, falling.
        precision, recall: (T,) float64 where everything at or above the threshold is called the class.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def average(self) -> float:
        """Average precision: precision weighted by the recall that each threshold adds; 0 without a case.

        Nothing is interpolated, which would be too kind.
        Source: Davis & Goadrich 2006, doi:10.1145/1143844.1143874.
        """
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())


def precision_recall(positive: np.ndarray, score: np.ndarray, missed: int = 0) -> PrecisionRecall:
    """The curve of (N,) bool truths and (N,) scores of one class.

    Args:
        missed: faces of the class that got no answer at all: no threshold reaches them.
    """
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    # Equal scores fall under a threshold together.
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1) if len(score) else order
    hits, called = hits[last].astype(float), last + 1.0
    recall = hits / max(float(positive.sum()) + missed, 1.0)
    return PrecisionRecall(score[order][last].astype(float), hits / called, recall)
