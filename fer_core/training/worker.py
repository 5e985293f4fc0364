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
from fer_core.dataset import arrays, duplicates, leaks, versions, votes
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, FerError
from fer_core.evaluation import report
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference.predictor import Predictor
from fer_core.training import targets, trainer
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo import calibration, convert, library, specs
from fer_core.zoo.card import Card

PROBES = 16
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
    return 1 if result["state"] == "failed" else 0


def work(run: Run) -> dict:
    """Train, export, measure, and move the model into the library."""
    started = time.time()
    config, manifest = run.config, run.manifest
    spec, label_set = specs.get(config.spec), labels.get(config.label_set)
    if config.threads:
        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(config.seed)
    keras.mixed_precision.set_global_policy(config.precision)

    def prepared(done: int, total: int | None, text: str) -> None:
        if run.stop_requested():
            raise _Stopped
        run.append({"kind": "prepare", "done": done, "total": total, "text": text})

    try:
        near = _near_copies(run, config, manifest, prepared)
        train, validation, left_out = targets.prepare(manifest, config, label_set, near)
        run.append({"kind": "data", "train": len(train), "validation": len(validation), "left_out": left_out})
        leaks_in = _leaks_in(run, config, manifest, near)
        used = manifest[manifest["split"].isin(("train", "validation"))].reset_index(drop=True)
        images = arrays.build(Store.open(), used, spec.input, prepared)
    except _Stopped:
        return _NO_MODEL
    position = pd.Series(np.arange(len(used)), index=used["sample"])
    to_train, to_validate = (
        trainer.Data(images, position.loc[split.frame["sample"]].to_numpy(), split)
        for split in (train, validation)
    )

    module, function = spec.builder.split(":")
    network = getattr(importlib.import_module(module), function)(spec.input.shape, len(label_set))
    if config.start_from:
        _start_from(network, config.start_from)
    if config.frozen:
        for layer in network.layers[:-1]:
            layer.trainable = False
    outcome = trainer.fit(network, to_train, to_validate, config, run.folder, run.append, run.stop_requested)
    if not (run.folder / trainer.BEST).exists():
        if outcome == "diverged":
            raise BadInput(
                "Training must stay among numbers. Received: a loss that is none in the first epoch. "
                f"Lower the learning rate ({config.learning_rate:g})."
            )
        return _NO_MODEL

    run.append({"kind": "exporting"})
    part = run.folder / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    convert.write_model(network, _probe(spec.input, config.seed), part)
    history = [event for event in run.events()[0] if event["kind"] == "epoch"]
    best = max(history, key=lambda event: event["val_accuracy"])
    version = versions.manifest_id(manifest)
    card = Card(
        id=config.name or f"{config.spec}-{run.id[:15]}",
        title=config.title or spec.title,
        spec=spec.id,
        labels=label_set,
        input=spec.input,
        flip_average=config.flip_average,
        parameters=network.count_params(),
        training={
            "dataset": config.dataset,
            "version": version,
            "run": run.id,
            "targets": config.targets,
            "images": {"train": len(train), "validation": len(validation)},
            "left_out": left_out,
            "leaks_in": leaks_in,
            "selected_on": f"{config.dataset} validation: the most accurate of {len(history)} epochs",
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
        licence={"weights": "MIT", "data": f"that of {config.dataset}"},
    )
    card = _calibrated(card, part, to_validate)
    card = replace(card, evaluations=_evaluations(part, config, version, used, images, near))
    card.write(part)
    destination = workspace.folder("models") / card.id
    os.replace(part, destination)
    return {
        "state": "finished" if outcome == "finished" else "stopped",
        "outcome": outcome,
        "model": card.id,
        "best_epoch": best["epoch"] + 1,
        "val_accuracy": best["val_accuracy"],
        "seconds": round(time.time() - started, 1),
    }


def _near_copies(
    run: Run, config: TrainingConfig, manifest: pd.DataFrame, progress: Progress
) -> dict[str, str]:
    """Near copies among the run's pictures: id -> id of the one that stands for its group.

    Kept in the run's folder, so that a resumed run leaves out what it left out before.
    """
    path = run.folder / "copies.json"
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
    """Copy the weights of a model in the library; the layer of the classes may differ."""
    entry = library.find(model_id)
    source = keras.saving.load_model(entry.folder / "model.keras", compile=False, safe_mode=True)
    pairs = list(zip(source.layers, network.layers, strict=False))
    same = [[w.shape for w in a.get_weights()] == [w.shape for w in b.get_weights()] for a, b in pairs]
    if len(source.layers) != len(network.layers) or not all(same[:-1]):
        raise BadInput(
            f"Training starts from a model of the same network. Received: {model_id} for a {network.name}."
        )
    for (origin, layer), fits in zip(pairs, same, strict=True):
        if fits:
            layer.set_weights(origin.get_weights())


def _calibrated(card: Card, folder: Path, validation: trainer.Data) -> Card:
    """The card with a temperature and an answer threshold fitted on validation."""
    card.write(folder)
    raw = Predictor.load(folder).raw(validation.images[validation.rows])
    # Against the most frequent answer, also where votes were learned: confidence means "is right".
    truth = validation.split.targets.argmax(axis=1)
    temperature = calibration.fit_temperature(np.eye(raw.shape[1])[truth], raw)
    threshold = calibration.answer_threshold(truth, calibration.soften(raw, temperature))
    return replace(card, temperature=temperature, answer_threshold=threshold)


def _evaluations(
    folder: Path,
    config: TrainingConfig,
    version: str,
    rows: pd.DataFrame,
    images: np.ndarray,
    near: dict[str, str],
) -> list[dict]:
    """Figures on validation for every kind of truth that the dataset has, taken as photos are served."""
    predictor = Predictor.load(folder)
    seen = leaks.trained_on(rows, near)
    chosen = (rows["split"] == "validation").to_numpy()
    frame = rows[chosen]
    probabilities = predictor.predict(images[chosen])
    kinds = ["labels"] + ["votes"] * bool(votes.names(rows))
    return [
        {
            "dataset": config.dataset,
            "version": version,
            "split": "validation",
            "copies": report.EXACT_AND_NEAR,
            **report.measure(probabilities, frame, kind, predictor.labels, seen),
        }
        for kind in kinds
    ]


def _probe(spec: InputSpec, seed: int) -> np.ndarray:
    """(PROBES, *spec.shape) uint8 smooth random blobs: they tell networks apart, and are nobody's photo."""
    random = np.random.default_rng(seed)
    coarse = [random.integers(0, 256, (side, side, 3), np.uint8) for side in range(4, 4 + PROBES)]
    return np.stack([to_input(blobs, None, spec) for blobs in coarse])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
