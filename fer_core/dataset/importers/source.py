"""Where a dataset comes from: a folder, an archive or files, behind one face. Nothing is unpacked to disk."""

import codecs
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fer_core.dataset.importers import containers
from fer_core.dataset.importers.containers import ARCHIVES, Container
from fer_core.errors import BadInput, NotFound

LIST_LIMIT = 512 << 20
"""Bytes that one entry may have when it is read whole; FER2013's csv has 300 MB."""

PICTURES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .tif .tiff .pgm .ppm .pnm .webp .gif .heic .heif .avif".split()
)
"""Suffixes of pictures, lower case."""

_BLOCK = 1 << 20


class Entry(NamedTuple):
    """One file of a source.

    Attributes:
        path: relative, with "/" between folders, never with "..", storable as text.
        size: bytes, as the file system or the archive announces them.
    """

    path: str
    size: int


def is_picture(path: str) -> bool:
    """Whether a file is a picture by its name."""
    return path[path.rfind(".") :].lower() in PICTURES


class Source:
    """The files that an import may read. May be shared by threads.

    Attributes:
        name: of the file or folder, without suffix.
        entries: all files that may be read, by path; those that an operating system leaves behind
            (.DS_Store, __MACOSX, Thumbs.db) are not among them.
        problems: what cannot be read, and why: what is wrong -> which files.
    """

    def __init__(self, name: str, parts: Sequence[Container]) -> None:
        self.name = name
        self.problems: dict[str, list[str]] = {}
        self._parts: dict[str, Container] = {}
        self._read: dict[Container, int] = dict.fromkeys(parts, 0)
        for part in parts:
            for what, paths in part.problems.items():
                self.problems.setdefault(what, []).extend(paths)
            for path in part.sizes:
                if path in self._parts:
                    self.problems.setdefault(containers.TWICE, []).append(path)
                self._parts[path] = part
        self.entries = tuple(Entry(path, self._parts[path].sizes[path]) for path in sorted(self._parts))

    def __contains__(self, path: object) -> bool:
        return path in self._parts

    def read(self, path: str, limit: int = LIST_LIMIT) -> bytes:
        """The bytes of one entry.

        Raises:
            BadInput: it is damaged or has more than `limit` bytes, or the archive unpacks to too much.
            Conflict: it has gone since the source was opened.
            NotFound: there is no such entry.
        """
        blocks, size = [], 0
        for block in self.blocks(path):
            blocks.append(block)
            size += len(block)
            if size > limit:
                raise BadInput(
                    f"A file of this kind has at most {limit:,} bytes. Received: {path}, which has more. "
                    "Make it smaller, or leave it out."
                )
        return b"".join(blocks)

    def text(self, path: str) -> str:
        """The text of one entry: UTF-8 with or without a mark, UTF-16 with one, or else Latin-1.

        Raises:
            BadInput, Conflict, NotFound: as `read`.
        """
        return _as_text(self.read(path))

    def head(self, path: str, size: int = 4096) -> str:
        """The first `size` bytes of one entry as text, to tell a list by its first line.

        Raises:
            BadInput, Conflict, NotFound: as `read`.
        """
        with closing(self.blocks(path, size)) as blocks:
            return _as_text(next(blocks, b""), cut=True)

    def blocks(self, path: str, size: int = _BLOCK) -> Generator[bytes, None, None]:
        """The bytes of one entry, however long, in blocks of at most `size`.

        Raises:
            BadInput, Conflict, NotFound: as `read`.
        """
        part = self._part(path)
        for block in part.blocks(path, size):
            self._read[part] += len(block)
            if part.packed is not None and self._read[part] > containers.unpacked_limit(part.packed):
                raise containers.too_much(part.name, part.packed)
            yield block

    def pending(self, paths: Collection[str], limit: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """For some entries, in the order that reads fastest, a function that gives the bytes as `read` does.

        The function may be called in any thread. What can only be read from its start, as a packed
        tar, is read here, so that the calls may come in any order.

        Raises:
            NotFound: there is no such entry.
        """
        by_part: dict[Container, list[str]] = {}
        for path in paths:
            by_part.setdefault(self._part(path), []).append(path)
        for part, mine in by_part.items():
            for path in part.in_order(mine):
                give: Callable[[], bytes] = partial(self.read, path, limit)
                yield path, give if part.any_order else _done(give)

    def _part(self, path: str) -> Container:
        try:
            return self._parts[path]
        except KeyError:
            raise NotFound.of("file in this source", path, list(self._parts)[:10]) from None


@contextmanager
def open_source(paths: str | Path | Sequence[str | Path]) -> Iterator[Source]:
    """Open a folder, an archive (.zip; .tar, also as .gz, .bz2 or .xz), a file (also as .gz), or several.

    Of several, each archive and folder gives its entries, each plain file is an entry. Archives
    within archives and folders are named in the problems, not opened.

    Raises:
        BadInput: not there, not readable, damaged, encrypted, or with too many files.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not given:
        raise BadInput("An import needs a file or a folder. Received: none. Choose one.")
    with ExitStack() as stack:
        parts = [stack.enter_context(containers.open_container(path)) for path in given]
        yield Source(_name(given[0]), parts)


def _as_text(data: bytes, cut: bool = False) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        # Of a text that was cut off, the last letter may be half there.
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _name(path: Path) -> str:
    path = path.resolve()
    name = containers.storable(path.name)
    if not path.is_dir():
        while PurePosixPath(name).suffix.lower() in (
            *ARCHIVES,
            *PICTURES,
            ".csv",
            ".tsv",
            ".txt",
            ".json",
            ".parquet",
        ):
            name = PurePosixPath(name).stem
    printable = "".join(letter for letter in name if letter.isprintable())
    return " ".join(printable[:100].split()) or "dataset"


def _done(give: Callable[[], bytes]) -> Callable[[], bytes]:
    """A function that was called already, and gives or raises what came of it."""
    try:
        data = give()
    except BadInput as error:
        return partial(_raise, error)
    return lambda: data


def _raise(error: BadInput) -> bytes:
    raise error
