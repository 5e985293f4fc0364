"""All models beside each other, and every model on every dataset, as the page draws them."""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset.store import Store
from fer_core.evaluation import across, register, speed, trial
from fer_core.evaluation.register import ALL
from fer_core.evaluation.speed import Speed
from fer_core.labels import LabelSet
from fer_core.zoo import library
from pages._shared import across_view, all_view, jobs
from tests import drawn_dataset
from tests.drawn_dataset import picture, row
from tests.evaluated import settled

ROOT = Path(__file__).resolve().parent.parent
TWO = (library.DEFAULT, "mini_xception_raw")


@pytest.fixture
def store(monkeypatch, tmp_path):
    """ "faces" to validate and test on, and "scowls", of which the second of two models knows no contempt."""
    for model in TWO:
        shutil.copytree(workspace.SHIPPED_MODELS / model, tmp_path / "two" / model)
    monkeypatch.setattr(workspace, "SHIPPED_MODELS", tmp_path / "two")
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    st.cache_resource.clear()
    store = Store.open(workspace.root() / "studio.db")
    names = ("happy", "sad", "neutral", "angry")
    rows = [row(f"f{i}", picture(i, 48), names[i % 4], ("validation", "test")[i % 2]) for i in range(8)]
    drawn_dataset.write(store, rows)
    scowls = [row(f"s{i}", picture(20 + i, 48), ("happy", "contempt", "sad")[i], "none") for i in range(3)]
    drawn_dataset.write(store, scowls, "scowls", LabelSet("scowls", ("happy", "sad", "contempt")))
    yield store
    jobs._jobs().clear()
    st.cache_resource.clear()


@pytest.fixture
def app(store):
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


def visit(app, **address):
    app.switch_page("pages/evaluate.py")
    app.query_params["view"] = "all"
    for key, value in address.items():
        app.query_params[key] = value
    return settled(app)


def said(app) -> str:
    parts = [e.value for kind in (app.markdown, app.caption, app.warning, app.error, app.info) for e in kind]
    return "\n".join(parts).replace("\\", "")


def press(app, beginning):
    next(b for b in app.button if b.label.startswith(beginning)).click()
    return settled(app)


def table(app, column):
    """The table that has such a column."""
    (found,) = (frame.value for frame in app.dataframe if column in frame.value.columns)
    return found


def test_missing_models_are_measured_and_stand_in_the_table_and_the_register(app, store):
    visit(app, data="faces")
    assert "No model was measured on faces validation yet." in said(app)
    assert table(app, "ms a face")["accuracy"].isna().all()
    press(app, "Measure 2 missing models")
    found = table(app, "ms a face").set_index("model")
    looks = {e.model: e for e in register.entries(store, dataset="faces", split="validation")}
    assert set(looks) == set(TWO)
    for look in looks.values():
        measured = found.loc[library.find(look.model).card.title]
        assert measured["accuracy"] == look.figures[0]["accuracy"] * 100 and measured["faces"] == 4
        assert measured["measured"] == look.at[:10] and measured["ms a face"] > 0
        assert measured["learned from"].startswith("fer2013") and measured["trained"].startswith("2026-")
    best = found["accuracy"].idxmax()
    assert f"**{best}** reads the most faces right" in said(app) and "luck alone" in said(app)
    assert not [b for b in app.button if "missing model" in b.label]


def test_a_look_at_test_pictures_is_announced(app):
    announced = "2 of them are on test pictures: each counts as a look"
    visit(app, data="faces", split="test")
    assert said(app).count(announced) == 2, (
        "in the table; in the matrix all pictures of faces, test among them"
    )
    visit(app, data="faces", split="validation")
    assert said(app).count(announced) == 1


def test_the_matrix_is_measured_and_says_what_was_left_out(app, store):
    visit(app, data="faces")
    assert "not measured yet" in table(app, "left out, and why")["left out, and why"].tolist()
    press(app, "Measure 4 missing figures")
    found = table(app, "left out, and why").set_index(["model", "dataset"])
    assert (found["pictures"] == "all").all(), "no model learned from these, so all their pictures are used"
    seven, eight = (library.find(model).card.title for model in reversed(TWO))
    assert found.loc[(seven, "faces"), "n"] == 8
    assert found.loc[(seven, "scowls"), "n"] == 2 and found.loc[(eight, "scowls"), "n"] == 3
    assert "contempt, which the model does not know" in found.loc[(seven, "scowls"), "left out, and why"]
    assert "not in the dataset: angry" in found.loc[(seven, "scowls"), "left out, and why"]
    assert found.loc[(seven, "scowls"), "shared classes"] == "happy, sad"
    assert found.loc[(seven, "scowls"), "guessing"] == "50.0 %"
    assert found.loc[(seven, "faces"), "leak-free"] == "unknown: its training set is not here"
    assert {(e.dataset, e.split) for e in register.entries(store)} == {("faces", ALL), ("scowls", ALL)}


def test_a_model_that_is_gone_is_told_and_the_others_are_measured(app, monkeypatch):
    visit(app, data="faces")
    find = library.find
    monkeypatch.setattr(library, "find", lambda id: find("nobody" if id == TWO[1] else id))
    button = next(b for b in app.button if b.label.startswith("Measure 4 missing figures"))
    button.click().run()
    while jobs.running():
        time.sleep(0.02)
    monkeypatch.setattr(library, "find", find)
    app.run()
    assert not app.exception
    assert "nobody" in "\n".join(w.value for w in app.warning)
    assert table(app, "left out, and why")["n"].notna().sum() == 2


def test_without_a_dataset_the_way_to_one_is_shown():
    st.cache_resource.clear()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    visit(app)
    assert "takes a model and a dataset" in said(app)


