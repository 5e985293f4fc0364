"""Take an evaluation along: a report to read, and the figures and answers behind it."""

import json
from collections.abc import Callable
from typing import Literal

import streamlit as st

from fer_core.dataset.exports import names
from fer_core.dataset.store import Store
from fer_core.evaluation import document, tables
from fer_core.evaluation.trial import Trial
from fer_core.zoo.specs import AFFECT, EXPRESSION
from pages._shared import errors, words


def show(store: Store, trial: Trial, kind: str) -> None:
    """What there is to take along, and a button for each; what is large is made when its button is pressed.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    record = tables.record(trial, kind)
    expression = trial.card.task == EXPRESSION.id
    truth = f" against {words.truth(record)}" if expression else ""
    st.markdown(
        errors.plain(
            f"{trial.card.title} on {trial.rows.dataset} {trial.rows.split}{truth}: {_headline(record)}, "
            "with all else that was measured of these weights."
        )
    )
    st.markdown(
        "The report is one page to read, send or print to a PDF: how good the model is, what it takes for "
        "what, whether its confidence can be believed, what it learnt from and its limits. It needs no "
        "network and holds no picture of a face."
    )
    base = names.safe(" ".join([trial.card.id, trial.rows.dataset, trial.rows.split, kind]))
    _button(
        "Report (HTML)",
        f"{base} report.html",
        "text/html",
        lambda: document.html(store, trial, kind).encode(),
        help="The page that is described above.",
        type="primary",
    )
    st.caption("The figures and answers behind it:")
    with st.container(horizontal=True):
        _button(
            "Record (JSON)",
            f"{base}.json",
            "application/json",
            lambda: json.dumps(record, indent=1).encode(),
            help="Every figure with its interval, and what it was measured on.",
        )
        if expression:
            _button(
                "Figures of each expression (CSV)",
                f"{base} expressions.csv",
                "text/csv",
                lambda: tables.csv(tables.per_class(record)),
                help="Faces, recall, precision and F1 in a row for each expression.",
            )
            _button(
                "Matrix (CSV)",
                f"{base} matrix.csv",
                "text/csv",
                lambda: tables.csv(tables.matrix(record)),
                help="The confusion matrix in counts: a row for each truth, a column for each answer.",
            )
        if expression or trial.card.task == AFFECT.id:
            _button(
                f"Answers to {words.many(record['n'], 'face')} (CSV)",
                f"{base} answers.csv",
                "text/csv",
                lambda: tables.csv(tables.faces(store, trial, kind)),
                help="A row for each face: its file, the truth, the answer and the probabilities.",
            )


def _headline(record: dict) -> str:
    if record["kind"] == AFFECT.id:
        return f"a CCC of {record['ccc']:.2f} on {words.many(record['n'], 'face')}"
    if "auc" in record:
        return f"{words.percent(record['accuracy'])} of {record['n']:,} pairs"
    return words.accuracy(record)


def _button(
    label: str,
    name: str,
    mime: str,
    make: Callable[[], bytes],
    help: str,
    type: Literal["primary", "secondary"] = "secondary",
) -> None:
    st.download_button(
        label,
        # Called when the button is pressed, and not before.
        data=make,
        file_name=name,
        mime=mime,
        help=help,
        type=type,
        on_click="ignore",
        icon=":material/download:",
        key=f"take {name}",
    )
