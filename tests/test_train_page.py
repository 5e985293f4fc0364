"""The first half of the Train page: from "I want to train" to a launched run. No worker is started here."""

import json
import re
import shutil
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import practice, versions
from fer_core.dataset.store import Store
from fer_core.training import estimate, runs
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.training.estimate import Estimate, Probe
from fer_core.zoo import pretrained, specs
from pages._shared import augmentation_view, estimate_view, jobs, train_checks, words
from pages._shared.train_checks import Standing
from tests import drawn_dataset, learnable

ROOT = Path(__file__).resolve().parent.parent
FOUND = Probe(5, 0.5, 0.1, 0.01, 900, 54_000, "CPU")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A store with a practice dataset and one with votes, to be copied."""
    path = tmp_path_factory.mktemp("drawn") / "studio.db"
    store = Store.open(path)
    practice.import_practice(store, count=126)
    learnable.fill(store, count=80)
    versions.freeze(store, "practice", "first", "Ada")
    store.close()
    return path


@pytest.fixture
def store(drawn):
    """A store in this test's workspace."""
    shutil.copy(drawn, workspace.root() / "studio.db")
    return Store.open()


@pytest.fixture
def launched(monkeypatch):
    """The runs that would have been given a worker."""
    found = []

    def launch(run):
        runs.unqueue(run)
        found.append(run)
        return SimpleNamespace(wait=lambda: 0)

    monkeypatch.setattr(runs, "launch", launch)
    return found


def visit(**address):
    """The form at an address, in a new tab."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90).run()
    app.switch_page("pages/train.py")
    for key, value in address.items():
        app.query_params[key] = str(value)
    app.run()
    assert not app.exception
    return app


def said(app):
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    return "\n".join(element.value.replace("\\", "") for kind in kinds for element in kind)


def field(app, label):
    """The widget of that label."""
    kinds = (app.number_input, app.selectbox, app.slider, app.toggle, app.text_input)
    return next(widget for kind in kinds for widget in kind if widget.label == label)


def labels_of(app):
    kinds = (app.number_input, app.selectbox, app.slider, app.toggle, app.text_input)
    return {widget.label for kind in kinds for widget in kind}


def at(app, name):
    """What the address holds under a name."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def button(app, label):
    return next((b for b in app.button if b.label == label), None)


def press(app, label):
    button(app, label).click().run()
    assert not app.exception
    return app


def train(app, launched):
    """Press Train; the config of the run that came of it."""
    press(app, "Train")
    (run,) = launched
    assert at(app, "run") == run.id
    return run.config


def test_without_a_dataset_the_practice_one_is_a_click_away(monkeypatch, launched):
    monkeypatch.setattr(practice, "import_practice", partial(practice.import_practice, count=42))
    app = visit()
    assert button(app, "Train") is None and "none is here yet" in said(app)
    press(app, "Draw the practice dataset")
    for _ in range(600):
        if not jobs.running():
            break
        time.sleep(0.1)
    app.run().run()
    assert not button(app, "Train").disabled
    assert train(app, launched).dataset == "practice"


def test_train_with_the_defaults(store, launched):
    app = visit(dataset="practice")
    manifest = versions.manifest(store, "practice")
    validation = int((manifest["split"] == "validation").sum())
    assert f"to train on, {validation} to validate" in said(app)
    assert "Left out: 1 (copies of validation or test images)" in said(app)
    assert "angry" in said(app) and not app.error and not app.warning
    config = train(app, launched)
    assert config == TrainingConfig("mini_xception", "practice")


def test_every_network_can_be_chosen_and_would_train(store, launched):
    app = visit(dataset="practice")
    for spec in specs.SPECS.values():
        app.query_params["network"] = spec.id
        app.run()
        assert not app.exception and not app.error, spec.id
        assert spec.summary in said(app)
        assert not button(app, "Train").disabled, spec.id
        label = "Pairs or triplets in an epoch", "What counts as wrong", "Rare expressions"
        tasks = specs.SIMILARITY, specs.AFFECT, specs.EXPRESSION
        assert [name in labels_of(app) for name in label] == [spec.task is task for task in tasks]
    family = app.pills[0]
    assert family.value == specs.get(at(app, "network")).family
    first = next(spec for spec in specs.SPECS.values() if spec.family == "Transfer learning")
    family.set_value("Pairs").run()
    app.pills[0].set_value("Transfer learning").run()
    assert at(app, "network") == first.id
    config = train(app, launched)
    assert (config.spec, config.batch_size) == (first.id, first.training.get("batch_size", 64))


