"""Embeddings measured as verification and by few examples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fer_core.errors import BadInput
from fer_core.evaluation import verification as measures


def clusters(count: int, classes: int = 3, spread: float = 0.3, seed: int = 0):
    """Embeddings (count, 8) around one centre for each class."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    centres = random.uniform(0, 1, (classes, 8))
    return centres[truth] + random.normal(0, spread, (count, 8)), truth


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 60), st.integers(2, 5), st.sampled_from([0.0, 0.2, 2.0]))
def test_the_area_under_the_curve_agrees_with_scikit_learn(seed, count, classes, spread):
    embeddings, truth = clusters(count, classes, spread, seed)
    embeddings = embeddings.round(1)  # equal distances
    pairs = measures.draw_pairs(truth, seed=seed)
    distance = measures.distances(embeddings[pairs.first], embeddings[pairs.second])
    got = measures.verification(embeddings, truth, seed=seed)
    assert got["auc"] == pytest.approx(roc_auc_score(pairs.same, -distance))
    assert got["n"] == len(pairs.same) == 2 * pairs.same.sum()


def test_a_record_by_hand():
    # Distances: genuine 0.1 (first two) and 0.1 (last two); imposters 0.8, 0.9, 0.7, 0.8.
    got = measures.verification(np.array([[0.0], [0.1], [0.9], [0.8]]), np.array([0, 0, 1, 1]))
    assert (got["n"], got["images"]) == (4, 4)
    assert got["auc"] == got["accuracy"] == 1 and got["equal_error"] == 0 and got["fitted_here"]
    assert 0.1 < got["threshold"] < 0.9
    assert got["roc"][0]["fpr"] == got["roc"][0]["tpr"] == 0
    assert got["roc"][-1]["fpr"] == got["roc"][-1]["tpr"] == 1
    assert got["loss"] == pytest.approx(0.01 / 2)  # the imposters are beyond the margin
    low, high = got["accuracy_low"], got["accuracy_high"]
    assert low == pytest.approx(0.5101, abs=1e-4) and high == 1  # Wilson, 4 of 4


def test_the_curve_by_hand():
    fpr, tpr, thresholds = measures.roc(
        np.array([0.25, 0.5, 0.5, 1.0], np.float32), np.array([True, True, False, False])
    )
    assert tpr.tolist() == [0, 0.5, 1, 1] and fpr.tolist() == [0, 0, 0.5, 1]
    assert thresholds[:3].tolist() == [0.125, 0.375, 0.75] and thresholds[3] > 1


def test_a_threshold_means_what_was_counted_for_it():
    embeddings, truth = clusters(60, spread=0.4)
    pairs = measures.draw_pairs(truth)
    distance = measures.distances(embeddings[pairs.first], embeddings[pairs.second])
    got = measures.verification(embeddings, truth)
    assert len(got["roc"]) == measures.POINTS
    for point in got["roc"]:
        below = distance < point["threshold"]
        assert point["tpr"] == pytest.approx(below[pairs.same].mean())
        assert point["fpr"] == pytest.approx(below[~pairs.same].mean())
    every = [((distance < cut) == pairs.same).mean() for cut in np.unique(distance)]
    assert got["accuracy"] == pytest.approx(max(every)) and 0.6 < got["accuracy"] < 0.99
    elsewhere = measures.verification(embeddings, truth, threshold=0.0)
    assert elsewhere["accuracy"] == 0.5 and not elsewhere["fitted_here"]


def test_embeddings_without_meaning_give_chance():
    embeddings = np.random.default_rng(0).uniform(0, 1, (700, 16))
    got = measures.verification(embeddings, np.arange(700) % 7)
    assert got["n"] == measures.PAIRS
    assert got["auc"] == pytest.approx(0.5, abs=0.02) and got["equal_error"] == pytest.approx(0.5, abs=0.02)


def test_pairs_are_distinct_balanced_and_the_same_every_time():
    truth = np.arange(3000) % 4
    one, other = (measures.draw_pairs(truth, most=1000, seed=5) for _ in range(2))
    assert np.array_equal(one.first, other.first) and np.array_equal(one.second, other.second)
    assert len({*zip(one.first, one.second, strict=True)}) == len(one.same) == 1000
    assert (one.first < one.second).all() and one.same.sum() == 500
    assert ((truth[one.first] == truth[one.second]) == one.same).all()
    assert not np.array_equal(one.first, measures.draw_pairs(truth, most=1000, seed=6).first)
    assert len(np.union1d(one.first, one.second)) <= measures.IMAGES


