"""The speed of a model: measured once for each machine, through the predictor."""

import dataclasses
import time

import numpy as np
import pytest

from fer_core import workspace
from fer_core.evaluation import speed
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0.02)


@pytest.fixture
def batches(predictor, monkeypatch):
    """How many faces the predictor was asked for, call by call."""
    asked = []
    raw = predictor.raw
    monkeypatch.setattr(predictor, "raw", lambda batch: asked.append(len(batch)) or raw(batch))
    return asked


def test_one_face_and_a_batch_are_measured_once_and_kept(predictor, batches):
    assert speed.known(predictor.card) is None
    found = speed.of(predictor)
    assert set(batches) == {1, speed.BATCH} and min(map(batches.count, set(batches))) > 3
    assert 0 < found.batch < 100 and 0 < found.one < 100
    batches.clear()
    assert speed.of(predictor) == speed.known(predictor.card) == found and batches == []


def test_the_time_is_the_median_and_the_first_call_does_not_count(monkeypatch):
    durations = iter([9.0, 0.001, 5.0, 0.003, 0.002, 0.004])
    now = [0.0]
    monkeypatch.setattr(speed.time, "thread_time", lambda: now[0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def call():
        now[0] += next(durations)

    assert speed._median_ms(call) == pytest.approx(3)


def test_a_predictor_works_in_the_thread_that_calls_it(predictor):
    """Else the thread's own time would not be all of it."""
    faces = np.zeros((speed.BATCH, *predictor.card.input.shape), np.uint8)
    predictor.raw(faces)
    started = time.process_time(), time.thread_time()
    for _ in range(10):
        predictor.raw(faces)
    process, thread = time.process_time() - started[0], time.thread_time() - started[1]
    assert thread > 0.7 * process


def test_other_weights_another_machine_and_damage_are_measured_anew(predictor, monkeypatch):
    speed.of(predictor)
    other = dataclasses.replace(predictor.card, files={"model.tflite": "other"})
    assert speed.known(other) is None
    (kept,) = workspace.folder("cache").glob("*.speed.json")
    whole = kept.read_text()
    for damaged in (
        "",
        "[]",
        '{"schema_version": 1, "one": 2}',
        whole[:-4],
        whole.replace(": 1,", ": 2,", 1),
    ):
        kept.write_text(damaged)
        assert speed.known(predictor.card) is None
    kept.write_text(whole)
    assert speed.known(predictor.card)
    monkeypatch.setattr(speed.platform, "node", lambda: "elsewhere")
    assert speed.known(predictor.card) is None


def test_the_size_is_that_of_the_file_that_predicts(predictor, tmp_path):
    folder = library.find(library.DEFAULT).folder
    assert speed.size_mb(folder) == (folder / "model.tflite").stat().st_size / 1e6 > 0.1
    assert speed.size_mb(tmp_path) == 0
