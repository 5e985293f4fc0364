"""Gradients from a process of their own: what they say, and what happens when the process does not answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from fer_core import workspace
from fer_core.errors import BadModel, Conflict
from fer_core.imaging.preprocess import InputSpec
from fer_core.inference import explanation
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7, LabelSet
from fer_core.zoo import gradients, library
from fer_core.zoo.card import Card

SIDE = 8
CHANNELS = np.array([1.0, -2.0], np.float32)
"""What the two channels of the feature map make of a pixel."""
WEIGHTS = np.random.default_rng(0).normal(size=(SIDE, SIDE, 2, 2)).astype(np.float32)
"""Of each place and channel of the feature map for each of two classes."""
BRIGHT = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 1), np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Networks that are known by hand, and the shipped one with its weights drawn anew."""
    import keras
    from keras import layers

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(tmp_path_factory.mktemp("gradients") / "workspace"))

        def toy(name, named="feature_map", own_softmax=False):
            images = keras.Input((SIDE, SIDE, 1), name="images")
            x = layers.Rescaling(1 / 255)(images)
            x = layers.Conv2D(2, 1, use_bias=False, name=named)(x)
            x = layers.Flatten(name="embedding")(x)
            x = layers.Dense(2, activation=None if own_softmax else "softmax", name="probabilities")(x)
            network = keras.Model(images, layers.Softmax()(x) if own_softmax else x)
            network.get_layer(named).set_weights([CHANNELS.reshape(1, 1, 1, 2)])
            network.get_layer("probabilities").set_weights([WEIGHTS.reshape(-1, 2), np.zeros(2)])
            return keep(name, network, InputSpec(SIDE, SIDE, 1), LabelSet("two", ("happy", "sad")))

        def keep(name, network, input, labels):
            folder = workspace.folder("models") / name
            folder.mkdir()
            network.save(folder / "model.keras")
            (folder / "model.tflite").write_bytes(b"")
            (folder / "probe.npz").write_bytes(b"")
            return Card(name, name, name, labels, input).write(folder)

        for made in (toy("toy"), toy("apart", own_softmax=True), toy("unnamed", named="features")):
            assert made.files["model.keras"]
        shipped = keras.saving.load_model(
            workspace.SHIPPED_MODELS / library.DEFAULT / "model.keras", compile=False
        )
        random = np.random.default_rng(0)
        shipped.set_weights(
            [random.permutation(w.reshape(-1)).reshape(w.shape) for w in shipped.get_weights()]
        )
        keep("shuffled", shipped, InputSpec(48, 48, 1), FER7)
        yield workspace.folder("models")
        # The server is gone: nothing can be asked any more.
        last = gradients._worker._process
        last.stdin.close()
        assert last.wait(20) == 0
        last.stdout.close()
        gradients._worker._process = None


def test_grad_cam_is_what_the_definition_says(folders):
    for name in ("toy", "apart"):
        for kind in (0, 1):
            features = BRIGHT / np.float32(255) * CHANNELS
            weights = WEIGHTS[..., kind].mean(axis=(0, 1))
            expected = np.maximum((features * weights).sum(axis=3), 0)
            got = gradients.maps(folders / name, gradients.GRAD_CAM, BRIGHT, np.full(3, kind))
            assert got.shape == (3, SIDE, SIDE) and got.dtype == np.float32
            assert np.allclose(got, expected, atol=1e-6)


def test_the_gradient_is_that_of_the_score_before_the_softmax(folders):
    expected = np.abs((WEIGHTS * CHANNELS[:, None]).sum(axis=2)) / 255
    got = gradients.maps(folders / "toy", gradients.GRADIENT, BRIGHT, np.array([0, 1, 0]))
    assert np.allclose(got, expected.transpose(2, 0, 1)[[0, 1, 0]], atol=1e-7)
    # Noise does not change the slope of what is linear.
    smooth = gradients.maps(folders / "toy", gradients.GRADIENT, BRIGHT, np.array([0, 1, 0]), draws=4)
    assert np.allclose(smooth, got, atol=1e-7)


def test_more_faces_than_one_message_holds(folders):
    many = np.concatenate([BRIGHT] * 11)
    told = []
    got = gradients.maps(
        folders / "toy", gradients.GRAD_CAM, many, np.zeros(33), progress=lambda *said: told.append(said)
    )
    assert np.allclose(got, np.concatenate([got[:3]] * 11)) and [done for done, *_ in told] == [16, 32, 33]


def test_a_network_without_a_feature_map_says_so_and_has_a_gradient(folders):
    with pytest.raises(BadModel, match="feature_map"):
        gradients.maps(folders / "unnamed", gradients.GRAD_CAM, BRIGHT, np.zeros(3))
    assert gradients.maps(folders / "unnamed", gradients.GRADIENT, BRIGHT, np.zeros(3)).any()


