"""The 48x48x3 network: four plain convolutions, two dense layers, 167,623 parameters for seven classes.

Source: S. Bharodiya 2021, Facial Expression Recognition (report), layer by layer as printed there.
"""

import keras
from keras import layers

FILTERS = (32, 64, 64, 128)
DENSE = (64, 64)


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, classes) probabilities, float32."""
    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 255)(images)
    for filters in FILTERS[:-1]:
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(FILTERS[-1], 3, activation="relu", name="feature_map")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(DENSE[0], activation="relu")(x)
    x = layers.Dense(DENSE[1], activation="relu", name="embedding", dtype="float32")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    return keras.Model(images, probabilities, name="cnn_rgb48")
