"""Names of exported files: safe on every system, unique, and the same each time."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath

import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.exports.selection import Sample, Selection
from fer_core.errors import BadInput

NO_LABEL = "no label"
"""The folder of samples without a label."""

LONGEST = 120
"""Bytes of a name without its ending."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows allows in no file name, and the names that it keeps for itself."""

_KINDS = (
    (b"\x89PNG", ".png", ()),
    (b"\xff\xd8\xff", ".jpg", (".jpeg", ".jpe", ".jfif")),
    (b"P5", ".pgm", (".pnm",)),
    (b"P6", ".ppm", (".pnm",)),
    (b"GIF8", ".gif", ()),
    (b"BM", ".bmp", ()),
    (b"II*\0", ".tif", (".tiff",)),
    (b"MM\0*", ".tif", (".tiff",)),
    (b"RIFF", ".webp", ()),
)
"""How a file begins -> its ending, and others that are as good."""

_ENDINGS = frozenset(ending for _, usual, others in _KINDS for ending in (usual, *others)) | {
    ".heic",
    ".heif",
    ".avif",
}


class Names:
    """File names for the samples of a dataset, made from their sources.

    The first sample of a name has it plain; later ones get some digits of their source's hash. So a
    name depends neither on labels and splits nor on which samples are exported.
    """

    def __init__(self, selection: Selection) -> None:
        self._renamed: dict[int, str] = {}
        taken: set[int] = set()
        columns = schema.sample.c
        query = sa.select(columns.id, columns.source).where(columns.dataset == selection.dataset.id)
        with selection.store.read() as connection:
            for sample, source in connection.execute(query.order_by(columns.id)):
                stem = _stem(source)
                digits = 0
                # By hash: the names of a million samples as text would need much memory.
                while (key := hash(_spelling(stem))) in taken:
                    digits += 8
                    stem = f"{_stem(source)}-{hashlib.sha256(source.encode()).hexdigest()[:digits]}"
                taken.add(key)
                if digits:
                    self._renamed[sample] = stem

    def of(self, sample: Sample, data: bytes) -> str:
        """The file name of a sample whose encoded picture is `data`."""
        stem = self._renamed.get(sample.id) or _stem(sample.source)
        return stem + _ending(sample.source, data)

    def plain(self, sample: Sample) -> str:
        """The same without an ending."""
        return self._renamed.get(sample.id) or _stem(sample.source)


def folder(sample: Sample) -> str:
    """split/label of a sample, as importers read it.

    Raises:
        BadInput: the label cannot be the name of a folder.
    """
    if sample.label is None:
        return f"{sample.split}/{NO_LABEL}"
    if safe(sample.label) != sample.label or sample.label == NO_LABEL:
        raise BadInput(
            'A label that becomes a folder has no / \\ : * ? " < > | and is not a name that systems keep for '
            f"themselves. Received: {sample.label!r}. Export as Parquet or Label Studio instead."
        )
    return f"{sample.split}/{sample.label}"


def safe(text: str) -> str:
    """A name that every file system takes, as near to the text as possible.

    >>> safe(" a:b? ")
    'a_b_'
    """
    cleaned = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" ").rstrip(". ")
    cleaned = cleaned.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore").rstrip(". ")
    if not cleaned or cleaned.startswith(".") or _RESERVED.fullmatch(cleaned):
        cleaned = f"_{cleaned}"
    return cleaned


def _stem(source: str) -> str:
    path = PurePosixPath(source)
    return safe(path.stem if path.suffix.lower() in _ENDINGS else path.name)


def _spelling(name: str) -> str:
    """What two names share that some file systems cannot tell apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def _ending(source: str, data: bytes) -> str:
    """The ending that tells what the bytes are; the source's own where that is true."""
    own = PurePosixPath(source).suffix
    for start, usual, others in _KINDS:
        if data.startswith(start):
            return own if own.lower() in (usual, *others) else usual
    return own if own.lower() in _ENDINGS else ".heic" if data[4:8] == b"ftyp" else ".bin"
