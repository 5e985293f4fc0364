"""One model on one split: how good it is, how honest that figure is, and the faces behind every number."""

import streamlit as st

from fer_core.dataset.store import Store
from fer_core.evaluation import register
from fer_core.evaluation.trial import Trial
from pages._shared import cell_view, errors, words


def show(store: Store, trial: Trial, kind: str) -> None:
    """From top to bottom: the sentence, the confusion matrix, the faces of a cell."""
    record = next(record for record in trial.records if record["kind"] == kind)
    st.markdown(f"**{errors.plain(trial.card.title)}** agrees on {words.accuracy(record)}.")
    known = register.entries(
        store, dataset=trial.rows.dataset, version=trial.rows.version, split=trial.rows.split
    )
    for caution in register.cautions(trial.card, trial.rows.dataset, trial.rows.split, record["n"], known):
        st.caption(caution)
    cell_view.pictures(store, trial, kind, trial.result(kind).cell(None, None), "cell")
