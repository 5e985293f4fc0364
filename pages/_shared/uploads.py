"""Files on their way into the store: in the workspace until their import is over, never in memory."""

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core import workspace
from fer_core.dataset.importers.containers import ARCHIVES
from fer_core.dataset.importers.source import is_picture
from fer_core.errors import BadInput, StorageError

KEPT_SECONDS = 6 * 3600
"""How long files wait for somebody to come back and import them."""

FOLDER = "uploaded pictures"
"""Holds files that came one by one."""

_SINGLE = 100
"""Files that are opened one by one."""

_TOKEN = re.compile(r"[0-9a-f]{16}")
_NOTE = "draft.json"


@dataclass(frozen=True)
class Draft:
    """What somebody is about to import.

    Attributes:
        token: finds it again; stands in the address.
        paths: what to import.
        uploaded: whether the files are copies that go when the import is over.
        revision: grows with each file that is added.
    """

    token: str
    paths: tuple[str, ...]
    uploaded: bool
    revision: int = 0


def take_in(uploads: Iterable[UploadedFile], draft: Draft | None = None) -> Draft:
    """Move uploads to the disk, into a new draft or to what one has already.

    Raises:
        BadInput: there is none.
        StorageError: the disk is full.
    """
    files = list(uploads)
    if not files:
        raise BadInput("An import needs files. Received: none. Choose some.")
    token = draft.token if draft else secrets.token_hex(8)
    folder = _root() / token
    try:
        for file in files:
            _move(file, folder)
        found = tuple(map(str, _whole(folder)))
        before = draft.paths if draft and not draft.uploaded else ()
        return _write(
            Draft(token, before + found, not before, draft.revision + 1 if draft else 0),
        )
    except OSError as error:
        if draft is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise StorageError(
            f"Uploads need room in the workspace. Received: {error.strerror}, folder={_root()}. "
            "Free some space, then upload again."
        ) from error


def at(path: str) -> Draft:
    """A folder or file on this computer, which stays where it is.

    Raises:
        BadInput: nothing is there.
    """
    place = Path(path.strip().strip("\"'")).expanduser()
    if not path.strip() or not place.exists():
        raise BadInput(f"An import needs a folder or a file. Received: {path[:200]!r}. Check the path.")
    return _write(Draft(secrets.token_hex(8), (str(place.resolve()),), False))


def find(token: str) -> Draft | None:
    """The draft of that token, if its files are still there."""
    note = _root() / token / _NOTE
    if not _TOKEN.fullmatch(token) or not note.is_file():
        return None
    content = json.loads(note.read_text("utf-8"))
    draft = Draft(token, tuple(content["paths"]), content["uploaded"], content["revision"])
    return draft if all(Path(path).exists() for path in draft.paths) else None


def forget(token: str) -> None:
    """Remove a draft, and the files that were uploaded for it."""
    if _TOKEN.fullmatch(token):
        shutil.rmtree(_root() / token, ignore_errors=True)


def tidy(busy: Iterable[str] = ()) -> None:
    """Remove what nobody came back for, but for drafts that are at work."""
    spared = set(busy)
    for folder in _root().iterdir():
        if folder.name not in spared and time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            forget(folder.name)


def _move(file: UploadedFile, folder: Path) -> None:
    """Copy an upload block by block, then have Streamlit drop its own copy, which lies in memory."""
    parts = [part for part in PurePosixPath(file.name.replace("\\", "/")).parts if part not in ("/", "..")]
    name = "/".join(_safe(part) for part in parts) or "file"
    single = "/" not in name and not name.lower().endswith(tuple(ARCHIVES))
    target = _free(folder / FOLDER / name if single else folder / name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        shutil.copyfileobj(file, out, 1 << 20)
    context = get_script_run_ctx()
    remove = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and remove:
        remove(context.session_id, file.file_id)


def _whole(folder: Path) -> list[Path]:
    """What to import of a draft's folder: its archives and folders; lists one by one, for their names."""
    found = sorted(path for path in folder.iterdir() if path.name != _NOTE)
    if found[-1].name == FOLDER:
        inside = sorted(found[-1].iterdir())
        if len(inside) == 1 or not any(is_picture(path.name) for path in inside):
            return [*found[:-1], *inside[:_SINGLE]]
    return found


def _safe(part: str) -> str:
    """A name that may be a file's: nothing hidden, nothing that a terminal would act on."""
    cleaned = "".join(c if c.isprintable() else "_" for c in part).lstrip(".") or "_"
    return cleaned.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")


def _free(path: Path) -> Path:
    """The path, or one with a number where two uploads have one name."""
    number = 2
    free = path
    while free.exists():
        free = path.with_stem(f"{path.stem} {number}")
        number += 1
    return free


def _write(draft: Draft) -> Draft:
    folder = _root() / draft.token
    folder.mkdir(exist_ok=True)
    content = {"paths": draft.paths, "uploaded": draft.uploaded, "revision": draft.revision}
    (folder / _NOTE).write_text(json.dumps(content), "utf-8")
    return draft


def _root() -> Path:
    # Not in the cache, which a deletion empties: somebody else's import would lose its files.
    return workspace.folder("uploads")
