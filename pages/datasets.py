"""What is in a dataset, what is wrong with it, and all its versions."""

import streamlit as st

from fer_core.dataset.store import Dataset, Store
from pages._shared import (
    address,
    errors,
    frame,
    import_view,
    map_view,
    overview_view,
    pictures_view,
    problems_view,
    removal_view,
    resources,
    version_view,
)

SECTIONS = {
    "pictures": ("Pictures", pictures_view.show),
    "overview": ("Overview", overview_view.show),
    "problems": ("Problems", problems_view.show),
    "map": ("Map", map_view.show),
    "versions": ("Versions and export", version_view.show),
}
ADD = "add"
"""The view in which a dataset comes in."""


def main() -> None:
    """The page from top to bottom."""
    store = resources.store()
    removal_view.receipts()
    known = {dataset.name: dataset for dataset in store.datasets()}
    if not known or st.query_params.get("view") == ADD:
        if known:
            st.button("← Back to the datasets", on_click=address.go, type="tertiary")
        import_view.show(store)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=320):
            name = address.select("Dataset", list(known), "data", str, always=True)
        st.space("stretch")
        st.button("Add a dataset", on_click=address.go, kwargs={"view": ADD}, icon=":material/add:")
    show(store, known[name])


def show(store: Store, dataset: Dataset) -> None:
    """One dataset, the section that the address names."""
    section = address.section("What to look at", {name: title for name, (title, _) in SECTIONS.items()})
    with errors.guard():
        SECTIONS[section][1](store, dataset)


with frame.page(
    "Datasets",
    "See what is in a dataset, find what is wrong with it, and keep every version. For whoever trains on it.",
):
    main()
