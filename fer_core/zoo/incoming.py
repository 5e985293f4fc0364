"""A user's own .h5 or .keras becomes a model of the library, where the owner has allowed it.

A model file is a program, so nothing of it is opened in the app's process: `modelfile` reads it first in
a process of its own, then `import_worker` loads it in another. What the file cannot say (the order of the
classes, the colours, the scale of the values) its owner declares; it is put inside the saved network.
"""

import os
import re
import secrets
import shutil
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fer_core import labels, workspace
from fer_core.errors import BadInput, Conflict, StorageError
from fer_core.imaging.preprocess import InputSpec
from fer_core.zoo import process
from fer_core.zoo.card import Card
from fer_core.zoo.process import Progress

ALLOWED_BY = "FER_ALLOW_MODEL_IMPORT"
"""The environment variable that is 1 where the owner allows it."""

SPEC = "imported"
"""Stands on the card in place of a registered network."""

COLOURS: Mapping[str, str] = MappingProxyType({"grey": "grey", "rgb": "RGB", "bgr": "BGR (OpenCV's order)"})
SCALES: Mapping[str, str] = MappingProxyType(
    {
        "0..1": "0 to 1 (divided by 255)",
        "-1..1": "-1 to 1",
        "0..255": "0 to 255 (as it is, or rescaled inside the network)",
        "imagenet": "ImageNet's mean and deviation",
        "imagenet_mean": "ImageNet's mean taken off (VGG and ResNet in Keras)",
    }
)

_CHECKER, _WORKER = "fer_core.zoo.modelfile", "fer_core.zoo.import_worker"

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_MEAN_255 = np.array([123.68, 116.779, 103.939])
"""Of ImageNet's R, G, B. Source: keras.applications' preprocess_input, modes "torch" and "caffe"."""

_LIMITATIONS = [
    "It was made elsewhere and has not been measured here: measure it on a dataset before you trust it.",
    "Its percentages are not calibrated: they may promise too much.",
    "It sees the picture of a face, not a feeling: people show less, more and other than they feel.",
    "Not for decisions about people; in the EU not for use on people at work or in education "
    "(AI Act, Art. 5(1)(f)).",
]


