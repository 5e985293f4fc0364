"""Gradients of a model's answer, from one worker process that stays: TensorFlow stays out of the app.

The worker is started by the first question, ends by itself when nobody asks or when this process is gone,
and is started again when it is missed. Both sides speak in messages: the length as 8 bytes, then an npz
archive of arrays and, as one of them, a JSON object.
"""

import contextlib
import io
import json
import os
import select
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from fer_core import workspace
from fer_core.errors import BadModel, FerError
from fer_core.zoo import process
from fer_core.zoo.process import Progress

GRAD_CAM, GRADIENT = "grad-cam", "gradient"

CHUNK = 16
"""Faces in one message: between two messages the work can be stopped."""

IDLE_SECONDS = 300.0
"""How long a worker with nothing to do keeps its 600 MB of memory."""

ANSWER_SECONDS = 120.0
"""How long one message may take, the start of TensorFlow and the loading of the model included."""

_COMMAND = ("-m", "fer_core.zoo.gradient_worker")

_LENGTH = struct.Struct(">Q")

Message = tuple[dict, dict[str, np.ndarray]]


def maps(
    folder: Path,
    kind: str,
    images: np.ndarray,
    classes: np.ndarray,
    points: np.ndarray | None = None,
    draws: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """What the score of a class (before the softmax) depends on.

    Args:
        folder: of the model.
        kind: GRAD_CAM, at the layer "feature_map", as large as that is; or GRADIENT, as large as the input.
        images: (N, H, W, C) uint8 inputs of the network.
        classes: (N,) int, one class index for each.
        points: (N, 68, 2) float32 landmarks for a network that takes them.
        draws: GRADIENT only: the mean over so many copies with noise on them; 1 takes the picture as it is.
        progress: called with (done, in all, text) after each CHUNK.

    Returns:
        (N, h, w) float32, 0 or larger; the unit has no meaning.

    Raises:
        BadModel: the files cannot be used, the network has no such layer, or the worker died or took too
            long.

    Source: Selvaraju et al. 2017 (Grad-CAM); Simonyan et al. 2013 (gradient; the largest of the channels);
    Smilkov et al. 2017 (SmoothGrad, with noise of a tenth of the picture's range).
    """
    parts = []
    for first in range(0, len(images), CHUNK):
        some = slice(first, first + CHUNK)
        arrays = {"images": images[some], "classes": np.asarray(classes[some], np.int32)}
        if points is not None:
            arrays["points"] = points[some]
        parts.append(_worker.ask({"folder": str(folder), "kind": kind, "draws": draws}, arrays))
        if progress:
            done = min(first + CHUNK, len(images))
            progress(done, len(images), f"{done:,} of {len(images):,} faces looked into")
    return np.concatenate(parts)


def close() -> None:
    """End the worker, if there is one; the next question starts another."""
    _worker.close()


class Worker:
    """The process and the way to talk to it. Safe to share between threads: they take turns."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, answer_seconds: float = ANSWER_SECONDS):
        self._idle_seconds, self._answer_seconds = idle_seconds, answer_seconds
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """Of the running worker; None where there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def ask(self, said: dict, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """Send one message and wait for the "maps" of its answer; raises as `maps`."""
        with self._lock:
            fresh = self.process_id is None
            answer = self._exchange(said, arrays)
            if answer is None and not fresh:
                # It had ended just now because nobody had asked, or was killed for its memory.
                answer = self._exchange(said, arrays)
            if answer is None:
                status = self._process.wait() if self._process else None
                raise BadModel(
                    "The process that looks into networks must come to an answer. "
                    f"Received: it died, exit status {status}. The computer may be short of memory; "
                    "occlusion does without it."
                )
        told, found = answer
        if "error" in told:
            raise process.error(told)
        return found["maps"]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _exchange(self, said: dict, arrays: dict[str, np.ndarray]) -> Message | None:
        """The answer; None where the process died."""
        if self.process_id is None:
            self._start()
        running = self._process
        assert running is not None and running.stdin is not None and running.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            running.kill()

        # A read from a pipe waits for ever; when the other end is killed it returns.
        timer = threading.Timer(self._answer_seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            send(running.stdin, said, arrays)
            answer = receive(running.stdout)
        except OSError:
            answer = None
        except BaseException:
            # Whoever asks next must not get the answer to this question.
            running.kill()
            raise
        finally:
            timer.cancel()
        if answer is None:
            running.wait()
        if late.is_set():
            raise BadModel(
                f"A look into a network may take {self._answer_seconds:.0f} s. Received: one that takes "
                "longer. It was given up; occlusion may be quicker."
            )
        return answer

    def _start(self) -> None:
        self._end()
        self._process = subprocess.Popen(
            [sys.executable, *_COMMAND, str(self._idle_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Whoever ends the app with Ctrl-C shall see no traceback: the worker ends when its input does.
            start_new_session=True,
            cwd=workspace.SHIPPED_MODELS.parent,
            # A GPU is for training; one face is read as fast without.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None


def serve(work: Callable[[dict, dict[str, np.ndarray]], np.ndarray], idle_seconds: float) -> int:
    """The main of the worker: answer one message after the other with "maps", until the input ends or nobody
    has asked for so long."""
    # Libraries print to standard output as they please; from here on that goes where errors go.
    with os.fdopen(os.dup(1), "wb") as out, os.fdopen(os.dup(0), "rb") as source:
        os.dup2(2, 1)
        # Whoever asks waits for the answer: between two messages nothing is left in the buffer.
        while select.select([source], [], [], idle_seconds)[0]:
            message = receive(source)
            if message is None:
                break
            try:
                send(out, {}, {"maps": work(*message)})
            except FerError as error:
                send(out, {"error": str(error), "kind": type(error).__name__}, {})
            except Exception as error:  # noqa: BLE001 (whatever a foreign file sets off must come back as words)
                traceback.print_exc()
                words = f"The network could not be looked into. Received: {process.in_short(error)}."
                send(out, {"error": words}, {})
    return 0


def send(stream: IO[bytes], said: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write one message."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, said=np.array(json.dumps(said)), **arrays)
    stream.write(_LENGTH.pack(buffer.tell()) + buffer.getvalue())
    stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """Read one message; None at the end of the stream, also in the middle of one."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    return json.loads(str(arrays.pop("said"))), arrays


_worker = Worker()
