"""Fewer answers, or several: coverage, risk, and sets whose guarantee holds for other faces too."""

import numpy as np
import pandas as pd
import pytest

from fer_core.errors import BadInput
from fer_core.evaluation import certainty, results
from fer_core.labels import FER7, LabelSet

TWO = LabelSet("two", ("happy", "sad"))
NAMES = np.array(FER7.names, object)


def result(truth, probabilities, label_set=TWO, images=None):
    names = np.array(label_set.names, object)[truth]
    images = [f"i{n}" for n in range(len(truth))] if images is None else images
    frame = pd.DataFrame({"sample": range(len(truth)), "image": images, "label": names})
    return results.of(np.asarray(probabilities, np.float32), frame, "labels", label_set)


def drawn(seed, n, shares=None):
    """A model that knows something, and is far too sure of it."""
    random = np.random.default_rng(seed)
    truth = random.choice(7, n, p=shares)
    truth[:7] = range(7)
    logits = random.normal(0, 1, (n, 7))
    logits[np.arange(n), truth] += 1.5
    powers = np.exp(3 * logits)
    return result(truth, powers / powers.sum(axis=1, keepdims=True), FER7)


def test_a_curve_by_hand():
    sure = np.array([0.9, 0.8, 0.8, 0.6, np.nan])
    found = certainty.curve(result([0, 0, 1, 0, 0], np.stack([sure, 1 - sure], axis=1)))
    assert found.total == 5 and found.threshold == pytest.approx([0.9, 0.8, 0.6])
    assert found.answered.tolist() == [1, 3, 4] and found.right.tolist() == [1, 2, 3]
    assert found.coverage == pytest.approx([0.2, 0.6, 0.8])
    # Two equals, one of them wrong, share the error; the face that was not found is a wrong one, last.
    assert found.area == pytest.approx(np.mean([0, 0.5 / 2, 1 / 3, 1 / 4, 2 / 5]))
    answered, right = found.at(0.7)
    assert (answered.n, answered.value, right.n, right.value) == (5, 0.6, 3, pytest.approx(2 / 3))
    assert found.at(0.95)[0].value == 0 and found.at(0.95)[1].n == 0
    assert found.at(0.0)[0].value == pytest.approx(0.8)


def test_the_area_is_the_error_where_confidence_says_nothing():
    random = np.random.default_rng(0)
    truth = (random.random(4000) < 0.3).astype(int)
    sure = random.uniform(0.5, 1, 4000)
    assert certainty.curve(result(truth, np.stack([sure, 1 - sure], axis=1))).area == pytest.approx(
        0.3, abs=0.02
    )
    same = np.full((4000, 2), (0.7, 0.3))
    assert certainty.curve(result(truth, same)).area == pytest.approx((truth == 1).mean())
    knowing = np.where(truth == 0, 0.9, 0.6)
    assert certainty.curve(result(truth, np.stack([knowing, 1 - knowing], axis=1))).area < 0.06


def test_the_threshold_that_reaches_an_accuracy_does_so_on_other_faces():
    kept = 0
    for seed in range(40):
        wanted, other = certainty.curve(drawn(seed, 800)), certainty.curve(drawn(1000 + seed, 10_000))
        threshold = wanted.reach(0.8)
        assert threshold is not None and wanted.at(threshold)[1].low >= 0.8
        kept += other.at(threshold)[1].value >= 0.8
    assert kept >= 36
    assert certainty.curve(drawn(0, 40)).reach(0.999) is None


def test_intervals_along_the_curve_are_those_of_shares():
    found = certainty.curve(drawn(1, 300))
    low, high = found.interval
    place = 120
    right = found.at(found.threshold[place])[1]
    assert (low[place], high[place]) == pytest.approx((right.low, right.high))


def test_cutoffs_by_hand():
    own = np.arange(1, 10) / 10
    # Nine faces carry 90 % by taking them all; 91 % is more than nine faces can promise.
    assert certainty.cutoff(own, 0.9) == pytest.approx(0.1)
    assert certainty.cutoff(own, 0.91) == 0
    assert certainty.cutoff(own, 0.5) == pytest.approx(0.5)
    assert [certainty.faces_for(g) for g in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]


@pytest.mark.parametrize("guarantee", [0.8, 0.9])
@pytest.mark.parametrize("each", [False, True])
def test_the_guarantee_holds_for_faces_nobody_calibrated_on(guarantee, each):
    shares = np.array([0.3, 0.2, 0.15, 0.15, 0.1, 0.05, 0.05])
    calibrated = [drawn(seed, 400, shares) for seed in range(80)]
    measured = [drawn(5000 + seed, 1000, shares) for seed in range(80)]
    sets = [certainty.conformal(a, b, guarantee, each) for a, b in zip(calibrated, measured, strict=True)]
    seen = np.mean([s.covered.mean() for s in sets])
    # Not less, and hardly more: 1 / (n + 1) for each cutoff, and what the most probable answer adds.
    assert guarantee - 0.005 < seen < guarantee + (0.04 if each else 0.01)
    classes = np.mean([[share.value for share in s.per_class] for s in sets], axis=0)
    assert (classes > guarantee - 0.01).all()


