"""A photo in, expressions out."""

import numpy as np
import pytest
from skimage import data

from fer_core import labels, workspace
from fer_core.errors import BadInput
from fer_core.imaging import detectors
from fer_core.imaging.faces import Box
from fer_core.inference import photo
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

FACE = Box(177, 66, 95, 95)
"""Where the Haar cascade finds the astronaut's face."""


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)


@pytest.fixture(scope="module")
def detector():
    return detectors.get(detectors.DEFAULT)


def test_the_astronaut_has_one_face_and_it_looks_happy(predictor, detector):
    result = photo.analyse(data.astronaut(), predictor, detector, "astronaut.png")
    (found,) = result.faces
    assert found.face.box.iou(FACE) > 0.5
    assert found.verdict.label == "happy" and found.verdict.sentence.startswith("looks happy (")
    assert found.crop.shape == predictor.card.input.shape and found.crop.dtype == np.uint8
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert set(result.milliseconds) == {"detect", "prepare", "classify"}


def test_no_face_is_an_answer_and_the_whole_picture_a_choice(predictor, detector):
    coffee = data.coffee()
    nothing = photo.analyse(coffee, predictor, detector, "coffee.png")
    assert nothing.faces == ()
    assert photo.table([nothing])["warnings"].tolist() == ["no face found"]
    whole = photo.analyse(coffee, predictor, detector, "coffee.png", whole=True)
    assert len(whole.faces) == 1 and whole.faces[0].face is None
    assert np.array_equal(photo.annotated(whole), coffee)


def test_several_faces_get_an_answer_each(predictor, detector):
    astronaut = data.astronaut()[:300, 80:380]
    pair = np.concatenate([astronaut, astronaut], axis=1)
    result = photo.analyse(pair, predictor, detector)
    assert len(result.faces) == 2
    one, two = result.faces
    assert np.allclose(one.probabilities, two.probabilities, atol=0.15)
    assert abs(one.face.box.x - two.face.box.x) == pytest.approx(300, abs=5)


def test_a_box_drawn_by_hand_is_taken_as_it_is(predictor, detector):
    result = photo.analyse(data.astronaut(), predictor, detector, boxes=[FACE])
    assert result.faces[0].face.box == FACE
    with pytest.raises(BadInput, match="must touch the picture"):
        photo.analyse(data.astronaut(), predictor, detector, boxes=[Box(900, 900, 50, 50)])


def test_the_table_has_a_row_a_face_with_every_probability(predictor, detector):
    result = photo.analyse(data.astronaut(), predictor, detector, "a.png")
    row = photo.table([result]).iloc[0]
    assert row["file"] == "a.png" and row["face"] == 1 and row["looks"] == "happy"
    assert sum(row[name] for name in predictor.labels.names) == pytest.approx(1, abs=1e-3)
    assert photo.table([]).empty


def test_boxes_are_drawn_where_the_faces_are(predictor, detector):
    result = photo.analyse(data.astronaut(), predictor, detector)
    drawn = photo.annotated(result)
    changed = np.argwhere((drawn != result.image).any(axis=2))
    assert drawn.shape == result.image.shape and len(changed) > 100
    box = result.faces[0].face.box
    assert abs(changed[:, 1].min() - box.x) < 15 and changed[:, 0].max() < box.y + box.height + 40


@pytest.mark.parametrize(
    "probabilities, threshold, words",
    [
        ([0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05], 0.4, "looks happy (70 %)"),
        ([0.05, 0.05, 0.6, 0.1, 0.1, 0.05, 0.05], 0.4, "looks afraid (60 %)"),
        ([0.05, 0.05, 0.05, 0.05, 0.38, 0.05, 0.37], 0.4, "can't tell: sad or neutral"),
    ],
)
def test_the_sentence_is_plain_and_doubt_is_said(probabilities, threshold, words):
    assert photo.verdict(np.array(probabilities), labels.FER7, threshold).sentence == words
