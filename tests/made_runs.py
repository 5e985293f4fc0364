"""Run folders as workers would leave them, without any; and their page as a visitor finds it."""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library, specs
from fer_core.zoo.specs import EXPRESSION

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = pd.DataFrame({"image": ["a", "b"], "split": ["train", "validation"], "label": ["happy", "sad"]})


@contextmanager
def idle_workers(monkeypatch):
    """Workers that do nothing: each holds its run's lock meanwhile. Yields them by the run's id."""
    held: dict[str, int] = {}
    monkeypatch.setattr(runs, "_spawn", lambda run, lock: held.update({run.id: os.dup(lock.fileno())}))
    yield held
    for lock in held.values():
        os.close(lock)


def made(spec="mini_xception", epochs=8, manifest=MANIFEST, **changes):
    return runs.create(TrainingConfig(spec=spec, dataset="faces", epochs=epochs, **changes), manifest)


def at_work(run, workers):
    lock = (run.folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    workers[run.id] = os.dup(lock.fileno())
    lock.close()
    return run


def begin(run):
    run.append({"kind": "launched"})
    run.append({"kind": "device", "device": "2 × CPU", "devices": 2})
    run.append({"kind": "data", "train": 3000, "validation": 500, "left_out": {"copies of test images": 16}})


def epoch(run, number, value=None, seconds=10.0, **more):
    """The event of a whole epoch, with figures of the run's task that rise by 0.05 an epoch."""
    task = specs.get(run.config.spec).task
    value = 0.3 + 0.05 * number if value is None else value
    own = {"accuracy": value + 0.1, "macro_f1": value} if task is EXPRESSION else {}
    measured = {"val_" + figure: value for figure in task.figures}
    run.append(
        {"kind": "epoch", "epoch": number, "epochs": run.config.epochs, "seconds": seconds, "best": True}
        | {"learning_rate": 0.002, "loss": 2 - value, "val_loss": 2.1 - value, **own, **measured, **more}
    )


def progress(run, number, step=50, **more):
    run.append(
        {"kind": "progress", "epoch": number, "epochs": run.config.epochs, "step": step, "steps": 100}
        | {"loss": 1.5, "accuracy": 0.55, "macro_f1": 0.5, "learning_rate": 0.0015}
        | {"images_per_second": 640.0, "memory_mb": 1204, "cpu_percent": 94, **more}
    )


def ended(run, state="finished", best=3, **more):
    task = specs.get(run.config.spec).task
    value = 0.3 + 0.05 * (best - 1)
    found = {"state": state, "model": None, "best_epoch": best, "figure": task.key, "value": value, **more}
    (run.folder / "result.json").write_text(json.dumps(found))
    return run


def trained(epochs=4, of=8, **changes):
    run = made(epochs=of, **changes)
    begin(run)
    for number in range(epochs):
        epoch(run, number)
    return run


def model(name, **record):
    """A model of that name in the library, with a validation record."""
    shipped = library.find(library.default_id())
    folder = workspace.folder("models") / name
    shutil.copytree(shipped.folder, folder)
    first = {**shipped.card.evaluations[0], "split": "validation", **record}
    replace(shipped.card, id=name, title=name, evaluations=[first]).write(folder)


def visit(**address):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/train.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def said(app):
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    parts = [element.value for kind in kinds for element in kind]
    parts += [element.proto.body for element in app.get("html")]
    parts += [element.proto.text for element in app.get("progress")]
    return "\n".join(parts).replace("\\", "")


def labels(app):
    return [b.label for b in app.button]


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def charts(app):
    """For each chart its alt text and what it is drawn from, by its title."""
    found = [(element.proto.alt, json.loads(element.proto.spec)) for element in app.get("echarts_chart")]
    return {alt.split(" by epoch")[0]: (alt, option) for alt, option in found}


def lines(chart, name):
    return [part for part in chart[1]["series"] if part["name"] == name]
