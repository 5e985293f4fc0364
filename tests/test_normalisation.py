"""Fused batch normalisation computes what Keras' own does, and takes its place in every network."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from fer_core.training.normalisation import FusedBatchNormalization, fused  # noqa: E402


def network(**options):
    keras.utils.set_random_seed(0)
    images = keras.Input((6, 6, 3), name="images")
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="convolution")(images)
    x = keras.layers.BatchNormalization(momentum=0.9, name="normalisation", **options)(x)
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(keras.layers.ReLU()(x))
    x = keras.layers.BatchNormalization(name="flat")(x)
    return keras.Model(images, keras.layers.Dense(2, name="answer")(x), name="named")


def twin(original):
    other = fused(original)
    other.set_weights(original.get_weights())
    return other


def learned(model, steps=3):
    random = np.random.default_rng(0)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    for _ in range(steps):
        model.train_on_batch(random.normal(3, 2, (256, 6, 6, 3)), random.normal(size=(256, 2)))
    return model.get_weights()


def test_it_learns_the_same_weights_and_statistics_as_keras_own():
    original = network()
    ours = twin(original)
    assert isinstance(ours.get_layer("normalisation"), FusedBatchNormalization)
    before = original.get_weights()
    pairs = list(zip(learned(original), learned(ours), before, strict=True))
    assert any(np.abs(theirs - old).max() > 0.05 for theirs, _, old in pairs)
    for theirs, mine, _ in pairs:
        # 4,096 values a channel: a sample's variance is 1/4,095 larger than theirs.
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-4)


def test_what_it_answers_after_learning_is_what_keras_own_answers():
    original = network()
    ours = twin(original)
    learned(ours)
    original.set_weights(ours.get_weights())
    shown = np.random.default_rng(1).normal(size=(5, 6, 6, 3))
    np.testing.assert_allclose(ours.predict_on_batch(shown), original.predict_on_batch(shown), atol=1e-6)


def test_a_layer_that_does_not_learn_keeps_its_statistics():
    ours = fused(network())
    ours.get_layer("normalisation").trainable = False
    before = ours.get_layer("normalisation").get_weights()
    learned(ours)
    for old, new in zip(before, ours.get_layer("normalisation").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("options", [{"center": False}, {"scale": False}, {"axis": 1}])
def test_what_the_kernel_cannot_do_is_left_to_keras(options):
    original = network(**options)
    for theirs, mine in zip(learned(original), learned(twin(network(**options))), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_names_order_shapes_and_precision_stay():
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        original = network()
        ours = fused(original)
    finally:
        keras.mixed_precision.set_global_policy(policy)
    assert ours.name == original.name
    assert [layer.name for layer in ours.layers] == [layer.name for layer in original.layers]
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in original.get_weights()]
    assert ours.get_layer("normalisation").compute_dtype == "bfloat16"
    assert all(np.isfinite(weights).all() for weights in learned(ours))
