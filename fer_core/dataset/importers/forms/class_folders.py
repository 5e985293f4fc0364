"""Class folders: each picture lies in a folder named after its class, perhaps within one of its split."""

import re
from collections import Counter
from collections.abc import Iterator

from fer_core import labels
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.lists import split_of
from fer_core.dataset.importers.source import Source, is_picture
from fer_core.labels import FER7

NO_LABEL = "no label"
"""The folder of pictures that have none, as exports write it."""

OTHER = "files that are no pictures; left out"
LOOSE = "pictures outside of class folders; left out"
NUMBERS = "classes are numbers, taken as FER2013's (0 angry … 6 neutral); check each"

_NUMBERS: dict[str, str | None] = {str(number): name for number, name in enumerate(FER7.names)}
_KNOWN = frozenset(labels.ALIASES)
_NUMBERED = re.compile(r"^\d+\s*[-_. ]\s*")


def _fits(source: Source) -> int:
    folders = _folders(source)
    named = sum(count for folder, count in folders.items() if _known(_class(folder)))
    if named:
        return 5 if 2 * named >= sum(folders.values()) else 2
    classes = {_class(folder) for folder in folders} - {""}
    if classes and classes <= _NUMBERS.keys():
        return 4
    return int(len(classes) > 1)


def _read(source: Source) -> Reading:
    folders = _folders(source)
    placed = {folder: (_class(folder), _split(folder)) for folder in folders}
    classes = {name for name, _ in placed.values()} - {"", NO_LABEL}
    problems = _problems(source, placed)
    names: dict[str, str | None] = {name: label for name in classes if (label := _known(name))}
    if classes and classes <= _NUMBERS.keys():
        names = {name: _NUMBERS[name] for name in classes}
        problems[NUMBERS] = sorted(classes)

    def found() -> Iterator[Found]:
        for entry in source.entries:
            if is_picture(entry.path):
                name, split = placed[entry.path.rpartition("/")[0]]
                if name:
                    yield Found(entry.path, entry.path, None if name == NO_LABEL else name, split)

    return Reading(found, names, problems=problems)


def _folders(source: Source) -> Counter[str]:
    """Folder -> pictures directly in it."""
    return Counter(entry.path.rpartition("/")[0] for entry in source.entries if is_picture(entry.path))


def _class(folder: str) -> str:
    """The class of the pictures in a folder as the folder spells it, "" without one.

    It is the innermost folder with a known name, or else the innermost that is not a split.
    """
    parts = [part for part in reversed(folder.split("/")) if part and not split_of(part)]
    if any(part.strip().lower() == NO_LABEL for part in parts):
        return NO_LABEL
    return next((part for part in parts if _known(part)), parts[0] if parts else "")


def _split(folder: str) -> str | None:
    """The innermost folder that is named after a split."""
    return next(filter(None, map(split_of, reversed(folder.split("/")))), None)


def _known(name: str) -> str | None:
    """The project's name for a folder's: "Happiness", "3 happy" or "03_Happy" are happy."""
    spellings = (labels.canonical(name), labels.canonical(_NUMBERED.sub("", name)))
    return next((label for label in spellings if label in _KNOWN), None)


def _problems(source: Source, placed: dict[str, tuple[str, str | None]]) -> dict[str, list[str]]:
    others = [entry.path for entry in source.entries if not is_picture(entry.path)]
    loose = [
        entry.path
        for entry in source.entries
        if is_picture(entry.path) and not placed[entry.path.rpartition("/")[0]][0]
    ]
    return {what: which for what, which in ((OTHER, others), (LOOSE, loose)) if which}


FORM = Form(
    key="class_folders",
    title="Class folders",
    sentence="Pictures in folders named by class (happy/) or number (0 to 6), perhaps within train/, test/ …",
    fits=_fits,
    read=_read,
)
