"""Out-of-fold predictions: what networks say of training images that they never saw.

A fold is an ordinary run that holds back a part of the training images (targets.held_out) and, instead of
a model, leaves what its network says of them. All folds of one dataset, in one state and with the same
settings, make a set: it judges every training image once.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core import labels
from fer_core.dataset import findings, versions
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.evaluation import label_quality
from fer_core.training import runs, targets
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo import specs

SCHEMA_VERSION = 1
HELD_OUT = "held_out.npz"
FINDING = "suspect"
FOLDS = 5
SPEC, PICTURES = "cnn_rgb48", 350_000
"""The network, and how many pictures each fold looks at, again and again."""
SMALL = 5000
"""Training images up to which batches are small: there would be too few steps otherwise."""

DOUBTFUL = 0.2
"""Probability of the label below which a sample that is confidently of another class is suspect: so that
more of them are wrong than right. On the practice dataset 59 in 100 are (all who are confidently of another
class: 14), and they are 79 in 100 of the wrong ones; by FER+'s votes 66 in 100 on FER2013 (57), and 42 in
100 of the wrong ones. The head of the queue is better: benchmarks/queues.py."""


@dataclass(frozen=True)
class FoldSet:
    """The folds of one dataset in one state, with the same settings.

    Attributes:
        config: that of the first fold.
        runs: the newest run of each fold, those that ended well before others; None where there is none.
    """

    dataset: str
    config: TrainingConfig
    runs: tuple[Run | None, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The folds that have not judged their images yet."""
        return tuple(fold for fold, run in enumerate(self.runs) if run is None or not _judged(run))

    @property
    def state(self) -> str:
        """ "finished" with all folds; "running" or "queued" while there is something to wait for; else
        "incomplete"."""
        states = {run.state() for run in self.runs if run}
        # The last worker writes the findings before it ends.
        if states & {"running", "stopping"}:
            return "running"
        if not self.missing:
            return "finished"
        return "queued" if "queued" in states else "incomplete"

    @property
    def share(self) -> float:
        """The part of all epochs that is done, 0..1."""
        done = [
            0.0 if run is None else 1.0 if _judged(run) else len(run.epochs()) / self.config.epochs
            for run in self.runs
        ]
        return sum(done) / len(done)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Training images with their labels, and what networks say of them that never saw them.

    Attributes:
        samples: (N,) int64 ids, ascending.
        labels: (N,) int64 places in `classes`, as the networks were given them.
        probabilities: (N, K) float32, calibrated.
        runs: ids of the folds.
        missing: folds whose images are not among them.
    """

    dataset: str
    samples: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    runs: tuple[str, ...]
    missing: tuple[int, ...]


def settings(
    dataset: Dataset,
    train: int,
    version: str | None = None,
    spec: str | None = None,
    epochs: int | None = None,
) -> TrainingConfig:
    """What finds wrong labels well among so many training images; see benchmarks/queues.py.

    Raises:
        NotFound: no such network.
    """
    network, own = specs.get(spec or SPEC), dataset.label_set
    classes = max(
        labels.LABEL_SETS.values(),
        key=lambda one: (one.name == own.name, len(set(one.names) & set(own.names)), -len(one)),
    )
    wanted = {
        **network.training,
        "spec": network.id,
        "dataset": dataset.name,
        "version": version,
        "label_set": classes.name,
        "batch_size": 64 if train > SMALL else 16,
        # Small datasets need more passes for as many steps.
        "epochs": epochs or int(np.clip(round(PICTURES / max(train, 1)), 12, 60)),
    }
    return TrainingConfig.from_dict(wanted)


def start(config: TrainingConfig, folds: int = FOLDS) -> list[Run]:
    """Put a run for each fold in line.

    Raises:
        NotFound: no such dataset or version.
        BadInput: the dataset cannot be learned from in this way.
    """
    manifest = versions.manifest(Store.open(), config.dataset, config.version)
    configs = [replace(config, folds=folds, fold=fold, name=None) for fold in range(folds)]
    for each in configs:
        targets.prepare(manifest, each, labels.get(config.label_set))
    made = [runs.create(each, manifest) for each in configs]
    for run in made:
        runs.enqueue(run)
    return made


def resume(found: FoldSet) -> None:
    """Put those folds of a set in line again that stopped, crashed or failed."""
    for fold in found.missing:
        run = found.runs[fold]
        if run and run.state() not in ("queued", "running", "stopping"):
            runs.enqueue(run)


def keep(run: Run, samples: np.ndarray, probabilities: np.ndarray) -> None:
    """Write what a fold's network says of the images that it held back; called by the worker alone."""
    part = run.folder / "held_out.part.npz"
    np.savez_compressed(
        part,
        schema_version=SCHEMA_VERSION,
        samples=samples.astype(np.int64),
        probabilities=probabilities.astype(np.float32),
        classes=np.array(labels.get(run.config.label_set).names),
    )
    os.replace(part, run.folder / HELD_OUT)


