"""From a trained Keras network to the files that ship. Runs in worker processes only."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from fer_core.errors import BadModel
from fer_core.zoo import litert

OUTPUTS = ("probabilities", "embedding", "feature_map")
TOLERANCE = 1e-4
"""Largest difference in probability between Keras and LiteRT that passes."""


def write_model(network: keras.Model, probe: np.ndarray, folder: Path) -> None:
    """Write model.keras, model.tflite and probe.npz, and prove that the second equals the first.

    Args:
        network: (N, H, W, C) 0..255 to probabilities, with layers "embedding" and "feature_map".
        probe: (P, H, W, C) uint8 inputs whose probabilities are stored for every later load.

    Raises:
        BadModel: the LiteRT file answers differently.
    """
    network.save(folder / "model.keras")
    expected = network.predict_on_batch(probe.astype(np.float32))
    serving = keras.Model(
        network.input,
        {
            "probabilities": network.output,
            "embedding": network.get_layer("embedding").output,
            "feature_map": network.get_layer("feature_map").output,
        },
    )
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.tflite"
        serving.export(target, format="litert", verbose=False)
        (folder / "model.tflite").write_bytes(target.read_bytes())
    np.savez_compressed(folder / "probe.npz", inputs=probe, probabilities=expected.astype(np.float32))
    got = litert.Network(folder / "model.tflite").run(probe)["probabilities"]
    worst = float(np.abs(got - expected).max())
    if not worst <= TOLERANCE:
        raise BadModel(
            f"LiteRT must agree with Keras within {TOLERANCE}. Received: a difference of {worst:.2g}."
        )