@dataclass(frozen=True, eq=False)
class Found:
    """What a file turned out to hold.

    Attributes:
        kind: "h5" or "keras".
        side: px of its square input.
        channels: of its input, 1 or 3.
        outputs: number of classes.
        logits: its answers are made probabilities with a softmax here.
        rescales: it has a layer that rescales, so it probably wants 0..255.
        answers: (N, outputs) float32 probabilities for the first N golden faces, under each colour and scale.
    """

    kind: str
    side: int
    channels: int
    outputs: int
    parameters: int
    logits: bool
    rescales: bool
    answers: dict[tuple[str, str], np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class Declared:
    """What a file cannot say.

    Attributes:
        names: the classes in the order of the outputs.
        colour, scale: keys of COLOURS and SCALES.
        title: its name for people; its id is made from it.
        trained_on: in the owner's words.
        licence: of the weights.
    """

    names: tuple[str, ...]
    colour: str
    scale: str
    title: str
    trained_on: str
    licence: str

    @property
    def id(self) -> str:
        """Folder name in the library: lower-case letters, digits, - and _."""
        plain = unicodedata.normalize("NFKD", self.title).encode("ascii", "ignore").decode().lower()
        return re.sub(r"[^a-z0-9-]+", "_", plain).strip("_-")[:60]


def allowed() -> bool:
    """Whether the owner of this installation lets model files in."""
    return os.environ.get(ALLOWED_BY) == "1"


def colours(channels: int) -> tuple[str, ...]:
    """The colours that an input of so many channels may have been made for."""
    return ("grey",) if channels == 1 else ("rgb", "bgr", "grey")


def mix(colour: str, scale: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """What a declared colour and scale do to a pixel: values @ matrix + offset.

    Args:
        channels: that the network takes.

    Returns:
        (1 or 3, channels) float32 for grey or RGB 0..255, and (channels,) float32.
    """
    order = [2, 1, 0] if colour == "bgr" else [0, 1, 2]
    spread = np.ones((1, channels)) if colour == "grey" else np.eye(3)[:, order]
    if channels == 1:
        mean, deviation, mean_255 = (np.array([v.mean()]) for v in (_MEAN, _DEVIATION, _MEAN_255))
    else:
        mean, deviation, mean_255 = _MEAN[order], _DEVIATION[order], _MEAN_255[order]
    one = np.ones(channels)
    factor, offset = {
        "0..1": (one / 255, 0 * one),
        "-1..1": (one / 127.5, -one),
        "0..255": (one, 0 * one),
        "imagenet": (1 / (255 * deviation), -mean / deviation),
        "imagenet_mean": (one, -mean_255),
    }[scale]
    return (spread * factor).astype(np.float32), offset.astype(np.float32)


def look(path: Path, faces: np.ndarray, progress: Progress | None = None) -> Found:
    """Check a file, load it in a worker, and hear its answers to some faces under every colour and scale.

    Args:
        faces: (N, S, S, 3) uint8 RGB; on a slow network the first of them have to do.

    Raises:
        BadInput: importing is not allowed here, or the file is no model that can be used.
        BadModel: the worker died over it, or took too long.
    """
    _must_be_allowed()
    process.run(_CHECKER, path, progress=progress, seconds=60)
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/faces.npy", faces)
        told = process.run(_WORKER, "look", path, scratch, progress=progress)
        with np.load(f"{scratch}/answers.npz") as answers:
            heard = {tuple(name.split("|")): answers[name] for name in answers.files}
    return Found(**told, answers={(colour, scale): got for (colour, scale), got in heard.items()})


def fits(found: Found, declared: Declared) -> labels.LabelSet:
    """The declared classes, once all that was declared fits the file.

    Raises:
        BadInput: it does not, or something is missing.
    """
    if len(declared.names) != found.outputs:
        raise BadInput(
            f"Each output is one class. Received: {len(declared.names)} names for {found.outputs} outputs. "
            "Name all of them, in their order."
        )
    names = labels.custom(declared.names, SPEC)
    if len(names) != found.outputs:
        raise BadInput(f"Each class has a name of its own. Received: {', '.join(declared.names)}.")
    possible = colours(found.channels)
    rules = {
        f"the colour is one of {', '.join(possible)}": declared.colour in possible,
        f"the scale is one of {', '.join(SCALES)}": declared.scale in SCALES,
        "a name with letters or digits": bool(declared.id),
        "what it was trained on": bool(declared.trained_on.strip()),
        "a licence": bool(declared.licence.strip()),
    }
    missing = [rule for rule, kept in rules.items() if not kept]
    if missing:
        raise BadInput(f"An import is declared in full. Received: not ({'; '.join(missing)}).")
    return names


def store(path: Path, found: Found, declared: Declared, progress: Progress | None = None) -> Card:
    """Put a file into the library as a whole model folder, or not at all.

    Raises:
        BadInput: what was declared does not fit the file.
        Conflict: a model of that name is there already.
        BadModel: the network answers differently inside its new file.
        StorageError: the disk is full.
    """
    _must_be_allowed()
    names = fits(found, declared)
    base = workspace.folder("models")
    destination = base / declared.id
    if destination.exists() or (workspace.SHIPPED_MODELS / declared.id).exists():
        raise _taken(declared.id)
    grey = declared.colour == "grey"
    card = Card(
        id=declared.id,
        title=declared.title.strip(),
        spec=SPEC,
        labels=names,
        input=InputSpec(found.side, found.side, channels=1 if grey else 3),
        parameters=found.parameters,
        training={
            "dataset": declared.trained_on.strip(),
            "imported": {
                "file": path.name,
                "kind": found.kind,
                "colour": declared.colour,
                "scale": declared.scale,
            },
        },
        limitations=_LIMITATIONS,
        licence={"weights": declared.licence.strip(), "data": f"that of {declared.trained_on.strip()}"},
    )
    part = base / f".{declared.id}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        told = process.run(
            _WORKER, "store", path, part, declared.colour, declared.scale, found.outputs, progress=progress
        )
        card = replace(card, environment=told["environment"]).write(part)
        os.rename(part, destination)
    except OSError as error:
        if destination.exists():
            raise _taken(declared.id) from error
        raise StorageError(
            f"A model needs room in the workspace. Received: {error.strerror}. Free some space and retry."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return card


def _taken(model_id: str) -> Conflict:
    return Conflict(f"A model's name is given once. Received: {model_id!r}. Choose another.")


def _must_be_allowed() -> None:
    if not allowed():
        raise BadInput(
            "Model files are let in only where the owner of this installation allows it: a model file is a "
            f"program. Received: {ALLOWED_BY} is not 1. Set it and start again."
        )
