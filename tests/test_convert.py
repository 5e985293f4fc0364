"""From a network to the files that ship: large ones in half precision."""

import numpy as np
import pytest

from fer_core.zoo import convert, litert, specs

keras = pytest.importorskip("keras")


def written(folder, widths):
    from fer_core.zoo.networks import small_resnet

    keras.utils.set_random_seed(0)
    network = small_resnet.build((48, 48, 1), 7, widths)
    probe = convert.probe_inputs(specs.SMALL_RESNET.input)
    expected = network.predict_on_batch(probe.astype(np.float32))
    convert.write_model(network, specs.EXPRESSION, probe, folder)
    got = litert.Network(folder / "model.tflite").run(probe, ("probabilities",))["probabilities"]
    return network.count_params(), np.abs(got - expected).max()


def test_a_large_network_is_kept_in_half_precision_and_answers_the_same(tmp_path):
    weights, difference = written(tmp_path, (24, 48, 96))
    assert weights > convert.HALVED_FROM
    assert (tmp_path / "model.tflite").stat().st_size < 2.1 * weights
    assert (tmp_path / "model.keras").stat().st_size < 2.6 * weights
    assert 0 < difference < 2 * convert.HALVED_TOLERANCE
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    probe = convert.probe_inputs(specs.SMALL_RESNET.input)
    stored = np.load(tmp_path / "probe.npz")["probabilities"]
    np.testing.assert_allclose(again.predict_on_batch(probe.astype(np.float32)), stored, atol=1e-5)


def test_a_small_network_keeps_every_digit(tmp_path):
    weights, difference = written(tmp_path, (8, 16))
    assert weights < convert.HALVED_FROM and difference < 1e-6
    assert (tmp_path / "model.tflite").stat().st_size > 4 * weights
