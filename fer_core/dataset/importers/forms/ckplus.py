"""CK+: the published sequences, the class folders of their last frames, or the csv of pixels."""

import re
from collections.abc import Iterator
from math import isqrt
from pathlib import PurePosixPath

import numpy as np

from fer_core import labels
from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.source import Source
from fer_core.labels import FERPLUS8

SEQUENCE_NAMES: dict[str, str | None] = {
    "0": "neutral", "1": "angry", "2": "contempt", "3": "disgust", "4": "fear", "5": "happy", "6": "sad",
    "7": "surprise",
}  # fmt: skip
"""Number in an _emotion.txt -> label. Source: Lucey et al. 2010, CVPR workshops, and the set's readme."""

CSV_NAMES: dict[str, str | None] = {
    "0": "angry", "1": "disgust", "2": "fear", "3": "happy", "4": "sad", "5": "surprise", "6": "neutral",
    "7": "contempt",
}  # fmt: skip
"""Number in ckextended.csv -> label. Source: kaggle.com/datasets/davilsena/ckdataset."""

_CK = re.compile(r"(?<![a-z])ck")
"""Tells its csv, by a file's or folder's name, from FER2013's, whose numbers mean something else."""

_EMOTION = re.compile(r"(?:^|/)(S\d{3})_(\d{3})_(\d{8})_emotion\.txt$")
_FRAME = re.compile(r"(?:^|/)(S\d{3})_(\d{3})_(\d{8})\.(?:png|jpg|jpeg|tiff?|pgm)$", re.IGNORECASE)


def _fits(source: Source) -> int:
    if any(_EMOTION.search(entry.path) for entry in source.entries):
        return 9
    frames = [entry.path for entry in source.entries if _FRAME.search(entry.path)]
    if any(lists.split_of(part) for path in frames for part in path.split("/")[:-1]):
        return 3  # the published folders have no splits: somebody has sorted them since
    if frames:
        return 9 if any(_class(path) for path in frames) else 4
    return 9 if any(_CK.search(path.lower()) for path in _tables(source)) else 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    names: dict[str, str | None] = {}
    if any(_EMOTION.search(entry.path) for entry in source.entries):
        found, names = list(_sequences(source, problems)), SEQUENCE_NAMES
    elif any(_FRAME.search(entry.path) for entry in source.entries):
        found = list(_in_folders(source, problems))
    else:
        found, names = list(_pixels(source, problems)), CSV_NAMES
    return Reading(lambda: iter(found), {**names}, FERPLUS8, problems)


def _sequences(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """Each labelled sequence gives two pictures: its last frame with the label, its first as neutral.

    A sequence begins with a neutral face and ends with the peak of its expression, which is the
    frame that the label was given to. Sequences without a label (266 of the 593) are left out.

    Source: Lucey et al. 2010, "The Extended Cohn-Kanade Dataset (CK+)", CVPR workshops, section 2.
    """
    frames: dict[tuple[str, str], list[tuple[int, str]]] = {}
    given: dict[tuple[str, str], str] = {}
    for entry in source.entries:
        if match := _FRAME.search(entry.path):
            frames.setdefault((match[1], match[2]), []).append((int(match[3]), entry.path))
        elif match := _EMOTION.search(entry.path):
            given[match[1], match[2]] = entry.path
    for key in sorted(frames.keys() - given.keys()):
        lists.note(problems, "Sequences without a label; left out", "/".join(key))
    for key, file in sorted(given.items()):
        value = lists.number(source.text(file), 0, 7)
        if key not in frames:
            lists.note(problems, "Labels whose sequence is missing", file)
        elif value is None:
            lists.note(problems, "Labels that are not a number from 0 to 7; left out", file)
        else:
            (_, first), *_, (_, last) = min(frames[key]), max(frames[key])
            if first != last:
                yield Found(first, first, "0", subject=key[0])
            yield Found(last, last, str(int(value)), subject=key[0])


def _in_folders(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """CK+48/anger/S010_004_00000017.png: the last frames of each sequence, sorted by expression."""
    for entry in source.entries:
        if match := _FRAME.search(entry.path):
            if name := _class(entry.path):
                yield Found(entry.path, entry.path, name, subject=match[1])
            else:
                lists.note(problems, "Frames without a label; left out", entry.path)


def _pixels(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """emotion,pixels,Usage as in FER2013's csv, with numbers of its own."""
    for path in _tables(source):
        for place, row in enumerate(lists.rows(source.text(path), path), 1):
            key = f"{PurePosixPath(path).name}:{place}"
            picture = _picture(row.get("pixels", ""))
            if picture is None:
                lists.note(problems, "Rows whose pixels are no square of numbers 0 to 255; left out", key)
                continue
            split = lists.split_of(row.get("usage", ""))
            yield Found(key, path, row.get("emotion") or None, split, data=picture)


def _picture(text: str) -> bytes | None:
    """A row's pixels as a PGM file, so that decode_image is the one reader here as everywhere."""
    parts = text.split()
    side = isqrt(len(parts))
    if not parts or side**2 != len(parts) or not all(p.isdecimal() and int(p) < 256 for p in parts):
        return None
    return f"P5\n{side} {side}\n255\n".encode() + np.array(parts, int).astype(np.uint8).tobytes()


def _class(path: str) -> str | None:
    """The expression whose folder a frame is in, as the folder spells it."""
    folders = PurePosixPath(path).parts[:-1]
    return next((part for part in reversed(folders) if labels.canonical(part) in FERPLUS8), None)


def _tables(source: Source) -> list[str]:
    tables = lists.entries(source, ".csv")
    return [path for path in tables if {"emotion", "pixels"} <= set(lists.header(source.head(path)))]


FORM = Form(
    key="ckplus",
    title="CK+",
    sentence="Sequences with an Emotion folder, class folders of files like S010_004_00000017.png, "
    "or a csv of emotion, pixels and Usage.",
    fits=_fits,
    read=_read,
)
