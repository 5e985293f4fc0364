"""The section Can't tell: what stands there is what was measured, and the threshold reaches the photos."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset.store import Store
from fer_core.evaluation import certainty, trial
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7
from fer_core.zoo import library, thresholds
from pages._shared import sets_view, words
from tests import drawn_dataset
from tests.drawn_dataset import picture, row
from tests.evaluated import nothing_kept, settled  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parent.parent
COUNT = 140


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Noise with labels to validate, and five pictures to test."""
    folder = tmp_path_factory.mktemp("drawn")
    random = np.random.default_rng(0)
    rows = [
        row(f"{n}", picture(n, 48), FER7.names[random.integers(7)], "validation" if n < COUNT else "test")
        for n in range(COUNT + 5)
    ]
    store = drawn_dataset.here(folder, rows)
    path = Path(store.engine.url.database)
    store.close()
    return path


@pytest.fixture
def store(drawn):
    shutil.copy(drawn, workspace.root() / "studio.db")
    return Store.open()


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


def visit(**extra):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/evaluate.py")
    address = {"view": "doubt", "model": library.DEFAULT, "data": "faces", "split": "validation", **extra}
    for key, value in address.items():
        app.query_params[key] = str(value)
    return settled(app)


def said(app):
    parts = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in parts for element in kind).replace("\\", "")


def press(app, label):
    next(b for b in app.button if b.label == label).click()
    return settled(app)


def tiles(app):
    return [tile for element in app.get("bidi_component") for tile in json.loads(element.proto.json)["tiles"]]


def test_the_sentences_are_what_was_measured(store, predictor):
    app = visit(sure=40, guarantee=80)
    result = trial.run(store, predictor, trial.rows(store, "faces", None, "validation")).result()
    answered, right = certainty.curve(result).at(0.4)
    assert 0 < right.n < COUNT
    text = said(app)
    assert f"**{words.percent(answered.value, 0)}** of {COUNT} faces" in text
    assert f"**{words.margin(right.value, right.low, right.high)}** of these answers are right" in text
    sets = certainty.crossed(result, 0.8)
    held = words.margin(sets.coverage.value, sets.coverage.low, sets.coverage.high)
    assert f"**{held}** of {COUNT} faces" in text and f"**{sets.sizes.mean():.1f} expressions**" in text
    table = sets_view.sizes(sets)
    assert table["faces"].sum() == COUNT and table["named"].tolist() == sorted(set(sets.sizes))
    shown = {tile["id"]: tile["caption"] for tile in tiles(app)}
    place = int(np.flatnonzero(sets.covered & (sets.sizes == sets.sizes.min()))[0])
    sample, names = int(result.frame["sample"].iloc[place]), result.label_set.names
    assert shown[sample].startswith(names[result.truth[place]])
    assert all(names[k] in shown[sample] for k in np.flatnonzero(sets.members[place]))


def test_the_threshold_is_chosen_for_photos_and_given_back(store, predictor):
    card = predictor.card
    app = visit()
    assert app.slider[0].value == round(card.answer_threshold * 100)
    assert f"the model's own, {card.answer_threshold * 100:.0f} %" in said(app)
    app.slider[0].set_value(71)
    app = settled(app)
    assert app.query_params["sure"] in ("71", ["71"])
    app = press(app, "Use 71 % on photos")
    assert thresholds.chosen(card) == 0.71 and "read with 71 %, chosen here" in said(app)
    app = press(app, f"Back to the model's own, {card.answer_threshold * 100:.0f} %")
    assert thresholds.chosen(card) is None and app.slider[0].value == round(card.answer_threshold * 100)


def test_the_faces_behind_the_shares(store, predictor):
    result = trial.run(store, predictor, trial.rows(store, "faces", None, "validation")).result()
    percent = round(100 * float(np.median(result.confidence)))
    silent = ~(result.confidence >= percent / 100)
    assert 0 < silent.sum() < COUNT
    app = visit(sure=percent, list="silent")
    listed = {tile["id"] for tile in tiles(app)}
    some = set(result.frame["sample"][silent])
    assert f"**{silent.sum()} faces**, worst first" in said(app) and len(listed & some) >= min(60, len(some))


def test_too_few_faces_are_said_and_the_rest_still_stands(store):
    app = visit(split="test")
    app = press(app, "Measure on the test split")
    text = said(app)
    assert "flatters its figures: choose it on validation" in text
    assert "needs 50 faces to calibrate on" in text and "of 5 faces" in text
    assert all(b.disabled for b in app.button if b.label in ("80 %", "90 %", "95 %"))


def test_a_damaged_file_of_thresholds_is_words(store):
    (workspace.root() / thresholds.FILE_NAME).write_text("{")
    app = visit()
    assert "mend it, or remove it" in said(app) and "expressions** on average" in said(app)