def test_the_settings_reach_the_run(store, launched):
    app = visit(dataset="practice", network="cnn_rgb48", version="first")
    field(app, "Epochs").set_value(7)
    field(app, "Batch size").set_value(16)
    field(app, "The learning rate then").set_value("step").run()
    field(app, "Drops every").set_value(3)
    field(app, "Drops to this part").set_value(0.5)
    field(app, "Stop early after").set_value(4)
    field(app, "Rare expressions").set_value("balanced")
    field(app, "Leak-free").set_value(False)
    field(app, "Computes on").set_value("cpu")
    field(app, "Seed").set_value(9)
    field(app, "The model's id").set_value("mine")
    field(app, "Turn").set_value(20.0)
    field(app, "Mirror").set_value(False)
    app.run()
    assert "Answer alone first" not in labels_of(app)
    assert train(app, launched) == TrainingConfig(
        "cnn_rgb48", "practice", version="first", epochs=7, batch_size=16, schedule="step", every=3,
        factor=0.5, early_stopping=4, class_weights="balanced", leak_free=False, device="cpu", seed=9,
        name="mine", learning_rate=1e-3, weight_decay=1e-4,
        augmentation=Augmentation(rotation=20, flip=False),
    )  # fmt: skip


def test_votes_are_offered_only_where_there_are_some(store, launched):
    assert "Learns from" not in labels_of(visit(dataset="practice"))
    app = visit(dataset="halves")
    assert field(app, "Expressions and their order").value == "fer7"
    field(app, "Learns from").set_value("votes").run()
    assert re.search(r"angry 0 .* happy \d\d · sad \d\d ", said(app))
    field(app, "Learns the other kind beside it").set_value(0.5).run()
    config = train(app, launched)
    assert (config.targets, config.second_head) == ("votes", 0.5)


def test_a_run_done_again_fills_the_form(store, launched):
    first = TrainingConfig(
        "cnn_rgb48", "halves", version=None, targets="votes", label_set="ferplus8", epochs=3, batch_size=8,
        schedule="plateau", augmentation=Augmentation(noise=0.05, rotation=0), name="taken", threads=2,
        continued_at=(2,), keep_improvements=True, title="My model",
    )  # fmt: skip
    run = runs.create(first, versions.manifest(store, "halves"))
    app = visit(view="new", **{"from": run.id})
    again = train(app, launched)
    assert again == TrainingConfig.from_dict(json.loads(first.to_json()) | {"name": None, "continued_at": ()})
    app = visit(view="new", **{"from": run.id})
    field(app, "Dataset").set_value("practice").run()
    field(app, "Version").set_value("first").run()
    field(app, "Version").set_value("now").run()
    assert (at(app, "dataset"), at(app, "version")) == ("practice", "now")
    app = visit(view="new", **{"from": run.id, "network": "mini_xception"})
    assert field(app, "Epochs").value == TrainingConfig("mini_xception", "halves").epochs
    assert "no run of that name" in said(visit(view="new", **{"from": "gone"}))


def refused(app):
    """What is said beside a button that cannot be pressed."""
    assert button(app, "Train").disabled
    return "\n".join(error.value.replace("\\", "") for error in app.error)


def test_what_cannot_be_learned_is_said_before_the_launch(store):
    face = drawn_dataset.picture
    one = [drawn_dataset.row(f"{i}", face(i), "happy", "train" if i < 6 else "validation") for i in range(9)]
    drawn_dataset.write(store, one, name="one class")
    bare = [drawn_dataset.row(f"{i}", face(50 + i), ("happy", "sad")[i % 2]) for i in range(6)]
    drawn_dataset.write(store, bare, name="no validation", why="second import")
    assert "at least two classes" in refused(visit(dataset="one class"))
    assert "no validation images" in refused(visit(dataset="no validation"))
    assert "valence and arousal" in refused(visit(dataset="one class", network="affect_cnn_va"))
    app = visit(dataset="practice", network="affect_cnn_va")
    assert not app.error and not button(app, "Train").disabled


