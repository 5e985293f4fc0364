"""Delete a person's pictures or a dataset for good, after its name was typed."""

from collections.abc import Callable

import streamlit as st

from fer_core.dataset import browse, overview, removal
from fer_core.dataset.browse import Filter
from fer_core.dataset.intake import Progress
from fer_core.dataset.removal import Receipt
from fer_core.dataset.store import Dataset, Store
from pages._shared import errors, gallery, jobs, words

_JOB = "removal"
_PERSON, _ALL = "the pictures of one person", "this whole dataset"
_EVERYWHERE, _HERE = "everywhere, with every copy", "in this dataset only"


def show(store: Store, dataset: Dataset, who: str) -> None:
    """What to delete, what that means, and the field that must be filled in first."""
    with st.expander("A person asks for it, or the dataset is not needed any more"):
        st.markdown(
            "Pictures, file names and who is shown leave the database, the cache and the records of "
            "trainings. The history keeps only that a sample was deleted, when and by whom. "
            "**This cannot be undone.** Models that learned from the pictures stay, as do copies that were "
            "downloaded."
        )
        people = overview.subjects(store, dataset.name)
        what = st.radio("Delete", [_PERSON, _ALL] if people else [_ALL], horizontal=True) or _ALL
        if what == _ALL:
            _ask(store, dataset, dataset.name, who, None, _HERE)
            return
        with st.container(horizontal=True):
            with st.container(width=300):
                subject = st.selectbox(
                    "Person shown",
                    people,
                    index=None,
                    accept_new_options=True,
                    placeholder="Choose or type",
                    key="gone person",
                )
            with st.container(width=300):
                scope = st.radio("Where", [_EVERYWHERE, _HERE])
        if subject:
            _ask(store, dataset, subject, who, subject, scope)


def one_sample(store: Store, sample: int, who: str) -> None:
    """The way to delete one sample, after a second click."""
    with st.popover("Delete for good", type="tertiary", icon=":material/delete_forever:"):
        st.markdown(
            "The sample goes with its picture, unless other samples show the same one. **This cannot be "
            "undone.** The history keeps only that a sample was deleted, when and by whom."
        )
        st.button(
            "Delete this sample",
            disabled=not who,
            on_click=_start,
            args=(lambda: removal.remove(store, [sample], who),),
            help=None if who else "Enter your name first.",
        )


def receipts() -> None:
    """Progress of a deletion, and what came of it; stays until it was read."""
    job = jobs.show(_JOB)
    if job is None:
        return
    if job.state == "done":
        receipt: Receipt = job.value
        gallery.forget()
        st.cache_data.clear()
        st.success(
            f"Deleted for good: {words.many(receipt.samples, 'sample')} and "
            f"{words.many(receipt.pictures, 'picture')}, {receipt.at[:19].replace('T', ' ')} UTC, "
            f"by {errors.plain(receipt.who)}."
            + (
                f" {words.many(receipt.kept, 'picture')} stay, because other samples show them."
                if receipt.kept
                else ""
            )
        )
        if not receipt.wiped:
            st.warning(
                "The database was in use, so freed parts of its file still hold old bytes. They are "
                "overwritten at the next deletion."
            )
    st.button("Dismiss", on_click=jobs.forget, args=(_JOB,), type="tertiary")


def _ask(store: Store, dataset: Dataset, name: str, who: str, subject: str | None, scope: str) -> None:
    count = browse.counted(store, dataset.name, Filter(subject=subject))
    typed = st.text_input(
        f"To delete {words.many(count, 'sample')} here, type: {errors.plain(name)}",
        key=f"gone typed {dataset.id} {name}",
    )
    st.button(
        "Delete for good",
        disabled=not who or typed.strip() != name,
        on_click=_delete,
        args=(store, dataset, who, subject, scope == _EVERYWHERE),
        icon=":material/delete_forever:",
        help=None if who else "Enter your name first.",
    )


def _delete(store: Store, dataset: Dataset, who: str, subject: str | None, everywhere: bool) -> None:
    for key in [key for key in st.session_state if str(key).startswith("gone ")]:
        del st.session_state[key]
    if subject is None:
        _start(lambda: removal.remove_dataset(store, dataset.name, who))
    else:
        _start(
            lambda: removal.remove_subject(store, subject, who, dataset=None if everywhere else dataset.name)
        )


def _start(remove: Callable[[], Receipt]) -> None:
    def work(progress: Progress) -> Receipt:
        progress(0, None, "the file is written anew")
        return remove()

    jobs.forget(_JOB)
    jobs.start(_JOB, "Deleting", work)