def record(accuracy, kind="labels", **where):
    return {"kind": kind, "accuracy": accuracy, **where}


def test_the_register_wins_over_the_card_and_only_the_same_rows_count(store):
    asked = trial.rows(store, "faces", None, "validation")
    here = {"dataset": "faces", "version": asked.version, "split": "validation"}
    card = library.find(TWO[0]).card

    def of(evaluations):
        models = {TWO[0]: dataclasses.replace(card, evaluations=evaluations)}
        (row,) = all_view.rows(store, models, asked, "labels")
        return row

    assert of([record(0.5, **here)]).record["accuracy"] == 0.5 and of([record(0.5, **here)]).at == ""
    assert of([record(0.5, **{**here, "version": "edited since"})]).record is None
    assert of([record(0.5, **{**here, "split": "test"})]).record is None
    assert of([record(0.5, "votes", **here)]).record is None
    detected = record(0.4, **here, faces="haar")
    assert of([detected]).record is None
    register.note(store, card, "faces", asked.version, "validation", "haar", [detected])
    register.note(store, card, "faces", asked.version, "validation", "whole", [record(0.6, **here)])
    assert of([record(0.5, **here)]).record["accuracy"] == 0.6 and of([]).at


def test_the_best_come_first_and_the_unmeasured_last(store):
    asked = trial.rows(store, "faces", None, "validation")
    here = {"dataset": "faces", "version": asked.version, "split": "validation"}
    cards = {
        id: dataclasses.replace(library.find(id).card, evaluations=told, files={"model.tflite": id})
        for id, told in zip(TWO, ([], [record(0.0, **here)]), strict=True)
    }
    assert [row.card.id for row in all_view.rows(store, cards, asked, "labels")] == [TWO[1], TWO[0]]


def test_models_of_one_title_are_told_apart():
    card = library.find(TWO[0]).card
    models = {"a": card, "b": card, "c": dataclasses.replace(card, title="Other")}
    assert across_view.distinct(models) == {"a": f"{card.title} (a)", "b": f"{card.title} (b)", "c": "Other"}


def share(accuracy, n=10):
    return {"n": n, "accuracy": accuracy, "accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1}


def test_a_cell_in_words(store):
    card = dataclasses.replace(library.find(TWO[1]).card, title="Seven")
    column = across.column(trial.rows(store, "scowls", None, ALL), "labels")
    cell = across.Cell(
        ("happy", "sad"),
        ("fear",),
        {"contempt": 1, "no answer": 2},
        share(0.8),
        share(0.5),
        share(0.7, 6),
        0.6,
    )
    place = across_view.Place(card, "Seven", column, None, cell, False)
    assert across_view._said(place) == (
        "Seven on scowls: 80.0 % ± 10.0, 10 faces, guessing 50.0 %; with any answer 50.0 %. "
        "1 left out: it is contempt, which the model does not know; 2 left out: they have no answer; "
        "not in the dataset: fear"
    )
    assert across_view._leak_free(cell) == "70.0 % (60.0 to 80.0), 6 faces"
    assert across_view._text(place, "open") == "<b>50.0</b> ± 10.0<br>n 10"
    blocked = dataclasses.replace(place, cell=None, obstacle="no class in common")
    assert across_view._said(blocked).endswith("no figure, no class in common")
    assert across_view._text(blocked, "open") == "no figure"


def test_a_click_on_a_cell_leads_to_its_faces(store, monkeypatch):
    column = across.column(trial.rows(store, "faces", None, "validation"), "labels")
    place = across_view.Place(library.find(TWO[0]).card, "x", column, None, None, False)
    gone = []
    monkeypatch.setattr(across_view.address, "go", lambda **where: gone.append(where))
    chosen = type("Chosen", (), {"selection": type("S", (), {"points": [{"customdata": [TWO[0], "faces"]}]})})
    monkeypatch.setattr(across_view.st, "session_state", {"matrix": chosen})
    there = {"view": "model", "model": TWO[0], "data": "faces", "split": "validation"}
    across_view._open({TWO[0]: {"faces": place}}, "whole")
    across_view._open({TWO[0]: {"faces": place}}, "haar")
    assert gone == [there, {**there, "faces": "haar"}]


def test_names_in_the_chart_do_not_lie_over_each_other():
    drawn = [(n, {"accuracy": a}, Speed(1, 1)) for n, a in (("a", 0.5), ("b (x)", 0.2), ("c", 0.49))]
    assert all_view._names(drawn) == ["a", "b", ""]


def test_damaged_cells_are_measured_again(store):
    card = library.find(TWO[0]).card
    column = across.column(trial.rows(store, "faces", None, ALL), "labels")
    across.measure(store, {card.id: [column.rows]})
    (kept,) = workspace.folder("cache").glob("*.cell.json")
    values = json.loads(kept.read_text())
    for damage in ("", "[]", "{}", json.dumps({**values, "shared": 3}), json.dumps({**values, "extra": 1})):
        kept.write_text(damage)
        assert across.kept(card, column, set()) is None


def test_faces_that_a_detector_looks_for_are_figures_of_their_own(app, store):
    visit(app, data="faces", faces="haar")
    press(app, "Measure 4 missing figures")
    found = table(app, "left out, and why").set_index(["model", "dataset"])
    title = library.find(TWO[0]).card.title
    # Haar finds no face in noise: every answer is missing, and thus wrong.
    assert found.loc[(title, "faces"), "n"] == 8
    assert found.loc[(title, "faces"), "among shared classes"].startswith("0.0 %")
    assert {entry.faces for entry in register.entries(store)} == {"haar"}
    visit(app, data="faces", faces="whole")
    assert [b for b in app.button if b.label.startswith("Measure 4 missing figures")]
