"""From a dataset to a model in the library, through a real worker process."""

import fcntl
import json
import os
import signal
import time

import numpy as np
import pytest

from fer_core import labels, workspace
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.inference.predictor import Predictor
from fer_core.training import batches, runs, targets
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.zoo import library
from tests import learnable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One workspace for this file, with a dataset: a worker takes seconds to start."""
    folder = tmp_path_factory.mktemp("workspace")
    store = Store.open(folder / "studio.db")
    learnable.fill(store)
    store.close()
    return folder


@pytest.fixture(autouse=True)
def space(folder, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(folder))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="module")
def finished(folder):
    """A run that ended by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(folder))
        run = runs.start(config(epochs=4, name="first", keep_improvements=True))
        assert run.state() == "ready"
        runs.launch(run).wait(timeout=300)
    assert run.state() == "finished", run.log()
    return run


def config(**changes) -> TrainingConfig:
    return TrainingConfig(
        **{
            "spec": "mini_xception",
            "dataset": "halves",
            "targets": "votes",
            "label_set": "ferplus8",
            "batch_size": 16,
            "second_head": 0.5,
            "learning_rate": 0.01,
            "augmentation": Augmentation(rotation=0, shift=0, zoom=0, stretch=0, contrast=0.1),
            **changes,
        }
    )


def test_a_model_comes_out_that_learned_something(finished):
    entry = library.find("first")
    assert not entry.shipped and entry.card.labels == labels.FERPLUS8
    by_kind = {e["kind"]: e for e in entry.card.evaluations}
    assert by_kind.keys() == {"labels", "votes"}
    assert by_kind["votes"]["accuracy"] > 0.8
    assert by_kind["votes"]["n"] == 60 and by_kind["votes"]["leak_free"]["n"] == 57
    assert entry.card.training["left_out"] == {"copies of validation or test images": 3}
    assert entry.card.training["images"] == {"train": 177, "validation": 60}
    assert entry.card.parameters < 60_000


def test_the_model_is_served_without_tensorflow_and_gives_its_probe(finished):
    predictor = Predictor.load(library.find("first").folder)
    bright_above = np.full((1, 48, 48, 1), 60, np.uint8)
    bright_above[:, :24] += 120
    answers = predictor.predict(np.concatenate([bright_above, bright_above[:, ::-1]]))
    assert [predictor.labels.names[i] for i in answers.argmax(axis=1)] == ["happy", "sad"]
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_events_tell_the_whole_run(finished):
    events, offset = finished.events()
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "launched" and kinds[-1] == "finished" and kinds.count("epoch") == 4
    assert finished.events(offset) == ([], offset)
    assert finished.result["model"] == "first"


def test_improving_epochs_are_kept_under_epoch_and_accuracy(finished):
    kept = sorted(p.name for p in (finished.folder / "improvements").iterdir())
    best = [e for e in finished.events()[0] if e["kind"] == "epoch" and e["best"]]
    assert kept == sorted(
        f"mini_xception.{e['epoch'] + 1:03d}-{e['val_accuracy']:.4f}.weights.h5" for e in best
    )


@pytest.mark.slow
def test_frozen_features_stay_and_the_classes_are_learned_anew(finished):
    run = runs.start(
        config(
            targets="labels",
            label_set="fer7",
            start_from="first",
            frozen_epochs=40,
            second_head=0.0,
            name="third",
        )
    )
    runs.launch(run).wait(timeout=300)
    assert run.state() == "finished", run.log()
    one, other = (Predictor.load(library.find(name).folder) for name in ("first", "third"))
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)
    assert np.allclose(one.embed(faces), other.embed(faces), atol=1e-4)
    assert {e["kind"]: e for e in other.card.evaluations}["labels"]["accuracy"] > 0.8


@pytest.mark.slow
def test_a_run_with_leaks_says_so_and_one_without_leaves_near_copies_out():
    store = Store.open()
    learnable.fill(store, count=80, copies=3, name="leaky", near=4)
    run = runs.start(config(dataset="leaky", leak_free=False, epochs=1, name="leaky"))
    runs.launch(run).wait(timeout=300)
    assert run.state() == "finished", run.log()
    leaks_in = {targets.COPIES: 3, targets.NEAR_COPIES: 4}
    events, _ = run.events()
    assert [e["leaks_in"] for e in events if e["kind"] == "leaks"] == [leaks_in]
    assert any(e["kind"] == "prepare" and "near copies" in e["text"] for e in events)
    card = library.find("leaky").card
    assert card.training["leaks_in"] == leaks_in and card.training["left_out"] == {}
    assert "only its leak-free figures" in card.limitations[-1]
    assert {(e["n"], e["leak_free"]["n"], e["copies"]) for e in card.evaluations} == {
        (20, 13, "exact and near")
    }
    manifest, near = run.manifest, json.loads((run.folder / "copies.json").read_text())["group"]
    train, _, left_out = targets.prepare(manifest, config(dataset="leaky"), labels.FERPLUS8, near)
    assert left_out == leaks_in and len(train) == 53


