"""What an import would bring, and the choices that there are, before anything is stored."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from fer_core import labels
from fer_core.dataset import importers, splits
from fer_core.dataset.importers import Preview, lists
from fer_core.dataset.intake import ImportReport, Progress
from fer_core.dataset.store import SPLITS, Store
from fer_core.errors import FerError
from fer_core.imaging.decode import decode_image
from pages._shared import errors, jobs, words
from pages._shared.uploads import Draft

LEAVE_OUT = "(leave out)"

_THUMBNAIL = 52
"""px on the page."""

_SAID = {"train": "train", "validation": "validation", "test": "test", "none": "no split"}


@dataclass(frozen=True)
class Wanted:
    """What somebody chose.

    Attributes:
        names: class -> label or None, for the classes that are not to be what they seem.
        ratios: shares of train, validation and test.
        hold_out: percent of train that validates, where nothing else does.
    """

    form: str
    name: str
    names: tuple[tuple[str, str | None], ...] = ()
    ratios: tuple[int, int, int] = splits.RATIOS
    by_subject: bool = True
    hold_out: int = 0

    def run(self, store: Store, draft: Draft, progress: Progress) -> ImportReport:
        """Import it."""
        return importers.import_any(
            store,
            draft.paths,
            form=self.form,
            name=self.name,
            names=dict(self.names) or None,
            ratios=self.ratios,
            by_subject=self.by_subject,
            hold_out=self.hold_out,
            progress=progress,
        )

    def look(self, draft: Draft) -> Preview:
        """What it would bring."""
        return importers.preview(
            draft.paths,
            form=self.form,
            names=dict(self.names) or None,
            ratios=self.ratios,
            by_subject=self.by_subject,
            hold_out=self.hold_out,
        )


def show(
    store: Store, draft: Draft, on_import: Callable[[Wanted], None], on_drop: Callable[[], None]
) -> None:
    """The preview from top to bottom, and the button that imports."""
    first, found = _looked(draft, None), None
    if first is not None:
        form = _form(first, draft)
        found = first if form == first.form else _looked(draft, form)
    elif not _is_looking(draft, None) and (other := _any_form(draft)):
        found = _looked(draft, other)
    if found is None:
        if not any(_is_looking(draft, form) for form in (None, *importers.FORMS)):
            st.button("Choose other files", on_click=on_drop)
        return
    st.markdown(_summary(found))
    problems(found.problems)
    top = st.container(horizontal=True, vertical_alignment="bottom")
    _examples(found)
    st.space("xsmall")
    left, right = st.columns([11, 9], gap="large")
    with left:
        names = _classes(found, draft)
    with right:
        ratios, by_subject, hold_out = _splits(found, draft)
        wanted = Wanted(found.form, "", names, ratios, by_subject, hold_out)
        counted = _counted(found, draft, wanted)
        counts(counted.counts)
        if found.splits == "assigned":
            st.caption("Give or take a few: copies of a picture are found when all are read.")
    with top:
        _import(store, draft, counted, wanted, on_import, on_drop)


def _import(
    store: Store,
    draft: Draft,
    counted: Preview,
    wanted: Wanted,
    on_import: Callable[[Wanted], None],
    on_drop: Callable[[], None],
) -> None:
    """The main action. It stands first on the page, and is drawn last, since it says how many come in."""
    with st.container(width=320):
        name = st.text_input("Name of the dataset", counted.name, key=f"name {draft.token}", max_chars=100)
    st.button(
        f"Import {words.many(counted.rows, 'picture')}",
        type="primary",
        disabled=not name.strip(),
        on_click=on_import,
        args=(replace(wanted, name=name),),
    )
    st.button("Choose other files", type="tertiary", on_click=on_drop)
    if any(dataset.name == " ".join(name.split()) for dataset in store.datasets()):
        st.caption("A dataset of this name is here already: it gets what it lacks, and nothing twice.")


def counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """A table of pictures per label and split, with sums."""
    shown = [split for split in SPLITS if split in counts]
    table = pd.DataFrame({_SAID[split]: counts[split] for split in shown}).fillna(0).astype(int)
    known = (*labels.ALIASES, *sorted(set(table.index) - {*labels.ALIASES, ""}), "")
    table = table.reindex([label for label in known if label in table.index])
    table = table.rename(index={"": "no label"})
    if len(shown) > 1:
        table["all"] = table.sum(axis=1)
    table.loc["all"] = table.sum()
    st.dataframe(
        table.rename_axis("label"),
        height="content",
        column_config={column: st.column_config.NumberColumn(format="localized") for column in table},
        alt="Pictures per label and split: "
        + "; ".join(f"{label} {row.iloc[-1]:,}" for label, row in table.iterrows()),
    )


def problems(found: Mapping[str, list[str]]) -> None:
    """What is wrong, in a line each."""
    if not found:
        return
    lines = [
        f"- {words.sentence_case(errors.plain(what)).rstrip('.')}"
        + (f": {errors.plain(lists.few(cases))}" if cases else "")
        for what, cases in found.items()
    ]
    st.markdown("**Good to know**\n\n" + "\n".join(lines))


def _looked(draft: Draft, form: str | None) -> Preview | None:
    """The preview, once it is there; until then this draws how far it is, or why there is none."""
    key = _key(draft, form)
    if jobs.find(key) is None:
        jobs.start(
            key,
            "Looking into the files",
            lambda progress: importers.preview(draft.paths, form=form, progress=progress),
        )
    ended = jobs.show(key)
    return ended.value if ended and ended.state == "done" else None


def _is_looking(draft: Draft, form: str | None) -> bool:
    job = jobs.find(_key(draft, form))
    return bool(job and job.state == "running")


def _key(draft: Draft, form: str | None) -> str:
    return f"look {draft.token} {draft.revision} {form or ''}"


def _form(first: Preview, draft: Draft) -> str:
    """What the files are, with a choice where they could be something else."""
    st.subheader(f"This looks like {errors.plain(first.title)}", anchor=False)
    if not first.also:
        return first.form
    return st.selectbox(
        "Read it as",
        [first.form, *first.also],
        format_func=lambda key: importers.FORMS[key].title,
        key=f"form {draft.token}",
        help=" ".join(importers.FORMS[key].sentence for key in (first.form, *first.also)),
    )


def _any_form(draft: Draft) -> str | None:
    """What to read files as that look like nothing known."""
    return st.selectbox(
        "If you know what it is, read it as",
        list(importers.FORMS),
        index=None,
        format_func=lambda key: importers.FORMS[key].title,
        key=f"form {draft.token}",
    )


def _summary(found: Preview) -> str:
    parts = [f"**{words.many(found.rows, 'picture')}**", words.many(len(found.classes), "class", "classes")]
    parts += [words.many(found.subjects, "person", "people")] if found.subjects else []
    widths = sorted({f"{width} × {height}" for width, height in found.sizes})
    size = f"{widths[0]} px each" if len(widths) == 1 else "of several sizes" if widths else ""
    return ", ".join([*parts, *([size] if size else [])]) + "."


def _examples(found: Preview) -> None:
    """A few pictures of each label, beside each other."""
    shown: dict[str, list[np.ndarray]] = {}
    for label, data in found.examples:
        try:
            shown.setdefault(label, []).append(_thumbnail(data))
        except FerError:
            continue
    in_all = Counter[str]()
    for mine in found.counts.values():
        in_all.update(mine)
    with st.container(horizontal=True, gap="medium"):
        for label, some in shown.items():
            name = label or "no label"
            with st.container(width=3 * _THUMBNAIL, gap="xxsmall"):
                st.image(some, width=_THUMBNAIL, alt=[f"An example of {name}"] * len(some))
                st.caption(f"{errors.plain(name)} · {in_all[label]:,}")


@st.cache_data(max_entries=500, show_spinner=False)
def _thumbnail(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB, small."""
    return decode_image(data, max_side=3 * _THUMBNAIL)


