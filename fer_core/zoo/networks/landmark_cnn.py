"""The two-input network: six convolutions on the picture, joined by the 68 landmarks before one dense layer.

Source: D. Nikolaeva & A. Malikov 2023, Emotion recognition (report), layer by layer as printed there; the
same without its second input answers what the landmarks add. Ours are the rescaling of both inputs into
-1..1 and the momentum of batch normalisation (see mini_xception).
"""

import keras
from keras import layers

from fer_core.zoo.networks.mini_xception import MOMENTUM

BLOCKS = ((32, 64), (128, 128), (256, 256))
POINTS = (68, 2)


def build(input_shape: tuple[int, int, int], classes: int, landmarks: bool) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, classes) probabilities, float32.

    Args:
        landmarks: with a second input (N, 68, 2), parts of the side from 0 to 1.
    """
    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    for first, second in BLOCKS:
        x = _normalised(layers.Conv2D(first, 3, activation="relu"), x)
        x = _normalised(layers.Conv2D(second, 3, activation="relu"), x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(layers.Activation("linear", name="feature_map")(x))
    inputs = [images]
    if landmarks:
        inputs.append(keras.Input(POINTS, name="landmarks"))
        points = layers.Rescaling(2.0, offset=-1.0)(inputs[1])
        x = layers.Concatenate()([x, layers.Flatten()(points)])
    x = layers.Dense(256, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01))(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name="embedding", dtype="float32")(x)
    x = layers.Dropout(0.25)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    return keras.Model(inputs if landmarks else images, probabilities, name="landmark_cnn")


def _normalised(layer: keras.Layer, x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM)(layer(x))
