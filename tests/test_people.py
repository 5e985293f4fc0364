"""What people answered: votes, consensus, and what no answer is."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from fer_core.dataset import changes, ledger, schema, versions
from fer_core.errors import BadInput, NotFound
from fer_core.labels import NOT_A_FACE, UNSURE
from fer_core.review import people
from fer_core.training import targets
from fer_core.training.config import TrainingConfig
from tests import drawn_dataset
from tests.drawn_dataset import picture, row


@pytest.fixture
def store(tmp_path):
    """Six pictures labelled happy; 5 and 6 are the same one."""
    rows = [row(f"{n}.png", picture(min(n, 5))) for n in range(1, 7)]
    return drawn_dataset.here(tmp_path, rows)


def told(store):
    """{(sample, who): label}"""
    found = people.votes_of(store, "faces")
    return {(s, w): label for s, w, label in zip(found["sample"], found["who"], found["label"], strict=True)}


def say(store, who, **answers):
    """say(store, "Ann", s1="sad"): each an answer of its own."""
    for sample, label in answers.items():
        ledger.relabel(store, [(int(sample[1:]), label)], who, sitting=f"of {who}")


def label_of(store, sample):
    with store.read() as connection:
        return connection.scalar(sa.select(schema.sample.c.label).where(schema.sample.c.id == sample))


def test_the_newest_answer_of_each_person_is_the_vote(store):
    assert people.votes_of(store, "faces").empty
    say(store, "Ann", s1="sad", s2="fear")
    say(store, "Bob", s1="angry")
    say(store, "Ann", s1="surprise", s3=UNSURE, s4=NOT_A_FACE)
    assert told(store) == {
        (1, "Ann"): "surprise", (1, "Bob"): "angry", (2, "Ann"): "fear", (3, "Ann"): UNSURE,
        (4, "Ann"): NOT_A_FACE,
    }  # fmt: skip
    assert people.answers_of(store, "faces", "Ann")["label"].tolist() == [
        *("sad", "fear", "surprise"), UNSURE, NOT_A_FACE
    ]  # fmt: skip
    say(store, "Ann", s1=None)
    assert (1, "Ann") not in told(store)
    with pytest.raises(NotFound):
        people.votes_of(store, "none")


def test_what_is_taken_back_is_no_answer_until_it_is_given_again(store):
    say(store, "Ann", s1="sad", s2="sad")
    change = ledger.relabel(store, [(1, "fear"), (3, "fear")], "Ann")
    back = ledger.undo(store, "Bob", change.batch)
    # What was answered before counts again, and to undo is no answer.
    assert told(store) == {(1, "Ann"): "sad", (2, "Ann"): "sad"}
    forth = ledger.undo(store, "Cid", back.batch)
    assert told(store) == {(1, "Ann"): "fear", (2, "Ann"): "sad", (3, "Ann"): "fear"}
    ledger.undo(store, "Cid", forth.batch)
    assert told(store) == {(1, "Ann"): "sad", (2, "Ann"): "sad"}


def test_only_who_looked_has_answered(store):
    versions.freeze(store, "faces", "start", "Ann")
    say(store, "Ann", s1="sad", s2="sad")
    say(store, "Bob", s1="sad", s2="fear")
    ledger.relabel(store, [(6, "sad"), (5, "sad"), (4, "sad")], "Cid")
    assert {key for key in told(store) if key[1] == "Cid"} == {(6, "Cid"), (4, "Cid")}
    before = told(store)
    changes.restore(store, "faces", "start", "Dan")
    people.write_consensus(store, "faces", "Dan")
    assert told(store) == before


def test_the_majority_and_its_ties(store):
    for who, said in {"Ann": "sad", "Bob": "sad", "Cid": "fear"}.items():
        say(store, who, s1=said, s2="happy")
    say(store, "Ann", s3="sad")
    say(store, "Bob", s3="fear", s4="fear")
    found = people.consensus(store, "faces").set_index("sample")
    assert found["label"].where(found["label"].notna(), None).to_dict() == {1: "sad", 2: "happy", 3: None}
    assert found["certainty"].round(3).tolist() == [0.667, 1, 0.5]
    assert found["answers"].tolist() == [3, 3, 2]
    assert found["present"].tolist() == ["fear", "happy", "fear"]
    assert people.changed(found.reset_index())["sample"].tolist() == [1]
    assert 4 in people.consensus(store, "faces", least=1)["sample"].tolist()
    with pytest.raises(BadInput, match="majority or dawid-skene"):
        people.consensus(store, "faces", "loudest")


def test_consensus_is_written_in_one_go_and_taken_back_in_one(store):
    for who, said in {"Ann": "sad", "Bob": "sad", "Cid": "fear"}.items():
        say(store, who, s1=said, s2=said, s3="happy")
    before = told(store)
    change = people.write_consensus(store, "faces", "Dan")
    assert (label_of(store, 1), label_of(store, 2), len(change.events)) == ("sad", "sad", 2)
    newest = ledger.history(store, 1)[-1]
    assert (newest.who, newest.surfaced_by, newest.why) == (
        "Dan",
        "consensus",
        "Majority of 2 answers or more",
    )
    # It is nobody's answer, and there is nothing left to do.
    assert told(store) == before
    assert people.write_consensus(store, "faces", "Dan").events == ()
    ledger.undo(store, "Dan", change.batch)
    assert (label_of(store, 1), label_of(store, 2)) == ("fear", "fear")
    assert people.write_consensus(store, "faces", "Dan", certainty=0.7).events == ()


def test_dawid_and_skene_hear_the_better_one(tmp_path):
    rows = [row(f"{n}.png", picture(n), label=None) for n in range(150)]
    store = drawn_dataset.here(tmp_path, rows)
    random = np.random.default_rng(0)
    true = np.array(["happy", "sad"])[np.arange(150) % 2]
    # Two are nearly always right; two guess, and would outvote one who is right.
    for who, quality in {"Ann": 0.97, "Bob": 0.95, "Cid": 0.5, "Dan": 0.5}.items():
        other = np.where(true == "happy", "sad", "happy")
        said = np.where(random.random(150) < quality, true, other)
        ledger.relabel(store, list(zip(range(1, 151), said.tolist(), strict=True)), who)
    found = people.consensus(store, "faces", "dawid-skene")
    assert (found["label"] == true).mean() > 0.92
    majority = people.consensus(store, "faces")
    assert (majority["label"] == true).mean() < 0.9 and majority["label"].isna().any()
    assert found["certainty"].between(0.5, 1).all()


def test_conflicting_answers_are_all_kept(store):
    say(store, "Ann", s1="sad", s2="sad")
    say(store, "Bob", s1="fear", s2="sad")
    found = people.conflicts(people.votes_of(store, "faces"))
    assert found[["sample", "who", "label"]].to_numpy().tolist() == [[1, "Ann", "sad"], [1, "Bob", "fear"]]


def test_deleted_pictures_have_no_votes(store):
    from fer_core.dataset import removal

    say(store, "Ann", s1="sad", s2="sad")
    removal.remove(store, [1], "Ann")
    assert told(store) == {(2, "Ann"): "sad"}


def test_a_network_learns_how_people_answered(store):
    for who, said in {"Ann": "sad", "Bob": "sad", "Cid": "fear"}.items():
        say(store, who, s1=said, s3="happy")
    table = people.vote_table(store, "faces")
    assert table.columns.tolist() == ["sample", "votes:fear", "votes:happy", "votes:sad"]
    manifest = versions.manifest(store, "faces").assign(**{"votes:angry": 7})
    manifest["split"] = ["train", "train", "validation", "none", "none", "none"]
    found = people.with_answers(manifest, table)
    assert found["sample"].tolist() == manifest["sample"].tolist() and "votes:angry" not in found
    config = TrainingConfig("mini_xception", "faces", targets="votes")
    train, validation, left_out = targets.prepare(found, config, store.dataset("faces").label_set)
    names = store.dataset("faces").label_set.names
    assert dict(zip(names, train.targets[0].round(3), strict=True))["sad"] == pytest.approx(0.667, abs=1e-3)
    # The label of the second picture, which nobody answered, counts as its one vote.
    assert train.targets[1].max() == 1 and names[train.targets[1].argmax()] == manifest["label"][1]
    assert (len(train), len(validation)) == (2, 1) and not left_out
    with pytest.raises(BadInput, match="nobody labelled"):
        people.with_answers(manifest, pd.DataFrame({"sample": pd.Series([], dtype="int64")}))


def test_a_run_learns_from_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    rows = [
        row(f"{i}", picture(i), "sad" if i % 2 else "fear", "validation" if i > 5 else "train")
        for i in range(8)
    ]
    store = drawn_dataset.here(tmp_path, rows)
    config = TrainingConfig("mini_xception", "faces", label_set="fer7")
    with pytest.raises(BadInput, match="nobody labelled"):
        people.start(store, config)
    say(store, "Ann", s1="angry")
    run = people.start(store, config)
    assert run.config.targets == "votes" and run.manifest["votes:angry"].tolist() == [1] + [0] * 7
    assert run.manifest["votes:sad"].sum() == 4 and run.manifest["votes:fear"].sum() == 3
