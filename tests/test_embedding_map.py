"""The map of a dataset: alike beside alike, the same each time."""

import numpy as np
import pytest

from fer_core import workspace
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.inference import embedding_map
from fer_core.inference.predictor import Predictor
from tests import learnable

MODEL = workspace.SHIPPED_MODELS / "mini_xception_ferplus"


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    learnable.fill(store, count=120, copies=2)
    return store


@pytest.fixture
def frame(store):
    return versions.manifest(store, "halves")


def neighbours_agree(points: np.ndarray, labels: np.ndarray) -> float:
    """How often a point's nearest neighbour has its label."""
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    return float((labels[distance.argmin(axis=1)] == labels).mean())


def test_pictures_that_look_alike_lie_together(store, frame):
    points = embedding_map.project(store, frame, None)
    assert points.shape == (120, 2) and points.dtype == np.float32 and np.isfinite(points).all()
    assert neighbours_agree(points, frame["label"].to_numpy()) > 0.95


def test_a_model_has_its_own_map_and_both_are_kept(store, frame, monkeypatch):
    model = Predictor.load(MODEL)
    seen = []
    points = embedding_map.project(store, frame, model, progress=lambda *step: seen.append(step))
    assert {text for *_, text in seen} >= {"120 of 120 pictures seen", "laying out the map"}
    assert not np.allclose(points, embedding_map.project(store, frame, None))
    monkeypatch.setattr(embedding_map, "_laid_out", lambda *a: pytest.fail("it was in the cache"))
    assert np.array_equal(points, embedding_map.project(store, frame, model))


def test_the_same_pictures_lie_the_same_each_time(store, frame, tmp_path, monkeypatch):
    first = embedding_map.project(store, frame, None)
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path / "elsewhere"))
    assert np.array_equal(first, embedding_map.project(store, frame, None))


def test_pictures_beyond_the_limit_lie_on_the_most_similar_one(store, frame):
    points = embedding_map.project(store, frame, None, limit=60)
    assert len(np.unique(points, axis=0)) <= 60
    assert neighbours_agree(points, frame["label"].to_numpy()) > 0.9


def test_few_pictures_have_a_map_too_and_none_have_none(store, frame):
    for count in (1, 2, 11, 13):
        assert embedding_map.project(store, frame[:count], None).shape == (count, 2)
    with pytest.raises(BadInput, match="needs pictures"):
        embedding_map.project(store, frame[:0], None)


def test_a_damaged_cache_is_drawn_anew(store, frame):
    first = embedding_map.project(store, frame[:40], None)
    (kept,) = (workspace.root() / "cache").glob("*.map.npy")
    kept.write_bytes(kept.read_bytes()[:50])
    assert np.array_equal(first, embedding_map.project(store, frame[:40], None))


def test_a_stop_goes_through(store, frame):
    def stop(done, total, text):
        if text == "laying out the map":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedding_map.project(store, frame, None, progress=stop)
