"""A finished model in another form: `python -m fer_core.zoo.export_worker FOLDER FORM TARGET [EVENTS LOGS]`.

Runs in a process of its own; fer_core.zoo.export starts it.
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from fer_core.errors import BadModel
from fer_core.zoo import card as cards
from fer_core.zoo import litert, process, specs
from fer_core.zoo.process import Progress

TOLERANCE = 1e-3
"""Largest difference from the stored answers that passes: other processors round differently; a wrong
order, scale or file differs by far more."""


def work(arguments: list[str], progress: Progress) -> dict:
    """Write one form of a model and replay the probe in that form's own runtime.

    Returns:
        "difference" (largest from the stored answers), "from_served" (how far those are from what the
        application answers, where it is served in bytes), "probes" (how many), "inputs" (their names in the
        file) and "runtime" (name and version of what replayed them).

    Raises:
        BadModel: the file answers differently from the model.
    """
    folder, form, target = Path(arguments[0]), arguments[1], Path(arguments[2])
    card = cards.read(folder)
    cards.verify(folder, card)
    output = specs.TASKS[card.task].output
    with np.load(folder / "probe.npz") as probe:
        served = probe["served" if "served" in probe else "probabilities"]
        expected = served if form == "litert" else probe["probabilities"]
        given = [probe["inputs"].astype(np.float32)]
        given += [probe["landmarks"].astype(np.float32)] if card.input.landmarks else []
    progress(1, 4, "reading the network")
    network = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    progress(2, 4, "writing the file")
    _write(network, output, folder, form, target)
    if len(arguments) > 3:
        write_log(Path(arguments[3]), Path(arguments[4]))
    progress(3, 4, "replaying the probe")
    got, names, runtime = _answers(form, target, given, output)
    worst = float(np.abs(got - expected).max()) if got.shape == expected.shape else float("inf")
    if not worst <= TOLERANCE:
        raise BadModel(
            f"A file must answer as the model does, within {TOLERANCE}. Received: {card.id} as {form}, "
            f"off by {worst:.2g}. It is not offered; choose another form."
        )
    apart = float(np.abs(expected - served).max())
    return {
        "difference": worst,
        "from_served": apart,
        "probes": len(expected),
        "inputs": names,
        "runtime": runtime,
    }


def write_log(events: Path, folder: Path) -> None:
    """The figures of each epoch of a run as TensorBoard reads them.

    Written as records, because tf.summary needs TensorBoard itself to be installed.

    Args:
        events: a run's events.jsonl.
        folder: the file is made in here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    epochs = [e for e in map(json.loads, events.read_text("utf-8").splitlines()) if e.get("kind") == "epoch"]
    began = epochs[0]["at"] if epochs else 0.0
    record, value = tf.compat.v1.Event, tf.compat.v1.Summary.Value
    with tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{began:.0f}.fer-studio")) as writer:
        writer.write(record(wall_time=began, file_version="brain.Event:2").SerializeToString())
        for event in epochs:
            figures = [
                value(tag=name, simple_value=number)
                for name, number in event.items()
                if isinstance(number, int | float)
                and not isinstance(number, bool)
                and name not in ("at", "epoch", "epochs")
            ]
            summary = tf.compat.v1.Summary(value=figures)
            step = event["epoch"] + 1
            writer.write(record(wall_time=event["at"], step=step, summary=summary).SerializeToString())


def _write(network: keras.Model, output: str, folder: Path, form: str, target: Path) -> None:
    if form == "h5":
        network.save(target)
    elif form == "onnx":
        serving = keras.Model(network.inputs, {output: network.output})
        # Keras exports only what was called once.
        serving([np.zeros((1, *tensor.shape[1:]), np.float32) for tensor in network.inputs])
        with warnings.catch_warnings():
            # Keras' own, when it lends tf2onnx the names that numpy dropped.
            warnings.simplefilter("ignore", FutureWarning)
            serving.export(target, format="onnx", verbose=False)
    else:
        shutil.copyfile(folder / {"keras": "model.keras", "litert": "model.tflite"}[form], target)


def _answers(
    form: str, path: Path, given: list[np.ndarray], output: str
) -> tuple[np.ndarray, list[str], dict[str, str]]:
    """Answers of the written file, the names of its inputs (pictures first), and what ran it."""
    if form == "litert":
        from ai_edge_litert import __version__ as version
        from ai_edge_litert.interpreter import Interpreter

        names = sorted(Interpreter(str(path)).get_signature_runner().get_input_details())
        points = given[1] if len(given) > 1 else None
        answers = litert.Network(path).run(given[0], (output,), points)[output]
        return answers, names, {"ai-edge-litert": version}
    if form == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        # Pictures have four dimensions, landmarks three.
        names = [i.name for i in sorted(session.get_inputs(), key=lambda i: -len(i.shape))]
        answers = session.run(None, dict(zip(names, given, strict=True)))[0]
        return answers, names, {"onnxruntime": onnxruntime.__version__}
    network = keras.saving.load_model(path, compile=False, safe_mode=True)
    answers = np.asarray(network.predict_on_batch(given if len(given) > 1 else given[0]))
    return answers, [tensor.name for tensor in network.inputs], {"keras": keras.__version__}


if __name__ == "__main__":
    sys.exit(process.serve(work))
