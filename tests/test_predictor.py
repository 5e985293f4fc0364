"""What is served is what was trained, or nothing."""

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from fer_core import workspace
from fer_core.errors import BadInput, BadModel, NotFound
from fer_core.inference.predictor import Predictor
from fer_core.zoo import card as cards
from fer_core.zoo import library

SHIPPED = [entry for entry in library.entries() if entry.shipped]
every_model = pytest.mark.parametrize("entry", SHIPPED, ids=lambda e: e.id)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A user's own copy of the default model."""
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    folder = workspace.folder("models") / "mine"
    shutil.copytree(workspace.SHIPPED_MODELS / library.DEFAULT, folder)
    return folder


def test_the_default_model_ships():
    assert library.DEFAULT in [entry.id for entry in SHIPPED]
    assert library.default_id() == library.DEFAULT


@every_model
def test_a_shipped_model_is_whole_and_reproduces_its_probe(entry):
    assert entry.problem is None
    predictor = Predictor.load(entry.folder)
    assert predictor.card.id == entry.id
    assert predictor.card.evaluations and predictor.card.limitations
    answer = predictor.predict(np.zeros((2, *predictor.card.input.shape), np.uint8))
    assert answer.shape == (2, len(predictor.labels)) and np.allclose(answer.sum(axis=1), 1, atol=1e-5)


@every_model
def test_one_by_one_equals_all_at_once_and_any_number_is_taken(entry):
    predictor = Predictor.load(entry.folder)
    batch = np.random.default_rng(0).integers(0, 256, (70, *predictor.card.input.shape), np.uint8)
    together = predictor.predict(batch)
    alone = np.concatenate([predictor.predict(face[None]) for face in batch[:5]])
    assert np.allclose(together[:5], alone, atol=1e-5)
    assert predictor.predict(batch[:0]).shape == (0, len(predictor.labels))
    assert predictor.embed(batch[:3]).shape[0] == 3


@every_model
def test_a_mirrored_face_gets_the_same_answer(entry):
    predictor = Predictor.load(entry.folder)
    if not predictor.card.flip_average:
        pytest.skip("this model does not average over the mirror image")
    batch = np.random.default_rng(0).integers(0, 256, (4, *predictor.card.input.shape), np.uint8)
    assert np.allclose(predictor.predict(batch), predictor.predict(batch[:, :, ::-1]), atol=1e-5)


def test_threads_share_one_predictor():
    predictor = Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)
    batch = np.random.default_rng(0).integers(0, 256, (9, *predictor.card.input.shape), np.uint8)
    expected, wrong = predictor.predict(batch), []

    def ask(count: int) -> None:
        for _ in range(30):
            if not np.allclose(predictor.predict(batch[:count]), expected[:count], atol=1e-5):
                wrong.append(count)

    threads = [threading.Thread(target=ask, args=(count,)) for count in (1, 2, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("batch", [np.zeros((1, 48, 48, 1), np.float32), np.zeros((1, 40, 48, 1), np.uint8)])
def test_inputs_that_to_input_would_not_make_are_refused(batch):
    predictor = Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)
    with pytest.raises(BadInput, match="48, 48, 1"):
        predictor.predict(batch)


@pytest.mark.parametrize("name", ["card.json", "model.tflite", "probe.npz", "model.keras"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BadModel, match=name.replace(".", r"\.")):
        Predictor.load(copy)


@pytest.mark.parametrize("name", ["model.tflite", "probe.npz"])
def test_a_changed_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BadModel, match="changed since"):
        Predictor.load(copy)


def rewrite(folder, **changes):
    """A foreign card with correct checksums."""
    path = folder / cards.FILE_NAME
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema_version": 99}', '{"schema_version": 1}', "\0\0"], ids=repr
)
def test_a_card_that_is_none_is_refused_and_listed_as_a_problem(copy, text):
    (copy / cards.FILE_NAME).write_text(text)
    with pytest.raises(BadModel):
        Predictor.load(copy)
    entry = next(e for e in library.entries() if e.id == "mine")
    assert entry.card is None and entry.problem
    with pytest.raises(BadModel):
        library.find("mine")


def test_a_foreign_network_under_a_right_checksum_fails_its_probe(copy):
    probe = dict(np.load(copy / "probe.npz"))
    np.savez(copy / "probe.npz", inputs=probe["inputs"], probabilities=probe["probabilities"][:, ::-1])
    cards.read(copy).write(copy)
    with pytest.raises(BadModel, match="off by"):
        Predictor.load(copy)
    (copy / "model.tflite").write_bytes(b"not a network")
    cards.read(copy).write(copy)
    with pytest.raises(BadModel, match="LiteRT"):
        Predictor.load(copy)


def test_a_card_with_another_class_count_or_size_is_refused(copy):
    labels = json.loads((copy / cards.FILE_NAME).read_text())["labels"]
    rewrite(copy, labels={**labels, "names": labels["names"][:-1]})
    with pytest.raises(BadModel, match="probe must fit"):
        Predictor.load(copy)


def test_files_outside_of_the_folder_are_never_read(copy):
    files = json.loads((copy / cards.FILE_NAME).read_text())["files"]
    rewrite(copy, files={**files, "../studio.db": "0"})
    with pytest.raises(BadModel, match=r"\.\./studio\.db"):
        Predictor.load(copy)


def test_an_unknown_model_is_named_with_those_that_exist(copy):
    with pytest.raises(NotFound, match="mine, mini_xception"):
        library.find("maxi")


def test_predicting_imports_neither_tensorflow_nor_keras():
    code = (
        "import sys, numpy as np; from fer_core import workspace;"
        "from fer_core.inference.predictor import Predictor;"
        f"p = Predictor.load(workspace.SHIPPED_MODELS / {library.DEFAULT!r});"
        "p.predict(np.zeros((1, *p.card.input.shape), np.uint8));"
        "import fer_core.cli;"
        "sys.exit(any(m.split('.')[0] in ('tensorflow', 'keras') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=workspace.SHIPPED_MODELS.parent).returncode == 0
