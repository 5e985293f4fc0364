"""Triplets of the hardest in a batch, and the network that learns from them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import verification
from fer_core.inference.predictor import Predictor
from fer_core.training import runs
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import library, specs
from tests import learnable

keras = pytest.importorskip("keras")

from fer_core.training import triplets  # noqa: E402 - imports Keras
from fer_core.training.batches import Data  # noqa: E402 - imports Keras
from fer_core.zoo.networks import face_embedding, siamese  # noqa: E402 - imports Keras

NONE = Augmentation(flip=False, rotation=0, shift=0, zoom=0, stretch=0, contrast=0, brightness=0)


def data(classes: list[int], kinds: int = 8) -> Data:
    """Each picture holds its own position as a grey level."""
    images = np.arange(len(classes), dtype=np.uint8)[:, None, None, None].repeat(6, 1).repeat(6, 2)
    targets = np.eye(kinds, dtype=np.float32)[classes]
    return Data(images, np.arange(len(classes)), Split(pd.DataFrame({"n": classes}), targets, None))


def config(**changes) -> TrainingConfig:
    common = {"spec": "siamese_triplet", "dataset": "d", "pairs": 96, "augmentation": NONE}
    return TrainingConfig(**{**common, "batch_size": 16, **changes})


def reference(classes: np.ndarray, embeddings: np.ndarray) -> float:
    """The batch-hard soft margin as its authors say it in words, with loops."""
    losses = []
    for anchor in range(len(classes)):
        apart = verification.distances(embeddings[anchor][None].repeat(len(classes), 0), embeddings)
        alike = [d for n, d in enumerate(apart) if classes[n] == classes[anchor] and n != anchor]
        others = [d for n, d in enumerate(apart) if classes[n] != classes[anchor]]
        if alike and others:
            losses.append(np.log1p(np.exp((max(alike) - min(others)) / triplets.SOFTNESS)))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize(
    "classes", [[0, 0, 1, 1, 2, 2], [3, 3, 3, 3, 3, 1], [0, 1, 2, 3, 4, 4], [5] * 6, [0, 1, 2, 3, 4, 5]]
)
def test_the_loss_is_the_references(classes):
    embeddings = np.random.default_rng(1).normal(0, 0.4, (6, 9)).astype(np.float32)
    given = np.array(classes, np.float32)
    loss = triplets.batch_hard(given, embeddings)
    assert float(loss) == pytest.approx(reference(given, embeddings), abs=1e-5)
    assert float(triplets.batch_hard(given[:, None], embeddings)) == float(loss)


def test_the_loss_falls_when_a_class_comes_together():
    near, far = np.zeros((2, 4), np.float32), np.ones((2, 4), np.float32)
    classes = np.array([0, 0, 1, 1], np.float32)
    apart = float(triplets.batch_hard(classes, np.concatenate([near, far])))
    mixed = float(triplets.batch_hard(classes, np.stack([near[0], far[0], near[1], far[1]])))
    assert apart == pytest.approx(np.log1p(np.exp(-1 / triplets.SOFTNESS)), abs=1e-4)
    assert mixed == pytest.approx(np.log1p(np.exp(1 / triplets.SOFTNESS)), abs=1e-3)


def test_equal_faces_leave_the_weights_numbers():
    network = face_embedding.build((32, 32, 1), 8)
    network.compile(keras.optimizers.SGD(0.1), triplets.batch_hard)
    network.train_on_batch(np.full((4, 32, 32, 1), 90, np.float32), np.array([0, 0, 1, 1], np.float32))
    assert all(np.isfinite(weight).all() for weight in network.get_weights())


def test_embeddings_lie_on_a_sphere_whose_diameter_is_one():
    network = face_embedding.build((32, 32, 1), 8)
    faces = np.random.default_rng(0).uniform(0, 255, (5, 32, 32, 1)).astype(np.float32)
    answers = network.predict_on_batch(faces)
    assert np.allclose(verification.distances(answers, -answers), 1, atol=1e-5)


def test_each_class_has_as_many_places_however_rare():
    classes = [0] * 60 + [1] * 9 + [2] * 5 + [6] * 2
    batches = triplets.TripletBatches(data(classes), config())
    assert len(batches) == 6
    for index in range(len(batches)):
        images, named = batches[index]
        shown = images[:, 0, 0, 0].astype(int)
        assert images.dtype == named.dtype == np.float32
        assert (np.array(classes)[shown] == named).all()
        assert {int(name): (named == name).sum() for name in set(named)} == {0: 4, 1: 4, 2: 4, 6: 4}
        assert all(len(set(shown[named == name])) == 4 for name in (0, 1, 2)), "nobody twice where four are"
        assert set(shown[named == 6]) == {74, 75}


def test_a_small_batch_takes_the_classes_by_turns():
    batches = triplets.TripletBatches(data([*range(7)] * 5), config(batch_size=8, pairs=56))
    taken = [set(batches[index][1]) for index in range(7)]
    assert [len(names) for names in taken] == [2] * 7
    assert all(sum(name in names for names in taken) == 2 for name in range(7))


def test_batches_depend_on_seed_epoch_and_number_alone():
    def drawn(seed, epoch, index):
        batches = triplets.TripletBatches(data([0, 1, 2] * 20), config(seed=seed))
        batches.begin(epoch)
        return batches[index][0][:, 0, 0, 0].tolist()

    assert drawn(0, 1, 2) == drawn(0, 1, 2)
    assert len({tuple(drawn(*at)) for at in product((0, 1), repeat=3)}) == 8


@pytest.mark.parametrize(("classes", "size"), [([1] * 9, 16), ([0, 1, 2] * 3, 3)])
def test_what_makes_no_triplets_is_refused(classes, size):
    with pytest.raises(BadInput, match="two classes, and batches of at least 4"):
        triplets.TripletBatches(data(classes), config(batch_size=size))


def test_an_unknown_loss_is_refused():
    with pytest.raises(BadInput, match="contrastive or triplet"):
        config(similarity_loss="quadruplet")


def test_it_can_start_from_the_features_of_a_classifier(monkeypatch, tmp_path):
    from fer_core.training import worker

    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    network = face_embedding.build((48, 48, 1), 128)
    answer = network.layers[-4].get_weights()
    worker._start_from(network, "mini_xception_raw")
    source = keras.saving.load_model(library.find("mini_xception_raw").folder / "model.keras", compile=False)
    faces = np.random.default_rng(0).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    maps = [keras.Model(net.inputs, net.get_layer("feature_map").output) for net in (source, network)]
    assert np.allclose(*(each.predict_on_batch(faces) for each in maps), atol=1e-5)
    assert np.array_equal(network.layers[-4].get_weights(), answer), "what answers begins anew"
    with pytest.raises(BadInput, match="same features"):
        worker._start_from(siamese.build((32, 32, 1), 8), "mini_xception_raw")


def test_a_run_learns_to_tell_classes_apart_and_serves_it(tmp_path, monkeypatch):
    from fer_core.training import worker

    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    learnable.fill(Store.open(), count=120, copies=0)
    settings = dict(specs.get("siamese_triplet").training) | {"spec": "siamese_triplet", "dataset": "halves"}
    small = {"epochs": 2, "pairs": 128, "batch_size": 16, "leak_free": False, "name": "apart"}
    settings |= small | {"augmentation": NONE}
    run = runs.start(TrainingConfig.from_dict(settings))
    # In this process: another one would only import TensorFlow again.
    assert worker.work(run)["state"] == "finished"
    predictor = Predictor.load(library.find("apart").folder)
    (record,) = predictor.card.evaluations
    # Chance is 0.5; 400 pairs by chance would stay under 0.6.
    assert record["kind"] == "similarity" and record["auc"] > 0.8
    assert all(few["accuracy"] > 0.75 for few in record["few_shot"])
    assert run.epochs()[-1].keys() >= {"loss", "val_auc", "val_accuracy"}
    assert predictor.embed(np.zeros((2, 48, 48, 1), np.uint8)).shape == (2, 128)
