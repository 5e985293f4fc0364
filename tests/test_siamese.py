"""The network of similarity, its pairs and its loss."""

import numpy as np
import pandas as pd
import pytest

from fer_core.errors import BadInput
from fer_core.evaluation import verification
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split

keras = pytest.importorskip("keras")

from fer_core.training import pairs  # noqa: E402 - imports Keras
from fer_core.training.batches import Data  # noqa: E402 - imports Keras
from fer_core.zoo.networks import siamese  # noqa: E402 - imports Keras

NONE = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)


def data(classes: list[int], side: int = 12, kinds: int = 4) -> Data:
    """Each picture holds its own position as a grey level."""
    images = np.arange(len(classes), dtype=np.uint8)[:, None, None, None].repeat(side, 1).repeat(side, 2)
    targets = np.eye(kinds, dtype=np.float32)[classes]
    return Data(images, np.arange(len(classes)), Split(pd.DataFrame({"n": classes}), targets, None))


def config(**changes) -> TrainingConfig:
    return TrainingConfig(
        **{
            "spec": "mini_xception",
            "dataset": "d",
            "batch_size": 8,
            "pairs": 96,
            "augmentation": NONE,
            **changes,
        }
    )


def epoch(batches: pairs.PairBatches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which pictures were first and second, and what was said of them."""
    parts = [batches[index] for index in range(len(batches))]
    first, second = (np.concatenate([part[0][side][:, 0, 0, 0] for part in parts]) for side in (0, 1))
    return first.astype(int), second.astype(int), np.concatenate([part[1] for part in parts])


def test_the_network_is_the_seeds():
    network = siamese.build((256, 256, 1), 128)
    # 3*3*1*32+32, 3*3*32*32+32, 62*62*32*128+128.
    assert network.count_params() == 320 + 9_248 + 15_745_152
    assert network.get_layer("feature_map").output.shape == (None, 125, 125, 32)
    kinds = [type(layer).__name__ for layer in network.layers[2:]]
    assert kinds == ["Conv2D", "ReLU", "MaxPooling2D"] * 2 + ["Flatten", "Dense"]
    faces = np.random.default_rng(0).uniform(0, 255, (2, 256, 256, 1))
    answer = network.predict_on_batch(faces)
    assert answer.shape == (2, 128) and answer.min() >= 0 and answer.max() <= 1


def test_half_of_the_pairs_are_genuine_and_every_class_is_used_evenly():
    classes = [0] * 40 + [1] * 5 + [2] * 3
    batches = pairs.PairBatches(data(classes), config())
    first, second, same = epoch(batches)
    named = np.array(classes)
    assert len(same) == 96 and same.sum() == 48
    assert ((named[first] == named[second]) == (same == 1)).all()
    assert (first != second).all()
    assert np.bincount(named[first][same == 1]).tolist() == [16, 16, 16]
    assert np.bincount(named[first][same == 0]).tolist() == [16, 16, 16]
    assert np.bincount(named[second][same == 0], minlength=3).min() > 8


def test_every_picture_and_every_partner_has_its_turn():
    classes = [0, 0, 0, 1, 1]
    first, second, same = epoch(pairs.PairBatches(data(classes), config(pairs=800)))
    drawn = {*zip(first[same == 1].tolist(), second[same == 1].tolist(), strict=True)}
    assert drawn == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 4), (4, 3)}
    assert len({*zip(first[same == 0].tolist(), second[same == 0].tolist(), strict=True)}) == 12


def test_a_class_of_one_picture_is_paired_with_itself():
    first, second, same = epoch(pairs.PairBatches(data([0, 0, 0, 3]), config()))
    alone = (first == 3) & (same == 1)
    assert alone.sum() == 24 and (second[alone] == 3).all()
    others = (same == 1) & ~alone
    assert (first[others] != second[others]).all()


def test_sides_are_changed_by_chance_each_on_its_own():
    shown = data([0, 1])
    shown.images[:] = np.random.default_rng(0).integers(0, 256, shown.images.shape)
    batches = pairs.PairBatches(shown, config(augmentation=Augmentation(flip=False, noise=0.1)))
    (first, second), same = batches[0]
    assert first.dtype == second.dtype == same.dtype == np.float32 and same.shape == (8,)
    assert first.shape == second.shape == (8, 12, 12, 1)
    genuine = same == 1  # each class has one picture: the same picture on both sides
    assert not np.allclose(first[genuine], second[genuine], atol=1)


def test_pairs_depend_on_seed_epoch_and_batch_alone():
    def drawn(seed, number):
        batches = pairs.PairBatches(data([0, 1, 2, 3] * 5), config(seed=seed))
        batches.begin(number)
        return epoch(batches)

    for one, other in zip(drawn(0, 1), drawn(0, 1), strict=True):
        assert np.array_equal(one, other)
    starts = {tuple(drawn(seed, number)[0][:8]) for seed, number in ((0, 0), (0, 1), (1, 0))}
    assert len(starts) == 3


def test_rows_are_followed_into_the_array():
    shown = data([0, 1, 0, 1])
    moved = Data(shown.images, np.array([3, 2, 1, 0]), shown.split)
    first, second, same = epoch(pairs.PairBatches(moved, config()))
    assert ((first % 2 == second % 2) == (same == 1)).all()


def test_one_class_makes_no_pairs():
    with pytest.raises(BadInput, match="two classes"):
        pairs.PairBatches(data([2, 2, 2]), config())


def test_the_distance_and_the_loss_are_those_that_are_measured():
    network = siamese.build((20, 20, 1), 6)
    random = np.random.default_rng(0)
    first, second = random.uniform(0, 255, (2, 10, 20, 20, 1)).astype(np.float32)
    distance = pairs.training_model(network).predict_on_batch((first, second))
    assert distance.shape == (10, 1)
    expected = verification.distances(network.predict_on_batch(first), network.predict_on_batch(second))
    assert np.allclose(distance[:, 0], expected, atol=1e-5)
    same = np.arange(10) % 2 == 0
    loss = np.asarray(pairs.contrastive()(same, distance)).mean()
    assert loss == pytest.approx(verification.contrastive(distance[:, 0], same), abs=1e-6)
    by_hand = np.asarray(pairs.contrastive(1.0)(np.array([1.0, 0.0, 0.0]), np.array([[0.3], [0.3], [1.2]])))
    assert np.allclose(by_hand, [0.09, 0.49, 0])


def test_equal_images_leave_the_weights_numbers():
    network = siamese.build((16, 16, 1), 4)
    model = pairs.training_model(network)
    model.compile(keras.optimizers.SGD(0.1), pairs.contrastive())
    images = np.full((4, 16, 16, 1), 90, np.float32)
    model.train_on_batch((images, images), np.array([1, 1, 0, 0], np.float32))
    assert all(np.isfinite(weight).all() for weight in network.get_weights())


def test_it_learns_to_tell_classes_apart():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    classes = np.arange(60) % 3
    # Which third is brighter is the class; how bright all is says nothing, yet makes most of the difference.
    images = random.integers(0, 60, (60, 24, 24, 1)) + random.integers(0, 120, (60, 1, 1, 1))
    for image, name in zip(images, classes, strict=True):
        image[name * 8 : name * 8 + 8] += 40
    images = images.astype(np.uint8)
    frame, targets = pd.DataFrame({"n": classes}), np.eye(3, dtype=np.float32)[classes]
    train = Data(images, np.arange(36), Split(frame[:36], targets[:36], None))
    network = siamese.build((24, 24, 1), 16)

    def measure() -> dict:
        answers = network.predict_on_batch(images[36:].astype(np.float32))
        return verification.verification(answers, classes[36:])

    before = measure()
    model = pairs.training_model(network)
    model.compile(keras.optimizers.AdamW(3e-3), pairs.contrastive())
    model.fit(pairs.PairBatches(train, config(pairs=128, batch_size=16)), epochs=6, verbose=0, shuffle=False)
    after = measure()
    assert before["auc"] < 0.8 and after["auc"] > 0.9 and after["loss"] < before["loss"]
