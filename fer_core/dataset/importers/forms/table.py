"""Any table of path and label, as csv or tsv, with the pictures beside it."""

from collections.abc import Iterator, Mapping
from itertools import chain

from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.source import Source
from fer_core.labels import FER7

ENDINGS = (".csv", ".tsv", ".txt")

SPELLINGS = {
    "path": "path file filename file_name filepath file_path image image_path image_file image_name "
    "imagename img img_path img_name picture photo pic subdirectory_filepath",
    "folder": "folder directory dir",
    "label": "label labels emotion emotion_label expression class class_name category target label_name "
    "label_index facial_expression sentiment",
    "split": "split usage set subset partition phase",
    "subject": "subject subject_id person person_id identity participant participant_id actor actor_id",
    "valence": "valence",
    "arousal": "arousal",
}
"""Usual names of each column, in the order in which they are preferred."""

NUMBERS = "The classes are numbers, taken as FER2013's (0 angry … 6 neutral): check each"
MISSING = "Rows whose file is missing"
REPEATED = "Rows that repeat a file; the first counts"
OUT_OF_RANGE = "Valence or arousal outside -1 to 1; left empty"


def columns(header: list[str]) -> dict[str, str]:
    """What a column means -> its name in this table; "path", "label" and so on, where there are such."""
    found = {}
    for meaning, spellings in SPELLINGS.items():
        name = next((name for name in spellings.split() if name in header), None)
        if name is not None:
            found[meaning] = name
    return found


def _fits(source: Source) -> int:
    if not lists.pictures(source):
        return 0
    tables = list(_tables(source))
    if not tables:
        return 0
    files = lists.Files(source)
    for path, named in tables:
        if "path" in named and "label" in named:
            first = next(_cut(source, path), {})
            return 6 if files.find(_written(first, named), path) else 2
    return 1


def _read(source: Source) -> Reading:
    files = lists.Files(source)
    problems: lists.Problems = {}
    found: dict[str, Found] = {}
    for path, named in _tables(source):
        if "label" not in named:
            continue
        split = lists.split_of_name(path)
        for place, row in enumerate(lists.rows(source.text(path), path), 1):
            picture = files.find(_written(row, named), path)
            if picture is None:
                lists.note(problems, MISSING, f"{path}, row {place:,}: {_written(row, named)}")
            elif picture in found:
                lists.note(problems, REPEATED, f"{path}, row {place:,}: {picture}")
            else:
                found[picture] = described(picture, row, named, split, problems)
    for picture in lists.pictures(source):
        if picture not in found:
            lists.note(problems, "Pictures that no row names; left out", picture)
    names = numbered({row.label for row in found.values() if row.label}, problems)
    return Reading(lambda: iter(found.values()), names, FER7 if names else None, problems)


def described(
    picture: str,
    row: Mapping[str, str],
    named: Mapping[str, str],
    split: str | None,
    problems: lists.Problems,
) -> Found:
    """What a row says of a picture.

    Args:
        named: as `columns` gives it.
        split: where the row does not say.
    """

    def cell(meaning: str) -> str:
        return row.get(named.get(meaning, ""), "")

    feelings = []
    for meaning in ("valence", "arousal"):
        feelings.append(lists.number(cell(meaning)))
        if feelings[-1] is None and cell(meaning).lower() not in ("", "nan", "none", "-2", "-2.0"):
            lists.note(problems, OUT_OF_RANGE, f"{picture}: {meaning} {cell(meaning)}")
    written = cell("split").lower()
    if written and not lists.split_of(written):
        lists.note(problems, "Splits of an unknown name; assigned anew", f"{picture}: {written}")
    label = cell("label")
    return Found(
        source=picture,
        path=picture,
        label=label.removesuffix(".0") if label.removesuffix(".0").isdecimal() else label or None,
        split=lists.split_of(written) if written else split,
        subject=cell("subject") or None,
        valence=feelings[0],
        arousal=feelings[1],
    )


def numbered(classes: set[str], problems: lists.Problems) -> dict[str, str | None]:
    """Names for classes that are numbers 0 to 6 only; nothing for others."""
    names = dict(zip(map(str, range(len(FER7))), FER7.names, strict=True))
    if not classes or not classes <= names.keys():
        return {}
    lists.note(problems, NUMBERS, ", ".join(f"{key} {name}" for key, name in names.items()))
    return {**names}


def _written(row: Mapping[str, str], named: Mapping[str, str]) -> str:
    """The path that a row gives its picture."""
    return "/".join(row.get(named[part], "") for part in ("folder", "path") if part in named)


def _tables(source: Source) -> Iterator[tuple[str, dict[str, str]]]:
    """The tables with pictures' paths, and what their columns mean."""
    for path in lists.entries(source, *ENDINGS):
        header = lists.header(source.head(path))
        named = columns(header)
        if "path" in named and "pixels" not in header:
            yield path, named


def _cut(source: Source, path: str) -> Iterator[dict[str, str]]:
    """The rows that stand whole in a table's first bytes."""
    text = source.head(path)
    whole = chain(text.splitlines(keepends=True)[:2])
    return lists.rows("".join(whole), path)


FORM = Form(
    key="table",
    title="Table of pictures",
    sentence="A csv or tsv with a column of paths and one of labels, and the pictures it names.",
    fits=_fits,
    read=_read,
)
