"""How well the people who label do: pace, agreement with others, with themselves and with gold."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fer_core.dataset import ledger
from fer_core.review import looks, quality
from fer_core.review.looks import Look
from fer_core.review.quality import Share
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """Every label and look is written at the moment that stands here, in seconds."""
    moment = {"now": 0.0}

    def now():
        return (START + timedelta(seconds=moment["now"])).isoformat(timespec="milliseconds")

    monkeypatch.setattr(ledger, "now", now)
    monkeypatch.setattr(looks, "now", now)
    return moment


@pytest.fixture
def store(tmp_path):
    rows = [row(f"{n}.png", picture(n), label=None if n == 9 else "happy") for n in range(1, 10)]
    return drawn_dataset.here(tmp_path, rows)


def of(found, who):
    return next(person for person in found.people if person.who == who)


def say(store, who, said, sitting=""):
    for sample, label in said.items():
        ledger.relabel(store, [(sample, label)], who, sitting=sitting)


def test_nobody_labelled_anything(store):
    found = quality.report(store, "faces")
    assert (found.people, found.pairs, found.shared, len(found.conflicts)) == ((), {}, 0, 0)
    assert math.isnan(found.together.value)


def test_one_person_has_nobody_to_agree_with(store):
    say(store, "Ann", {1: "sad", 2: "happy", 9: "fear"})
    ann = quality.report(store, "faces").people[0]
    # Number 9 had no label that could be changed.
    assert (ann.answers, ann.changed, ann.others.n) == (3, Share(1, 2), 0)
    assert math.isnan(ann.others.value) and ann.others.interval == (0, 1)


def test_each_is_compared_with_the_others_and_not_with_oneself(store):
    say(store, "Ann", {1: "sad", 2: "sad", 3: "sad", 4: "happy"})
    say(store, "Bob", {1: "sad", 2: "sad", 3: "fear"})
    say(store, "Cid", {1: "fear", 2: "sad", 3: "angry"})
    found = quality.report(store, "faces")
    assert [person.who for person in found.people] == ["Ann", "Bob", "Cid"]
    # Of picture 1 the others of Ann, and of Bob, are at a tie; of 3 those of everybody.
    assert of(found, "Ann").others == Share(1, 1)
    assert of(found, "Cid").others == Share(1, 2)
    places = {name: place for place, name in enumerate(found.classes)}
    table = of(found, "Cid").confusion
    assert table[places["sad"], places["fear"]] == 1 and table.sum() == 2
    assert found.pairs["Ann", "Bob"].n == 3 and found.pairs["Ann", "Bob"].agreement == pytest.approx(2 / 3)
    assert set(found.pairs) == set(itertools.combinations(["Ann", "Bob", "Cid"], 2))
    assert (found.shared, found.together.n) == (3, 3)
    assert sorted(set(found.conflicts["sample"])) == [1, 3]


def test_pace_counts_no_breaks(store, clock):
    # 0, 2, 4, then away for ten minutes, 604, 607; another sitting begins anew.
    for second, sample in zip((0, 2, 4, 604, 607), itertools.count(1)):
        clock["now"] = second
        say(store, "Ann", {sample: "sad"}, "one")
    clock["now"] = 700
    say(store, "Ann", {6: "sad"}, "two")
    say(store, "Bob", {1: "sad", 2: "sad"})
    found = quality.report(store, "faces")
    # Three pictures in 2 + 2 + 3 seconds.
    assert of(found, "Ann").pace == pytest.approx(3 / 7 * 60)
    assert math.isnan(of(found, "Bob").pace)
    clock["now"] = 609
    looks.look(store, "faces", [Look(1, "second", "sad", "x")], "Ann", "one")
    assert of(quality.report(store, "faces"), "Ann").pace == pytest.approx(4 / 9 * 60)


def test_a_second_look_is_held_against_the_answer_of_its_time(store, clock):
    say(store, "Ann", {1: "sad", 2: "sad"})
    clock["now"] = 60
    taken = [(1, "sad"), (2, "fear"), (3, "sad")]
    looks.look(store, "faces", [Look(s, "second", label, f"a{s}") for s, label in taken], "Ann")
    clock["now"] = 120
    say(store, "Ann", {1: "fear", 3: "sad"})
    assert of(quality.report(store, "faces"), "Ann").itself == Share(1, 2)


def test_gold_is_what_it_is_held_against_now(store):
    say(store, "Ann", {1: "sad"})
    looks.make_gold(store, "faces", {1: "sad", 2: "fear"}, "Eva")
    taken = [(1, "sad"), (2, "sad"), (3, "sad")]
    looks.look(store, "faces", [Look(s, "gold", label, f"a{s}") for s, label in taken], "Ann")
    assert of(quality.report(store, "faces"), "Ann").gold == Share(1, 2)
    looks.make_gold(store, "faces", {2: "sad"}, "Eva")
    assert of(quality.report(store, "faces"), "Ann").gold == Share(2, 2)


def test_a_share_has_an_interval():
    assert Share(9, 10).value == 0.9
    np.testing.assert_allclose(Share(9, 10).interval, (0.596, 0.982), atol=1e-3)
