"""Models across datasets: shared classes, what is left out, both figures, and the work that fills cells."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_core.errors import BadInput
from fer_core.evaluation import across, register, speed, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.evaluation.trial import Rows, Trial
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7, FERPLUS8, LabelSet
from fer_core.zoo import library
from tests import drawn_dataset
from tests.drawn_dataset import picture, row


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Faces of three expressions, "scowls" with contempt and without neutral, and "smiles" of one class."""
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    shown = [picture(seed, 48) for seed in range(12)]
    names = ("happy", "sad", "neutral")
    store = drawn_dataset.here(
        tmp_path,
        [row(f"f{i}", p, names[i % 3], ("train", "test")[i % 2]) for i, p in enumerate(shown[:6])],
    )
    scowls = LabelSet("scowls", ("happy", "sad", "contempt"))
    other = [
        row(f"s{i}", p, ("happy", "sad", "contempt", "happy")[i], "none") for i, p in enumerate(shown[5:9])
    ]
    drawn_dataset.write(store, [*other, row("s4", shown[9], None, "none")], "scowls", scowls)
    drawn_dataset.write(store, [row("h", shown[10], "happy", "test")], "smiles")
    return store


def asked(store, dataset, split=ALL, truth="labels"):
    return across.column(trial.rows(store, dataset, None, split), truth)


def answering(card, frame, told, seen=frozenset()):
    """A trial with these answers, one name for each row; the second most likely is always sad."""
    names = card.labels.names
    answers = np.zeros((len(told), len(names)), np.float32)
    answers[:, names.index("sad")] = 0.3
    for place, name in enumerate(told):
        answers[place, names.index(name)] = 0.7
    return Trial(card, Rows("scowls", "v", ALL, frame), WHOLE, answers, seen)


def test_all_rows_of_a_dataset_are_one_more_split(store):
    everything = trial.rows(store, "faces", None, ALL)
    assert len(everything.frame) == 6 and set(everything.frame["split"]) == {"train", "test"}
    assert everything.version == trial.rows(store, "faces", None, "test").version


def test_rows_that_no_network_learned_from_are_taken_and_all_where_none_learned_any():
    assert across.split_of("faces", {"train", "validation", "test"}, {"faces"}) == "test"
    assert across.split_of("faces", {"train", "validation"}, {"faces"}) == "validation"
    assert across.split_of("faces", {"train"}, {"faces"}) == ALL
    assert across.split_of("faces", {"train", "test"}, {"others"}) == ALL


def test_a_column_knows_its_answers_and_what_stands_in_a_models_way(store, predictor):
    column = asked(store, "scowls", truth="votes")
    assert column.kind == "labels", "nobody voted here"
    assert column.counts == {"happy": 2, "": 1, "contempt": 1, "sad": 1}
    assert next(iter(column.counts)) == "happy"
    assert column.obstacle(predictor.card) is None
    assert column.shared(predictor.card) == ("happy", "sad", "contempt")
    other = dataclasses.replace(predictor.card, labels=LabelSet("x", ("calm", "bored")))
    assert column.obstacle(other) == "no class in common"
    assert asked(store, "smiles").obstacle(predictor.card).startswith("one class in common, happy")
    blank = dataclasses.replace(column, counts={"": 4})
    assert blank.obstacle(predictor.card) == "no labels"


def test_an_answer_outside_the_shared_classes_is_wrong_in_the_open_figure_alone(store, predictor):
    seven = dataclasses.replace(predictor.card, labels=FER7)
    frame = asked(store, "scowls").rows.frame
    # True: happy, sad, contempt, happy, no label. Neutral is no answer here; sad is next and right once.
    found = across.cell(answering(seven, frame, ["happy", "neutral", "angry", "neutral", "sad"]), "labels")
    assert found.shared == ("happy", "sad")
    assert found.unasked == ("angry", "disgust", "fear", "surprise", "neutral")
    assert found.left_out == {"contempt": 1, "no answer": 1}
    assert (found.among["n"], found.open["n"]) == (3, 3)
    assert found.among["accuracy"] == pytest.approx(2 / 3) and found.open["accuracy"] == pytest.approx(1 / 3)
    assert found.chance == 0.5 and found.commonest == pytest.approx(2 / 3)
    assert found.open["accuracy_low"] < 1 / 3 < found.open["accuracy_high"]