def test_a_bad_or_taken_name_is_said_before_the_launch(store):
    app = visit(dataset="practice")
    field(app, "The model's id").set_value("two words").run()
    found = refused(app)
    assert "letters, digits" in found and "TrainingConfig(" not in found
    shipped = next(path.parent.name for path in workspace.SHIPPED_MODELS.glob("*/card.json"))
    field(app, "The model's id").set_value(shipped).run()
    assert f"a model named {shipped} already" in refused(app)


def test_a_launch_that_fails_is_words_and_keeps_the_form(store, monkeypatch):
    def full(config, manifest):
        raise runs.StorageError("A run needs a writable workspace. Received: a full disk.")

    monkeypatch.setattr(runs, "create", full)
    app = press(visit(dataset="practice"), "Train")
    assert "a full disk" in said(app) and "run" not in app.query_params
    assert not button(app, "Train").disabled


def test_warnings_tell_what_will_disappoint():
    counts = (("happy", 300, 30), ("sad", 1, 4), ("fear", 0, 2), ("angry", 5, 1), ("neutral", 40, 0))
    config = TrainingConfig("mini_xception", "faces", learning_rate=1e9, batch_size=400)
    found = "\n".join(train_checks.warnings(config, Standing(346, 37, counts=counts)))
    assert "No training picture shows fear" in found
    assert "A single training picture shows sad" in found
    assert "Fewer than 10 training pictures show angry" in found
    assert "No validation picture shows neutral" in found
    assert "likely to diverge" in found and "250,000,000,000 times" in found
    assert "A batch of 400 is more than the 346 pictures" in found
    uneven = train_checks.balance(Standing(346, 37, counts=counts))
    assert "happy 300 · sad 1" in uneven and "300 times the pictures" in uneven
    assert "times" not in train_checks.balance(Standing(2, 2, counts=(("happy", 1, 1), ("sad", 1, 1))))
    fine = TrainingConfig("mini_xception", "faces")
    assert train_checks.warnings(fine, Standing(200, 50, counts=(("happy", 100, 25), ("sad", 100, 25)))) == []


def test_weights_that_are_not_here_can_be_given_as_a_file(store, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    given = []
    monkeypatch.setattr(pretrained, "keep_weights", lambda spec, data: given.append((spec.id, data)))
    app = visit(dataset="practice", network="transfer_efficientnet_b0")
    assert "Its weights are not on this machine yet" in said(app)
    assert field(app, "Starts").value == "pretrained"
    field(app, "Starts").set_value("from scratch").run()
    assert not app.warning and "Answer alone first" not in labels_of(app)
    app.file_uploader[0].set_value(("b0.h5", b"\x89HDF\r\n\x1a\n...", "application/x-hdf5")).run()
    assert given[0] == ("transfer_efficientnet_b0", b"\x89HDF\r\n\x1a\n...")


def test_presets_and_sliders_move_together(store, launched):
    app = visit(dataset="practice")
    amount = app.pills[-1]
    assert amount.label == "How much" and amount.value == "Usual"
    amount.set_value("Strong").run()
    assert field(app, "Turn").value == 20
    field(app, "Turn").set_value(3.0).run()
    assert app.pills[-1].value is None
    app.pills[-1].set_value("None").run()
    nothing = train(app, launched).augmentation
    assert not any(vars(nothing).values())


def pictures_on(app):
    body = next(element.proto.body for element in app.get("html") if "fer-changes" in element.proto.body)
    return re.findall(r'src="([^"]+)" alt="([^"]+)"', body)


def test_the_preview_shows_training_faces_as_they_are_and_changed(store):
    app = visit(dataset="practice")
    shown = pictures_on(app)
    plain = [alt for _, alt in shown if alt.endswith("as it is")]
    assert len(plain) == len(set(plain)) == train_checks.FACES, "of different expressions"
    assert len(shown) == train_checks.FACES * (1 + augmentation_view.CHANGED)
    press(app, "Throw again")
    other = pictures_on(app)
    assert other[: train_checks.FACES] == shown[: train_checks.FACES] and other[-1] != shown[-1]
    frame = versions.manifest(store, "practice")
    train_images = set(frame.loc[frame["split"] == "train", "image"])
    assert {image for image, _ in train_checks.faces(frame)} <= train_images


def test_the_preview_is_what_training_does():
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 3), np.uint8)
    nothing = augmentation_view.presets(Augmentation())["None"]
    for row in augmentation_view.changes(faces, nothing, throw=1):
        assert np.array_equal(row, faces)
    strong = augmentation_view.presets(Augmentation())["Strong"]
    first, again = (augmentation_view.changes(faces, strong, throw=1) for _ in range(2))
    assert np.array_equal(first, again) and not np.array_equal(first[0], first[1])


