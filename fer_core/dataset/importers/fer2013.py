"""FER2013 as its csv: `emotion,pixels,Usage`, plain or in an archive, with FER+ votes beside it."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import cv2
import numpy as np

from fer_core.dataset.importers.ahead import ahead
from fer_core.dataset.importers.archive import Member, blocks, open_member
from fer_core.dataset.importers.ferplus import RATER, SPLIT_OF_USAGE, Votes, read_votes
from fer_core.dataset.importers.staging import Staged, open_staging
from fer_core.dataset.intake import ImportReport, Intake, Progress, Row
from fer_core.dataset.store import Store, ensure_dataset, slices
from fer_core.errors import BadInput
from fer_core.imaging.decode import pixel_id
from fer_core.labels import FER7

FILE = "fer2013.csv"
"""How a sample's source begins."""

LINE_LIMIT = 4 << 20
"""Bytes of one row; a picture of 48 px takes 8,400."""

PART = 64
"""Rows that are converted at once."""

_LABELS = {str(number).encode(): name for number, name in enumerate(FER7.names)}
_USAGES = {usage.encode(): split for usage, split in SPLIT_OF_USAGE.items()}
WANTED = "a csv with the columns emotion and pixels (and Usage), as FER2013 comes"


def import_fer2013(
    store: Store,
    path: str | Path,
    *,
    name: str = "fer2013",
    votes: str | Path | None = None,
    who: str = "import",
    progress: Progress | None = None,
) -> ImportReport:
    """Import FER2013 in one transaction: all of it is stored, or nothing.

    Training becomes the train split, PublicTest validation and PrivateTest test, as in the
    competition, whose entrants could tune on PublicTest only; a csv without Usage is all train.
    Row 1 is the first row after the header; the source of row 5 is "fer2013.csv:5", whatever the
    file is called. What is already in the dataset stays as it is, labels included, so a file can be
    imported twice, or again with votes, or completed with its missing rows.

    Args:
        path: the csv, or a .zip, .tar.gz, .tgz or .gz that holds it.
        votes: fer2013new.csv of FER+; its row i belongs to row i.
        progress: called with (bytes read, bytes in all, "12,000 rows").

    Raises:
        BadInput: the row that cannot be used and what is wrong with it.
        Conflict: the dataset has other rows under the same numbers, or another label set.
        StorageError: the disk is full, or the database cannot be written.

    Source: Goodfellow et al. 2013, arXiv:1307.0414; Barsoum et al. 2016, arXiv:1608.01041.
    """
    raters = read_votes(votes) if votes is not None else None
    with open_member(path, rank, WANTED) as member:
        return import_member(store, member, raters, name=name, who=who, progress=progress)


def import_member(
    store: Store,
    member: Member,
    raters: Votes | None,
    *,
    name: str,
    who: str,
    progress: Progress | None,
) -> ImportReport:
    """`import_fer2013` from a csv that is open already.

    Raises:
        BadInput, Conflict, StorageError: as there.
    """
    started, blank = time.perf_counter(), 0
    waiting: list[tuple[Row, Staged]] = []
    with open_staging() as aside:
        for rows, blank_rows in checked_rows(member, raters):
            for row in rows:
                staged = aside.put(row.data, row.image, row.width, row.height, False)
                waiting.append((row._replace(data=b""), staged))
            blank += blank_rows
            if progress:
                progress(member.position(), member.size, f"{len(waiting):,} rows")
        aside.flush()
        # The database is locked only now, so that others can work while the file is read.
        with store.write() as connection:
            intake = Intake(connection, ensure_dataset(connection, name, FER7), RATER)
            for some in slices(waiting, 1000):
                intake.add([row._replace(data=aside.get(staged)) for row, staged in some])
            duplicates = intake.finish(who, f"import of {member.name}", secrets.token_hex(8))
    return intake.report(started, duplicates, blank=blank)


def rank(name: str, head: bytes) -> int:
    """How well a file fits by its name and first bytes: 0 not at all, 2 with Usage, 1 without.

    With no bytes, whether its name is that of a csv.
    """
    if not head:
        return int(name.lower().endswith(".csv"))
    columns = _columns(head.partition(b"\n")[0])
    return 0 if not {"emotion", "pixels"} <= columns.keys() else 1 + ("Usage" in columns)


