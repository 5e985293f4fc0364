"""From a trained Keras network to the files that ship. Runs in worker processes only."""

import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_core.errors import BadModel
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.zoo import litert
from fer_core.zoo.specs import Task

PROBES = 16
TOLERANCE = 1e-4
"""Largest difference in the answer between Keras and LiteRT that passes."""

LARGE = 200_000
"""Weights from which on a network is kept in half precision and served in bytes, where that costs little."""
HALVED_TOLERANCE = 5e-4
"""Largest difference in the answer that half precision may make."""
BYTES_TOLERANCE = 0.02
"""Largest share of faces whose likeliest class may be another when kernels are served as bytes."""

_HALF = {"optimizations": [tf.lite.Optimize.DEFAULT], "target_spec": {"supported_types": [tf.float16]}}
_BYTES = {"optimizations": [tf.lite.Optimize.DEFAULT]}


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
    faces: np.ndarray | None = None,
) -> None:
    """Write model.keras, model.tflite and probe.npz, and prove that the second answers as the first.

    A large network's kernels are rounded to half precision, in place, which halves both files. With faces to
    judge by, LiteRT gets them as 8-bit integers and rounds what flows between to such, too: several times as
    fast on a processor with instructions for it, and the same to the bit with and without them. Source: Jacob
    et al. 2018, arXiv:1712.05877; LiteRT's dynamic range quantisation.

    Args:
        network: (N, H, W, C) 0..255 to the task's answer, with layers "embedding" and "feature_map".
        probe: (P, H, W, C) uint8 inputs whose answers are stored for every later load.
        points: (P, 68, 2) float32 landmarks for a network that takes them.
        faces: (F, H, W, C) uint8 pictures that the network did not learn from, of expressions.

    Raises:
        BadModel: the LiteRT file answers differently.
    """
    large = network.count_params() >= LARGE
    if large:
        _round(network)
    network.save(folder / "model.keras")
    if large:
        _squeeze(folder / "model.keras")
    images = probe.astype(np.float32)
    expected = np.asarray(network.predict_on_batch(images if points is None else [images, points]))
    outputs = {
        "embedding": network.get_layer("embedding").output,
        "feature_map": network.get_layer("feature_map").output,
        task.output: network.output,
    }
    served = keras.Model(network.inputs if points is not None else network.inputs[0], outputs)
    target = folder / "model.tflite"

    def answers(settings: dict, pictures: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as scratch:
            written = Path(scratch) / target.name
            served.export(written, format="litert", verbose=False, **settings)
            target.write_bytes(written.read_bytes())
        return litert.Network(target).run(pictures, (task.output,), points)[task.output]

    # "probabilities" whatever the task, as in the first models that shipped.
    stored = {"inputs": probe, "probabilities": expected.astype(np.float32)}
    if points is not None:
        stored["landmarks"] = points
    if large and faces is not None:
        in_bytes = answers(_BYTES, np.concatenate([probe, faces]))
        likeliest = network.predict(faces.astype(np.float32), verbose=0).argmax(axis=1)
        if (in_bytes[len(probe) :].argmax(axis=1) != likeliest).mean() <= BYTES_TOLERANCE:
            _store(folder, stored | {"served": in_bytes[: len(probe)]})
            return
    _store(folder, stored)
    if large and np.abs(answers(_HALF, probe) - expected).max() <= HALVED_TOLERANCE:
        return
    worst = np.abs(answers({}, probe) - expected).max()
    if not worst <= TOLERANCE:
        raise BadModel(
            f"LiteRT must agree with Keras within {TOLERANCE}. Received: a difference of {worst:.2g}."
        )


def _store(folder: Path, probe: dict[str, np.ndarray]) -> None:
    """Inputs and Keras' answers, and "served" where LiteRT's are others."""
    np.savez_compressed(folder / "probe.npz", allow_pickle=False, **probe)


def _round(network: keras.Model) -> None:
    """Kernels and their like to half precision; what is small, as biases and statistics, stays as it is."""
    for variable in network.variables:
        if len(variable.shape) > 1:
            variable.assign(variable.numpy().astype(np.float16).astype(np.float32))


def _squeeze(path: Path) -> None:
    """Pack a .keras file anew with compression: rounded weights take little more than half."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / path.name
        with zipfile.ZipFile(path) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as tight:
            for name in plain.namelist():
                tight.writestr(name, plain.read(name))
        path.write_bytes(packed.read_bytes())
