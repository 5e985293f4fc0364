"""Read, decode and set aside all pictures of an import, before the database is touched."""

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, NamedTuple, TypeVar

from fer_core import workspace
from fer_core.errors import BadInput, StorageError
from fer_core.imaging.decode import decode_image, pixel_id

PICTURE_LIMIT = 20 << 20
"""Bytes of one encoded picture; larger ones are not stored."""

UNREADABLE = "pictures that cannot be read; left out"

_TOGETHER = 32
"""Pictures that a thread takes at once: handing each over by itself would cost more than some take."""

Give = Callable[[], bytes]
Key = TypeVar("Key")


class Looked(NamedTuple):
    """What decoding found.

    Attributes:
        image: `pixel_id`.
        width, height: px, upright.
        blank: whether all its pixels are alike.
    """

    data: bytes
    image: str
    width: int
    height: int
    blank: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A picture that waits in the staging file.

    Attributes:
        start, size: where its encoded bytes are.
    """

    image: str
    width: int
    height: int
    blank: bool
    start: int
    size: int


class Staging:
    """Encoded pictures in a file without a name, which the system frees however the process ends."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0
        self._known: dict[str, Staged] = {}

    def put(self, data: bytes, image: str, width: int, height: int, blank: bool) -> Staged:
        """Set a picture aside; the same pixels are kept once. The arguments are those of `Looked`.

        Raises:
            StorageError: the disk is full.
        """
        staged = self._known.get(image)
        if staged is None:
            with _explained():
                self._file.write(data)
            staged = Staged(image, width, height, blank, self._end, len(data))
            self._known[image] = staged
            self._end += len(data)
        return staged

    def get(self, staged: Staged) -> bytes:
        """The encoded bytes of a picture; quickest in the order of `put`.

        Raises:
            StorageError: the disk cannot be read.
        """
        with _explained():
            self._file.seek(staged.start)
            return self._file.read(staged.size)

    def flush(self) -> None:
        """Bring what is waiting in memory to the disk.

        Raises:
            StorageError: the disk is full.
        """
        with _explained():
            self._file.flush()


@contextmanager
def open_staging() -> Iterator[Staging]:
    """A staging file in the workspace's cache, gone when the block ends.

    Raises:
        StorageError: the workspace cannot be written.
    """
    with _explained():
        file = tempfile.TemporaryFile(dir=workspace.folder("cache"), buffering=1 << 20)
    try:
        yield Staging(file)
    finally:
        with _explained():
            file.close()


def in_threads(given: Iterable[tuple[Key, Give]]) -> Generator[tuple[Key, Looked | BadInput], None, None]:
    """Read and decode pictures in several threads: what was found, or why one cannot be used, in their order.

    Raises:
        Conflict: a file has gone since its source was opened.
    """
    threads = min(4, os.cpu_count() or 1)
    # Each future holds the pictures of its part, so few may wait.
    waiting: deque[Future[list[tuple[Key, Looked | BadInput]]]] = deque()
    items, stopped = iter(given), threading.Event()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            while part := list(islice(items, _TOGETHER)):
                waiting.append(pool.submit(_look_at_all, part, stopped))
                if len(waiting) > 2 * threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            stopped.set()


def look(give: Give) -> Looked | BadInput:
    """Decode one picture."""
    try:
        data = give()
        picture = decode_image(data)
    except BadInput as error:
        return error
    height, width = picture.shape[:2]
    first = picture[0, 0]
    blank = bool((picture[0] == first).all() and (picture == first).all())
    return Looked(data, pixel_id(picture), width, height, blank)


def why(name: str, error: BadInput) -> str:
    """A picture's name, and what is wrong with it in a few words."""
    received = str(error).partition("Received: ")[2].partition(". ")[0]
    return f"{name}: {received}" if received else name


def _look_at_all(
    part: list[tuple[Key, Give]], stopped: threading.Event
) -> list[tuple[Key, Looked | BadInput]]:
    return [(key, look(give)) for key, give in part if not stopped.is_set()]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"An import needs room in the workspace. Received: {error.strerror}, folder={workspace.root()}. "
            "Nothing was stored; free some space, then try again."
        ) from error