def test_pairs_are_of_two_people_where_that_is_possible():
    truth, people = np.arange(24) % 3, [f"p{row // 6}" for row in range(24)]
    pairs = measures.draw_pairs(truth, people)
    assert pairs.across_subjects
    assert all(people[a] != people[b] for a, b in zip(pairs.first, pairs.second, strict=True))
    assert not measures.draw_pairs(truth, ["only one"] * 24).across_subjects
    assert not measures.draw_pairs(truth, [None, *people[1:]]).across_subjects


@pytest.mark.parametrize("classes", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_pairs_that_do_not_exist_are_said_so(classes):
    with pytest.raises(BadInput, match="two images of one class"):
        measures.verification(np.zeros((len(classes), 2)), np.array(classes))


def test_few_examples_suffice_where_classes_lie_apart_and_are_useless_where_they_do_not():
    embeddings, truth = clusters(70, 7, 0.01)
    got = measures.few_shot(embeddings, truth, way=5, shot=1, episodes=50)
    assert got["accuracy"] == got["accuracy_low"] == 1 and got["chance"] == 0.2
    noise = np.random.default_rng(0).uniform(0, 1, (700, 8))
    got = measures.few_shot(noise, np.tile(truth, 10), way=7, shot=5, episodes=400)
    assert got["accuracy"] == pytest.approx(1 / 7, abs=0.03) and got["subjects_apart"] == 0


def test_an_episode_by_hand():
    # Class 0 at 0 and 0, class 1 at 1 and 0.2: one image of each is known, the others are asked about.
    embeddings, truth = np.array([[0.0], [0.0], [1.0], [0.2]]), np.array([0, 0, 1, 1])
    got = measures.few_shot(embeddings, truth, way=2, shot=1, episodes=2000)
    # With 1 known, 0.2 is taken for class 0: half right; with 0.2 known, all right.
    assert got["accuracy"] == pytest.approx(0.75, abs=0.02)
    assert got["accuracy_high"] - got["accuracy_low"] == pytest.approx(2 * 1.96 * 0.25 / 2000**0.5, rel=0.02)


def test_nobody_is_known_by_their_own_pictures():
    # Each person's each expression is a direction of its own: nobody else's pictures tell anything of it.
    people, truth = np.repeat(np.arange(4), 6), np.tile([0, 1, 2], 8)
    embeddings = np.eye(12)[people * 3 + truth]
    mixed = measures.few_shot(embeddings, truth, way=3, shot=6, episodes=300)
    apart = measures.few_shot(embeddings, truth, way=3, shot=6, episodes=300, subjects=people)
    assert apart["subjects_apart"] == 1
    assert mixed["accuracy"] > 0.8 and apart["accuracy"] < 0.45
    one = measures.few_shot(embeddings, truth, way=3, shot=6, episodes=20, subjects=["same"] * 24)
    assert one["subjects_apart"] == 0 and one["accuracy"] > 0.7


@pytest.mark.parametrize("way, shot", [(4, 1), (3, 9), (1, 1), (2, 0)])
def test_episodes_that_do_not_exist_are_said_so(way, shot):
    embeddings, truth = clusters(24)
    with pytest.raises(BadInput, match="Received"):
        measures.few_shot(embeddings, truth, way=way, shot=shot)


def test_the_record_of_a_split_names_what_it_is_of():
    embeddings, truth = clusters(48, 3, 0.2)
    labels = [None if row < 6 else "angry happy sad".split()[name] for row, name in enumerate(truth)]
    frame = pd.DataFrame({"label": labels, "subject": [f"p{row // 12}" for row in range(48)]}, dtype=object)
    got = measures.measure(embeddings, frame)
    assert got["images"] == 42 and got["across_subjects"] and got["auc"] > 0.8
    assert [(one["way"], one["shot"], one["subjects_apart"]) for one in got["few_shot"]] == [
        (3, 1, 1),
        (3, 5, 1),
    ]
    assert got["few_shot"][1]["accuracy"] > got["few_shot"][0]["accuracy"] > 0.6
    few = measures.measure(embeddings[6:12], frame[6:12])  # two of each class: one known, one asked about
    assert [(one["way"], one["shot"]) for one in few["few_shot"]] == [(3, 1)]
