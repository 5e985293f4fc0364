"""Taking an evaluation along from the page: what is offered, each made when it is asked for."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from drawn_dataset import picture, row, write
from streamlit.testing.v1 import AppTest

from fer_core.evaluation import document, tables, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Trial
from fer_core.labels import LabelSet
from fer_core.zoo import library
from pages._shared import resources

NAME = "my *faces* [x](http://evil)"


def script():
    import streamlit as st

    from pages._shared import errors, report_view, resources

    with errors.guard():
        report_view.show(resources.store(), st.session_state["trial"], "labels")


@pytest.fixture
def store():
    store = resources.store()
    labels = ["happy", "sad", "happy", "sad", "happy", "sad"]
    rows = [
        row(f"v{i}", picture(i), label, "validation", valence=i / 6, arousal=0.0)
        for i, label in enumerate(labels)
    ]
    write(store, rows, NAME)
    return store


@pytest.fixture
def offered(monkeypatch):
    """What the buttons would fetch, by label: (file name, what makes it)."""
    found, button = {}, st.download_button

    def remembered(label, data, file_name, **rest):
        assert callable(data)
        found[label] = (file_name, data)
        return button(label, data, file_name, **rest)

    monkeypatch.setattr(st, "download_button", remembered)
    return found


def shown(store, task="expression", answers=None, names=("happy", "sad")):
    card = dataclasses.replace(
        library.find(library.DEFAULT).card, task=task, labels=LabelSet("two", names), title="*mine*"
    )
    asked = trial.rows(store, NAME, None, "validation")
    answers = np.tile(np.array([0.75, 0.25], np.float32), (6, 1)) if answers is None else answers
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["trial"] = Trial(card, asked, WHOLE, answers, frozenset())
    app.run()
    assert not app.exception
    return app


def text(app):
    return " ".join(e.value for kind in (app.markdown, app.error) for e in kind)


def test_everything_is_offered_and_nothing_is_made_before_it_is_asked_for(store, offered, monkeypatch):
    made = []
    html, faces = document.html, tables.faces
    monkeypatch.setattr(document, "html", lambda *given: made.append("html") or html(*given))
    monkeypatch.setattr(tables, "faces", lambda *given: made.append("faces") or faces(*given))
    app = shown(store)
    assert made == [] and len(app.get("download_button")) == 5
    assert r"50\.0 %" in text(app) and "6 faces" in text(app) and "[x](" not in text(app)
    parts = {label: (name, make()) for label, (name, make) in offered.items()}
    assert sorted(made) == ["faces", "html"]
    assert len({name for name, _ in parts.values()}) == 5
    assert parts["Report (HTML)"][1].decode().startswith("<!doctype html>")
    record = json.loads(parts["Record (JSON)"][1])
    assert record["schema_version"] == 1 and record["accuracy"] == 0.5 and record["dataset"] == NAME
    tabled = {label: pd.read_csv(io.BytesIO(data)) for label, (_, data) in parts.items() if "CSV" in label}
    assert tabled["Matrix (CSV)"].to_numpy().tolist() == [["happy", 3, 0], ["sad", 3, 0]]
    assert tabled["Figures of each expression (CSV)"]["recall"].tolist() == [1, 0]
    assert tabled["Answers to 6 faces (CSV)"]["right"].mean() == 0.5


def test_valence_and_arousal_have_a_report_and_rows(store, offered):
    app = shown(store, "affect")
    assert list(offered) == ["Report (HTML)", "Record (JSON)", "Answers to 6 faces (CSV)"]
    assert "a CCC of" in text(app).replace("\\", "")
    assert b"valence predicted" in offered["Answers to 6 faces (CSV)"][1]()


def test_pairs_have_a_report_and_no_rows(store, offered):
    answers = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    app = shown(store, "similarity", answers)
    assert list(offered) == ["Report (HTML)", "Record (JSON)"] and "pairs" in text(app)


def test_classes_that_do_not_fit_are_said(store, offered):
    app = shown(store, names=("bored", "tired"))
    assert "must share classes" in text(app).replace("\\", "") and not offered
