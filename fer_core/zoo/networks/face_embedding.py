"""A face as a point on a sphere: the trunk of mini-Xception under a dense layer of length one.

Source: the trunk as in mini_xception.py (Arriaga et al. 2017, arXiv:1710.07557); points on a sphere after
Schroff et al. 2015, FaceNet, arXiv:1503.03832. Ours: the batch normalisation before it, and the sphere's
radius, half the root of the dimension, so that the distances of evaluation.verification lie in 0..1.
"""

import keras
from keras import layers

from fer_core.zoo.networks import mini_xception


def build(input_shape: tuple[int, int, int], outputs: int) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, outputs) embeddings of one length, float32."""
    images = keras.Input(input_shape, name="images")
    x = mini_xception.trunk(images)
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    x = layers.Dense(outputs, use_bias=False, dtype="float32")(x)
    x = layers.BatchNormalization(momentum=mini_xception.MOMENTUM, dtype="float32")(x)
    x = layers.UnitNormalization(dtype="float32")(x)
    embedding = layers.Rescaling(outputs**0.5 / 2, name="embedding", dtype="float32")(x)
    return keras.Model(images, embedding, name="face_embedding")