def _classes(found: Preview, draft: Draft) -> tuple[tuple[str, str | None], ...]:
    """The classes with their labels, which can be changed.

    Returns:
        The changed ones, with None for those to leave out.
    """
    if not found.classes:
        st.markdown("The pictures have no labels.")
        return ()
    st.markdown("**Classes, and the labels they become**")
    known = [*found.label_set.names, *(one.label for one in found.classes if one.label)]
    options = [*dict.fromkeys((*known, *labels.ALIASES)), LEAVE_OUT]
    table = pd.DataFrame(
        {
            "class": [one.name for one in found.classes],
            "pictures": [one.count for one in found.classes],
            "label": [one.label or LEAVE_OUT for one in found.classes],
        }
    )
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["class", "pictures"],
        height=min(38 + 35 * len(table), 424),
        column_config={
            "class": st.column_config.TextColumn("in the source"),
            "pictures": st.column_config.NumberColumn("pictures", format="localized"),
            "label": st.column_config.SelectboxColumn("label here", options=options, required=True),
        },
        key=f"classes {_key(draft, found.form)}",
        alt="Classes of the source, how many pictures each has, and the label that each becomes",
    )
    return changed(found, edited["label"].tolist())


def changed(found: Preview, chosen: list[str]) -> tuple[tuple[str, str | None], ...]:
    """The classes whose label is not the proposed one, with None for those to leave out.

    Args:
        chosen: a label, or LEAVE_OUT, for each class in the preview's order.
    """
    pairs = zip(found.classes, chosen, strict=True)
    new = ((one, None if label == LEAVE_OUT else label) for one, label in pairs)
    return tuple((one.name, label) for one, label in new if label != one.label)


