"""From the last photo dropped to a usable recogniser, and what a taught model costs at live speed.

    python -m benchmarks.teach [--rounds 5] [--models ID ...] [--cpu]

64 JPEGs of 640x480, 8 classes of 8: the astronaut of scikit-image moved and scaled over a room, with the
noise of a camera (benchmarks.live). "All at once" is 64 photos dropped together, "the last one" one photo
into a set of 63; each ends when the saved model has been loaded and has read a face. The parts are the
engine's own steps, the rest is what lies between them. The first round is not counted.

Recognition: the plain model and what was taught on it, each kind with its unknown answer, in turns within
one run; medians of the rounds, and of each turn's share of the plain one's time. "Photo" is find, cut, read
and judge; "live" the same with following and smoothing; "network" only the reading of one face.

With --cpu the processor's time is counted, of all threads together: for a machine that is busy with other
things. It is at least what an idle machine takes.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from benchmarks.live import FPS, LOOP, scene
from fer_core.fewshot import classes, crops, heads, model, teach
from fer_core.imaging import detectors
from fer_core.imaging.decode import encode_jpeg
from fer_core.imaging.preprocess import to_batch
from fer_core.inference import photo
from fer_core.inference.following import Follower, LiveSettings, Setup
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from fer_core.zoo.head import KINDS

CLASSES, SHOTS = 8, 8

STEPS = {
    "read the files": (classes, "decode_image"),
    "find the faces": (classes, "faces_of"),
    "cut and keep": (classes, "cut"),
    "write the set": (classes, "_placed"),
    "features": (teach.Predictor, "embed"),
    "crops for the network": (crops, "inputs"),
    "leave one out": (heads, "leave_one_out"),
    "save and check the model": (model, "store"),
}


now = time.perf_counter


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.teach")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=[library.DEFAULT], metavar="ID")
    parser.add_argument("--cpu", action="store_true", help="count the processor's time")
    options = parser.parse_args(arguments)
    if options.cpu:
        global now
        now = time.process_time
    frames = [frame for frame, _ in scene(1)]
    photos = [encode_jpeg(frames[place * LOOP // 64], 90) for place in range(CLASSES * SHOTS)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        for base in options.models:
            print(f"\n{base}\n\n| ms | " + " | ".join([*STEPS, "load and read a face", "rest", "all"]) + " |")
            print("|---" * (len(STEPS) + 4) + "|")
            for title, last in (("all at once", False), ("the last one", True)):
                print(
                    f"| {title} | "
                    + " | ".join(f"{ms:.0f}" for ms in taught(base, photos, options.rounds, last))
                )
            speeds(base, frames, photos, options.rounds)


def taught(base: str, photos: list[bytes], rounds: int, last: bool) -> list[float]:
    """ms of each step, of the loading, of the rest and of all: medians."""
    found = []
    for _ in range(rounds + 1):
        made = classes.create("Bench", base)
        given = list(enumerate(photos))
        if last:
            put(made.id, given[:-1])
            given = given[-1:]
        with clock() as parts:
            start = now()
            put(made.id, given)
            card = teach.teach(made.id, predictor=Predictor.load(library.find(base).folder))
            saved = now()
        predictor = Predictor.load(library.find(card.id).folder)
        predictor.predict(np.zeros((1, *predictor.card.input.shape), np.uint8))
        end = now()
        steps = [1e3 * parts[name] for name in STEPS]
        found.append([*steps, 1e3 * (end - saved), 1e3 * (saved - start) - sum(steps), 1e3 * (end - start)])
    return [statistics.median(column) for column in zip(*found[1:], strict=True)]


def put(set_id: str, given: Sequence[tuple[int, bytes]]) -> None:
    """Photos into their classes one by one, as the page and the command do."""
    for place, data in given:
        added = classes.add(set_id, f"mood {place % CLASSES}", [(f"{place}.jpg", data)])
        assert len(added.taken) == 1, added


@contextmanager
def clock() -> Iterator[Counter[str]]:
    """Seconds spent in each of STEPS meanwhile."""
    spent: Counter[str] = Counter()
    kept = {name: getattr(*where) for name, where in STEPS.items()}

    def timed(name: str, step: Callable) -> Callable:
        def call(*arguments, **named):
            start = now()
            try:
                return step(*arguments, **named)
            finally:
                spent[name] += now() - start

        return call

    try:
        for name, (place, attribute) in STEPS.items():
            setattr(place, attribute, timed(name, kept[name]))
        yield spent
    finally:
        for name, (place, attribute) in STEPS.items():
            setattr(place, attribute, kept[name])


def speeds(base: str, frames: list, photos: list[bytes], rounds: int) -> None:
    """Print how long each model takes, in turns, and beside it the plain one's share."""
    plain = Predictor.load(library.find(base).folder)
    made = classes.create("Speed", base)
    put(made.id, list(enumerate(photos)))
    names = {"plain": plain}
    for kind in KINDS:
        card = teach.teach(made.id, kind=kind, predictor=plain)
        names[kind] = Predictor.load(library.find(card.id).folder)
    detector = detectors.get()
    (face,) = crops.faces_of(frames[0])[:1]
    batch = to_batch(frames[0], [face], plain.card.input)

    def as_photos(predictor: Predictor) -> None:
        for frame in frames[:10]:
            photo.analyse(frame, predictor, detector)

    def as_camera(predictor: Predictor) -> None:
        follower = Follower(Setup(predictor, detector, LiveSettings()))
        for number, frame in enumerate(frames[:10]):
            follower.look(frame, number / FPS)

    def alone(predictor: Predictor) -> None:
        for _ in range(50):
            predictor.predict(batch)

    print("\n| ms a face | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for title, way, count in (("photo", as_photos, 10), ("live", as_camera, 10), ("network", alone, 50)):
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(4 * rounds + 1):
            for name, predictor in names.items():
                start = now()
                way(predictor)
                if turn:
                    times[name].append(1e3 * (now() - start) / count)
        middle = {name: statistics.median(each) for name, each in times.items()}
        ratio = {
            name: statistics.median(
                mine / base for mine, base in zip(times[name], times["plain"], strict=True)
            )
            for name in names
        }
        print(f"| {title} | " + " | ".join(f"{middle[n]:.2f} ({ratio[n]:.2f} x)" for n in names) + " |")


if __name__ == "__main__":
    main()
