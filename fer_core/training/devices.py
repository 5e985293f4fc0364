"""What a run computes on. Runs in worker processes only."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import tensorflow as tf

from fer_core.errors import BadInput
from fer_core.training.config import TrainingConfig

_GPU_EVERY = 10.0
"""Seconds between two questions to nvidia-smi, each of which costs 50 ms."""


def choose(config: TrainingConfig, report: Callable[[dict], None]) -> AbstractContextManager:
    """Set up the devices of a run, before TensorFlow touches any; the network is built within what returns.

    Raises:
        BadInput: a GPU is asked for where there is none.
    """
    gpus, cpus = tf.config.list_physical_devices("GPU"), tf.config.list_physical_devices("CPU")
    if config.device in ("gpu", "all") and not gpus:
        raise BadInput(
            f"A run on a GPU needs one that TensorFlow can use. Received: device={config.device!r}, and this "
            "machine shows none. Choose the CPU."
        )
    if config.threads:
        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if config.device.startswith("cpu"):
        tf.config.set_visible_devices([], "GPU")
    elif config.device == "gpu":
        tf.config.set_visible_devices(gpus[:1], "GPU")
    for gpu in gpus:
        # All of its memory at once would leave none for a second run.
        tf.config.experimental.set_memory_growth(gpu, True)
    count = 1
    if config.device.startswith("cpu:"):
        count = int(config.device[4:])
        pieces = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpus[0], pieces)
    elif config.device == "all":
        count = len(gpus)
    kind = "CPU" if config.device.startswith("cpu") or not gpus else "GPU"
    report({"kind": "device", "device": f"{count} × {kind}" if count > 1 else kind, "devices": count})
    if count == 1:
        return contextlib.nullcontext()
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(names).scope()


class Usage:
    """How busy this process keeps the machine; called about once a second."""

    def __init__(self) -> None:
        self.watches_gpu = bool(tf.config.get_visible_devices("GPU"))
        self.wall, self.cpu = time.monotonic(), time.process_time()
        self.gpu: dict[str, float] = {}
        self.asked_gpu = 0.0

    def __call__(self) -> dict[str, float]:
        """memory_mb, cpu_percent (of all processors, since the last call), and gpu_percent of a GPU."""
        wall, cpu = time.monotonic(), time.process_time()
        share = (cpu - self.cpu) / max(wall - self.wall, 1e-3) / (os.cpu_count() or 1)
        self.wall, self.cpu = wall, cpu
        if self.watches_gpu and wall - self.asked_gpu > _GPU_EVERY:
            self.asked_gpu, self.gpu = wall, _gpu()
        return {"memory_mb": round(_memory() / 1e6), "cpu_percent": round(100 * share), **self.gpu}


def _memory() -> int:
    """Bytes of memory that this process holds now (on macOS: its most so far). Pages of the memory map of
    images are not counted: the system takes them back whenever it needs room."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _gpu() -> dict[str, float]:
    query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=2, check=True).stdout
        rows = [[float(part) for part in line.split(",")] for line in answer.splitlines()]
        return {"gpu_percent": max(row[0] for row in rows), "gpu_memory_mb": sum(row[1] for row in rows)}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
