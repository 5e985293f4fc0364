"""Golden faces: does a model of unknown make see them as its owner says it must be fed?

Drawn faces of every expression, and one photo. A network that was trained on photos reads drawings badly,
so they are a hint and no measurement.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_core import labels
from fer_core.dataset import drawing
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.detectors import base
from fer_core.imaging.preprocess import InputSpec, to_input

SIDE = 96
"""px of a golden face."""

ROUNDS = 6
"""How many people are drawn, each with every expression."""

LUCK = 0.01
"""An advantage that chance gives more often than this is none."""

Way = tuple[str, str]
"""Colour and scale, as incoming names them."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Faces whose expression is known.

    Attributes:
        pictures: (N, SIDE, SIDE, 3) uint8 RGB; the photo first, then round by round.
        truth: N names.
    """

    pictures: np.ndarray
    truth: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """How many golden faces come out right under one way to feed a model and one order of its classes."""

    way: Way
    names: tuple[str, ...]
    right: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of the faces whose expression the model can name at all."""
        return float(self.right.mean()) if len(self.right) else 0.0


def faces(rounds: int = ROUNDS, seed: int = 0) -> Golden:
    """The smiling astronaut as the detector finds her, then drawn people, the same for the same seed."""
    photo = decode_image(base.package_file("skimage", "data", "astronaut.png").read_bytes())
    spec = InputSpec(SIDE, SIDE, channels=3)
    pictures, truth = [to_input(photo, detectors.get().detect(photo)[0], spec)], ["happy"]
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        someone = drawing.person(random)
        for name, expression in drawing.PROTOTYPES.items():
            pictures.append(drawing.draw(expression, someone, drawing.view(random), SIDE, random))
            truth.append(name)
    return Golden(np.stack(pictures), tuple(truth))


def fit(answers: Mapping[Way, np.ndarray], way: Way, names: Sequence[str], truth: Sequence[str]) -> Fit:
    """How the faces come out: (N, K) answers, K names, and the truth of at least N faces."""
    guesses = [names[index] for index in answers[way].argmax(axis=1)]
    pairs = zip(guesses, truth, strict=False)
    return Fit(
        way, tuple(names), np.array([guess == known for guess, known in pairs if known in names], bool)
    )


def usual_orders(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The orders in which these very classes are usually put, by what one calls them."""
    orders = {
        "FER2013's order": labels.FER7.names,
        "FER+'s order": labels.FERPLUS8.names,
        "AffectNet's order": labels.AFFECTNET8.names,
    }
    same = {title: tuple(n for n in order if n in names) for title, order in orders.items()}
    same["alphabetical order"] = tuple(sorted(names))
    return {title: order for title, order in same.items() if sorted(order) == sorted(names)}


def better(answers: Mapping[Way, np.ndarray], declared: Fit, truth: Sequence[str]) -> list[Fit]:
    """Other ways or orders under which clearly more faces come out right, best first; usually none.

    "Clearly": a sign test over the faces that come out differently, allowing for how many ways were tried.
    """
    orders = {declared.names, *usual_orders(declared.names).values()}
    tried = [fit(answers, way, names, truth) for way in answers for names in orders]
    clear = [other for other in tried if _by_luck(other.right, declared.right) * len(tried) < LUCK]
    return sorted(clear, key=lambda other: -other.accuracy)


def _by_luck(other: np.ndarray, declared: np.ndarray) -> float:
    """Chance that of the faces on which two differ, so many fall to the first, were both equally good."""
    won, lost = int((other & ~declared).sum()), int((declared & ~other).sum())
    count = won + lost
    return sum(math.comb(count, k) for k in range(won, count + 1)) / 2**count
