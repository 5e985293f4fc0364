import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.evaluation import metrics
from fer_core.zoo import calibration


def probabilities(seed: int, n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    p = random.dirichlet(np.ones(classes), n)
    p[np.arange(n), truth] += random.uniform(0, 0.6, n)
    return truth, p / p.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(2, 8))
def test_summary_agrees_with_scikit_learn(seed, n, classes):
    truth, p = probabilities(seed, n, classes)
    predicted, got = p.argmax(axis=1), metrics.summary(truth, p)
    every = list(range(classes))
    assert got["n"] == n
    assert got["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert got["macro_f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    assert got["weighted_f1"] == pytest.approx(reference.f1_score(truth, predicted, average="weighted"))
    recalls = reference.recall_score(truth, predicted, labels=np.unique(truth), average=None, zero_division=0)
    assert got["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert got["log_loss"] == pytest.approx(reference.log_loss(truth, p, labels=every), rel=1e-6)
    matrix = metrics.confusion(truth, predicted, classes)
    assert (matrix == reference.confusion_matrix(truth, predicted, labels=every)).all()


def test_rows_of_a_confusion_matrix_are_the_truth():
    assert metrics.confusion([0, 0, 1], [1, 1, 1], 2).tolist() == [[0, 2], [0, 1]]


def test_wilson_by_hand_and_by_simulation():
    low, high = metrics.wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert metrics.wilson(0, 0) == (0.0, 1.0)
    many = [(8, 10), (0, 0), (0, 5), (5, 5), (700, 1000)]
    assert list(zip(*metrics.wilson_each(*np.array(many).T), strict=True)) == [
        pytest.approx(metrics.wilson(*one)) for one in many
    ]
    hits = np.random.default_rng(0).binomial(500, 0.66, 2000)
    covered = [low <= 0.66 <= high for low, high in (metrics.wilson(int(h), 500) for h in hits)]
    assert 0.94 < np.mean(covered) < 0.96


def test_calibration_error_by_hand():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert metrics.expected_calibration_error(np.array([0, 1, 0]), p) == pytest.approx((2 * 0.4 + 0.4) / 3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_spoilt_a_calibrated_model_is_found(temperature):
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (20_000, 5))
    p = calibration.soften(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1.0)
    truth = (p.cumsum(axis=1) > random.uniform(size=(len(p), 1))).argmax(axis=1)
    spoilt = calibration.soften(p, 1 / temperature)
    assert calibration.fit_temperature(np.eye(5)[truth], spoilt) == pytest.approx(temperature, rel=0.05)


def test_softening_keeps_the_ranking_and_the_sum():
    _, p = probabilities(0, 50, 7)
    soft = calibration.soften(p, 2.0)
    assert (soft.argsort(axis=1) == p.argsort(axis=1)).all() and np.allclose(soft.sum(axis=1), 1)
    assert np.allclose(calibration.soften(p, 1.0), p)


def test_answers_stop_where_they_turn_wrong_more_often_than_right():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    assert calibration.answer_threshold(np.array([0, 0, 0, 1, 1]), p) == pytest.approx(0.7)
    assert calibration.answer_threshold(np.array([0, 0, 1, 0, 0]), p) == pytest.approx(0.55)


def test_shuffled_labels_give_chance():
    truth, p = probabilities(3, 20_000, 7)
    shuffled = np.random.default_rng(4).permutation(truth)
    assert metrics.summary(shuffled, p)["accuracy"] == pytest.approx(1 / 7, abs=0.01)


def test_nothing_measured_is_no_error():
    empty = metrics.summary(np.zeros(0, int), np.zeros((0, 7)))
    assert empty["n"] == 0 and empty["accuracy_low"] == 0 and empty["accuracy_high"] == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 300), st.integers(3, 8))
def test_ranks_and_curves_agree_with_scikit_learn(seed, n, classes):
    truth, p = probabilities(seed, n, classes)
    p = p.round(1) if seed % 2 else p  # with ties
    every = list(range(classes))
    if not seed % 2:  # of equals, scikit-learn counts the last
        top = reference.top_k_accuracy_score(truth, p, k=2, labels=every)
        assert metrics.within(truth, p, 2).mean() == pytest.approx(top)
    assert (metrics.within(truth, p, 1) == (p.argmax(axis=1) == truth)).all()
    assert metrics.within(truth, p, classes).all()
    for place in every:
        positive = truth == place
        curve = metrics.precision_recall(positive, p[:, place])
        if not positive.any():
            assert curve.average == 0
            continue
        assert curve.average == pytest.approx(reference.average_precision_score(positive, p[:, place]))
        precision, recall, threshold = reference.precision_recall_curve(positive, p[:, place])
        assert curve.precision == pytest.approx(precision[:-1][::-1])
        assert curve.recall == pytest.approx(recall[:-1][::-1])
        assert curve.threshold == pytest.approx(threshold[::-1])


def test_faces_without_an_answer_are_out_of_reach():
    positive, score = np.array([True, True, False]), np.array([0.9, 0.8, 0.1])
    assert metrics.precision_recall(positive, score).average == 1
    assert metrics.precision_recall(positive, score, missed=2).average == pytest.approx(0.5)
    assert len(metrics.precision_recall(np.zeros(0, bool), np.zeros(0)).recall) == 0
    answered = np.array([[0.2, 0.5, 0.3], [np.nan] * 3])
    assert metrics.within(np.array([2, 0]), answered, 2).tolist() == [True, False]


def test_bins_of_a_reliability_diagram():
    truth, p = probabilities(5, 3000, 5)
    right, confidence = p.argmax(axis=1) == truth, p.max(axis=1)
    bins = metrics.reliability(right, confidence)
    assert bins.n.sum() == 3000 and len(bins.edges) == metrics.BINS + 1
    filled = bins.n > 0
    gap = (bins.n * np.abs(bins.accuracy - bins.confidence))[filled].sum() / 3000
    assert gap == pytest.approx(metrics.expected_calibration_error(truth, p))
    assert (bins.edges[:-1] <= bins.confidence)[filled].all() and np.isnan(bins.accuracy[~filled]).all()
    assert (bins.low <= bins.accuracy)[filled].all() and (bins.accuracy <= bins.high)[filled].all()
    assert (bins.low[~filled] == 0).all() and (bins.high[~filled] == 1).all()


def test_the_baseline_answers_the_most_frequent_class():
    assert metrics.baseline(np.array([2, 2, 0, 1])) == 0.5
    assert metrics.baseline(np.zeros(0, int)) == 0