def test_a_stop_before_training_began_leaves_no_model():
    from fer_core.training import worker  # TensorFlow, which the other tests leave to the worker's process

    run = runs.create(config(name="never"), versions.manifest(Store.open(), "halves"))
    run.stop()
    assert worker.work(run) == {**worker._NO_MODEL} and not (run.folder / "copies.json").exists()
    assert [e["kind"] for e in run.events()[0]] == ["device"]


def test_a_finished_run_and_a_taken_name_are_refused(finished):
    with pytest.raises(Conflict, match="not started again"):
        runs.launch(finished)
    with pytest.raises(Conflict, match="'first'"):
        runs.start(config(name="first"))


@pytest.mark.slow
def test_a_killed_worker_is_seen_as_crashed_and_resumes_from_its_checkpoint():
    run = runs.start(config(epochs=200, targets="labels", label_set="fer7", name="second"))
    worker = runs.launch(run)
    wait_for(run, lambda: epochs(run) >= 2)
    with pytest.raises(Conflict, match="at work"):
        runs.launch(run)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert run.state() == "crashed"
    done = epochs(run)
    worker = runs.launch(run)
    wait_for(run, lambda: epochs(run) > done)
    run.stop()
    assert run.state() in ("stopping", "stopped")
    worker.wait(timeout=120)
    assert run.state() == "stopped" and run.result["model"] == "second"
    resumed = [e for e in run.events()[0] if e["kind"] == "resumed"]
    assert len(resumed) == 1 and resumed[0]["epoch"] >= 1
    assert library.find("second").card.labels == labels.FER7


@pytest.mark.slow
def test_runs_wait_in_line_and_follow_each_other(finished):
    """One on landmarks, computed on two devices, and a finished one that gets more epochs."""
    first = runs.start(
        config(spec="landmark_cnn", epochs=1, name="points", device="cpu:2", class_weights="balanced")
    )
    never = runs.start(config(epochs=1, name="never"))
    card = library.find("first").card
    runs.extend(finished, 2)
    assert finished.config.epochs == 6 and finished.config.continued_at == (4,)
    for run in (first, finished, never):
        runs.enqueue(run)
    assert [run.state() for run in (finished, never)] == ["queued", "queued"]
    assert runs.queue() == [finished, never]
    runs.unqueue(never)
    wait_for(first, lambda: first.state() == "finished")
    wait_for(finished, lambda: finished.state() == "finished")
    assert never.state() == "ready"
    runs.delete(never)
    with pytest.raises(NotFound):
        runs.find(never.id)

    assert len(finished.epochs()) == 6 and finished.result["model"] == "first-6"
    assert library.find("first").card == card
    assert library.find("first-6").card.training["config"]["continued_at"] == [4]
    assert [e["epoch"] for e in finished.events()[0] if e["kind"] == "resumed"] == [4]

    assert [e["devices"] for e in first.events()[0] if e["kind"] == "device"] == [2]
    entry = library.find("points")
    assert entry.card.input.landmarks and entry.card.evaluations[0]["n"] == 60
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)
    predictor = Predictor.load(entry.folder)
    assert np.allclose(predictor.predict(faces), predictor.predict(faces[:, :, ::-1]), atol=0.3)


