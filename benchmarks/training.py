"""Images per second of the trainer: against a bare model.fit on arrays that are ready in memory, and
against ImageDataGenerator.flow_from_directory with equal augmentation, as the AffectNet study reads its
pictures. And the memory that a run holds, for few images and for many.

    python -m benchmarks.training [SPEC ...]
"""

import dataclasses
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pandas as pd

from fer_core.imaging.decode import encode_png
from fer_core.training import devices, trainer, worker
from fer_core.training.batches import Batches, Data
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import specs

ROUNDS, SECONDS = 4, 8
NONE = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)
STUDY = Augmentation(
    flip=True, rotation=20, shift=0.1, shear=10, zoom=0.2, stretch=0, contrast=0, brightness=0
)
"""What ImageDataGenerator offers too, so that both pipelines do the same to each picture."""


def main(*chosen: str) -> None:
    for spec_id in chosen or ("mini_xception", "cnn_rgb48", "landmark_cnn"):
        against_bare_fit(spec_id)
    if not chosen:
        against_flow_from_directory()
        memory()


def against_bare_fit(spec_id: str) -> None:
    """Both without augmentation, since ready arrays are what a bare fit is fed; epoch by epoch in turns,
    since a shared machine's pace changes from one minute to the next."""
    speed = our_fit(random_data(spec_id, 1600), settings(spec_id, NONE, 2))[-1]
    data = random_data(spec_id, max(1600, round(speed * SECONDS / 640) * 640))
    pairs = turns(data, settings(spec_id, NONE, ROUNDS + 1))
    for bare, ours in pairs:
        print(f"{spec_id}: bare fit {bare:.0f} images/s, trainer {ours:.0f}, ratio {ours / bare:.3f}")
    # Of the fastest epochs too: whatever else the machine does only makes an epoch slower.
    fastest = max(ours for _, ours in pairs) / max(bare for bare, _ in pairs)
    median = statistics.median(ours / bare for bare, ours in pairs)
    print(f"{spec_id}: ratio of the fastest epochs {fastest:.3f}, median of the pairs {median:.3f}")


def turns(data: Data, config: TrainingConfig) -> list[tuple[float, float]]:
    """Images a second of a bare fit's epoch and of the trainer's, for all but the first epochs."""
    bare = worker.build(config, 7)
    bare.compile(
        keras.optimizers.AdamW(config.learning_rate), "categorical_crossentropy", metrics=["accuracy"]
    )
    images = np.asarray(data.images, np.float32)
    inputs = images if data.points is None else [images, data.points]
    speeds: list[float] = []

    def bare_epoch() -> None:
        marks: list[float] = []
        clock = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: marks.append(time.perf_counter()),
            on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter()),
        )
        bare.fit(inputs, data.split.targets, batch_size=config.batch_size, verbose=0, callbacks=[clock])
        speeds.append(len(images) / (marks[1] - marks[0]))

    ours = our_fit(data, config, bare_epoch)
    return list(zip(speeds[1:], ours[1:], strict=True))


def against_flow_from_directory() -> None:
    """Pictures delivered, and a network trained on them, from folders of 200 px files."""
    # Deprecated, and what the study uses.
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    with tempfile.TemporaryDirectory() as folder:
        pictures = draw(Path(folder), 448)
        for spec_id in ("cnn_rgb48", "affect_cnn"):
            config = settings(spec_id, STUDY, 2)
            side = config.input.height
            data = stored(pictures, side, Path(folder))
            generator = ImageDataGenerator(
                rescale=1 / 255,
                rotation_range=STUDY.rotation,
                width_shift_range=STUDY.shift,
                height_shift_range=STUDY.shift,
                shear_range=STUDY.shear,
                zoom_range=STUDY.zoom,
                horizontal_flip=True,
            )

            def flow(side: int = side, config: TrainingConfig = config, made=generator):
                return made.flow_from_directory(
                    folder, (side, side), batch_size=config.batch_size, class_mode="categorical"
                )

            theirs, ours = delivered(flow()), delivered(Batches(data, config))
            print(
                f"{side} px delivered: flow_from_directory {theirs:.0f} images/s, ours {ours:.0f}, "
                f"{ours / theirs:.1f} times"
            )
            network = worker.build(config, 7)
            network.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = second_epoch(network, flow(), len(pictures))
            ours = our_fit(data, config)[-1]
            print(
                f"{spec_id} trained: flow_from_directory {theirs:.0f} images/s, ours {ours:.0f}, "
                f"{ours / theirs:.1f} times"
            )


