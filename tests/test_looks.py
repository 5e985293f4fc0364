"""Answers that change no label: second looks and gold pictures."""

import pytest
import sqlalchemy as sa

from fer_core.dataset import ledger, schema
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.review import looks, people
from fer_core.review.looks import Look
from tests import drawn_dataset
from tests.drawn_dataset import picture, row


@pytest.fixture
def store(tmp_path):
    """Forty pictures labelled happy, of which Ann answered all and Bob one."""
    votes = [{"happy": 9, "sad": 1}, {"sad": 5}, {"happy": 8, "sad": 2}, {"sad": 4}, {"unknown": 10}]
    rows = [
        row(f"{n}.png", picture(n), votes=votes[n] if n < len(votes) else None, split="train")
        for n in range(40)
    ]
    made = drawn_dataset.here(tmp_path, rows)
    ledger.relabel(made, [(sample, "sad") for sample in range(1, 41)], "Ann")
    ledger.relabel(made, [(1, "fear")], "Bob")
    return made


def test_a_look_changes_no_label_and_counts_once(store):
    taken = [Look(1, "second", "Happiness", "a1"), Look(2, "second", None, "a2")]
    assert looks.look(store, "faces", taken, " Ann ", "s") == 2
    assert looks.look(store, "faces", [*taken, Look(3, "gold", "sad", "a3")], "Ann", "s") == 1
    found = looks.looks_of(store, "faces")
    # What was passed over is no answer.
    assert found[["sample", "who", "kind", "label", "sitting"]].to_numpy().tolist() == [
        [1, "Ann", "second", "happy", "s"], [3, "Ann", "gold", "sad", "s"]
    ]  # fmt: skip
    assert looks.looks_of(store, "faces", "Bob").empty
    with store.read() as connection:
        assert connection.scalar(sa.select(schema.sample.c.label).where(schema.sample.c.id == 1)) == "fear"
    assert len(people.answers_of(store, "faces", "Ann")) == 40


@pytest.mark.parametrize(
    ("looked", "who", "error", "says"),
    [
        (Look(1, "third", "sad", "x"), "Ann", BadInput, "second, gold"),
        (Look(1, "gold", "bored", "x"), "Ann", BadInput, "Labels of this dataset"),
        (Look(99, "gold", "sad", "x"), "Ann", NotFound, "sample=99"),
        (Look(1, "gold", "sad", "x"), " ", BadInput, "Enter a name"),
    ],
)
def test_a_look_that_cannot_be_kept(store, looked, who, error, says):
    with pytest.raises(error, match=says):
        looks.look(store, "faces", [Look(2, "gold", "sad", "y"), looked], who)
    assert looks.looks_of(store, "faces").empty


def test_looks_are_never_changed(store):
    looks.look(store, "faces", [Look(1, "gold", "sad", "x")], "Ann")
    for statement in (sa.delete(schema.look), sa.update(schema.look).values(label="fear")):
        with pytest.raises(Conflict, match="append-only"), store.write() as connection:
            connection.execute(statement)


def test_one_answer_in_twenty_is_shown_again_but_not_the_last_ones(store):
    first = looks.second_looks(store, "faces", "Ann", share=0.1, seed=1)
    assert len(first) == 4 and set(first) <= set(range(1, 21))
    assert looks.second_looks(store, "faces", "Ann", share=0.1, seed=1) == first
    assert looks.second_looks(store, "faces", "Ann", share=0.1, seed=2) != first
    assert len(looks.second_looks(store, "faces", "Ann", share=1)) == 20
    looks.look(store, "faces", [Look(first[0], "second", "sad", "x")], "Ann")
    left = looks.second_looks(store, "faces", "Ann", share=0.1, seed=1)
    assert len(left) == 3 and first[0] not in left
    assert looks.second_looks(store, "faces", "Bob") == []


def test_gold_is_set_by_hand_or_offered_where_raters_agree(store):
    offers = looks.gold_offers(store, "faces")
    assert offers[["sample", "label", "raters"]].to_numpy().tolist() == [[2, "sad", 5], [1, "happy", 10]]
    looks.make_gold(store, "faces", {1: "happy", 30: "Surprised"}, "Eva")
    assert looks.gold_offers(store, "faces")["sample"].tolist() == [2]
    looks.make_gold(store, "faces", {30: "fear"}, "Eva")
    assert looks.gold_samples(store, "faces")[["sample", "label", "who"]].to_numpy().tolist() == [
        [1, "happy", "Eva"], [30, "fear", "Eva"]
    ]  # fmt: skip
    with pytest.raises(BadInput, match="Labels of this dataset"):
        looks.make_gold(store, "faces", {2: "sad", 3: "bored"}, "Eva")
    looks.drop_gold(store, [30])
    assert looks.gold_samples(store, "faces")["sample"].tolist() == [1]


def test_each_gold_picture_is_shown_once(store):
    looks.make_gold(store, "faces", dict.fromkeys(range(1, 11), "sad"), "Eva")
    shown = looks.gold_looks(store, "faces", "Ann", share=0.1)
    assert len(shown) == 4 and set(shown) <= set(range(1, 11))
    looks.look(store, "faces", [Look(s, "gold", None, f"g{s}") for s in shown], "Ann")
    assert looks.gold_looks(store, "faces", "Ann", share=0.1) == []
    assert len(looks.gold_looks(store, "faces", "Bob", share=0.1)) == 1
