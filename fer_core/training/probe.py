"""A few steps of a training on random pictures: how long they take and how much memory. A process of its
own (`training.estimate.probe` starts it); it leaves nothing behind.

    python -m fer_core.training.probe CONFIG.json TRAIN VALIDATION
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from fer_core import labels
from fer_core.dataset.intake import Progress
from fer_core.errors import BadInput, FerError
from fer_core.training import devices, estimate, objectives, trainer, worker
from fer_core.training.batches import Data
from fer_core.training.config import TrainingConfig
from fer_core.training.estimate import Probe
from fer_core.training.targets import Split
from fer_core.zoo import process, specs

STEPS = 5
"""Steps that are timed, after a first one that also translates the network for the processor."""

ENOUGH = 10.0
"""Seconds after which fewer will do."""


def main(arguments: list[str], progress: Progress) -> dict:
    """What was measured, and what it means for a run on TRAIN and VALIDATION images.

    Raises:
        BadInput: the network cannot be trained so on this machine.
    """
    config = TrainingConfig.from_dict(json.loads(Path(arguments[0]).read_text("utf-8")))
    train, validation = int(arguments[1]), int(arguments[2])
    try:
        found = measure(config, train, validation, progress)
    except FerError:
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise BadInput(
            f"A step must fit into memory. Received: batch_size={config.batch_size}, "
            f"input={config.input.width} px, which does not. Choose a smaller batch, input or network."
        ) from error
    except Exception as error:  # noqa: BLE001 (whatever TensorFlow does not like must come back as words)
        raise BadInput(
            f"A network must be trainable with its settings. Received: {process.in_short(error)}. "
            "Change them back, or choose another network."
        ) from error
    return {"probe": asdict(found), **asdict(estimate.scaled(found, config, train, validation))}


def measure(config: TrainingConfig, train: int, validation: int, progress: Progress) -> Probe:
    """Build the network as a run would, with random weights, and time it.

    Args:
        train, validation: images in each split; no more than a few batches of them are made up.

    Raises:
        BadInput: no such device.
    """
    began = time.monotonic()
    told: list[dict] = []
    scope = devices.choose(config, told.append)
    keras.utils.set_random_seed(config.seed)
    task, classes = specs.get(config.spec).task, len(labels.get(config.label_set))
    with scope:
        keras.mixed_precision.set_global_policy(config.precision)
        network = worker.learner(config, classes)
        to_train = _made_up(config, min(train, 2 * config.batch_size), classes)
        to_validate = _made_up(config, min(validation, 256), classes)
        objective = objectives.of(task, network, to_train, to_validate, config)
        progress(0, None, "the first step")
        step = _compiled(network, objective, config, frozen=False)
        step(0)
        start_seconds = time.monotonic() - began
        progress(0, None, "more steps")
        step_seconds = frozen_step_seconds = _timed(step)
        if config.frozen_epochs:
            progress(0, None, "steps of the answer alone")
            step = _compiled(network, objective, config, frozen=True)
            step(0)
            frozen_step_seconds = _timed(step)
        progress(0, None, "validation")
        inputs = to_validate.inputs(to_validate.rows)
        network.predict_on_batch(inputs)
        image_seconds = _timed(lambda _: network.predict_on_batch(inputs)) / len(to_validate.rows)
    return Probe(
        start_seconds=start_seconds,
        step_seconds=step_seconds,
        frozen_step_seconds=frozen_step_seconds,
        image_seconds=image_seconds,
        memory_mb=_peak_memory() / 1e6,
        parameters=network.count_params(),
        device=next(event["device"] for event in told if event["kind"] == "device"),
    )


def _compiled(
    network: keras.Model, objective: objectives.Objective, config: TrainingConfig, frozen: bool
) -> Callable[[int], object]:
    """What does the n-th step of a phase: pictures changed by chance, then learned from."""
    trainer.compile_phase(objective, network, config, frozen)
    batches = objective.batches
    return lambda number: objective.model.train_on_batch(*batches[number % len(batches)])


def _timed(step: Callable[[int], object]) -> float:
    """Seconds of a typical step."""
    times: list[float] = []
    while len(times) < STEPS and sum(times) < ENOUGH:
        began = time.perf_counter()
        step(len(times))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _peak_memory() -> int:
    """Bytes that this process held at most, without what lies in files and is read again when needed, as
    runs count it (devices.Usage)."""
    try:
        # Not getrusage: on Linux its figure begins with that of the process that started this one.
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return 1024 * (int(lines["VmHWM"].split()[0]) - int(lines["RssFile"].split()[0]))
    except (OSError, KeyError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _made_up(config: TrainingConfig, count: int, classes: int) -> Data:
    """Random pictures with targets of the run's kind."""
    random = np.random.default_rng(config.seed)
    images = random.integers(0, 256, (count, *config.input.shape), np.uint8)
    points = random.random((count, 68, 2), np.float32) if config.input.landmarks else None
    one_hot = np.eye(classes, dtype=np.float32)[np.arange(count) % classes]
    affect = specs.get(config.spec).task is specs.AFFECT
    targets = random.uniform(-1, 1, (count, 2)).astype(np.float32) if affect else one_hot
    split = Split(pd.DataFrame(index=range(count)), targets, one_hot if config.second_head else None)
    return Data(images, np.arange(count), split, points)


if __name__ == "__main__":
    sys.exit(process.serve(main))
