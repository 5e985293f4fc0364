"""Two models on the same rows: aligned, tested, and no difference claimed that chance gives."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from scipy import stats

from fer_core.errors import BadInput
from fer_core.evaluation import compare, metrics, results
from fer_core.labels import FER7, FERPLUS8, LabelSet

TWO = LabelSet("two", ("happy", "sad"))


def answers(predicted, classes, sure=0.8):
    """(N, K) probabilities that answer so; a row of NaN where the answer is None."""
    p = np.full((len(predicted), classes), (1 - sure) / (classes - 1), np.float32)
    for row, guess in enumerate(predicted):
        p[row, 0 if guess is None else guess] = sure
    p[[guess is None for guess in predicted]] = np.nan
    return p


def result(truth, predicted, label_set=TWO, samples=None, sure=0.8):
    names = np.array([*label_set.names, "fear"], object)[truth]
    samples = range(len(truth)) if samples is None else samples
    frame = pd.DataFrame({"sample": samples, "image": [f"i{s}" for s in samples], "label": names})
    return results.of(answers(predicted, len(label_set), sure), frame, "labels", label_set)


def simulated(seed, first, second, n, both=0.5, classes=7):
    """Two models with these accuracies, whose mistakes have something in common."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    luck = random.random(n)
    told = []
    for accuracy in (first, second):
        mine = np.where(random.random(n) < both, luck, random.random(n))
        wrong = (truth + random.integers(1, classes, n)) % classes
        told.append(np.where(mine < accuracy, truth, wrong))
    return [result(truth, predicted.tolist(), FER7) for predicted in told]


def test_a_pair_by_hand():
    truth = [0, 0, 0, 1, 1, 1]
    one, other = result(truth, [0, 0, 1, 1, 0, 0]), result(truth, [0, 1, 0, 1, 1, 0])
    both = compare.pair(one, other)
    assert len(both) == 6 and both.left_out == {}
    assert both.only_one.tolist() == [1] and both.only_other.tolist() == [2, 4]
    assert both.accuracy.value == pytest.approx(1 / 6) and both.agreement == pytest.approx(3 / 6)
    assert [change.value for change in both.recall] == pytest.approx([0, 1 / 3])
    # One or none of three differences the other way: as often as heads falls so in three throws.
    assert both.p == 1.0 and both.verdict == compare.NO_PROOF


def test_rows_meet_by_sample_and_classes_by_name():
    contempt = FERPLUS8.names.index("contempt")
    names = [FERPLUS8.names.index(n) for n in ("happy", "sad", "neutral")] + [contempt]
    one = result(names, names, FERPLUS8, samples=[10, 11, 12, 13])
    truth = [FER7.names.index(n) for n in ("neutral", "happy", "fear")]
    other = result(truth, [truth[0], 0, truth[2]], FER7, samples=[12, 10, 99])
    both = compare.pair(one, other)
    assert both.one.frame["sample"].tolist() == both.other.frame["sample"].tolist() == [10, 12]
    assert set(both.label_set.names) == {"happy", "neutral"} and both.left_out == {
        "sad": 1,
        "contempt": 1,
        "fear": 1,
    }
    assert both.one.right.all() and np.allclose(both.one.probabilities.sum(axis=1), 1)


def test_a_face_that_was_not_found_is_a_wrong_answer():
    truth = [0, 0, 1, 1]
    both = compare.pair(result(truth, [0, None, 1, None]), result(truth, [0, 0, 1, None]))
    assert both.accuracy.value == pytest.approx(0.25) and both.only_other.tolist() == [1]
    assert both.same.tolist() == [True, False, True, True]


def test_what_cannot_be_compared_is_said():
    one = result([0, 1], [0, 1])
    with pytest.raises(BadInput, match="rows that both have an answer for. Received: none"):
        compare.pair(one, result([0, 1], [0, 1], samples=[7, 8]))
    with pytest.raises(BadInput, match="same truth"):
        compare.pair(one, result([1, 1], [0, 1]))
    animals = LabelSet("animals", ("angry", "fear"))
    with pytest.raises(BadInput, match="happy, sad and angry, fear"):
        compare.pair(one, result([0, 1], [0, 1], animals, samples=[7, 8]))


