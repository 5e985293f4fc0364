"""Two models on the same faces: the sentence, the test in words, and the faces behind them."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset.store import Store
from fer_core.evaluation import compare, results, trial
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import library
from pages._shared import jobs, versus_view
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

ROOT = Path(__file__).resolve().parent.parent
TWO = (library.DEFAULT, "mini_xception_raw")
CLASSES = LabelSet("two", ("happy", "sad"))


def result(right, n=200):
    """Answers to n faces, those right at the given places."""
    truth = np.arange(n) % 2
    hit = np.isin(np.arange(n), right)
    probabilities = np.eye(2, dtype=np.float32)[np.where(hit, truth, 1 - truth)] * 0.8 + 0.1
    frame = pd.DataFrame({"sample": range(n), "image": list(map(str, range(n)))})
    frame["label"] = np.array(CLASSES.names, object)[truth]
    return results.of(probabilities, frame, "labels", CLASSES)


def test_a_proven_difference_is_said_with_its_interval_either_way():
    worse, better = result(range(100)), result(range(130))
    found = compare.pair(worse, better)
    said = versus_view.verdict(found, "Old", "New")
    span = f"({found.accuracy.low * 100:.1f} to {found.accuracy.high * 100:.1f})"
    assert said == f"**New** is better than **Old** by **15.0 points** {span} on the same 200 faces."
    back = versus_view.verdict(compare.pair(better, worse), "New", "Old")
    assert back.startswith("**Old** is worse than **New** by **15.0 points** (") and "-" not in back


def test_what_chance_may_give_is_no_proof():
    found = compare.pair(result(range(100)), result(range(1, 103)))
    said = versus_view.verdict(found, "Old", "New")
    assert said.startswith(
        "No proof that one is better: **New** reads 1.0 points more right on the same 200 faces"
    )
    assert versus_view.verdict(compare.pair(result(range(9)), result(range(9))), "a", "b").startswith(
        "No proof that one is better: Both read as many right"
    )


def test_mcnemar_in_words():
    found = compare.pair(result(range(100)), result(range(2, 104)))
    said = versus_view.chance(found, "Old", "New")
    assert said.startswith("4 faces only New reads right, 2 only Old.")
    assert f"in {found.p * 100:.2g} of 100 cases" in said
    clear = compare.pair(result(range(50)), result(range(150)))
    assert "less than 1 in 1,000 cases" in versus_view.chance(clear, "Old", "New")
    same = compare.pair(result(range(50)), result(range(50)))
    assert "very same faces" in versus_view.chance(same, "Old", "New")


def test_rows_of_the_matrices_are_shares_of_all_faces_even_of_those_not_found():
    found = result(range(0, 200, 2))
    found.probabilities[:50] = np.nan
    assert versus_view._shares(found, 2).sum(axis=1) == pytest.approx([0.75, 0.75])


@pytest.fixture
def store():
    st.cache_resource.clear()
    store = Store.open(workspace.root() / "studio.db")
    names = ("happy", "sad", "neutral", "angry", "contempt")
    rows = [row(f"f{i}", picture(i, 48), names[i % 5], "validation") for i in range(20)]
    drawn_dataset.write(store, rows, label_set=LabelSet("five", names))
    yield store
    jobs._jobs().clear()
    st.cache_resource.clear()


def visit(**address):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/evaluate.py")
    app.query_params["view"] = "versus"
    for key, value in address.items():
        app.query_params[key] = value
    for _ in range(4):
        app.run()
        until = time.monotonic() + 20
        while jobs.running() and time.monotonic() < until:
            time.sleep(0.02)
    assert not app.exception
    return app


def said(app) -> str:
    parts = [e.value for kind in (app.markdown, app.caption, app.warning, app.error, app.info) for e in kind]
    return "\n".join(parts).replace("\\", "")


@pytest.fixture
def expected(store):
    asked = trial.rows(store, "faces", None, "validation")
    one, other = (trial.run(store, Predictor.load(library.find(id).folder), asked).result() for id in TWO)
    return compare.pair(one, other)


def test_the_page_says_what_the_comparison_found(store, expected):
    app = visit(model=TWO[0], other=TWO[1])
    one, other = (library.find(id).card.title for id in TWO)
    text = said(app)
    assert not app.error
    assert versus_view.verdict(expected, one, other).replace("\\", "") in text
    assert "on the same 16 faces" in text
    assert "Left out, because only one of the two has an answer for them: 4 contempt." in text
    alike = int((~expected.one.right & expected.same).sum())
    sizes = [len(expected.only_other), len(expected.only_one), alike]
    (faces,) = (g for g in app.button_group if g.label == "Which faces")
    assert [option.content for option in faces.proto.options] == [
        f"{title} · {n}" for title, n in zip(("Gained", "Lost", "Both wrong alike"), sizes, strict=True)
    ]
    for which, n in zip(("other", "one", "both"), sizes, strict=True):
        app.query_params["which"] = which
        app.run()
        assert not app.exception and not app.error
        assert (f"**{n} face" in said(app)) == (n > 0)


def test_positions_are_those_of_the_trials_own_rows(store, expected):
    asked = trial.rows(store, "faces", None, "validation")
    whole = trial.run(store, Predictor.load(library.find(TWO[0]).folder), asked)
    places = np.array([15, 3])
    found = versus_view._in_trial(expected, whole, "labels", places)
    wanted = expected.one.frame["sample"].iloc[places].tolist()
    assert whole.result().frame["sample"].iloc[found].tolist() == wanted and found.tolist() != places.tolist()


def test_one_face_shows_what_both_say(store, expected):
    sample = int(expected.one.frame["sample"].iloc[0])
    app = visit(model=TWO[0], other=TWO[1], sample=str(sample))
    text = said(app)
    for id in TWO:
        assert f"**{library.find(id).card.title}**: " in text
    assert "right is happy" in text


def test_the_second_model_is_another_one_than_the_first(store):
    app = visit(model=TWO[1])
    (field,) = (s for s in app.selectbox if s.label == "Compared with")
    assert field.value == TWO[0] and len(field.options) == len(library.entries()) - 1
    assert library.find(TWO[1]).card.title not in field.options
