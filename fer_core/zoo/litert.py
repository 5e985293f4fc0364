"""Running a .tflite network: small, quick to load, and free of TensorFlow."""

import threading
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.errors import BadModel

CHUNK = 64
"""Most inputs in one pass: larger batches only cost memory."""


class Network:
    """One loaded .tflite file; safe to call from several threads (calls take turns)."""

    def __init__(self, path: Path):
        """Load and allocate.

        Raises:
            BadModel: not a LiteRT file, or one without named outputs.
        """
        try:
            # One thread: at 48 px two threads gain nothing and make the slow calls slower (measured).
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError, OSError) as error:
            raise BadModel(f"A network is a LiteRT file. Received: {path.name} ({error}).") from error
        self._input = next(iter(runner.get_input_details().values()))["index"]
        self._outputs = {name: detail["index"] for name, detail in runner.get_output_details().items()}
        if "probabilities" not in self._outputs:
            raise BadModel(f"A network has an output 'probabilities'. Received: {sorted(self._outputs)}.")
        self._shape = tuple(self._interpreter.get_input_details()[0]["shape"])
        self._lock = threading.Lock()

    def run(self, batch: np.ndarray, outputs: tuple[str, ...] = ("probabilities",)) -> dict[str, np.ndarray]:
        """Answer for (N, H, W, C) uint8 0..255.

        Args:
            batch: any N, also 0.
            outputs: which of "probabilities" (N, K), "embedding" (N, E) and "feature_map"
                (N, h, w, E) to return, all float32.
        """
        with self._lock:
            parts = [
                self._pass(batch[first : first + CHUNK], outputs)
                for first in range(0, max(len(batch), 1), CHUNK)
            ]
        return {name: np.concatenate([part[name] for part in parts])[: len(batch)] for name in outputs}

    def _pass(self, chunk: np.ndarray, outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        if len(chunk) == 0:
            chunk = np.zeros((1, *chunk.shape[1:]), np.uint8)
        if chunk.shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, chunk.shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shape = chunk.shape
        self._interpreter.set_tensor(self._input, chunk.astype(np.float32))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(self._outputs[name]) for name in outputs}
