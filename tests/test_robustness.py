"""Faces made worse on purpose, and what is left of a model's accuracy then."""

import dataclasses
import json

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data

from fer_core import cli
from fer_core.errors import BadInput
from fer_core.evaluation import results, robustness, trial
from fer_core.imaging import detectors, disturbances, landmarks
from fer_core.imaging.disturbances import DISTURBANCES, disturbed
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7
from fer_core.zoo import library
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

LABELS = ("happy", "sad", "neutral", "happy", "angry", "sad")
BY_ID = {each.id: each for each in DISTURBANCES}


@pytest.fixture(scope="module")
def face():
    """(118, 118, 3): a face that fills its picture."""
    return np.ascontiguousarray(data.astronaut()[60:178, 165:283])


@pytest.fixture(scope="module")
def points(face):
    return landmarks.of_crops(face[None])[0]


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture
def store(tmp_path):
    rows = [row(f"v{i}", picture(i, 48), label, "validation") for i, label in enumerate(LABELS)]
    return drawn_dataset.here(tmp_path, rows)


@pytest.fixture
def sample(store, predictor):
    return trial.run(store, predictor, trial.rows(store, "faces", None, "validation")).result()


@pytest.fixture
def asked(predictor, monkeypatch):
    """For each face that the network was asked for, how many pictures of it."""
    counted = []
    raw = predictor.raw
    monkeypatch.setattr(predictor, "raw", lambda batch: counted.append(len(batch)) or raw(batch))
    return counted


@pytest.mark.parametrize("each", DISTURBANCES, ids=lambda each: each.id)
def test_every_disturbance_is_the_same_each_time_and_leaves_its_picture_alone(each, face, points):
    before = face.copy()
    assert disturbed(each, face, None) is face
    made = [disturbed(each, face, strength, points) for strength in each.strengths]
    for one, strength in zip(made, each.strengths, strict=True):
        assert one.dtype == np.uint8 and one.ndim == 3 and not np.array_equal(one, face)
        assert one.shape == face.shape or each.id == "small"
        assert np.array_equal(one, disturbed(each, face.copy(), strength))
    assert np.array_equal(face, before)
    assert each.usual in each.strengths and each.steps[each.nothing] is None
    if each.nothing == 0 and each.id != "turn":
        far = [np.abs(_large(one, face) - face.astype(float)).mean() for one in made]
        assert far == sorted(far), "stronger is farther from the picture as it is"


def _large(made, face):
    return cv2.resize(made, face.shape[1::-1]).astype(float)


