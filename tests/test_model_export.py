"""A model taken along answers as the model does, or is not offered."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from fer_core import cli, workspace
from fer_core.errors import BadInput, BadModel, NotFound
from fer_core.imaging import detectors
from fer_core.imaging.preprocess import InputSpec, to_batch
from fer_core.inference.predictor import Predictor
from fer_core.zoo import card as cards
from fer_core.zoo import export, library, process, usage

keras = pytest.importorskip("keras")
from fer_core.zoo import export_worker  # noqa: E402

MODEL = library.DEFAULT
EPOCHS = [
    {"kind": "launched", "at": 99.0},
    {"kind": "epoch", "at": 100.5, "epoch": 0, "epochs": 2, "loss": 1.5, "val_accuracy": 0.25, "best": True},
    {"kind": "epoch", "at": 110.5, "epoch": 1, "epochs": 2, "loss": 0.75, "val_accuracy": 0.5, "best": True},
]


@pytest.fixture
def here(monkeypatch):
    """The worker's work in this process, which has TensorFlow already."""

    def run(module, *arguments, progress=None, seconds=0):
        assert module == "fer_core.zoo.export_worker"
        return export_worker.work([str(a) for a in arguments], progress or (lambda *said: None))

    monkeypatch.setattr(process, "run", run)


@pytest.fixture
def mine():
    """A copy of the shipped model in the library, as if trained here."""
    folder = workspace.folder("models") / "mine"
    shutil.copytree(workspace.SHIPPED_MODELS / MODEL, folder)
    card = replace(cards.read(folder), id="mine", training={"run": "20260101-000000-mini_xception"})
    return card.write(folder)


def unpacked(made: export.Exported, to) -> dict[str, bytes]:
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(to)
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("form", export.FORMS)
def test_each_form_answers_as_the_model_and_its_example_runs_as_it_stands(
    form, here, tmp_path, monkeypatch, capsys
):
    made = export.export(MODEL, form)
    assert 0 <= made.difference < 1e-5 and made.probes == 16
    files = unpacked(made, tmp_path)
    names = {export.FORMS[form].file, "card.json", "example.py", "README.md", "LICENSE.txt", "verified.json"}
    assert set(files) == names
    code = files["example.py"].decode()
    assert len(code.splitlines()) == 10
    readme = files["README.md"].decode()
    assert code.splitlines()[0] in readme and next(iter(made.runtime.values())) in readme
    assert "MIT" in files["LICENSE.txt"].decode()
    photo = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    cv2.imwrite(str(tmp_path / "crop.png"), photo[80:140, 190:260])
    predictor = Predictor.load(library.find(MODEL).folder)
    monkeypatch.chdir(tmp_path / made.path.stem)
    for name, boxes in (("photo.png", detectors.get("haar").detect(data.astronaut())), ("crop.png", [None])):
        image = data.astronaut() if name == "photo.png" else data.astronaut()[80:140, 190:260]
        monkeypatch.setattr(sys, "argv", ["example.py", str(tmp_path / name)])
        capsys.readouterr()
        runpy.run_path("example.py")
        said = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [name for name, _ in said] == list(predictor.labels.names)
        (expected,) = predictor.predict(to_batch(image, boxes, predictor.card.input))
        # The application answers from the LiteRT file, whose kernels are bytes; the other forms' are not.
        apart = 2e-4 if form == "litert" else 0.01
        assert np.allclose([float(share) for _, share in said], expected, atol=apart)
    assert ("whose kernels are bytes" in readme) == (form != "litert")


def test_it_is_done_once_and_again_when_the_card_changes(here, mine, monkeypatch):
    first = export.export("mine", "litert")
    monkeypatch.setattr(export_worker, "work", None)
    assert export.export("mine", "litert") == first
    replace(mine, title="Another title").write(library.find("mine").folder)
    with pytest.raises(TypeError):
        export.export("mine", "litert")


def test_a_file_that_answers_otherwise_is_not_offered(here, mine, monkeypatch):
    folder = library.find("mine").folder
    network = keras.saving.load_model(folder / "model.keras", compile=False)
    network.layers[-2].set_weights([w * 0.5 for w in network.layers[-2].get_weights()])
    changed = [layer for layer in network.layers if layer.get_weights()][-1]
    changed.set_weights([w * 0.5 for w in changed.get_weights()])
    network.save(folder / "model.keras")
    mine.write(folder)
    with pytest.raises(BadModel, match="off by"):
        export.export("mine", "h5")
    assert not list((workspace.folder("cache") / "models").rglob("*.zip"))
    assert not list((workspace.folder("cache") / "models").rglob("*.h5")), "nothing half-made is left"


