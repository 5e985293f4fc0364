"""Two people at one queue: nothing twice, nothing lost, nothing held for ever."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from fer_core.dataset import ledger
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.review import claims
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

QUEUE = "random · train"


@pytest.fixture
def store(tmp_path):
    return drawn_dataset.here(tmp_path, [row(f"{i}", picture(i)) for i in range(60)])


def take(store, who, count=5, samples=range(1, 61), **more):
    return claims.take(store, "faces", QUEUE, list(samples), who, count, **more)


def answer(store, samples, who="Ada", label="sad", queue=QUEUE):
    return ledger.relabel(store, [(s, label) for s in samples], who, surfaced_by=queue)


def test_the_best_come_first_and_nobody_gets_what_another_has(store):
    assert take(store, "Ada") == [1, 2, 3, 4, 5]
    assert take(store, "Ben", samples=[60, *range(1, 60)]) == [60, 6, 7, 8, 9][:1] + [6, 7, 8, 9]
    # Ada's page was loaded again: she has what she had.
    assert take(store, "Ada", 7) == [1, 2, 3, 4, 5, 10, 11]
    assert take(store, "Ada", 2, without=frozenset(range(1, 12))) == [12, 13]


def test_what_has_an_answer_does_not_come_again_until_it_is_taken_back(store):
    change = answer(store, [2, 3])
    assert take(store, "Ben", 3) == [1, 4, 5] and claims.done(store, "faces", QUEUE) == 2
    assert claims.without_answer(store, "faces", QUEUE, [4, 2, 1]) == [4, 1]
    ledger.undo(store, "Ada", change.batch)
    assert take(store, "Ben", 5) == [1, 2, 3, 4, 5] and claims.done(store, "faces", QUEUE) == 0
    answer(store, [9], queue="another queue")
    assert 9 in take(store, "Ben", 60)


def test_what_others_have_is_told_with_the_time_until_it_is_free(store):
    take(store, "Ben", 3)
    take(store, "Cem", 1)
    assert claims.elsewhere(store, "faces", QUEUE, "Ada") == [("Ben", 3, 15), ("Cem", 1, 15)]
    answer(store, [1, 2, 3], "Ben")
    assert claims.elsewhere(store, "faces", QUEUE, "Ada") == [("Cem", 1, 15)]
    assert claims.elsewhere(store, "faces", QUEUE, "Cem") == []
    assert claims.elsewhere(store, "faces", "another", "Ada") == []


def test_a_picture_that_somebody_goes_back_to_is_theirs_again(store):
    take(store, "Ada", 2)
    change = answer(store, [1])
    take(store, "Ada", 1, without=[2])
    ledger.undo(store, "Ada", change.batch)
    claims.hold(store, "faces", QUEUE, 1, "Ada")
    assert take(store, "Ben", 1) == [4]
    claims.hold(store, "faces", QUEUE, 1, "Ben")
    assert take(store, "Ada", 1) == [1]


def test_the_answer_that_stands_is_the_newest_by_hand_of_that_person(store):
    stands = partial(claims.stands, store, "faces", QUEUE)
    assert stands(1, "Ada") is None
    first = answer(store, [1], label="fear")
    assert stands(1, "Ada") == (first.batch, "fear") and stands(1, "Ben") is None
    second = answer(store, [1], label="sad")
    assert stands(1, "Ada") == (second.batch, "sad")
    ledger.undo(store, "Ada", second.batch)
    assert stands(1, "Ada") == (first.batch, "fear")
    # The second of a batch is a copy that came along.
    answer(store, [2, 3])
    assert stands(2, "Ada") and stands(3, "Ada") is None


def test_answers_that_were_taken_back_outside_of_their_sitting_are_told(store):
    given = [
        ledger.relabel(store, [(s, "sad")], "Ada", surfaced_by=QUEUE, sitting="one").batch for s in (1, 2, 3)
    ]
    ledger.undo(store, "Ada", given[0], sitting="one")
    assert claims.taken_back(store, "faces", "Ada", "one") == []
    ledger.undo(store, "Ben", given[1])
    assert claims.taken_back(store, "faces", "Ada", "one") == [("Ben", 1)]
    assert claims.taken_back(store, "faces", "Ada", "two") == []


def test_a_long_queue_is_walked_through_past_what_is_busy(store):
    answer(store, range(1, 60))
    queue = np.concatenate([np.arange(1000, 3000), np.arange(1, 61)])
    assert take(store, "Ada", 5, samples=queue) == [60]


def test_who_answers_for_all_sees_all_but_their_own_answers(store):
    answer(store, [1])
    assert take(store, "Ada", 2, shared=True) == [2, 3]
    assert take(store, "Ben", 2, shared=True) == [1, 2]
    assert claims.done(store, "faces", QUEUE, "Ben") == 0


def test_a_claim_ends_by_itself_and_can_be_given_back(store, monkeypatch):
    take(store, "Ada")
    later = datetime.now(UTC) + timedelta(minutes=claims.MINUTES + 1)
    with monkeypatch.context() as patch:
        patch.setattr(claims, "now", lambda: later.isoformat(timespec="milliseconds"))
        assert take(store, "Ben", 2) == [1, 2]
    assert take(store, "Ada", 2) == [3, 4]
    claims.release(store, QUEUE, "Ben")
    assert take(store, "Ada", 2) == [1, 2]


def test_another_batch_renews_the_earlier_claims(store, monkeypatch):
    take(store, "Ada", 1)
    soon = datetime.now(UTC) + timedelta(minutes=claims.MINUTES - 1)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return soon

    with monkeypatch.context() as patch:
        patch.setattr(claims, "datetime", Later)
        take(store, "Ada", 1, without=frozenset({1}))
    end = soon + timedelta(minutes=2)
    monkeypatch.setattr(claims, "now", lambda: end.isoformat(timespec="milliseconds"))
    assert take(store, "Ben", 2) == [3, 4]


def test_what_was_deleted_is_left_out(store):
    assert take(store, "Ada", 2, samples=[1, 999, 2]) == [1, 2]


def test_an_unknown_dataset_is_said(store):
    with pytest.raises(NotFound):
        claims.take(store, "voices", QUEUE, [1], "Ada", 1)


def test_many_people_at_once_share_a_queue_without_a_picture_twice(store):
    got: dict[str, list[int]] = {}

    def work(who):
        mine = Store.open(store.engine.url.database)
        found: list[int] = []
        while batch := claims.take(mine, "faces", QUEUE, range(1, 61), who, 4, without=frozenset(found)):
            found += batch
            answer(mine, batch, who)
        got[who] = found
        mine.close()

    people = [threading.Thread(target=work, args=(f"person {n}",)) for n in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    everything = [sample for found in got.values() for sample in found]
    assert sorted(everything) == list(range(1, 61))
    assert claims.done(store, "faces", QUEUE) == 60


def test_what_a_kind_of_queue_yields(store):
    answer(store, [1, 2, 3], queue="missed · a model · train", label="sad")
    answer(store, [4], queue="missed · another", label="happy")
    answer(store, [5], queue="missedanother", label="sad")
    assert claims.yields(store, "faces", "missed") == (4, 3)
    assert claims.yields(store, "faces", "random") == (0, 0)


def test_earlier_answers_come_back_to_be_taken_back(store):
    changes = [
        answer(store, [sample], label=label) for sample, label in ((3, "sad"), (1, "fear"), (2, "happy"))
    ]
    answer(store, [5], who="Ben")
    ledger.undo(store, "Ada", changes[1].batch)
    last = changes[2].events[0]
    everything = [(changes[0].batch, 3, "happy", "sad"), (changes[2].batch, 2, "happy", "happy")]
    assert claims.past(store, "faces", QUEUE, "Ada", last, 0, 30) == everything
    assert claims.past(store, "faces", QUEUE, "Ada", last, 1, 30) == everything[:1]
    assert claims.past(store, "faces", QUEUE, "Ada", last - 1, 0, 30) == everything[:1]


def test_what_a_revert_took_is_asked_for_again_and_what_its_undo_gave_back_is_not(store):
    for sample in (1, 2):
        ledger.relabel(store, [(sample, "sad")], "Ada", surfaced_by=QUEUE, sitting="one")
    first = ledger.revert(store, "Ben", dataset="faces", sitting="one")
    assert claims.done(store, "faces", QUEUE) == 0
    ledger.undo(store, "Ben", first.batch)
    assert claims.done(store, "faces", QUEUE) == 2
    again = ledger.revert(store, "Ben", dataset="faces", sitting="one")
    assert claims.done(store, "faces", QUEUE) == 0
    ledger.undo(store, "Ben", again.batch)
    assert claims.done(store, "faces", QUEUE) == 2
