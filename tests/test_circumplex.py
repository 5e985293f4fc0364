"""Valence and arousal derived from expressions."""

import numpy as np
import pytest

from fer_core import labels
from fer_core.inference import circumplex


def test_a_sure_answer_lies_on_its_coordinates_in_every_label_set():
    for label_set in labels.LABEL_SETS.values():
        rows = np.eye(len(label_set), dtype=np.float32)
        places = circumplex.derived(label_set, rows)
        assert places.shape == (len(label_set), 2) and places.dtype == np.float32
        for name, place in zip(label_set.names, places, strict=True):
            if name in circumplex.COORDINATES:
                assert place == pytest.approx(circumplex.COORDINATES[name])
            else:
                assert name == "contempt" and np.isnan(place).all()


def test_a_doubtful_answer_lies_between():
    half = np.zeros((1, 7), np.float32)
    half[0, [labels.FER7.index("happy"), labels.FER7.index("neutral")]] = 0.5
    assert circumplex.derived(labels.FER7, half)[0] == pytest.approx([0.405, 0.255])


def test_what_has_no_coordinates_is_left_out_of_the_mean():
    row = np.zeros((1, 8), np.float32)
    row[0, labels.FERPLUS8.index("happy")], row[0, labels.FERPLUS8.index("contempt")] = 0.6, 0.4
    assert circumplex.derived(labels.FERPLUS8, row)[0] == pytest.approx(circumplex.COORDINATES["happy"])


def test_the_six_lie_in_the_quadrants_where_psychology_puts_them():
    signs = {name: (np.sign(v), np.sign(a)) for name, (v, a) in circumplex.COORDINATES.items()}
    assert signs["happy"] == signs["surprise"] == (1, 1)
    assert signs["angry"] == signs["fear"] == signs["disgust"] == (-1, 1)
    assert signs["sad"] == (-1, -1) and signs["neutral"] == (0, 0)


def test_a_set_of_other_names_has_no_coordinates():
    assert circumplex.derived(labels.custom(["happy", "not happy"]), np.eye(2)) is None
    assert circumplex.derived(labels.FER7, np.zeros((0, 7))).shape == (0, 2)
