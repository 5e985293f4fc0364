"""The training loop itself, in this process."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fer_core import labels
from fer_core.errors import BadInput, NotFound
from fer_core.imaging import landmarks
from fer_core.inference.predictor import Predictor
from fer_core.training import augmentation, distillation, objectives, schedule, trainer
from fer_core.training.batches import Batches, Data
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import library, specs
from fer_core.zoo.specs import EXPRESSION

keras = pytest.importorskip("keras")


def data(count: int, seed: int = 0) -> Data:
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    images = random.integers(0, 100, (count, 16, 16, 1), np.uint8)
    images[classes == 1, :8] += 120
    targets = np.eye(2, dtype=np.float32)[classes]
    return Data(images, np.arange(count), Split(pd.DataFrame({"n": range(count)}), targets, None))


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


def fit(folder, settings, stop=lambda: False, events=None, **made_with):
    events = [] if events is None else events
    made = network(**made_with)
    folder.mkdir(exist_ok=True)
    train, validation = data(64), data(32, 1)
    ended = trainer.fit(made, train, validation, settings, EXPRESSION, folder, events.append, stop)
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


def test_a_running_mean_of_the_weights_is_what_comes_out_and_a_resumed_run_has_the_same(tmp_path):
    settings = config(epochs=4, learning_rate=0.05, weight_average=0.9)
    plain, _, _ = fit(tmp_path / "plain", config(epochs=4, learning_rate=0.05))
    straight, curve, _ = fit(tmp_path / "straight", settings)
    assert any(
        not np.allclose(a, b) for a, b in zip(plain.get_weights(), straight.get_weights(), strict=True)
    )
    batches = iter(range(1000))
    fit(tmp_path / "broken", settings, lambda: next(batches) >= 40)
    resumed, rest, _ = fit(tmp_path / "broken", settings)
    assert 0 < len(rest) < 4
    assert rest[-1]["val_loss"] == pytest.approx(curve[-1]["val_loss"], abs=1e-6)
    for a, b in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_pupil_learns_what_only_its_teacher_knows(tmp_path, monkeypatch):
    teacher, _, _ = fit(tmp_path / "teacher", config(epochs=12, learning_rate=0.05))
    shown: list[np.ndarray] = []

    def one_way(images):
        shown.append(images)
        return np.asarray(teacher(images.astype(np.float32), training=False))

    card = SimpleNamespace(labels=labels.get("fer7"), input=specs.MINI_XCEPTION.input)
    entry = SimpleNamespace(card=card, folder=tmp_path)
    monkeypatch.setattr(distillation.library, "find", lambda model: entry)
    monkeypatch.setattr(distillation.Predictor, "load", lambda folder: SimpleNamespace(one_way=one_way))
    images, held_out, pupil = data(64), data(32, 1), network()
    images.split.targets[:] = 0.5
    settings = config(epochs=12, learning_rate=0.05, teacher="t", teacher_share=1.0)
    (tmp_path / "run").mkdir()
    told: list[dict] = []
    trainer.fit(pupil, images, held_out, settings, EXPRESSION, tmp_path / "run", told.append, lambda: False)
    answers = pupil.predict_on_batch(held_out.images.astype(np.float32))
    assert (answers.argmax(axis=1) == held_out.split.targets.argmax(axis=1)).mean() > 0.9
    losses = [event["loss"] for event in told if event["kind"] == "epoch"]
    assert losses[-1] < 0.9 * losses[0]
    assert shown[0].dtype == np.uint8 and shown[0].shape == (8, 16, 16, 1)


def test_a_teachers_answers_are_learned_by_its_share(tmp_path):
    settings = config(
        teacher="mini_xception_raw",
        teacher_share=0.25,
        label_set="fer7",
        augmentation=Augmentation(mixup=0.4),
    )
    random = np.random.default_rng(0)
    targets = np.eye(7, dtype=np.float32)[random.integers(0, 7, 16)]
    images = random.integers(0, 256, (16, 48, 48, 1), np.uint8)
    seen = Data(images, np.arange(16), Split(pd.DataFrame({"n": range(16)}), targets, None))
    shown, blended = Batches(seen, settings, distillation.Teacher(settings))[0]
    alone, plain = Batches(seen, settings)[0]
    np.testing.assert_array_equal(shown, alone)
    told = Predictor.load(library.find("mini_xception_raw").folder).one_way(np.rint(shown).astype(np.uint8))
    np.testing.assert_allclose(blended, 0.75 * plain + 0.25 * told, atol=1e-6)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-5)


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    with pytest.raises(BadInput, match="A teacher is a trained network"):
        fit(tmp_path / "run", config(teacher="mini_xception_ferplus", label_set="fer7"))
    with pytest.raises(NotFound, match="nobody"):
        fit(tmp_path / "run", config(teacher="nobody"))


def test_the_best_epoch_by_validation_is_what_remains(tmp_path):
    made, curve, _ = fit(tmp_path / "run", config(epochs=4, learning_rate=0.05))
    held_out = data(32, 1)
    answers = made.predict_on_batch(held_out.images.astype(np.float32))
    accuracy = (answers.argmax(axis=1) == held_out.split.targets.argmax(axis=1)).mean()
    assert accuracy == pytest.approx(max(e["val_accuracy"] for e in curve))


def test_a_run_that_diverges_says_so(tmp_path):
    _, curve, outcome = fit(tmp_path / "run", config(learning_rate=1e9, warmup_epochs=0))
    assert outcome == "diverged" and curve == []


def test_a_run_that_diverges_later_keeps_its_best_epoch(tmp_path):
    settings = config(epochs=2, learning_rate=0.05, warmup_epochs=0, schedule="constant")
    made, curve, _ = fit(tmp_path / "run", settings)
    wild = dataclasses.replace(settings, epochs=4, continued_at=(2,), learning_rate=1e9)
    kept, after, outcome = fit(tmp_path / "run", wild)
    assert outcome == "diverged" and after == []
    for one, other in zip(made.get_weights(), kept.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_batches_depend_on_seed_and_epoch_alone():
    def order(seed, epoch):
        batches = Batches(data(64), config(seed=seed))
        batches.begin(epoch)
        return batches.order.tolist()

    assert order(0, 0) == order(0, 0)
    assert sorted(order(0, 0)) == sorted(order(0, 1)) == list(range(64))
    assert len({tuple(order(*where)) for where in ((0, 0), (0, 1), (1, 0))}) == 3


def test_the_learning_rate_rises_then_falls_to_nothing():
    settings = config(learning_rate=0.1, epochs=11, warmup_epochs=1.0)
    rates = [schedule.rate(settings, moment) for moment in (0.1, 0.5, 1.0, 6.0, 11.0)]
    assert rates == pytest.approx([0.01, 0.05, 0.1, 0.05, 0.0])


def test_step_plateau_and_constant_schedules():
    settings = {"learning_rate": 1.0, "warmup_epochs": 0, "every": 3, "factor": 0.5, "epochs": 9}
    step = [schedule.rate(config(schedule="step", **settings), e) for e in (0, 2.9, 3, 6)]
    assert step == [1.0, 1.0, 0.5, 0.25]
    plateau = [schedule.rate(config(schedule="plateau", **settings), 8, drops) for drops in (0, 2)]
    assert plateau == [1.0, 0.25]
    assert schedule.rate(config(schedule="constant", **settings), 8.9) == 1.0


def test_frozen_and_continued_epochs_have_schedules_of_their_own():
    two = config(
        start_from="m", frozen_epochs=4, epochs=10, learning_rate=1.0, fine_tune_rate=0.1, warmup_epochs=0
    )
    assert schedule.rate(two, 2) == pytest.approx(0.5) and schedule.rate(two, 4) == pytest.approx(0.1)
    assert schedule.rate(two, 7) == pytest.approx(0.05)
    longer = config(epochs=40, continued_at=(20,), learning_rate=1.0, warmup_epochs=0)
    assert schedule.rate(longer, 19.9) < 1e-3 and schedule.rate(longer, 20) == pytest.approx(0.5)


def test_a_plateau_lowers_the_rate_and_patience_ends_the_run(tmp_path):
    settings = config(epochs=30, learning_rate=1e-12, schedule="plateau", every=2, early_stopping=5)
    _, curve, ended = fit(tmp_path / "run", settings)
    assert ended == "early" and len(curve) == 6 and [e["best"] for e in curve] == [True] + [False] * 5
    rates = [e["learning_rate"] for e in curve]
    assert rates[1] == pytest.approx(1e-12) and rates[3] == pytest.approx(0.3e-12)
    assert rates[5] == pytest.approx(0.09e-12)


def test_frozen_epochs_leave_the_features_and_fine_tuning_spares_batch_normalisation(tmp_path):
    settings = config(start_from="m", frozen_epochs=2, epochs=2, learning_rate=0.1)
    before = network()
    after, _, _ = fit(tmp_path / "frozen", settings)
    assert_same(before.layers[:-1], after.layers[:-1], True)
    assert_same(before.layers[-1:], after.layers[-1:], False)
    events: list[dict] = []
    settings = config(
        start_from="m", frozen_epochs=1, epochs=3, unfrozen_layers=1, fine_tune_rate=0.01, learning_rate=0.01
    )
    after, curve, _ = fit(tmp_path / "tuned", settings, events=events)
    phases = [(e["epoch"], e["phase"], e["trainable"]) for e in events if e["kind"] == "phase"]
    assert phases == [(0, "frozen", 10), (1, "fine-tuning", 10 + 40)] and len(curve) == 3
    with np.load(tmp_path / "tuned" / trainer.CHECKPOINT) as saved:
        changed = [not np.array_equal(saved[f"v{i}"], w) for i, w in enumerate(before.get_weights())]
    # kernel and bias of the convolution, four of batch normalisation, kernel and bias of the classes
    assert changed == [True] * 2 + [False] * 4 + [True] * 2


def assert_same(ones, others, same: bool):
    for one, other in zip(ones, others, strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(a, b) is same, one.name


def test_a_run_resumes_at_the_start_of_fine_tuning(tmp_path):
    settings = config(
        start_from="m", frozen_epochs=1, epochs=3, fine_tune_rate=0.01, learning_rate=0.01, warmup_epochs=0
    )
    straight, curve, _ = fit(tmp_path / "straight", settings)
    batches = iter(range(1000))
    fit(tmp_path / "broken", settings, lambda: next(batches) >= 14)
    resumed, rest, _ = fit(tmp_path / "broken", settings)
    assert [e["epoch"] for e in rest] == [1, 2]
    assert rest[-1]["loss"] == pytest.approx(curve[-1]["loss"], abs=1e-6)


def test_a_full_disk_costs_a_checkpoint_not_the_run(tmp_path, monkeypatch):
    def full(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    events: list[dict] = []
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        patch.setattr(trainer, "_save_weights", lambda network, path: full(path, b""))
        made, curve, ended = fit(tmp_path / "run", config(epochs=3, learning_rate=0.05), events=events)
    assert ended == "finished" and len(curve) == 3
    warnings = [e["text"] for e in events if e["kind"] == "warning"]
    assert len(warnings) == 3 and "No space left" in warnings[0]
    held_out = data(32, 1)
    answers = made.predict_on_batch(held_out.images.astype(np.float32))
    accuracy = (answers.argmax(axis=1) == held_out.split.targets.argmax(axis=1)).mean()
    assert accuracy == pytest.approx(max(e["val_accuracy"] for e in curve))
    assert not (tmp_path / "run" / trainer.CHECKPOINT).exists() and not list(tmp_path.rglob("*.part"))


def test_rare_classes_count_alike_when_balanced():
    few = data(64)
    few.split.targets[:] = np.eye(2)[(np.arange(64) >= 48).astype(int)]
    batches = Batches(few, config(class_weights="balanced", batch_size=64))
    _, targets, weights = batches[0]
    assert weights[targets[:, 0] == 1].sum() == pytest.approx(weights[targets[:, 1] == 1].sum())
    assert weights.mean() == pytest.approx(1)


def test_macro_f1_is_scikit_learns():
    from sklearn.metrics import f1_score

    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 4, 50), random.integers(0, 3, 50)
    metric = objectives.MacroF1(4)
    metric.update_state(np.eye(4)[truth[:20]], np.eye(4)[guess[:20]])
    metric.update_state(np.eye(4)[truth[20:]], np.eye(4)[guess[20:]])
    assert float(metric.result()) == pytest.approx(f1_score(truth, guess, average="macro"), abs=1e-6)


NONE = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)


def changed(images, points=None, seed=0, **settings):
    made = dataclasses.replace(NONE, **settings)
    return augmentation.augment(images, made, np.random.default_rng(seed), points)


def test_augmentation_with_all_off_changes_nothing_and_each_alone_something():
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 1), np.uint8)
    assert np.array_equal(changed(images)[0], images)
    ways = {"flip": True, "rotation": 20, "shift": 0.2, "shear": 20, "zoom": 0.3, "stretch": 0.3}
    ways |= {"contrast": 0.5, "brightness": 0.3, "blur": 2, "noise": 0.1, "cutout": 0.5}
    for name, value in ways.items():
        made, _ = changed(images, **{name: value})
        assert made.shape == images.shape and made.dtype == np.float32
        assert made.min() >= 0 and made.max() <= 255 and not np.array_equal(made, images), name
    assert ways.keys() == {f.name for f in dataclasses.fields(Augmentation)} - {"mixup"}


def test_a_flip_alone_gives_the_picture_or_its_mirror_image():
    images = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 1), np.uint8)
    made, _ = changed(images, flip=True)
    same = (made == images).all(axis=(1, 2, 3))
    mirrored = (made == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all() and 5 < same.sum() < 35


def test_a_shift_stays_within_its_limit():
    images = np.zeros((200, 40, 40, 1), np.uint8)
    images[:, 20, 20] = 255
    rows, columns = np.nonzero(changed(images, shift=0.1)[0].max(axis=(0, 3)) > 1)
    assert rows.min() >= 15 and rows.max() <= 25 and columns.min() >= 15 and columns.max() <= 25
    assert rows.min() <= 17 and rows.max() >= 23


def test_landmarks_move_with_the_pixels():
    images = np.zeros((30, 60, 60, 1), np.uint8)
    points = np.zeros((30, 68, 2), np.float32)
    for image, place in zip(images, points, strict=True):
        image[20:23, 35:38] = 255
        place[:] = (36.5 / 60, 21.5 / 60)
    made, moved = changed(images, points, rotation=25, shift=0.1, zoom=0.2, stretch=0.1, shear=10, flip=True)
    for image, place in zip(made[..., 0], moved, strict=True):
        rows, columns = np.indices(image.shape)
        middle = [(index * image).sum() / image.sum() + 0.5 for index in (columns, rows)]
        assert place[0] * 60 == pytest.approx(middle, abs=0.5)


def test_the_mirror_image_of_landmarks_is_its_own_inverse():
    assert sorted(landmarks.MIRROR) == list(range(68))
    assert np.array_equal(landmarks.MIRROR[landmarks.MIRROR], np.arange(68))
    assert landmarks.MIRROR[36] == 45 and landmarks.MIRROR[48] == 54 and landmarks.MIRROR[27] == 27


def test_mixup_blends_images_and_targets_alike():
    images = np.arange(8, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32)
    targets = np.arange(8, dtype=np.float32)[:, None]
    mixed, (blended,) = augmentation.mix(images, [targets], 0.4, np.random.default_rng(0))
    assert np.allclose(mixed[:, 0, 0, 0], blended[:, 0]) and not np.allclose(blended, targets)
    same, _ = augmentation.mix(images, [targets], 0.0, np.random.default_rng(0))
    assert same is images
