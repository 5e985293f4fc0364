"""Doors by intention, and what is here."""

import streamlit as st

from pages._shared import errors, frame, resources, words

DOORS = (
    (
        "I have a photo",
        "See each face with the expression it shows. Takes a second.",
        "pages/photo.py",
        "Open Photo",
    ),
    (
        "I wonder how good it is",
        "Every model's figures, errors included.",
        "pages/library.py",
        "Open Library",
    ),
    (
        "I must decide whether to use it",
        "What it cannot know, and what the law says.",
        "pages/responsible.py",
        "Read on",
    ),
)

with frame.page(
    "FER Studio", "Which expression does a face show? Ask a photo, and find out how far to trust the answer."
):
    for column, (title, sentence, target, label) in zip(st.columns(len(DOORS)), DOORS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.subheader(title, anchor=False)
            st.markdown(sentence)
            st.page_link(target, label=f"**{label}** →")

    st.subheader("What is here", anchor=False)
    models = resources.models()
    for card in models.values():
        st.markdown(f"**{errors.plain(card.title)}** {errors.plain(words.measured(card))}.")
    if not models:
        st.markdown("No model yet. `python -m fer_core train mini_xception` makes one from a dataset.")
    st.caption(words.privacy())