def test_a_guarantee_for_each_keeps_its_word_where_one_for_all_does_not():
    random = np.random.default_rng(3)
    truth = random.choice(2, 4000, p=(0.9, 0.1))
    sure = np.where(truth == 0, random.beta(8, 2, 4000), random.beta(4, 3, 4000))
    both = result(truth, np.stack([sure, 1 - sure], axis=1))
    first, second = certainty.halves(both)
    together = certainty.conformal(both.among(first), both.among(second), 0.9)
    apart = certainty.conformal(both.among(first), both.among(second), 0.9, each=True)
    assert together.coverage.value > 0.9
    assert together.per_class[1].value < 0.7 and apart.per_class[1].value > 0.85


def test_what_a_set_is():
    random = drawn(4, 1000)
    first, second = certainty.halves(random)
    found = certainty.conformal(random.among(first), random.among(second), 0.8)
    measured = random.among(second)
    assert found.calibrated == first.sum() and len(found.members) == second.sum() == len(found.places)
    assert found.members[np.arange(len(measured)), measured.predicted].all()
    assert found.sizes.min() >= 1 and found.singles.value == (found.sizes == 1).mean()
    assert found.coverage.value == found.covered.mean()
    assert sum(share.n for share in found.per_class) == len(measured)
    higher = certainty.conformal(random.among(first), random.among(second), 0.95)
    assert (higher.members >= found.members).all()


def test_each_half_is_calibrated_on_the_other():
    both = drawn(10, 600)
    found, (first, second) = certainty.crossed(both, 0.9), certainty.halves(both)
    for mine, other in ((first, second), (second, first)):
        one = certainty.conformal(both.among(other), both.among(mine), 0.9)
        assert np.array_equal(found.members[mine], one.members)
    assert found.places.tolist() == list(range(600)) and np.array_equal(found.truth, both.truth)
    sure = np.where(np.arange(200) % 4 == 0, np.nan, 0.8)
    blind = certainty.crossed(result([0, 1] * 100, np.stack([sure, 1 - sure], axis=1)), 0.9)
    assert (blind.places % 4 != 0).all() and (np.diff(blind.places) > 0).all() and len(blind.places) == 150
    seen = [certainty.crossed(drawn(seed, 500), 0.9).coverage for seed in range(100)]
    assert 0.895 < np.mean([share.value for share in seen]) < 0.91
    assert np.mean([share.low <= 0.9 <= share.high for share in seen]) >= 0.95


def test_copies_of_a_picture_stay_in_one_half():
    images = [f"i{n % 40}" for n in range(100)]
    both = result([0, 1] * 50, np.full((100, 2), 0.5), images=images)
    first, second = certainty.halves(both)
    assert (first ^ second).all() and not set(both.frame["image"][first]) & set(both.frame["image"][second])
    assert 30 < first.sum() < 70


def test_faces_that_were_not_found_get_no_set():
    sure = np.where(np.arange(200) % 4 == 0, np.nan, 0.8)
    both = result([0, 1] * 100, np.stack([sure, 1 - sure], axis=1))
    found = certainty.conformal(both, both, 0.9)
    assert found.calibrated == len(found.places) == 150 and (found.places % 4 != 0).all()


def test_a_class_with_too_few_faces_is_in_every_set():
    shares = np.array([0.3, 0.2, 0.2, 0.15, 0.14, 0.005, 0.005])
    found = certainty.conformal(drawn(5, 400, shares), drawn(6, 400, shares), 0.95, each=True)
    assert set(found.always) == {NAMES[5], NAMES[6]} and found.members[:, 5:].all()
    assert certainty.conformal(drawn(5, 400, shares), drawn(6, 400, shares), 0.95).always == ()


def test_what_cannot_be_promised_is_said():
    few, many = drawn(7, 49), drawn(8, 300)
    with pytest.raises(BadInput, match="90 % needs 50 faces to calibrate on.*Received: 49 and 300"):
        certainty.conformal(few, many, 0.9)
    with pytest.raises(BadInput, match="99.9 % needs 999 faces"):
        certainty.conformal(many, many, 0.999)
    with pytest.raises(BadInput, match="for each expression needs 99 faces"):
        certainty.conformal(drawn(9, 300), many, 0.99, each=True)
    for guarantee in (0, 1, 90):
        with pytest.raises(BadInput, match="between 0 and 1"):
            certainty.conformal(many, many, guarantee)
    with pytest.raises(BadInput, match="same classes"):
        certainty.conformal(many, result([0, 1], [[0.5, 0.5]] * 2), 0.9)


def test_one_class_and_one_face_are_no_error():
    one = result([0], [[0.8, 0.2]])
    assert certainty.curve(one).at(0.5)[1].value == 1 and len(one.label_set) == 1
    blind = result([0, 0], np.full((2, 2), np.nan))
    nothing = certainty.curve(blind)
    assert nothing.area == 1 and len(nothing.threshold) == 0 and nothing.at(0.5)[0].value == 0
    assert nothing.reach(0.5) is None
