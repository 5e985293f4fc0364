"""What is looked at next: the likeliest mistakes first."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.errors import BadInput
from fer_core.evaluation import results
from fer_core.labels import LabelSet
from fer_core.review import queues
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

CLASSES = LabelSet("three", ("happy", "sad", "angry"))
LABELS = ["happy", "happy", "sad", "sad", "angry", "angry"]
SAID = np.array(
    [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.95, 0.05, 0], [0.1, 0.3, 0.6], [np.nan] * 3],
    np.float32,
)
FRAME = pd.DataFrame({"sample": range(10, 16), "image": list("abcdef"), "label": LABELS})


def result(said=SAID, frame=FRAME):
    return results.of(said, frame, "labels", CLASSES)


def test_mistakes_come_the_surest_first_with_what_was_read():
    queue = queues.missed(result(), "m", "train")
    assert queue.samples.tolist() == [13, 11]
    assert list(queue.why) == ["m reads happy (95%)", "m reads sad (70%)"]
    cell = queues.missed(result(), "m", "train", "happy", "sad")
    assert cell.samples.tolist() == [11] and cell.key != queue.key
    assert len(queues.missed(result(), "m", "train", "angry", "angry")) == 0
    with pytest.raises(BadInput, match="Labels of this set"):
        queues.missed(result(), "m", "train", "bored")


def test_where_two_models_disagree():
    other = SAID.copy()
    other[0], other[4] = [0.3, 0.6, 0.1], [0.8, 0.1, 0.1]
    queue = queues.disagree(result(), result(other), ("a", "b"), "train")
    assert queue.samples.tolist() == [10, 14]
    assert list(queue.why) == ["happy or sad", "angry or happy"]
    with pytest.raises(BadInput, match="the same pictures"):
        queues.disagree(result(), result(frame=FRAME.assign(sample=range(6))), ("a", "b"), "train")


def test_the_least_sure_come_first_and_those_without_a_label_before_them():
    frame = FRAME.assign(label=["happy", None, "sad", "sad", "angry", "angry"])
    queue = queues.doubt(frame, SAID, CLASSES, "m", "train")
    assert queue.samples.tolist() == [11, 14, 10, 12, 13, 15]
    assert queue.why[0] == "sad or happy"


def test_people_who_disagree_evenly_come_first():
    votes = pd.DataFrame(
        [(1, "a", "sad"), (1, "b", "sad"), (2, "a", "sad"), (2, "b", "fear")]
        + [(3, "a", "sad"), (3, "b", "sad"), (3, "c", "fear")],
        columns=["sample", "who", "label"],
    )
    queue = queues.people(votes)
    assert queue.samples.tolist() == [2, 3] and queue.why[1] == "fear 1, sad 2"
    assert len(queues.people(votes[:0])) == 0


def test_a_blind_queue_mixes_hits_and_misses_and_says_nothing():
    frame = pd.DataFrame(
        {"sample": range(200), "image": map(str, range(200)), "label": ["happy", "sad"] * 100}
    )
    said = np.tile([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], (100, 1)).astype(np.float32)
    said[:40] = said[:40, [1, 0, 2]]
    queue = queues.blind(results.of(said, frame, "labels", CLASSES), "m", "test")
    assert queue.blind and set(queue.why) == {""} and len(queue) == 80
    missed = queue.samples < 40
    assert missed.sum() == 40 and 10 < missed[:40].sum() < 30
    again = queues.blind(results.of(said, frame, "labels", CLASSES), "m", "test")
    assert (again.samples == queue.samples).all()


def test_at_random_depends_on_the_seed_alone():
    one, same, other = (queues.at_random(FRAME, "train", seed).samples.tolist() for seed in (1, 1, 2))
    assert one == same != other and sorted(one) == sorted(other) == FRAME["sample"].tolist()


def test_findings_come_in_the_order_of_suspicion_and_copies_together(tmp_path):
    store = drawn_dataset.here(
        tmp_path, [row(f"{i}", picture(i), split="test" if i == 5 else "train") for i in range(6)]
    )
    found = [("suspect", 1, 0.5, None), ("suspect", 2, 0.9, None), ("suspect", 6, 0.95, None)]
    found += [
        ("conflict", 3, 1.0, 7),
        ("conflict", 1, 1.0, 2),
        ("conflict", 4, 1.0, 7),
        ("conflict", 2, 1.0, 2),
    ]
    with store.write() as connection:
        names = ("kind", "sample", "score", "cluster")
        rows = [{"dataset": 1, **dict(zip(names, each, strict=True))} for each in found]
        connection.execute(sa.insert(schema.finding), rows)
    assert queues.of_findings(store, "faces", "suspect").samples.tolist() == [6, 2, 1]
    assert queues.of_findings(store, "faces", "suspect", "train").samples.tolist() == [2, 1]
    assert queues.of_findings(store, "faces", "conflict").samples.tolist() == [1, 2, 3, 4]
    with pytest.raises(BadInput, match="made of findings"):
        queues.of_findings(store, "faces", "random")
