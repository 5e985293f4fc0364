"""Bring datasets in, in the forms that they are published in."""

from collections.abc import Callable
from pathlib import Path

from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.intake import ImportReport, Progress
from fer_core.dataset.store import Store
from fer_core.errors import NotFound

IMPORTERS: dict[str, Callable[..., ImportReport]] = {"fer2013": import_fer2013}
"""Form -> (store, path, name=, votes=, who=, progress=) -> report."""


def import_any(
    store: Store,
    path: str | Path,
    *,
    form: str = "fer2013",
    name: str | None = None,
    votes: str | Path | None = None,
    who: str = "import",
    progress: Progress | None = None,
) -> ImportReport:
    """Import a dataset, all of it or nothing.

    Args:
        form: key of IMPORTERS.
        name: of the dataset; None is the name of the form.

    Raises:
        BadInput: it is not in that form, or a row of it cannot be used.
        NotFound: no such form.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    if form not in IMPORTERS:
        raise NotFound.of("form of dataset", form, IMPORTERS)
    return IMPORTERS[form](store, path, name=name or form, votes=votes, who=who, progress=progress)