def test_a_run_at_work_is_neither_deleted_nor_queued(finished):
    with pytest.raises(Conflict, match="finished"):
        runs.enqueue(finished)
    run = runs.create(config(), versions.manifest(Store.open(), "halves"))
    with (run.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for action in (runs.delete, runs.enqueue, lambda run: runs.extend(run, 3)):
            with pytest.raises(Conflict, match=run.id):
                action(run)
    assert run.folder.exists()


def test_a_note_stays_with_its_run():
    run = runs.create(config(), versions.manifest(Store.open(), "halves"))
    assert run.note == ""
    run.write_note("better with flips: déjà vu")
    assert runs.find(run.id).note == "better with flips: déjà vu"


def test_an_event_cut_short_by_a_full_disk_spoils_no_other(monkeypatch):
    run = runs.create(config(), versions.manifest(Store.open(), "halves"))
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "prog')
    run.append({"kind": "epoch", "epoch": 0, "loss": 1.0})
    run.append({"kind": "epoch", "epoch": 0, "loss": 0.5})
    assert [e["loss"] for e in run.epochs()] == [0.5]


def test_a_worker_that_dies_on_import_is_seen_as_crashed_and_its_log_says_why(tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("raise ImportError('libsomething.so.9 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = runs.start(config(epochs=1, name="unborn"))
    runs.launch(run).wait(timeout=60)
    assert run.state() == "crashed" and "libsomething.so.9 is missing" in run.log()


def test_a_class_with_a_single_image_is_no_obstacle():
    manifest = versions.manifest(Store.open(), "halves")
    last = manifest.index[manifest["split"] == "train"][-1]
    manifest.loc[last, "label"] = "fear"
    train, _, _ = targets.prepare(manifest, config(targets="labels", second_head=0.0), labels.FER7)
    assert train.targets[:, labels.FER7.index("fear")].sum() == 1
    weights = batches._class_weights(train.targets)
    assert np.isfinite(weights).all() and weights[labels.FER7.index("disgust")] == 0


def test_a_broken_run_says_why():
    run = runs.create(config(start_from="first-gone"), versions.manifest(Store.open(), "halves"))
    runs.launch(run).wait(timeout=120)
    assert run.state() == "failed"
    assert "no model of that name" in run.result["error"]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"epochs": 0}, "epochs must be"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"targets": "wishes"}, "labels or votes"),
        ({"name": "../up"}, "letters, digits"),
        ({"frozen_epochs": 2}, "needs start_from"),
        ({"weights": "pretrained"}, "no pretrained weights"),
        ({"schedule": "wavy"}, "schedule must be"),
        ({"device": "toaster"}, "device must be"),
    ],
)
def test_options_out_of_range_are_refused(changes, words):
    with pytest.raises(BadInput, match=words):
        config(**changes)


def test_a_config_survives_json_and_refuses_strangers():
    made = config(augmentation=Augmentation(zoom=0.3))
    assert TrainingConfig.from_dict(json.loads(made.to_json())) == made
    with pytest.raises(BadInput, match="Received: colour"):
        TrainingConfig.from_dict({"spec": "mini_xception", "dataset": "d", "colour": 1})
    with pytest.raises(BadInput, match="needs at least spec and dataset"):
        TrainingConfig.from_dict({"spec": "mini_xception"})


def test_what_cannot_be_learned_is_refused_before_the_launch():
    manifest = versions.manifest(Store.open(), "halves")
    without_votes = manifest[[c for c in manifest.columns if not c.startswith("votes:")]]
    with pytest.raises(BadInput, match="without"):
        targets.prepare(without_votes, config(), labels.FERPLUS8)
    with pytest.raises(BadInput, match="no validation images"):
        targets.prepare(manifest[manifest["split"] == "train"], config(), labels.FERPLUS8)
    happy = manifest[manifest["label"] == "happy"]
    with pytest.raises(BadInput, match="two classes"):
        targets.prepare(happy, config(targets="labels", second_head=0.0), labels.FER7)
    with pytest.raises(NotFound, match="halves"):
        runs.start(config(dataset="quarters"))


def test_training_never_meets_a_picture_of_validation():
    manifest = versions.manifest(Store.open(), "halves")
    train, validation, _ = targets.prepare(manifest, config(), labels.FERPLUS8)
    assert not set(train.frame["image"]) & set(validation.frame["image"])
    assert np.allclose(train.targets.sum(axis=1), 1) and train.second.shape[1] == 2


def test_a_half_written_event_is_left_for_later():
    run = runs.create(config(), versions.manifest(Store.open(), "halves"))
    run.append({"kind": "progress"})
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "ep')
    events, offset = run.events()
    assert [e["kind"] for e in events] == ["progress"]
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('och"}\n')
    assert [e["kind"] for e in run.events(offset)[0]] == ["epoch"]
    assert run.state() == "crashed"


def test_runs_are_found_by_id_only():
    with pytest.raises(NotFound):
        runs.find("../models")
    assert all(run.folder.parent == workspace.folder("runs") for run in runs.runs())


def epochs(run: runs.Run) -> int:
    return sum(event["kind"] == "epoch" for event in run.events()[0])


def wait_for(run: runs.Run, condition) -> None:
    until = time.monotonic() + 240
    while not condition():
        assert run.state() in ("running", "queued") and time.monotonic() < until, run.log()
        time.sleep(0.1)
