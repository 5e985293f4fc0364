"""A few neutral photos of a person shift what a model makes of that person, and of nothing else."""

import dataclasses

import numpy as np
import pytest
from skimage import data

from fer_core import workspace
from fer_core.errors import BadInput, Conflict
from fer_core.fewshot import personal
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7, LabelSet
from fer_core.zoo import library


@pytest.fixture(scope="module")
def base():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture(scope="module")
def rest(base):
    """Pictures that the model takes for something else than a neutral face."""
    with np.load(library.find(library.DEFAULT).folder / "probe.npz") as probe:
        blobs = probe["inputs"]
    neutral = base.predict(blobs)[:, base.labels.names.index("neutral")]
    chosen = blobs[np.argsort(neutral)[:3]]
    return [(f"photo {n}", np.repeat(blob, 3, axis=2)) for n, blob in enumerate(chosen, 1)]


def inputs(photos):
    return np.stack([photo[..., :1] for _, photo in photos])


def test_the_offset_takes_back_what_the_person_has_more_of_than_usual():
    told, usual = np.array([[0.1, 0.6, 0.3], [0.3, 0.4, 0.3]]), np.array([0.6, 0.2, 0.2])
    # Of the mean answer 0.2, 0.5, 0.3: logarithms of 3, 2/5 and 2/3, less their mean.
    factors = np.log([3, 0.4, 2 / 3])
    expected = factors - factors.mean()
    assert personal.offset(told, usual, 1.0, 1.0) == pytest.approx(expected, abs=1e-6)
    assert personal.offset(told, usual, 0.5, 0.8) == pytest.approx(0.4 * expected, abs=1e-6)
    assert personal.offset(told, told.mean(axis=0), 2.0) == pytest.approx(np.zeros(3), abs=1e-6)


def test_what_the_network_holds_for_impossible_does_not_decide_alone():
    usual = np.array([0.5, 0.25, 0.25])
    told = [personal.offset(np.array([[1 - 2 * p, p, p]]), usual, 1.0) for p in (1e-9, personal.FLOOR)]
    assert told[0] == pytest.approx(told[1], abs=0.01)


def test_a_face_at_rest_shall_be_half_neutral_and_the_rest_alike(base):
    card = dataclasses.replace(base.card, labels=LabelSet("x", ("happy", "neutral", "sad", "bored")))
    assert personal.usual_answer(card) == pytest.approx(np.array([1, 3, 1, 1]) / 6)


def test_a_persons_model_reads_their_rest_as_more_neutral_and_is_served(base, rest):
    card = personal.calibrate(library.DEFAULT, rest, " Ada  Łovelace ", whole=True, predictor=base)
    assert card.id == f"{library.DEFAULT}_for_ada-ovelace" and card.title.endswith(", for Ada Łovelace")
    assert card.taught and card.labels == base.labels and card.temperature == base.card.temperature
    assert card.weights != base.card.weights and card.evaluations == []
    assert "one person by 3 photos" in card.limitations[-1]
    predictor = Predictor.load(library.find(card.id).folder)
    before, after = (one.predict(inputs(rest)) for one in (base, predictor))
    place = base.labels.names.index("neutral")
    assert after[:, place].mean() > before[:, place].mean() + 0.1
    # By the same factors on every face, before the mirror images are averaged.
    noise = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), np.uint8)
    plain = [np.log(one.both_ways(noise)) for one in (base, predictor)]
    shift = plain[1] - plain[0]
    expected = personal.offset(before, personal.usual_answer(base.card), base.card.temperature)
    assert shift - shift.mean(axis=2, keepdims=True) == pytest.approx(
        np.broadcast_to(expected, shift.shape), abs=1e-3
    )


def test_the_largest_face_of_each_photo_is_taken(base):
    photo = data.astronaut()
    card = personal.calibrate(library.DEFAULT, [("crew.png", photo)], "Eileen", predictor=base)
    assert card.training["taught"]["examples"] == {"neutral": 1}
    with pytest.raises(BadInput, match=r"cup\.png, without one"):
        personal.calibrate(library.DEFAULT, [("cup.png", data.coffee())], "Cup", predictor=base)


def test_doing_it_again_replaces_the_persons_model_only(base, rest):
    for count in (1, 2):
        card = personal.calibrate(library.DEFAULT, rest[:count], "Ada", whole=True, predictor=base)
    assert [path.name for path in workspace.folder("models").iterdir()] == [card.id]
    assert card.training["taught"]["examples"] == {"neutral": 2}
    dataclasses.replace(card, training={}).write(library.find(card.id).folder)
    with pytest.raises(Conflict, match="another model has"):
        personal.calibrate(library.DEFAULT, rest, "Ada", whole=True, predictor=base)


def test_what_cannot_be_calibrated_is_refused(base, rest):
    def refused(match, predictor=base, photos=rest, name="Ada"):
        with pytest.raises(BadInput, match=match):
            personal.calibrate(library.DEFAULT, photos, name, whole=True, predictor=predictor)

    def under(card):
        return Predictor(card, base._network)

    refused("1 to 50 neutral photos.*0", photos=[])
    refused("1 to 50 neutral photos.*51", photos=rest * 17)
    refused("name of letters", name="!?")
    refused("names 'neutral'", under(dataclasses.replace(base.card, task="affect")))
    without = LabelSet("x", tuple(name for name in FER7.names if name != "neutral"))
    refused("names 'neutral'", under(dataclasses.replace(base.card, labels=without)))
    card = personal.calibrate(library.DEFAULT, rest, "Ada", whole=True, predictor=base)
    with pytest.raises(BadInput, match="which was taught itself"):
        personal.calibrate(card.id, rest, "Ada", whole=True)
