"""One training run in a process of its own: `python -m fer_core.training.worker RUN_FOLDER`.

The only process that imports TensorFlow. Everything it has to say goes into the run folder.
"""

import importlib
import json
import os
import platform
import shutil
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from fer_core import labels, workspace
from fer_core.dataset import arrays, duplicates, leaks, versions
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, slices
from fer_core.errors import BadInput, FerError
from fer_core.evaluation import report, results
from fer_core.imaging import landmarks
from fer_core.inference.predictor import Predictor
from fer_core.training import devices, folds, normalisation, runs, targets, trainer
from fer_core.training.batches import Data
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo import calibration, convert, library, pretrained, specs
from fer_core.zoo.card import Card
from fer_core.zoo.networks import face_resnet, transfer
from fer_core.zoo.specs import EXPRESSION

LIMITATIONS = [
    "It sees the picture of a face, not a feeling: people show less, more and other than they feel.",
    "Faces that are turned, covered, very small or badly lit are read worse than the figures say.",
    "It knows faces like those that it was trained on: whom they leave out, it knows less about.",
    "Not for decisions about people; in the EU not for use on people at work or in education "
    "(AI Act, Art. 5(1)(f)).",
]
_LEAKING = (
    "It was trained on copies of validation or test images, as was asked for: only its leak-free figures "
    "say how it does on new faces."
)
SETTLING = 128
"""Training images by which pretrained batch normalisation finds its statistics again."""

JUDGES = 256
"""Validation faces, at most and from all over, that decide whether a large network is served in bytes."""

_NO_MODEL = {"state": "stopped", "model": None, "error": "Stopped before the first epoch ended: no model."}


class _Stopped(Exception):
    """A stop was asked for before training began."""


def main(folder: str) -> int:
    """Run to the end; the exit status is 0 unless the run failed."""
    run = Run(Path(folder))
    try:
        result = work(run)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run folder must say so
        traceback.print_exc()
        words = str(error) if isinstance(error, FerError) else f"{type(error).__name__}: {error}"
        result = {"state": "failed", "error": words}
    run.append({"kind": result["state"], **result})
    part = run.folder / "result.json.part"
    part.write_text(json.dumps(result, indent=1), "utf-8")
    os.replace(part, run.folder / "result.json")
    runs.advance(ended=run)
    if run.config.folds and result["state"] == "finished":
        _collect(run)
    return 1 if result["state"] == "failed" else 0


def _collect(run: Run) -> None:
    """With the last fold of a set, write the findings; should that fail, the answers are there."""
    try:
        folds.finish(run)
    except FerError as error:
        run.append({"kind": "warning", "text": str(error)})


