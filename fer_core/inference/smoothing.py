"""Answers steadied in seconds, not frames: 5 frames a second give what 30 give."""

import math
from collections.abc import Collection

import numpy as np

from fer_core.errors import BadInput


class Smoother:
    """A running mean of each face's answers in which an answer that is `seconds` old counts a third
    (exp(-1)) of a new one. For one thread."""

    def __init__(self, seconds: float):
        """Take a time constant in s; 0 steadies nothing.

        Raises:
            BadInput: it is negative or no number.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise BadInput(f"Answers are smoothed over 0 seconds or more. Received: seconds={seconds}.")
        self.seconds = seconds
        self._last: dict[int, tuple[float, np.ndarray]] = {}

    def update(self, number: int, answer: np.ndarray, at: float) -> np.ndarray:
        """Take the newest answer of a face in.

        Args:
            number: the face's track.
            answer: (K,) float; probabilities, or valence and arousal.
            at: when its frame was taken, s; a moment before the last one counts as the same moment.

        Returns:
            (K,) float32; of probabilities the sum stays 1. The first answer comes back as it is, and so
            does one of another length (a model was changed).
        """
        answer = np.asarray(answer, np.float32)
        before, mean = self._last.get(number, (at, answer))
        if mean.shape != answer.shape or number not in self._last or self.seconds == 0:
            mean = answer
        else:
            weight = 1 - math.exp(-max(at - before, 0.0) / self.seconds)
            mean = mean + np.float32(weight) * (answer - mean)
        self._last[number] = at, mean
        return mean

    def keep(self, numbers: Collection[int]) -> None:
        """Forget every face but these."""
        self._last = {number: kept for number, kept in self._last.items() if number in numbers}
