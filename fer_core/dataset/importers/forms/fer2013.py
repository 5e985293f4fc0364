"""FER2013's csv as a form: a preview reads it row by row; an import as it stands takes the fast path."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from fer_core.dataset.importers import fer2013, ferplus
from fer_core.dataset.importers.archive import Member
from fer_core.dataset.importers.ferplus import Votes
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.source import Source
from fer_core.dataset.intake import ImportReport, Progress
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.labels import FER7

_BLOCK = 2 << 20


def import_source(
    store: Store,
    source: Source,
    votes: Votes | None,
    *,
    name: str,
    who: str,
    progress: Progress | None,
) -> ImportReport:
    """Import the csv of a source as it stands, with FER+ votes that lie beside it.

    Args:
        votes: those to take instead.

    Raises:
        BadInput, Conflict, StorageError: as `fer2013.import_fer2013`.
    """
    with _member(source) as member:
        raters = votes or _votes(source)
        return fer2013.import_member(store, member, raters, name=name, who=who, progress=progress)


def _fits(source: Source) -> int:
    return 8 if _table(source) else 0


def _read(source: Source) -> Reading:
    raters = _votes(source)

    def found() -> Iterator[Found]:
        with _member(source) as member:
            for rows, _ in fer2013.checked_rows(member, raters):
                for row in rows:
                    yield Found(row.source, member.name, row.label, row.split, votes=row.votes, data=row.data)

    return Reading(found, label_set=FER7)


def _table(source: Source) -> str | None:
    """The csv of faces that fits best; of several the first."""
    fits = {
        entry.path: fer2013.rank(entry.path, source.head(entry.path).encode() or b"\n")
        for entry in source.entries
        if fer2013.rank(entry.path, b"")
    }
    best = max(fits, key=lambda path: fits[path], default=None)
    return best if best and fits[best] else None


def _votes(source: Source) -> Votes | None:
    tables = (entry.path for entry in source.entries if fer2013.rank(entry.path, b""))
    path = next((path for path in tables if ferplus.are_votes(source.head(path))), None)
    return ferplus.parse_votes(source.text(path), path) if path else None


@contextmanager
def _member(source: Source) -> Iterator[Member]:
    path = _table(source)
    if path is None:
        raise BadInput(f"An import needs {fer2013.WANTED}. Received: {source.name}. Choose another file.")
    size = next(entry.size for entry in source.entries if entry.path == path)
    with closing(source.blocks(path, _BLOCK)) as blocks:
        stream = _Stream(blocks)
        yield Member(path.rpartition("/")[2], source.name, stream, lambda: min(stream.done, size), size)


class _Stream:
    """Blocks as something to read from, and how many bytes were."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.done = 0

    def read(self, _size: int) -> bytes:
        block = next(self._blocks, b"")
        self.done += len(block)
        return block


FORM = Form(
    key="fer2013",
    title="FER2013",
    sentence="A csv with the columns emotion, pixels and Usage, with FER+ votes beside it if you have them.",
    fits=_fits,
    read=_read,
)
