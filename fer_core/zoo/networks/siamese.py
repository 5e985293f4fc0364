"""MLARE, one branch of a siamese network: two convolutions and one dense layer of sigmoids.

Source: the README of "Emotional Recognition from Facial Expression using Siamese Network" (Amrita Emotion
Database-2): 256x256 grey, two valid 3x3 convolutions of 32 filters, ReLU, 2x2 max pooling, a flat layer
of sigmoids. After Wu et al. 2017, doi:10.1109/CISP-BMEI.2017.8302003. Ours, as it does not say: pooling
after each of the two, 128 sigmoids, and the rescaling into -1..1.
"""

import keras
from keras import layers

FILTERS = (32, 32)


def build(input_shape: tuple[int, int, int], outputs: int) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, outputs) embeddings in 0..1, float32."""
    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    for position, filters in enumerate(FILTERS, 1):
        x = layers.Conv2D(filters, 3, name="feature_map" if position == len(FILTERS) else None)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    embedding = layers.Dense(outputs, activation="sigmoid", name="embedding", dtype="float32")(x)
    return keras.Model(images, embedding, name="siamese")
