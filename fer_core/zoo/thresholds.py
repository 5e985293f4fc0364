"""How sure a model must be to give an answer: the card's threshold, or the one chosen in this workspace."""

import json
import os
import threading
from pathlib import Path

from fer_core import workspace
from fer_core.errors import BadInput, StorageError
from fer_core.zoo.card import Card

FILE_NAME = "thresholds.json"
SCHEMA_VERSION = 1

# Two visitors may choose at once, and each writes the whole file.
_writing = threading.Lock()


def of(card: Card) -> float:
    """Calibrated confidence, 0..1, under which the model's answer is "can't tell".

    Raises:
        StorageError: the file of chosen thresholds cannot be read.
    """
    return _read().get(_key(card), card.answer_threshold)


def chosen(card: Card) -> float | None:
    """What was chosen here for these very weights; None where the card's own holds. Raises as `of`."""
    return _read().get(_key(card))


def choose(card: Card, value: float | None) -> None:
    """Use this threshold from now on; None goes back to the card's own.

    It belongs to the weights: a model that is trained again starts from its card's.

    Raises:
        BadInput: the value is no confidence.
        StorageError: the file cannot be read, and is left as it is, or cannot be written.
    """
    if value is not None and not 0 <= value <= 1:
        raise BadInput(f"A threshold is a confidence from 0 to 1. Received: {value}.")
    with _writing:
        values = _read()
        values.pop(_key(card), None)
        if value is not None:
            values[_key(card)] = float(value)
        path = _path()
        part = path.with_name(f"{FILE_NAME}.{os.getpid()}.part")
        try:
            part.write_text(
                json.dumps({"schema_version": SCHEMA_VERSION, "chosen": values}, indent=1), "utf-8"
            )
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(
                f"Thresholds are kept in the workspace. Received: {path} ({error.strerror}). "
                "Nothing was changed; make room or set FER_WORKSPACE to another folder."
            ) from error


def _path() -> Path:
    return workspace.root() / FILE_NAME


def _key(card: Card) -> str:
    return card.weights


def _read() -> dict[str, float]:
    path = _path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    try:
        found = json.loads(text)
        if found["schema_version"] != SCHEMA_VERSION:
            raise _damaged(path, f"schema {found['schema_version']}")
        values = {str(key): float(value) for key, value in found["chosen"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if not all(0 <= value <= 1 for value in values.values()):
        raise _damaged(path, "a threshold outside 0 to 1")
    return values


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(
        f"Chosen thresholds are JSON of schema {SCHEMA_VERSION}. Received: {path} ({why}). "
        "It was left as it is: mend it, or remove it to go back to the models' own thresholds."
    )