def test_strengths_are_in_their_units(face, points):
    grey = np.full((40, 40, 3), 100, np.uint8)
    noise = disturbed(BY_ID["noise"], grey, 20, points).astype(float) - 100
    assert noise.std() == pytest.approx(20, rel=0.1) and np.ptp(noise, axis=2).max() == 0
    assert (disturbed(BY_ID["light"], grey, 0.35, points) == 35).all()
    assert (disturbed(BY_ID["light"], grey, 2.2, points) == 220).all()
    ramp = np.repeat(np.arange(100, 140, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(40, axis=0)
    flat = disturbed(BY_ID["contrast"], ramp, 50, points)
    assert flat.std() == pytest.approx(ramp.std() / 2, rel=0.02)
    assert flat.mean() == pytest.approx(ramp.mean(), abs=1)
    assert disturbed(BY_ID["small"], face, 24, points).shape == (24, 24, 3)
    tiny = to_input(face, None, InputSpec(16, 16, 3))
    assert disturbed(BY_ID["small"], tiny, 24, points) is tiny, "a smaller picture is not enlarged"
    edge = np.zeros((101, 101, 3), np.uint8)
    edge[:, 51:] = 255
    slope = np.diff(disturbed(BY_ID["blur"], edge, 2, points)[50, :, 0].astype(float))
    assert np.sqrt((slope * (np.arange(100) - 50) ** 2).sum() / 255) == pytest.approx(2.02, rel=0.03)
    grey_face = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    turned = cv2.cvtColor(disturbed(BY_ID["turn"], face, 20, points), cv2.COLOR_RGB2GRAY)
    back = [
        cv2.warpAffine(turned, cv2.getRotationMatrix2D((58.5, 58.5), angle, 1), (118, 118))
        for angle in (20, -20)
    ]
    middle = slice(30, 88)
    gaps = [np.abs(b[middle, middle] - grey_face[middle, middle].astype(float)).mean() for b in back]
    assert min(gaps) < 8 < max(gaps)


def test_covers_hide_what_they_name_and_nothing_else(face, points):
    height, width = face.shape[:2]
    places = {"eyes": points[36:48], "mouth": points[48:68]}
    for name, other in (("eyes", "mouth"), ("mouth", "eyes")):
        changed = (disturbed(BY_ID[name], face, 100, points) != face).any(axis=2)
        colour = disturbed(BY_ID[name], face, 100, points)[changed]
        assert (colour == colour[0]).all()
        hidden = [changed[int(y * height), int(x * width)] for x, y in places[name]]
        shown = [changed[int(y * height), int(x * width)] for x, y in places[other]]
        assert all(hidden) and not any(shown)
        half = (disturbed(BY_ID[name], face, 50, points) != face).any(axis=2)
        assert half.sum() == pytest.approx(changed.sum() / 4, rel=0.15) and not (half & ~changed).any()


def test_the_curve_is_what_the_network_answers_to_the_disturbed_pictures(store, predictor, sample):
    curves = robustness.measure(store, predictor, sample)
    for each in (BY_ID["contrast"], BY_ID["mouth"], BY_ID["small"]):
        for strength in (each.strengths[0], each.strengths[-1]):
            shown = [np.repeat(picture(i, 48)[..., None], 3, axis=2) for i in range(len(LABELS))]
            inputs = [to_input(disturbed(each, p, strength), None, predictor.card.input) for p in shown]
            told = predictor.predict(np.stack(inputs)).argmax(axis=1)
            right = [predictor.labels.names[t] == label for t, label in zip(told, LABELS, strict=True)]
            assert curves.at(each, strength).tolist() == right
    assert (curves.at(BY_ID["blur"], None) == sample.right).all()
    found = robustness.record(curves)
    assert found["undisturbed"]["n"] == 6 and [d["id"] for d in found["disturbances"]] == list(BY_ID)
    json.dumps(found)


def test_what_was_measured_is_kept_and_a_stopped_measurement_goes_on(
    store, predictor, sample, asked, monkeypatch
):
    monkeypatch.setattr(robustness, "BLOCK", 2)
    strengths = sum(len(each.strengths) for each in DISTURBANCES)

    def stop(done, total, text):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        robustness.measure(store, predictor, sample, progress=stop)
    assert asked == [strengths] * 3 and robustness.known(predictor.card, sample) is None
    asked.clear()
    steps = []
    whole = robustness.measure(store, predictor, sample, progress=lambda *step: steps.append(step))
    assert len(asked) == 4, "the block that was whole is not asked for again"
    assert steps[-1] == (6, 6, "6 of 6 faces")
    asked.clear()
    again = robustness.known(predictor.card, sample)
    assert not asked and all((again.right[name] == whole.right[name]).all() for name in BY_ID)
    robustness.measure(store, predictor, sample.among(np.arange(4)))
    assert not asked, "the first faces of more are known"
    other = dataclasses.replace(predictor.card, files={**predictor.card.files, "model.tflite": "other"})
    assert robustness.known(other, sample) is None


class Seldom:
    """Finds the left half of dark pictures, and nothing else."""

    def detect(self, image):
        height, width = image.shape[:2]
        return [Face(Box(0, 0, width / 2, height / 2), 0.9)] if image.mean() < 127.5 else []


def test_faces_are_sought_before_the_disturbance_and_missed_ones_stay_wrong(
    store, predictor, monkeypatch, asked
):
    monkeypatch.setattr(detectors, "get", lambda name: Seldom())
    rows = trial.rows(store, "faces", None, "validation")
    found = trial.run(store, predictor, rows, "seldom").result()
    asked.clear()
    curves = robustness.measure(store, predictor, found, "seldom")
    assert 0 < len(asked) == found.found.sum() < 6
    for right in curves.right.values():
        assert not right[:, ~found.found].any()
    whole = np.repeat(picture(0, 48)[..., None], 3, axis=2)
    dark = whole // 2
    cut = robustness.face_of(dark, "seldom", predictor.card.input)
    direct = to_input(dark, Seldom().detect(dark)[0], predictor.card.input)
    assert np.abs(to_input(cut, None, predictor.card.input).astype(int) - direct).max() <= 1


def test_the_sample_has_every_class_in_its_share_and_grows_at_its_end():
    truth = np.repeat(np.arange(4), (500, 250, 200, 50))
    p = np.eye(4, dtype=np.float32)[truth]
    frame = pd.DataFrame({"sample": range(1000), "image": "a", "label": np.array(FER7.names, object)[truth]})
    label_set = dataclasses.replace(FER7, names=FER7.names[:4])
    whole = results.of(p, frame, "labels", label_set)
    some = robustness.drawn(whole, 100)
    assert np.bincount(whole.truth[some]).tolist() == [50, 25, 20, 5]
    assert np.array_equal(robustness.drawn(whole, 400)[:100], some)
    assert sorted(robustness.drawn(whole, 5000)) == list(range(1000))
    assert sorted(some) != some.tolist()


def test_the_interval_of_a_loss_by_simulation():
    random = np.random.default_rng(0)
    each, covered, n, draws = BY_ID["blur"], 0, 60, 1000
    for _ in range(draws):
        kinds = random.choice(4, n, p=(0.5, 0.2, 0.05, 0.25))  # both right, lost, won, both wrong
        curves = _curves(np.isin(kinds, (0, 1)), np.isin(kinds, (0, 2)))
        found = robustness.loss(curves, each, each.usual)
        covered += found.low <= -0.15 <= found.high
    assert 0.93 < covered / draws < 0.985


def test_the_worst_weakness_is_named():
    before = np.arange(100) < 60
    curves = _curves(before, before)
    assert "None of these" in robustness.sentence(robustness.worst(curves))
    mouth = BY_ID["mouth"]
    curves.right["mouth"][mouth.strengths.index(mouth.usual)] = np.arange(100) < 30
    curves.right["blur"][-1] = False  # stronger than usual: not compared
    found = robustness.worst(curves)
    assert found.disturbance is mouth and found.change == pytest.approx(-0.3) and found.lost == 0.5
    assert curves.turned(mouth, mouth.usual).nonzero()[0].tolist() == list(range(30, 60))
    assert robustness.sentence(found) == (
        "It loses half of its accuracy when the mouth is covered (cover, % of the mouth: 100): "
        "60.0 % → 30.0 % of 100 faces."
    )


def _curves(before, after):
    result = results.Result(
        "labels", pd.DataFrame(), FER7, np.zeros(len(before), int), _told(before), before, {}
    )
    return robustness.Curves(
        result, {each.id: np.array([after] * len(each.strengths)) for each in DISTURBANCES}
    )


def _told(right):
    return np.eye(7, dtype=np.float32)[np.where(right, 0, 1)]


def test_models_of_other_tasks_and_no_rows_are_refused(store, predictor, sample):
    affect = Predictor(dataclasses.replace(predictor.card, task="affect"), predictor._network)
    with pytest.raises(BadInput, match="models of expressions"):
        robustness.measure(store, affect, sample)
    with pytest.raises(BadInput, match="needs faces"):
        robustness.measure(store, predictor, sample.among(np.zeros(6, bool)))


def test_the_command_line(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    call = ["robustness", "--model", library.DEFAULT, "--data", "faces", "--sample", "3"]
    assert cli.main([*call, "--json", str(tmp_path / "found.json")]) == 0
    said = capsys.readouterr().out
    assert "of 3 faces as they are" in said and "Mouth covered" in said
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["model"] == library.DEFAULT and written["undisturbed"]["n"] == 3
    assert len(written["disturbances"]) == len(disturbances.DISTURBANCES)
