"""From a network to the files that ship: large ones in half precision."""

import numpy as np
import pytest

from fer_core.zoo import convert, litert, specs

keras = pytest.importorskip("keras")


def written(folder, widths, faces=None):
    from fer_core.zoo.networks import small_resnet

    keras.utils.set_random_seed(0)
    network = small_resnet.build((48, 48, 1), 7, widths)
    answer = network.get_layer("probabilities")
    # Sure of itself, as a network is that has learned.
    answer.set_weights([50 * weights for weights in answer.get_weights()])
    probe = convert.probe_inputs(specs.SMALL_RESNET.input)
    expected = network.predict_on_batch(probe.astype(np.float32))
    convert.write_model(network, specs.EXPRESSION, probe, folder, faces=faces)
    got = litert.Network(folder / "model.tflite").run(probe, ("probabilities",))["probabilities"]
    return network.count_params(), np.abs(got - expected).max()


def test_a_large_network_is_kept_in_half_precision_and_answers_the_same(tmp_path):
    weights, difference = written(tmp_path, (24, 48, 96))
    assert weights > convert.LARGE
    assert (tmp_path / "model.tflite").stat().st_size < 2.1 * weights
    assert (tmp_path / "model.keras").stat().st_size < 2.6 * weights
    assert 0 < difference < 2 * convert.HALVED_TOLERANCE
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    probe = convert.probe_inputs(specs.SMALL_RESNET.input)
    stored = np.load(tmp_path / "probe.npz")["probabilities"]
    np.testing.assert_allclose(again.predict_on_batch(probe.astype(np.float32)), stored, atol=1e-5)


def test_a_small_network_keeps_every_digit(tmp_path):
    weights, difference = written(tmp_path, (8, 16))
    assert weights < convert.LARGE and difference < 1e-6
    assert (tmp_path / "model.tflite").stat().st_size > 4 * weights


def some_faces():
    return np.random.default_rng(0).integers(0, 256, (64, 48, 48, 1), np.uint8)


def test_with_faces_to_judge_by_a_large_network_is_served_in_bytes(tmp_path):
    weights, difference = written(tmp_path, (24, 48, 96), some_faces())
    assert 0 < difference < 0.1
    assert (tmp_path / "model.tflite").stat().st_size < 1.3 * weights
    with np.load(tmp_path / "probe.npz") as stored:
        keras_own, served = stored["probabilities"], stored["served"]
    network = litert.Network(tmp_path / "model.tflite")
    shown = convert.probe_inputs(specs.SMALL_RESNET.input)
    whole = network.run(shown, ("probabilities", "embedding", "feature_map"))
    np.testing.assert_allclose(whole["probabilities"], served, atol=1e-6)
    assert whole["embedding"].dtype == whole["feature_map"].dtype == np.float32
    # What a picture is answered does not depend on those beside it.
    alone = [network.run(shown[i : i + 1], ("probabilities",))["probabilities"] for i in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), served[:3], atol=1e-6)
    # The Keras file, which training goes on from and exports are made of, answers as Keras did.
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(again.predict_on_batch(shown.astype(np.float32)), keras_own, atol=1e-5)


def test_a_network_that_bytes_would_change_is_served_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "BYTES_TOLERANCE", -1.0)
    weights, difference = written(tmp_path, (24, 48, 96), some_faces())
    assert (tmp_path / "model.tflite").stat().st_size > 1.9 * weights
    with np.load(tmp_path / "probe.npz") as stored:
        assert "served" not in stored


def test_a_small_network_is_not_served_in_bytes(tmp_path):
    _, difference = written(tmp_path, (8, 16), some_faces())
    assert difference < 1e-4
