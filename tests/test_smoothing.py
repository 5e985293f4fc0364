"""Answers steadied in seconds."""

import math

import numpy as np
import pytest

from fer_core.errors import BadInput
from fer_core.inference.smoothing import Smoother

SAD, GLAD = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)


@pytest.mark.parametrize("fps", [5, 10, 25, 60])
def test_a_change_takes_the_same_time_at_every_frame_rate(fps):
    smoother = Smoother(0.5)
    smoother.update(1, SAD, 0.0)
    for frame in range(1, fps + 1):
        now = smoother.update(1, GLAD, frame / fps)
    assert now[0] == pytest.approx(math.exp(-1 / 0.5), abs=1e-5)
    assert now.sum() == pytest.approx(1, abs=1e-5) and now.dtype == np.float32


def test_noise_is_evened_out_and_labels_flicker_less():
    noise = np.random.default_rng(1).dirichlet([2, 2.4, 1], 300).astype(np.float32)
    smoother = Smoother(0.5)
    smooth = np.array([smoother.update(1, row, i / 30) for i, row in enumerate(noise)])

    def flicker(rows):
        return (np.diff(rows.argmax(axis=1)) != 0).sum()

    assert flicker(smooth) < flicker(noise) / 5


def test_the_first_answer_and_no_smoothing_are_the_answers_themselves():
    assert np.array_equal(Smoother(2.0).update(1, SAD, 7.0), SAD)
    raw = Smoother(0.0)
    raw.update(1, SAD, 0.0)
    assert np.array_equal(raw.update(1, GLAD, 0.01), GLAD)


def test_faces_do_not_mix_and_who_left_is_forgotten():
    smoother = Smoother(1.0)
    smoother.update(1, SAD, 0.0)
    assert np.array_equal(smoother.update(2, GLAD, 0.1), GLAD)
    smoother.keep([2])
    assert np.array_equal(smoother.update(1, GLAD, 0.2), GLAD)
    assert smoother.update(2, SAD, 0.2)[1] > 0.8


def test_another_model_begins_anew():
    smoother = Smoother(1.0)
    smoother.update(1, SAD, 0.0)
    eight = np.full(8, 1 / 8, np.float32)
    assert np.array_equal(smoother.update(1, eight, 0.1), eight)


def test_a_clock_that_is_set_back_counts_as_no_time_and_then_goes_on():
    smoother = Smoother(0.5)
    smoother.update(1, SAD, 100.0)
    assert np.array_equal(smoother.update(1, GLAD, 50.0), SAD)
    assert smoother.update(1, GLAD, 50.5)[0] == pytest.approx(math.exp(-1), abs=1e-5)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(BadInput, match="seconds="):
        Smoother(seconds)
