"""Runs of networks that answer something else than expressions, from the dataset to the served model."""

import numpy as np
import pytest

from fer_core.dataset.importers import import_any
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.imaging.decode import encode_png
from fer_core.inference.predictor import Predictor
from fer_core.training import runs
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.zoo import library

pytest.importorskip("keras")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Pictures whose brightness above is valence and below arousal; happy is bright above."""
    folder = tmp_path_factory.mktemp("tasks")
    lines = ["path,label,split,subject,valence,arousal"]
    random = np.random.default_rng(0)
    for number in range(96):
        above, below = random.uniform(-1, 1, 2)
        picture = np.empty((40, 40), np.uint8)
        picture[:20], picture[20:] = 127 + 120 * above, 127 + 120 * below
        picture += random.integers(0, 8, picture.shape, np.uint8)
        (folder / f"{number}.png").write_bytes(encode_png(picture))
        split = "validation" if number % 3 == 0 else "train"
        label = "happy" if above > 0 else "sad"
        lines.append(f"{number}.png,{label},{split},s{number % 8},{above:.4f},{below:.4f}")
    (folder / "faces.csv").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(folder / "workspace"))
        import_any(Store.open(), folder, name="halves")
    return folder / "workspace"


@pytest.fixture(autouse=True)
def _workspace(space, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(space))


def trained(**settings) -> tuple[runs.Run, Predictor]:
    """A run in this process: another one would only import TensorFlow again."""
    from fer_core.training import worker

    quiet = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)
    common = {
        "dataset": "halves",
        "augmentation": quiet,
        "input_size": 32,
        "batch_size": 8,
        "leak_free": False,
    }
    run = runs.start(TrainingConfig(**{**common, **settings}))
    result = worker.work(run)
    assert result["state"] == "finished" and result["value"] == max(
        e[f"val_{result['figure']}"] for e in run.epochs()
    )
    return run, Predictor.load(library.find(result["model"]).folder)


@pytest.mark.parametrize("loss", ["ccc", "mse"])
def test_valence_and_arousal_are_learned_and_served(loss):
    run, predictor = trained(spec="affect_cnn_va", epochs=6, learning_rate=2e-3, affect_loss=loss, name=loss)
    (record,) = predictor.card.evaluations
    assert record["kind"] == "affect" and record["n"] == 32
    assert record["ccc"] > 0.5 and -1 <= record["valence"]["ccc_low"] <= record["valence"]["ccc"]
    assert run.epochs()[-1].keys() >= {"val_ccc", "val_pearson", "val_rmse", "val_loss", "loss"}
    bright_above = np.full((1, 32, 32, 3), 30, np.uint8)
    bright_above[:, :16] = 230
    ((valence, arousal),) = predictor.affect(bright_above)
    assert valence > 0.2 > arousal
    with pytest.raises(BadInput, match="Which expression"):
        predictor.predict(bright_above)


def test_same_or_not_is_learned_and_served():
    run, predictor = trained(spec="siamese", name="same", epochs=4, pairs=160, learning_rate=2e-3)
    (record,) = predictor.card.evaluations
    assert record["kind"] == "similarity" and record["auc"] > 0.7 and record["across_subjects"]
    assert [few["shot"] for few in record["few_shot"]] == [1, 5]
    assert run.epochs()[-1].keys() >= {"val_auc", "val_accuracy", "val_loss"}
    assert predictor.embed(np.zeros((2, 32, 32, 1), np.uint8)).shape == (2, 128)


def test_a_dataset_without_valence_and_arousal_is_refused(space):
    from tests import learnable

    learnable.fill(Store.open(), count=40, copies=0, name="without")
    with pytest.raises(BadInput, match="valence and arousal"):
        runs.start(TrainingConfig(spec="affect_cnn_va", dataset="without"))
