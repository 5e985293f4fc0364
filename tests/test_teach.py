"""From a class set to a model that is used like any other."""

import dataclasses
import shutil

import numpy as np
import pytest

from fer_core import labels, workspace
from fer_core.dataset import drawing
from fer_core.errors import BadInput, BadModel, Conflict, NotFound
from fer_core.evaluation import trial
from fer_core.evaluation.document import facts
from fer_core.fewshot import classes, heads, model, teach
from fer_core.imaging import detectors
from fer_core.imaging.decode import pixel_id
from fer_core.inference import explanation, photo
from fer_core.inference.predictor import Predictor
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import export, library, thresholds
from fer_core.zoo.head import KINDS, RIDGE
from tests import drawn_dataset

MOODS, SHOTS = ("happy", "surprise", "angry"), 5


@pytest.fixture(scope="module")
def base():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture(scope="module")
def faces():
    """Seven drawn faces of each mood, each of another person."""
    drawn = {}
    for mood in MOODS:
        for number in range(SHOTS + 2):
            random = np.random.default_rng((7, number, MOODS.index(mood)))
            person, view = drawing.person(random), drawing.view(random)
            face = drawing.draw(drawing.PROTOTYPES[mood], person, view, 96, random)
            drawn.setdefault(mood, []).append((f"{mood} {number}", face))
    return drawn


def filled(faces, whole):
    """The id of a set with five faces of each mood."""
    made = classes.create("Moods", library.DEFAULT)
    for mood in MOODS:
        classes.add(made.id, mood, faces[mood][:SHOTS], whole=whole)
    return made.id


@pytest.fixture
def moods(faces):
    return filled(faces, whole=True)


def served(card):
    return Predictor.load(library.find(card.id).folder)


def test_a_taught_model_names_new_faces_on_photos_like_any_other(faces, base):
    card = teach.teach(filled(faces, whole=False), predictor=base)
    assert card.id == "taught_moods" and card.title == "Moods" and card.taught
    assert card.labels.names == (*MOODS, labels.UNKNOWN)
    predictor, detector = served(card), detectors.get()
    looks = [
        (mood, photo.analyse(face, predictor, detector).faces[0].verdict.label)
        for mood in MOODS
        for _, face in faces[mood][SHOTS:]
    ]
    assert sum(mood == label for mood, label in looks) >= 5, looks
    assert predictor.predict(np.zeros((0, *card.input.shape), np.uint8)).shape == (0, 4)
    noise = np.random.default_rng(0).integers(0, 256, (4, *card.input.shape), np.uint8)
    told = predictor.predict(noise)
    assert (told.argmax(axis=1) == 3).all() and np.allclose(told.sum(axis=1), 1, atol=1e-5)
    assert photo.verdict(told[0], card.labels, 0.0).sentence.startswith(f"looks like {labels.UNKNOWN}")


def test_it_can_be_taught_without_an_unknown_answer_and_as_each_kind(moods, base):
    for kind in KINDS:
        card = teach.teach(moods, kind=kind, unknown=False, predictor=base)
        assert card.labels.names == MOODS and card.training["taught"]["kind"] == kind
        assert served(card).predict(np.zeros((2, *card.input.shape), np.uint8)).shape == (2, 3)
    assert len([entry for entry in library.entries() if not entry.shipped]) == 1


def test_one_pass_of_the_network_answers(moods, base, monkeypatch):
    predictor, passes = served(teach.teach(moods, predictor=base)), []
    run = predictor._network.run
    monkeypatch.setattr(predictor._network, "run", lambda *given: passes.append(given[1]) or run(*given))
    predictor.predict(np.zeros((3, *predictor.card.input.shape), np.uint8))
    assert passes == [("embedding",)]


