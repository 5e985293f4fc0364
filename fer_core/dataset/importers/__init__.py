"""Bring datasets in, in the forms that they are published in: `preview` looks, `import_any` stores."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_core import labels
from fer_core.dataset import splits
from fer_core.dataset.importers import ferplus, looking, plan, storing
from fer_core.dataset.importers.form import Form
from fer_core.dataset.importers.forms import (
    affectnet,
    ckplus,
    class_folders,
    emotic,
    jaffe,
    label_studio,
    parquet,
    rafdb,
    table,
)
from fer_core.dataset.importers.forms import fer2013 as pixels_csv
from fer_core.dataset.importers.looking import Preview
from fer_core.dataset.importers.plan import FoundClass
from fer_core.dataset.importers.source import open_source
from fer_core.dataset.intake import ImportReport, Progress
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.labels import LabelSet

__all__ = ["FORMS", "FoundClass", "ImportReport", "Preview", "import_any", "preview"]

FORMS: dict[str, Form] = {
    form.key: form
    for form in (
        # A further form is a line here. Where two fit a source equally well, the first is taken.
        pixels_csv.FORM,
        label_studio.FORM,
        parquet.FORM,
        emotic.FORM,
        affectnet.FORM,
        ckplus.FORM,
        rafdb.FORM,
        jaffe.FORM,
        table.FORM,
        class_folders.FORM,
    )
}
"""Key -> form, of all forms that can be read."""


def preview(
    paths: str | Path | Sequence[str | Path],
    *,
    form: str | None = None,
    votes: str | Path | None = None,
    label_set: LabelSet | str | None = None,
    names: Mapping[str, str | None] | None = None,
    ratios: Sequence[float] = splits.RATIOS,
    by_subject: bool = True,
    hold_out: float = 0.0,
    progress: Progress | None = None,
) -> Preview:
    """What an import of the same would bring; nothing is written.

    A few pictures of each class are decoded. What only decoding tells, as unreadable pictures and
    duplicates, is known of those alone, and assigned splits can differ by a few pictures.

    Raises:
        BadInput: nothing there that can be imported.
        NotFound: no such form, label set, or class of `names`.
    """
    if votes is not None:
        ferplus.read_votes(votes)  # of a wrong file it says what is wrong
    with open_source(_all(paths, votes)) as source:
        found, also = plan.recognise(source, FORMS, form)
        planned = plan.plan(source, found.read(source), names, _label_set(label_set), hold_out)
        called = _name(found, source.name)
        return looking.look(source, found, also, planned, called, ratios, by_subject, progress)


def import_any(
    store: Store,
    paths: str | Path | Sequence[str | Path],
    *,
    form: str | None = None,
    name: str | None = None,
    votes: str | Path | None = None,
    label_set: LabelSet | str | None = None,
    names: Mapping[str, str | None] | None = None,
    ratios: Sequence[float] = splits.RATIOS,
    by_subject: bool = True,
    hold_out: float = 0.0,
    who: str = "import",
    progress: Progress | None = None,
) -> ImportReport:
    """Import a dataset: all of it that can be read is stored, or nothing.

    Pictures are read and decoded before the database is locked. Those that cannot be read are left
    out and named in the report. What the dataset has already stays as it is, split and label
    included, so the same source can be imported twice, or again when it has grown.

    Args:
        paths: a folder, an archive or a file, or several that belong together.
        form: key of FORMS; None recognises it.
        name: of the dataset; None is that of the source.
        votes: FER+ votes, row by row, for FER2013.
        label_set: that the labels must be in; None is that of the dataset, if it is there, or else
            the first usual one that has them all.
        names: class as the source names it -> label, or None to leave it out.
        ratios: shares of train, validation and test, where the source has no splits.
        by_subject: whether splits that are assigned keep each person in one.
        hold_out: percent of train that validates, where the source has train and no validation: a
            training needs one.

    Raises:
        BadInput: no form fits, a class has no place in the label set, or no picture can be read.
        NotFound: no such form, label set, or class of `names`.
        Conflict: the dataset has other pictures under the same names, or another label set.
        StorageError: it could not be stored; then nothing was.
    """
    started = time.perf_counter()
    chosen = _label_set(label_set)
    raters = ferplus.read_votes(votes) if votes is not None else None
    with open_source(_all(paths, votes)) as source:
        found, _ = plan.recognise(source, FORMS, form)
        is_csv = found.key == pixels_csv.FORM.key
        if votes is not None and not is_csv:
            raise BadInput(
                f"Votes row by row belong to FER2013's csv. Received: votes={Path(votes).name} for "
                f"{found.title}. Leave them out."
            )
        called = name or _name(found, source.name)
        if is_csv and chosen is None and not names:
            return pixels_csv.import_source(store, source, raters, name=called, who=who, progress=progress)
        planned = plan.plan(
            source, reading := found.read(source), names, chosen or storing.label_set(store, called), hold_out
        )
        return storing.store_all(
            store, source, found, reading, planned,
            name=called, ratios=ratios, by_subject=by_subject, who=who, progress=progress, started=started,
        )  # fmt: skip


def _all(paths: str | Path | Sequence[str | Path], votes: str | Path | None) -> list[Path]:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    return [Path(path) for path in (*given, *([votes] if votes is not None else []))]


def _name(form: Form, source: str) -> str:
    """What a dataset is called unless somebody names it."""
    return form.key if form.key == pixels_csv.FORM.key else source


def _label_set(given: LabelSet | str | None) -> LabelSet | None:
    return labels.get(given) if isinstance(given, str) else given
