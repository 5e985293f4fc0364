"""Small findings that are kept between two looks, as JSON files in the workspace's cache."""

import hashlib
import json
import os
import secrets
from pathlib import Path

from fer_core import workspace
from fer_core.errors import StorageError


def path(kind: str, *key: object) -> Path:
    """Where a finding of this kind lies; the key is all that it depends on."""
    return workspace.folder("cache") / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.{kind}.json"


def read(place: Path) -> dict:
    """What `write` wrote; {} where it is missing or damaged."""
    try:
        found = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.pop("schema_version", None) == 1 else {}


def write(place: Path, values: dict) -> None:
    """Write a finding, whole or not at all.

    Raises:
        StorageError: the cache cannot be written.
    """
    part = place.with_name(f"{place.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(json.dumps({"schema_version": 1, **values}), "utf-8")
        os.replace(part, place)
    except OSError as error:
        raise StorageError(
            f"The cache must be writable. Received: {place.parent} ({error.strerror}). "
            "Free some space, or set FER_WORKSPACE to another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)
