"""How long a run would take: a short trial in a process of its own, and what is made of it."""

import json
import os

import pytest

from fer_core.errors import BadInput
from fer_core.training import estimate
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.estimate import Probe
from fer_core.zoo import process, specs

CONFIG = TrainingConfig("cnn_rgb48", "faces", epochs=3, batch_size=8)
FOUND = Probe(
    start_seconds=5,
    step_seconds=0.5,
    frozen_step_seconds=0.1,
    image_seconds=0.01,
    memory_mb=900,
    parameters=1_000_000,
    device="CPU",
)


class _Enough(Exception):
    pass


def quiet(done, total, text):
    pass


def test_a_trial_measures_the_network_and_is_kept(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    said = []
    found = estimate.probe(CONFIG, 40, 10, lambda done, total, text: said.append(text))
    assert 0 < found.step_seconds < 60 and 0 < found.image_seconds < 10
    assert found.start_seconds > found.step_seconds
    assert found.parameters == specs.CNN_RGB48.parameters
    assert 200 < found.memory_mb < 5000 and "PU" in found.device
    assert "the first step" in said
    assert estimate.known(CONFIG) == found


def test_a_stop_ends_the_trial_and_keeps_nothing():
    def stop(done, total, text):
        raise _Enough

    with pytest.raises(_Enough):
        estimate.probe(CONFIG, 40, 10, stop)
    assert estimate.known(CONFIG) is None


def test_a_trial_that_dies_is_words(monkeypatch):
    monkeypatch.setattr(estimate, "PROBE", "fer_core.nowhere")
    with pytest.raises(BadInput, match="memory runs out.*smaller batch"):
        estimate.probe(CONFIG, 40, 10)


def small(config, classes):
    """The smallest network of a task: the real ones take seconds to be translated."""
    import keras

    images = keras.Input(config.input.shape)
    inputs, features = [images], [keras.layers.GlobalAveragePooling2D()(images)]
    if config.input.landmarks:
        points = keras.Input((68, 2), name="landmarks")
        inputs, features = [images, points], [*features, keras.layers.Flatten()(points)]
    joined = keras.layers.Concatenate()(features) if len(features) > 1 else features[0]
    embedding = answer = keras.layers.Dense(4, name="embedding")(joined)
    task = specs.get(config.spec).task
    if task is not specs.SIMILARITY:
        answer = keras.layers.Dense(task.outputs or classes, "softmax", dtype="float32")(embedding)
    return keras.Model(inputs if config.input.landmarks else images, answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": "landmark_cnn"},
        {"spec": "affect_cnn_va", "input_size": 32},
        {"spec": "siamese", "input_size": 32, "pairs": 64},
        {"spec": "cnn_rgb48", "start_from": "model", "frozen_epochs": 2, "precision": "mixed_bfloat16"},
        {"spec": "cnn_rgb48", "second_head": 0.5, "class_weights": "balanced", "targets": "votes"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_task_can_be_tried(changes, tmp_path, monkeypatch):
    import keras

    from fer_core.training import probe

    monkeypatch.setattr(probe.worker, "build", small)
    config = TrainingConfig(**{"dataset": "faces", "batch_size": 8, "epochs": 4, **changes})
    path = tmp_path / "config.json"
    path.write_text(config.to_json(), "utf-8")
    try:
        result = probe.main([str(path), "30", "10"], quiet)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    found = Probe(**result["probe"])
    assert found.parameters == result["parameters"] > 0
    assert result["seconds"] > found.start_seconds > 0
    json.dumps(result)


def test_what_tensorflow_cannot_do_is_words(tmp_path, monkeypatch):
    from fer_core.training import probe

    path = tmp_path / "config.json"

    def tried(**changes):
        path.write_text(TrainingConfig("mini_xception", "faces", **changes).to_json(), "utf-8")
        return probe.main([str(path), "30", "10"], quiet)

    monkeypatch.setattr(probe.tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(BadInput, match="machine shows none"):
        tried(device="gpu")

    def exhausted(*_):
        raise probe.tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(probe.worker, "build", exhausted)
    with pytest.raises(BadInput, match="batch_size=4096.*smaller batch"):
        tried(batch_size=4096)
    monkeypatch.setattr(probe.worker, "build", lambda *_: 1 / 0)
    with pytest.raises(BadInput, match="division by zero"):
        tried()


def test_a_trial_holds_for_any_number_of_images_and_epochs():
    config = TrainingConfig("mini_xception", "faces", epochs=10, batch_size=50)
    run = estimate.scaled(FOUND, config, 1000, 200)
    assert run.seconds_per_epoch == 20 * 0.5 + 200 * 0.01
    assert run.seconds == 5 + 10 * 12
    assert run.disk_mb == pytest.approx((1200 * 48 * 48 + 36 * 1_000_000) / 1e6)
    assert (run.memory_mb, run.parameters) == (900, 1_000_000)
    assert estimate.scaled(FOUND, config, 3, 200).seconds_per_epoch == 0.5 + 2


def test_frozen_epochs_and_pairs_count_as_they_are():
    config = TrainingConfig(
        "transfer_efficientnet_lite0",
        "faces",
        epochs=10,
        batch_size=50,
        weights="pretrained",
        frozen_epochs=4,
    )
    run = estimate.scaled(FOUND, config, 1000, 200)
    assert run.seconds == pytest.approx(5 + 4 * (20 * 0.1 + 2) + 6 * (20 * 0.5 + 2))
    pairs = TrainingConfig("siamese", "faces", epochs=1, batch_size=10, pairs=100)
    assert estimate.scaled(FOUND, pairs, 100_000, 0).seconds_per_epoch == 10 * 0.5


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"epochs": 99, "seed": 5, "learning_rate": 0.1, "name": "x"}, True),
        ({"augmentation": Augmentation(rotation=3)}, True),
        ({"augmentation": Augmentation(noise=0.1)}, False),
        ({"batch_size": 9}, False),
        ({"input_size": 64}, False),
        ({"precision": "mixed_bfloat16"}, False),
        ({"label_set": "ferplus8"}, False),
        ({"spec": "mini_xception"}, False),
    ],
)
def test_a_trial_is_kept_for_what_changes_its_steps(changes, same):
    other = TrainingConfig(**{"spec": "cnn_rgb48", "dataset": "faces", "batch_size": 8, **changes})
    assert (estimate.key(other) == estimate.key(CONFIG)) is same


def test_a_damaged_note_is_none_and_a_busy_machine_is_noted(monkeypatch):
    monkeypatch.setattr(process, "run", lambda *_, **__: {"probe": FOUND.__dict__})
    monkeypatch.setattr(estimate.os, "getloadavg", lambda: (0.0, 9.0, 9.0))
    assert estimate.probe(CONFIG, 1, 1) == FOUND == estimate.known(CONFIG)
    (note,) = (estimate.workspace.folder("cache")).glob("probe-*.json")
    note.write_text('{"probe": {"step', "utf-8")
    assert estimate.known(CONFIG) is None
    monkeypatch.setattr(estimate.os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert estimate.probe(CONFIG, 1, 1).busy


def test_gpus_are_asked_from_the_driver(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200'\necho 'NVIDIA L4'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert estimate.gpus() == ["NVIDIA H200", "NVIDIA L4"]
    tool.write_text("#!/bin/sh\necho 'no driver'\nexit 9\n")
    assert estimate.gpus() == []


def test_the_machine_has_memory_and_disk():
    assert estimate.memory_mb() > 100 and estimate.free_disk_mb() > 0