def _splits(found: Preview, draft: Draft) -> tuple[tuple[int, int, int], bool, int]:
    """How the pictures are divided: as the source has it, or by shares that can be changed."""
    if found.splits == "source":
        st.markdown("**Splits, as the source has them**")
        return splits.RATIOS, True, _hold_out(found, draft)
    st.markdown("**Splits, assigned now and kept**")
    train, rest = st.slider(
        "Where train ends, and where test begins",
        0,
        100,
        (splits.RATIOS[0], splits.RATIOS[0] + splits.RATIOS[1]),
        step=5,
        format="%d %%",
        key=f"ratios {draft.token}",
        help="Each class is divided alike. Copies of a picture always come into one split.",
    )
    st.caption(f"{train} % to train on, {rest - train} % to validate, {100 - rest} % to test")
    by_subject = True
    if found.subjects:
        by_subject = st.toggle(
            "Keep each person in one split",
            value=True,
            key=f"people {draft.token}",
            help="Otherwise a network is tested on people that it knows.",
        )
    return (train, rest - train, 100 - rest), by_subject, 0


def _hold_out(found: Preview, draft: Draft) -> int:
    """How much of train is to validate, where the source has train and no validation; in percent."""
    if "train" not in found.counts or "validation" in found.counts:
        return 0
    return st.slider(
        "Of train, take to validate",
        0,
        50,
        splits.RATIOS[1],
        step=5,
        format="%d %%",
        key=f"hold out {draft.token}",
        help="The source has no validation pictures, and training needs some that it does not learn from. "
        "0 % leaves everything as it came.",
    )


def _counted(found: Preview, draft: Draft, wanted: Wanted) -> Preview:
    """The preview with what was changed."""
    if not wanted.names and wanted.ratios == splits.RATIOS and wanted.by_subject and not wanted.hold_out:
        return found
    try:
        return _recounted(draft, wanted)
    except FerError as error:
        st.error(errors.plain(str(error)))
        return found


@st.cache_data(max_entries=20, ttl=3600, show_spinner="Counting…")
def _recounted(draft: Draft, wanted: Wanted) -> Preview:
    return wanted.look(draft)
