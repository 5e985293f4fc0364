"""What is taught on top of a network: each kind of head by hand, kept whole, and chosen fairly."""

import numpy as np
import pytest

from fer_core.errors import BadInput, BadModel
from fer_core.fewshot import heads
from fer_core.zoo.head import KINDS, NEIGHBOURS, PROTOTYPE, RIDGE, SHIFT, Head, normalised

every_kind = pytest.mark.parametrize("kind", KINDS)


def clouds(shots=(6, 6, 6), wide=24, spread=0.4, seed=0):
    """Features that lie around one middle for each class, far from the origin."""
    random = np.random.default_rng(seed)
    middles = random.standard_normal((len(shots), wide))
    classes = np.repeat(np.arange(len(shots)), shots)
    noise = random.standard_normal((len(classes), wide))
    return (50 + middles[classes] + spread * noise).astype(np.float32), classes


def test_features_are_centred_and_of_length_one_and_the_centre_itself_stays_finite():
    features, _ = clouds()
    centre = features.mean(axis=0)
    assert np.allclose(np.linalg.norm(normalised(features, centre), axis=1), 1, atol=1e-5)
    assert normalised(centre[None], centre).tolist() == [[0.0] * 24]


@every_kind
def test_every_kind_learns_classes_that_lie_apart_and_gives_probabilities(kind):
    features, classes = clouds()
    others, truth = clouds(shots=(20, 20, 20))
    told = heads.fit(features, classes, kind).answer(others)
    assert told.shape == (60, 3) and told.dtype == np.float32
    assert np.allclose(told.sum(axis=1), 1, atol=1e-5) and (told >= 0).all()
    assert (told.argmax(axis=1) == truth).mean() > 0.95


def test_a_prototype_is_the_softmax_of_squared_distances_to_the_means():
    features, classes = clouds()
    head = heads.fit(features, classes, PROTOTYPE)
    examples = normalised(features, features.mean(axis=0))
    means = np.stack([examples[classes == place].mean(axis=0) for place in range(3)])
    scores = -np.square(examples[:, None] - means).sum(axis=2)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.allclose(head.answer(features), expected, atol=1e-4)


def test_neighbours_ask_no_more_than_the_smallest_class_has():
    features, classes = clouds(shots=(2, 9))
    head = heads.fit(features, classes, NEIGHBOURS)
    assert head.neighbours == 2
    # Two of two votes, each nearly 1, beside the half of a vote that every class has.
    assert head.answer(features[classes == 1]).max(axis=1) == pytest.approx(2.5 / 3, abs=0.05)


def test_ridge_is_the_same_by_examples_and_by_features():
    features, classes = clouds(shots=(30, 10, 8), wide=12)
    assert len(features) > 13
    by_features = heads.fit(features, classes, RIDGE)
    wide = np.concatenate([by_features.examples, np.ones((48, 1), np.float32)], axis=1).astype(float)
    share = (48 / 3 / np.array([30, 10, 8]))[classes]
    dual = np.linalg.solve(wide @ wide.T + np.diag(heads.PENALTY / share), 3 * np.eye(3)[classes] - 1)
    expected = wide.T @ dual
    assert np.allclose(by_features.weights, expected[:-1], atol=1e-4)
    assert np.allclose(by_features.bias, expected[-1], atol=1e-4)


def test_far_from_all_examples_a_face_is_unknown_and_the_rest_keeps_its_order():
    features, classes = clouds()
    score = heads.leave_one_out(features, classes)[PROTOTYPE]
    head = heads.finished(heads.fit(features, classes, PROTOTYPE), score, features, unknown=True)
    told = head.answer(np.concatenate([features, 2 * head.centre[None] - features[:1]]))
    assert told.shape == (19, 4) and np.allclose(told.sum(axis=1), 1, atol=1e-5)
    assert told[:18, 3].max() < 0.2 and told[18].argmax() == 3 and told[18, 3] > 0.6
    without = heads.finished(heads.fit(features, classes, PROTOTYPE), score, features, unknown=False)
    known = without.answer(features)
    assert known.shape == (18, 3)
    assert np.allclose(told[:18, :3] / told[:18, :3].sum(axis=1, keepdims=True), known, atol=1e-5)


def test_unknown_is_one_half_at_the_limit_and_grows_with_the_distance():
    head = Head(
        PROTOTYPE,
        np.zeros(2, np.float32),
        np.array([[1, 0]], np.float32),
        np.zeros(1, np.int64),
        np.zeros((2, 2), np.float32),
        np.zeros(2, np.float32),
        limit=2**0.5,
        width=0.1,
    )
    near, at, far = head.answer(np.array([[3, 1], [0, 5], [-2, 0.1]], np.float32))[:, 2]
    assert near < 0.01 and at == pytest.approx(0.5, abs=1e-5) and far > 0.99


def test_a_shift_moves_the_networks_own_answer_by_a_factor():
    head = Head(SHIFT, offset=np.log([1, 1, 4]).astype(np.float32))
    told = head.answer(np.zeros((1, 9), np.float32), np.array([[0.6, 0.3, 0.1]], np.float32))
    assert told[0] == pytest.approx(np.array([0.6, 0.3, 0.4]) / 1.3, abs=1e-6)


