"""What holds the files of a source: a folder, a zip, a tar or a single file; each safe by construction."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import threading
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from fer_core.dataset.importers.archive import explained
from fer_core.errors import BadInput, Conflict

ENTRY_LIMIT = 2_000_000
"""Files that a source may have."""

HEADER_LIMIT = 16 << 20
"""Bytes that are read at once of a tar: a header that says it is longer is an attack on memory."""

KEEP_LIMIT = 64 << 20
"""Bytes of lists that are kept when a packed tar is looked through, which cannot go back."""

ARCHIVES = frozenset(".zip .tar .gz .tgz .bz2 .tbz2 .xz .txz .7z .rar .zst .lzma".split())
"""Suffixes of archives, lower case."""

TWICE = "two files of one name; the last one counts"
OUTSIDE = "names that lead out of the archive; not read"
LINKS = "links; not read"
SPECIAL = "devices and other special files; not read"
NESTED = "archives inside; not opened: unpack them and import each"
CLOSED = "no permission to read"

BUDGET, RATIO = 8 << 30, 50
"""Bytes that an archive may unpack to in all: the greater of the first and so many times its own size.

Pictures hardly shrink when they are packed; what shrinks to a fiftieth is no dataset.
"""

LISTS = frozenset(".csv .tsv .txt .json .jsonl .md .xml .lst .npy .parquet".split())

_LEFT_BEHIND = frozenset(("__macosx", "thumbs.db", "desktop.ini"))

_PACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_UNREADABLE = {b"7z\xbc\xaf": "a 7z", b"Rar!": "a rar", b"(\xb5/\xfd": "packed with zstd"}


class Container(Protocol):
    """Something with files in it.

    Attributes:
        name: its file name.
        sizes: safe path of each file -> bytes as announced.
        problems: what is wrong -> which files.
        packed: bytes of the archive; None where nothing is unpacked.
        any_order: whether `blocks` is quick, and right in several threads at once, in any order.
    """

    name: str
    sizes: dict[str, int]
    problems: dict[str, list[str]]
    packed: int | None
    any_order: bool

    def blocks(self, path: str, size: int) -> Iterator[bytes]: ...

    def in_order(self, paths: Collection[str]) -> list[str]: ...


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open whatever a path names; the kind is told by content, not by name.

    Raises:
        BadInput: not there, not readable, damaged, encrypted, or with too many files.
    """
    with ExitStack() as stack:
        with explained(path.name):
            if path.is_dir():
                container: Container = _Folder(path)
            elif path.is_file():
                container = _of_file(stack, path)
            else:
                raise BadInput(
                    f"An import needs a file or a folder. Received: {path}, which is neither. Check the path."
                )
        yield container


def storable(name: str) -> str:
    """A file's name as text that any database takes: composed letters, odd bytes as \\xNN."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
        try:
            data = name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half letters, which JSON can spell
            data = name.encode("utf-8", "surrogatepass")
        name = data.decode("utf-8", "backslashreplace")
    return name


class _Files:
    """Collects what a container holds, and what it must not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sizes: dict[str, int] = {}
        self.problems: dict[str, list[str]] = {}

    def note(self, what: str, path: str) -> None:
        self.problems.setdefault(what, []).append(path)

    def place(self, name: str, size: int) -> str | None:
        """The safe path of a file that is to be read later; None where it is not."""
        parts = [part for part in storable(name).split("/") if part not in ("", ".")]
        if not parts or any(part[0] == "." or part.lower() in _LEFT_BEHIND for part in parts if part != ".."):
            return None
        if name[0] == "/" or ".." in parts or parts[0][1:2] == ":" and parts[0][0].isalpha():
            self.note(OUTSIDE, "/".join(parts))
            return None
        path = "/".join(parts)
        if os.path.splitext(path)[1].lower() in ARCHIVES:
            self.note(NESTED, path)
            return None
        if path in self.sizes:
            self.note(TWICE, path)
        self.sizes[path] = size
        if len(self.sizes) > ENTRY_LIMIT:
            raise BadInput(
                f"A source has at most {ENTRY_LIMIT:,} files. Received: {self.name}, with more. "
                "Import it in parts."
            )
        return path