def test_the_card_says_what_it_was_taught_from(moods, base):
    card = teach.teach(moods, predictor=base)
    told, found = card.training["taught"], teach.look(moods, predictor=base)
    assert told["base"] == library.DEFAULT and told["set"] == moods and told["kind"] == found.kind
    assert told["examples"] == dict.fromkeys(MOODS, SHOTS) and len(told["images"]) == 15
    score = found.scores[found.kind]
    assert told["leave_one_out"][found.kind]["right"] == score.right and score.n == 15
    assert f"{score.right} of 15 were recognised" in card.limitations[0]
    # What the network itself has seen is still told, and nothing is claimed to have been measured.
    assert card.training["dataset"] == base.card.training["dataset"] and card.evaluations == []
    assert f"taught on top of {library.DEFAULT}" in facts.sentence(card)
    assert facts.tables(card)["What it was taught"]["Examples"] == "5 happy, 5 surprise, 5 angry"


def test_teaching_again_replaces_the_model_and_nobody_elses(moods, faces, base):
    first = teach.teach(moods, predictor=base)
    classes.remove_class(moods, "angry")
    second = teach.teach(moods, predictor=base)
    assert second.labels.names == ("happy", "surprise", labels.UNKNOWN)
    assert first.weights != second.weights != base.card.weights
    assert served(second).labels == second.labels
    dataclasses.replace(second, training={}).write(library.find(second.id).folder)
    with pytest.raises(Conflict, match="'taught_moods', which another model has"):
        teach.teach(moods, predictor=base)
    assert [path.name for path in workspace.folder("models").iterdir()] == ["taught_moods"]


def test_a_model_outlives_its_base_and_its_set(moods, base):
    folder = workspace.folder("models") / "mine"
    shutil.copytree(workspace.SHIPPED_MODELS / library.DEFAULT, folder)
    dataclasses.replace(base.card, id="mine").write(folder)
    card = teach.teach(moods, base="mine")
    assert card.training["taught"]["base"] == "mine"
    shutil.rmtree(folder)
    classes.delete(moods)
    assert served(card).labels == card.labels
    with pytest.raises(NotFound, match="mine"):
        model.base("mine")


def test_what_was_taught_is_checked_like_everything_that_is_served(moods, base):
    card = teach.teach(moods, predictor=base)
    folder = library.find(card.id).folder
    other = heads.fit(np.random.default_rng(0).normal(size=(6, 128)), np.array([0, 1, 2, 3] + [0, 1]), RIDGE)
    other.save(folder / "head.npz")
    with pytest.raises(BadModel, match=r"head\.npz, changed since"):
        Predictor.load(folder)
    card.write(folder)
    with pytest.raises(BadModel, match="probe"):
        Predictor.load(folder)


def test_a_photo_in_the_wrong_class_is_pointed_at(moods, faces, base):
    stray = classes.add(moods, "angry", faces["happy"][SHOTS : SHOTS + 1], whole=True).taken[0]
    found = teach.look(moods, predictor=base)
    place = found.confusing[0]
    assert place.example == stray and place.class_name == "angry" and place.confuses == "happy"
    assert place.other_distance < place.own_distance and place.answer == "happy" and place.probability > 0.5
    row = [example for _, example in found.class_set.examples].index(stray)
    other = [example for _, example in found.class_set.examples].index(place.other)
    assert found.distances[row, other] == place.other_distance == found.distances[other, row]
    assert found.distances.shape == (16, 16) and np.abs(np.diag(found.distances)).max() == 0


def test_a_set_can_be_looked_at_before_it_is_whole(faces, base):
    made = classes.create("Begun", library.DEFAULT).id
    assert teach.look(made, predictor=base).places == ()
    classes.add_class(made, "nothing yet")
    classes.add(made, "happy", faces["happy"][:1], whole=True)
    (place,) = teach.look(made, predictor=base).places
    assert place.own is place.other is place.answer is place.confuses is None
    classes.add(made, "angry", faces["angry"][:2], whole=True)
    found = teach.look(made, predictor=base)
    assert [one.class_name for one in found.places] == ["happy", "angry", "angry"]
    assert {score.n for score in found.scores.values()} == {2}
    assert found.places[1].other_class == "happy" and found.places[0].answer is None
    with pytest.raises(BadInput, match="no photo of nothing yet"):
        teach.teach(made, predictor=base)
    classes.remove_class(made, "nothing yet")
    assert served(teach.teach(made, predictor=base)).labels.names == ("happy", "angry", labels.UNKNOWN)


