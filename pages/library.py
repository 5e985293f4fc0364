"""Every model with a readable card."""

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.zoo import library
from fer_core.zoo.card import Card
from pages._shared import (
    address,
    charts,
    errors,
    figures_view,
    frame,
    model_export_view,
    model_facts,
    model_import_view,
    resources,
    words,
)

WHICH = {
    "accuracy": "all",
    "leak_free": "no copies of training images",
    "majority": "where most raters agree",
}


def main() -> None:
    """The chosen model's card."""
    models = resources.models()
    broken = [entry for entry in library.entries() if entry.problem]
    if not models and not broken:
        st.info("No model is here yet: train one.")
        st.page_link("pages/train.py", label="Train a model →")
    if models:
        chosen = address.select(
            "Which model",
            list(models),
            "model",
            lambda id: models[id].title,
            "The first is the default for photos.",
        )
        show(models[chosen], library.find(chosen).shipped)
    for entry in broken:
        with st.container(border=True):
            st.markdown(f"**{errors.plain(entry.id)}** cannot be used")
            st.error(errors.plain(entry.problem or ""))
    with (
        st.expander("Bring in a model of your own", expanded=model_import_view.PARAMETER in st.query_params),
        errors.guard(),
    ):
        model_import_view.show()


def show(card: Card, shipped: bool) -> None:
    """One card: the figures first, then the errors, what it learnt from, limits and licence."""
    st.subheader(errors.plain(card.title), anchor=False)
    st.markdown(f"{_came(card, shipped)}. {words.sentence_case(errors.plain(words.measured(card)))}")
    with st.container(horizontal=True):
        if card.task == "expression" and st.button("Use it on a photo", type="primary"):
            st.switch_page("pages/photo.py", query_params={"model": card.id})
        if (set_id := card.training.get("taught", {}).get("set")) and st.button("Open its class set"):
            st.switch_page("pages/teach.py", query_params={"set": set_id})
        if st.button("Look at its errors", help="Measures it on a dataset and shows the faces"):
            st.switch_page("pages/evaluate.py", query_params={"model": card.id})
    if card.evaluations:
        _measured(card)
    model_facts.show(card)
    st.subheader("What it cannot do", anchor=False)
    st.markdown("\n".join(f"- {errors.plain(sentence)}" for sentence in card.limitations))
    st.subheader("Take it along", anchor=False)
    with errors.guard():
        model_export_view.show(card)


def _came(card: Card, shipped: bool) -> str:
    if shipped:
        return "Comes with FER Studio"
    if "taught" in card.training:
        return "Taught here"
    return "Brought in" if "imported" in card.training else "Trained here"


def _measured(card: Card) -> None:
    st.subheader("How good it is", anchor=False)
    if card.task == "affect":
        figures_view.affect(card.evaluations)
    elif card.task == "similarity":
        figures_view.similarity(card.evaluations)
    else:
        _figures(card)
        _errors(card)


def _figures(card: Card) -> None:
    rows = []
    for record in card.evaluations:
        for key, words_for in WHICH.items():
            part = record if key == "accuracy" else record.get(key)
            if part and part["n"]:
                whole = key == "accuracy"
                half = (part["accuracy_high"] - part["accuracy_low"]) * 50
                rows.append(
                    {
                        "measured on": f"{record['dataset']} {record['split']}",
                        "right means": "as labelled" if record["kind"] == "labels" else "as ten raters voted",
                        "counted": words_for,
                        "accuracy": f"{part['accuracy'] * 100:.1f} % ± {half:.1f}",
                        "faces": part["n"],
                        "macro F1": f"{record['macro_f1']:.3f}" if whole else "",
                        "ECE": f"{record['ece'] * 100:.1f} %" if whole else "",
                    }
                )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Accuracy of the model with interval and number of faces",
        column_config={
            "macro F1": st.column_config.TextColumn(
                help="Mean of the expressions' F1: rare ones count as much as common ones."
            ),
            "ECE": st.column_config.TextColumn(
                help="Expected calibration error: how far stated percentages are off on average."
            ),
        },
    )


def _errors(card: Card) -> None:
    records = {f"{r['dataset']} {r['split']}, {words.truth(r)}": r for r in card.evaluations}
    best = words.headline(card)
    names = sorted(records, key=lambda name: records[name] is not best)
    st.subheader("What it takes for what", anchor=False)
    record = records[st.selectbox("Measured on", names) if len(names) > 1 else names[0]]
    matrix, classes = np.array(record["confusion"]), record["classes"]
    st.caption("Confusion matrix: each row holds the faces of one true expression and how they were read.")
    charts.confusion(matrix, classes, "confusion", _confusion_words(matrix, classes))
    st.caption(
        "Found: share of an expression's faces that it finds. Right: share of its answers that are true."
    )
    each = record["per_class"]
    charts.per_class(classes, each["recall"], each["precision"], each["support"], "per class")


def _confusion_words(matrix: np.ndarray, classes: list[str]) -> str:
    off = matrix * (1 - np.eye(len(classes), dtype=int))
    true, guess = np.unravel_index(off.argmax(), off.shape)
    return (
        f"Confusion matrix. The commonest error: {classes[true]} read as {classes[guess]}, "
        f"{off[true, guess]} of {matrix[true].sum()} faces."
    )


with frame.page("Library", "Every model with its figures, its errors and its limits, before you trust one."):
    main()
