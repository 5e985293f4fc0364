"""FER+ votes: `fer2013new.csv`, ten raters a row, beside FER2013's csv."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import BadInput
from fer_core.labels import canonical

RATER = "ferplus"

SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""The roles of FER2013's competition: its entrants tuned on PublicTest and were judged on PrivateTest."""

SIZE_LIMIT = 64 << 20
"""Bytes of the file; the published one has 1.6 MB."""

_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"
)  # fmt: skip


@dataclass(frozen=True)
class Votes:
    """The votes of all rows, in the file's order.

    Attributes:
        splits: split of each row by the file's Usage column.
        counts: raters per label, of each row.
    """

    splits: tuple[str, ...]
    counts: tuple[dict[str, int], ...]

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, first: int, splits: list[str] | None, count: int) -> tuple[dict[str, int], ...]:
        """The votes of `count` pictures from row `first` on, checked against the pictures' splits.

        Raises:
            BadInput: the two files differ in their number of rows or in a row's Usage.
        """
        mine = self.splits[first - 1 : first - 1 + count]
        theirs = tuple(splits or ("train",) * count)
        if mine != theirs:
            pairs = enumerate(zip(mine, theirs, strict=False))
            at = next((place for place, pair in pairs if pair[0] != pair[1]), len(mine))
            here = f"row {first + at:,} is {theirs[at]} in the pictures and"
            raise BadInput(
                "Row i of the votes belongs to row i of the pictures, with the same Usage. "
                f"Received: {here} {mine[at] if at < len(mine) else 'missing'} in the votes. "
                "Give the two files of one download."
            )
        return self.counts[first - 1 : first - 1 + count]


def read_votes(path: str | Path) -> Votes:
    """Read FER+'s csv of votes. An empty image name (a row that FER+ removed) keeps its votes.

    Raises:
        BadInput: not such a file, or the row that cannot be used.

    Source: Barsoum et al. 2016, arXiv:1608.01041; github.com/microsoft/FERPlus.
    """
    path = Path(path)
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise BadInput(
                f"A file of votes has at most {SIZE_LIMIT:,} bytes. Received: {path}. Choose another one."
            )
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"FER+ votes come as a csv. Received: {path}, which cannot be read ({error}). Check the path."
        ) from error
    return parse_votes(text, path.name)


def are_votes(head: str) -> bool:
    """Whether a file is one of votes, by its first line."""
    columns = head.split("\n", 1)[0].strip("\ufeff\r").split(",")
    return {"Usage", *_COLUMNS} <= set(columns)


def parse_votes(text: str, name: str) -> Votes:
    """The votes of a csv's text.

    Args:
        name: of the file, for errors.

    Raises:
        BadInput: as `read_votes`.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if missing := [name for name in ("Usage", *_COLUMNS) if name not in (reader.fieldnames or ())]:
        raise BadInput(
            f"FER+ votes have the columns Usage, {', '.join(_COLUMNS)}. "
            f"Received: {name} without {', '.join(missing)}. Choose fer2013new.csv."
        )
    names = [canonical(column) for column in _COLUMNS]
    splits, counts = [], []
    try:
        for number, row in enumerate(reader, 1):
            values = [row[column] or "" for column in _COLUMNS]
            if row["Usage"] not in SPLIT_OF_USAGE or not all(
                v.isascii() and v.isdigit() and len(v) < 7 for v in values
            ):
                raise BadInput(
                    "A row of votes has a Usage and ten whole numbers. "
                    f"Received: row {number:,}, Usage={row['Usage']!r}, votes={values}. Mend it."
                )
            splits.append(SPLIT_OF_USAGE[row["Usage"]])
            counts.append(dict(zip(names, map(int, values), strict=True)))
    except csv.Error as error:
        raise BadInput(
            f"FER+ votes come as a csv. Received: {name} ({error}). Choose fer2013new.csv."
        ) from error
    return Votes(tuple(splits), tuple(counts))
