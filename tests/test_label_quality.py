"""Doubts about labels: by hand on six samples, and on planted errors."""

import numpy as np
import pytest

from fer_core.evaluation import label_quality as quality

LABELS = np.array([0, 0, 0, 1, 1, 1])
PROBABILITIES = np.array(
    [
        [0.9, 0.1],
        [0.7, 0.3],
        [0.2, 0.8],  # labelled 0, and surely 1
        [0.1, 0.9],
        [0.4, 0.6],
        [0.45, 0.55],
    ]
)


def test_six_samples_by_hand():
    assert quality.self_confidence(LABELS, PROBABILITIES).tolist() == [0.9, 0.7, 0.2, 0.9, 0.6, 0.55]
    margins = quality.normalised_margin(LABELS, PROBABILITIES)
    assert np.allclose(margins, [0.9, 0.7, 0.2, 0.9, 0.6, 0.55])  # with two classes they are the same
    # The means of 0.9, 0.7, 0.2 and of 0.9, 0.6, 0.55.
    assert np.allclose(quality.thresholds(LABELS, PROBABILITIES), [0.6, 2.05 / 3])
    assert quality.confident_classes(LABELS, PROBABILITIES).tolist() == [0, 0, 1, 1, -1, -1]
    # Counts [[2, 1], [0, 1]], scaled to three samples a row.
    assert np.allclose(quality.confident_joint(LABELS, PROBABILITIES), [[2, 1], [0, 3]])
    assert quality.estimated_errors(LABELS, PROBABILITIES) == pytest.approx(1)
    assert quality.by_noise_rate(LABELS, PROBABILITIES).tolist() == [False, False, True, False, False, False]
    assert quality.off_diagonal(LABELS, PROBABILITIES).tolist() == [False, False, True, False, False, False]


def test_the_margin_asks_for_the_best_other_class():
    margins = quality.normalised_margin(np.array([0, 0]), np.array([[0.4, 0.3, 0.3], [0.4, 0.6, 0.0]]))
    assert np.allclose(margins, [0.55, 0.4])


def planted(share, n=6000, classes=5, seed=0):
    """Labels of which a share is wrong, which of them, and answers of a network that is right 85 times in
    100."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    wrong = random.random(n) < share
    given = np.where(wrong, (truth + random.integers(1, classes, n)) % classes, truth)
    logits = random.normal(0, 1, (n, classes))
    logits[np.arange(n), truth] += 2.4
    powers = np.exp(1.6 * logits)
    return given, wrong, powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_planted_errors_are_counted_and_come_first(share):
    given, wrong, probabilities = planted(share)
    # The network's own sure mistakes count too, which shows where few labels are wrong.
    assert 0.7 * wrong.sum() < quality.estimated_errors(given, probabilities) < 2 * wrong.sum()
    first = np.argsort(quality.normalised_margin(given, probabilities))[: wrong.sum() // 2]
    assert wrong[first].mean() > 0.9
    picked = quality.by_noise_rate(given, probabilities)
    assert wrong[picked].mean() > 5 * share / (1 + 4 * share) and picked[wrong].mean() > 0.6


def test_clean_labels_of_a_sure_network_are_left_alone():
    labels = np.arange(60) % 3
    probabilities = np.full((60, 3), 0.01)
    probabilities[np.arange(60), labels] = 0.98
    assert not quality.by_noise_rate(labels, probabilities).any()
    assert quality.estimated_errors(labels, probabilities) == 0


def test_a_class_without_samples_and_one_that_is_never_confident():
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.5, 0.4, 0.1]])
    joint = quality.confident_joint(labels, probabilities)
    assert np.allclose(joint.sum(axis=1), [2, 1, 0])
    assert quality.thresholds(labels, probabilities)[2] == np.inf
    assert not quality.by_noise_rate(labels, probabilities).any()