@every_kind
def test_a_head_comes_back_from_its_file_as_it_was(kind, tmp_path):
    features, classes = clouds()
    score = heads.leave_one_out(features, classes, [kind])[kind]
    head = heads.finished(heads.fit(features, classes, kind), score, features, unknown=True)
    head.save(tmp_path / "head.npz")
    again = Head.load(tmp_path / "head.npz")
    assert again.kind == kind and again.temperature == head.temperature != 1
    assert np.array_equal(again.answer(features), head.answer(features))


@pytest.mark.parametrize("damage", ["text", "cut", "shape", "kind", "pickle"])
def test_a_head_that_does_not_fit_together_is_refused_and_nothing_is_unpickled(damage, tmp_path):
    path = tmp_path / "head.npz"
    features, classes = clouds()
    heads.fit(features, classes, RIDGE).save(path)
    with np.load(path) as kept:
        values = dict(kept)
    if damage == "text":
        path.write_text("not an archive")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    else:
        values |= {
            "shape": {"weights": np.zeros((5, 3), np.float32)},
            "kind": {"kind": np.array("oracle")},
            "pickle": {"centre": np.array([{}], object)},
        }[damage]
        np.savez(path, **values)
    with pytest.raises(BadModel, match=r"head\.npz.*Teach it again"):
        Head.load(path)


@every_kind
def test_an_example_is_asked_without_itself_its_centre_too(kind):
    features, classes = clouds(shots=(4, 3, 3), spread=2.0)
    told = heads.leave_one_out(features, classes, [kind])[kind].answers
    for row in range(len(classes)):
        rest = np.arange(len(classes)) != row
        alone = heads.fit(features[rest], classes[rest], kind).answer(features[row : row + 1])[0]
        assert np.allclose(told[row], alone, atol=1e-5)


def test_an_example_that_is_alone_in_its_class_is_not_asked_and_not_counted():
    features, classes = clouds(shots=(3, 1, 3), spread=0.1)
    score = heads.leave_one_out(features, classes)[PROTOTYPE]
    assert (score.right, score.n, score.share) == (6, 6, 1.0)
    assert np.isnan(score.answers[3]).all() and not np.isnan(score.answers[[0, 6]]).any()
    # Wilson for 6 of 6: z²/(n + z²) is not believed.
    assert score.low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3) and score.high == 1


def test_one_photo_a_class_gives_a_head_but_no_score():
    features, classes = clouds(shots=(1, 1, 1))
    scores = heads.leave_one_out(features, classes)
    assert [(score.right, score.n, score.low, score.high) for score in scores.values()] == [(0, 0, 0, 1)] * 3
    kind = heads.choose(scores)
    head = heads.finished(heads.fit(features, classes, kind), scores[kind], features, unknown=True)
    assert head.answer(features).argmax(axis=1).tolist() == [0, 1, 2]


def test_of_many_examples_a_twentieth_is_left_out_at_a_time():
    features, classes = clouds(shots=(150, 100), wide=4)
    score = heads.leave_one_out(features, classes, [PROTOTYPE])[PROTOTYPE]
    assert score.n == 250 and not np.isnan(score.answers).any()


def test_the_kind_that_is_right_most_often_is_chosen_and_of_equals_the_first():
    features, classes = clouds(spread=0.01)
    equal = heads.leave_one_out(features, classes)
    assert {score.right for score in equal.values()} == {18} and heads.choose(equal) == PROTOTYPE
    # One class on both sides of the other: means are of no use, neighbours are.
    line = np.repeat([-3.0, 0.0, 3.0], 8)[:, None] * [1, 0.0] + [0, 1.0]
    line += np.random.default_rng(0).normal(0, 0.1, line.shape)
    sides = np.repeat([0, 1, 0], 8)
    scores = heads.leave_one_out(line.astype(np.float32), sides)
    assert scores[NEIGHBOURS].right > scores[PROTOTYPE].right
    assert scores[heads.choose(scores)].right == max(score.right for score in scores.values())


def test_a_few_right_answers_are_no_certainty():
    features, classes = clouds(shots=(3, 3), spread=0.001)
    score = heads.leave_one_out(features, classes)[RIDGE]
    assert score.right == score.n == 6
    told = heads.finished(heads.fit(features, classes, RIDGE), score, features, unknown=False)
    # Platt's target for three of three: 3.5 / 4.
    assert told.answer(features).max() == pytest.approx(3.5 / 4, abs=0.06)


@pytest.mark.parametrize(
    "classes", [[], [0, 0, 0], [0, 2, 2], [0, 1]], ids=["none", "one", "a gap", "other lengths"]
)
def test_what_cannot_be_told_apart_is_refused(classes):
    with pytest.raises(BadInput, match="Two classes"):
        heads.fit(np.zeros((3 if classes else 0, 4), np.float32), np.array(classes, int), PROTOTYPE)


def test_an_unknown_kind_of_head_is_refused_with_those_that_there_are():
    features, classes = clouds()
    with pytest.raises(BadInput, match=r"prototype, neighbours, ridge.*'oracle'"):
        heads.fit(features, classes, "oracle")
