"""A stranger's model file: refused in words, or a model of the library that answers as it did."""

import json
import shutil
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest

from fer_core import cli, labels, workspace
from fer_core.errors import BadInput, BadModel, Conflict, StorageError
from fer_core.evaluation import golden
from fer_core.inference.predictor import Predictor
from fer_core.zoo import incoming, library, modelfile, process

keras = pytest.importorskip("keras")
from fer_core.zoo import import_worker  # noqa: E402

L = keras.layers


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    monkeypatch.setenv(incoming.ALLOWED_BY, "1")


@pytest.fixture
def here(monkeypatch):
    """The workers' work in this process, which has TensorFlow already; no limit on its memory."""
    monkeypatch.setattr(import_worker.resource, "setrlimit", lambda *limits: None)
    monkeypatch.setattr(import_worker, "PATIENCE", 3.0)

    def run(module, *arguments, progress=None, seconds=0):
        work = {"fer_core.zoo.modelfile": modelfile._work, "fer_core.zoo.import_worker": import_worker.main}
        return work[module]([str(a) for a in arguments], progress or (lambda *said: None))

    monkeypatch.setattr(process, "run", run)


@pytest.fixture(scope="module")
def known():
    return golden.faces(rounds=2)


def small(side=24, channels=1, outputs=7, last="softmax"):
    """A network as a notebook would make it."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((side, side, channels)),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(4),
            L.Flatten(),
            L.Dense(6, activation="relu"),
            L.Dropout(0.3),
            L.Dense(outputs, activation=last),
        ]
    )


def saved(network, tmp_path, name="model.h5"):
    network.save(tmp_path / name)
    return tmp_path / name


def declared(**changes):
    whole = incoming.Declared(
        labels.FER7.names, "grey", "0..1", "My first CNN", "FER2013 in a notebook", "MIT"
    )
    return replace(whole, **changes)


def test_without_the_owners_word_nothing_is_opened(monkeypatch, tmp_path, known):
    monkeypatch.setenv(incoming.ALLOWED_BY, "0")
    monkeypatch.setattr(process, "run", None)
    assert not incoming.allowed()
    with pytest.raises(BadInput, match=incoming.ALLOWED_BY):
        incoming.look(tmp_path / "model.h5", known.pictures)
    with pytest.raises(BadInput, match=incoming.ALLOWED_BY):
        incoming.store(tmp_path / "model.h5", None, declared())


@pytest.mark.parametrize(
    ("colour", "scale", "reference"),
    [
        ("rgb", "0..1", lambda x: x / 255),
        ("bgr", "-1..1", lambda x: x[..., ::-1] / 127.5 - 1),
        ("bgr", "0..255", lambda x: x[..., ::-1]),
        ("rgb", "imagenet", lambda x: keras.applications.imagenet_utils.preprocess_input(x, mode="torch")),
        # Keras turns RGB round by itself here.
        (
            "bgr",
            "imagenet_mean",
            lambda x: keras.applications.imagenet_utils.preprocess_input(x, mode="caffe"),
        ),
    ],
)
def test_the_declared_colours_and_scales_are_those_of_keras(colour, scale, reference):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype(np.float32)
    matrix, offset = incoming.mix(colour, scale, 3)
    assert np.allclose(pixels @ matrix + offset, reference(pixels.copy()), atol=1e-4)


def test_a_network_becomes_a_model_that_answers_as_it_did(here, tmp_path, known):
    """RGB reversed, logits, a network inside the network, layer names that serving uses itself."""
    inner = keras.Sequential(
        [keras.Input((24, 24, 3)), L.Conv2D(4, 3, name="embedding"), L.ReLU()], name="base"
    )
    images = keras.Input((24, 24, 3), name="images")
    one, two = L.GlobalAveragePooling2D()(inner(images)), L.GlobalMaxPooling2D()(inner(images))
    network = keras.Model(images, L.Dense(7, name="base_2")(L.Concatenate()([one, two])))
    path = saved(network, tmp_path, "model.keras")
    found = incoming.look(path, known.pictures)
    assert (found.side, found.channels, found.outputs, found.logits) == (24, 3, 7, True)
    assert set(found.answers) == {(c, s) for c in incoming.COLOURS for s in incoming.SCALES}
    card = incoming.store(path, found, declared(colour="bgr", scale="-1..1"))
    assert card == library.find("my_first_cnn").card
    assert card.labels.names == labels.FER7.names and card.training["dataset"] == "FER2013 in a notebook"
    predictor = Predictor.load(library.find(card.id).folder)
    batch = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), np.uint8)
    expected = network.predict_on_batch(batch[..., ::-1] / 127.5 - 1)
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    assert np.allclose(predictor.predict(batch), expected, atol=1e-4)
    assert predictor.embed(batch).shape == (6, 8)
    with pytest.raises(Conflict, match="given once"):
        incoming.store(path, found, declared())
    assert sorted(p.name for p in workspace.folder("models").iterdir()) == ["my_first_cnn"]


def keras_2(path):
    """The configuration as Keras 2 wrote it, in the words that Keras 3 no longer knows."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            settings = layer["config"]
            if layer["class_name"] in ("SeparableConv2D", "DepthwiseConv2D"):
                settings |= {"groups": 1, "kernel_initializer": "zeros", "kernel_regularizer": None}
                settings["kernel_constraint"] = None
            if layer["class_name"] == "BatchNormalization":
                settings["axis"] = [3]
            if layer["class_name"] == "RandomFlip":
                settings["rng_type"] = "stateful"
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.4.0"
    return path


