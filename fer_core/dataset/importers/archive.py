"""Read a file, or the right member of a zip or tar archive, as a stream: nothing is unpacked to disk."""

import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from fer_core.errors import BadInput

UNPACKED_LIMIT = 8 << 30
"""Bytes that one member may unpack to; FER2013 has 0.3 GB."""

MEMBER_LIMIT = 1_000_000
"""Members that are looked at."""

HEAD = 4096
"""Bytes of each member that its chooser sees."""

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # a kind of compression that zipfile does not know
    RuntimeError,  # zipfile: a password is needed
    UnicodeDecodeError,  # zipfile: a name that is not what it says
    lzma.LZMAError,
)


class Readable(Protocol):
    """Whatever gives bytes."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Member:
    """An open member.

    Attributes:
        name: its file name, without folders.
        outer: name of the file that it is in.
        stream: its bytes, unpacked.
        position: () -> bytes of the outer file read so far, for progress.
        size: bytes of the outer file.
    """

    name: str
    outer: str
    stream: Readable
    position: Callable[[], int]
    size: int


@contextmanager
def open_member(path: str | Path, rank: Callable[[str, bytes], int], wanted: str) -> Iterator[Member]:
    """Open a plain file, or the best member of a .zip, .tar, .tar.gz, .tgz or .gz.

    The kind is told by content, not by name. Archives within archives are not opened.

    Args:
        rank: (name, first bytes) -> how well a member fits; 0 is not at all. Of a zip the best
            member is taken (the first by name where two are equal), of a tar, which can only be
            read from its start, the first that fits.
        wanted: what is looked for, in words.

    Raises:
        BadInput: not a readable file, a damaged archive, or no member that fits.
    """
    path = Path(path)
    with ExitStack() as stack:
        with explained(path.name):
            if not path.is_file():
                raise BadInput(f"An import needs a file. Received: {path}, which is not one. Check the path.")
            member = _open(stack, path, rank, wanted)
        yield member


def blocks(member: Member, size: int = 2 << 20) -> Generator[bytes, None, None]:
    """The member's bytes in blocks of at most `size`.

    Raises:
        BadInput: the archive is damaged, or unpacks to more than UNPACKED_LIMIT.
    """
    unpacked = 0
    while True:
        with explained(member.outer):
            block = member.stream.read(size)
        if not block:
            return
        unpacked += len(block)
        if unpacked > UNPACKED_LIMIT:
            raise BadInput(
                f"A file may unpack to {UNPACKED_LIMIT:,} bytes. Received: {member.name}, a larger one. "
                "Import it in parts."
            )
        yield block


def _open(stack: ExitStack, path: Path, rank: Callable[[str, bytes], int], wanted: str) -> Member:
    file = stack.enter_context(path.open("rb"))
    size = os.fstat(file.fileno()).st_size
    packed = file.read(2) == b"\x1f\x8b"
    if zipfile.is_zipfile(file):
        archive = stack.enter_context(zipfile.ZipFile(file))
        best = _best_of_zip(archive, rank, wanted)
        return Member(Path(best.filename).name, path.name, archive.open(best), file.tell, size)
    if _is_tar(file, packed):
        tar = stack.enter_context(tarfile.open(fileobj=file, mode="r|*"))
        name, rejoined = _first_of_tar(tar, rank, wanted)
        return Member(name, path.name, rejoined, file.tell, size)
    file.seek(0)
    name = path.name.removesuffix(".gz") if packed else path.name
    stream: BinaryIO | gzip.GzipFile = stack.enter_context(gzip.GzipFile(fileobj=file)) if packed else file
    head = stream.read(HEAD)
    if not head or not rank(name, head):
        start = head[:60].decode("ascii", "replace").split("\n")[0]
        raise _nothing(wanted, [f"{name}, which begins {start!r}" if head else f"{name}, which is empty"])
    stream.seek(0)
    return Member(name, path.name, stream, file.tell, size)


def _best_of_zip(archive: zipfile.ZipFile, rank: Callable[[str, bytes], int], wanted: str) -> zipfile.ZipInfo:
    members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    scores = []
    for member in members[:MEMBER_LIMIT]:
        name = Path(member.filename).name
        # Asked by name first: reading the start of a million pictures would take minutes.
        if rank(name, b""):
            with archive.open(member) as stream:
                scores.append((rank(name, stream.read(HEAD)), member))
    score, best = max(scores, key=lambda pair: pair[0], default=(0, None))
    if best is None or not score:
        raise _nothing(wanted, [m.filename for m in members])
    return best


def _first_of_tar(
    archive: tarfile.TarFile, rank: Callable[[str, bytes], int], wanted: str
) -> tuple[str, "_Rejoined"]:
    seen = []
    for member in archive:
        name = Path(member.name).name
        seen.append(member.name)
        if len(seen) > MEMBER_LIMIT:
            break
        if member.isfile() and rank(name, b""):
            stream = archive.extractfile(member)
            head = stream.read(HEAD) if stream else b""
            if stream and rank(name, head):
                return name, _Rejoined(head, stream)
    raise _nothing(wanted, seen)


class _Rejoined:
    """A stream whose first bytes were read already; a tar that is streamed cannot go back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._rest.read(size)


def _is_tar(file: BinaryIO, packed: bool) -> bool:
    file.seek(0)
    head = gzip.GzipFile(fileobj=file).read(512) if packed else file.read(512)
    file.seek(0)
    return head[257:262] == b"ustar"


def _nothing(wanted: str, seen: list[str]) -> BadInput:
    return BadInput(
        f"An import needs {wanted}. Received: {', '.join(seen[:5]) or 'an empty archive'}"
        f"{' …' if len(seen) > 5 else ''}. Choose another file."
    )


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Around reading only: what the caller does with the bytes has errors of its own."""
    try:
        yield
    except _BROKEN as error:
        locked = "encrypted" in str(error)
        problem = "which needs a password" if locked else f"which is damaged or unreadable ({error})"
        raise BadInput(
            f"A file must be complete and open. Received: {name}, {problem}. "
            "Download it again, or unpack it first."
        ) from error
