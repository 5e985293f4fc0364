"""Valence and arousal: how predictions are measured, and the loss that is trained on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import root_mean_squared_error

from fer_core.evaluation import affect


def noisy(n: int, correlation: float = 0.7, scale: float = 1.0, shift: float = 0.0, seed: int = 0):
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.3, (n, 2))
    noise = random.normal(0, 0.3, (n, 2))
    return truth, scale * (correlation * truth + math.sqrt(1 - correlation**2) * noise) + shift


def by_definition(truth: np.ndarray, predicted: np.ndarray) -> float:
    both = np.cov(truth, predicted, bias=True)
    return 2 * both[0, 1] / (both[0, 0] + both[1, 1] + (truth.mean() - predicted.mean()) ** 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 200), st.floats(-1, 1), st.floats(0.1, 3), st.floats(-1, 1))
def test_each_axis_agrees_with_references(seed, n, correlation, scale, shift):
    truth, predicted = noisy(n, correlation, scale, shift, seed)
    got = affect.measure(truth, predicted)
    assert got["n"] == n
    for place, axis in enumerate(("valence", "arousal")):
        t, p = truth[:, place], predicted[:, place]
        assert got[axis]["rmse"] == pytest.approx(root_mean_squared_error(t, p))
        assert got[axis]["pearson"] == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-9)
        assert got[axis]["ccc"] == pytest.approx(by_definition(t, p), abs=1e-9)
        assert -1 <= got[axis]["ccc_low"] <= got[axis]["ccc"] + 1e-9
        assert got[axis]["ccc"] - 1e-9 <= got[axis]["ccc_high"] <= 1
    assert got["ccc"] == pytest.approx((got["valence"]["ccc"] + got["arousal"]["ccc"]) / 2)
    assert got["rmse"] == pytest.approx((got["valence"]["rmse"] + got["arousal"]["rmse"]) / 2)


def test_by_hand():
    truth = np.array([[-1.0, 0.0], [1.0, 1.0]])
    got = affect.measure(truth, np.array([[0.0, 0.5], [1.0, 1.5]]))
    # Valence: covariance 0.5, variances 1 and 0.25, means 0 and 0.5.
    assert got["valence"]["ccc"] == pytest.approx(2 * 0.5 / (1 + 0.25 + 0.25))
    # Arousal: covariance 0.25, variances 0.25 twice, means half a unit apart.
    assert got["arousal"]["ccc"] == pytest.approx(0.5 / 0.75) and got["arousal"]["pearson"] == 1
    assert got["arousal"]["rmse"] == pytest.approx(0.5)


@pytest.mark.parametrize("correlation, scale, shift", [(0.7, 1.0, 0.0), (0.6, 0.6, 0.15), (0.0, 1.0, 0.1)])
def test_the_interval_holds_the_truth_nineteen_times_of_twenty(correlation, scale, shift):
    variance = 0.3**2
    ccc = 2 * correlation * scale * variance / (variance * (1 + scale**2) + shift**2)
    found = [affect.measure(*noisy(150, correlation, scale, shift, seed))["valence"] for seed in range(600)]
    covered = np.mean([one["ccc_low"] <= ccc <= one["ccc_high"] for one in found])
    assert 0.925 < covered < 0.975


def test_perfect_predictions_and_their_opposite():
    truth, _ = noisy(50)
    perfect = affect.measure(truth, truth)
    assert (
        perfect["rmse"] == 0 and perfect["ccc"] == pytest.approx(1) and perfect["pearson"] == pytest.approx(1)
    )
    assert perfect["valence"]["ccc_low"] == pytest.approx(1)
    assert affect.measure(truth, -truth)["pearson"] == pytest.approx(-1)


@pytest.mark.parametrize(
    "truth, predicted",
    [
        (np.full((7, 2), 0.1, np.float32), np.full((7, 2), 0.3, np.float32)),
        (np.full((7, 2), 0.1), np.full((7, 2), 0.1)),
        (noisy(7)[0], np.full((7, 2), 0.1, np.float32)),
        (np.zeros((1, 2)), np.ones((1, 2))),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
)
def test_what_does_not_vary_agrees_with_nothing_and_is_no_error(truth, predicted):
    got = affect.measure(truth, predicted)
    assert got["ccc"] == got["pearson"] == 0 and math.isfinite(got["rmse"])
    assert (got["valence"]["ccc_low"], got["valence"]["ccc_high"]) == (-1, 1)


@pytest.fixture(scope="module")
def ccc_loss():
    pytest.importorskip("keras")
    from fer_core.training.affect_loss import ccc_loss

    return ccc_loss


def test_the_loss_is_one_minus_the_measure(ccc_loss):
    truth, predicted = noisy(64, 0.5, 0.7, 0.1)
    expected = 1 - affect.measure(truth, predicted)["ccc"]
    assert float(ccc_loss(truth, predicted)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [1, 6])
def test_the_loss_and_its_slope_are_numbers_where_nothing_varies(ccc_loss, n):
    import tensorflow as tf

    predicted = tf.Variable(np.full((n, 2), 0.2, np.float32))
    with tf.GradientTape() as tape:
        loss = ccc_loss(np.full((n, 2), 0.2, np.float32), predicted)
    assert float(loss) == pytest.approx(1)
    assert np.isfinite(tape.gradient(loss, predicted).numpy()).all()


def test_a_network_learns_valence_and_arousal_with_it(ccc_loss):
    import keras

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (256, 5)).astype(np.float32)
    truth = np.tanh(features @ random.normal(0, 0.5, (5, 2))).astype(np.float32)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, activation="tanh")])
    network.compile(keras.optimizers.Adam(0.05), ccc_loss)
    before = affect.measure(truth, network.predict_on_batch(features))["ccc"]
    network.fit(features, truth, batch_size=64, epochs=15, verbose=0)
    after = affect.measure(truth, network.predict_on_batch(features))["ccc"]
    assert before < 0.5 and after > 0.95