def test_files_that_are_not_those_of_the_card_are_refused(folders, tmp_path):
    with pytest.raises(BadModel, match="A model folder holds"):
        gradients.maps(tmp_path, gradients.GRAD_CAM, BRIGHT, np.zeros(3))
    (tmp_path / "card.json").write_bytes((folders / "toy" / "card.json").read_bytes())
    for name in ("model.tflite", "probe.npz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "model.keras").write_bytes(b"another file")
    with pytest.raises(BadModel, match="changed since"):
        gradients.maps(tmp_path, gradients.GRAD_CAM, BRIGHT, np.zeros(3))


def test_what_tensorflow_refuses_comes_back_as_words(folders):
    with pytest.raises(BadModel, match="could not be looked into"):
        gradients.maps(folders / "toy", gradients.GRAD_CAM, BRIGHT[:, :5], np.zeros(3))


def test_other_weights_make_another_map(folders, monkeypatch):
    """Source: Adebayo et al. 2018, Sanity Checks for Saliency Maps: the randomisation of parameters."""
    with np.load(workspace.SHIPPED_MODELS / library.DEFAULT / "probe.npz") as probe:
        crops, targets = probe["inputs"][:8], probe["probabilities"][:8].argmax(axis=1)
    for kind in (gradients.GRAD_CAM, gradients.GRADIENT):
        trained, random = (
            gradients.maps(folder, kind, crops, targets).reshape(8, -1)
            for folder in (workspace.SHIPPED_MODELS / library.DEFAULT, folders / "shuffled")
        )
        again = gradients.maps(workspace.SHIPPED_MODELS / library.DEFAULT, kind, crops, targets)
        assert np.allclose(again.reshape(8, -1), trained, rtol=1e-4)
        ranks = [maps.argsort(axis=1).argsort(axis=1) for maps in (trained, random)]
        alike = [np.corrcoef(one, other)[0, 1] for one, other in zip(*ranks, strict=True)]
        assert abs(np.mean(alike)) < 0.4


class Silent:
    """A served network that nobody asks here."""


def test_the_mirror_image_is_averaged_where_it_is_served(folders, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(folders.parent))
    card = library.find("toy").card
    asked = {flip: Predictor(replace(card, flip_average=flip), Silent()) for flip in (False, True)}
    targets = np.array([0, 1, 1])
    for kind in (explanation.GRAD_CAM, explanation.GRADIENT):
        plain = explanation.heat(asked[False], BRIGHT, targets, kind)
        mirrored = explanation.heat(asked[False], BRIGHT[:, :, ::-1], targets, kind)[:, :, ::-1]
        both = explanation.heat(asked[True], BRIGHT, targets, kind)
        assert np.allclose(both, (plain + mirrored) / 2, rtol=1e-4, atol=1e-7)
    replaced = replace(card, files={**card.files, "model.tflite": "another"})
    with pytest.raises(Conflict, match="replaced"):
        explanation.heat(Predictor(replaced, Silent()), BRIGHT, targets, explanation.GRAD_CAM)


def stand_in(monkeypatch, body, seconds=20.0):
    """A worker that does something else: no TensorFlow, so that it starts at once."""
    code = "import os, sys, time; from fer_core.zoo.gradients import serve; import numpy as np\n"
    monkeypatch.setattr(gradients, "_COMMAND", ("-c", code + body))
    return gradients.Worker(answer_seconds=seconds)


def ask(worker):
    return worker.ask({}, {"images": BRIGHT})


def test_a_worker_that_dies_at_once_is_said(monkeypatch):
    worker = stand_in(monkeypatch, "sys.exit(3)")
    with pytest.raises(BadModel, match="exit status 3"):
        ask(worker)
    worker.close()


OWN_NUMBER = "np.array([os.getpid()], np.float32)"


def test_one_that_dies_under_a_question_is_asked_again(monkeypatch):
    body = f"""
asked = 0
def work(said, arrays):
    global asked
    asked += 1
    return {OWN_NUMBER} if asked == 1 else os._exit(9)
serve(work, 20)
"""
    worker = stand_in(monkeypatch, body)
    one, two = ask(worker), ask(worker)
    assert one != two and worker.process_id == int(two[0])
    os.kill(worker.process_id, signal.SIGKILL)
    assert ask(worker) not in (one, two)
    worker.close()
    assert worker.process_id is None


def test_one_that_nobody_asks_ends_and_comes_back(monkeypatch):
    worker = stand_in(monkeypatch, f"serve(lambda said, arrays: {OWN_NUMBER}, 0.3)")
    one = ask(worker)
    assert ask(worker) == one
    until = time.monotonic() + 20
    while worker.process_id and time.monotonic() < until:
        time.sleep(0.05)
    assert worker.process_id is None and ask(worker) != one
    worker.close()


def test_threads_get_each_their_own_answer(monkeypatch):
    worker = stand_in(monkeypatch, "serve(lambda said, arrays: arrays['images'] * 2, 20)")
    answers = {}

    def put(number):
        answers[number] = worker.ask({}, {"images": np.full(1000, number)})

    threads = [threading.Thread(target=put, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((answers[number] == 2 * number).all() for number in range(20))
    worker.close()


def test_one_that_takes_too_long_is_given_up(monkeypatch):
    worker = stand_in(monkeypatch, "time.sleep(60)", seconds=0.3)
    began = time.monotonic()
    with pytest.raises(BadModel, match="may take 0 s"):
        ask(worker)
    assert time.monotonic() - began < 10 and worker.process_id is None
    worker.close()


def test_asking_imports_no_tensorflow():
    code = (
        "import sys, fer_core.zoo.gradients, fer_core.inference.explanation, fer_core.evaluation.why;"
        "sys.exit(any(m.split('.')[0] in ('tensorflow', 'keras') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=workspace.SHIPPED_MODELS.parent).returncode == 0
