"""AffectNet: numbered class folders, annotations beside numbered pictures, or the csv of the full set."""

import io
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from fer_core import labels
from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.forms import table
from fer_core.dataset.importers.source import Source
from fer_core.errors import BadInput
from fer_core.labels import AFFECTNET8

CSV_COLUMNS = (
    "subdirectory_filepath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks",
    "expression", "valence", "arousal",
)  # fmt: skip
"""Of the full set's csv; its validation.csv comes without a first line of names."""

NAMES: dict[str, str | None] = {
    **{str(number): name for number, name in enumerate(AFFECTNET8.names)},
    "8": None,  # none of the eight expressions
    "9": labels.UNSURE,
    "10": labels.NOT_A_FACE,
}
"""Expression number -> label. Source: Mollahosseini et al. 2017, arXiv:1708.03985, and its readme."""

_ANNOTATION = re.compile(r"^(?P<top>.*?)annotations/(?P<stem>[^/]+)_exp\.npy$")
_FOLDER = re.compile(r"(?:^|/)([0-7])/[^/]+$")


def _fits(source: Source) -> int:
    if any(_ANNOTATION.match(entry.path) for entry in source.entries) or _tables(source):
        return 9
    folders = {m[1] for m in map(_FOLDER.search, lists.pictures(source)) if m}
    if not folders:
        return 0
    if "affectnet" in " ".join([source.name, *_tops(source)]).lower():
        return 8
    return 3 if "7" in folders and "0" in folders else 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    if any(_ANNOTATION.match(entry.path) for entry in source.entries):
        found = list(_annotated(source, problems))
    elif _tables(source):
        found = list(_listed(source, problems))
    else:
        found = list(_in_folders(source))
    return Reading(lambda: iter(found), {**NAMES}, AFFECTNET8, problems)


def _annotated(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """images/NNN.jpg with annotations/NNN_exp.npy, _val.npy and _aro.npy, in train_set/ and val_set/."""
    pictures = {PurePosixPath(path).with_suffix("").as_posix(): path for path in lists.pictures(source)}
    present = {entry.path for entry in source.entries}
    used = set()
    for entry in source.entries:
        if not (match := _ANNOTATION.match(entry.path)):
            continue
        stem = f"{match['top']}images/{match['stem']}"
        if stem not in pictures:
            lists.note(problems, "Annotations whose picture is missing", entry.path)
            continue
        used.add(stem)
        values = []
        for kind in ("exp", "val", "aro"):
            file = f"{match['top']}annotations/{match['stem']}_{kind}.npy"
            values.append(_value(source.read(file), file, problems) if file in present else None)
        expression, valence, arousal = values
        if expression is None:
            continue
        yield Found(
            source=pictures[stem],
            path=pictures[stem],
            label=str(int(expression)),
            split=_split(pictures[stem]),
            valence=_feeling(valence),
            arousal=_feeling(arousal),
        )
    for stem in sorted(pictures.keys() - used):
        lists.note(problems, "Pictures without an annotation; left out", pictures[stem])


def _value(data: bytes, file: str, problems: lists.Problems) -> float | None:
    """The one number that an annotation holds; the published ones hold text or a number."""
    try:
        return float(np.load(io.BytesIO(data), allow_pickle=False).reshape(()))
    except (ValueError, EOFError, OSError, TypeError):
        lists.note(problems, "Annotations that cannot be read", file)
        return None


def _feeling(value: float | None) -> float | None:
    """Valence or arousal; -2 stands for none."""
    return value if value is not None and -1 <= value <= 1 else None


def _listed(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """The csv of the full set.

    The published pictures are cut around the face with a margin; the whole picture is taken, and
    the face's box within it is not used.
    """
    files = lists.Files(source)
    named = table.columns(list(CSV_COLUMNS))
    seen = set()
    for path, has_names in _tables(source):
        split = lists.split_of_name(path)
        for row in lists.rows(source.text(path), path, () if has_names else CSV_COLUMNS):
            written = row.get("subdirectory_filepath", "")
            picture = files.find(written, path)
            if picture is None:
                lists.note(problems, table.MISSING, f"{path}: {written}")
            elif picture in seen:
                lists.note(problems, table.REPEATED, f"{path}: {picture}")
            else:
                seen.add(picture)
                yield table.described(picture, row, named, split, problems)
    if not seen:
        raise BadInput(
            "AffectNet's csv names pictures. Received: none of them beside it. "
            "Give the folder or archive that holds both."
        )


def _in_folders(source: Source) -> Iterator[Found]:
    """Class folders 0 to 7."""
    for path in lists.pictures(source):
        if match := _FOLDER.search(path):
            yield Found(path, path, match[1], _split(path))


def _split(path: str) -> str | None:
    parts = PurePosixPath(path.lower()).parts[:-1]
    return next(filter(None, map(lists.split_of, parts)), None)


def _tops(source: Source) -> set[str]:
    return {entry.path.split("/")[0] for entry in source.entries}


def _tables(source: Source) -> list[tuple[str, bool]]:
    """The full set's lists, and whether their first line holds the columns' names."""
    found = []
    for path in lists.entries(source, ".csv"):
        line = source.head(path).split("\n", 1)[0]
        if lists.header(line)[:1] == ["subdirectory_filepath"]:
            found.append((path, True))
        elif line.count(",") == len(CSV_COLUMNS) - 1 and line.count(";") > 60:  # its landmarks
            found.append((path, False))
    return found


FORM = Form(
    key="affectnet",
    title="AffectNet",
    sentence="Class folders 0 (neutral) to 7 (contempt), pictures with _exp.npy, _val.npy and _aro.npy, "
    "or the csv of the full set.",
    fits=_fits,
    read=_read,
)
