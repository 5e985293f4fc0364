"""Where a user's own things live: database, caches, runs and trained models."""

import os
from pathlib import Path

from fer_core.errors import StorageError

SHIPPED_MODELS = Path(__file__).resolve().parent.parent / "models"
"""The folder of the models that come with the project."""


def root() -> Path:
    """$FER_WORKSPACE, or ./workspace beside the code; made when it is first needed.

    Raises:
        StorageError: it cannot be made or is not writable.
    """
    path = Path(os.environ.get("FER_WORKSPACE") or SHIPPED_MODELS.parent / "workspace").expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The workspace must be a writable folder. Received: {path} ({error.strerror}). "
            "Set FER_WORKSPACE to another one."
        ) from error
    return path


def folder(name: str) -> Path:
    """A folder of the workspace: "runs", "models", "cache", "detectors"."""
    path = root() / name
    path.mkdir(exist_ok=True)
    return path
