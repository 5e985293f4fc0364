"""What every registered network must keep, whatever its family."""

import importlib

import numpy as np
import pytest

from fer_core.errors import NotFound
from fer_core.zoo import specs

keras = pytest.importorskip("keras")

every_spec = pytest.mark.parametrize("spec", specs.SPECS.values(), ids=lambda s: s.id)


def build(spec: specs.ModelSpec, classes: int = 7):
    module, function = spec.builder.split(":")
    return getattr(importlib.import_module(module), function)(spec.input.shape, classes)


@every_spec
def test_it_answers_with_probabilities_within_its_promised_size(spec):
    network = build(spec)
    images = np.random.default_rng(0).integers(0, 256, (5, *spec.input.shape)).astype(np.float32)
    answer = network.predict_on_batch(images)
    assert answer.shape == (5, 7) and answer.dtype == np.float32
    assert np.allclose(answer.sum(axis=1), 1, atol=1e-5)
    assert network.count_params() <= spec.max_parameters


@every_spec
def test_one_by_one_equals_all_at_once(spec):
    network = build(spec)
    images = np.random.default_rng(1).integers(0, 256, (4, *spec.input.shape)).astype(np.float32)
    single = np.concatenate([network.predict_on_batch(image[None]) for image in images])
    assert np.allclose(single, network.predict_on_batch(images), atol=1e-5)


@every_spec
def test_it_has_the_layers_that_serving_exports(spec):
    network = build(spec, 3)
    assert network.output_shape == (None, 3)
    assert len(network.get_layer("embedding").output.shape) == 2
    assert len(network.get_layer("feature_map").output.shape) == 4


def test_mini_xception_rescales_inside_to_minus_one_and_one():
    rescaling = [
        layer for layer in build(specs.MINI_XCEPTION).layers if isinstance(layer, keras.layers.Rescaling)
    ]
    assert len(rescaling) == 1
    assert np.allclose(rescaling[0](np.array([0.0, 127.5, 255.0])), [-1, 0, 1])


def test_mini_xception_is_the_seeds_network():
    layers = build(specs.MINI_XCEPTION).layers
    assert sum(isinstance(layer, keras.layers.SeparableConv2D) for layer in layers) == 8
    assert sum(isinstance(layer, keras.layers.Add) for layer in layers) == 4
    assert any(isinstance(layer, keras.layers.GlobalAveragePooling2D) for layer in layers)
    assert build(specs.MINI_XCEPTION).count_params() == 54_727


def test_an_unknown_network_is_named_with_those_that_exist():
    with pytest.raises(NotFound, match="mini_xception"):
        specs.get("maxi_xception")
