"""The Evaluate page: honest figures, the faces behind a cell, a test split that waits to be asked."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import ledger, practice, removal, versions
from fer_core.dataset.store import Store
from fer_core.evaluation import register, trial
from fer_core.evaluation.trial import Trial
from fer_core.imaging import detectors
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import library
from pages._shared import cell_view, charts, gallery, jobs, trials, words
from tests import drawn_dataset, made_runs
from tests.drawn_dataset import picture, row
from tests.evaluated import nothing_kept, settled  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parent.parent
MODEL = library.DEFAULT


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A store with a practice dataset, to be copied."""
    path = tmp_path_factory.mktemp("drawn") / "studio.db"
    store = Store.open(path)
    practice.import_practice(store, count=126)
    store.close()
    return path


@pytest.fixture
def store(drawn):
    """A store in this test's workspace."""
    shutil.copy(drawn, workspace.root() / "studio.db")
    return Store.open()


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(MODEL).folder)


def measured(store, predictor, split="validation", version=None, faces="whole", dataset="practice"):
    """What the page should say."""
    return trial.run(store, predictor, trial.rows(store, dataset, version, split), faces)


def visit(**address):
    """The page at an address in a new tab, once everything is read."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/evaluate.py")
    for key, value in address.items():
        app.query_params[key] = str(value)
    return settled(app)


def tiles(app):
    """What the galleries of the page show, in order."""
    return [tile for element in app.get("bidi_component") for tile in json.loads(element.proto.json)["tiles"]]


def said(app):
    parts = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    shown = [element.value for kind in parts for element in kind]
    shown += [f"{metric.label}: {metric.value}" for metric in app.metric]
    return "\n".join(shown).replace("\\", "")


def press(app, label):
    next(b for b in app.button if b.label == label).click()
    return settled(app)


def choose(app, label, value):
    next(s for s in app.selectbox if s.label == label).set_value(value)
    return settled(app)


def matrix(app):
    """The traces of the confusion matrix."""
    charts = [json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart")]
    return next(data for data in charts if data[0]["type"] == "heatmap")


def test_without_a_dataset_the_page_says_what_would_be_here():
    Store.open()
    assert "No dataset yet" in said(visit())


def test_the_figures_stand_beside_what_keeps_them_honest(store, predictor):
    (record,) = measured(store, predictor).records
    shown = said(visit())
    assert words.accuracy(record) in shown
    commonest = record["classes"][int(np.argmax(record["per_class"]["support"]))]
    assert f"Always saying {commonest}: {words.percent(record['baseline'])}" in shown
    assert "Leak-free: unknown" in shown
    app = visit(data="practice", split="train")
    assert words.accuracy(measured(store, predictor, "train").records[0]) in said(app)
    table = next(t.value for t in app.dataframe if "expression" in t.value)
    assert table["expression"].tolist() == record["classes"]
    everything = next(t.value for t in app.dataframe if "Macro F1" in t.value.index)
    assert (
        everything.loc["Macro F1", "labels"]
        == f"{measured(store, predictor, 'train').records[0]['macro_f1']:.3f}"
    )


def test_a_cell_shows_its_faces_the_surest_mistakes_first(store, predictor):
    found = measured(store, predictor).result()
    true, read = next((t, g) for t, g in zip(found.truth, found.predicted, strict=True) if t != g)
    names = found.label_set.names
    app = visit(true=names[true], read=names[read])
    places = found.cell(true, read)
    assert [t["id"] for t in tiles(app)] == found.frame["sample"].iloc[places].tolist()
    share = words.share(float(found.confidence[places[0]]))
    assert tiles(app)[0]["caption"] == f"{names[true]} →\n{names[read]} {share}"
    assert f"{words.many(len(places), 'face')}**, worst first" in said(app)
    # By hand, for whoever does not click: all that are wrong, and a whole column.
    choose(app, "Read as", "wrong")
    wrong = found.frame["sample"][(found.truth == true) & ~found.right]
    assert {t["id"] for t in tiles(app)} == set(wrong) and app.query_params["read"] == "wrong"
    choose(app, "True", "")
    choose(app, "Read as", names[read])
    assert len(tiles(app)) == min((found.predicted == read).sum(), cell_view.A_PAGE)


def test_worst_first_goes_from_sure_mistakes_to_sure_hits(store, predictor):
    found = measured(store, predictor, "train").result()
    places = cell_view.worst_first(found, np.arange(len(found)))
    right, sureness = found.right[places], found.confidence[places]
    wrong = (~right).sum()
    assert 0 < wrong < len(found) and not right[:wrong].any() and right[wrong:].all()
    assert (np.diff(sureness[:wrong]) <= 0).all() and (np.diff(sureness[wrong:]) >= 0).all()


def test_the_matrix_counts_and_its_totals_can_be_clicked(store, predictor):
    (record,) = measured(store, predictor).records
    heat, spots = matrix(visit())
    names, counts = record["classes"], np.array(record["confusion"])
    assert heat["x"] == heat["y"] == names
    cells = [tuple(cell) for cell in spots["customdata"]]
    assert set(cells) == {(t, g) for t in [*names, "all"] for g in [*names, "all"]} - {("all", "all")}
    texts = dict(zip(cells, spots["text"], strict=True))
    assert [texts[name, "all"] for name in names] == [f"{n:,}" for n in counts.sum(axis=1)]
    assert [texts["all", name] for name in names] == [f"{n:,}" for n in counts.sum(axis=0)]


@pytest.mark.parametrize(("by", "axis"), [(charts.BY_ROW, 1), (charts.BY_COLUMN, 0), (charts.COUNTS, None)])
def test_shares_of_the_matrix(by, axis):
    counts = np.array([[3, 1], [0, 0]])
    expected = counts / np.maximum(counts.sum(axis=axis, keepdims=True), 1)
    assert charts._shares(counts, by) == pytest.approx(expected)
    assert charts._sentences(counts, ("sad", "happy"), ("sad", "happy"), charts.BY_ROW)[0][1] == (
        "true sad, predicted happy: 1 of 4 (25%)"
    )


def test_faces_are_labelled_from_a_cell_and_the_figures_wait(store, predictor, monkeypatch):
    """Marks are made in the browser, see the journey; here the gallery says that the first is marked."""
    before = measured(store, predictor)
    found = before.result()
    names = found.label_set.names
    true, read = next((t, g) for t, g in zip(found.truth, found.predicted, strict=True) if t != g)
    shown = gallery.show
    monkeypatch.setattr(
        gallery,
        "show",
        lambda store, tiles, key, **how: (shown(store, tiles, key, **how), [tiles[0].sample])[1],
    )
    app = visit(true=names[true], read=names[read])
    sample = tiles(app)[0]["id"]
    app.text_input[0].set_value("Ada").run()
    choose(app, "Label 1 marked", "unsure")
    press(app, "Label")
    event = ledger.history(store, sample)[-1]
    assert (event.new, event.who) == ("unsure", "Ada")
    assert event.surfaced_by == f"{MODEL}: true {names[true]}, read as {names[read]} (labels)"
    # The list stands still, and so do the figures, until new ones are asked for.
    assert f"{names[true]}, now unsure →" in tiles(app)[0]["caption"]
    assert words.accuracy(before.records[0]) in said(app) and "was edited since" in said(app)
    press(app, "Measure again")
    assert words.accuracy(measured(store, predictor).records[0]) in said(app)
    assert sample not in [tile["id"] for tile in tiles(app)]
    assert "1 unsure" in said(app)


def test_one_face_is_opened_from_the_address(store, predictor):
    sample = int(measured(store, predictor).rows.frame["sample"][0])
    app = visit(sample=sample)
    assert "What it takes for what" not in said(app)
    next(b for b in app.button if b.label.startswith("← Back")).click().run()
    assert "sample" not in app.query_params and "What it takes for what" in said(settled(app))


def test_a_test_split_is_measured_when_somebody_asks(store, predictor):
    app = visit(split="test")
    assert "has not been measured on this test split" in said(app)
    assert register.entries(store, split="test") == []
    press(app, "Measure on the test split")
    settled(app)
    (entry,) = register.entries(store, split="test")
    assert words.accuracy(entry.figures[0]) in said(app)
    assert "not mended from a list of mistakes" in said(visit(split="test", read="wrong"))
    trials._trials().clear()
    assert words.accuracy(entry.figures[0]) in said(visit(split="test"))


def test_a_version_is_measured_as_it_was(store, predictor):
    versions.freeze(store, "practice", "first", "Ada")
    record = measured(store, predictor).records[0]
    frame = trial.rows(store, "practice", None, "validation").frame
    ledger.relabel(store, [(int(s), "happy") for s in frame["sample"]], "Ada")
    app = visit(version="first")
    assert words.accuracy(record) in said(app) and "edited since" not in said(app)
    assert "All faces here are truly happy" in said(visit())


def test_faces_that_are_not_found_have_a_column_and_count_as_wrong(store, predictor, monkeypatch):
    class Blind:
        def detect(self, image):
            return []

    monkeypatch.setattr(detectors, "get", lambda name: Blind())
    app = visit(faces="haar", read="no face")
    count = len(trial.rows(store, "practice", None, "validation").frame)
    assert f"Found, 0 of {count} faces: 0.0 %" in said(app)
    assert matrix(app)[0]["x"][-1] == "no face" and tiles(app)[0]["caption"].endswith("no face found")


@pytest.mark.parametrize(
    "address",
    [
        {"model": "resnet_of_yesterday"},
        {"data": "nowhere"},
        {"version": "never"},
        {"split": "none"},
        {"truth": "votes"},
        {"faces": "x"},
        {"true": "bored"},
        {"view": "x"},
        {"sample": "99999"},
        {"cell_page": "900", "read": "wrong"},
    ],
)
def test_an_address_that_asks_for_what_is_not_here_is_answered_in_words(store, address):
    app = visit(**address)
    assert len(app.title) == 1 and "Something unexpected" not in said(app)


def test_classes_that_do_not_fit_are_refused_before_pictures_are_read(predictor):
    rows = [row(f"{i}", picture(i), "bored", "validation") for i in range(3)]
    drawn_dataset.here(workspace.root(), rows, label_set=LabelSet("moods", ("bored", "keen")))
    app = visit()
    assert "Model and dataset must share classes" in said(app)
    assert not jobs._jobs()


def test_a_model_or_dataset_that_goes_while_its_page_is_open(store):
    shutil.copytree(library.find(MODEL).folder, workspace.folder("models") / "mine")
    app = visit(model="mine")
    assert app.query_params["model"] == "mine"
    shutil.rmtree(workspace.folder("models") / "mine")
    app.run()
    assert "'mine', which is not here" in said(app) and not app.error and not app.exception
    removal.remove_dataset(store, "practice", "Ada")
    assert "No dataset yet" in said(settled(app))


def test_a_model_of_valence_and_arousal_has_its_own_figures(store, predictor, monkeypatch):
    asked = trial.rows(store, "practice", None, "validation")
    frame = asked.frame.assign(
        valence=np.linspace(-1, 1, len(asked.frame)), arousal=np.linspace(1, -1, len(asked.frame))
    )
    card = dataclasses.replace(predictor.card, task="affect")
    answers = frame[["valence", "arousal"]].to_numpy(np.float32)
    answers[3] = -answers[3]
    made = Trial(card, dataclasses.replace(asked, frame=frame), "whole", answers, frozenset())
    monkeypatch.setattr(trials, "made", lambda *asked: made)
    monkeypatch.setattr(trials, "get", lambda *asked: made)
    app = visit()
    assert app.dataframe[0].value["of"].tolist() == ["valence", "arousal"]
    worst = tiles(app)[0]
    assert worst["id"] == frame["sample"][3] and worst["caption"].startswith("v -")


def test_the_library_leads_to_the_errors_of_a_model(store):
    other = next(entry.id for entry in library.entries() if entry.id != library.default_id())
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/library.py")
    app.query_params["model"] = other
    made_runs.press(app.run(), "Look at its errors")
    assert app.title[0].value == "Evaluate" and app.query_params["model"] == other


def test_a_finished_run_leads_to_the_errors_of_its_model(store):
    made_runs.model("mine", accuracy=0.66, accuracy_low=0.64, accuracy_high=0.68, n=3589)
    run = made_runs.ended(made_runs.trained(8), model="mine")
    app = made_runs.visit(run=run.id)
    made_runs.press(app, "Look at its errors")
    assert app.title[0].value == "Evaluate" and app.query_params["model"] == "mine"
