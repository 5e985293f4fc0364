"""The run folder: the one truth about a training run, for the page, the command line and the worker.

    runs/<id>/
      config.json       what was asked for
      manifest.parquet  the exact rows, frozen at the start
      copies.json       near copies among their pictures, written by the worker
      events.jsonl      one JSON object a line, appended by the worker
      log.txt           what the worker printed
      lock              held by the worker while it lives
      stop              present when a stop was asked for
      queued            present while the run waits in line; its time says where
      note.txt          what somebody wrote about it
      checkpoint.npz    everything needed to resume after the last whole epoch
      held_out.npz      of a fold, what its network says of the images it held back (training/folds.py)
      result.json       the model that came of it

The worker inherits an flock on `lock`. The kernel frees it at any death, so there are no process
ids to grow stale: a run without a result whose lock is free is one that crashed or was stopped.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pandas as pd

from fer_core import labels, workspace
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.training import targets
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library

STATES = ("ready", "queued", "running", "stopping", "finished", "stopped", "failed", "crashed")


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
        if result is not None and not alive and not (self.folder / "queued").exists():
            return str(result["state"])
        if alive:
            return "stopping" if stopping else "running"
        if (self.folder / "queued").exists():
            return "queued"
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
        return [event for event in map(_event, whole.splitlines()) if event], offset + len(whole)

    def epochs(self) -> list[dict]:
        """The events of whole epochs, one each: of an epoch that was run again after a crash, the last."""
        by_epoch = {event["epoch"]: event for event in self.events()[0] if event["kind"] == "epoch"}
        return [by_epoch[epoch] for epoch in sorted(by_epoch)]

    def append(self, event: dict) -> None:
        """Write one event, with its time; called by the worker alone.

        A full disk must not end a training: what cannot be written is lost, and the empty line keeps a
        half-written event away from the next.
        """
        line = "\n" + json.dumps({"at": round(time.time(), 3), **event}) + "\n"
        try:
            with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            print(f"{event['kind']} not written: {error}", file=sys.stderr)

    @property
    def note(self) -> str:
        """What somebody wrote about the run; "" where nobody did."""
        path = self.folder / "note.txt"
        return path.read_text("utf-8") if path.exists() else ""

    def write_note(self, text: str) -> None:
        """Keep a note of at most 10,000 letters with the run; it replaces the one that was there."""
        part = self.folder / f".note.{os.getpid()}.part"
        part.write_text(text[:10_000], "utf-8")
        os.replace(part, self.folder / "note.txt")

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
        BadInput: the dataset cannot be learned from in this way, or the model to start from was taught on top
            of another.
        Conflict: a model of the wanted name is there already.
    """
    if config.name and (workspace.folder("models") / config.name).exists():
        raise Conflict(
            f"A model's name is given once. Received: {config.name!r}. Choose another or delete it."
        )
    if config.teacher:
        library.find(config.teacher)
    if config.start_from and not (library.find(config.start_from).folder / "model.keras").exists():
        raise BadInput(
            f"Training starts from a model with a model.keras. Received: {config.start_from}, without one. "
            "If it was taught on top of another, start from that one."
        )
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
    if run.state() == "finished":
        raise Conflict(
            f"A finished run is not started again. Received: {run.id}. "
            "Give it more epochs, or start a new one."
        )
    lock = (run.folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Conflict(f"A run has one worker at a time. Received: {run.id}, which is at work.") from None
    for stale in ("stop", "queued", "result.json"):
        (run.folder / stale).unlink(missing_ok=True)
    run.append({"kind": "launched"})
    with lock:
        return _spawn(run, lock)


def _spawn(run: Run, lock: IO) -> subprocess.Popen:
    """The one seam where a run gets a machine. Another engine (a cluster's) that takes its place must run
    `python -m fer_core.training.worker RUN_FOLDER` somewhere that sees the workspace, and hold `lock` for
    as long as that lives."""
    # The lock is inherited, so that there is no moment at which nobody holds it.
    os.set_inheritable(lock.fileno(), True)
    with (run.folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fer_core.training.worker", str(run.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            cwd=workspace.SHIPPED_MODELS.parent,
        )


def enqueue(run: Run) -> None:
    """Put a run in line, at once at work if nothing else is. One that stopped, crashed or failed resumes.

    Raises:
        Conflict: the run is at work already, or has finished.
    """
    if run.state() in ("running", "stopping", "finished"):
        raise Conflict(f"A run at work or finished does not wait in line. Received: {run.id}, {run.state()}.")
    (run.folder / "queued").write_text(f"{time.time():.6f}", "utf-8")
    advance()


def unqueue(run: Run) -> None:
    """Take a run out of the line; it stays as it was before."""
    (run.folder / "queued").unlink(missing_ok=True)


def queue() -> list[Run]:
    """The runs that wait, the next one first."""
    waiting = []
    for run in runs():
        try:
            waiting.append((float((run.folder / "queued").read_text("utf-8")), run))
        except (FileNotFoundError, ValueError):
            continue
    return [run for _, run in sorted(waiting, key=lambda pair: (pair[0], pair[1].id))]


def advance(ended: Run | None = None) -> Run | None:
    """Launch the next run in line unless one is at work; whoever comes second finds it launched.

    Workers call it when they end, pages whenever they show runs: a worker that was killed calls nothing.

    Args:
        ended: a run whose worker is about to exit and counts as gone.
    """
    with (workspace.folder("runs") / ".queue.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        busy = any(
            _locked(run.folder / "lock") for run in runs() if ended is None or run.folder != ended.folder
        )
        for run in [] if busy else queue():
            try:
                process = launch(run)
                # Until somebody asks how it ended, the kernel keeps a dead process on record.
                threading.Thread(target=process.wait, daemon=True).start()
                return run
            except Conflict:
                unqueue(run)
    return None


def extend(run: Run, epochs: int) -> None:
    """Give a run that finished or stopped more epochs; `enqueue` then goes on with it.

    Raises:
        BadInput: too many epochs.
        Conflict: the run is at work, or has not trained yet, or is one of several folds.
    """
    if run.config.folds:
        raise Conflict(
            f"All folds train equally long. Received: {run.id}, a fold. Start all of them with more epochs."
        )
    if run.state() not in ("finished", "stopped") or not run.epochs():
        raise Conflict(
            f"More epochs are for a run that finished or was stopped. Received: {run.id}, {run.state()}."
        )
    config = run.config
    done = config.epochs
    longer = replace(config, epochs=done + epochs, continued_at=(*config.continued_at, done))
    run.append({"kind": "extended", "epochs": longer.epochs})
    part = run.folder / ".config.part"
    part.write_text(longer.to_json(), "utf-8")
    os.replace(part, run.folder / "config.json")
    (run.folder / "result.json").unlink(missing_ok=True)


def delete(run: Run) -> None:
    """Remove a run's folder; a model that came of it stays.

    Raises:
        Conflict: the run is at work.
    """
    if run.state() in ("running", "stopping"):
        raise Conflict(f"A run at work is not deleted. Received: {run.id}. Stop it first.")
    # Out of sight in one step; what a crash leaves behind is hidden and goes with the next deletion.
    hidden = run.folder.with_name(f".{run.id}.deleted")
    os.rename(run.folder, hidden)
    for folder in hidden.parent.glob(".*.deleted"):
        shutil.rmtree(folder, ignore_errors=True)


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


def _event(line: bytes) -> dict | None:
    """None for what is no event: an empty line, or one that a full disk cut short."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _discard(part: Path) -> None:
    for path in part.glob("*"):
        path.unlink(missing_ok=True)
    if part.exists():
        part.rmdir()
