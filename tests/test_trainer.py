"""The training loop itself, in this process."""

import numpy as np
import pandas as pd
import pytest

from fer_core.training import augmentation, trainer
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split

keras = pytest.importorskip("keras")


def data(count: int, seed: int = 0) -> trainer.Data:
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    images = random.integers(0, 100, (count, 16, 16, 1), np.uint8)
    images[classes == 1, :8] += 120
    targets = np.eye(2, dtype=np.float32)[classes]
    return trainer.Data(images, np.arange(count), Split(pd.DataFrame({"n": range(count)}), targets, None))


def network():
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(keras.layers.BatchNormalization()(x))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(x))


def config(**changes) -> TrainingConfig:
    return TrainingConfig(
        **{"spec": "mini_xception", "dataset": "d", "batch_size": 8, "epochs": 2, **changes}
    )


def fit(folder, settings, stop=lambda: False):
    events: list[dict] = []
    made = network()
    folder.mkdir(exist_ok=True)
    ended = trainer.fit(made, data(64), data(32, 1), settings, folder, events.append, stop)
    return made, [e for e in events if e["kind"] == "epoch"], ended


def test_a_resumed_run_equals_one_that_was_never_interrupted(tmp_path):
    straight, curve, ended = fit(tmp_path / "straight", config(epochs=3))
    assert ended == "finished" and len(curve) == 3
    batches = iter(range(1000))
    _, first, ended = fit(tmp_path / "broken", config(epochs=3), lambda: next(batches) >= 12)
    assert ended == "stopped" and len(first) == 1
    resumed, rest, ended = fit(tmp_path / "broken", config(epochs=3))
    assert ended == "finished" and [e["epoch"] for e in rest] == [1, 2]
    for one, other in zip(curve, first + rest, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-6)
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-6)
    for one, other in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_the_best_epoch_by_validation_is_what_remains(tmp_path):
    made, curve, _ = fit(tmp_path / "run", config(epochs=4, learning_rate=0.05))
    held_out = data(32, 1)
    answers = made.predict_on_batch(held_out.images.astype(np.float32))
    accuracy = (answers.argmax(axis=1) == held_out.split.targets.argmax(axis=1)).mean()
    assert accuracy == pytest.approx(max(e["val_accuracy"] for e in curve))


def test_a_run_that_diverges_says_so(tmp_path):
    _, curve, outcome = fit(tmp_path / "run", config(learning_rate=1e9, warmup_epochs=0))
    assert outcome == "diverged" and curve == []


def test_batches_depend_on_seed_and_epoch_alone():
    def order(seed, epoch):
        batches = trainer.Batches(data(64), 8, seed)
        batches.begin(epoch)
        return batches.order.tolist()

    assert order(0, 0) == order(0, 0)
    assert sorted(order(0, 0)) == sorted(order(0, 1)) == list(range(64))
    assert len({tuple(order(*where)) for where in ((0, 0), (0, 1), (1, 0))}) == 3


def test_the_learning_rate_rises_then_falls_to_nothing():
    schedule = trainer.WarmupCosine(0.1, warmup=10, total=110)
    rates = [float(schedule(step)) for step in range(111)]
    assert rates[9] == pytest.approx(0.1) and rates[0] == pytest.approx(0.01)
    assert rates[60] == pytest.approx(0.05, abs=1e-3) and rates[110] == pytest.approx(0, abs=1e-6)


def test_augmentation_is_absent_outside_training_and_real_inside():
    images = np.random.default_rng(0).uniform(0, 255, (6, 20, 20, 1)).astype(np.float32)
    for layer in augmentation.layers(Augmentation(), seed=0):
        assert np.array_equal(np.asarray(layer(images, training=False)), images)
        changed = np.asarray(layer(images, training=True))
        assert changed.shape == images.shape and not np.allclose(changed, images)
        assert changed.min() >= 0 and changed.max() <= 255
    off = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)
    assert augmentation.layers(off, seed=0) == []


def test_a_flip_alone_gives_the_picture_or_its_mirror_image():
    only_flip = Augmentation(rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)
    (layer,) = augmentation.layers(only_flip, seed=0)
    images = np.random.default_rng(0).uniform(0, 255, (40, 9, 9, 1)).astype(np.float32)
    changed = np.asarray(layer(images, training=True))
    same = np.isclose(changed, images, atol=0.1).all(axis=(1, 2, 3))
    mirrored = np.isclose(changed, images[:, :, ::-1], atol=0.1).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all() and 5 < same.sum() < 35


def test_a_shift_stays_within_its_limit():
    only_shift = Augmentation(flip=False, rotation=0, shift=0.1, zoom=0, stretch=0, contrast=0, brightness=0)
    (layer,) = augmentation.layers(only_shift, seed=0)
    images = np.zeros((200, 40, 40, 1), np.float32)
    images[:, 20, 20] = 255
    rows, columns = np.nonzero(np.asarray(layer(images, training=True)).max(axis=(0, 3)) > 1)
    assert rows.min() >= 15 and rows.max() <= 25 and columns.min() >= 15 and columns.max() <= 25
    assert rows.min() <= 17 and rows.max() >= 23
