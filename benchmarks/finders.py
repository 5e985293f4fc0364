"""How well each finder of faults does on the practice dataset, which knows its own faults.

    python -m benchmarks.finders

A table of precision and recall: twins (near copies), the leak, and wrong labels as far as copies with
different labels give them away. Faults are counted in samples.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from fer_core.dataset import findings, practice, schema
from fer_core.dataset.store import Store


@dataclass(frozen=True)
class Score:
    """Of one finder: what it had to find, what it found, and how many of those were right."""

    there: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        return self.hits / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.hits / max(self.there, 1)


def scores(count: int = 700, seed: int = 0) -> dict[str, Score]:
    """The score of each finder on a practice dataset of that many samples."""
    planned = practice.plan(count, seed)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "studio.db")
        practice.import_practice(store, count=count, seed=seed)
        findings.check(store, practice.NAME)
        finding, sample = schema.finding.c, schema.sample.c
        query = sa.select(finding.kind, sample.source).join_from(schema.finding, schema.sample)
        with store.read() as connection:
            rows = connection.execute(query).all()
        store.close()
    found = {kind: {source for k, source in rows if k == kind} for kind in findings.KINDS}
    wrong = {p.source for p in planned if p.label != p.truth}
    twins = {name for p in planned if p.twin_of for name in (p.source, p.twin_of)}
    leak = {name for p in planned if p.leak_of for name in (p.source, p.leak_of)}
    at_odds = {
        name
        for p in planned
        for other in planned
        if p.twin_of == other.source and p.label != other.label
        for name in (p.source, other.source)
    }
    return {
        "near duplicates: twins": _score(twins, found["near_duplicate"]),
        "leaks: the leak": _score(leak, found["leak"]),
        "conflicts: twins called differently": _score(at_odds, found["conflict"]),
        "conflicts: wrong labels": _score(wrong, found["conflict"]),
    }


def _score(there: set[str], found: set[str]) -> Score:
    return Score(len(there), len(found), len(there & found))


def main() -> None:
    print(f"{'':38} {'there':>6} {'found':>6} {'precision':>10} {'recall':>7}")
    for name, score in scores().items():
        print(f"{name:38} {score.there:6} {score.found:6} {score.precision:10.0%} {score.recall:7.0%}")


if __name__ == "__main__":
    main()
