"""What it costs to say why: heat maps of one face, the start of TensorFlow beside the app, memory.

    python -m benchmarks.explain [MODEL ...]

Faces are the probe of each model (smooth noise): what a network is fed does not change what it costs.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer_core.inference import explanation
from fer_core.inference.predictor import Predictor
from fer_core.zoo import gradients, library
from fer_core.zoo.specs import EXPRESSION

ROUNDS = 20


def main() -> None:
    wanted = sys.argv[1:] or [e.id for e in library.entries() if e.card and e.card.task == EXPRESSION.id]
    print(f"one face, its mirror image too where the model averages over it; median and slowest of {ROUNDS}")
    for number, name in enumerate(wanted):
        folder = library.find(name).folder
        predictor = Predictor.load(folder)
        with np.load(folder / "probe.npz") as probe:
            crop = probe["inputs"][:1]
        guess = np.zeros(1, int)

        def look(kind: str, predictor=predictor, crop=crop, guess=guess) -> np.ndarray:
            return explanation.heat(predictor, crop, guess, kind)

        began = time.perf_counter()
        look(explanation.GRAD_CAM)
        first = time.perf_counter() - began
        print(f"\n{name}, {'×'.join(map(str, crop.shape[1:]))}")
        print(
            f"  first Grad-CAM      {first:7.1f} s{'   with the start of TensorFlow' if not number else ''}"
        )
        for kind in explanation.KINDS:
            middle, slowest = timed(lambda kind=kind: look(kind))
            print(f"  {kind:18} {middle:8.1f} ms {slowest:8.1f} ms")
    print(f"\nmemory of the process with TensorFlow: {resident_mb():.0f} MB")
    gradients.close()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Median and largest of ROUNDS calls, milliseconds; fewer where they are slow."""
    work()
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < 2000:
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times), max(times)


def resident_mb() -> float:
    """Of the worker, MB (Linux)."""
    status = Path(f"/proc/{gradients._worker.process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
