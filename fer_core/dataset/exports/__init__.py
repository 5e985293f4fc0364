"""Take datasets along, in the forms that other programs and this one read."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from fer_core.dataset import schema, versions
from fer_core.dataset.exports import changes, class_folders, fer2013, label_studio, parquet, pgm
from fer_core.dataset.exports.changes import Applied, apply_changes
from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.selection import Selection
from fer_core.dataset.exports.target import growing
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, NotFound

__all__ = ["EXPORTS", "Applied", "Export", "ExportReport", "apply_changes", "export"]

EXPORTS = {
    form.key: form
    for form in (
        class_folders.FORM,
        parquet.FORM,
        label_studio.FORM,
        fer2013.FORM,
        changes.FORM,
        pgm.FORM,
    )
}
"""Every form by its key."""


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        path: the file or folder.
        rows: samples in it; for changes, labels.
        left_out: why -> how many samples are not in it.
        bytes: size of the file, or of the folder's files.
        seconds: wall-clock time.
    """

    form: str
    path: Path
    rows: int
    left_out: dict[str, int]
    bytes: int
    seconds: float


def export(
    store: Store,
    dataset: str,
    form: str,
    destination: str | Path,
    *,
    version: str | None = None,
    samples: Iterable[int] | None = None,
    since: str | None = None,
    leave_out: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a dataset to a file or folder, whole or not at all.

    Labels that are given meanwhile do not get in. Memory stays the same however many samples there are,
    but for their file names (some 100 MB for a million).

    Args:
        form: key of EXPORTS.
        destination: its ending chooses between a folder and a file where the form has both.
        version: name or id; None is the present state.
        samples: only these, by id; those that the version does not have are passed over.
        since: for the form "changes": the version from which they are told; None is the import.
        leave_out: leave out and count what the form cannot hold, instead of refusing.
        progress: called with (samples done, samples in all, text); what it raises ends the export.

    Raises:
        BadInput: a wrong ending, an empty dataset, or samples that the form cannot hold.
        NotFound: no such dataset, version or form.
        Conflict: the destination exists.
        StorageError: it could not be written; then nothing is left of it.
    """
    started = time.perf_counter()
    if form not in EXPORTS:
        raise NotFound.of("form of export", form, EXPORTS)
    chosen, path = EXPORTS[form], Path(destination)
    ending = _ending(chosen, path)
    selection = _selection(store, dataset, version, samples)
    selection.leave_out, selection.progress = leave_out, progress
    selection.since = None if since is None else versions.find(store, dataset, since)
    with growing(path) as part:
        chosen.write(selection, part, ending)
        size = sum(f.stat().st_size for f in part.rglob("*") if f.is_file()) if part.is_dir() else None
        size = part.stat().st_size if size is None else size
    seconds = time.perf_counter() - started
    return ExportReport(form, path, selection.rows, dict(selection.left_out), size, seconds)


def _ending(form: Export, path: Path) -> str:
    found = next((e for e in form.endings if e and path.name.lower().endswith(e)), None)
    if found is None and "" in form.endings and path.suffix.lower() not in (".csv", ".json", ".parquet"):
        found = ""
    if found is None or not path.name:
        wanted = ", ".join(e or "a folder" for e in form.endings)
        raise BadInput(
            f"{form.title} can be written as: {wanted}. Received: {path.name!r}. Choose such a name."
        )
    return found


def _selection(store: Store, dataset: str, version: str | None, samples: Iterable[int] | None) -> Selection:
    found = store.dataset(dataset)
    frozen = None if version is None else versions.find(store, dataset, version)
    with store.read() as connection:
        tally, event = schema.tally.c, schema.event.c
        total = connection.scalar(sa.select(sa.func.sum(tally.n)).where(tally.dataset == found.id)) or 0
        place = connection.scalar(sa.select(sa.func.max(event.id))) or 0
    if frozen:
        total, place = frozen.rows - frozen.removed, frozen.event
    wanted = None if samples is None else sorted(set(map(int, samples)))
    if wanted is not None:
        total = len(wanted)
    if not total:
        raise BadInput(f"An export needs samples. Received: none, in {dataset!r}. Import some first.")
    return Selection(store, found, place, wanted, total, version=frozen)