@dataclass(frozen=True)
class _Block:
    """Some rows of the file.

    Attributes:
        first: number of the first row.
        pixels: (N, side, side) uint8 0..255 grey.
        splits: None where the file has no Usage.
    """

    first: int
    labels: list[str]
    pixels: np.ndarray
    splits: list[str] | None


def checked_rows(member: Member, votes: Votes | None) -> Iterator[tuple[list[Row], int]]:
    """The file's rows, checked and ready to store, and how many of them are blank, block by block.

    Raises:
        BadInput: the row that cannot be used, or votes that do not belong to the rows.
    """
    total = 0
    for block in _parse(member):
        side, count = block.pixels.shape[1], len(block.labels)
        header = f"P5\n{side} {side}\n255\n".encode()
        given = votes.rows(block.first, block.splits, count) if votes else (None,) * count
        # All at once: three times as fast as pixel_id would do it one by one.
        colour = cv2.cvtColor(block.pixels.reshape(-1, side), cv2.COLOR_GRAY2RGB).reshape(
            count, side, side, 3
        )
        columns = zip(
            range(block.first, block.first + count),
            colour,
            block.pixels,
            block.labels,
            block.splits or ("train",) * count,
            given,
            strict=True,
        )
        rows = [
            # Stored as PGM, so that decode_image is the one reader here as everywhere.
            Row(f"{FILE}:{n}", pixel_id(rgb), side, side, header + grey.tobytes(), split, label, votes=counts)
            for n, rgb, grey, label, split, counts in columns
        ]
        flat = block.pixels.reshape(count, -1)
        total += count
        yield rows, int(np.count_nonzero(flat.min(axis=1) == flat.max(axis=1)))
    if votes and total != len(votes):
        raise BadInput(
            "Row i of the votes belongs to row i of the pictures. "
            f"Received: {len(votes):,} rows of votes for {total:,} pictures. "
            "Give the two files of one download."
        )


def _parse(member: Member) -> Iterator[_Block]:
    """The file's rows, checked, block by block."""
    columns: dict[str, int] = {}
    first, count = 1, 0
    for lines in _lines(member):
        if not columns:
            columns = _columns(lines.pop(0))
        if lines:
            block = _parse_lines(lines, columns, first, count)
            count = block.pixels[0].size
            first += len(lines)
            yield block
    if first == 1:
        raise BadInput(f"A FER2013 csv has rows. Received: {member.name} without any. Choose another file.")


