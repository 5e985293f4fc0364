"""Batch normalisation in one pass while a network learns: Keras' own reads and writes each map several times
and takes about twice as long. Runs in worker processes only.
"""

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """The same layer with the same weights; its learning steps go through TensorFlow's fused kernel.

    Maps (N, H, W, C) normalised over C only; all else is left to Keras, as is a layer that does not learn.
    """

    def call(self, inputs, training=None, mask=None):
        """As Keras' own, but for the variance that it remembers: that of a sample, a thousandth more."""
        learns = training and self.trainable and mask is None
        if (
            not learns
            or len(inputs.shape) != 4
            or self.axis not in (-1, 3)
            or not (self.scale and self.center)
        ):
            return super().call(inputs, training=training, mask=mask)
        normal, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            tf.cast(inputs, self.compute_dtype),
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        for known, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            known.assign(known * self.momentum + new * (1 - self.momentum))
        return normal


def fused(network: keras.Model) -> keras.Model:
    """A network of the same layers and names, with weights of chance, whose batch normalisation is fused.

    Its weights go back into the original by `set_weights`: order and shapes are the same.
    """
    return keras.models.clone_model(network, clone_function=_clone)


def _clone(layer: keras.layers.Layer) -> keras.layers.Layer:
    made = FusedBatchNormalization if type(layer) is keras.layers.BatchNormalization else type(layer)
    return made.from_config(layer.get_config())
