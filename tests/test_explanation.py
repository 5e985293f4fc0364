"""Heat maps by occlusion, the part of the face they lie on, and why one face was read as it was."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fer_core import workspace
from fer_core.dataset import ledger
from fer_core.errors import BadInput, NotFound
from fer_core.evaluation import trial, why
from fer_core.imaging import detectors, landmarks
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference import explanation
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import library
from fer_core.zoo.card import Card
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

SIDE = 40
TWO = LabelSet("two", ("happy", "sad"))
EYE = (slice(8, 14), slice(24, 30))
"""Where the toy network looks."""


class Toy:
    """Happy as far as one small place is bright; its embedding is the mean of the upper and lower half."""

    def __init__(self):
        self.points = None

    def run(self, batch, outputs, points=None):
        self.points = points
        if outputs == ("embedding",):
            halves = batch.reshape(len(batch), 2, -1).astype(np.float32).mean(axis=2)
            return {"embedding": halves}
        happy = batch[:, *EYE].mean(axis=(1, 2, 3)) / 255
        return {"probabilities": np.stack([happy, 1 - happy], axis=1).astype(np.float32)}


def toy(**changes):
    return Predictor(Card("toy", "Toy", "toy", TWO, InputSpec(SIDE, SIDE, 1, **changes)), Toy())


@pytest.fixture
def crop():
    """Dark, but for the place that the network looks at."""
    shown = np.full((1, SIDE, SIDE, 1), 40, np.uint8)
    shown[0][EYE] = 230
    return shown


def test_occlusion_finds_what_the_network_looks_at(crop):
    (found,) = explanation.heat(toy(), crop, np.array([0]))
    assert found.shape == (SIDE, SIDE) and found.dtype == np.float32
    down, across = np.unravel_index(found.argmax(), found.shape)
    assert EYE[0].start <= down < EYE[0].stop and EYE[1].start <= across < EYE[1].stop
    # In probability: with the place blurred away some of 0.9 - 0.16 is gone.
    assert 0.3 < found.max() < 0.75 and found[:, :12].max() == 0 and found[26:].max() == 0
    # What is against an answer is not what it rests on.
    assert explanation.heat(toy(), crop, np.array([1]))[0].max() == 0


def test_where_the_mirror_image_counts_both_places_show(crop):
    both = Predictor(replace(toy().card, flip_average=True), Toy())
    (found,) = explanation.heat(both, crop, np.array([0]))
    assert found[EYE].mean() > 5 * found.mean()
    symmetric = np.maximum(crop, crop[:, :, ::-1])
    (found,) = explanation.heat(both, symmetric, np.array([0]))
    assert np.allclose(found, found[:, ::-1], atol=0.03) and found[EYE].mean() > 2 * found.mean()


def test_landmarks_stay_those_of_the_whole_crop(crop, monkeypatch):
    places = np.random.default_rng(0).random((1, 68, 2)).astype(np.float32)
    asked = []
    monkeypatch.setattr(landmarks, "of_crops", lambda crops: asked.append(len(crops)) or places)
    looks = toy(landmarks=True)
    explanation.heat(looks, crop, np.array([0]))
    assert asked == [1] and (looks._network.points == places).all() and len(looks._network.points) == 82


def test_heat_of_nothing_and_of_what_there_is_not(crop):
    assert explanation.heat(toy(), crop[:0], np.array([])).shape == (0, SIDE, SIDE)
    with pytest.raises(BadInput, match="occlusion, grad-cam, gradient"):
        explanation.heat(toy(), crop, np.array([0]), "x-ray")
    with pytest.raises(BadInput, match="name an expression"):
        explanation.heat(Predictor(replace(toy().card, task="affect"), Toy()), crop, np.array([0]))
    with pytest.raises(NotFound, match="toy"):
        explanation.heat(toy(), crop, np.array([0]), explanation.GRADIENT)


@pytest.fixture
def points():
    """Brows, eyes, nose and mouth a fifth apart from top to bottom; the jaw along the lower edge."""
    places = np.full((68, 2), [0.5, 0.98], np.float32)
    for of, down in ((range(17, 27), 0.2), (range(36, 48), 0.4), (range(27, 36), 0.6), (range(48, 68), 0.8)):
        places[of] = np.stack([np.linspace(0.2, 0.8, len(of)), np.full(len(of), down)], axis=1)
    return places


def test_the_part_of_the_face_is_told_only_when_it_is_clear(points):
    heat = np.zeros((50, 50), np.float32)
    heat[38:42, 15:35] = 0.2
    assert explanation.parts(heat, points)["the mouth"] == pytest.approx(1, abs=1e-6)
    assert explanation.mostly(heat, points) == "the mouth"
    heat[18:22, 15:35] = 0.2
    assert explanation.parts(heat, points)["the eyes"] == pytest.approx(0.5, abs=1e-6)
    assert explanation.mostly(heat, points) is None
    heat[8:12, 15:35] = 0.15
    assert explanation.mostly(heat, points) == "the eyes and brows"
    assert explanation.mostly(heat / 5, points) is None
    assert sum(explanation.parts(np.zeros((50, 50)), points).values()) == 0
    corner = np.zeros((50, 50), np.float32)
    corner[:5, :5] = 1
    assert explanation.mostly(corner, points) is None


def test_a_heat_map_is_drawn_at_another_size():
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    large = explanation.enlarged(heat, 40, 20)
    assert large.shape == (40, 20) and large[:5, 17:].mean() > 0.7 and large[20:].max() == 0
    assert np.allclose(explanation.enlarged(np.full((3, 3), 2.0), 9, 9), 2)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)


@pytest.fixture
def store(tmp_path):
    """A face to validate with votes, and six to train on: two copies of it, and four others."""
    face = picture(0, 48)
    rows = [row("v0", face, "sad", "validation", votes={"sad": 6, "neutral": 3, "happy": 1})]
    rows += [row("same 1", face, "sad"), row("same 2", face, "fear")]
    rows += [row(f"t{i}", picture(i, 48), "sad" if i < 4 else None) for i in range(1, 5)]
    rows += [row("v1", picture(9, 48), "happy", "validation")]
    return drawn_dataset.here(tmp_path, rows)


def test_one_face_is_explained_with_all_that_is_known_of_it(store, predictor):
    mine = Predictor(replace(predictor.card, training={"dataset": "faces"}), predictor._network)
    dataset, own, frame = why.training_rows(store, mine.card, "faces")
    assert (dataset, own, len(frame)) == ("faces", True, 6)
    learnt = why.learn(store, mine, dataset, own, frame)
    found = why.explain(store, mine, 1, learnt=learnt)
    assert found.crop.shape == (48, 48, 1) and np.array_equal(found.crop[:, :, 0], picture(0, 48))
    assert np.allclose(found.probabilities, mine.predict(found.crop[None])[0])
    # The model averages over both ways, which differ.
    assert mine.card.flip_average and not np.allclose(found.plain, found.mirrored, atol=1e-3)
    assert found.plain.sum() == pytest.approx(1, abs=1e-5)
    assert found.votes == Counter(sad=6, neutral=3, happy=1)
    assert [copy.sample for copy in found.copies] == [2, 3]
    assert sorted(near.sample for near in found.nearest) == [4, 5, 6, 7] and found.elsewhere == ""
    own = mine.embed(np.stack([found.crop, picture(1, 48)[..., None]])).astype(float)
    cosine = own[0] @ own[1] / np.linalg.norm(own[0]) / np.linalg.norm(own[1])
    (first,) = (near for near in found.nearest if near.sample == 4)
    assert first.distance == pytest.approx(1 - cosine, abs=1e-5) and first.label == "sad"
    assert [near.distance for near in found.nearest] == sorted(near.distance for near in found.nearest)
    assert "labelled sad (1) and fear (1)" in found.sentence and "of 10 raters 6 said sad" in found.sentence
    # A training face is not its own neighbour; its copies are told apart.
    again = why.explain(store, mine, 2, learnt=learnt)
    assert [copy.sample for copy in again.copies] == [3] and 2 not in [near.sample for near in again.nearest]


def test_without_its_own_training_faces_others_are_shown_and_named(store, predictor):
    dataset, own, frame = why.training_rows(store, predictor.card, "faces")
    assert not own
    found = why.explain(store, predictor, 1, learnt=why.learn(store, predictor, dataset, own, frame))
    assert "the 4 nearest faces of faces are labelled sad (3) and no label (1)" in found.sentence
    assert "nearest" not in why.explain(store, predictor, 1).sentence
    with pytest.raises(NotFound, match="99"):
        why.explain(store, predictor, 99)
    with pytest.raises(NotFound):
        why.training_rows(store, predictor.card, "voices")


class Left:
    """Finds a small face, and a larger one in the upper left."""

    def detect(self, image):
        return [Face(Box(20, 0, 10, 10), 0.9), Face(Box(0, 0, 24, 24), 0.8)]


def test_the_face_that_was_read_is_explained_and_none_is_an_answer(store, predictor, monkeypatch):
    monkeypatch.setattr(detectors, "get", lambda name: Left())
    found = why.explain(store, predictor, 1, "left")
    expected = to_input(picture(0, 48), Box(0, 0, 24, 24), predictor.card.input)
    assert np.array_equal(found.crop, expected)
    monkeypatch.setattr(Left, "detect", lambda self, image: [])
    found = why.explain(store, predictor, 1, "left")
    assert found.crop is None and found.heat is None
    assert found.sentence == "No face was found in it; of 10 raters 6 said sad."


def near(*labels):
    return tuple(why.Neighbour(n, "x", label, "train", 0.1) for n, label in enumerate(labels))


def test_the_sentence_says_everything_in_plain_words():
    told = why.Explanation(
        TWO,
        probabilities=np.array([0.39, 0.61]),
        plain=np.array([0.2, 0.8]),
        mirrored=np.array([0.58, 0.42]),
        part="the mouth",
        nearest=near("happy", "sad", "happy", None, "happy"),
        votes=Counter(happy=5, sad=5),
    )
    assert told.sentence == (
        "It reads sad with 61 %, mostly from the mouth; the 5 nearest training faces are labelled happy (3), "
        "sad (1) and no label (1); alone it reads sad, its mirror image happy; of 10 raters 5 each said "
        "happy and sad."
    )
    sure = why.Explanation(
        TWO, probabilities=np.array([1.0, 0.0]), plain=np.array([1, 0]), mirrored=np.array([1, 0])
    )
    assert sure.sentence == "It reads happy with 99 %; mirrored it reads the same."


def test_the_average_of_each_class_is_of_right_answers_and_kept(store, predictor, monkeypatch):
    asked = trial.rows(store, "faces", None, "train")
    probabilities = np.zeros((6, 7), np.float32)
    sad, fear, happy = (predictor.labels.index(name) for name in ("sad", "fear", "happy"))
    # Two of the four sad faces are read right, and the one of fear is not.
    probabilities[range(6), [sad, happy, sad, happy, happy, happy]] = 1
    made = trial.Trial(predictor.card, asked, "whole", probabilities, frozenset())
    steps = []
    averages = why.average(
        store, predictor, made, kind=explanation.OCCLUSION, progress=lambda *said: steps.append(said[:2])
    )
    by_label = {average.label: average for average in averages}
    assert by_label["fear"].faces == 0 and by_label["fear"].heat is None
    assert by_label["sad"].faces == 2 and steps == [(2, 2)]
    both = np.stack([picture(0, 48), picture(1, 48)])[..., None]
    assert np.abs(by_label["sad"].face.astype(float) - both.mean(axis=0)).max() <= 1
    heats = explanation.heat(predictor, both, np.array([sad, sad]))
    shares = heats / heats.sum(axis=(1, 2), keepdims=True)
    assert np.allclose(by_label["sad"].heat, shares.mean(axis=0), atol=1e-6)
    monkeypatch.setattr(explanation, "heat", None)
    again = why.average(store, predictor, made, kind=explanation.OCCLUSION)
    assert [average.faces for average in again] == [average.faces for average in averages]
    assert all(
        np.array_equal(one.heat, other.heat) for one, other in zip(again, averages, strict=True) if one.faces
    )
    # With another label other faces are right, and the mean is made anew.
    ledger.relabel(store, [(2, "fear")], "Ada")
    other = trial.Trial(
        predictor.card, trial.rows(store, "faces", None, "train"), "whole", probabilities, None
    )
    with pytest.raises(TypeError):
        why.average(store, predictor, other, kind=explanation.OCCLUSION)
