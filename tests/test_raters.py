"""The human line and the distance to the raters, by hand, by drawing raters, and against SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import distance

from fer_core.errors import BadInput
from fer_core.evaluation import raters, results
from fer_core.labels import LabelSet

THREE = LabelSet("three", ("happy", "sad", "neutral"))


def result(counts, probabilities, extra=None):
    frame = pd.DataFrame({"sample": range(len(counts)), "image": list(map(str, range(len(counts))))})
    frame["label"] = "happy"
    for place, name in enumerate(THREE.names):
        frame[f"votes:{name}"] = np.asarray(counts)[:, place]
    for name, values in (extra or {}).items():
        frame[f"votes:{name}"] = values
    return results.of(np.asarray(probabilities, np.float32), frame, "votes", THREE)


def drawn(seed, n, voters=10):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(3), n)
    counts = np.stack([random.multinomial(voters, share) for share in shares])
    told = random.dirichlet(np.ones(3), n)
    return counts, told


def test_the_human_line_by_hand():
    # All agree; one of three differs; two against two: a coin; one against one: never.
    counts = np.array([[3, 0, 0], [2, 1, 0], [2, 2, 0], [1, 1, 0], [1, 1, 1]], float)
    # 2-1-0: leaving out a "happy" leaves one each, half a hit; leaving out the "sad" is a miss.
    # 2-2-0: leaving out any leaves one of his against two others: never.
    # 1-1-1: the other two are divided, and neither says what he does.
    assert raters.agreement(counts) == pytest.approx([1, 2 / 3 / 2, 0, 0, 0])
    happy = np.zeros(5, int)
    # From outside: 2-1-0 gives 2/3 of a coin and 1/3 sure; 1-1-1: left out once, half twice.
    assert raters.agreement_of(happy, counts) == pytest.approx(
        [1, 2 / 3 / 2 + 1 / 3, 1 / 2, 1 / 2, (0 + 0.5 + 0.5) / 3]
    )
    assert raters.agreement_of(np.full(5, results.NO_FACE), counts).tolist() == [0] * 5


def test_expected_agreement_is_what_drawing_raters_gives():
    counts, _ = drawn(1, 40, 5)
    random = np.random.default_rng(2)
    seen = np.zeros(40)
    for face, row in enumerate(counts):
        ballots = np.repeat(np.arange(3), row)
        for _ in range(400):
            one, *others = random.permutation(ballots)
            most = np.bincount(others, minlength=3)
            seen[face] += random.choice(np.flatnonzero(most == most.max())) == one
    assert seen.mean() / 400 == pytest.approx(raters.agreement(counts).mean(), abs=0.01)


def test_distances_agree_with_scipy():
    counts, told = drawn(3, 60)
    shares = counts / 10
    expected = [distance.jensenshannon(p, q, 2) ** 2 for p, q in zip(told, shares, strict=True)]
    assert raters.jensen_shannon(told, shares) == pytest.approx(expected)
    assert raters.total_variation(told, shares) == pytest.approx(
        [distance.cityblock(p, q) / 2 for p, q in zip(told, shares, strict=True)]
    )
    one, other = np.array([1.0, 0, 0]), np.array([0, 0.5, 0.5])
    assert raters.total_variation(one, other) == raters.jensen_shannon(one, other) == 1
    assert raters.total_variation(one, one) == raters.jensen_shannon(one, one) == 0


def test_a_rater_against_the_others_one_by_one():
    counts, told = drawn(4, 30)
    expected = []
    for row in counts:
        ballots = np.repeat(np.arange(3), row)
        apart = []
        for place, one in enumerate(ballots):
            others = np.bincount(np.delete(ballots, place), minlength=3) / 9
            apart.append(
                (
                    np.abs(np.eye(3)[one] - others).sum() / 2,
                    distance.jensenshannon(np.eye(3)[one], others, 2) ** 2,
                )
            )
        expected.append(np.mean(apart, axis=0))
    got = raters.measure(result(counts, told))
    assert got.rater_distance.value == pytest.approx(np.mean(expected, axis=0)[0])
    assert got.rater_divergence.value == pytest.approx(np.mean(expected, axis=0)[1])


def test_a_model_that_says_what_the_raters_say():
    counts, _ = drawn(5, 200)
    got = raters.measure(result(counts, counts / 10))
    assert got.distance.value < 1e-6 and got.divergence.value < 1e-6 and got.rater_distance.value > 0.1
    assert got.ahead.value == pytest.approx(got.model.value - got.human.value) and got.ahead.low > 0
    assert (got.n, got.answered, got.votes) == (200, 200, 10)


def test_votes_for_other_answers_and_single_votes_do_not_count():
    counts = [[3, 0, 0], [2, 1, 0], [0, 1, 0], [0, 0, 1]]
    told = [[0.8, 0.1, 0.1], [np.nan] * 3, [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]]
    got = raters.measure(result(counts, told, {"unsure": [1, 1, 0, 0]}))
    assert (got.n, got.votes, got.answered) == (2, 3, 1)
    # The face that was not found agrees with nobody and has no distance.
    assert got.model.value == pytest.approx(0.5) and got.distance.value == pytest.approx(0.2, abs=1e-6)
    assert (got.distance.low, got.distance.high) == (0, 1)
    with pytest.raises(BadInput, match="two or more voted.*among 1"):
        raters.measure(result([[1, 0, 0]], [[1, 0, 0]]))


def test_intervals_hold_the_truth_as_often_as_they_say():
    counts, _ = drawn(6, 20_000, 5)
    all_faces = raters.agreement(counts)
    random = np.random.default_rng(7)
    inside = [
        got.low <= all_faces.mean() <= got.high
        for _ in range(2000)
        for got in [raters.mean(random.choice(all_faces, 150), 0, 1)]
    ]
    assert 0.93 <= np.mean(inside) <= 0.97