def test_files_of_keras_2_are_read(tmp_path):
    images = keras.Input((24, 24, 1))
    x = L.BatchNormalization()(L.SeparableConv2D(4, 3)(L.RandomFlip("horizontal")(images)))
    x = L.GlobalAveragePooling2D()(L.Conv2D(7, 3)(L.DepthwiseConv2D(3)(x)))
    network = keras.Model(images, L.Activation("softmax")(x))
    path = keras_2(saved(network, tmp_path))
    with pytest.raises(TypeError):
        keras.saving.load_model(path, compile=False)
    batch = np.random.default_rng(0).random((3, 24, 24, 1), np.float32)
    got = import_worker.load(path).predict_on_batch(batch)
    assert np.allclose(got, network.predict_on_batch(batch), atol=1e-6)


def attribute(path, **changes):
    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            file.attrs.pop(name, None)
            if value is not None:
                file.attrs[name] = value
    return path


def linked(path, link):
    with h5py.File(path, "r+") as file:
        file["model_weights/more"] = link
    return path


def zipped(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def rezipped(tmp_path, change):
    """A real .keras with its description changed."""
    path = saved(small(), tmp_path, "model.keras")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["config.json"] = json.dumps(change(json.loads(entries["config.json"]))).encode()
    return zipped(path, **entries)


def as_layer(**layer):
    def change(config):
        config["config"]["layers"][1] |= layer
        return config

    return change


def with_lambda(tmp_path, name):
    network = keras.Sequential(
        [keras.Input((24, 24, 1)), L.Lambda(lambda x: x / 255), L.Flatten(), L.Dense(7)]
    )
    return saved(network, tmp_path, name)


def with_external(path):
    with h5py.File(path, "r+") as file:
        file.create_dataset("model_weights/e", (8,), "u1", external=[("/etc/passwd", 0, 8)])
    return path


def deep(count):
    return '{"a":' * count + "1" + "}" * count


BAD = {
    "not a model": (lambda t: written(t / "m.h5", b"just words"), "begins with b'just"),
    "empty": (lambda t: written(t / "m.h5", b""), "an empty file"),
    "a pickle": (lambda t: written(t / "m.keras", b"\x80\x04\x95"), "model.save"),
    "too large": (lambda t: sparse(t / "m.h5"), "at most 1,024 MB"),
    "cut off": (lambda t: written(t / "m.h5", saved(small(), t).read_bytes()[:9000]), "breaks off"),
    "cut zip": (lambda t: written(t / "m.keras", saved(small(), t, "x.keras").read_bytes()[:-40]), "damaged"),
    "lambda h5": (lambda t: with_lambda(t, "m.h5"), "Lambda"),
    "lambda keras": (lambda t: with_lambda(t, "m.keras"), "Lambda"),
    "weights only": (lambda t: saved_weights(small(), t / "m.weights.h5"), "weights without the network"),
    "no keras": (lambda t: attribute(saved(small(), t), model_config=None), "not made by Keras"),
    "keras 1": (lambda t: attribute(saved(small(), t), keras_version="1.2.2"), "Keras 1.2.2"),
    "no json": (lambda t: attribute(saved(small(), t), model_config="{"), "JSON"),
    "a list": (lambda t: attribute(saved(small(), t), model_config="[]"), "something else"),
    "deep": (lambda t: attribute(saved(small(), t), model_config=deep(300)), "usual size"),
    "soft link": (lambda t: linked(saved(small(), t), h5py.SoftLink("/")), "leads elsewhere"),
    "other file": (lambda t: linked(saved(small(), t), h5py.ExternalLink("/tmp/x", "/")), "leads elsewhere"),
    "external": (lambda t: with_external(saved(small(), t)), "itself, as numbers"),
    "another zip": (lambda t: zipped(t / "m.keras", **{"data.pkl": b"x"}), "data.pkl"),
    "zip bomb": (lambda t: bomb(t / "m.keras"), "unfolds to at most"),
    "custom": (lambda t: rezipped(t, as_layer(class_name="Mine", registered_name="Custom>Mine")), "Mine"),
    "module": (lambda t: rezipped(t, as_layer(module="os", class_name="Dense")), "os.Dense"),
    "function": (lambda t: rezipped(t, as_layer(config={"activation": {
        "module": "builtins", "class_name": "function", "config": "exec"}})), "builtins"),
    "registered": (lambda t: rezipped(t, as_layer(registered_name="evil>Conv2D")), "may be a program"),
}  # fmt: skip


def written(path, content):
    path.write_bytes(content)
    return path


def sparse(path):
    with path.open("wb") as file:
        file.truncate(modelfile.LARGEST + 1)
    return path


def saved_weights(network, path):
    network.save_weights(path)
    return path


def bomb(path):
    """A small zip that unfolds to a large file."""
    entries = {"metadata.json": b"{}", "config.json": b"{}"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.writestr("model.weights.h5", bytes(3 << 20))
    assert path.stat().st_size < 1 << 20
    return path


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_refused_in_words_before_keras_sees_them(what, tmp_path, monkeypatch):
    make, words = BAD[what]
    path = make(tmp_path)
    if what == "zip bomb":
        monkeypatch.setattr(modelfile, "LARGEST", 2 << 20)
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(BadInput, match=words.replace("(", r"\(")) as refused:
        modelfile.check(path)
    assert "Received" in str(refused.value) and "Traceback" not in str(refused.value)


NETWORKS = {
    "not square": lambda: keras.Sequential([keras.Input((24, 20, 1)), L.Flatten(), L.Dense(7)]),
    "of any size": lambda: keras.Sequential(
        [keras.Input((None, None, 1)), L.Conv2D(7, 3), L.GlobalAveragePooling2D()]
    ),
    "no pictures": lambda: keras.Sequential([keras.Input((24,)), L.Dense(7)]),
    "flat pictures": lambda: keras.Sequential([keras.Input((24, 24)), L.Flatten(), L.Dense(7)]),
    "two inputs": lambda: two_inputs(),
    "one output": lambda: small(outputs=1, last="sigmoid"),
    "a map": lambda: keras.Sequential([keras.Input((24, 24, 1)), L.Conv2D(7, 3)]),
    "sigmoids": lambda: small(last="sigmoid"),
    "one layer": lambda: keras.Sequential([keras.Input((24, 24, 1)), L.GlobalAveragePooling2D()]),
}


def two_inputs():
    images, points = keras.Input((24, 24, 1)), keras.Input((68, 2))
    seen = L.Concatenate()([L.Flatten()(images), L.Flatten()(points)])
    return keras.Model([images, points], L.Dense(7)(seen))


@pytest.mark.parametrize("what", NETWORKS)
def test_networks_that_do_not_tell_expressions_of_pictures_are_refused(what, here, tmp_path, known):
    path = saved(NETWORKS[what](), tmp_path)
    with pytest.raises(BadInput, match="A model"):
        incoming.look(path, known.pictures)


def test_damaged_weights_are_noticed(here, tmp_path, known):
    network = small()
    network.layers[-1].set_weights([w * np.nan for w in network.layers[-1].get_weights()])
    with pytest.raises(BadInput, match="damaged"):
        incoming.look(saved(network, tmp_path), known.pictures)


def test_a_description_that_keras_cannot_build_is_refused(here, tmp_path, known):
    path = rezipped(tmp_path, as_layer(config={"filters": -3, "kernel_size": [3, 3]}))
    with pytest.raises(BadInput, match="must load in Keras"):
        incoming.look(path, known.pictures)


def test_what_does_not_fit_into_memory_is_told_from_what_is_broken(tmp_path, monkeypatch):
    def grows(*given, **options):
        raise RuntimeError("OOM when allocating tensor")

    path = saved(small(), tmp_path)
    monkeypatch.setattr(keras.saving, "load_model", grows)
    with pytest.raises(MemoryError):
        import_worker.load(path)


def found(**changes):
    answers = {("grey", scale): np.zeros((3, 7), np.float32) for scale in incoming.SCALES}
    return replace(incoming.Found("h5", 24, 1, 7, 100, False, False, answers), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": ("happy", "sad")}, "2 names for 7 outputs"),
        ({"names": ("happy", "joy", "sad", "fear", "angry", "neutral", "disgust")}, "name of its own"),
        ({"colour": "bgr"}, "the colour is one of grey"),
        ({"scale": "0..2"}, "the scale is one of"),
        ({"title": "???"}, "letters or digits"),
        ({"trained_on": " "}, "trained on"),
        ({"licence": ""}, "a licence"),
    ],
)
def test_what_does_not_fit_or_is_missing_is_named(changes, words):
    with pytest.raises(BadInput, match=words):
        incoming.fits(found(), declared(**changes))


def test_a_shipped_models_name_is_taken_and_a_failed_worker_leaves_nothing(monkeypatch, tmp_path):
    with pytest.raises(Conflict, match="given once"):
        incoming.store(tmp_path / "m.h5", found(), declared(title=library.DEFAULT))

    def dies(*arguments, **options):
        raise BadModel("It died.")

    monkeypatch.setattr(process, "run", dies)
    with pytest.raises(BadModel):
        incoming.store(tmp_path / "m.h5", found(), declared())

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process, "run", full)
    with pytest.raises(StorageError, match="No space left"):
        incoming.store(tmp_path / "m.h5", found(), declared())
    assert list(workspace.folder("models").iterdir()) == []


