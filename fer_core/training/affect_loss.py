"""The loss of networks that learn valence and arousal. Runs in worker processes only."""

from keras import ops

_EPSILON = 1e-6


def ccc_loss(y_true, y_pred):
    """One minus the concordance correlation over the batch, the mean of the axes; both (B, axes).

    A scalar in 0..2; 1 where a batch of one, or one without variation, says nothing.
    Source: Lin 1989, Biometrics 45, 255-268.
    """
    truth, predicted = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    truth_mean, predicted_mean = (ops.mean(x, axis=0, keepdims=True) for x in (truth, predicted))
    covariance = ops.mean((truth - truth_mean) * (predicted - predicted_mean), axis=0)
    spread = ops.mean(ops.square(truth - truth_mean) + ops.square(predicted - predicted_mean), axis=0)
    shift = ops.square(truth_mean - predicted_mean)[0]
    return 1 - ops.mean(2 * covariance / (spread + shift + _EPSILON))
