"""Where class sets lie: read, written whole or not at all, and changed by one at a time."""

import fcntl
import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fer_core import workspace
from fer_core.errors import BadInput, FerError, NotFound, StorageError
from fer_core.fewshot.sets import LONGEST_NAME, SCHEMA_VERSION, ClassSet, parsed, written

FILE_NAME = "set.json"


def store(class_set: ClassSet, pictures: Mapping[str, bytes]) -> ClassSet:
    """A new set with its pictures, PNG by file name; its id is made from its title.

    Raises:
        StorageError: it cannot be written; nothing is left of it.
    """
    plain = unicodedata.normalize("NFKD", class_set.title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_NAME].strip("-") or "set"
    base = workspace.folder("teach")
    part = base / f".{secrets.token_hex(4)}.part"
    with storing():
        try:
            part.mkdir()
            for name, data in pictures.items():
                (part / name).write_bytes(data)
            (part / FILE_NAME).write_text(written(class_set), "utf-8")
            number = 1
            while True:
                folder = base / (stem if number == 1 else f"{stem}-{number}")
                number += 1
                if folder.exists():
                    continue
                try:
                    os.rename(part, folder)
                except OSError:
                    # Another tab was quicker; a folder with something in it is never replaced.
                    if folder.exists():
                        continue
                    raise
                return replace(class_set, id=folder.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def all_sets() -> list[ClassSet]:
    """Every set that can be read, by title; a damaged one is left out, and `load` says what is wrong."""
    found = []
    for path in workspace.folder("teach").glob(f"[!.]*/{FILE_NAME}"):
        try:
            found.append(load(path.parent.name))
        except FerError:
            continue
    return sorted(found, key=lambda one: (one.title.lower(), one.id))


def load(set_id: str) -> ClassSet:
    """The set of that id.

    Raises:
        NotFound: there is none.
        StorageError: its file is damaged.
    """
    folder = workspace.folder("teach")
    path = folder / set_id / FILE_NAME
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", set_id) or not path.is_file():
        raise NotFound.of("class set", set_id, (one.parent.name for one in folder.glob(f"[!.]*/{FILE_NAME}")))
    try:
        return parsed(json.loads(path.read_text("utf-8")), set_id)
    except (OSError, ValueError, BadInput) as error:
        raise StorageError(
            f"A class set is a JSON file of schema {SCHEMA_VERSION}. Received: {path} ({error}). "
            "It was left as it is: mend it, or delete the set."
        ) from error


@contextmanager
def changing(set_id: str) -> Iterator[tuple[ClassSet, Callable[[ClassSet], ClassSet]]]:
    """The set as it is now, and what stores it changed; other tabs and processes wait meanwhile."""
    folder = load(set_id).folder
    with storing(), (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def keep(changed: ClassSet) -> ClassSet:
            _write(changed)
            # Pictures that nothing names any more, also those of a process that died over them.
            named = {example.file for _, example in changed.examples}
            for path in folder.glob("*.png"):
                if path.name not in named:
                    path.unlink(missing_ok=True)
            return changed

        yield load(set_id), keep


@contextmanager
def storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Class sets are kept in the workspace. Received: {error.strerror or error}. "
            "Nothing was changed; make room or set FER_WORKSPACE to another folder."
        ) from error


def _write(class_set: ClassSet) -> None:
    replace_file(class_set.folder / FILE_NAME, written(class_set).encode())


def replace_file(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
