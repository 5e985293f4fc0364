"""Commands on models: train, stop, runs, models."""

import argparse
import dataclasses
import json
import math
import sys
import time
from pathlib import Path

from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.labels import LABEL_SETS
from fer_core.review import people
from fer_core.training import runs
from fer_core.training.config import SCHEDULES, Augmentation, TrainingConfig
from fer_core.zoo import library, specs

_APART = ("spec", "dataset", "version", "augmentation", "continued_at", "folds", "fold")
"""Options of a run that are given in another way than `--name VALUE`."""
_CHOICES = {
    "targets": ("labels", "votes", "answers"),
    "label_set": sorted(LABEL_SETS),
    "schedule": SCHEDULES,
    "class_weights": ("none", "balanced"),
    "affect_loss": ("ccc", "mse"),
    "similarity_loss": ("contrastive", "triplet"),
    "weights": ("scratch", "pretrained"),
    "precision": ("float32", "mixed_bfloat16"),
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("train", help="train a network; Ctrl-C stops it and keeps the best epoch")
    add.add_argument("spec", nargs="?", choices=sorted(specs.SPECS))
    add.add_argument("--data", metavar="NAME[@VERSION]")
    for option in _options():
        name, kind = "--" + option.name.replace("_", "-"), type(option.default)
        if kind is bool:
            add.add_argument(name, action=argparse.BooleanOptionalAction, default=None)
        else:
            known = kind if kind in (int, float) else int if option.name == "input_size" else str
            add.add_argument(name, type=known, choices=_CHOICES.get(option.name))
    add.add_argument(
        "--augment", action="append", metavar="NAME=VALUE", default=[], help="as rotation=15 or flip=0"
    )
    add.add_argument(
        "--config", type=Path, metavar="FILE", help="all options as JSON; the others win over it"
    )
    add.add_argument("--resume", metavar="RUN", help="go on with a run that stopped or crashed")
    add.add_argument(
        "--more", type=int, metavar="EPOCHS", help="with --resume: give a finished run more epochs"
    )
    add.add_argument("--detach", action="store_true", help="return at once; the run goes on")
    add.set_defaults(run=_train)

    add = commands.add_parser("stop", help="stop a run after its current batch")
    add.add_argument("id")
    add.set_defaults(run=_stop)

    commands.add_parser("runs", help="list training runs").set_defaults(run=_runs)
    commands.add_parser("models", help="list models").set_defaults(run=_models)


def _train(options: argparse.Namespace) -> int:
    if options.resume:
        run = runs.find(options.resume)
        if options.more:
            runs.extend(run, options.more)
    else:
        run = _started(options)
        print(f"run {run.id}")
    runs.launch(run)
    return 0 if options.detach else _follow(run)


def _started(options: argparse.Namespace) -> runs.Run:
    if options.targets != "answers":
        return runs.start(_config(options))
    options.targets = "votes"
    return people.start(Store.open(), _config(options))


def _config(options: argparse.Namespace) -> TrainingConfig:
    values: dict = {}
    if options.config:
        try:
            values = json.loads(options.config.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"--config takes a JSON file. Received: {options.config} ({error}).") from error
    if options.spec:
        values = {**specs.get(options.spec).training, **values, "spec": options.spec}
    if options.data:
        values["dataset"], _, version = options.data.partition("@")
        values["version"] = version or None
    for option in _options():
        if getattr(options, option.name) is not None:
            values[option.name] = getattr(options, option.name)
    if options.augment:
        values["augmentation"] = {**dict(values.get("augmentation", {})), **_augmentation(options.augment)}
    return TrainingConfig.from_dict(values)


def _options() -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(TrainingConfig) if f.name not in _APART]


def _augmentation(given: list[str]) -> dict[str, float | bool]:
    known = {f.name for f in dataclasses.fields(Augmentation)}
    settings: dict[str, float | bool] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if name not in known or math.isnan(number):
            raise BadInput(f"--augment takes NAME=NUMBER, of {', '.join(sorted(known))}. Received: {text!r}.")
        settings[name] = bool(number) if name == "flip" else number
    return settings


def _follow(run: runs.Run) -> int:
    """Print a run's events until it ends; Ctrl-C asks it to stop, a second one leaves it alone."""
    offset = 0
    while True:
        try:
            state = run.state()
            events, offset = run.events(offset)
            for event in events:
                _print_event(event)
            if state not in ("running", "stopping"):
                break
            time.sleep(0.5)
        except KeyboardInterrupt:
            if run.stop_requested():
                raise
            run.stop()
            print("stopping after this batch; the best epoch is kept", file=sys.stderr)
    result = run.result
    if result is None:
        print(
            f"the worker died; resume with: python -m fer_core train --resume {run.id}\n{run.log(5)}",
            file=sys.stderr,
        )
        return 1
    print(json.dumps(result))
    return 1 if result["state"] == "failed" else 0


def _print_event(event: dict) -> None:
    if event["kind"] == "data":
        print(
            f"{event['train']:,} images to train on, {event['validation']:,} to validate; "
            f"left out: {event['left_out']}"
        )
    elif event["kind"] == "leaks":
        counts = " and ".join(f"{n:,} {what}" for what, n in event["leaks_in"].items())
        print(f"WARNING: training sees {counts}; only leak-free figures count", flush=True)
    elif event["kind"] == "phase":
        print(f"{event['phase']}: {event['trainable']:,} weights learn", flush=True)
    elif event["kind"] == "warning":
        print(f"WARNING: {event['text']}", flush=True)
    elif event["kind"] == "epoch":
        star = " *" if event["best"] else ""
        figures = "  ".join(
            f"{name.removeprefix('val_').replace('_', ' ')} {value:.4f}"
            for name, value in event.items()
            if name.startswith("val_") and value is not None
        )
        print(
            f"epoch {event['epoch'] + 1}/{event['epochs']}  training loss {event['loss']:.4f}  "
            f"validation {figures}  {event['seconds']:.0f} s{star}",
            flush=True,
        )


def _stop(options: argparse.Namespace) -> int:
    runs.find(options.id).stop()
    return 0


def _runs(options: argparse.Namespace) -> int:
    for run in runs.runs():
        outcome = run.result or {}
        print(f"{run.id}  {run.state():9}  {run.config.dataset}  {_best(outcome)}")
    return 0


def _best(outcome: dict) -> str:
    return f"{outcome['figure'].replace('_', ' ')} {outcome['value']:.4f}" if "value" in outcome else ""


def _models(options: argparse.Namespace) -> int:
    for entry in library.entries():
        print(f"{entry.id}  {_in_short(entry)}")
    return 0


def _in_short(entry: library.Entry) -> str:
    if entry.card is None:
        return f"unusable: {entry.problem}"
    first = next(iter(entry.card.evaluations), None)
    if first is None:
        return _left_out_in_turn(entry.card.training.get("taught", {})) or "unmeasured"
    key = specs.TASKS[entry.card.task].key
    return f"{key} {first[key]:.3f} of {first['n']:,} ({first['dataset']} {first['split']})"


def _left_out_in_turn(taught: dict) -> str:
    """What is known of a taught model before it was measured; nothing of others."""
    score = taught.get("leave_one_out", {}).get(taught.get("kind"), {})
    return f"{score['right']} of {score['n']} examples, each left out in turn" if score.get("n") else ""
