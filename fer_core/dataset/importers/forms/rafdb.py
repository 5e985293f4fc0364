"""RAF-DB, basic expressions: the published list with aligned faces, or class folders 1 to 7."""

import re
from collections.abc import Iterator

from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.forms import table
from fer_core.dataset.importers.source import Source
from fer_core.labels import FER7

LIST = "list_patition_label.txt"
"""Spelt as it is published."""

NAMES: dict[str, str | None] = {
    "1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry", "7": "neutral"
}  # fmt: skip
"""Source: Li et al. 2017, CVPR, and the set's readme."""

_PICTURE = re.compile(r"(?:^|/)([1-7])/(train|test)_\d+(?:_aligned)?\.\w+$")


def _fits(source: Source) -> int:
    if lists.entries(source, LIST):
        return 9
    return 9 if any(_PICTURE.search(entry.path) for entry in source.entries) else 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    found = list(_listed(source, problems) if lists.entries(source, LIST) else _in_folders(source))
    return Reading(lambda: iter(found), {**NAMES}, FER7, problems)


def _listed(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """Lines "train_00001.jpg 5": the aligned face if it is there, else the original."""
    files = lists.Files(source)
    for path in lists.entries(source, LIST):
        for place, line in enumerate(source.text(path).splitlines(), 1):
            name, _, label = line.strip().partition(" ")
            if not name:
                continue
            stem, _, ending = name.rpartition(".")
            picture = files.find(f"{stem}_aligned.{ending}", path) or files.find(name, path)
            if picture is None:
                lists.note(problems, table.MISSING, f"{path}, line {place:,}: {name}")
            elif label.strip() not in NAMES:
                lists.note(
                    problems, "Lines whose label is not 1 to 7; left out", f"line {place:,}: {line.strip()}"
                )
            else:
                yield Found(picture, picture, label.strip(), lists.split_of(name.split("_")[0]))


def _in_folders(source: Source) -> Iterator[Found]:
    """DATASET/train/5/train_00001_aligned.jpg; the csv beside them says the same as the folders."""
    for entry in source.entries:
        if match := _PICTURE.search(entry.path):
            yield Found(entry.path, entry.path, match[1], match[2])


FORM = Form(
    key="rafdb",
    title="RAF-DB",
    sentence="list_patition_label.txt with the aligned faces, or class folders 1 (surprise) to 7 (neutral).",
    fits=_fits,
    read=_read,
)
