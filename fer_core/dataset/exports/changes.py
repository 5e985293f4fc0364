"""A csv of the labels that were changed, and applying one to another copy of the dataset."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import changes, ledger, schema
from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.selection import Selection
from fer_core.dataset.store import Dataset, Store, find_dataset, slices
from fer_core.errors import BadInput

COLUMNS = ("source", "image", "old", "new", "who", "at", "why")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula."""


@dataclass(frozen=True)
class Applied:
    """What a csv of changes did.

    Attributes:
        change: the new events; `ledger.undo` of its batch takes them back.
        already: rows whose sample has the new label already.
        differing: rows that were left alone, since the sample has a label that is neither old nor new.
        missing: rows whose sample is not in the dataset.
    """

    change: ledger.Change
    already: int
    differing: int
    missing: int


def apply_changes(
    store: Store, dataset: str, path: str | Path, who: str, *, overwrite: bool = False
) -> Applied:
    """Give samples the labels of a csv of changes, all of them or none.

    A sample is found by source and picture; else by its picture, where one sample alone shows it.

    Args:
        who: the person who applies them; who made them stays in `why`.
        overwrite: change also samples whose label is neither the old nor the new one.

    Raises:
        BadInput: not such a file, a label outside the dataset's set, or no name in `who`.
        NotFound: no such dataset.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    rows = list(_rows(Path(path)))
    outcome: Counter[str] = Counter()
    events = {}
    with store.write() as connection:
        found = find_dataset(connection, dataset)
        for number, row in rows:
            _check(number, row, found)
        by_source, by_image = _samples(connection, found.id, rows)
        for _, row in rows:
            same = by_image.get(row["image"], [])
            alone = same[0] if len(same) == 1 else None
            sample = by_source.get((row["source"], row["image"]), alone)
            old, new = row["old"] or None, row["new"] or None
            if sample is None:
                outcome["missing"] += 1
            elif sample.label == new:
                outcome["already"] += 1
            elif sample.label != old and not overwrite:
                outcome["differing"] += 1
            else:
                events[sample.id] = {
                    "sample": sample.id, "dataset": found.id, "old": sample.label, "new": new,
                    "why": _why(row),
                }  # fmt: skip
        change = ledger.record(connection, list(events.values()), who, surfaced_by=ledger.BY_FILE)
    return Applied(change, outcome["already"], outcome["differing"], outcome["missing"])


def _write(selection: Selection, path: Path, ending: str) -> None:
    frame = changes.relabelled(
        selection.store, selection.dataset.name, selection.since, selection.version
    ).iloc[::-1]
    if selection.wanted is not None:
        frame = frame[frame["sample"].isin(selection.wanted)]
    selection.total = len(frame)
    # With a mark, so that spreadsheets read it as UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in frame[list(COLUMNS)].itertuples(index=False):
            writer.writerow([_disarmed(cell or "") for cell in row])
            selection.rows += 1
            if selection.rows % 1000 == 0:
                selection.tell(selection.rows)
    selection.tell(selection.rows)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by number; row 1 is the first after the header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise BadInput(
                    f"A csv of changes has the columns {', '.join(COLUMNS)}. "
                    f"Received: {path.name} without {', '.join(missing)}. Export one as changes."
                )
            for number, row in enumerate(reader, 1):
                yield number, {name: _rearmed(row[name] or "") for name in COLUMNS}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"Changes come as a csv. Received: {path}, which cannot be read ({error}). Check the path."
        ) from error


def _check(number: int, row: dict[str, str], dataset: Dataset) -> None:
    allowed = (*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE, "")
    if row["new"] not in allowed:
        raise BadInput(
            f"Labels of this dataset are: {', '.join(allowed[:-1])}. Received: row {number:,} with "
            f"{row['new']!r}. Mend that row, or choose another dataset; nothing was changed."
        )


def _samples(
    connection: sa.Connection, dataset: int, rows: list[tuple[int, dict[str, str]]]
) -> tuple[dict[tuple[str, str], sa.Row], dict[str, list[sa.Row]]]:
    """The samples of the dataset that show the rows' pictures: by (source, picture), and by picture."""
    by_source: dict[tuple[str, str], sa.Row] = {}
    by_image: dict[str, list[sa.Row]] = {}
    sample = schema.sample.c
    query = sa.select(sample.id, sample.source, sample.image, sample.label).where(sample.dataset == dataset)
    for some in slices(list({row["image"] for _, row in rows})):
        for found in connection.execute(query.where(sample.image.in_(some))):
            by_source[found.source, found.image] = found
            by_image.setdefault(found.image, []).append(found)
    return by_source, by_image


def _why(row: dict[str, str]) -> str:
    """Who made the change, when and why: "Ada, 2026-02-01: typo"."""
    return f"{row['who']}, {row['at'][:10]}: {row['why']}".removesuffix(": ")


def _disarmed(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _rearmed(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


FORM = Export(
    key="changes",
    title="Changes only",
    sentence="A csv of each label that was changed: old, new, who, when, why. Another copy can take it over.",
    endings=(".csv",),
    write=_write,
)
