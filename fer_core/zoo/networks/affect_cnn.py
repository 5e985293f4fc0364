"""The AffectNet network: five convolutions with max pooling, flattened into dense layers, 224×224 RGB.

Source: Facial Expression Recognition with transfer learning on AffectNet (report), section 3.6. It gives
the kinds and the order of the layers, ReLU, the input, eight classes, Adam at 0.001, batches of 32 and 10
epochs, and reports 65.7 % on 4,000 validation pictures. Kernels, filters, the width of the dense layer and
the dropout are not printed there and thus ours: 3×3, `FILTERS`, `DENSE` and `DROPOUT`, 0.22 billion
multiplications a picture. (Its training accuracy stays below its validation accuracy all along, as it does
under dropout.) Ours are also the rescaling to -1..1 and He's initialisation: with 0..1 and Keras' usual one
it learned nothing from some thousand pictures (measured on affect7 and on the practice dataset).

The report trains further networks "to estimate valence and arousal separately"; here one answers both.
"""

import keras
from keras import layers

FILTERS = (16, 32, 64, 128, 128)
DENSE = 128
DROPOUT = 0.25
_LEARNS = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, classes) probabilities, float32."""
    images, x = _trunk(input_shape)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)
    return keras.Model(images, probabilities, name="affect_cnn")


def build_affect(input_shape: tuple[int, int, int], outputs: int) -> keras.Model:
    """The network from (N, H, W, C) 0..255 to (N, outputs) of valence and arousal in -1..1, float32."""
    images, x = _trunk(input_shape)
    affect = layers.Dense(outputs, activation="tanh", name="affect", dtype="float32")(x)
    return keras.Model(images, affect, name="affect_cnn_va")


def _trunk(input_shape: tuple[int, int, int]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, and what the answer is made from: (N, DENSE)."""
    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    for filters in FILTERS[:-1]:
        x = layers.Conv2D(filters, 3, **_LEARNS)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(FILTERS[-1], 3, name="feature_map", **_LEARNS)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(
        DENSE, activation="relu", kernel_initializer="he_normal", name="embedding", dtype="float32"
    )(x)
    return images, layers.Dropout(DROPOUT)(x)
