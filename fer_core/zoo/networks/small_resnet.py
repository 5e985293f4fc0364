"""A residual network for 48-pixel faces that halves the picture at once: under a millisecond a face.

Source: He et al. 2016, Deep Residual Learning, arXiv:1512.03385. Ours: the widths, and the stem of stride
2, as most of the time of a small network goes into the full-size maps.
"""

import keras
from keras import layers

from fer_core.zoo.networks.mini_xception import MOMENTUM

DROPOUT = 0.2


def build(input_shape: tuple[int, int, int], classes: int, widths: tuple[int, ...]) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, classes) probabilities, float32.

    Args:
        widths: filters of each level; each has two residual blocks and half the side of the one before.
    """
    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.ReLU()(_convolution(x, widths[0], 5, 2))
    for level, filters in enumerate(widths):
        x = _block(x, filters, 2 if level else 1)
        x = _block(x, filters, 1)
    x = layers.Activation("linear", name="feature_map")(x)
    x = layers.GlobalAveragePooling2D(name="embedding", dtype="float32")(x)
    x = layers.Dropout(DROPOUT)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    return keras.Model(images, probabilities, name="small_resnet")


def _block(x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
    y = layers.ReLU()(_convolution(x, filters, 3, stride))
    y = _convolution(y, filters, 3, 1)
    if stride > 1:
        x = _convolution(layers.AveragePooling2D(stride, padding="same")(x), filters, 1, 1)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, stride: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=MOMENTUM)(x)
