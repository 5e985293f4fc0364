"""Fix labels at a second each, and prove that it helped."""

import importlib

import streamlit as st

from fer_core.dataset.store import Dataset, Store
from pages._shared import address, errors, frame, resources

SECTIONS = {
    "queues": ("Queues", "queues_view"),
    "people": ("People", "people_view"),
    "sittings": ("Sittings", "sittings_view"),
    "proof": ("Did it help?", "loop_view"),
}
"""Imported when somebody opens them: the page shall open at once."""


def main() -> None:
    """The page from top to bottom."""
    store = resources.store()
    known = {dataset.name: dataset for dataset in store.datasets()}
    if not known:
        st.info("Here labels are put right, the likeliest mistakes first. No dataset yet.")
        st.page_link("pages/datasets.py", label="Add a dataset →")
        return
    if "queue" in st.query_params:
        name = st.query_params.get("data", "")
        if name in known:
            _view("desk_view").show(store, known[name])
            return
        st.warning(errors.plain(f"There is no dataset {name!r} here any more."))
        address.go()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=320):
            name = address.select("Dataset", list(known), "data", str, always=True)
        section = address.section("What to do", {name: title for name, (title, _) in SECTIONS.items()})
    show(store, known[name], section)


def show(store: Store, dataset: Dataset, section: str) -> None:
    """One section."""
    with errors.guard():
        _view(SECTIONS[section][1]).show(store, dataset)


def _view(module: str):
    return importlib.import_module(f"pages._shared.{module}")


with frame.page(
    "Relabel",
    "Put labels right at a second each, from the keyboard, the likeliest mistakes first; then see whether it "
    "helped. For whoever knows what the faces show.",
):
    main()
