"""What makes a probability honest: the temperature and the answer threshold of a card.

Probabilities are (N, K) float, rows summing to 1; truth is (N,) int class indices.
"""

import math

import numpy as np


def soften(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits were divided by `temperature`; the ranking stays."""
    logits = np.log(np.clip(probabilities, 1e-12, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature in 0.2..5 with the lowest cross-entropy against (N, K) targets.

    Golden-section search on the logarithm. Source: Guo et al. 2017, arXiv:1706.04599.
    """
    low, high = math.log(0.2), math.log(5.0)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if cross_entropy(targets, soften(probabilities, math.exp(left))) < cross_entropy(
            targets, soften(probabilities, math.exp(right))
        ):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def answer_threshold(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The confidence under which answers are wrong more often than right: better to say "can't tell".

    It maximises right minus wrong answers among those given.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == truth)[order]
    balance = np.cumsum(np.where(right, 1, -1))
    if len(balance) == 0 or balance.max() <= 0:
        return 0.0
    return float(confidence[order][int(balance.argmax())])


def cross_entropy(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean cross-entropy in nats of (N, K) probabilities against (N, K) target distributions."""
    if len(targets) == 0:
        return 0.0
    return float(-(targets * np.log(np.clip(probabilities, 1e-12, 1.0))).sum(axis=1).mean())
