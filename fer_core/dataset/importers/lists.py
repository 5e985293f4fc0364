"""What forms with a list of pictures share: its rows, the files that it means, and what is wrong with it."""

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from fer_core.dataset.importers.ferplus import SPLIT_OF_USAGE
from fer_core.dataset.importers.source import Source, is_picture
from fer_core.errors import BadInput

_SPLITS = {
    **dict.fromkeys("train training trainset trainingset".split(), "train"),
    **dict.fromkeys("validation val valid dev validationset valset validset".split(), "validation"),
    **dict.fromkeys("test testing testset eval".split(), "test"),
    **{usage.lower(): split for usage, split in SPLIT_OF_USAGE.items()},
    "none": "none",
}
"""Usual spellings, lower case and without marks -> the project's name."""

_MORE = re.compile(r"… and ([\d,]+) more")
"""What `plan.shortened` ends a long list with."""

_SPLIT_WORD = re.compile(r"(?<![a-z])(train|training|validation|valid|val|dev|test|testing)(?![a-z])")


Problems = dict[str, list[str]]
"""What is wrong -> which rows or files."""


def split_of(name: str) -> str | None:
    """The split that a folder or a cell names in any usual spelling ("Train_Set"), or None."""
    return _SPLITS.get("".join(letter for letter in name.lower() if letter.isalnum()))


def note(problems: Problems, what: str, which: str) -> None:
    """Add a case to the problems."""
    problems.setdefault(what, []).append(which[:200])


class Files:
    """Finds the file of a source that a list means, though the list was written on another machine."""

    def __init__(self, source: Source) -> None:
        self._paths = {entry.path for entry in source.entries}
        self._named: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            self._named.setdefault(_folded(PurePosixPath(path).name), []).append(path)
        self._meant: dict[str, str] = {}

    def find(self, written: str, beside: str = "") -> str | None:
        """The entry that a path means, or None.

        First as it stands, from the list's own folder or any folder above; else the one entry that
        shares the longest end with it, in whatever case and on whatever machine. A guess that
        fits several files, or that another row has made for a file, is none.

        Args:
            beside: the entry that the path is written in.
        """
        parts = _parts(written)
        if not parts:
            return None
        for folder in PurePosixPath(beside).parents if beside else (PurePosixPath(),):
            if (exact := (folder / "/".join(parts)).as_posix()) in self._paths:
                return exact
        ends = {path: _common_end(parts, path) for path in self._named.get(_folded(parts[-1]), ())}
        best = max(ends.values(), default=0)
        likely = [path for path, length in ends.items() if length == best]
        if len(likely) != 1 or self._meant.setdefault(likely[0], "/".join(parts)) != "/".join(parts):
            return None
        return likely[0]


def pictures(source: Source) -> list[str]:
    """Paths of the files that are pictures by their names."""
    return [entry.path for entry in source.entries if is_picture(entry.path)]


def entries(source: Source, *endings: str) -> list[str]:
    """Paths of the files with one of these endings, those nearest to the top first."""
    paths = [e.path for e in source.entries if e.path.lower().endswith(endings)]
    return sorted(paths, key=lambda path: (path.count("/"), path))


def split_of_name(path: str) -> str | None:
    """The split that a list's file name tells: "fer_train.csv", "val_labels.csv", "test-00000.parquet"."""
    found = {_SPLITS[word] for word in _SPLIT_WORD.findall(PurePosixPath(path).name.lower())}
    return found.pop() if len(found) == 1 else None


def header(text: str) -> list[str]:
    """The names in a table's first line, lower case, with _ for what stands between words."""
    first = text.lstrip("\ufeff\r\n").splitlines()[:1]
    return [_column(name) for name in next(csv.reader(first, delimiter=_delimiter(text)), [])]


def rows(text: str, path: str, columns: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """A table's rows by the names of `header`; missing cells are "".

    Args:
        path: named when the table cannot be read.
        columns: the names, for a csv without a first line of them.

    Raises:
        BadInput: not a table.
    """
    text = text.lstrip("\ufeff\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="," if columns else _delimiter(text))
    try:
        names = columns or [_column(name) for name in next(reader, [])]
        for cells in reader:
            if cells:
                padded = [cell.strip() for cell in cells] + [""] * (len(names) - len(cells))
                yield dict(zip(names, padded, strict=False))
    except csv.Error as error:
        raise BadInput(
            f"A table has a row a line. Received: {path}, line {reader.line_num:,} ({error}). Mend it."
        ) from error


def number(text: str, lowest: float = -1, highest: float = 1) -> float | None:
    """A number within its range, or None."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and lowest <= value <= highest else None


def _delimiter(text: str) -> str:
    """Whatever separates the names of the first line."""
    line = text.lstrip("\ufeff\r\n").split("\n", 1)[0]
    return max(",;\t|", key=line.count)


def _column(name: str) -> str:
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def _parts(written: str) -> list[str]:
    """A path's parts without drive, root and dots; either slash separates."""
    parts: list[str] = []
    for part in written.strip().replace("\\", "/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", "..") and not part.endswith(":"):
            parts.append(part)
    return parts


def _common_end(parts: list[str], path: str) -> int:
    """How many parts two paths share, counted from the end."""
    pairs = zip(reversed(parts), reversed(path.split("/")), strict=False)
    count = 0
    for one, other in pairs:
        if _folded(one) != _folded(other):
            break
        count += 1
    return count


def _folded(name: str) -> str:
    """A name regardless of case and of how its accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def few(cases: Sequence[str], shown: int = 3) -> str:
    """The first cases of a problem, and how many more there are: "a.jpg, b.jpg and 12 more"."""
    more = _MORE.fullmatch(cases[-1]) if cases else None
    whole = cases[:-1] if more else cases
    rest = len(whole) - shown + (int(more[1].replace(",", "")) if more else 0)
    return ", ".join(whole[:shown]) + (f" and {rest:,} more" if rest > 0 else "")