def test_how_long_it_takes_is_measured_on_request_and_then_known(store, monkeypatch):
    tried = []

    def probe(config, train, validation, progress):
        tried.append((config.spec, train, validation))
        path = estimate._path(config)
        path.write_text(json.dumps({"probe": vars(FOUND)}), "utf-8")
        return FOUND

    monkeypatch.setattr(estimate, "probe", probe)
    app = press(visit(dataset="practice"), "How long will it take?")
    for _ in range(100):
        if not jobs.running():
            break
        time.sleep(0.05)
    app.run()
    (found,) = tried
    assert found[0] == "mini_xception" and f"{found[1]} pictures to train on" in said(app)
    assert "for 40 epochs" in said(app) and "54,000 weights" in said(app)
    assert button(app, "How long will it take?") is None
    field(app, "Epochs").set_value(2).run()
    assert "for 2 epochs" in said(app) and len(tried) == 1
    monkeypatch.setattr(estimate, "memory_mb", lambda: 800.0)
    monkeypatch.setattr(estimate, "free_disk_mb", lambda: 1.0)
    assert {"900 MB of memory" in w.value or "of disk" in w.value for w in app.run().warning} == {True}
    assert len(app.warning) == 2
    field(app, "Batch size").set_value(32).run()
    assert button(app, "How long will it take?")


def test_what_was_measured_on_a_busy_machine_says_so_and_can_be_measured_again(store, monkeypatch):
    path = estimate._path(TrainingConfig("mini_xception", "practice"))
    path.write_text(json.dumps({"probe": vars(FOUND) | {"busy": True}}), "utf-8")
    tried = []
    monkeypatch.setattr(estimate, "probe", lambda *given, **_: tried.append(given))
    app = visit(dataset="practice")
    assert "alone it is quicker" in said(app)
    press(app, "Measure again")
    assert len(tried) == 1


def test_a_trial_that_fails_is_words(store, monkeypatch):
    def probe(config, train, validation, progress):
        raise estimate.BadInput("A step must fit into memory. Received: batch_size=64.")

    monkeypatch.setattr(estimate, "probe", probe)
    app = press(visit(dataset="practice"), "How long will it take?")
    time.sleep(0.2)
    assert "A step must fit into memory" in said(app.run())
    assert button(app, "How long will it take?") and not button(app, "Train").disabled


def test_estimates_in_words():
    run = Estimate(seconds_per_epoch=18, seconds=720, memory_mb=900, disk_mb=0.44, parameters=54_000)
    assert estimate_view.sentence(run, 40, "CPU", 24_000) == (
        "**About 12 min** for 40 epochs (18 s each) on CPU. 900 MB of memory, of 24 GB here; "
        "0.4 MB of disk. The network has 54,000 weights."
    )
    spoken = [words.duration(s) for s in (0.4, 80, 3600, 12_000, 14_400, 400_000)]
    assert spoken == ["less than 1 s", "80 s", "60 min", "3 h 20 min", "4 h", "5 days"]


def test_two_networks_keep_their_own_settings(store):
    app = visit(dataset="practice", network="mini_xception")
    field(app, "Epochs").set_value(3).run()
    field(app, "Network").set_value("cnn_rgb48").run()
    assert field(app, "Epochs").value == 40 and field(app, "Learning rate").value == 1e-3
    field(app, "Network").set_value("mini_xception").run()
    assert field(app, "Epochs").value == 3
    assert at(app, "network") == "mini_xception"


@pytest.mark.parametrize(
    "address",
    [{"dataset": "nowhere"}, {"network": "x" * 5000}, {"version": "../up"}, {"view": "<script>"}],
    ids=lambda address: next(iter(address)),
)
def test_an_address_that_asks_for_what_is_not_there_shows_the_form_all_the_same(store, address):
    assert not button(visit(**address), "Train").disabled
