"""The 29-layer residual network that dlib tells people apart with, under an answer about expressions.

Sources: He et al. 2016, arXiv:1512.03385; dlib's dnn_face_recognition_ex.cpp, whose network this is without
its last block and metric, and whose weights (3 million faces, CC0) the package face_recognition_models
brings. Ours: one grey channel, and the side of 99 px that a face is enlarged to inside of the network,
where every halving comes out even and a step of training costs a third of that at dlib's 150 px.
Convolutions pad as dlib's do: not at all where they halve.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer_core.errors import BadModel
from fer_core.zoo.networks.mini_xception import MOMENTUM

STEM = 32
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True))
"""Filters, residual blocks, and whether the first of them halves the map."""

MAPPED = 2
"""The level whose map heat maps are made of: 5x5; the last one has 2x2."""

SIDE = 99
MEANS, RANGE = np.array([122.782, 117.001, 104.298]), 256.0
"""What dlib takes off red, green and blue, and what it divides them by. Source: input_rgb_image_sized."""

DROPOUT = 0.3
EPSILON = 1e-5


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The network from (N, H, W, 1) 0..255 to (N, classes) probabilities, float32."""
    images = keras.Input(input_shape, name="images")
    # Not a way into the network beside to_input, but its first layer.
    x = layers.Resizing(SIDE, SIDE, dtype="float32")(images)  # noqa: TID251
    x = layers.Rescaling(1 / RANGE, offset=-MEANS.mean() / RANGE, dtype="float32")(x)
    x = layers.ReLU()(_convolution(x, 0, STEM, 7, 2, "valid"))
    x = layers.MaxPooling2D(3, strides=2)(x)
    position = 1
    for level, (filters, blocks, halves) in enumerate(LEVELS):
        for block in range(blocks):
            x = _block(x, position, filters, halves and block == 0)
            position += 2
        if level == MAPPED:
            x = layers.Activation("linear", name="feature_map")(x)
    x = layers.GlobalAveragePooling2D(name="embedding", dtype="float32")(x)
    x = layers.Dropout(DROPOUT)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    return keras.Model(images, probabilities, name="face_resnet")


def load_pretrained(network: keras.Model, path: Path, images: np.ndarray) -> None:
    """Put dlib's weights into a network that `build` made; the answer keeps those of chance.

    Where dlib has scale and offset alone, left from a batch normalisation, this network normalises again:
    with the statistics of these images, and scales and offsets that undo them, so that it computes the same.

    Args:
        path: dlib_face_recognition_resnet_model_v1.dat.
        images: (N, H, W, 1) faces 0..255, some dozens of those that training begins with.

    Raises:
        BadModel: the file is not dlib's.
    """
    values = _read(path, network)
    for position, (kernel, scale, offset) in enumerate(values):
        network.get_layer(f"convolution_{position}").set_weights([kernel])
        none = np.zeros_like(scale)
        network.get_layer(f"normalisation_{position}").set_weights([scale, offset, none, none + 1 - EPSILON])
    normalisations = [network.get_layer(f"normalisation_{position}") for position in range(len(values))]
    before = keras.Model(network.inputs, [layer.input for layer in normalisations])
    for layer, maps in zip(normalisations, before.predict_on_batch(images), strict=True):
        maps = np.asarray(maps, np.float32)
        mean, variance = maps.mean(axis=(0, 1, 2)), maps.var(axis=(0, 1, 2))
        scale, offset, _, _ = layer.get_weights()
        layer.set_weights([scale * np.sqrt(variance + EPSILON), offset + scale * mean, mean, variance])


def _block(x: keras.KerasTensor, position: int, filters: int, halves: bool) -> keras.KerasTensor:
    """Two convolutions around a shortcut; where the map is halved the shortcut is its mean, with channels of
    zeros beside it for the new filters."""
    stride, padding = (2, "valid") if halves else (1, "same")
    y = layers.ReLU()(_convolution(x, position, filters, 3, stride, padding))
    y = _convolution(y, position + 1, filters, 3, 1, "same")
    if halves:
        x = layers.AveragePooling2D(2)(x)
        if filters > x.shape[-1]:
            x = layers.Concatenate()([x, layers.Rescaling(0.0)(x)])
        if x.shape[1] > y.shape[1]:  # not at our side, but at dlib's
            y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(
    x: keras.KerasTensor, position: int, filters: int, kernel: int, stride: int, padding: str
) -> keras.KerasTensor:
    x = layers.Conv2D(
        filters, kernel, strides=stride, padding=padding, use_bias=False, name=f"convolution_{position}"
    )(x)
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"normalisation_{position}")(x)


def _read(path: Path, network: keras.Model) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Kernel, scale and offset of each convolution in dlib's file, from the first on.

    The file is dlib's own form of serialisation: each array is a version, four extents and raw float32. A
    convolution's array holds its kernels and then its biases, the next one its scales and offsets.
    """
    content, at = path.read_bytes(), 0
    values: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for layer in network.layers:
        if not isinstance(layer, layers.Conv2D):
            continue
        height, width, inputs, filters = layer.kernel.shape
        # dlib's first convolution has red, green and blue: their sum is what they make of grey.
        channels = inputs if values else 3
        weights = height * width * channels * filters
        kernel, at = _array(content, at, (weights + filters, 1), path)
        affine, at = _array(content, at, (2 * filters, 1), path)
        kernel, bias = kernel[:weights], kernel[weights:]
        kernel = kernel.reshape(filters, channels, height, width).transpose(2, 3, 1, 0)
        if channels != inputs:
            bias = bias + (MEANS.mean() - MEANS) / RANGE @ kernel.sum(axis=(0, 1))
            kernel = kernel.sum(axis=2, keepdims=True)
        scale, offset = affine[:filters], affine[filters:]
        values.append((kernel, scale, offset + scale * bias))
    return values


def _array(content: bytes, at: int, extents: tuple[int, int], path: Path) -> tuple[np.ndarray, int]:
    """The next array of these two extents (the others are 1) from a position on, flat, and the position after
    it."""
    size = extents[0] * extents[1]
    head = b"".join(map(_integer, (2, *extents, 1, 1)))  # version 2
    first = content.find(head, at) + len(head)
    if first < len(head) or first + 4 * size > len(content):
        raise BadModel(
            "The weights must be those of dlib's face recognition. "
            f"Received: {path.name}, without an array of {size:,}. Install face_recognition_models again."
        )
    return np.frombuffer(content, "<f4", size, first), first + 4 * size


def _integer(value: int) -> bytes:
    """As dlib writes it: how many bytes follow, then those, the lowest first."""
    length = (value.bit_length() + 7) // 8
    return bytes([length]) + value.to_bytes(length, "little")
