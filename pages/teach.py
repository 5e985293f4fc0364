"""Classes of a user's own from a handful of photos: named, shown, tried, and a model at once."""

import streamlit as st

from fer_core.fewshot import classes
from pages._shared import (
    address,
    errors,
    frame,
    teach_classes,
    teach_look,
    teach_person,
    teach_sets,
    teach_try,
)

_VIEWS = {"classes": "Own classes", "person": "One person's neutral face"}


def main() -> None:
    """The part that the address names."""
    if address.section("What is taught", _VIEWS, ("set",)) == "person":
        teach_person.show()
    elif (set_id := teach_sets.choose()) is not None:
        _one(set_id)


def _one(set_id: str) -> None:
    """One class set from top to bottom: its photos, how well they are told apart, the model."""
    class_set = classes.load(set_id)
    settings = teach_look.settings(class_set)
    with st.spinner("Comparing the photos…", show_time=True):
        look, problem = teach_look.get(class_set)
    st.subheader("Classes and their photos", anchor=False)
    if problem:
        st.error(errors.plain(problem))
    teach_classes.show(class_set, look)
    if look is None or not look.scores:
        st.info(teach_sets.missing(class_set))
        return
    st.subheader("How well they are told apart", anchor=False)
    teach_look.show(look, settings)
    if lacking := teach_sets.missing(class_set):
        st.info(lacking)
        return
    st.subheader("Try it", anchor=False)
    with errors.guard():
        teach_try.show(class_set, settings)
    st.subheader("Use it everywhere", anchor=False)
    with errors.guard():
        teach_try.save(class_set, look, settings)


with frame.page(
    "Teach",
    "Name expressions of your own, show a few photos of each, and have a model that tells them apart. "
    "No training, no waiting.",
):
    main()
