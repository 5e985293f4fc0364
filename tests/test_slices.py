"""Accuracy by what pictures are like and where they come from, and which differences hold."""

import json

import numpy as np
import pytest
from scipy import stats

from fer_core.dataset.intake import Row
from fer_core.evaluation import metrics, results, slices
from fer_core.evaluation.trial import Trial, rows
from fer_core.imaging import landmarks
from fer_core.imaging.pose import NOSE, turn_and_tilt
from fer_core.imaging.preprocess import InputSpec
from fer_core.labels import FER7
from fer_core.zoo.card import Card
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

COUNT = 160
CARD = Card("mine", "Mine", "mini_xception", FER7, InputSpec(48, 48, 1))


def shown(number: int) -> np.ndarray:
    """Brightness goes up with the number."""
    return (picture(number, 16) // 4 + number).astype(np.uint8)


@pytest.fixture
def store(tmp_path):
    made: list[Row] = []
    for number in range(COUNT):
        label = ("happy", "sad")[number % 2]
        source = f"{'studio' if number < 40 else 'street'}/{number}.png"
        votes = {label: 6 + number % 5, "neutral": 4 - number % 5}
        subject = f"person {number % 4}" if number < 120 else None
        made.append(row(source, shown(number), label, "validation", subject=subject, votes=votes))
    store = drawn_dataset.here(tmp_path, made[:100])
    drawn_dataset.write(store, made[100:], why="second import of drawn")
    return store


@pytest.fixture
def trial(store):
    """A model that is wrong on the bright half."""
    asked = rows(store, "faces", None, "validation")
    truth = np.array([FER7.names.index(label) for label in asked.frame["label"]])
    told = np.eye(7, dtype=np.float32)[np.where(np.arange(COUNT) < 80, truth, (truth + 1) % 7)]
    return Trial(CARD, asked, "whole", told, frozenset())


def by_id(found):
    return {cut.property.id: cut for cut in found}


def test_every_slice_has_the_faces_that_its_words_say(store, trial):
    points = slices.prepare(store, trial)
    found = by_id(slices.cuts(store, trial.result(), "faces", points))
    assert list(found) == [
        "label", "agreement", "brightness", "contrast", "sharpness", "size", "turn", "tilt", "subject",
        "arrival", "folder",
    ]  # fmt: skip
    light = np.array([shown(number).mean() for number in range(COUNT)])
    parts = found["brightness"].slices
    assert len(parts) == 4 and parts[0].name.startswith("below ") and parts[-1].name.endswith(" or more")
    edge = float(parts[0].name.removeprefix("below "))
    assert parts[0].places.tolist() == np.flatnonzero(light < edge).tolist()
    assert parts[-1].places.tolist() == np.flatnonzero(light >= float(parts[-1].name.split()[0])).tolist()
    assert sorted(np.concatenate([part.places for part in parts])) == list(range(COUNT))
    assert (parts[0].accuracy, parts[-1].accuracy) == (1, 0) and parts[0].holds and parts[-1].holds
    assert (parts[0].low, parts[0].high) == metrics.wilson(len(parts[0].places), len(parts[0].places))
    assert [part.name for part in found["size"].slices] == ["16 px"] and found["size"].slices[0].p is None
    assert {part.name: len(part.places) for part in found["folder"].slices} == {"street": 120, "studio": 40}
    assert [len(part.places) for part in found["arrival"].slices] == [100, 60]
    assert "second import of drawn" in found["arrival"].slices[1].name
    assert found["subject"].unknown == 40 and len(found["subject"].slices) == 4
    assert [part.name for part in found["agreement"].slices] == ["60 %", "70 %", "80 %", "90 to 100 %"]
    assert [part.name for part in found["label"].slices] == ["happy", "sad"]
    assert json.loads(json.dumps(slices.record(list(found.values()))))[0]["property"] == "label"


def test_what_the_mix_of_expressions_explains_is_said(store, trial):
    truth = trial.result().truth
    told = np.eye(7, dtype=np.float32)[np.where(truth == truth[0], 3, 0)]
    result = results.of(told, trial.rows.frame, "labels", FER7)
    happy = result.truth == result.label_set.index("happy")
    assert result.right.mean() == 0.5 and result.right[happy].all()
    mixed = np.sort(np.r_[np.flatnonzero(happy)[:40], np.flatnonzero(~happy)[:10]])
    (cut,) = [c for c in slices.cuts(store, result.among(mixed), "faces") if c.property.id == "label"]
    assert [part.expected for part in cut.slices] == [1, 0]
    subject = by_id(slices.cuts(store, result, "faces"))["subject"]
    # Persons 0 and 2 were only seen happy, 1 and 3 only sad.
    assert {part.name: part.accuracy for part in subject.slices} == {
        "person 0": 1, "person 1": 0, "person 2": 1, "person 3": 0,
    }  # fmt: skip
    assert all(part.holds and part.explained for part in subject.slices)


def test_without_landmarks_measures_or_people_the_rest_is_there(store, trial):
    found = by_id(slices.cuts(store, trial.result(), "faces"))
    assert "turn" not in found and "brightness" not in found and "size" in found
    some = trial.result().among(np.arange(120, 160))
    found = by_id(slices.cuts(store, some, "faces"))
    assert "subject" not in found and "folder" not in found and "arrival" not in found
    elsewhere = Trial(CARD, trial.rows, "yunet", trial.answers, frozenset())
    assert slices.prepare(store, elsewhere) is None
    assert "brightness" in by_id(slices.cuts(store, trial.result(), "faces"))


def test_few_faces_are_shown_but_not_tested(store, trial):
    some = trial.result().among(np.arange(74, 88))
    for cut in slices.cuts(store, some, "faces"):
        assert all(part.p is None and not part.holds for part in cut.slices)


def test_many_names_are_shown_together(store, trial, monkeypatch):
    monkeypatch.setattr(slices, "MOST", 2)
    subject = by_id(slices.cuts(store, trial.result(), "faces"))["subject"]
    assert [part.name for part in subject.slices] == ["person 0", "person 1", "2 others"]
    assert len(subject.slices[-1].places) == 60


def test_differences_agree_with_scipy():
    random = np.random.default_rng(0)
    for _ in range(20):
        right, inside = random.random(200) < 0.6, random.random(200) < random.uniform(0.1, 0.9)
        table = [[(right & side).sum(), (~right & side).sum()] for side in (inside, ~inside)]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert slices.differs(right, inside) == pytest.approx(expected)
    assert slices.differs(np.ones(40, bool), np.arange(40) < 20) == 1
    assert slices.differs(np.ones(40, bool), np.arange(40) < 9) is None


def test_false_alarms_are_kept_down_as_scipy_has_it():
    random = np.random.default_rng(0)
    for _ in range(50):
        p = random.random(random.integers(1, 30)) ** 3
        expected = stats.false_discovery_control(p) <= 0.05
        assert slices.benjamini_hochberg(p).tolist() == expected.tolist()
    assert slices.benjamini_hochberg([]).tolist() == []


def test_slices_of_chance_seldom_hold():
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        right = random.random(300) < 0.65
        p = [slices.differs(right, random.random(300) < 0.2) for _ in range(30)]
        alarms += slices.benjamini_hochberg(p).any()
    assert alarms / 200 < 0.1


def test_a_turned_and_tilted_model_of_a_head_is_measured():
    still = np.zeros((68, 3))
    still[[36, 45]] = (-0.5, 0, 0), (0.5, 0, 0)
    still[[48, 54]] = (-0.3, 1, 0), (0.3, 1, 0)
    still[30] = (0, 0.6, NOSE)
    for yaw, roll in ((0, 0), (20, 0), (-35, 0), (10, 15), (25, -30)):
        turn, tilt = np.radians(yaw), np.radians(roll)
        x = still[:, 0] * np.cos(turn) + still[:, 2] * np.sin(turn)
        y = still[:, 1]
        seen = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], axis=1)
        found = turn_and_tilt(7 * seen[None] + 3)
        assert (found[0][0], found[1][0]) == pytest.approx((yaw, roll))
        mirror = turn_and_tilt(landmarks.mirrored(seen[None]))
        assert (mirror[0][0], mirror[1][0]) == pytest.approx((-yaw, -roll))
