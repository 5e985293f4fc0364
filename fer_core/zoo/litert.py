"""Running a .tflite network: small, quick to load, and free of TensorFlow."""

import threading
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.errors import BadModel

CHUNK, CHUNK_PIXELS = 64, 600_000
"""Most inputs and most pixels in one pass: larger batches only cost memory."""


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
        inputs = {name: detail["index"] for name, detail in runner.get_input_details().items()}
        # The only input, or the pictures and then the landmarks.
        self._inputs = [inputs[name] for name in sorted(inputs)]
        self._outputs = {name: detail["index"] for name, detail in runner.get_output_details().items()}
        self._shape: tuple[int, ...] = ()
        self._lock = threading.Lock()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it can return."""
        return tuple(self._outputs)

    def run(
        self, batch: np.ndarray, outputs: tuple[str, ...], points: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Answer for (N, H, W, C) uint8 0..255.

        Args:
            batch: any N, also 0.
            outputs: which of "probabilities" (N, K) or another task's answer, "embedding" (N, E) and
                "feature_map" (N, h, w, E) to return, all float32.
            points: (N, 68, 2) float32 landmarks for a network that takes them.
        """
        given = [batch] if points is None else [batch, points]
        size = max(1, min(CHUNK, CHUNK_PIXELS // (batch.shape[1] * batch.shape[2])))
        with self._lock:
            parts = [
                self._pass([array[first : first + size] for array in given], outputs)
                for first in range(0, max(len(batch), 1), size)
            ]
        return {name: np.concatenate([part[name] for part in parts])[: len(batch)] for name in outputs}

    def _pass(self, chunk: list[np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        if len(chunk[0]) == 0:
            chunk = [np.zeros((1, *array.shape[1:]), array.dtype) for array in chunk]
        if chunk[0].shape != self._shape:
            for index, array in zip(self._inputs, chunk, strict=True):
                self._interpreter.resize_tensor_input(index, array.shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shape = chunk[0].shape
        for index, array in zip(self._inputs, chunk, strict=True):
            self._interpreter.set_tensor(index, array.astype(np.float32))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(self._outputs[name]) for name in outputs}
