"""One model on one split: answers asked once, faces counted when they are not found, looks written down."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
import sqlalchemy.exc

from fer_core import workspace
from fer_core.dataset import ledger, versions
from fer_core.errors import BadInput, NotFound
from fer_core.evaluation import answers, register, report, results, trial
from fer_core.imaging import detectors
from fer_core.imaging.faces import Box, Face
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7
from fer_core.zoo import library
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

LABELS = ("happy", "sad", "neutral", "happy", "angry")


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture
def store(tmp_path):
    """Five faces to validate, of which the first was trained on too, and one nearly."""
    shown = [picture(seed, 48) for seed in range(5)]
    smooth = np.kron(picture(9, 6), np.ones((8, 8), np.uint8))
    rows = [
        row(f"v{i}", p, label, "validation") for i, (p, label) in enumerate(zip(shown, LABELS, strict=True))
    ]
    rows += [row("t0", shown[0], "happy"), row("t1", picture(77, 48), "sad")]
    rows += [row("near, darker", smooth // 5 * 4, "sad", "validation"), row("near", smooth, "sad")]
    return drawn_dataset.here(tmp_path, rows)


@pytest.fixture
def mine(predictor):
    """The shipped model as if trained on that dataset."""
    card = dataclasses.replace(predictor.card, training={"dataset": "faces", "run": "20990101-000000-x"})
    return Predictor(card, predictor._network)


@pytest.fixture
def counted(mine, monkeypatch):
    """How many pictures the network was asked for."""
    asked = []
    raw = mine.raw
    monkeypatch.setattr(mine, "raw", lambda batch: asked.append(len(batch)) or raw(batch))
    return asked


def test_a_model_is_asked_once_for_each_state_of_the_pictures(store, mine, counted):
    asked = trial.rows(store, "faces", None, "validation")
    assert not answers.known(mine.card, asked.frame)
    first = trial.run(store, mine, asked)
    assert answers.known(mine.card, asked.frame) and sum(counted) == 6
    pictures = np.stack(
        [answers.to_input(p, None, mine.card.input) for p in (picture(s, 48) for s in range(5))]
    )
    assert np.allclose(first.answers[:5], mine.predict(pictures), atol=1e-6)
    counted.clear()
    ledger.relabel(store, [(int(asked.frame["sample"][1]), "angry")], "Ada")
    again = trial.run(store, mine, trial.rows(store, "faces", None, "validation"))
    assert counted == [] and again.rows.version != asked.version
    assert again.result().truth[1] == again.result().label_set.index("angry")
    warmer = Predictor(dataclasses.replace(mine.card, temperature=3.0), mine._network)
    softened = answers.of(store, warmer, asked.frame)
    assert (softened.max(axis=1) < first.answers.max(axis=1)).all()


def test_copies_of_training_pictures_are_known_exact_and_near(store, mine):
    found = trial.run(store, mine, trial.rows(store, "faces", None, "validation"))
    assert found.result().leaked.tolist() == [True, False, False, False, False, True]
    assert found.records[0]["leak_free"]["n"] == 4


def test_without_the_training_set_nothing_is_called_leak_free(store, predictor):
    found = trial.run(store, predictor, trial.rows(store, "faces", None, "validation"))
    assert found.seen is None and found.records[0]["leak_free"]["n"] == 0


class Seldom:
    """Finds the left half of dark pictures, and nothing else."""

    def detect(self, image):
        height, width = image.shape[:2]
        whole, half = Box(0, 0, width, height), Box(0, 0, width / 2, height / 2)
        return [Face(half, 0.9), Face(whole, 0.8)] if image.mean() < 127.5 else []


def test_faces_that_are_not_found_are_wrong_answers_and_never_dropped(store, mine, monkeypatch):
    monkeypatch.setattr(detectors, "get", lambda name: Seldom())
    asked = trial.rows(store, "faces", None, "validation")
    found = trial.run(store, mine, asked, "seldom").result()
    seen = [picture(seed, 48).mean() < 127.5 for seed in range(5)]
    assert 0 < sum(seen) < 5 and found.found[:5].tolist() == seen
    # The largest face is read: here the whole picture, whose answer is known.
    whole = trial.run(store, mine, asked).result()
    assert np.allclose(found.probabilities[found.found], whole.probabilities[found.found], atol=1e-6)
    record = report.record(found)
    assert record["n"] == 6 and sum(record["not_found"]) == (~found.found).sum()
    assert record["accuracy"] == found.right.mean() and not found.right[~found.found].any()
    assert sum(record["per_class"]["support"]) == 6 and np.sum(record["confusion"]) == found.found.sum()
    # scikit-learn knows faces without an answer as one more class that is never true.
    classes = list(range(len(found.label_set)))
    f1 = reference.f1_score(found.truth, found.predicted, labels=classes, average=None, zero_division=0)
    assert record["per_class"]["f1"] == pytest.approx(f1)
    assert (found.confidence[~found.found] == 0).all() and (found.predicted[~found.found] == -1).all()


def test_no_face_at_all_is_an_accuracy_of_nothing(store, mine, monkeypatch):
    monkeypatch.setattr(
        detectors, "get", lambda name: type("Blind", (), {"detect": lambda self, image: []})()
    )
    record = trial.run(store, mine, trial.rows(store, "faces", None, "validation"), "blind").records[0]
    assert (record["accuracy"], record["macro_f1"], record["ece"], sum(record["not_found"])) == (0, 0, 0, 6)


def test_a_cell_gives_its_rows_the_most_confident_first():
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.7, 0.3]], np.float32)
    frame = drawn_frame([("happy"), ("happy"), ("happy"), ("happy"), ("sad")])
    found = results.of(p, frame, "labels", dataclasses.replace(FER7, names=("happy", "sad")))
    assert found.cell(0, 0).tolist() == [1, 0] and found.cell(0, 1).tolist() == [2]
    assert found.cell(None, 0).tolist() == [1, 4, 0] and found.cell(0, None).tolist() == [1, 2, 0, 3]
    assert found.cell(0, results.NO_FACE).tolist() == [3]
    assert found.among(found.right).frame["sample"].tolist() == [0, 1]
    assert found.among(np.array([2, 0])).frame["sample"].tolist() == [2, 0]


def drawn_frame(names):
    return pd.DataFrame({"sample": range(len(names)), "image": list(map(str, names)), "label": names})


def test_a_model_may_be_wrong_with_a_class_that_the_split_does_not_have(store, mine):
    """Else a split of one class would be all right."""
    only = trial.rows(store, "faces", None, "train")
    ledger.relabel(store, [(int(s), "happy") for s in only.frame["sample"]], "Ada")
    found = trial.run(store, mine, trial.rows(store, "faces", None, "train")).result()
    assert set(found.truth) == {found.label_set.index("happy")}
    assert set(found.label_set.names) == {"happy", "sad", "neutral", "angry"}


def test_rows_that_are_not_there(store):
    with pytest.raises(BadInput, match="test of faces, which is empty. With images: train, validation"):
        trial.rows(store, "faces", None, "test")
    with pytest.raises(BadInput, match="A split is one of"):
        trial.rows(store, "faces", None, "holdout")
    with pytest.raises(NotFound, match="nothing"):
        trial.rows(store, "faces", "nothing", "train")
    with pytest.raises(NotFound):
        trial.rows(store, "voices", None, "train")


def test_an_old_version_is_measured_as_it_was(store, mine):
    versions.freeze(store, "faces", "first", "Ada")
    before = trial.rows(store, "faces", "first", "validation")
    ledger.relabel(store, [(int(before.frame["sample"][1]), "angry")], "Ada")
    assert trial.rows(store, "faces", "first", "validation").version == before.version
    assert trial.rows(store, "faces", "first", "validation").frame["label"][1] == "sad"


def test_the_register_keeps_every_look_once_and_for_good(store, mine):
    asked = trial.rows(store, "faces", None, "validation")
    records = trial.run(store, mine, asked).records
    trial.run(store, mine, asked)
    (entry,) = register.entries(store, dataset="faces", version=asked.version, split="validation")
    assert entry.model == mine.card.id and entry.figures == records
    assert register.entries(store, split="test") == []
    for statement in ("UPDATE evaluation SET model = 'x'", "DELETE FROM evaluation"):
        with (
            pytest.raises(sqlalchemy.exc.DatabaseError, match="append-only"),
            store.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement)


def entry(weights, at="2026-01-01T00:00:00.000", split="test"):
    return register.Entry(1, "m", weights, "faces", "v", split, answers.WHOLE, at, [])


def test_cautions_are_given_where_a_figure_may_be_too_good(mine):
    card = mine.card
    assert "remembers" in register.cautions(card, "faces", "train", 100, [])[0]
    assert "slightly too good" in register.cautions(card, "faces", "validation", 100, [])[0]
    assert register.cautions(card, "others", "validation", 100, []) == []
    own = entry(card.files["model.tflite"])
    assert register.cautions(card, "faces", "test", 100, [own]) == []
    before, chosen = register.cautions(card, "faces", "test", 100, [own, entry("other")])
    assert "Another model had been measured" in before and "2 models were measured" in chosen
    later = register.cautions(card, "faces", "test", 100, [own, entry("other", "2100-01-01T00:00:00.000")])
    assert len(later) == 1 and "2 models" in later[0]


def test_luck_by_simulation():
    random = np.random.default_rng(0)
    for models in (2, 5, 20):
        best = random.binomial(400, 0.5, (4000, models)).max(axis=1).mean() / 400 - 0.5
        assert register.luck(models, 400) == pytest.approx(best, rel=0.06)
    assert register.luck(1, 400) == register.luck(5, 0) == 0


def test_damaged_answers_are_asked_for_again(store, mine, counted):
    asked = trial.rows(store, "faces", None, "validation")
    first = trial.run(store, mine, asked)
    (kept,) = workspace.folder("cache").glob("*.answer.npy")
    kept.write_bytes(kept.read_bytes()[: os.path.getsize(kept) // 2])
    counted.clear()
    assert np.array_equal(trial.run(store, mine, asked).answers, first.answers) and sum(counted) == 6
