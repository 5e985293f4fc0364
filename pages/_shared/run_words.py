"""Runs in words: what they are called, how they stand, what their settings and figures are."""

import json
from datetime import datetime

from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo import specs
from fer_core.zoo.card import Card
from pages._shared import words
from pages._shared.history import History

AT_WORK = ("running", "stopping")

STATES = {
    "ready": "not started",
    "queued": "waits in line",
    "running": "at work",
    "stopping": "stopping",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "crashed": "crashed",
    "early": "finished early",
    "diverged": "diverged",
}
"""What a state, or the outcome of a finished run, is called."""


def name(config: TrainingConfig) -> str:
    """A run as people call it: its model's title, else its network's, and which fold it is."""
    fold = f", fold {config.fold + 1} of {config.folds}" if config.folds else ""
    return (config.title or config.name or specs.get(config.spec).title) + fold


def began(run: Run) -> str:
    """When it was set up, UTC."""
    return datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S").strftime("%Y-%m-%d %H:%M")


def standing(state: str, result: dict | None) -> str:
    """The state in two or three words, with the outcome where it has ended."""
    outcome = (result or {}).get("outcome", "")
    return STATES[outcome if state == "finished" and outcome in STATES else state]


def progress(told: History, config: TrainingConfig, state: str) -> tuple[float, str]:
    """How far a run at work is, 0..1, and in words."""
    if told.stage == "starting":
        return 0.0, "Starting: the worker loads TensorFlow"
    if told.stage == "preparing" and told.prepare:
        done, total = told.prepare["done"], told.prepare["total"]
        count = f": {done:,} of {total:,}" if total else ""
        return min(done / total, 1.0) if total else 0.0, f"Getting ready: {told.prepare['text']}{count}"
    if told.stage in ("exporting", "ended"):
        if config.folds:
            return 1.0, "Judging the images that it held back"
        return 1.0, "Writing the model and measuring it on the validation images"
    at = told.live["epoch"] if told.live else min(told.done, config.epochs - 1)
    parts = [f"Epoch {at + 1} of {config.epochs}"]
    if told.live:
        parts.append(f"step {told.live['step']:,} of {told.live['steps']:,}")
    left = told.seconds_left(config)
    if state == "stopping":
        parts.append("stopping after this batch")
    elif left is not None:
        # As yet the answer alone is learned: the epochs in which the features are take longer.
        more = "more than " if at < config.frozen_epochs < config.epochs else ""
        parts.append(f"{more}{words.duration(left)} left")
    return told.share(config), " · ".join(parts)


def settings(config: TrainingConfig) -> dict[str, str]:
    """Every option of a run in words, the random changes to its images under their own names."""
    values = json.loads(config.to_json())
    del values["schema_version"]
    changes = values.pop("augmentation")
    return (
        {"network": values.pop("spec")}
        | {key.replace("_", " "): _said(value) for key, value in values.items()}
        | {f"augmentation: {key}": _said(value) for key, value in changes.items()}
    )


def measured(card: Card) -> str:
    """The figure of a model on the images that it was chosen by, with its interval and n; "" without one."""
    wanted = card.training.get("targets")
    records = [record for record in card.evaluations if record["split"] == "validation"]
    if not records:
        return ""
    record = max(records, key=lambda record: record["kind"] == wanted)
    if card.task == specs.AFFECT.id:
        axes = [(axis, record[axis]) for axis in ("valence", "arousal")]
        each = [f"{axis} {r['ccc']:.3f} ({r['ccc_low']:.3f} to {r['ccc_high']:.3f})" for axis, r in axes]
        return f"CCC of {' and '.join(each)}, {words.many(record['n'], 'face')}"
    if card.task == specs.SIMILARITY.id:
        half = (record["accuracy_high"] - record["accuracy_low"]) * 50
        right = f"{words.percent(record['accuracy'])} ± {half:.1f}"
        return f"{right} of {words.many(record['n'], 'pair')} told right, ROC area {record['auc']:.3f}"
    return words.accuracy(record)


def _said(value: object) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