def test_a_model_against_itself_is_no_proof():
    one, _ = simulated(0, 0.6, 0.6, 300)
    both = compare.pair(one, one)
    assert (both.accuracy.value, both.p, both.agreement) == (0, 1, 1)
    assert both.kappa == pytest.approx(1)
    assert both.verdict == compare.NO_PROOF and both.recall[0].low < 0 < both.recall[0].high


def test_verdicts():
    worse, better = simulated(1, 0.55, 0.65, 1000)
    assert compare.pair(worse, better).verdict == compare.BETTER
    assert compare.pair(better, worse).verdict == compare.WORSE
    assert compare.pair(*simulated(2, 0.6, 0.6, 1000)).verdict == compare.NO_PROOF


def test_figures_agree_with_scikit_learn_and_scipy():
    one, other = simulated(3, 0.5, 0.6, 400)
    both = compare.pair(one, other)
    f1 = [reference.f1_score(r.truth, r.predicted, average="macro") for r in (one, other)]
    assert both.macro_f1.value == pytest.approx(f1[1] - f1[0])
    assert both.kappa == pytest.approx(reference.cohen_kappa_score(one.predicted, other.predicted))
    b, c = len(both.only_one), len(both.only_other)
    assert both.p == pytest.approx(stats.binomtest(b, b + c).pvalue)
    for b, c in ((0, 0), (0, 5), (3, 3), (900, 1000)):
        assert compare.mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1)
    assert compare.kappa(np.zeros(5, int), np.zeros(5, int)) == 0


def test_the_bootstrap_is_the_one_over_rows():
    one, other = simulated(4, 0.5, 0.6, 300)
    random = np.random.default_rng(1)
    slow = []
    for _ in range(500):
        rows = random.integers(0, 300, 300)
        f1 = [_macro(r, rows) for r in (one, other)]
        slow.append(f1[1] - f1[0])
    change = compare.pair(one, other, draws=4000).macro_f1
    assert (change.low, change.high) == pytest.approx(np.quantile(slow, (0.025, 0.975)), abs=0.012)


def _macro(found, rows):
    return metrics.summary(found.truth[rows], found.probabilities[rows])["macro_f1"]


def test_intervals_hold_the_truth_as_often_as_they_say():
    expected = compare.pair(*simulated(9999, 0.60, 0.65, 50_000), draws=2).macro_f1.value
    inside = []
    for seed in range(250):
        both = compare.pair(*simulated(seed, 0.60, 0.65, 300), draws=300)
        inside.append(
            (
                both.accuracy.low <= 0.05 <= both.accuracy.high,
                both.macro_f1.low <= expected <= both.macro_f1.high,
            )
        )
    assert (np.mean(inside, axis=0) >= 0.93).all() and (np.mean(inside, axis=0) <= 0.97).all()


@pytest.mark.parametrize("n", [12, 60])
def test_intervals_of_few_rows_hold_too(n):
    random = np.random.default_rng(n)
    shares = np.array([0.10, 0.25, 0.45, 0.20])
    drawn = random.multinomial(n, shares, 3000)
    intervals = [compare.paired_interval(*map(int, row)) for row in drawn]
    inside = [low <= 0.15 <= high for low, high in intervals]
    assert 0.93 <= np.mean(inside) <= 0.975
    assert compare.paired_interval(0, 0, 0, 0) == (-1, 1)


def test_chance_is_called_proof_in_at_most_one_of_twenty():
    proofs = [
        compare.pair(*simulated(seed, 0.6, 0.6, 300), draws=100).verdict != compare.NO_PROOF
        for seed in range(1000, 1200)
    ]
    assert np.mean(proofs) <= 0.06
