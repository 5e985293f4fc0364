"""From a trained Keras network to the files that ship. Runs in worker processes only."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from fer_core.errors import BadModel
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.zoo import litert
from fer_core.zoo.specs import Task

PROBES = 16
TOLERANCE = 1e-4
"""Largest difference in the answer between Keras and LiteRT that passes."""


def probe_inputs(spec: InputSpec, seed: int = 0) -> np.ndarray:
    """(PROBES, *spec.shape) uint8 smooth random blobs: they tell networks apart, and are nobody's photo."""
    random = np.random.default_rng(seed)
    coarse = [random.integers(0, 256, (side, side, 3), np.uint8) for side in range(4, 4 + PROBES)]
    return np.stack([to_input(blobs, None, spec) for blobs in coarse])


def write_model(
    network: keras.Model,
    task: Task,
    probe: np.ndarray,
    folder: Path,
    points: np.ndarray | None = None,
) -> None:
    """Write model.keras, model.tflite and probe.npz, and prove that the second equals the first.

    Args:
        network: (N, H, W, C) 0..255 to the task's answer, with layers "embedding" and "feature_map".
        probe: (P, H, W, C) uint8 inputs whose answers are stored for every later load.
        points: (P, 68, 2) float32 landmarks for a network that takes them.

    Raises:
        BadModel: the LiteRT file answers differently.
    """
    network.save(folder / "model.keras")
    images = probe.astype(np.float32)
    expected = np.asarray(network.predict_on_batch(images if points is None else [images, points]))
    outputs = {
        "embedding": network.get_layer("embedding").output,
        "feature_map": network.get_layer("feature_map").output,
        task.output: network.output,
    }
    inputs = network.inputs if points is not None else network.inputs[0]
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.tflite"
        keras.Model(inputs, outputs).export(target, format="litert", verbose=False)
        (folder / "model.tflite").write_bytes(target.read_bytes())
    # "probabilities" whatever the task, as in the first models that shipped.
    stored = {"inputs": probe, "probabilities": expected.astype(np.float32)}
    if points is not None:
        stored["landmarks"] = points
    np.savez_compressed(folder / "probe.npz", allow_pickle=False, **stored)
    got = litert.Network(folder / "model.tflite").run(probe, (task.output,), points)[task.output]
    worst = float(np.abs(got - expected).max())
    if not worst <= TOLERANCE:
        raise BadModel(
            f"LiteRT must agree with Keras within {TOLERANCE}. Received: a difference of {worst:.2g}."
        )