def test_one_photo_a_class_is_enough_and_the_card_says_how_little_it_is(faces, base):
    made = classes.create("One each", library.DEFAULT).id
    for mood in MOODS[:2]:
        classes.add(made, mood, faces[mood][:1], whole=True)
    card = teach.teach(made, predictor=base)
    assert "too few to ask" in card.limitations[0]
    assert facts.tables(card)["What it was taught"]["Each example left out in turn"] == "not asked"
    assert served(card).predict(np.zeros((1, *card.input.shape), np.uint8)).shape == (1, 3)


def test_one_class_an_unknown_kind_and_a_taught_base_are_refused(moods, faces, base):
    lonely = classes.create("Lonely", library.DEFAULT).id
    classes.add(lonely, "happy", faces["happy"][:2], whole=True)
    with pytest.raises(BadInput, match="two classes or more.*1 classes"):
        teach.teach(lonely, predictor=base)
    with pytest.raises(BadInput, match="'oracle'"):
        teach.teach(moods, kind="oracle", predictor=base)
    card = teach.teach(moods, predictor=base)
    with pytest.raises(BadInput, match="which was taught itself"):
        teach.look(moods, base=card.id)
    with pytest.raises(BadInput, match="which was taught itself"):
        teach.teach(moods, predictor=served(card))
    assert card.id not in [one.id for one in model.bases()] and library.DEFAULT in [
        one.id for one in model.bases()
    ]


def test_what_is_kept_for_the_base_is_not_taken_for_the_taught_model(moods, base):
    card = teach.teach(moods, predictor=base)
    assert card.files["model.tflite"] == base.card.files["model.tflite"]
    thresholds.choose(base.card, 0.9)
    assert thresholds.of(base.card) == 0.9 and thresholds.of(card) == card.answer_threshold <= 0.5


def test_it_is_evaluated_on_a_dataset_where_its_examples_count_as_seen(faces, tmp_path, base):
    shown = [(mood, face) for mood in MOODS for _, face in faces[mood]]
    rows = [
        drawn_dataset.row(f"{n}", face, mood, "test" if n % 7 else "train")
        for n, (mood, face) in enumerate(shown)
    ]
    store = drawn_dataset.here(tmp_path, rows)
    mine = base.taught(dataclasses.replace(base.card, training={"dataset": "faces"}), None)
    made = classes.create("Moods", library.DEFAULT).id
    for mood in MOODS:
        classes.add_crops(made, mood, faces[mood][:SHOTS])
    predictor = served(teach.teach(made, predictor=mine))
    asked = trial.rows(store, "faces", None, "test")
    theirs, ours = (trial.run(store, one, asked) for one in (mine, predictor))
    # Eight answers of the base, four of the taught one: nothing was mixed up in the cache.
    assert theirs.answers.shape[1] == 8 and ours.answers.shape[1] == 4
    assert ours.result().label_set.names == MOODS
    examples = {pixel_id(face) for mood in MOODS for _, face in faces[mood][1:SHOTS]}
    assert theirs.seen == frozenset() and ours.seen == examples
    assert ours.records[0]["n"] == 18 and ours.records[0]["leak_free"]["n"] == 6


def test_what_needs_a_network_of_its_own_says_so(moods, faces, base):
    card = teach.teach(moods, predictor=base)
    predictor = served(card)
    with pytest.raises(BadInput, match=f"taught on top of {library.DEFAULT}.*class set"):
        export.export(card.id, "litert")
    config = TrainingConfig(spec="mini_xception", dataset="faces", start_from=card.id)
    with pytest.raises(BadInput, match=r"without one.*start from that one"):
        runs.start(config)
    crop = np.random.default_rng(0).integers(0, 256, (1, *card.input.shape), np.uint8)
    with pytest.raises(BadModel, match="Occlusion does without"):
        explanation.heat(predictor, crop, np.array([0]), explanation.GRAD_CAM)
    assert explanation.heat(predictor, crop, np.array([3])).shape == (1, 48, 48)