class _Folder(_Files):
    """A folder on this machine; links that lead out of it are not followed."""

    packed: int | None = None
    any_order = True

    def __init__(self, path: Path) -> None:
        super().__init__(path.name)
        self._root = os.path.realpath(path)
        self._real: dict[str, str] = {}
        waiting = [""]
        while waiting:
            self._look(waiting.pop(), waiting)

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        with _open_plain(self._real[path], path) as file:
            yield from _blocks(file.read, size, path)

    def in_order(self, paths: Collection[str]) -> list[str]:
        return list(paths)

    def _look(self, folder: str, waiting: list[str]) -> None:
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:
                for item in found:
                    self._add(item, folder + item.name, waiting)
        except PermissionError:
            if not folder:
                raise
            self.note(CLOSED, storable(folder))

    def _add(self, item: "os.DirEntry[str]", name: str, waiting: list[str]) -> None:
        real = item.path
        if item.is_symlink():
            # A link to a file of the same folder is harmless; folders could lead in circles.
            real = os.path.realpath(item.path)
            if not real.startswith(self._root + os.sep) or not os.path.isfile(real):
                self.note(LINKS, storable(name))
                return
        elif item.is_dir(follow_symlinks=False):
            waiting.append(name + "/")
            return
        found = os.stat(real)
        if not stat.S_ISREG(found.st_mode):
            self.note(SPECIAL, storable(name))
        elif path := self.place(name, found.st_size):
            self._real[path] = real


class _Zip(_Files):
    """A zip."""

    any_order = True

    def __init__(self, path: Path, file: IO[bytes], stack: ExitStack) -> None:
        super().__init__(path.name)
        self.packed: int | None = os.fstat(file.fileno()).st_size
        # Threads may share it: it locks around each seek and read, and leaves open a file that it was
        # given, so that its count of open members does not matter.
        self._archive = stack.enter_context(zipfile.ZipFile(file))
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            self._add(member)

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        with explained(path):
            stream = self._archive.open(self._members[path])
        with stream:
            yield from _blocks(stream.read, size, path)

    def in_order(self, paths: Collection[str]) -> list[str]:
        return sorted(paths, key=lambda path: self._members[path].header_offset)

    def _add(self, member: zipfile.ZipInfo) -> None:
        name, mode = _zip_name(member), member.external_attr >> 16
        if member.is_dir() or name.endswith("/"):
            return
        if member.flag_bits & 1:
            raise BadInput(
                f"An archive must be open. Received: {self.name}, which needs a password. Unpack it first."
            )
        if stat.S_ISLNK(mode):
            self.note(LINKS, storable(name))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self.note(SPECIAL, storable(name))
        elif path := self.place(name, member.file_size):
            self._members[path] = member


class _Tar(_Files):
    """A tar, plain or packed. Looked through once; a packed one is then best read from start to end."""

    def __init__(self, path: Path, packed: int | None, plain: IO[bytes]) -> None:
        super().__init__(path.name)
        self.any_order = packed is None
        self.packed = packed
        self._plain = plain
        self._lock = threading.Lock()
        self._starts: dict[str, int] = {}
        self._kept: dict[str, bytes] = {}
        careful: Any = _Careful(plain)
        with tarfile.open(fileobj=careful, mode="r:") as archive:
            while member := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                if packed is not None and member.offset_data + member.size > unpacked_limit(packed):
                    raise too_much(self.name, packed)
                self._add(member)
            plain.seek(archive.offset)
            if plain.read(tarfile.BLOCKSIZE).strip(b"\0"):
                # tarfile takes a damaged header for the end.
                raise tarfile.ReadError(f"no header at byte {archive.offset:,}")

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        start, length = self._starts[path], self.sizes[path]
        if path in self._kept:
            yield from (self._kept[path][at : at + size] for at in range(0, length, size))
            return
        for at in range(0, length, size):
            with explained(path), self._lock:
                self._plain.seek(start + at)
                block = self._plain.read(min(size, length - at))
            if not block:
                raise BadInput(
                    f"An archive must be complete. Received: {path}, which breaks off. Get it again."
                )
            yield block

    def in_order(self, paths: Collection[str]) -> list[str]:
        return sorted(paths, key=lambda path: self._starts[path])

    def _add(self, member: tarfile.TarInfo) -> None:
        if member.isdir():
            return
        if member.issym() or member.islnk():
            self.note(LINKS, storable(member.name))
        elif not member.isreg() or member.issparse():
            self.note(SPECIAL, storable(member.name))
        elif path := self.place(member.name, member.size):
            self._starts[path] = member.offset_data
            self._kept.pop(path, None)
            is_list = os.path.splitext(path)[1].lower() in LISTS
            if self.packed is not None and is_list and member.size + self._kept_size() <= KEEP_LIMIT:
                self._plain.seek(member.offset_data)
                self._kept[path] = self._plain.read(member.size)

    def _kept_size(self) -> int:
        return sum(map(len, self._kept.values()))


