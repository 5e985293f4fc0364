"""From a dataset to a model: start runs, watch them, compare them."""

import streamlit as st

from fer_core.training import runs
from pages._shared import address, frame, resources, run_view, runs_view, train_form

NEW = "new"
"""The view in which a run is set up."""


def main() -> None:
    """One run, the form for a new one, or all runs: the address says which."""
    known = runs.runs()
    if asked := st.query_params.get("run"):
        st.button("← All runs", on_click=address.go, type="tertiary")
        run_view.show(runs.find(asked))
    elif not known or st.query_params.get("view") == NEW:
        st.query_params["view"] = NEW
        if known:
            st.button("← All runs", on_click=address.go, type="tertiary")
        train_form.show(resources.store())
    else:
        st.button("New run", type="primary", icon=":material/add:", on_click=address.go, kwargs={"view": NEW})
        runs_view.show()


with frame.page(
    "Train",
    "Teach a network on a dataset of yours and watch it learn. For whoever wants a model of their own faces.",
):
    main()
