"""Measures of valence and arousal, as pure functions of truth and predictions: (N, 2) float in -1..1."""

import math

import numpy as np

from fer_core.evaluation.metrics import Z95

AXES = ("valence", "arousal")
_CONSTANT = 1e-6
"""A deviation below it is rounding: float32 holds values around 1 no finer."""


def measure(truth: np.ndarray, predicted: np.ndarray) -> dict:
    """One record, ready for a card.

    Returns:
        n; rmse, pearson and ccc, means over both axes; and under "valence" and "arousal" the same with
        the 95 % interval of ccc (ccc_low, ccc_high). Pearson's correlation and ccc are 0 where
        the truth or the predictions do not vary, and all are 0 where nothing was measured.
    """
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    each = {axis: _axis(truth[:, place], predicted[:, place]) for place, axis in enumerate(AXES)}
    means = {
        name: sum(figures[name] for figures in each.values()) / len(AXES)
        for name in ("rmse", "pearson", "ccc")
    }
    return {"n": len(truth), **means, **each}


def _axis(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    n = len(truth)
    rmse = float(np.sqrt(np.square(truth - predicted).mean())) if n else 0.0
    if n < 2 or min(truth.std(), predicted.std()) < _CONSTANT:
        return {"rmse": rmse, "pearson": 0.0, "ccc": 0.0, "ccc_low": -1.0, "ccc_high": 1.0}
    spread = float(truth.std() * predicted.std())
    covariance = float(((truth - truth.mean()) * (predicted - predicted.mean())).mean())
    pearson = min(1.0, max(-1.0, covariance / spread))
    shift2 = float(np.square(truth.mean() - predicted.mean())) / spread
    scale = float(truth.std() / predicted.std())
    bias = 2 / (scale + 1 / scale + shift2)
    low, high = _interval(n, pearson, bias, shift2)
    return {"rmse": rmse, "pearson": pearson, "ccc": pearson * bias, "ccc_low": low, "ccc_high": high}


def _interval(n: int, pearson: float, bias: float, shift2: float) -> tuple[float, float]:
    """95 % interval of the concordance correlation, pearson * bias, by Fisher's z.

    Args:
        bias: Lin's C_b.
        shift2: squared difference of the means over the product of the deviations (Lin's u squared).

    Source: Lin 1989, Biometrics 45, 255-268, with the correction of 2000, Biometrics 56, 324-325;
    ccc / pearson is written as C_b, so that no correlation is no division by zero.
    """
    ccc = pearson * bias
    rest = 1 - ccc * ccc
    if n < 3:
        return -1.0, 1.0
    if rest < 1e-12:
        return ccc, ccc
    variance = (
        (1 - pearson**2) * bias**2 / rest
        + 2 * ccc**2 * bias * (1 - ccc) * shift2 / rest**2
        - ccc**2 * bias**2 * shift2**2 / (2 * rest**2)
    ) / (n - 2)
    half = Z95 * math.sqrt(max(variance, 0.0))
    return math.tanh(math.atanh(ccc) - half), math.tanh(math.atanh(ccc) + half)
