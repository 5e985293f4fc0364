"""Images per second of the trainer against a bare model.fit with the same network, batch size and
augmentation on arrays that are ready in memory.

    python -m benchmarks.training [SPEC]
"""

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from fer_core.training import augmentation, trainer
from fer_core.training.config import TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import specs
from fer_core.zoo.networks import mini_xception

IMAGES, ROUNDS = 6400, 3


def main(spec_id: str = "mini_xception") -> None:
    spec = specs.get(spec_id)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, *spec.input.shape), np.uint8)
    targets = np.eye(7, dtype=np.float32)[random.integers(0, 7, IMAGES)]
    ratios = []
    for _ in range(ROUNDS):
        bare, ours = bare_fit(spec, images, targets), our_fit(spec, images, targets)
        ratios.append(ours / bare)
        print(
            f"{spec_id}: bare fit {bare:.0f} images/s, trainer {ours:.0f} images/s, ratio {ours / bare:.3f}"
        )
    print(f"median ratio {statistics.median(ratios):.3f}")


def config(spec: specs.ModelSpec) -> TrainingConfig:
    return TrainingConfig(spec=spec.id, dataset="benchmark", epochs=2)


def bare_fit(spec: specs.ModelSpec, images: np.ndarray, targets: np.ndarray) -> float:
    """Images a second in the second epoch of model.fit(array, array)."""
    settings = config(spec)
    network = mini_xception.build(spec.input.shape, 7)
    x = inputs = keras.Input(spec.input.shape)
    for layer in augmentation.layers(settings.augmentation, 0):
        x = layer(x)
    model = keras.Model(inputs, network(x))
    model.compile(keras.optimizers.AdamW(settings.learning_rate), "categorical_crossentropy")
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.fit(
        images.astype(np.float32),
        targets,
        batch_size=settings.batch_size,
        epochs=2,
        verbose=0,
        callbacks=[clock],
    )
    return IMAGES / (ends[1] - ends[0])


def our_fit(spec: specs.ModelSpec, images: np.ndarray, targets: np.ndarray) -> float:
    """Images a second in the second epoch of the trainer, its reports and stop checks included; the
    pass over validation images, which bare_fit has not, is left out by giving it 64 images."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        stored = np.memmap(Path(folder) / "images", np.uint8, "w+", shape=images.shape)
        stored[:] = images
        data = trainer.Data(
            stored, np.arange(IMAGES), Split(pd.DataFrame(index=range(IMAGES)), targets, None)
        )
        few = trainer.Data(stored, np.arange(64), Split(pd.DataFrame(index=range(64)), targets[:64], None))
        events: list[dict] = []
        network = mini_xception.build(spec.input.shape, 7)
        ends: list[float] = []

        def report(event: dict) -> None:
            if event["kind"] == "epoch":
                ends.append(time.perf_counter())
            events.append(event)

        trainer.fit(network, data, few, config(spec), Path(folder), report, (Path(folder) / "stop").exists)
    return IMAGES / (ends[1] - ends[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
