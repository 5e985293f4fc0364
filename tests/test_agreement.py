"""How far people agree: by hand, by published tables, by scikit-learn and by people of known quality."""

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from fer_core.evaluation import agreement

FLEISS_1971 = [
    *([0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0]),
    *([0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0]),
    *([0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0]),
    *([0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0]),
    *([1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6]),
]
"""30 patients, 6 psychiatrists each, 5 diagnoses: table 1 of Fleiss 1971."""


def matrix_of(one, other, classes):
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (one, other), 1)
    return table


def test_cohen_by_hand():
    # 35 of 50 agree; chance: 0.5 * 0.6 + 0.5 * 0.4.
    found = agreement.cohen(np.array([[20, 5], [10, 15]]))
    assert found.agreement == pytest.approx(0.7) and found.n == 50
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high


def test_cohen_and_its_standard_error_as_sas_prints_them():
    # Output of SAS PROC FREQ for this table: kappa 0.4842, ASE 0.1380, limits 0.2137 and 0.7547.
    found = agreement.cohen(np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]]))
    assert (round(found.value, 4), round(found.error, 4)) == (0.4842, 0.1380)
    # Of 19 images the interval is rather wider than that.
    assert 0.1 < found.low <= 0.2137 and 0.7546 <= found.high < 0.85


def test_cohen_is_scikit_learns():
    random = np.random.default_rng(0)
    one = random.integers(0, 7, 300)
    other = np.where(random.random(300) < 0.6, one, random.integers(0, 7, 300))
    found = agreement.cohen(matrix_of(one, other, 7))
    assert found.value == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_the_standard_errors_are_those_of_many_draws():
    random = np.random.default_rng(1)
    truth = random.integers(0, 4, 400)
    said = [np.where(random.random(400) < 0.7, truth, random.integers(0, 4, 400)) for _ in range(4)]
    counts = sum(np.eye(4, dtype=int)[s] for s in said)
    pairs, groups = [], []
    for _ in range(400):
        drawn = random.integers(0, 400, 400)
        pairs.append(agreement.cohen(matrix_of(said[0][drawn], said[1][drawn], 4)).value)
        groups.append(agreement.fleiss(counts[drawn]).value)
    assert agreement.cohen(matrix_of(*said[:2], 4)).error == pytest.approx(np.std(pairs), rel=0.12)
    assert agreement.fleiss(counts).error == pytest.approx(np.std(groups), rel=0.12)


def test_three_answers_that_agree_are_no_certainty():
    found = agreement.cohen(np.diag([2, 1]))
    assert found.value == 1 and found.high == 1
    assert found.low < 0.2


def test_kappa_is_not_defined_without_two_answers_or_two_classes():
    for found in (
        agreement.cohen(np.zeros((3, 3), int)),
        agreement.cohen(np.diag([9, 0, 0])),
        agreement.fleiss(np.array([[1, 0], [0, 1]])),
        agreement.fleiss(np.array([[3, 0], [2, 0]])),
    ):
        assert math.isnan(found.value) and (found.low, found.high) == (-1, 1)
    assert agreement.cohen(np.diag([9, 0, 0])).agreement == 1
    assert math.isnan(agreement.fleiss(np.array([[1, 0]])).agreement)


def test_fleiss_of_his_own_table():
    found = agreement.fleiss(np.array(FLEISS_1971))
    assert found.n == 30
    assert found.agreement == pytest.approx(0.556, abs=5e-4)
    assert found.value == pytest.approx(0.4302445, abs=1e-7)  # also by R's irr


def test_fleiss_with_varying_numbers_of_answers_by_hand():
    # Agreement 1, 1/3 and 0; shares (1 + 1/3 + 1/2) / 3 and the rest; the single answer is left out.
    found = agreement.fleiss(np.array([[2, 0], [1, 2], [1, 1], [0, 1]]))
    first = (1 + 1 / 3 + 1 / 2) / 3
    chance = first**2 + (1 - first) ** 2
    assert found.n == 3
    assert found.value == pytest.approx((4 / 9 - chance) / (1 - chance))


