"""How long a model takes for a face on this machine, and how large its file is."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fer_core.evaluation import cache
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card

BATCH = 32
"""Faces in a batch: more gain nothing."""

SECONDS = 0.4
"""How long one or the other is repeated; at least `_LEAST` times, the first call not counted."""

_LEAST = 3


@dataclass(frozen=True)
class Speed:
    """Milliseconds a face on one machine: from the network's input to the answer, the face's mirror image
    and its landmarks included where the model takes them.

    Attributes:
        one: of a face that comes alone.
        batch: of a face among `BATCH`.
    """

    one: float
    batch: float


def of(predictor: Predictor) -> Speed:
    """The speed of a model, measured in about a second or as it was measured before on this machine.

    Raises:
        StorageError: the cache cannot be written.
    """
    return known(predictor.card) or again(predictor)


def again(predictor: Predictor) -> Speed:
    """`of`, measured anew."""
    faces = np.random.default_rng(0).integers(0, 256, (BATCH, *predictor.card.input.shape), np.uint8)
    one = _median_ms(lambda: predictor.raw(faces[:1]))
    found = Speed(one, _median_ms(lambda: predictor.raw(faces)) / BATCH)
    cache.write(_path(predictor.card), asdict(found))
    return found


def known(card: Card) -> Speed | None:
    """What was measured before on this machine."""
    try:
        return Speed(**cache.read(_path(card)))
    except TypeError:
        return None


def size_mb(folder: Path) -> float:
    """MB (10^6 bytes) of the file in a model's folder that predicts; 0 where it is missing."""
    try:
        return (folder / "model.tflite").stat().st_size / 1e6
    except OSError:
        return 0.0


def _median_ms(call: Callable[[], object]) -> float:
    """Of the calling thread's own time, which is all that a predictor takes: a training that runs beside it
    would make the same model ten times slower by the clock."""
    call()
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(times) < _LEAST or time.perf_counter() < until:
        started = time.thread_time()
        call()
        times.append((time.thread_time() - started) * 1000)
    return statistics.median(times)


def _path(card: Card) -> Path:
    machine = (platform.node(), platform.machine(), platform.processor(), os.cpu_count())
    return cache.path("speed", card.weights, card.flip_average, machine)
