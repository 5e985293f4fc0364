"""Figures on a split: what is true, what is left out, what is leak-free."""

import numpy as np
import pandas as pd
import pytest

from fer_core.errors import BadInput
from fer_core.evaluation import report
from fer_core.labels import FER7, FERPLUS8
from fer_core.zoo import library

FRAME = pd.DataFrame(
    {
        "image": list("abcdef"),
        "label": ["happy", "sad", "sad", "neutral", "fear", "angry"],
        "votes:happy": [9, 0, 1, 0, 0, 0],
        "votes:sad": [0, 6, 4, 0, 0, 0],
        "votes:neutral": [1, 3, 3, 10, 0, 0],
        "votes:contempt": [0, 1, 2, 0, 8, 0],
        "votes:unsure": [0, 0, 0, 0, 2, 3],
        "votes:not a face": [0, 0, 0, 0, 0, 7],
    }
)


def answers(label_set, *names) -> np.ndarray:
    """Confident probabilities for these names."""
    rows = np.full((len(names), len(label_set)), 0.02, np.float32)
    for row, name in zip(rows, names, strict=True):
        row[label_set.index(name)] = 0.8
    return rows / rows.sum(axis=1, keepdims=True)


def test_labels_are_measured_over_the_classes_that_both_know():
    p = answers(FERPLUS8, "happy", "sad", "neutral", "neutral", "contempt", "angry")
    record = report.measure(p, FRAME, "labels", FERPLUS8, {"a", "c"})
    assert record["n"] == 6 and record["left_out"] == {}
    assert record["classes"] == ["neutral", "happy", "sad", "angry", "fear"]
    assert record["accuracy"] == pytest.approx(4 / 6)
    assert record["leak_free"] == pytest.approx(
        {"n": 4, "accuracy": 3 / 4, "accuracy_low": 0.3006, "accuracy_high": 0.9544}, abs=1e-3
    )
    matrix = np.array(record["confusion"])
    assert matrix.sum() == 6 and matrix[2].tolist() == [1, 0, 1, 0, 0]
    assert record["baseline"] == pytest.approx(2 / 6)
    # Second places are equal in the two rows that it gets wrong, and go to "happy", the first of them.
    assert record["top2"] == pytest.approx(4 / 6)
    # "sad": one at the top, the other found with all six called so.
    assert record["average_precision"][1] == 1
    assert record["average_precision"][2] == pytest.approx(1 / 2 + 1 / 2 * 2 / 6, abs=1e-5)
    assert record["per_class"]["support"] == [1, 1, 2, 1, 1]


def test_votes_follow_the_plurality_and_leave_out_what_is_no_expression():
    p = answers(FERPLUS8, "happy", "sad", "sad", "neutral", "contempt", "angry")
    record = report.measure(p, FRAME, "votes", FERPLUS8)
    assert record["n"] == 5 and record["left_out"] == {"not a face": 1}
    assert record["accuracy"] == 1
    assert record["majority"]["n"] == 4


def test_a_model_without_contempt_is_not_asked_about_it():
    p = answers(FER7, "happy", "sad", "sad", "neutral", "fear", "angry")
    record = report.measure(p, FRAME, "votes", FER7)
    assert record["left_out"] == {"contempt": 1, "not a face": 1} and record["n"] == 4


def test_what_cannot_be_measured_is_said():
    p = answers(FER7, *["sad"] * 6)
    with pytest.raises(BadInput, match="must share classes"):
        report.measure(p, FRAME[["image", "label"]], "votes", FER7)
    with pytest.raises(BadInput, match="must share classes"):
        report.measure(p, FRAME.assign(label="bored"), "labels", FER7)
    with pytest.raises(BadInput, match="Truth is one of"):
        report.measure(p, FRAME, "wishes", FER7)


def test_one_kind_of_truth_is_enough():
    card = library.find(library.DEFAULT).card
    frame = FRAME.assign(label="bored")
    (record,) = report.records(answers(card.labels, *["sad"] * 6), frame, card)
    assert record["kind"] == "votes"
    with pytest.raises(BadInput, match="must share classes"):
        report.records(answers(card.labels, *["sad"] * 6), frame[["image", "label"]], card)
