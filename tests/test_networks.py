"""What every registered network must keep, whatever its family and task."""

import importlib

import numpy as np
import pytest

from fer_core.errors import NotFound
from fer_core.zoo import specs

keras = pytest.importorskip("keras")

from fer_core.training.normalisation import fused  # noqa: E402


def build(spec: specs.ModelSpec, shape: tuple[int, int, int] | None = None):
    module, function = spec.builder.split(":")
    make = getattr(importlib.import_module(module), function)
    return make(shape or spec.input.shape, spec.task.outputs or 7, **spec.options)


@pytest.fixture(scope="module", params=specs.SPECS.values(), ids=lambda spec: spec.id)
def case(request):
    """A spec with its network; backbones, whose weights do not depend on the input, at their smallest."""
    spec = request.param
    small = (spec.smallest, spec.smallest, spec.input.channels) if spec.pretrained else None
    return spec, build(spec, small)


def pictures(spec: specs.ModelSpec, network, count: int, seed: int = 0) -> list[np.ndarray]:
    """The network's inputs: pictures and, where it wants them, landmarks."""
    random = np.random.default_rng(seed)
    inputs = [random.integers(0, 256, (count, *network.inputs[0].shape[1:])).astype(np.float32)]
    return inputs + [random.random((count, 68, 2)).astype(np.float32)] * spec.input.landmarks


def giant(spec: specs.ModelSpec) -> bool:
    """Whether it is only built here: what it computes is tested on smaller networks and in test_transfer."""
    return spec.pretrained is not None and spec.parameters > 10_000_000


def answers(network, inputs: list[np.ndarray]) -> np.ndarray:
    # Not predict(): compiling the large ones would take minutes.
    return np.asarray(network(inputs if len(inputs) > 1 else inputs[0], training=False))


def test_it_gives_its_tasks_answer_and_has_the_size_it_promises(case):
    spec, network = case
    assert network.count_params() == spec.parameters
    assert network.output_shape == (None, spec.task.outputs or 7)
    if giant(spec):
        return
    answer = answers(network, pictures(spec, network, 2))
    assert answer.shape == (2, spec.task.outputs or 7) and answer.dtype == np.float32
    assert np.isfinite(answer).all()
    if spec.task is specs.EXPRESSION:
        assert answer.min() >= 0 and np.allclose(answer.sum(axis=1), 1, atol=1e-5)
    if spec.task is specs.AFFECT:
        assert np.abs(answer).max() <= 1


def test_one_by_one_equals_all_at_once(case):
    spec, network = case
    if giant(spec):
        return
    inputs = pictures(spec, network, 3, seed=1)
    single = [answers(network, [part[i : i + 1] for part in inputs]) for i in range(3)]
    assert np.allclose(np.concatenate(single), answers(network, inputs), atol=1e-5)


def test_it_has_the_layers_that_serving_exports(case):
    spec, network = case
    assert len(network.get_layer("embedding").output.shape) == 2
    assert len(network.get_layer("feature_map").output.shape) == 4
    assert network.get_layer(spec.task.output).output is network.output
    assert [tensor.name for tensor in network.inputs] == ["images", "landmarks"][: len(network.inputs)]
    assert not any(isinstance(layer, keras.Model) for layer in network.layers), "the graph is flat"


def test_it_learns_under_the_same_names_and_shapes(case):
    spec, network = case
    if giant(spec):
        return
    learning = fused(network)
    assert [layer.name for layer in learning.layers] == [layer.name for layer in network.layers]
    learning.set_weights(network.get_weights())
    inputs = pictures(spec, network, 2, seed=2)
    assert np.allclose(answers(learning, inputs), answers(network, inputs), atol=1e-5)


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
