"""Work on model files in a process of its own: TensorFlow stays out of the app, and a bad file harms nobody.

A worker is a module whose main is `serve(work)`. It writes JSON objects to its standard output, one a
line: {"done", "total", "text"} on the way, and last {"result"} or {"error", "kind"}.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from typing import IO

from fer_core import workspace
from fer_core.errors import BadInput, BadModel, Conflict, FerError, NotFound, StorageError

Progress = Callable[[int, int | None, str], None]
"""progress(done, total or None, text); stopping is an exception from it."""

_KINDS = {kind.__name__: kind for kind in (BadInput, BadModel, Conflict, NotFound, StorageError)}
_TICK = 0.2
"""s between two looks at whether a stop was asked for."""


def run(module: str, *arguments: object, progress: Progress | None = None, seconds: float = 900) -> dict:
    """Run a worker to its end and return its result; it is killed when the caller is stopped.

    Args:
        seconds: how long it may take.

    Raises:
        FerError: the worker's own words, of the kind that it raised.
        BadModel: it died, or took too long.
    """
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd=workspace.SHIPPED_MODELS.parent,
            text=True,
        )
        assert worker.stdout is not None
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(worker.stdout, lines), daemon=True)
        reader.start()
        try:
            return _follow(worker, lines, progress, seconds)
        finally:
            worker.kill()
            worker.wait()
            reader.join()
            worker.stdout.close()


def serve(work: Callable[[list[str], Progress], dict]) -> int:
    """The main of a worker: do the work that the arguments ask for, and say how it went."""
    # Libraries print to standard output as they please; from here on that goes where errors go.
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8") as out:
        os.dup2(2, 1)

        def say(**values: object) -> None:
            out.write(json.dumps(values) + "\n")

        try:
            result = work(sys.argv[1:], lambda done, total, text: say(done=done, total=total, text=text))
            say(result=result)
        except FerError as error:
            say(error=str(error), kind=type(error).__name__)
        except MemoryError:
            say(error="A model must fit into the memory that it is given here. Received: a larger one.")
        except Exception as error:  # noqa: BLE001 (whatever a foreign file sets off must come back as words)
            traceback.print_exc()
            say(error=f"The file could not be worked on. Received: {in_short(error)}.")
    return 0


def error(values: dict) -> FerError:
    """What a worker said went wrong, {"error", "kind"}, as the error that it was there."""
    return _KINDS.get(values.get("kind", ""), BadModel)(values["error"])


def in_short(error: Exception) -> str:
    """The first words of a foreign error, for the middle of a sentence."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first[:200].rstrip(".")


def _follow(
    worker: subprocess.Popen, lines: "queue.Queue[str | None]", progress: Progress | None, seconds: float
) -> dict:
    until = time.monotonic() + seconds
    said: tuple[int, int | None, str] = (0, None, "starting")
    while True:
        if progress:
            progress(*said)
        if time.monotonic() > until:
            raise BadModel(
                f"Work on a model file may take {seconds:.0f} s. Received: a file that takes longer. "
                "It was given up; nothing was kept."
            )
        try:
            line = lines.get(timeout=_TICK)
        except queue.Empty:
            continue
        if line is None:
            raise BadModel(
                "The process that works on a model file must come to an end. "
                f"Received: it died, exit status {worker.wait()}. The file may be damaged, or too large for "
                "this computer's memory; nothing was kept."
            )
        values = json.loads(line)
        if "error" in values:
            raise error(values)
        if "result" in values:
            return values["result"]
        said = values["done"], values["total"], values["text"]


def _read(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    """Hand on whole lines, then None; in a thread, since a read waits for ever."""
    for line in stream:
        lines.put(line)
    lines.put(None)
