"""Robustness and slices on the page: what is missing is measured, and a number leads to its faces."""

import dataclasses
import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core.evaluation import robustness, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Trial
from fer_core.imaging.disturbances import DISTURBANCES
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from pages._shared import jobs, resources, slices_view
from tests.drawn_dataset import picture, row, write

COUNT = 48


def limits():
    import streamlit as st

    from pages._shared import errors, resources, robustness_view

    with errors.guard():
        robustness_view.show(resources.store(), st.session_state["trial"], "labels")


def parts():
    import streamlit as st

    from pages._shared import errors, resources, slices_view

    with errors.guard():
        slices_view.show(resources.store(), st.session_state["trial"], "labels")


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture(autouse=True)
def loaded(predictor, monkeypatch):
    """Every model is the shipped one, loaded once."""
    monkeypatch.setattr(resources, "predictor", lambda id: predictor)


@pytest.fixture(autouse=True)
def nothing_kept():
    jobs._jobs().clear()
    slices_view._kept.clear()


@pytest.fixture
def store():
    store = resources.store()
    labels = ("happy", "sad", "surprise")
    write(
        store,
        [
            row(
                f"{'dark' if i < 24 else 'light'}/{i}.png",
                picture(i, 48) // 4 + 4 * i,
                labels[i % 3],
                "validation",
            )
            for i in range(COUNT)
        ],
        "mine",
    )
    return store


@pytest.fixture
def mine(store, predictor):
    """Answers that are right for the dark half."""
    asked = trial.rows(store, "mine", None, "validation")
    names = predictor.card.labels.names
    truth = np.array([names.index(label) for label in asked.frame["label"]])
    told = np.where(np.arange(COUNT) < 24, truth, np.roll(truth, 1))
    return Trial(predictor.card, asked, WHOLE, np.eye(len(names), dtype=np.float32)[told], frozenset())


def visit(script, shown, **address):
    app = AppTest.from_function(script, default_timeout=30)
    app.session_state["trial"] = shown
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def settled(app):
    """Run until no work goes on."""
    until = time.monotonic() + 30
    while jobs.running() and time.monotonic() < until:
        time.sleep(0.05)
    app.run()
    assert not app.exception and not app.error
    return app


def said(app):
    shown = (*app.markdown, *app.caption, *app.info, *app.subheader)
    return "\n".join(element.value for element in shown).replace("\\", "")


def charts(app):
    return [element.proto.alt for element in app.get("plotly_chart")]


def press(app, label):
    next(b for b in app.button if b.label == label).click()
    return app.run()


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(robustness, "SAMPLE", 6)


def test_robustness_is_measured_when_asked_and_then_drawn(store, mine, few):
    app = visit(limits, mine)
    assert charts(app) == []
    title = f"Measure {mine.card.title}"
    app = settled(press(app, title))
    assert len(charts(app)) == len(DISTURBANCES) and title not in [b.label for b in app.button]
    result = mine.result("labels")
    sample = result.among(robustness.drawn(result, 6))
    curves = robustness.known(mine.card, sample)
    assert curves is not None
    sentence = robustness.sentence(robustness.worst(curves))
    assert sentence.split(" (")[0] in said(app)
    mouth = next(alt for alt in charts(app) if "the mouth" in alt)
    each = next(each for each in DISTURBANCES if each.id == "mouth")
    assert f"as it is {sample.right.mean() * 100:.0f} %" in mouth
    assert mouth.endswith(f"125 {curves.at(each, 125).mean() * 100:.0f} %")
    pictures = "".join(element.proto.body for element in app.get("html"))
    assert pictures.count("<img") == sum(len(each.steps) for each in DISTURBANCES)
    assert len(app.dataframe[0].value) == sum(len(each.strengths) for each in DISTURBANCES)


def test_a_stopped_measurement_can_go_on(store, mine, few, monkeypatch):
    def stopped(*given):
        raise jobs.StopRequested

    with monkeypatch.context() as patch:
        patch.setattr(robustness, "measure", stopped)
        app = settled(press(visit(limits, mine), f"Measure {mine.card.title}"))
        assert "Stopped. What was measured is kept" in said(app) and charts(app) == []
    app = settled(press(app, "Go on measuring"))
    assert len(charts(app)) == len(DISTURBANCES) and "Stopped" not in said(app)


def test_a_point_leads_to_the_faces_that_it_turns_wrong(store, mine, few):
    result = mine.result("labels")
    robustness.measure(store, resources.predictor("any"), result.among(robustness.drawn(result, 6)))
    app = visit(limits, mine, turned="noise 50")
    curves = robustness.known(mine.card, result.among(robustness.drawn(result, 6)))
    noise = next(each for each in DISTURBANCES if each.id == "noise")
    lost = int(curves.turned(noise, 50).sum())
    assert "Turned wrong: deviation of the noise, grey levels, 50" in said(app)
    assert (f"**{lost} face" if lost else "No face is like that") in said(app)
    app = press(app, "Close")
    assert "Turned wrong" not in said(app) and "turned" not in app.query_params
    assert "Turned wrong" not in said(visit(limits, mine, turned="nonsense"))


def test_other_models_are_drawn_beside_it_on_the_same_faces(store, mine, few, monkeypatch):
    other = dataclasses.replace(mine.card, id="other", title="Other", temperature=2.0)
    cards = {mine.card.id: mine.card, "other": other}
    monkeypatch.setattr(resources, "models", lambda task=None: cards)
    second = dataclasses.replace(mine, card=other, answers=np.roll(mine.answers, 1, axis=0))
    monkeypatch.setattr("pages._shared.evaluation_choice.measured", lambda store, model, rows, faces: second)
    app = visit(limits, mine, also="other,nobody")
    assert app.multiselect[0].value == ["other"]
    app = settled(press(app, f"Measure {mine.card.title} and Other"))
    pictures = "".join(element.proto.body for element in app.get("html"))
    assert mine.card.title in pictures and "Other: " in pictures
    assert len(app.dataframe[0].value) == 2 * sum(len(each.strengths) for each in DISTURBANCES)
    app.multiselect[0].set_value([]).run()
    assert "also" not in app.query_params


def test_slices_are_measured_by_themselves_and_lead_to_errors(store, mine):
    app = settled(visit(parts, mine))
    assert "50.0 % ± " in said(app) and "Race and gender are never guessed" in said(app)
    drawn = charts(app)
    for title in ("Expression", "Brightness", "Sharpness", "Head turned", "Folder"):
        assert any(f"Accuracy by {title}: " in alt for alt in drawn)
    assert any("dark 100 % of 24, light 0 % of 24" in alt for alt in drawn)
    assert "Size: alike for all, 48 px." in said(app)
    assert "Folder, dark: **100.0 %** of 24; its expressions alone would give 50.0 %" in said(app)
    app.query_params["slice"] = "folder:light"
    app.run()
    assert "Errors: Folder, light" in said(app) and "**24 faces**" in said(app)
    app = press(app, "Close")
    assert "Errors" not in said(app)


def test_too_few_faces_are_said_to_be_too_few(store, mine):
    few = mine.rows.frame.head(6)
    rows = dataclasses.replace(mine.rows, frame=few)
    app = settled(visit(parts, dataclasses.replace(mine, rows=rows, answers=mine.answers[:6], _results={})))
    assert "too few to compare" in said(app)