def test_the_open_figure_is_never_the_better_one_and_equal_where_all_classes_are_shared(predictor):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"label": random.choice(FERPLUS8.names, 300), "sample": range(300)})
    frame["image"] = frame["sample"].astype(str)
    answers = random.dirichlet(np.ones(8), 300).astype(np.float32)
    rows = Rows("faces", "v", ALL, frame)
    alike = across.cell(Trial(predictor.card, rows, WHOLE, answers, frozenset()), "labels")
    assert alike.among == alike.open and alike.unasked == ()
    assert alike.among["accuracy"] == (frame["label"] == np.array(FERPLUS8.names)[answers.argmax(1)]).mean()
    fewer = Rows("faces", "v", ALL, frame[frame["label"].isin(["happy", "sad"])].reset_index(drop=True))
    kept = frame["label"].isin(["happy", "sad"]).to_numpy()
    part = across.cell(Trial(predictor.card, fewer, WHOLE, answers[kept], frozenset()), "labels")
    assert part.open["accuracy"] < part.among["accuracy"]


def test_copies_of_training_pictures_are_counted_and_unknown_ones_are_said(store, predictor):
    frame = asked(store, "scowls").rows.frame
    told = ["happy", "sad", "sad", "sad", "sad"]
    leaking = across.cell(answering(predictor.card, frame, told, frozenset(frame["image"][:1])), "labels")
    assert leaking.leaked == 1 and leaking.leak_free["n"] == leaking.among["n"] - 1 == 3
    assert across.cell(answering(predictor.card, frame, told, None), "labels").leaked is None


def test_a_face_that_was_not_found_is_wrong_in_both_figures(store, predictor):
    frame = asked(store, "scowls").rows.frame
    found = answering(predictor.card, frame, ["happy", "sad", "contempt", "happy", "sad"])
    found.answers[0] = np.nan
    figures = across.cell(found, "labels")
    assert figures.among["accuracy"] == figures.open["accuracy"] == 3 / 4


def test_no_shared_class_is_no_cell(store, predictor):
    other = dataclasses.replace(predictor.card, labels=LabelSet("x", ("bored", "sad")))
    frame = asked(store, "smiles").rows.frame
    with pytest.raises(BadInput, match="share classes"):
        across.cell(answering(other, frame, ["bored"]), "labels")


def test_the_matrix_is_filled_with_progress_and_kept(store):
    columns = {name: asked(store, name) for name in ("faces", "scowls")}
    card = library.find(library.DEFAULT).card
    here = set(columns)
    assert across.kept(card, columns["faces"], here) is None
    told = []
    wanted = {card.id: [column.rows for column in columns.values()], "mini_xception_raw": []}
    assert across.measure(store, wanted, progress=lambda *at: told.append(at)) == []
    found = {name: across.kept(card, column, here) for name, column in columns.items()}
    assert found["faces"].among["n"] == 6 and found["scowls"].left_out == {"no answer": 1}
    assert speed.known(library.find("mini_xception_raw").card)
    done = [at for at, whole, _ in told if whole]
    assert done == sorted(done) and done[-1] == pytest.approx(told[-1][1], abs=1)
    assert {(e.dataset, e.split) for e in register.entries(store)} == {("faces", ALL), ("scowls", ALL)}
    predictor = Predictor.load(library.find(card.id).folder)
    again = across.cell(trial.run(store, predictor, columns["faces"].rows), "labels")
    assert found["faces"] == again


def test_a_cell_is_measured_again_once_the_training_set_has_come(store):
    card = library.find(library.DEFAULT).card
    column = asked(store, "faces")
    across.measure(store, {card.id: [column.rows]})
    assert across.kept(card, column, {"faces"}).leaked is None
    assert across.kept(card, column, {"faces", card.training["dataset"]}) is None


def test_one_that_fails_is_told_and_the_others_go_on(store):
    rows = asked(store, "faces").rows
    lost = dataclasses.replace(rows, frame=rows.frame.assign(image="f" * 64))
    card = library.find(library.DEFAULT).card
    said = across.measure(store, {"nobody": [rows], card.id: [lost, rows]})
    assert len(said) == 2 and "nobody" in said[0] and said[1].startswith(f"{card.title} on faces:")
    assert across.kept(card, across.column(rows, "labels"), {"faces"})


def test_a_stop_keeps_what_was_measured(store):
    card = library.find(library.DEFAULT).card
    first, second = asked(store, "faces"), asked(store, "scowls")

    def stop(done, total, text=""):
        if "scowls" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        across.measure(store, {card.id: [first.rows, second.rows]}, progress=stop)
    assert across.kept(card, first, set()) and across.kept(card, second, set()) is None


def test_figures_of_everything_are_too_good_for_whoever_learned_a_part_of_it():
    card = library.find(library.DEFAULT).card
    assert "a part of these" in register.cautions(card, "fer2013", ALL, 100, [])[0]
    assert register.cautions(card, "others", ALL, 100, []) == []
