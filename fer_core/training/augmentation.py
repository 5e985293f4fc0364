"""Augmentation as layers of the training graph: active while training, absent from the saved model.

They work on 0..255, before the network's own rescaling.
"""

import math

import keras
from keras import ops

from fer_core.training.config import Augmentation


def layers(settings: Augmentation, seed: int) -> list[keras.Layer]:
    """The layers for these settings, in the order in which they apply."""
    chain: list[keras.Layer] = []
    if settings.flip or settings.rotation or settings.shift or settings.zoom or settings.stretch:
        chain.append(RandomGeometry(settings, seed))
    if settings.contrast or settings.brightness:
        chain.append(RandomLight(settings, seed + 1))
    return chain


class RandomGeometry(keras.Layer):
    """Flip, rotation, shift, zoom and stretch in a single bilinear resampling.

    Keras' own RandomFlip, RandomRotation, RandomTranslation and RandomZoom resample once each: four
    times the work, and four times the blur on a 48-pixel face. Edges repeat the nearest pixel.
    """

    def __init__(self, settings: Augmentation, seed: int):
        super().__init__(name="random_geometry")
        self.settings = settings
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        """(N, H, W, C) 0..255 to the same shape."""
        if not training:
            return images
        s = self.settings
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        angle = self._uniform(count, math.radians(s.rotation))
        zoom = 1.0 + self._uniform(count, s.zoom)
        stretch = 1.0 + self._uniform(count, s.stretch)
        mirror = ops.sign(self._uniform(count, 1.0)) if s.flip else ops.ones((count,))
        across, down = zoom * mirror, zoom * stretch
        a, b = ops.cos(angle) * across, -ops.sin(angle) * down
        d, e = ops.sin(angle) * across, ops.cos(angle) * down
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        c = middle_x - a * middle_x - b * middle_y + self._uniform(count, s.shift * width)
        f = middle_y - d * middle_x - e * middle_y + self._uniform(count, s.shift * height)
        zero = ops.zeros((count,))
        matrix = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
        return ops.image.affine_transform(images, matrix, interpolation="bilinear", fill_mode="nearest")

    def _uniform(self, count, limit: float):
        return keras.random.uniform((count,), -limit, limit, seed=self.random)


class RandomLight(keras.Layer):
    """Contrast about the image's own mean, and brightness; clipped to 0..255."""

    def __init__(self, settings: Augmentation, seed: int):
        super().__init__(name="random_light")
        self.settings = settings
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        """(N, H, W, C) 0..255 to the same shape."""
        if not training:
            return images
        shape = (ops.shape(images)[0], 1, 1, 1)
        contrast, brightness = self.settings.contrast, 255.0 * self.settings.brightness
        gain = keras.random.uniform(shape, 1.0 - contrast, 1.0 + contrast, seed=self.random)
        offset = keras.random.uniform(shape, -brightness, brightness, seed=self.random)
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return ops.clip((images - mean) * gain + mean + offset, 0.0, 255.0)
