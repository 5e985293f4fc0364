"""Pictures per second of an evaluation, figures and all, against a bare predict on ready arrays; and what
1,000 bootstrap samples of a comparison take.

    python -m benchmarks.evaluation [MODEL ...]
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer_core.dataset import arrays
from fer_core.dataset.intake import Intake, Row
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.evaluation import compare, trial
from fer_core.evaluation.answers import CHUNK
from fer_core.evaluation.trial import Rows, Trial
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7
from fer_core.zoo import library
from fer_core.zoo.specs import EXPRESSION

FACES, ROUNDS = 3589, 4
"""As many as FER2013 has to validate; turns of both, since a shared machine's pace changes."""


def main(*models: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        fill(store)
        asked = trial.rows(store, "noise", None, "validation")
        made = [against_bare_predict(store, model, asked) for model in models or (library.DEFAULT,)]
        bootstraps(made[0])


def fill(store: Store) -> None:
    """Noise with seven labels: what a picture shows costs nothing."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(FACES):
        picture = random.integers(0, 256, (48, 48), np.uint8)
        label = FER7.names[number % len(FER7)]
        rows.append(Row(f"{number}", pixel_id(picture), 48, 48, encode_png(picture), "validation", label))
    with store.write() as connection:
        intake = Intake(connection, ensure_dataset(connection, "noise", FER7), "nobody")
        intake.add(rows)
        intake.finish("import", "noise", "noise")


def against_bare_predict(store: Store, model: str, asked: Rows) -> Trial:
    """In turns: the network alone on an array in memory; and an evaluation of which no answer is kept, from
    the pictures' array on disk to the figures in the register. In seconds of the processor too, which do
    not count what else the machine does meanwhile."""
    predictor = Predictor.load(library.find(model).folder)
    started = time.perf_counter()
    ready = np.array(arrays.build(store, asked.frame, predictor.card.input))
    built = time.perf_counter() - started
    ask = predictor.predict if predictor.card.task == EXPRESSION.id else predictor.raw

    def bare() -> None:
        for first in range(0, FACES, CHUNK):
            ask(ready[first : first + CHUNK])

    def ours() -> Trial:
        made = trial.run(store, predictor, asked)
        assert made.records[0]["n"] == FACES
        return made

    turns = []
    for _ in range(ROUNDS + 1):
        forget()
        turns.append([timed(bare), timed(ours)])
    # The first turn warms up: memory, threads, the file system. [turn, bare or ours, wall or processor]
    seconds = np.array(turns[1:])
    fastest = seconds.min(axis=0)
    (wall, processor), medians = fastest[0] / fastest[1], np.median(seconds[:, 0] / seconds[:, 1], axis=0)
    print(
        f"{model}: bare predict {FACES / fastest[0, 0]:,.0f} faces/s, evaluation "
        f"{FACES / fastest[1, 0]:,.0f} faces/s. Ratio of the fastest turns {wall:.3f}, median of the turns "
        f"{medians[0]:.3f}; of processor seconds {processor:.3f} and {medians[1]:.3f}. "
        f"All but asking: {timed(ours)[0] * 1000:.0f} ms. Not in it: the array, {built:.1f} s, made once "
        "for all models of its input"
    )
    return ours()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and seconds of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def forget() -> None:
    """Nothing of an earlier turn is kept but the array: not the answers, and not which copies there are."""
    for pattern in ("*.answer.npy", "*.copies.json"):
        for file in (Path(os.environ["FER_WORKSPACE"]) / "cache").glob(pattern):
            file.unlink()


def bootstraps(made: Trial) -> None:
    """A whole comparison of two models on these faces."""
    other = np.random.default_rng(1).permutation(made.answers)
    second = Trial(made.card, made.rows, made.faces, other, made.seen)
    one, two = made.result(), second.result()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        compare.pair(one, two, draws=1000)
        seconds.append(time.perf_counter() - started)
    print(f"comparison with 1,000 bootstrap samples: {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
