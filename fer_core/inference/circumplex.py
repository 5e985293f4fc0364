"""Valence and arousal derived from expressions, for models that do not predict them."""

from types import MappingProxyType

import numpy as np

from fer_core.labels import LabelSet

COORDINATES = MappingProxyType(
    {
        "happy": (0.81, 0.51),
        "surprise": (0.40, 0.67),
        "angry": (-0.51, 0.59),
        "fear": (-0.64, 0.60),
        "disgust": (-0.60, 0.35),
        "sad": (-0.63, -0.27),
        "neutral": (0.0, 0.0),
    }
)
"""Valence (pleasure) and arousal of each expression, -1..1.

Source: Russell & Mehrabian 1977, Evidence for a three-factor theory of emotions, Journal of Research in
Personality 11, 273-294: mean ratings of the words happy, surprised, angry, fearful, disgusted and sad.
Neutral is the origin by definition (Russell 1980, A circumplex model of affect). Contempt has no place here.
"""

_MOST_WITHOUT = 0.2
"""Share of a set's labels that may lack coordinates."""


def derived(label_set: LabelSet, probabilities: np.ndarray) -> np.ndarray | None:
    """The mean of the expressions' coordinates, each as probable as the model holds it.

    Labels without coordinates are left out of the mean.

    Args:
        probabilities: (N, K) in the set's order.

    Returns:
        (N, 2) float32 valence and arousal in -1..1; nan where most of the probability lies on labels
        without coordinates. None where more than a fifth of the set's labels have none.
    """
    known = [place for place, name in enumerate(label_set.names) if name in COORDINATES]
    if len(label_set) - len(known) > _MOST_WITHOUT * len(label_set):
        return None
    places = np.array([COORDINATES[label_set.names[place]] for place in known])
    weights = np.asarray(probabilities, np.float64)[:, known]
    total = weights.sum(axis=1, keepdims=True)
    mean = weights @ places / np.maximum(total, 0.5)
    return np.where(total >= 0.5, mean, np.nan).astype(np.float32)
