"""What an export takes along: the samples of one state of a dataset, read a few at a time."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Dataset, Store, slices
from fer_core.dataset.versions import Version
from fer_core.errors import BadInput

ROWS = 500
"""Samples that are read at a time."""

GROUP_BYTES = 32 << 20
"""Bytes of pictures that are in memory at a time; one picture may have more."""

_QUERY = """
SELECT sample.id, sample.image, source, split, event.new AS label, subject, valence, arousal,
    width, height, bytes
FROM sample JOIN image ON image.id = sample.image
JOIN event ON event.id = (
    SELECT max(inside.id) FROM event inside WHERE inside.sample = sample.id AND inside.id <= :place
)
"""


class Sample(NamedTuple):
    """One sample as an export writes it.

    Attributes:
        label: at the state that is exported; None for no label.
        width, height: px.
        bytes: of the encoded picture.
        votes: raters per label, summed over who asked them; empty without votes.
    """

    id: int
    image: str
    source: str
    split: str
    label: str | None
    subject: str | None
    valence: float | None
    arousal: float | None
    width: int
    height: int
    bytes: int
    votes: dict[str, int]


@dataclass
class Selection:
    """Samples of a dataset after the event `place`. Labels given meanwhile change nothing of it.

    Attributes:
        wanted: ids of samples, ascending; None is all.
        total: samples, as far as it is known before they are read.
        leave_out: leave out what a form cannot hold, instead of refusing.
        version: the frozen state that is exported; None is the state when the export began.
        since: the version from which the form "changes" tells; None is the import.
        left_out: why -> how many; filled by the form.
        rows: samples written; counted by the form.
    """

    store: Store
    dataset: Dataset
    place: int
    wanted: list[int] | None
    total: int
    leave_out: bool = False
    since: Version | None = None
    version: Version | None = None
    progress: Progress | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def samples(self) -> Iterator[Sample]:
        """All samples, by id, without their pictures."""
        for block in self._blocks():
            yield from block

    def groups(self) -> Iterator[list[tuple[Sample, bytes]]]:
        """All samples with their encoded pictures, by id, some at a time.

        Raises:
            NotFound: a picture was deleted meanwhile.
        """
        done = 0
        for block in self._blocks():
            for some in _portions(block):
                data = self.store.image_bytes(sample.image for sample in some)
                yield [(sample, data[sample.image]) for sample in some]
                done += len(some)
                self.tell(done)

    def tell(self, done: int) -> None:
        """Report progress."""
        if self.progress:
            self.progress(done, self.total, f"{done:,} of {self.total:,} samples")

    def refuse(self, what: str, problems: Counter[str]) -> None:
        """Count what a form cannot hold, or refuse to go on.

        Args:
            what: the rule.

        Raises:
            BadInput: there are problems, and nobody said to leave them out.
        """
        if problems and not self.leave_out:
            listed = "; ".join(f"{count:,} {reason}" for reason, count in problems.most_common())
            raise BadInput(
                f"{what} Received: {listed}. Leave those out, or choose another form; nothing was written."
            )
        self.left_out.update(problems)

    def _blocks(self) -> Iterator[list[Sample]]:
        if self.wanted is not None:
            for ids in slices(self.wanted, ROWS):
                places = ", ".join(map(str, ids))
                yield self._read(f"WHERE dataset_is AND sample.id IN ({places}) ORDER BY sample.id")
            return
        last = 0
        while True:
            block = self._read("WHERE dataset_is AND sample.id > :last ORDER BY sample.id LIMIT :rows", last)
            if block:
                yield block
            if len(block) < ROWS:
                return
            last = block[-1].id

    def _read(self, where: str, last: int = 0) -> list[Sample]:
        # A read of its own for each block: one long read would keep the database from tidying up.
        query = sa.text(_QUERY + where.replace("dataset_is", "sample.dataset = :dataset"))
        values = {"place": self.place, "dataset": self.dataset.id, "last": last, "rows": ROWS}
        used = {name: value for name, value in values.items() if f":{name}" in query.text}
        with self.store.read() as connection:
            rows = connection.execute(query, used).all()
            ballots = self._votes(connection, [row.id for row in rows])
        return [Sample(**row._mapping, votes=ballots.get(row.id, {})) for row in rows]

    def _votes(self, connection: sa.Connection, ids: list[int]) -> dict[int, dict[str, int]]:
        found: dict[int, Counter[str]] = {}
        columns = schema.votes.c
        query = sa.select(columns.sample, sa.type_coerce(columns.counts, sa.Text))
        for sample, counts in connection.execute(query.where(columns.sample.in_(ids))):
            found.setdefault(sample, Counter()).update(json.loads(counts))
        return {sample: {name: n for name, n in c.items() if n} for sample, c in found.items()}


def _portions(block: list[Sample]) -> Iterator[list[Sample]]:
    """Parts of a block whose pictures fit into memory together."""
    some: list[Sample] = []
    size = 0
    for sample in block:
        if some and size + sample.bytes > GROUP_BYTES:
            yield some
            some, size = [], 0
        some.append(sample)
        size += sample.bytes
    if some:
        yield some