def work(run: Run) -> dict:
    """Train, export, measure, and move the model into the library; a fold leaves answers instead."""
    started = time.time()
    config, manifest = run.config, run.manifest
    spec, label_set = specs.get(config.spec), labels.get(config.label_set)
    scope = devices.choose(config, run.append)
    keras.utils.set_random_seed(config.seed)

    told = 0.0

    def prepared(done: int, total: int | None, text: str) -> None:
        nonlocal told
        if run.stop_requested():
            raise _Stopped
        if done <= 1 or time.monotonic() - told > 0.5:
            told = time.monotonic()
            run.append({"kind": "prepare", "done": done, "total": total, "text": text})

    try:
        near = _near_copies(run, config, manifest, prepared)
        train, validation, left_out = targets.prepare(manifest, config, label_set, near)
        run.append({"kind": "data", "train": len(train), "validation": len(validation), "left_out": left_out})
        leaks_in = _leaks_in(run, config, manifest, near)
        used = manifest[manifest["split"].isin(("train", "validation"))].reset_index(drop=True)
        images = arrays.build(Store.open(), used, config.input, prepared)
        points = arrays.landmarks(images, used, config.input, prepared) if config.input.landmarks else None
    except _Stopped:
        return _NO_MODEL
    position = pd.Series(np.arange(len(used)), index=used["sample"])
    to_train, to_validate = (
        Data(images, position.loc[split.frame["sample"]].to_numpy(), split, points)
        for split in (train, validation)
    )

    with scope:
        keras.mixed_precision.set_global_policy(config.precision)
        network = learner(config, len(label_set))
        if config.weights == "pretrained":
            _load_pretrained(network, spec, to_train)
        if config.start_from:
            _start_from(network, config.start_from)
        outcome = trainer.fit(
            network,
            to_train,
            to_validate,
            config,
            spec.task,
            run.folder,
            run.append,
            run.stop_requested,
            devices.Usage(),
        )
    if outcome == "diverged":
        run.append({"kind": "diverged"})
    history = run.epochs()
    if not history:
        if outcome == "diverged":
            raise BadInput(
                "Training must stay among numbers. Received: a loss that is none in the first epoch. "
                f"Lower the learning rate ({config.learning_rate:g})."
            )
        return _NO_MODEL

    figure = "val_" + spec.task.key
    best = max(history, key=lambda event: event[figure])
    result = {
        "state": "stopped" if outcome == "stopped" else "finished",
        "outcome": outcome,
        "model": None,
        "best_epoch": best["epoch"] + 1,
        "figure": spec.task.key,
        "value": best[figure],
    }
    if config.folds and outcome == "stopped":
        # Folds that learned for shorter than the others would judge otherwise: this one is to be resumed.
        return result
    run.append({"kind": "exporting"})
    part = run.folder / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    # Served networks count in float32, whatever they were trained in.
    keras.mixed_precision.set_global_policy("float32")
    served = build(config, len(label_set))
    served.set_weights(network.get_weights())
    probe = convert.probe_inputs(config.input, config.seed)
    convert.write_model(
        served,
        spec.task,
        probe,
        part,
        landmarks.of_crops(probe) if config.input.landmarks else None,
        _to_judge_by(to_validate, spec),
    )
    version = versions.manifest_id(manifest)
    card = Card(
        id=_free_name(config.name or f"{config.spec}-{run.id[:15]}", config),
        title=config.title or spec.title,
        spec=spec.id,
        labels=label_set,
        input=config.input,
        task=spec.task.id,
        flip_average=config.flip_average,
        parameters=served.count_params(),
        training={
            "dataset": config.dataset,
            "version": version,
            "run": run.id,
            "targets": config.targets,
            "images": {"train": len(train), "validation": len(validation)},
            "left_out": left_out,
            "leaks_in": leaks_in,
            "selected_on": f"{config.dataset} validation: the best {spec.task.key.replace('_', ' ')} "
            f"of {len(history)} epochs",
            "best_epoch": best["epoch"] + 1,
            "epochs": len(history),
            "seconds": round(sum(event["seconds"] for event in history)),
            "config": json.loads(config.to_json()),
        },
        environment={
            "python": platform.python_version(),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "processor": platform.machine(),
        },
        limitations=LIMITATIONS + [_LEAKING] * bool(leaks_in),
        licence={
            "weights": "MIT" if config.weights == "scratch" else f"MIT; began as {spec.pretrained}",
            "data": f"that of {config.dataset}",
        },
    )
    if spec.task is EXPRESSION:
        card = _calibrated(card, part, to_validate)
    card.write(part)
    if config.folds:
        held = targets.held_out(manifest, config, label_set, near)["sample"]
        folds.keep(run, held.to_numpy(), _answers(part, images, position.loc[held].to_numpy()))
        shutil.rmtree(part)
        for weights in (trainer.BEST, trainer.CHECKPOINT):
            (run.folder / weights).unlink(missing_ok=True)
        return {**result, "held_out": len(held), "seconds": round(time.time() - started, 1)}
    chosen = (used["split"] == "validation").to_numpy()
    known = {kind: results.names(manifest, kind) for kind in report.kinds(manifest)}
    evaluations = report.evaluate(
        Predictor.load(part), images[chosen], used[chosen], leaks.trained_on(used, near), known
    )
    where = {"dataset": config.dataset, "version": version, "split": "validation"}
    replace(card, evaluations=[{**where, **record} for record in evaluations]).write(part)
    os.replace(part, workspace.folder("models") / card.id)
    return {**result, "model": card.id, "seconds": round(time.time() - started, 1)}