def test_two_people_in_pairs():
    image, person = np.array([0, 1, 2, 1, 2, 3]), np.array([0, 0, 0, 1, 1, 1])
    answer = np.array([0, 1, 1, 1, 0, 0])
    assert agreement.pair(image, person, answer, 0, 1, 2).tolist() == [[0, 0], [1, 1]]


def test_a_tie_is_told_apart():
    winner, tied = agreement.majority(np.array([[2, 1, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1]]))
    assert winner.tolist() == [0, agreement.NOBODY, agreement.NOBODY, 2]
    assert tied.tolist() == [False, True, False, False]


def crowd(qualities, shares, images=600, classes=4, seed=2):
    """Truth and answers of people who are right as often as said; of the last the wrong answers are one."""
    random = np.random.default_rng(seed)
    truth = random.choice(classes, images, p=np.array([0.4, 0.3, 0.2, 0.1]))
    parts = []
    for who, (quality, share) in enumerate(zip(qualities, shares, strict=True)):
        seen = np.flatnonzero(random.random(images) < share)
        other = (truth[seen] + random.integers(1, classes, len(seen))) % classes
        if quality < 0.5:
            other = (truth[seen] + 1) % classes
        said = np.where(random.random(len(seen)) < quality, truth[seen], other)
        parts.append((seen, np.full(len(seen), who), said))
    image, person, answer = (np.concatenate(column) for column in zip(*parts, strict=True))
    return truth, image, person, answer, (images, len(qualities), classes)


def test_dawid_and_skene_find_who_is_good_and_what_is_true():
    qualities, shares = (0.9, 0.8, 0.7, 0.1, 0.85), (1.0, 1.0, 1.0, 1.0, 0.05)
    truth, image, person, answer, shape = crowd(qualities, shares)
    found = agreement.dawid_skene(image, person, answer, shape)
    assert found.converged
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1)
    right = np.mean(found.posterior.argmax(axis=1) == truth)
    winner, _ = agreement.majority(agreement.tally(image, answer, shape[0], shape[2]))
    assert right > np.mean(winner == truth) + 0.05
    assert right > 0.93
    skill = np.einsum("pkk,k->p", found.confusion, found.prevalence)
    np.testing.assert_allclose(skill[:4], qualities[:4], atol=0.06)
    # Who is nearly always wrong, and in one way, is as useful as who is right.
    assert np.mean([found.confusion[3, k, (k + 1) % 4] for k in range(4)]) > 0.8
    # Of who answered 5 % little is known, and nothing absurd is said.
    assert 0.4 < skill[4] < 0.97
    np.testing.assert_allclose(found.prevalence, np.bincount(truth) / len(truth), atol=0.04)


def test_dawid_and_skene_have_no_chance_in_them_and_keep_the_classes():
    _, image, person, answer, shape = crowd((0.8, 0.75, 0.7), (1, 1, 1))
    one, again = (agreement.dawid_skene(image, person, answer, shape) for _ in range(2))
    assert np.array_equal(one.posterior, again.posterior)
    turned = agreement.dawid_skene(image, person, 3 - answer, shape)
    np.testing.assert_allclose(turned.posterior[:, ::-1], one.posterior, atol=1e-6)
    shuffled = np.random.default_rng(3).permutation(len(image))
    mixed = agreement.dawid_skene(image[shuffled], person[shuffled], answer[shuffled], shape)
    np.testing.assert_allclose(mixed.posterior, one.posterior, atol=1e-6)


def test_an_image_that_nobody_answered_gets_the_prevalence():
    image, person, answer = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    found = agreement.dawid_skene(image, person, answer, (3, 2, 2))
    np.testing.assert_allclose(found.posterior[2], found.prevalence)
    assert found.posterior[:2].argmax(axis=1).tolist() == [0, 1]


def test_nobody_answered_anything():
    none = np.zeros(0, np.int64)
    found = agreement.dawid_skene(none, none, none, (2, 0, 3))
    np.testing.assert_allclose(found.posterior, 1 / 3)
