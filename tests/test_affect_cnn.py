"""The AffectNet network, and the one that answers valence and arousal."""

import numpy as np
import pytest

from fer_core.training.config import TrainingConfig
from fer_core.zoo import specs

keras = pytest.importorskip("keras")

from fer_core.zoo.networks import affect_cnn  # noqa: E402 - imports keras


@pytest.fixture(scope="module")
def network():
    return affect_cnn.build((224, 224, 3), 8)


def test_it_is_the_reports_five_blocks_and_two_dense_layers(network):
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["InputLayer", "Rescaling"] + ["Conv2D", "MaxPooling2D"] * 5 + [
        "Flatten",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert all(
        layer.activation is keras.activations.relu
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    # Convolutions 448 + 4,640 + 18,496 + 73,856 + 147,584; dense 6,272 x 128 + 128, and 129 for each of 8.
    assert network.count_params() == 245_024 + 802_944 + 8 * 129
    assert network.output_shape == (None, 8)


def test_a_picture_costs_less_than_half_a_billion_multiplications(network):
    cost = 0
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            places = int(np.prod(layer.output.shape[1:3])) if len(layer.output.shape) == 4 else 1
            cost += places * int(np.prod(layer.kernel.shape))
    assert cost == 224_789_504


def test_pictures_are_rescaled_to_minus_one_and_one(network):
    scaled = network.layers[1](np.array([[0.0, 127.5, 255.0]]))
    assert np.allclose(scaled, [[-1.0, 0.0, 1.0]])


def test_its_sibling_differs_in_the_answer_alone(network):
    sibling = affect_cnn.build_affect((224, 224, 3), 2)
    assert sibling.count_params() == network.count_params() - 6 * 129
    assert [type(x) for x in sibling.layers] == [type(x) for x in network.layers]
    assert sibling.layers[-1].activation is keras.activations.tanh
    kernel = sibling.layers[-1].kernel
    kernel.assign(np.sign(kernel) * 100)  # far beyond what training makes of it
    answer = np.asarray(sibling(np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)), training=False))
    assert np.abs(answer).max() <= 1 and np.abs(answer).max() > 0.9


def test_its_own_training_is_the_reports_but_for_the_epochs_that_small_sets_need():
    config = TrainingConfig("affect_cnn", "faces", **specs.AFFECT_CNN.training)
    assert (config.learning_rate, config.batch_size, config.epochs) == (1e-3, 32, 20)
    assert config.weight_decay == 0, "Adam, not AdamW"