def test_golden_faces_are_one_photo_and_every_expression_of_each_person(known):
    assert known.pictures.shape == (1 + 2 * 8, golden.SIDE, golden.SIDE, 3)
    assert known.truth[0] == "happy" and known.truth.count("contempt") == 2
    predictor = Predictor.load(library.find(library.default_id()).folder)
    first = known.pictures[0].mean(axis=2)
    assert 20 < first.std(), "a face and no empty square"
    assert len(predictor.labels) == 8


def test_another_scale_or_order_is_named_only_where_it_is_clearly_better():
    """49 faces: under (grey, 0..1) a perfect network in another order; under -1..1 always the first class."""
    names = labels.FER7.names
    truth = tuple(names[i % 7] for i in range(49))
    affectnet = golden.usual_orders(names)["AffectNet's order"]
    perfect = np.eye(7)[[affectnet.index(name) for name in truth]]
    answers = {("grey", "0..1"): perfect, ("grey", "-1..1"): np.eye(7)[[0] * 49]}
    wrong = golden.fit(answers, ("grey", "-1..1"), names, truth)
    assert wrong.accuracy == pytest.approx(1 / 7)
    best, *_ = golden.better(answers, wrong, truth)
    assert (best.way, best.names, best.accuracy) == (("grey", "0..1"), affectnet, 1.0)
    assert golden.better(answers, best, truth) == []
    nearly = {("grey", "0..1"): perfect, ("grey", "-1..1"): np.roll(perfect, 1, axis=0) * 0.1 + perfect}
    assert golden.better(nearly, golden.fit(nearly, ("grey", "0..1"), affectnet, truth), truth) == []


