"""Doors by intention, and what is here."""

import streamlit as st

from pages._shared import errors, frame, resources, words

DOORS = (
    (
        "I have a photo",
        "See each face with the expression it shows. Takes a second.",
        (("pages/photo.py", "Open Photo"),),
    ),
    (
        "I have a camera, or a video",
        "Boxes and expressions follow every face, live or in a copy.",
        (("pages/live.py", "Open Live"),),
    ),
    (
        "I have a dataset",
        "See what is in it, what is wrong with it, and mend it.",
        (("pages/datasets.py", "Open Datasets"),),
    ),
    (
        "I have labels to fix",
        "The likeliest mistakes first, a second each, from the keyboard.",
        (("pages/relabel.py", "Open Relabel"),),
    ),
    (
        "I want a model of my own",
        "Show a few photos of each expression you name, or train a network on a dataset.",
        (("pages/teach.py", "Open Teach"), ("pages/train.py", "Open Train")),
    ),
    (
        "I wonder how good it is",
        "Measure a model and look at the faces behind every number.",
        (("pages/evaluate.py", "Open Evaluate"),),
    ),
)

with frame.page(
    "FER Studio", "Which expression does a face show? Ask a photo, and find out how far to trust the answer."
):
    columns = [*st.columns(3), *st.columns(3)]
    for column, (title, sentence, links) in zip(columns, DOORS, strict=False):
        with column, st.container(border=True, height="stretch"):
            st.subheader(title, anchor=False)
            st.markdown(sentence)
            with st.container(horizontal=True):
                for target, label in links:
                    st.page_link(target, label=f"**{label}** →")

    st.subheader("What is here", anchor=False)
    with errors.guard():
        # Imported below the doors, which are on the screen by then: the database's library takes a moment.
        from fer_core.dataset import browse

        store = resources.store()
        for dataset in store.datasets():
            count = words.many(browse.counted(store, dataset.name), "picture")
            classes = errors.plain(", ".join(dataset.label_set.names))
            st.markdown(f"**{errors.plain(dataset.name)}** {count}: {classes}.")
        if not store.datasets():
            st.markdown(
                "No dataset yet. The practice dataset, drawn faces with known faults, is one click away."
            )
    models = resources.models()
    for card in models.values():
        st.markdown(f"**{errors.plain(card.title)}** {errors.plain(words.measured(card))}.")
    if not models:
        st.markdown("No model yet. The page Train makes one from a dataset.")
    st.caption(words.privacy())
