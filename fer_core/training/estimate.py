"""How long a run would take and what it would need: measured by a short probe in a process of its own,
kept, and scaled to any number of images and epochs."""

import hashlib
import json
import math
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fer_core import labels, workspace
from fer_core.dataset.intake import Progress
from fer_core.errors import BadInput, BadModel
from fer_core.training.config import TrainingConfig
from fer_core.zoo import process, specs

SCHEMA_VERSION = 1

DISK_A_WEIGHT = 36
"""Bytes of disk for each weight: checkpoint (weights and two moments of AdamW) and the one that replaces
it, the best epoch, and the two files of the model."""

PROBE = "fer_core.training.probe"
"""The module, by name: it imports TensorFlow."""

LONGEST = 600
"""Seconds that a probe may take."""

_BUSY = 0.5
"""Work in line for each processor beyond which a machine counts as busy."""


@dataclass(frozen=True)
class Probe:
    """What `training.probe` measured on this machine; it holds for any number of images and epochs.

    Attributes:
        start_seconds: from nothing to the end of the first step.
        step_seconds: one training step on a batch, augmentation included.
        frozen_step_seconds: the same while the features are frozen.
        image_seconds: one validation image.
        memory_mb: what the process held at most, without what lies in files.
        parameters: weights of the network.
        device: what it ran on, in words.
        busy: whether the machine had other work meanwhile, so that it would be quicker alone.
    """

    start_seconds: float
    step_seconds: float
    frozen_step_seconds: float
    image_seconds: float
    memory_mb: float
    parameters: int
    device: str
    busy: bool = False


@dataclass(frozen=True)
class Estimate:
    """One run.

    Attributes:
        seconds_per_epoch: once the features learn.
        seconds: the whole run.
        disk_mb: the array of images, and the run's and the model's files.
    """

    seconds_per_epoch: float
    seconds: float
    memory_mb: float
    disk_mb: float
    parameters: int


def key(config: TrainingConfig) -> str:
    """What a probe's findings are kept by: all that changes the time of a step, and nothing else."""
    settings = {
        name: getattr(config, name)
        for name in (
            "spec", "targets", "batch_size", "precision", "device", "threads", "unfrozen_layers",
            "class_weights", "affect_loss",
        )
    }  # fmt: skip
    switched = {name: bool(value) for name, value in asdict(config.augmentation).items()}
    more = {
        "classes": len(labels.get(config.label_set)),
        "input": asdict(config.input),
        "frozen": bool(config.frozen_epochs),
        "second_head": bool(config.second_head),
        "teacher": config.teacher,
    }
    content = json.dumps([SCHEMA_VERSION, settings, switched, more], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def known(config: TrainingConfig) -> Probe | None:
    """What an earlier probe of this network with these settings measured, or None."""
    try:
        content = json.loads(_path(config).read_text("utf-8"))
        return Probe(**content["probe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def probe(config: TrainingConfig, train: int, validation: int, progress: Progress | None = None) -> Probe:
    """Measure, in a process that ends afterwards, and keep what was found.

    Args:
        train, validation: images in each split.
        progress: called a few times a second; what it raises ends the process.

    Raises:
        BadInput: the network cannot be built or trained so on this machine; the message says why.
    """
    busy = os.getloadavg()[0] > _BUSY * (os.cpu_count() or 1)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(config.to_json())
        file.flush()
        try:
            result = process.run(PROBE, file.name, train, validation, progress=progress, seconds=LONGEST)
        except BadModel as error:
            raise BadInput(
                "A trial must come to its end. Received: its process died, as happens when memory runs out, "
                f"or took more than {LONGEST // 60} minutes. Choose a smaller batch, input or network."
            ) from error
    found = replace(Probe(**result["probe"]), busy=busy)
    part = _path(config).with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "probe": asdict(found)}), "utf-8")
    os.replace(part, _path(config))
    return found


def scaled(found: Probe, config: TrainingConfig, train: int, validation: int) -> Estimate:
    """What a probe means for a run on so many images."""
    learned = config.pairs if specs.get(config.spec).task is specs.SIMILARITY else train
    steps, validating = max(1, learned // config.batch_size), validation * found.image_seconds
    frozen = min(config.frozen_epochs, config.epochs)
    each = steps * found.step_seconds + validating
    pixels = (train + validation) * math.prod(config.input.shape)
    return Estimate(
        seconds_per_epoch=each,
        seconds=found.start_seconds
        + frozen * (steps * found.frozen_step_seconds + validating)
        + (config.epochs - frozen) * each,
        memory_mb=found.memory_mb,
        disk_mb=(pixels + DISK_A_WEIGHT * found.parameters) / 1e6,
        parameters=found.parameters,
    )


def memory_mb() -> float:
    """Memory of this machine, or what a container may use of it, MB."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        there = min(there, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass
    return there / 1e6


def free_disk_mb() -> float:
    """Room in the workspace, MB."""
    return shutil.disk_usage(workspace.root()).free / 1e6


def gpus() -> list[str]:
    """Names of this machine's NVIDIA GPUs, asked from the driver: TensorFlow would take seconds to say."""
    if program := shutil.which("nvidia-smi"):
        try:
            asked = subprocess.run(
                [program, "--query-gpu=name", "--format=csv,noheader"],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
            return [line.strip() for line in asked.stdout.splitlines() if line.strip()]
        except (OSError, subprocess.SubprocessError):
            return []
    found = Path("/proc/driver/nvidia/gpus").glob("*/information")
    texts = [path.read_text("utf-8", "replace") for path in sorted(found)]
    return [text.partition("Model:")[2].partition("\n")[0].strip() for text in texts]


def _path(config: TrainingConfig) -> Path:
    return workspace.folder("cache") / f"probe-{key(config)}.json"