class _Careful:
    """A file for tarfile: a header that announces gigabytes of names is refused, not read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > HEADER_LIMIT:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


class _File(_Files):
    """One file, plain or packed by itself."""

    any_order = True

    def __init__(self, path: Path, size: int, unpack: Callable[[IO[bytes]], Any] | None) -> None:
        super().__init__(path.name)
        self._path, self._unpack = path, unpack
        self.packed: int | None = size if unpack else None
        self.sizes[storable(path.stem if unpack else path.name)] = size

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        with _open_plain(self._path, path) as file:
            yield from _blocks((self._unpack(file) if self._unpack else file).read, size, path)

    def in_order(self, paths: Collection[str]) -> list[str]:
        return list(paths)


def unpacked_limit(packed: int) -> int:
    """Bytes that an archive of so many bytes may unpack to."""
    return max(BUDGET, RATIO * packed)


def too_much(name: str, packed: int) -> BadInput:
    """The error of an archive that unpacks to more than that."""
    return BadInput(
        f"An archive of {packed:,} bytes may unpack to {unpacked_limit(packed):,}. "
        f"Received: {name}, which unpacks to more. Import it in parts."
    )


def _of_file(stack: ExitStack, path: Path) -> Container:
    with path.open("rb") as file:
        head, size = file.read(6), os.fstat(file.fileno()).st_size
        unpack = next((kind for magic, kind in _PACKED.items() if head.startswith(magic)), None)
        file.seek(0)
        start = (unpack(file) if unpack else file).read(tarfile.BLOCKSIZE)
    if other := next((kind for magic, kind in _UNREADABLE.items() if head.startswith(magic)), None):
        raise BadInput(
            f"An archive is a zip or a tar. Received: {path.name}, which is {other}. Unpack it first."
        )
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _Zip(path, stack.enter_context(path.open("rb")), stack)
    if _is_tar(start):
        file = stack.enter_context(path.open("rb"))
        return _Tar(path, size if unpack else None, stack.enter_context(unpack(file)) if unpack else file)
    # Opened anew for each reading: thousands of single pictures may be given at once.
    return _File(path, size, unpack)


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name: some programs write UTF-8 without saying so, and backslashes."""
    name = member.filename
    if not member.flag_bits & 0x800 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name if "/" in name else name.replace("\\", "/")


def _blocks(read: Callable[[int], bytes], size: int, path: str) -> Iterator[bytes]:
    while True:
        with explained(path):
            block = read(size)
        if not block:
            return
        yield block


@contextmanager
def _open_plain(real: str | Path, path: str) -> Iterator[IO[bytes]]:
    """Open a file of a folder, unless it was replaced by a link or a device since it was looked at."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(real, flags), "rb", buffering=0)
    except PermissionError as error:
        raise BadInput(f"A file must be readable. Received: {path} ({error.strerror}). Allow it.") from error
    except OSError as error:
        raise Conflict(
            f"What is imported must stay as it is meanwhile. Received: {path} ({error.strerror}). "
            "Nothing was stored; import it again."
        ) from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadInput(f"Only files are read. Received: {path}, which is none. Leave it out.")
        yield file
