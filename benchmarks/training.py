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
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from fer_core.imaging.decode import encode_png
from fer_core.training import devices, trainer, worker
from fer_core.training.batches import Batches, Data
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import specs

ROUNDS, SECONDS = 3, 12
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
    """Both without augmentation: ready arrays are what a bare fit is fed."""
    data, config = random_data(spec_id, 1600), settings(spec_id, NONE)
    # A second epoch's time counts; as many images as take SECONDS.
    count = max(1600, round(our_fit(data, config) * SECONDS / 1600) * 1600)
    data = random_data(spec_id, count)
    ratios = []
    for _ in range(ROUNDS):
        bare, ours = bare_fit(data, config), our_fit(data, config)
        ratios.append(ours / bare)
        print(f"{spec_id}: bare fit {bare:.0f} images/s, trainer {ours:.0f}, ratio {ours / bare:.3f}")
    augmented = our_fit(data, settings(spec_id, Augmentation()))
    print(
        f"{spec_id}: median ratio {statistics.median(ratios):.3f}; with augmentation {augmented:.0f} images/s"
    )


def against_flow_from_directory() -> None:
    """Pictures delivered, and a network trained on them, from folders of 200 px files."""
    # Deprecated, and what the study uses.
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    with tempfile.TemporaryDirectory() as folder:
        pictures = draw(Path(folder), 640)
        for spec_id in ("cnn_rgb48", "affect_cnn"):
            config = settings(spec_id, STUDY)
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
                theirs = second_epoch(network, flow(), 640)
            ours = our_fit(data, config)
            print(
                f"{spec_id} trained: flow_from_directory {theirs:.0f} images/s, ours {ours:.0f}, "
                f"{ours / theirs:.1f} times"
            )


def memory() -> None:
    """What the process holds while it trains on few and on many images."""
    for count in (3_200, 64_000, 3_200):
        config = settings("cnn_rgb48", Augmentation())
        our_fit(random_data("cnn_rgb48", count), dataclasses.replace(config, epochs=1))
        print(f"{count:,} images of 48 x 48 x 3: {devices.Usage()()['memory_mb']:,} MB held after an epoch")


def settings(spec_id: str, augmentation: Augmentation) -> TrainingConfig:
    values = {**specs.get(spec_id).training, "epochs": 2, "augmentation": augmentation}
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


def bare_fit(data: Data, config: TrainingConfig) -> float:
    """Images a second in the second epoch of model.fit(array, array)."""
    network = worker.build(config, 7)
    network.compile(
        keras.optimizers.AdamW(config.learning_rate), "categorical_crossentropy", metrics=["accuracy"]
    )
    images = np.asarray(data.images, np.float32)
    inputs = images if data.points is None else [images, data.points]
    return second_epoch(network, inputs, len(images), y=data.split.targets, batch_size=config.batch_size)


def second_epoch(network: keras.Model, inputs, count: int, **options) -> float:
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    network.fit(inputs, epochs=2, verbose=0, callbacks=[clock], **options)
    return count / (ends[1] - ends[0])


def our_fit(data: Data, config: TrainingConfig) -> float:
    """Images a second in the last epoch of the trainer, reports and stop checks included; validation and
    checkpoints, which a bare fit has not, are left out of the time."""
    few = dataclasses.replace(data, rows=data.rows[:64], split=_first(data.split, 64))
    times: list[float] = []

    events: list[dict] = []
    watch = trainer._Watch.on_epoch_begin, trainer._Watch.on_epoch_end

    def begin(self, epoch, logs=None):
        watch[0](self, epoch, logs)
        times.append(-time.perf_counter())

    def end(self, epoch, logs=None):
        times[-1] += time.perf_counter()
        watch[1](self, epoch, logs)

    trainer._Watch.on_epoch_begin, trainer._Watch.on_epoch_end = begin, end
    try:
        with tempfile.TemporaryDirectory() as folder:
            stop = (Path(folder) / "stop").exists
            network = worker.build(config, 7)
            task, usage = specs.get(config.spec).task, devices.Usage()
            trainer.fit(network, data, few, config, task, Path(folder), events.append, stop, usage)
    finally:
        trainer._Watch.on_epoch_begin, trainer._Watch.on_epoch_end = watch
    return len(data.rows) // config.batch_size * config.batch_size / times[-1]


def _first(split: Split, count: int) -> Split:
    return Split(split.frame[:count], split.targets[:count], None)


if __name__ == "__main__":
    main(*sys.argv[1:])
