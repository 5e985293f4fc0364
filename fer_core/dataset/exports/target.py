"""Where an export goes: a folder, a zip or one file, which is there whole or not at all."""

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_core.errors import Conflict, StorageError

_PACKED = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".heic", ".heif", ".avif")
"""Endings of files that a zip would not make smaller."""


class Files:
    """Many files under one roof: a folder, or a zip where its path ends in .zip."""

    def __init__(self, path: Path, zipped: bool) -> None:
        self._path = path
        self._made: set[Path] = set()
        self._zip = zipfile.ZipFile(path, "w") if zipped else None
        if not zipped:
            path.mkdir()

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip:
            self._zip.close()

    def write(self, name: str, data: bytes) -> None:
        """Write one file.

        Args:
            name: relative, with "/" between folders.
        """
        if self._zip:
            self._zip.writestr(_entry(name), data, compresslevel=1)
            return
        place = self._path / name
        if place.parent not in self._made:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(place.parent)
        with place.open("xb") as file:
            file.write(data)

    def take(self, name: str, path: Path) -> None:
        """Write one file that lies elsewhere and may be large."""
        if self._zip:
            with path.open("rb") as source, self._zip.open(_entry(name), "w", force_zip64=True) as file:
                shutil.copyfileobj(source, file, 1 << 20)
        else:
            shutil.copyfile(path, self._path / name)


@contextmanager
def growing(destination: Path) -> Iterator[Path]:
    """A temporary path beside the destination; moved there when the block ends, deleted when it raises.

    Raises:
        Conflict: there is something at the destination already.
        StorageError: the disk is full, or the place cannot be written.
    """
    part = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
    try:
        _check_free(destination)
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _check_free(destination)
        if part.is_file():
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(part, destination)
    except OSError as error:
        raise StorageError(
            f"An export needs a writable place with enough room. Received: {destination} "
            f"({error.strerror or error}). Nothing was left there; free some space or choose another place."
        ) from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _check_free(destination: Path) -> None:
    if destination.is_dir() and not any(destination.iterdir()):
        return
    if os.path.lexists(destination):
        raise Conflict(
            f"An export overwrites nothing. Received: {destination}, which is there already. "
            "Choose another name, or delete it first."
        )


def _entry(name: str) -> zipfile.ZipInfo:
    # With the same date each time: the same samples make the same file.
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    packed = name.lower().endswith(_PACKED)
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return entry
