"""Measures of a classifier, as pure functions of truth and probabilities.

Truth is (N,) int class indices; probabilities are (N, K) float, rows summing to 1; in every
confusion matrix rows are the truth.
"""

import math

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


def expected_calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of confidence.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    if len(truth) == 0:
        return 0.0
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(where, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))
