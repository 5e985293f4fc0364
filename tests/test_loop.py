"""Did relabelling help: the verdict, and when it says that nothing is proven."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_core.dataset import ledger, versions
from fer_core.errors import BadInput, NotFound
from fer_core.evaluation import compare
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Rows, Trial
from fer_core.labels import LabelSet
from fer_core.review import loop
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

CLASSES = LabelSet("two", ("happy", "sad"))


@pytest.fixture(scope="module")
def card():
    shipped = library.find(library.DEFAULT).card
    config = TrainingConfig("mini_xception", "faces", seed=7, epochs=3, name="mine", continued_at=(2,))
    training = {"dataset": "faces", "config": config.__dict__ | {"augmentation": {}}}
    return dataclasses.replace(shipped, id="mine", title="Mine", labels=CLASSES, training=training)


def trial(card, right: np.ndarray, version="v", split="test", labels=None):
    """A model that is right where it is said to be."""
    truth = np.arange(len(right)) % 2 if labels is None else labels
    said = np.where(right, truth, 1 - truth)
    frame = pd.DataFrame(
        {
            "sample": range(len(right)),
            "image": map(str, range(len(right))),
            "label": np.array(CLASSES.names)[truth],
        }
    )
    answers = np.where(np.eye(2)[said] > 0, 0.9, 0.1).astype(np.float32)
    return Trial(card, Rows("faces", version, split, frame), WHOLE, answers, frozenset())


def proof(card, before, after, corrected=100, retested=0):
    first, second = trial(card, np.array(before)), trial(card, np.array(after))
    rows = ["train"] * corrected + ["test"] * retested
    return loop.prove((first, first), (second, second), pd.DataFrame({"split": rows}))


def test_a_clear_gain_is_told_with_its_interval(card):
    found = proof(card, [True] * 300 + [False] * 300, [True] * 400 + [False] * 200, retested=3)
    assert found.verdict == compare.BETTER and found.more is None
    assert (found.corrected, found.retested) == (100, 3)
    said = loop.sentence(found)
    assert said.startswith("After 100 corrected labels better by 16.7 points (")
    assert said.endswith("50.0% to 66.7% on the same 600 faces.")


def test_a_loss_is_called_worse(card):
    found = proof(card, [True] * 400 + [False] * 200, [True] * 300 + [False] * 300)
    assert found.verdict == compare.WORSE and "worse by 16.7 points" in loop.sentence(found)


def test_too_small_a_gain_is_no_proof_and_says_how_many_more(card):
    before = [True] * 300 + [False] * 300
    after = [True] * 290 + [False] * 10 + [True] * 15 + [False] * 285
    found = proof(card, before, after)
    assert found.verdict == compare.NO_PROOF
    change = found.new.accuracy
    assert change.value == pytest.approx(5 / 600) and change.low < 0
    assert found.more == round(100 * (change.value - change.low) / change.value - 100)
    assert loop.sentence(found).startswith("No proof yet: 50.0% to 50.8%, +0.8 points (interval -")
    assert f"Label about {found.more:,} more." in loop.sentence(found)


def test_without_a_gain_more_labels_are_not_promised(card):
    same = [True, False] * 100
    found = proof(card, same, same)
    assert found.more is None and "Label about" not in loop.sentence(found)


def test_a_corrected_test_is_another_test(card):
    truth = np.arange(200) % 2
    corrected = truth.copy()
    corrected[:40] = 1 - corrected[:40]
    right = np.ones(200, bool)
    old = (trial(card, right, "old"), trial(card, right, "old"))
    wrong = right.copy()
    wrong[:40] = False
    new = (trial(card, wrong, "new", labels=corrected), trial(card, right, "new", labels=corrected))
    found = loop.prove((old[0], new[0]), (old[1], new[1]), pd.DataFrame({"split": ["test"] * 40}))
    assert found.old.accuracy.value == 0 and found.new.accuracy.value == pytest.approx(0.2)
    with pytest.raises(BadInput, match="the same pictures"):
        loop.prove((old[0], new[0]), (new[1], new[1]), pd.DataFrame({"split": []}))


def test_training_again_keeps_everything_but_the_labels(card, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    rows = [row(f"t{i}", picture(i, 48), ("happy", "sad")[i % 2]) for i in range(8)]
    rows += [row(f"v{i}", picture(50 + i, 48), ("happy", "sad")[i % 2], "validation") for i in range(4)]
    store = drawn_dataset.here(tmp_path, rows)
    versions.freeze(store, "faces", "first", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, "happy")], "Ada")
    versions.freeze(store, "faces", "second", "Ada")
    run = loop.retrain(store, card, "second")
    before = TrainingConfig.from_dict(card.training["config"])
    assert run.config == dataclasses.replace(
        before, version="second", name=None, title="Mine, second", continued_at=()
    )
    assert run.config.seed == 7 and (run.manifest["label"][:2] == ["sad", "happy"]).all()
    assert loop.moved(store, "faces", "first", "second").to_dict() == {
        "happy": {"happy": 0, "sad": 1},
        "sad": {"happy": 1, "sad": 0},
    }
    with pytest.raises(NotFound):
        loop.retrain(store, card, "third")
    stranger = dataclasses.replace(card, training={"dataset": "faces"})
    with pytest.raises(BadInput, match="came without any"):
        loop.again(stranger, "second")