def _lines(member: Member) -> Iterator[list[bytes]]:
    """The file's lines in blocks, without empty ones."""
    rest = b""
    # Only the unpacking runs ahead: hashing lets go of the interpreter at every picture, and two
    # threads that hand it to and fro that often are slower than one.
    for data in ahead(blocks(member)):
        lines = _split(data, b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        if len(rest) > LINE_LIMIT:
            raise BadInput(
                f"A row of a FER2013 csv has at most {LINE_LIMIT:,} bytes. Received: a longer one in "
                f"{member.name}. Choose another file."
            )
        if lines := [line.rstrip(b"\r") for line in lines if line and not line.isspace()]:
            yield lines
    if rest.strip():
        yield [rest]


def _split(text: bytes, separator: bytes) -> list[bytes]:
    """`text.split(separator)`, twice as fast where parts are long: find skips, split looks at each byte."""
    parts, start = [], 0
    while (stop := text.find(separator, start)) >= 0:
        parts.append(text[start:stop])
        start = stop + 1
    return [*parts, text[start:]]


def _columns(line: bytes) -> dict[str, int]:
    """The place of each column that counts, by the header."""
    header = line.removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace")
    names = [part.strip().strip('"').strip().lower() for part in header.split(",")]
    spelt = {"emotion": "emotion", "pixels": "pixels", "usage": "Usage"}
    return {spelt[name]: place for place, name in enumerate(names) if name in spelt} | {"": len(names)}


def _parse_lines(lines: list[bytes], columns: dict[str, int], first: int, count: int) -> _Block:
    """Check and convert some rows at once; where anything is odd, row by row to say what.

    Args:
        count: pixels of each picture; 0 takes it from the first row.
    """
    fields = [_split(line, b",") for line in lines]
    try:
        texts = [row[columns["pixels"]].strip(b'" ') for row in fields]
        labels = [_LABELS[row[columns["emotion"]]] for row in fields]
        splits = (
            [_USAGES[row[columns["Usage"]].rstrip(b"\r")] for row in fields] if "Usage" in columns else None
        )
    except (IndexError, KeyError):
        return _parse_slowly(fields, columns, first, count)
    pixels = count or texts[0].count(b" ") + 1
    side = isqrt(pixels)
    if side**2 != pixels or any(len(row) != columns[""] for row in fields):
        return _parse_slowly(fields, columns, first, count)
    # In small parts, which stay in the processor's cache.
    parts = []
    for start in range(0, len(texts), PART):
        part = _numbers(texts[start : start + PART], pixels)
        if part is None:
            return _parse_slowly(fields, columns, first, count)
        parts.append(part)
    return _Block(first, labels, np.concatenate(parts).reshape(-1, side, side), splits)


def _numbers(texts: list[bytes], count: int) -> np.ndarray | None:
    """(N, count) uint8 of rows of numbers 0..255 between single spaces; None if one is anything else.

    Every byte is taken as the last digit of a number at once; then those that are one are picked.
    Three times as fast as np.fromstring, and other threads can run meanwhile.
    """
    text = np.frombuffer(b" ".join((b"", b"", *texts, b"")), np.uint8)
    digits = text - 48  # everything that is no digit becomes 10 or more
    is_digit, is_space = digits < 10, text == 32
    digits *= is_digit
    hundreds = digits[:-2] * (is_digit[1:-1] & is_digit[2:])
    value = hundreds * 100
    value += digits[1:-1] * 10
    value += digits[2:]
    places = np.flatnonzero(is_digit[2:-1] > is_digit[3:])
    values = value[places]
    # Each row's last number must stand where the row ends.
    ends = np.cumsum([len(row) + 1 for row in texts]) - 2
    if values.size != len(texts) * count or not np.array_equal(places[count - 1 :: count], ends):
        return None
    # Numbers above 255 wrap around and then, like those with leading zeros, have fewer digits than
    # the text, except from 356 on, which the hundreds show. All other bytes must be single spaces.
    needed = values.size + np.count_nonzero(values > 9) + np.count_nonzero(values > 99)
    given = np.count_nonzero(is_digit)
    spaces = np.count_nonzero(is_space)
    if given != needed or given + spaces != text.size or spaces != values.size + 2 or hundreds.max() > 2:
        return None
    return values.reshape(len(texts), count)


def _parse_slowly(fields: list[list[bytes]], columns: dict[str, int], first: int, count: int) -> _Block:
    labels, splits, pixels = [], [], []
    for number, row in enumerate(fields, first):
        row = [part.strip().strip(b'"').strip() for part in row]
        if len(row) != columns[""]:
            raise _bad(number, f"has {len(row)} fields instead of {columns['']}", "Is the file cut off?")
        emotion, text = row[columns["emotion"]], row[columns["pixels"]]
        if emotion not in _LABELS:
            raise _bad(number, f"has the emotion {_shown(emotion)}", "Emotions are the numbers 0 to 6.")
        if "Usage" in columns:
            usage = row[columns["Usage"]]
            if usage not in _USAGES:
                raise _bad(
                    number, f"has the Usage {_shown(usage)}", f"There are: {', '.join(SPLIT_OF_USAGE)}."
                )
            splits.append(_USAGES[usage])
        values = _picture(text, number)
        count = count or values.size
        if values.size != count or isqrt(count) ** 2 != count:
            rule = f"as the others, {count:,}" if values.size != count else "a square number"
            raise _bad(number, f"has {values.size:,} pixels", f"A picture has as many pixels {rule}.")
        labels.append(_LABELS[emotion])
        pixels.append(values.reshape(isqrt(count), isqrt(count)))
    return _Block(first, labels, np.stack(pixels), splits if "Usage" in columns else None)


def _picture(text: bytes, number: int) -> np.ndarray:
    parts = text.split()
    if not parts:
        raise _bad(number, "has no pixels", "Is the file cut off?")
    for part in parts:
        if not part.isdigit() or len(part) > 9 or int(part) > 255:
            raise _bad(number, f"has the pixel {_shown(part)}", "Pixels are whole numbers from 0 to 255.")
    return np.array([int(part) for part in parts], np.uint8)


def _shown(field: bytes) -> str:
    return repr(field[:40].decode("ascii", "backslashreplace"))


def _bad(number: int, what: str, remedy: str) -> BadInput:
    return BadInput(
        f"Every row of a FER2013 csv must be whole; nothing was imported. Received: row {number:,} "
        f"(the first after the header is row 1) {what}. {remedy}"
    )