def _to_judge_by(validation: Data, spec: specs.ModelSpec) -> np.ndarray | None:
    """Some faces that nothing was learned from, for networks that may be served in bytes."""
    if spec.task is not EXPRESSION or spec.input.landmarks:
        return None
    # Not the first ones: datasets are often sorted by class.
    every = -(-len(validation.rows) // JUDGES)
    return validation.images[validation.rows[::every]]


def learner(config: TrainingConfig, classes: int) -> keras.Model:
    """The network of `build` as it is trained: the same weights, learned in less time."""
    return normalisation.fused(build(config, classes))


def build(config: TrainingConfig, classes: int) -> keras.Model:
    """The network that a config asks for, with fresh weights."""
    spec = specs.get(config.spec)
    module, function = spec.builder.split(":")
    outputs = classes if spec.task is EXPRESSION else spec.task.outputs
    return getattr(importlib.import_module(module), function)(config.input.shape, outputs, **spec.options)


def _load_pretrained(network: keras.Model, spec: specs.ModelSpec, train: Data) -> None:
    """The weights of the spec's own source; the answer keeps those of chance."""
    path = pretrained.source(spec).path
    if spec.builder.startswith(transfer.__name__):
        transfer.load_pretrained(network, spec, path)
    elif path is None:
        raise BadInput(f"{spec.title} must find its weights. Received: {pretrained.source(spec).words}")
    else:
        face_resnet.load_pretrained(network, path, train.images[train.rows[:SETTLING]].astype(np.float32))


def _free_name(name: str, config: TrainingConfig) -> str:
    """A continued run makes a model beside the one that it made before."""
    if config.continued_at:
        name += f"-{config.epochs}"
    taken = workspace.folder("models")
    return next(n for n in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if not (taken / n).exists())


def _near_copies(
    run: Run, config: TrainingConfig, manifest: pd.DataFrame, progress: Progress
) -> dict[str, str]:
    """Near copies among the run's pictures: id -> id of the one that stands for its group.

    Kept in the run's folder, so that a resumed run leaves out what it left out before.
    """
    path = run.folder / "copies.json"
    if not path.exists() and config.folds:
        folds.take_copies(run)
    if not path.exists():
        found = duplicates.near_copies(Store.open(), config.dataset, manifest["image"], progress=progress)
        part = path.with_name("copies.json.part")
        part.write_text(json.dumps({"schema_version": 1, "group": found.group}), "utf-8")
        os.replace(part, path)
    return json.loads(path.read_text("utf-8"))["group"]


def _leaks_in(
    run: Run, config: TrainingConfig, manifest: pd.DataFrame, near: dict[str, str]
) -> dict[str, int]:
    """How many copies of validation and test images are trained on, because the config says so."""
    if config.leak_free:
        return {}
    found = {reason: count for reason, count in targets.leaking(manifest, near).items() if count}
    if found:
        run.append({"kind": "leaks", "leaks_in": found})
    return found


def _start_from(network: keras.Model, model_id: str) -> None:
    """Copy the weights of a model in the library, of all layers that fit: those of the features must, what
    answers may differ."""
    entry = library.find(model_id)
    source = keras.saving.load_model(entry.folder / "model.keras", compile=False, safe_mode=True)
    pairs = list(zip(source.layers, network.layers, strict=False))
    same = [[w.shape for w in a.get_weights()] == [w.shape for w in b.get_weights()] for a, b in pairs]
    features = _features(network)
    if _features(source) != features or not all(same[:features]):
        raise BadInput(
            "Training starts from a model of the same network, or of one with the same features. "
            f"Received: {model_id} for a {network.name}."
        )
    for (origin, layer), fits in zip(pairs, same, strict=True):
        if fits:
            layer.set_weights(origin.get_weights())


def _features(network: keras.Model) -> int:
    """How many layers there are up to the feature map; 0 without one."""
    return next((n for n, layer in enumerate(network.layers, 1) if layer.name == "feature_map"), 0)


def _answers(folder: Path, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(N, K) float32 calibrated probabilities for some rows of the pictures."""
    predictor = Predictor.load(folder)
    return np.concatenate([predictor.predict(images[some]) for some in slices(rows.tolist(), 1024)])


def _calibrated(card: Card, folder: Path, validation: Data) -> Card:
    """The card with a temperature and an answer threshold fitted on validation."""
    card.write(folder)
    raw = Predictor.load(folder).raw(validation.images[validation.rows])
    # Against the most frequent answer, also where votes were learned: confidence means "is right".
    truth = validation.split.targets.argmax(axis=1)
    temperature = calibration.fit_temperature(np.eye(raw.shape[1])[truth], raw)
    threshold = calibration.answer_threshold(truth, calibration.soften(raw, temperature))
    return replace(card, temperature=temperature, answer_threshold=threshold)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
