"""A taught model in the library: the network of its base, a head, and a card that says so."""

import errno
import os
import secrets
import shutil
from pathlib import Path

import numpy as np

from fer_core import workspace
from fer_core.errors import BadInput, BadModel, Conflict, FerError, StorageError
from fer_core.inference.predictor import Predictor
from fer_core.zoo import card as cards
from fer_core.zoo import library
from fer_core.zoo.card import Card
from fer_core.zoo.head import Head

SPEC = "taught"
"""What stands for a network on the card of a taught model."""

_TAKEN_MEANWHILE = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)
"""What a rename says where somebody else was quicker; a full disk says otherwise."""


def bases() -> list[Card]:
    """The models whose features can be used: all that are no taught ones themselves."""
    return [entry.card for entry in library.entries() if entry.card and not entry.card.taught]


def base(model_id: str, predictor: Predictor | None = None) -> Predictor:
    """The model to teach on: the one of that id, or `predictor` where it is loaded already.

    Raises:
        NotFound, BadModel: no such model, or one that cannot be used.
        BadInput: it is a taught model itself.
    """
    card = predictor.card if predictor else library.find(model_id).card
    if card is not None and card.taught:
        raise BadInput(
            f"Models are taught on top of a network. Received: {card.id}, which was taught itself. "
            "Choose the model that it was taught on."
        )
    return predictor or Predictor.load(library.find(model_id).folder)


def taught_on(card: Card) -> dict:
    """What a taught model's card keeps of its base's training: which pictures the network has seen."""
    return {key: value for key, value in card.training.items() if key not in ("run", "imported")}


def store(card: Card, head: Head, predictor: Predictor, made_of: str) -> Card:
    """Put a taught model into the library, whole or not at all; the one that was made of the same before
    is replaced.

    Args:
        card: with its own id, and under "taught" in `training` what it was "made_of".
        predictor: its base.
        made_of: what its card must say for a model of that id to be replaced.

    Raises:
        Conflict: another model has that id, or it is being taught at this moment.
        BadModel: the base was replaced meanwhile, or the files do not answer as they must.
        StorageError: the disk is full.
    """
    destination = workspace.folder("models") / card.id
    card.training["taught"]["version"] = _version(destination, made_of)
    part = destination.with_name(f".{card.id}.{secrets.token_hex(4)}.part")
    gone = part.with_suffix(".gone")
    try:
        part.mkdir()
        entry = library.find(predictor.card.id)
        shutil.copyfile(entry.folder / "model.tflite", part / "model.tflite")
        if cards.sha256(part / "model.tflite") != predictor.card.files["model.tflite"]:
            raise BadModel(
                f"A base keeps its files while it is taught on. Received: {predictor.card.id}, which was "
                "replaced. Teach again."
            )
        head.save(part / cards.HEAD)
        _write_probe(entry.folder, card, head, predictor, part)
        card = card.write(part)
        # Proof that what lies on the disk is what was taught.
        Predictor.load(part)
        if destination.exists():
            os.rename(destination, gone)
        os.rename(part, destination)
    except OSError as error:
        if gone.exists() and not destination.exists():
            os.rename(gone, destination)
        if error.errno in _TAKEN_MEANWHILE:
            raise Conflict(
                f"A model is taught by one at a time. Received: {card.id}, which somebody else is teaching. "
                "Try again."
            ) from error
        raise StorageError(
            f"A model needs room in the workspace. Received: {error.strerror}. Free some space and retry."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(gone, ignore_errors=True)
    return card


def _write_probe(folder: Path, card: Card, head: Head, predictor: Predictor, part: Path) -> None:
    """The base's stored inputs with the taught answers."""
    with np.load(folder / "probe.npz") as probe:
        kept = {name: probe[name] for name in probe.files}
    answers = predictor.taught(card, head).one_way(kept["inputs"], kept.get("landmarks"))
    kept |= dict.fromkeys({"probabilities", "served"} & kept.keys(), answers)
    np.savez_compressed(part / "probe.npz", allow_pickle=False, **kept)


def _version(destination: Path, made_of: str) -> int:
    """The number of the model that is about to be stored: one more than that of the one it replaces."""
    if (workspace.SHIPPED_MODELS / destination.name).exists():
        raise _taken(destination.name)
    if not destination.exists():
        return 1
    try:
        there = cards.read(destination)
    except FerError as error:
        raise _taken(destination.name) from error
    taught = there.training.get("taught", {})
    if taught.get("made_of") != made_of:
        raise _taken(destination.name)
    return int(taught.get("version", 1)) + 1


def _taken(model_id: str) -> Conflict:
    return Conflict(
        f"A model's name is given once. Received: {model_id!r}, which another model has. Choose another name."
    )