def memory() -> None:
    """What the process holds while it trains on few and on many images."""
    for count in (3_200, 32_000, 3_200):
        our_fit(random_data("cnn_rgb48", count), settings("cnn_rgb48", Augmentation(), 1))
        print(f"{count:,} images of 48 x 48 x 3: {devices.Usage()()['memory_mb']:,} MB held after an epoch")


def settings(spec_id: str, augmentation: Augmentation, epochs: int) -> TrainingConfig:
    values = {**specs.get(spec_id).training, "epochs": epochs, "augmentation": augmentation}
    return TrainingConfig(spec=spec_id, dataset="benchmark", **values)


def random_data(spec_id: str, count: int) -> Data:
    """Noise in a memory map, with random targets."""
    shape = specs.get(spec_id).input.shape
    random = np.random.default_rng(0)
    with tempfile.TemporaryFile() as file:
        images = np.memmap(file, np.uint8, "w+", shape=(count, *shape))
        for start in range(0, count, 1600):
            images[start : start + 1600] = random.integers(
                0, 256, images[start : start + 1600].shape, np.uint8
            )
    targets = np.eye(7, dtype=np.float32)[random.integers(0, 7, count)]
    points = None
    if specs.get(spec_id).input.landmarks:
        points = random.random((count, 68, 2), np.float32)
    return Data(images, np.arange(count), Split(pd.DataFrame(index=range(count)), targets, None), points)


def draw(folder: Path, count: int) -> list[tuple[Path, int]]:
    """Coloured squares of 200 px in seven class folders."""
    made = []
    for number in range(count):
        place = folder / str(number % 7) / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        random = np.random.default_rng(number)
        picture = random.integers(0, 256, (25, 25, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        place.write_bytes(encode_png(picture))
        made.append((place, number % 7))
    return made


def stored(pictures: list[tuple[Path, int]], side: int, folder: Path) -> Data:
    """The same pictures as a run reads them: one memory map, made once (its making is not counted)."""
    from fer_core.imaging.decode import decode_image
    from fer_core.imaging.preprocess import InputSpec, to_input

    spec = InputSpec(side, side, 3)
    images = np.memmap(folder / f"{side}.u8", np.uint8, "w+", shape=(len(pictures), side, side, 3))
    for row, (path, _) in enumerate(pictures):
        images[row] = to_input(decode_image(path.read_bytes()), None, spec)
    targets = np.eye(7, dtype=np.float32)[[number for _, number in pictures]]
    split = Split(pd.DataFrame(index=range(len(pictures))), targets, None)
    return Data(images, np.arange(len(pictures)), split)


def delivered(batches: keras.utils.PyDataset) -> float:
    """Images a second that a pipeline makes, one batch after the other."""
    batches[0]
    started, count = time.perf_counter(), 0
    for index in range(len(batches)):
        count += len(batches[index][0])
    return count / (time.perf_counter() - started)


def second_epoch(network: keras.Model, inputs, count: int, **options) -> float:
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    network.fit(inputs, epochs=2, verbose=0, callbacks=[clock], **options)
    return count / (ends[1] - ends[0])


def our_fit(data: Data, config: TrainingConfig, between: Callable[[], None] = lambda: None) -> list[float]:
    """Images a second in each epoch of the trainer, reports and stop checks included; validation and
    checkpoints, which a bare fit has not, are left out of the time.

    Args:
        between: called after each epoch.
    """
    few = dataclasses.replace(data, rows=data.rows[:64], split=_first(data.split, 64))
    times: list[float] = []

    class Timed(trainer._Watch):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            times.append(-time.perf_counter())

        def on_epoch_end(self, epoch, logs=None):
            times[-1] += time.perf_counter()
            super().on_epoch_end(epoch, logs)
            between()

    task = specs.get(config.spec).task
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(trainer, "_Watch", Timed):
        stop, network = (Path(folder) / "stop").exists, worker.learner(config, 7)
        usage = devices.Usage()
        trainer.fit(network, data, few, config, task, Path(folder), lambda event: None, stop, usage)
    return [len(data.rows) // config.batch_size * config.batch_size / seconds for seconds in times]


def _first(split: Split, count: int) -> Split:
    return Split(split.frame[:count], split.targets[:count], None)


if __name__ == "__main__":
    main(*sys.argv[1:])