def test_the_curves_of_its_run_come_along_for_tensorboard(here, mine, tmp_path):
    import tensorflow as tf

    with pytest.raises(NotFound, match="whose run is gone"):
        export.export("mine", "litert", log=True)
    with pytest.raises(NotFound, match="trained elsewhere"):
        export.export(MODEL, "litert", log=True)
    run = workspace.folder("runs") / mine.training["run"]
    run.mkdir()
    (run / "events.jsonl").write_text("\n".join(map(json.dumps, EPOCHS)) + "\n")
    made = export.export("mine", "litert", log=True)
    unpacked(made, tmp_path)
    (file,) = (tmp_path / made.path.stem / "tensorboard").iterdir()
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    assert events[0].file_version == "brain.Event:2"
    figures = [{v.tag: v.simple_value for v in e.summary.value} for e in events[1:]]
    assert figures == [{"loss": 1.5, "val_accuracy": 0.25}, {"loss": 0.75, "val_accuracy": 0.5}]
    assert [(e.step, e.wall_time) for e in events[1:]] == [(1, 100.5), (2, 110.5)]


def test_what_is_not_there_is_named(here, mine):
    with pytest.raises(NotFound, match="onnx"):
        export.export(MODEL, "pickle")
    with pytest.raises(NotFound, match="mini_xception"):
        export.export("none", "h5")
    replace(mine, training={"run": "../../etc"}).write(library.find("mine").folder)
    with pytest.raises(NotFound, match="gone"):
        export.export("mine", "litert", log=True)


def test_the_example_of_a_network_with_landmarks_reads_what_the_application_reads(
    tmp_path, monkeypatch, capsys
):
    """Two inputs, an affect answer, a wider crop: what the shipped models do not have."""
    from fer_core.imaging import landmarks

    images, points = keras.Input((48, 48, 1), name="images"), keras.Input((68, 2), name="landmarks")
    seen = keras.layers.Concatenate()([keras.layers.Flatten()(images), keras.layers.Flatten()(points)])
    network = keras.Model([images, points], keras.layers.Dense(2, activation="tanh")(seen))
    network.layers[-1].set_weights(
        [np.random.default_rng(0).normal(0, 3e-5, (48 * 48 + 136, 2)).astype("float32"), np.zeros(2)]
    )
    network.save(tmp_path / "model.keras")
    card = replace(
        cards.read(workspace.SHIPPED_MODELS / MODEL),
        input=InputSpec(48, 48, 1, scale=1.2, landmarks=True),
        task="affect",
        flip_average=False,
    )
    code = usage.example(card, "keras", "model.keras", ["images", "landmarks"])
    (tmp_path / "example.py").write_text(code)
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["example.py", "photo.png"])
    runpy.run_path("example.py")
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    batch = to_batch(data.astronaut(), detectors.get("haar").detect(data.astronaut()), card.input)
    expected = network.predict_on_batch([batch.astype("float32"), landmarks.of_crops(batch)])[0]
    assert np.allclose([float(said["valence"]), float(said["arousal"])], expected, atol=5e-3)


def test_the_command_leaves_an_archive_and_says_how_far_it_is_off(here, tmp_path, capsys):
    assert cli.main(["export-model", MODEL, "--form", "litert", "--to", str(tmp_path)]) == 0
    assert f"{MODEL}-litert.zip: off by at most" in capsys.readouterr().out
    assert zipfile.is_zipfile(tmp_path / f"{MODEL}-litert.zip")
    assert cli.main(["export-model", MODEL, "--form", "litert", "--to", str(tmp_path / "no" / "where")]) == 1
    assert cli.main(["export-model", MODEL, "--form", "litert", "--tensorboard"]) == 1


STUBBORN = """
import os, signal, sys, time
from fer_core.errors import BadInput
from fer_core.zoo import process

def work(arguments, progress):
    progress(1, 2, "half way")
    print("libraries chat on standard output")
    os.write(1, b"even so\\n")
    if arguments[0] == "refuse":
        raise BadInput("A rule. Received: x.")
    if arguments[0] == "break":
        raise KeyError("\\nlayer 3\\nand more")
    if arguments[0] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if arguments[0] == "hang":
        time.sleep(600)
    return {"pid": os.getpid()}

sys.exit(process.serve(work))
"""


@pytest.fixture
def stubborn(tmp_path, monkeypatch):
    (tmp_path / "stubborn_worker.py").write_text(STUBBORN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(workspace.SHIPPED_MODELS.parent)]))
    return "stubborn_worker"


def test_a_worker_says_how_far_it_is_and_what_came_of_it(stubborn):
    said = []
    assert process.run(stubborn, "work", progress=lambda *now: said.append(now))["pid"]
    assert (1, 2, "half way") in said


def test_a_worker_that_refuses_breaks_dies_or_hangs_ends_in_words(stubborn):
    with pytest.raises(BadInput, match="A rule"):
        process.run(stubborn, "refuse")
    with pytest.raises(BadModel, match="layer 3"):
        process.run(stubborn, "break")
    with pytest.raises(BadModel, match="it died, exit status -9"):
        process.run(stubborn, "die")
    with pytest.raises(BadModel, match="takes longer"):
        process.run(stubborn, "hang", seconds=1)


def test_stopping_ends_the_worker(stubborn, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def stop(done, total, text):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run(stubborn, "hang", progress=stop)
    assert started[0].returncode == -9
