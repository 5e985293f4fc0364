"""How much a label is to be doubted, from what networks that never saw the sample say of it.

Labels are (N,) int64 class indices, probabilities (N, K) float, rows summing to 1, out of fold.
"""

import numpy as np


def self_confidence(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) 0..1: the probability of each sample's label."""
    return probabilities[np.arange(len(labels)), labels]


def normalised_margin(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) 0..1: how far the label's probability lies before the best other's; 0.5 where they are equal.

    Source: Northcutt, Jiang & Chuang 2021, Confident Learning, JAIR 70, arXiv:1911.00068, section 4.
    """
    others = np.array(probabilities, np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    return (self_confidence(labels, probabilities) - others.max(axis=1) + 1) / 2


def thresholds(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K,): the mean probability of each class among the samples that are labelled so; above any
    probability where there are none."""
    own = self_confidence(labels, probabilities)
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, own, minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def confident_classes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) int64: the likeliest class among those whose threshold a sample reaches, -1 where it reaches none.

    Source: as for `normalised_margin`, equation 1; a collision goes to the likeliest class.
    """
    reached = probabilities >= thresholds(labels, probabilities)
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K, K) float64 estimated samples with each label (row) and each true class (column).

    The counts of `confident_classes`, scaled so that each row sums to the samples with that label.

    Source: as for `normalised_margin`, equations 1 and 3.
    """
    classes = probabilities.shape[1]
    found = confident_classes(labels, probabilities)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[found >= 0], found[found >= 0]), 1)
    # A label none of whose samples is confident of anything is taken at its word.
    counts[np.diag_indices(classes)] += counts.sum(axis=1) == 0
    there = np.bincount(labels, minlength=classes)
    return counts / counts.sum(axis=1, keepdims=True) * there[:, None]


def estimated_errors(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """About how many labels are wrong. A network's own sure mistakes count too: where few labels are wrong,
    or it reads faces badly, this is too many."""
    joint = confident_joint(labels, probabilities)
    return float(joint.sum() - np.trace(joint))


def off_diagonal(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) bool: samples that are confidently of another class than their label.

    Source: as for `normalised_margin`, section 3.2, the baseline "confident joint".
    """
    found = confident_classes(labels, probabilities)
    return (found >= 0) & (found != labels)


def by_noise_rate(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) bool: of each label and each other class as many samples as the confident joint puts there, those
    with the largest lead of the other class.

    Source: as for `normalised_margin`, section 3.2, "prune by noise rate".
    """
    joint = np.rint(confident_joint(labels, probabilities)).astype(int)
    lead = probabilities - self_confidence(labels, probabilities)[:, None]
    picked = np.zeros(len(labels), bool)
    for given in range(len(joint)):
        rows = np.flatnonzero(labels == given)
        for true in range(len(joint)):
            if true != given and joint[given, true]:
                order = np.argsort(-lead[rows, true], kind="stable")
                picked[rows[order[: joint[given, true]]]] = True
    return picked
