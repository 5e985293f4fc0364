"""The run folder: the one truth about a training run, for the page, the command line and the worker.

    runs/<id>/
      config.json       what was asked for
      manifest.parquet  the exact rows, frozen at the start
      copies.json       near copies among their pictures, written by the worker
      events.jsonl      one JSON object a line, appended by the worker
      log.txt           what the worker printed
      lock              held by the worker while it lives
      stop              present when a stop was asked for
      checkpoint.npz    everything needed to resume after the last whole epoch
      result.json       the model that came of it

The worker inherits an flock on `lock`. The kernel frees it at any death, so there are no process
ids to grow stale: a run without a result whose lock is free is one that crashed or was stopped.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from fer_core import labels, workspace
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import Conflict, NotFound, StorageError
from fer_core.training import targets
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library

STATES = ("ready", "running", "stopping", "finished", "stopped", "failed", "crashed")


@dataclass(frozen=True)
class Run:
    """A handle on one run folder; holds no state of its own."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def config(self) -> TrainingConfig:
        return TrainingConfig.from_dict(json.loads((self.folder / "config.json").read_text("utf-8")))

    @property
    def manifest(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "manifest.parquet")

    @property
    def result(self) -> dict | None:
        """The worker's last word, or None while there is none."""
        path = self.folder / "result.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def state(self) -> str:
        """One of STATES. The lock is asked before the result is read: a worker that ends in between
        is then seen as finished, never as crashed."""
        alive = _locked(self.folder / "lock")
        stopping = (self.folder / "stop").exists()
        result = self.result
        if result is not None and not alive:
            return str(result["state"])
        if alive:
            return "stopping" if stopping else "running"
        return "crashed" if (self.folder / "events.jsonl").exists() else "ready"

    def events(self, offset: int = 0) -> tuple[list[dict], int]:
        """Events from a byte offset on, and the offset after them; a half-written line is left for later."""
        path = self.folder / "events.jsonl"
        if not path.exists():
            return [], 0
        with path.open("rb") as file:
            file.seek(offset)
            block = file.read()
        whole = block[: block.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines()], offset + len(whole)

    def append(self, event: dict) -> None:
        """Write one event, with its time; called by the worker alone."""
        line = json.dumps({"at": round(time.time(), 3), **event}) + "\n"
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)

    def stop(self) -> None:
        """Ask the worker to stop after the current batch; what was best so far becomes the model."""
        (self.folder / "stop").touch()

    def stop_requested(self) -> bool:
        return (self.folder / "stop").exists()

    def log(self, last: int = 50) -> str:
        """The last lines that the worker printed."""
        path = self.folder / "log.txt"
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-last:]) if path.exists() else ""


def start(config: TrainingConfig) -> Run:
    """A new run on the dataset that its config names; `launch` sets it going.

    Raises:
        NotFound: no such dataset, version, or model to start from.
        BadInput: the dataset cannot be learned from in this way.
        Conflict: a model of the wanted name is there already.
    """
    if config.name and (workspace.folder("models") / config.name).exists():
        raise Conflict(
            f"A model's name is given once. Received: {config.name!r}. Choose another or delete it."
        )
    if config.start_from:
        library.find(config.start_from)
    manifest = versions.manifest(Store.open(), config.dataset, config.version)
    targets.prepare(manifest, config, labels.get(config.label_set))
    return create(config, manifest)


def create(config: TrainingConfig, manifest: pd.DataFrame) -> Run:
    """Make the folder of a new run; it appears whole or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    base = workspace.folder("runs")
    for attempt in range(1000):
        run_id = f"{stamp}-{config.spec}" + (f"-{attempt}" if attempt else "")
        part = base / f".{run_id}.{os.getpid()}.part"
        try:
            part.mkdir()
            (part / "config.json").write_text(config.to_json(), "utf-8")
            manifest.to_parquet(part / "manifest.parquet", index=False)
            os.rename(part, base / run_id)
            return Run(base / run_id)
        except FileExistsError:
            continue
        except OSError as error:
            if (base / run_id).exists():
                _discard(part)
                continue
            _discard(part)
            raise StorageError(
                f"A run needs a writable workspace. Received: {base} ({error.strerror}). "
                "Free some space and retry."
            ) from error
    raise Conflict(f"Run names are made from the second. Received: 1,000 runs in {stamp}. Wait a second.")


def launch(run: Run) -> subprocess.Popen:
    """Start (or resume) the worker in a session of its own; it outlives whoever launched it.

    Raises:
        Conflict: the run is at work already, or has ended.
    """
    if run.state() in ("finished",):
        raise Conflict(f"A finished run is not started again. Received: {run.id}. Start a new one.")
    lock = (run.folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Conflict(f"A run has one worker at a time. Received: {run.id}, which is at work.") from None
    for stale in ("stop", "result.json"):
        (run.folder / stale).unlink(missing_ok=True)
    run.append({"kind": "launched"})
    # The lock is taken here and inherited, so that there is no moment at which nobody holds it.
    os.set_inheritable(lock.fileno(), True)
    with lock, (run.folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fer_core.training.worker", str(run.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            cwd=workspace.SHIPPED_MODELS.parent,
        )


def find(run_id: str) -> Run:
    """The run of that id.

    Raises:
        NotFound: no such run.
    """
    if (
        not re.fullmatch(r"[\w-]+", run_id)
        or not (workspace.folder("runs") / run_id / "config.json").exists()
    ):
        raise NotFound.of("run", run_id, (run.id for run in runs()))
    return Run(workspace.folder("runs") / run_id)


def runs() -> list[Run]:
    """All runs, newest first."""
    folders = workspace.folder("runs").glob("[!.]*/config.json")
    return [Run(path.parent) for path in sorted(folders, reverse=True)]


def _locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _discard(part: Path) -> None:
    for path in part.glob("*"):
        path.unlink(missing_ok=True)
    if part.exists():
        part.rmdir()
