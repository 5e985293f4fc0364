"""Did it help, as a visitor finds it: from the first version to the verdict."""

import dataclasses
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import ledger, versions
from fer_core.dataset.store import Store
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library
from pages._shared import jobs
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("happy", "sad", "neutral", "angry")


@pytest.fixture
def store():
    rows = [row(f"t{i}", picture(i, 48), NAMES[i % 4]) for i in range(12)]
    rows += [row(f"v{i}", picture(50 + i, 48), NAMES[i % 4], "validation") for i in range(8)]
    rows += [row(f"x{i}", picture(90 + i, 48), NAMES[i % 4], "test") for i in range(8)]
    workspace.root().mkdir(exist_ok=True)
    store = Store.open()
    drawn_dataset.write(store, rows)
    yield store
    store.close()


def corrected(store):
    """Two versions, with three labels between them; their manifests' ids."""
    first = versions.freeze(store, "faces", "before", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, "happy"), (21, "sad")], "Ada")
    return first.id, versions.freeze(store, "faces", "after", "Ada").id


def model(name, version, temperature=1.0):
    shipped = library.find("mini_xception_raw")
    folder = workspace.folder("models") / name
    shutil.copytree(shipped.folder, folder)
    config = TrainingConfig("mini_xception", "faces", seed=3, epochs=2)
    training = {
        "dataset": "faces",
        "version": version,
        "targets": "labels",
        "config": {**dataclasses.asdict(config)},
    }
    dataclasses.replace(
        shipped.card, id=name, title=name.title(), training=training, temperature=temperature
    ).write(folder)


def visit(**address):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/relabel.py")
    for key, value in {"data": "faces", "view": "proof", **address}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def settled(app):
    """Once the models have read all faces."""
    for _ in range(12):
        while jobs.running("trial"):
            time.sleep(0.05)
        app.run()
        if "The verdict" in " ".join(e.value for e in app.subheader) and app.table:
            return app
    raise AssertionError("no verdict")


def said(app):
    return " ".join(str(e.value) for kind in ("markdown", "caption", "info", "error") for e in app.get(kind))


def press(app, label):
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_the_first_step_is_a_version(store):
    app = visit()
    assert "Freeze the dataset as it is now" in said(app)
    app.text_input[0].set_value("Ada").run()
    press(app, "Freeze")
    assert [version.name for version in versions.versions(store, "faces")] == ["before relabelling"]
    assert "No label differs between the two" in said(app)
    ledger.relabel(store, [(1, "sad")], "Ada")
    app.run()
    assert "1 label** changed (1 in train), by 1 person" in said(app)
    press(app, "Freeze")
    assert app.query_params["new"] in ("relabelled", ["relabelled"])
    assert "No model has learned the labels" in said(app)


def test_training_again_is_one_click(store, monkeypatch):
    first, _ = corrected(store)
    model("old", first)
    monkeypatch.setattr(runs, "advance", lambda ended=None: None)
    app = visit(old="before", new="after")
    assert "3 labels** changed (2 in train, 1 in test), by 1 person" in said(app)
    press(app, "Train again")
    (run,) = runs.runs()
    assert (run.config.version, run.config.seed, run.config.title) == ("after", 3, "Old, after")
    assert run.state() == "queued" and "At work: **Old, after**" in said(app)


def test_the_verdict_sets_both_models_before_the_same_faces(store):
    first, second = corrected(store)
    model("old", first)
    model("new", second, temperature=2.0)
    app = settled(visit(old="before", new="after"))
    assert "No proof yet" in said(app) and "on the same 8 faces" in said(app)
    assert "Both are right, and wrong, on the very same faces" in said(app)
    table = app.table[0].value
    assert len(np.asarray(table)) == 2
    assert "1 label of this test differ" in said(app)


def test_a_model_of_votes_is_not_offered(store):
    first, _ = corrected(store)
    model("old", first)
    folder = workspace.folder("models") / "old"
    card = library.find("old").card
    dataclasses.replace(card, training={**card.training, "targets": "votes"}).write(folder)
    assert "No model has learned the labels" in said(visit(old="before", new="after"))