def test_the_shipped_model_fits_its_own_settings_on_golden_faces(here, tmp_path):
    """The whole road with real weights: its own rescaling layer wants 0..255, and the hint says so."""
    known = golden.faces()
    path = tmp_path / "model.keras"
    shutil.copyfile(workspace.SHIPPED_MODELS / "mini_xception_raw" / "model.keras", path)
    found = incoming.look(path, known.pictures)
    assert found.rescales and not found.logits
    fits = {way: golden.fit(found.answers, way, labels.FER7.names, known.truth) for way in found.answers}
    assert fits["grey", "0..255"].accuracy > fits["grey", "0..1"].accuracy


def test_the_command_looks_and_then_imports(here, tmp_path, capsys):
    path = saved(small(), tmp_path)
    assert cli.main(["import-model", str(path)]) == 0
    assert "24 × 24 px, 1 channels, 7 outputs" in capsys.readouterr().out
    call = ["import-model", str(path), "--classes", ",".join(labels.FER7.names), "--title", "From a notebook"]
    assert cli.main(call) == 1
    assert "what it was trained on" in capsys.readouterr().err
    assert cli.main([*call, "--trained-on", "FER2013", "--licence", "MIT"]) == 0
    assert "in the library as from_a_notebook" in capsys.readouterr().out
    assert library.find("from_a_notebook").card.spec == incoming.SPEC
    assert cli.main(["import-model", str(tmp_path / "none.h5")]) == 1


def test_in_processes_of_its_own(tmp_path):
    """Once for real: refused by the first process, and loaded and stored by the second."""
    with pytest.raises(BadInput, match="Lambda"):
        incoming.look(with_lambda(tmp_path, "lambda.keras"), np.zeros((9, 96, 96, 3), np.uint8))
    found = incoming.look(saved(small(), tmp_path), np.zeros((9, 96, 96, 3), np.uint8))
    assert found.outputs == 7 and found.answers["grey", "0..1"].shape == (9, 7)
