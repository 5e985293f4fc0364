"""Answers at the desk: once, in order, and never over what the person cannot see."""

import threading

import pytest

from fer_core.dataset import ledger
from fer_core.dataset.store import Store
from fer_core.errors import StorageError
from fer_core.review import answers, looks
from fer_core.review.answers import Answer
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

QUEUE = "random · train"


@pytest.fixture
def store(tmp_path):
    rows = [row(f"{i}", picture(i)) for i in range(5)] + [row("copy of 0", picture(0))]
    return drawn_dataset.here(tmp_path, rows)


def say(id, sample=1, label="sad", **more):
    return Answer(id, sample, label, QUEUE, "one", **more)


def keep(store, *said, who="Ada"):
    return answers.keep(store, "faces", who, said)


def labels(store, sample=1):
    return [event.new for event in ledger.history(store, sample)]


def test_an_answer_that_is_sent_twice_counts_once(store):
    assert keep(store, say("a"), say("b", 2)) == {}
    assert keep(store, say("a"), say("b", 2)) == {}
    assert labels(store) == labels(store, 2) == ["happy", "sad"]


def test_a_second_tab_does_not_answer_over_the_first(store):
    keep(store, say("a"))
    refused = keep(store, say("b", label="fear"))
    assert "another tab: sad" in refused["b"] and labels(store) == ["happy", "sad"]
    # Who sees the first answer may change it; others have a say of their own.
    assert keep(store, say("c", label="fear", over=("a",))) == {}
    assert keep(store, say("d", label="angry"), who="Ben") == {}
    assert labels(store) == ["happy", "sad", "fear", "angry"]


def test_two_tabs_at_the_same_moment_store_one_label(store):
    refused = []

    def work(number):
        mine = Store.open(store.engine.url.database)
        refused.append(keep(mine, *(say(f"{number} {s}", s, "sad") for s in range(1, 6))))
        mine.close()

    tabs = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert sum(map(len, refused)) == 5
    assert all(labels(store, sample) == ["happy", "sad"] for sample in range(1, 6))


def test_copies_come_along_and_can_be_answered_by_themselves(store):
    assert keep(store, say("a", copies=True)) == {}
    assert labels(store, 6) == ["happy", "sad"]
    assert keep(store, say("b", 6, "fear")) == {}
    assert labels(store) == ["happy", "sad"] and labels(store, 6)[-1] == "fear"


def test_taking_back_what_was_taken_back_with_its_sitting_is_said(store):
    keep(store, say("a"), say("b", 2))
    assert keep(store, say("z", label=None, undo="a")) == {}
    assert keep(store, say("z", label=None, undo="a")) == {}
    ledger.undo(store, "Ben", "b")
    refused = keep(store, say("y", 2, None, undo="b"))
    assert "taken back before" in refused["y"] and "Load this page" in refused["y"]
    assert labels(store) == labels(store, 2) == ["happy", "sad", "happy"]


def test_a_look_changes_no_label(store):
    keep(store, say("a"))
    assert keep(store, say("b", 1, "fear", look="second"), say("c", 2, None, look="gold")) == {}
    assert labels(store) == ["happy", "sad"] and labels(store, 2) == ["happy"]
    assert looks.looks_of(store, "faces")[["sample", "kind", "label", "sitting"]].values.tolist() == [
        [1, "second", "fear", "one"]
    ]


def test_what_can_never_be_stored_is_said_and_the_others_are(store):
    refused = keep(store, say("a", 99), say("b", 1, "bored"), say("c", 2))
    assert set(refused) == {"a", "b"} and "deleted" in refused["a"] and "bored" in refused["b"]
    assert labels(store, 2) == ["happy", "sad"]


def test_a_full_disk_is_no_refusal(store, monkeypatch):
    def full(*_, **__):
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "relabel", full)
        with pytest.raises(StorageError):
            keep(store, say("a"))
    assert keep(store, say("a")) == {} and labels(store) == ["happy", "sad"]
