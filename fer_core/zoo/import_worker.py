"""A stranger's network, loaded: `python -m fer_core.zoo.import_worker look|store …`.

Runs in a process of its own, after modelfile has checked the file; fer_core.zoo.incoming starts it.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from fer_core.errors import BadInput, BadModel
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.zoo import convert, incoming, modelfile, process
from fer_core.zoo.process import Progress
from fer_core.zoo.specs import EXPRESSION

PATIENCE = 40.0
"""s for the answers to the golden faces; a slow network hears fewer of them."""

_FEWEST = 9
_BATCH = 8
_NEAR = 1e-3
"""How far from 1 a row of probabilities may sum."""


def main(arguments: list[str], progress: Progress) -> dict:
    """Do what the first argument says; see `look` and `store`."""
    # A network that names absurd sizes must not take the whole computer with it.
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (max(4 << 30, pages // 2),) * 2)
    progress(0, None, "loading the network")
    network = load(Path(arguments[1]))
    if arguments[0] == "look":
        return look(network, Path(arguments[1]), Path(arguments[2]), progress)
    return store(network, Path(arguments[2]), arguments[3], arguments[4], int(arguments[5]), progress)


def load(path: Path) -> keras.Model:
    """The network of a checked file, one picture in and one answer out.

    Raises:
        BadInput: it cannot be built, or is not a classifier of square pictures.
    """
    checked = modelfile.check(path)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / f"model.{checked.kind}"
        shutil.copyfile(path, copy)
        try:
            if checked.kind == "h5":
                with h5py.File(copy, "r+") as file:
                    file.attrs["model_config"] = json.dumps(checked.config).encode()
            network = keras.saving.load_model(copy, compile=False, safe_mode=True)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a foreign file can make Keras raise anything)
            if "OOM" in str(error):
                raise MemoryError from error
            raise BadInput(
                f"A model must load in Keras {keras.__version__}. Received: {process.in_short(error)}. "
                "Load it where it was made and save it again."
            ) from error
    _must_classify_pictures(network)
    return network


def look(network: keras.Model, path: Path, scratch: Path, progress: Progress) -> dict:
    """What the network is; its answers to scratch/faces.npy go to scratch/answers.npz.

    Returns:
        The fields of incoming.Found, but for the answers.
    """
    _, side, _, channels = network.input_shape
    faces = np.load(scratch / "faces.npy")
    ways = [(colour, scale) for colour in incoming.colours(channels) for scale in incoming.SCALES]
    seen = {grey: _inputs(faces, side, grey) for grey in {colour == "grey" for colour, _ in ways}}
    logits = _gives_logits(network)
    count = int(np.clip(PATIENCE / _seconds_a_face(network) / len(ways), _FEWEST, len(faces)))
    answers: dict[str, Any] = {}
    for done, (colour, scale) in enumerate(ways):
        progress(done, len(ways), f"reading {count} faces, {colour}, {scale}")
        matrix, offset = incoming.mix(colour, scale, channels)
        values = seen[colour == "grey"][:count] @ matrix + offset
        parts = (values[first : first + _BATCH] for first in range(0, count, _BATCH))
        raw = np.concatenate([network.predict_on_batch(part) for part in parts])
        answers[f"{colour}|{scale}"] = _softmax(raw) if logits else raw
    np.savez(scratch / "answers.npz", **answers)
    kinds = {type(layer).__name__ for layer in network._flatten_layers()}
    return {
        "kind": modelfile.check(path).kind,
        "side": side,
        "channels": channels,
        "outputs": network.output_shape[-1],
        "parameters": network.count_params(),
        "logits": logits,
        "rescales": bool(kinds & {"Rescaling", "Normalization"}),
    }


def store(
    network: keras.Model, folder: Path, colour: str, scale: str, outputs: int, progress: Progress
) -> dict:
    """Write model.keras, model.tflite and probe.npz for 0..255 grey or RGB.

    Raises:
        BadInput: the file is not the one that was looked at.
        BadModel: the new network answers differently from the old one.
    """
    _, side, _, channels = network.input_shape
    if network.output_shape[-1] != outputs:
        raise BadInput(
            f"The file must be the one that was looked at. Received: {network.output_shape[-1]} outputs."
        )
    progress(1, 3, "putting the declared colours and scale inside")
    whole = wrapped(network, colour, scale, _gives_logits(network))
    spec = InputSpec(side, side, channels=whole.input_shape[-1])
    probe = convert.probe_inputs(spec)
    matrix, offset = incoming.mix(colour, scale, channels)
    expected = network.predict_on_batch(probe.astype(np.float32) @ matrix + offset)
    expected = _softmax(expected) if _gives_logits(network) else expected
    worst = float(np.abs(whole.predict_on_batch(probe.astype(np.float32)) - expected).max())
    if not worst <= convert.TOLERANCE:
        raise BadModel(
            f"The stored network must answer as the file does. Received: a difference of {worst:.2g}. "
            "It was not stored."
        )
    progress(2, 3, "converting and checking, which takes longest")
    convert.write_model(whole, EXPRESSION, probe, folder)
    return {"environment": {"keras": keras.__version__, "numpy": np.__version__}}


def wrapped(network: keras.Model, colour: str, scale: str, logits: bool) -> keras.Model:
    """The flat network from (N, H, W, 1 or 3) 0..255 to probabilities, with the layers that serving reads.

    The declared colours and scale are one fixed 1x1 convolution: it can repeat grey three times, turn RGB
    round and rescale, and every file format knows it.
    """
    _, side, _, channels = network.input_shape
    matrix, offset = incoming.mix(colour, scale, channels)
    images = keras.Input((side, side, matrix.shape[0]), name="images")
    declared = keras.layers.Conv2D(channels, 1, trainable=False)
    answer = _apply(network, declared(images))
    declared.set_weights([matrix[None, None], offset])
    if logits:
        answer = keras.layers.Softmax(dtype="float32")(answer)
    _name_layers(answer, {declared: "as_declared"})
    shared = keras.Model(images, answer)
    # Its layers are parts of the old network too, and have two outputs each: a copy has one.
    own = keras.models.clone_model(shared)
    own.set_weights(shared.get_weights())
    return own


def _must_classify_pictures(network: keras.Model) -> None:
    inputs, outputs = getattr(network, "inputs", None) or [], getattr(network, "outputs", None) or []
    shape = tuple(inputs[0].shape) if len(inputs) == 1 else ()
    if len(inputs) != 1 or len(outputs) != 1:
        problem = f"{len(inputs)} inputs and {len(outputs)} outputs"
    elif len(shape) != 4 or shape[3] not in (1, 3):
        problem = f"an input of shape {shape[1:]}"
    elif shape[1] is None or shape[1] != shape[2]:
        problem = f"pictures of {shape[1] or 'any'} × {shape[2] or 'any'} px"
    elif not 8 <= shape[1] <= 1024:
        problem = f"pictures of {shape[1]} px"
    elif len(outputs[0].shape) != 2 or not 2 <= (outputs[0].shape[1] or 0) <= 1000:
        problem = f"an answer of shape {tuple(outputs[0].shape[1:])}"
    else:
        return
    raise BadInput(
        "A model takes one square picture of a fixed size (8 to 1024 px, 1 or 3 channels last) and answers "
        f"with one number for each of two or more classes. Received: {problem}."
    )


def _gives_logits(network: keras.Model) -> bool:
    """Whether the answers still want a softmax.

    Raises:
        BadInput: they are neither probabilities of classes nor logits.
    """
    shape = (2, *network.input_shape[1:])
    answers = network.predict_on_batch(np.random.default_rng(0).random(shape, np.float32))
    if not np.isfinite(answers).all():
        raise BadInput("A model answers with numbers. Received: infinities or none; its weights are damaged.")
    if (answers >= 0).all() and np.abs(answers.sum(axis=1) - 1).max() < _NEAR:
        return False
    last = network.outputs[0]._keras_history.operation
    while isinstance(last, keras.Model):
        last = last.outputs[0]._keras_history.operation
    activation = getattr(last, "activation", keras.activations.linear)
    if activation is not keras.activations.linear:
        raise BadInput(
            "A model's answers are probabilities of classes (softmax) or the logits before it. "
            f"Received: {getattr(activation, '__name__', 'others')}. "
            "Give the network a softmax and save it again."
        )
    return True


def _seconds_a_face(network: keras.Model) -> float:
    batch = np.zeros((_BATCH, *network.input_shape[1:]), np.float32)
    network.predict_on_batch(batch)  # the first call also compiles
    began = time.perf_counter()
    network.predict_on_batch(batch)
    return max(time.perf_counter() - began, 1e-3) / _BATCH


def _apply(layer: keras.Layer, *values: object, **options: object) -> object:
    """Call a layer; of a network inside the network its layers one by one, so that the whole is flat."""
    if isinstance(layer, keras.Sequential):
        (value,) = values
        for inner in layer.layers:
            value = _apply(inner, value)
        return value
    if isinstance(layer, keras.Model):
        flat = keras.models.clone_model(layer, clone_function=lambda inner: inner, call_function=_apply)
        return flat.call(*values, **options)
    return layer(*values, **options)


def _name_layers(answer: keras.KerasTensor, named: dict) -> None:
    """Give every layer on the way to the answer a name of its own, two of them those that serving reads."""
    tensors = _before(answer)
    classes = answer.shape[-1]
    flat = [t for t in tensors[:-1] if len(t.shape) == 2]
    # Where the network is convolutions to the end, the last 2-D tensor is the logits themselves.
    embedding = next((t for t in reversed(flat) if t.shape[-1] != classes), flat[-1] if flat else None)
    feature_map = next((t for t in reversed(tensors) if len(t.shape) == 4), None)
    if embedding is None or feature_map is None:
        raise BadInput("A model has a layer of features before its answer. Received: a single layer.")
    wanted = {
        embedding._keras_history.operation: "embedding",
        feature_map._keras_history.operation: "feature_map",
    }
    layers = [t._keras_history.operation for t in tensors]
    taken = {*wanted.values(), *named.values()}
    for number, layer in enumerate(dict.fromkeys(layers)):
        name = wanted.get(layer) or named.get(layer)
        layer.name = name or (f"{layer.name}_{number}" if layer.name in taken else layer.name)
        taken.add(layer.name)


def _before(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    """All tensors that lead to one, each after those that it is made of; itself last."""
    order: dict[int, keras.KerasTensor] = {}
    left = [(tensor, False)]
    while left:
        current, ready = left.pop()
        if id(current) in order:
            continue
        if ready:
            order[id(current)] = current
            continue
        left.append((current, True))
        history = current._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        left.extend((parent, False) for parent in node.input_tensors)
    return list(order.values())


def _inputs(faces: np.ndarray, side: int, grey: bool) -> np.ndarray:
    """(N, side, side, 1 or 3) float32 0..255, by the one road into a network."""
    spec = InputSpec(side, side, channels=1 if grey else 3)
    return np.stack([to_input(face, None, spec) for face in faces]).astype(np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    sys.exit(process.serve(main))