def take_copies(run: Run) -> None:
    """Take over the near copies that another fold of the set has found, so that all are dealt alike."""
    for other in runs.runs():
        there, config = other.folder / "copies.json", other.config
        if config.folds and there.exists() and _key(other, config) == _key(run, run.config):
            part = run.folder / f"{there.name}.part"
            shutil.copyfile(there, part)
            os.replace(part, run.folder / there.name)
            return


def sets(dataset: str) -> list[FoldSet]:
    """The sets of folds of a dataset, the newest first."""
    found: dict[tuple[TrainingConfig, str], list[Run | None]] = {}
    for run in runs.runs():
        config = run.config
        if config.folds and config.dataset == dataset:
            slots = found.setdefault(_key(run, config), [None] * config.folds)
            there = slots[config.fold]
            if there is None or _judged(run) and not _judged(there):
                slots[config.fold] = run
    return [FoldSet(dataset, config, tuple(slots)) for (config, _), slots in found.items()]


def newest(dataset: str) -> FoldSet:
    """The newest set of folds of a dataset that has judged at least a part.

    Raises:
        NotFound: there is none.
    """
    judged = [found for found in sets(dataset) if len(found.missing) < len(found.runs)]
    if not judged:
        raise NotFound(
            f"Suspects come from folds that ended. Received: {dataset!r}, which has none. Start some first."
        )
    return judged[0]


def collect(folds: Sequence[Run | None]) -> OutOfFold:
    """Put together what the folds of a set say; those that have not ended are named as missing.

    Raises:
        BadInput: the runs are not folds of one set.
        Conflict: none of them has judged its images yet.
    """
    there = [run for run in folds if run is not None]
    keys = {_key(run, run.config) for run in there}
    if len(keys) != 1 or not there[0].config.folds:
        raise BadInput(
            "Folds belong together when dataset and settings are the same. "
            f"Received: {', '.join(run.id for run in there) or 'none'}. Take those of one set."
        )
    done = {run.config.fold: run for run in there if _judged(run)}
    if not done:
        raise Conflict(
            f"Out-of-fold answers come from folds that ended. Received: {', '.join(r.id for r in there)}, "
            "none of which has. Wait for them, or start them again."
        )
    config, manifest = there[0].config, there[0].manifest
    samples, answers = [], []
    for run in done.values():
        with np.load(run.folder / HELD_OUT) as kept:
            samples.append(kept["samples"])
            answers.append(kept["probabilities"])
            classes = tuple(kept["classes"].tolist())
    order = np.argsort(np.concatenate(samples))
    ids = np.concatenate(samples)[order]
    given = manifest.set_index("sample")["label"].loc[ids]
    return OutOfFold(
        dataset=config.dataset,
        samples=ids,
        labels=given.map({name: place for place, name in enumerate(classes)}).to_numpy(np.int64),
        classes=classes,
        probabilities=np.concatenate(answers)[order],
        runs=tuple(done[fold].id for fold in sorted(done)),
        missing=tuple(fold for fold in range(config.folds) if fold not in done),
    )


def suspects(found: OutOfFold) -> pd.DataFrame:
    """The samples whose label is probably wrong, the most suspicious first: columns sample, label, instead
    (what the networks say) and score, one minus the label's probability."""
    confidence = label_quality.self_confidence(found.labels, found.probabilities)
    picked = label_quality.off_diagonal(found.labels, found.probabilities) & (confidence < DOUBTFUL)
    names = np.array(found.classes, object)
    frame = pd.DataFrame(
        {
            "sample": found.samples,
            "label": names[found.labels],
            "instead": names[found.probabilities.argmax(axis=1)],
            "score": 1 - confidence.astype(np.float64),
        }
    )
    return frame[picked].sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def write_findings(store: Store, found: OutOfFold) -> int:
    """Make the suspects findings of their dataset, in place of those that were there; how many they are.

    What was deleted or labelled otherwise since the folds began is left out.

    Raises:
        NotFound: no such dataset.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    if findings.summary(store, found.dataset) is None:
        findings.check(store, found.dataset)
    now = versions.manifest(store, found.dataset)[["sample", "label"]]
    rows = suspects(found).merge(now, on=["sample", "label"])
    findings.replace(store, found.dataset, FINDING, rows)
    return len(rows)


def finish(run: Run) -> None:
    """Called by the worker of a fold that ended: the last of a set writes the findings."""
    for found in sets(run.config.dataset):
        if run in found.runs and not found.missing:
            write_findings(Store.open(), collect(found.runs))


def _judged(run: Run) -> bool:
    return (run.folder / HELD_OUT).exists()


def _key(run: Run, config: TrainingConfig) -> tuple[TrainingConfig, str]:
    path = run.folder / "manifest.parquet"
    return replace(config, fold=0), _digest(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, written: int) -> str:
    """Tells manifests apart: the folds of one start have the same bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
