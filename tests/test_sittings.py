"""Sittings: how much, how fast, and what still stands."""

import math

import pytest

from fer_core.cli import main
from fer_core.dataset import ledger
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.review import sittings
from tests import drawn_dataset
from tests.drawn_dataset import picture, row


@pytest.fixture
def store(tmp_path):
    return drawn_dataset.here(tmp_path, [row(f"{n}.png", picture(n)) for n in range(1, 9)])


@pytest.fixture
def clock(monkeypatch):
    """Sets the time, seconds after noon, of what is labelled from then on."""

    def at(seconds):
        told = f"2026-02-01T12:{seconds // 60:02}:{seconds % 60:02}.000+00:00"
        monkeypatch.setattr(ledger, "now", lambda: told)

    return at


def say(store, clock, who, sitting, answers, queue="random"):
    """answers: (seconds, sample, label)"""
    for seconds, sample, label in answers:
        clock(seconds)
        ledger.relabel(store, [(sample, label)], who, sitting=sitting, surfaced_by=queue)


def test_a_sitting_is_summed_up_without_its_breaks(store, clock):
    assert sittings.sittings(store, "faces").empty
    say(store, clock, "Ada", "s1", [(0, 1, "sad"), (2, 2, "happy"), (4, 3, "fear")])
    say(store, clock, "Ada", "s1", [(400, 4, "sad"), (402, 5, "sad")], "suspect · train")
    say(store, clock, "Ben", "s2", [(500, 1, "angry")])
    ledger.undo(store, "Ada", sitting="s1")
    ben, ada = sittings.sittings(store, "faces").itertuples(index=False)
    assert (ada.who, ada.sitting, ada.answers, ada.standing, ada.changed) == ("Ada", "s1", 5, 4, 4)
    assert ada.pace == pytest.approx(3 / 6 * 60, rel=0.01), "three steps of two seconds; the break is none"
    assert ada.queue == "random, suspect · train"
    assert (ben.answers, ben.standing) == (1, 1) and math.isnan(ben.pace)
    assert ada[2][11:19] == "12:00:00" and ada[3][11:19] == "12:06:42"


def test_a_report_tells_every_answer_and_what_became_of_it(store, clock):
    say(store, clock, "Ada", "s1", [(0, 1, "sad"), (1, 2, "fear"), (2, 1, None), (3, 3, "sad")])
    ledger.undo(store, "Ada")
    ledger.relabel(store, [(2, "neutral")], "Ben")
    found = sittings.report(store, "faces", "Ada", "s1")
    assert found[["sample", "old", "new", "stands", "now"]].to_numpy().tolist() == [
        [1, "happy", "sad", True, None],
        [2, "happy", "fear", True, "neutral"],
        [1, "sad", None, True, None],
        [3, "happy", "sad", False, "happy"],
    ]
    assert found["file"].tolist() == ["1.png", "2.png", "1.png", "3.png"]
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM sample WHERE id = 2")
    gone = sittings.report(store, "faces", "Ada", "s1").iloc[1]
    assert gone["file"] is None and gone["new"] == "fear"


def test_what_came_from_a_file_is_no_sitting_and_a_revert_empties_one(store, clock):
    ledger.relabel(store, [(1, "sad")], "Ada", surfaced_by=ledger.BY_FILE)
    assert sittings.sittings(store, "faces").empty
    say(store, clock, "Ada", "s1", [(0, 1, "sad"), (1, 1, "fear"), (2, 2, "sad")])
    change = ledger.revert(store, "Eve", dataset="faces", sitting="s1", person="Ada")
    assert sittings.sittings(store, "faces")["standing"].tolist() == [0]
    ledger.undo(store, "Eve", change.batch)
    found = sittings.sittings(store, "faces")
    assert found["standing"].tolist() == [3] and found["answers"].tolist() == [3], "to undo is no answer"


def test_the_command_line_lists_takes_back_and_brings_back(store, clock, monkeypatch, capsys):
    monkeypatch.setattr(Store, "open", classmethod(lambda cls: store))
    say(store, clock, "Ada", "s1", [(0, 1, "sad"), (1, 2, "fear")])
    assert main(["sittings", "faces"]) == 0
    assert "s1  Ada" in (out := capsys.readouterr().out) and "2 answers" in out
    assert main(["revert", "faces", "--sitting", "s1", "--who", "Eve"]) == 0
    batch = capsys.readouterr().out.split("undo ")[1].split()[0]
    assert [ledger.history(store, s)[-1].new for s in (1, 2)] == ["happy", "happy"]
    assert main(["undo", batch, "--who", "Eve"]) == 0
    assert [ledger.history(store, s)[-1].new for s in (1, 2)] == ["sad", "fear"]
    capsys.readouterr()
    assert main(["undo", batch, "--who", "Eve"]) != 0 and "which Eve took back" in capsys.readouterr().err


def test_a_dataset_that_was_deleted_is_named(store):
    for ask in (
        lambda: sittings.sittings(store, "gone"),
        lambda: sittings.report(store, "gone", "Ada", "s1"),
    ):
        with pytest.raises(NotFound, match="'gone'"):
            ask()
