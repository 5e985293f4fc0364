"""One model on one split: how good it is, how honest that figure is, and the faces behind every number."""

import numpy as np
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.evaluation import register
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import Entry
from fer_core.evaluation.results import NO_FACE, Result
from fer_core.evaluation.trial import Trial
from fer_core.zoo.specs import AFFECT, SIMILARITY
from pages._shared import (
    address,
    affect_view,
    cell_view,
    charts,
    errors,
    figures_view,
    model_figures,
    why_view,
    words,
)

_ANY, _WRONG, _MISSED = "", "wrong", "no face"
"""In the address, beside the names of classes: any, any but the true one, and a face that was not found."""

_BY = {charts.BY_ROW: "by row", charts.BY_COLUMN: "by column", charts.COUNTS: "counts"}


def show(store: Store, trial: Trial, kind: str) -> None:
    """From top to bottom: the sentence, the confusion matrix, the faces of a cell, all other figures."""
    rows = trial.rows
    known = register.entries(store, dataset=rows.dataset, version=rows.version, split=rows.split)
    if trial.card.task == AFFECT.id:
        affect_view.show(store, trial)
    elif trial.card.task == SIMILARITY.id:
        figures_view.similarity(trial.records)
    else:
        result = trial.result(kind)
        record = next(record for record in trial.records if record["kind"] == kind)
        _sentence(trial, result, record, known)
        st.subheader("What it takes for what", anchor=False)
        _matrix(result, record)
        _cell(store, trial, result)
        model_figures.show(trial, result, record)
        why_view.averages(store, trial, kind)
    model_figures.looks(known, trial)


def _sentence(trial: Trial, result: Result, record: dict, known: list[Entry]) -> None:
    """The accuracy, and beside it whatever keeps it honest."""
    st.markdown(
        f"**{errors.plain(trial.card.title)}** agrees with {words.truth(record)} on "
        f"**{words.accuracy(record)}** of {errors.plain(trial.rows.dataset)} {trial.rows.split}."
    )
    with st.container(horizontal=True, gap="medium"):
        for label, share, help in _beside(trial, result, record):
            st.metric(label, share, help=help, width="content")
    for sentence in _left_out(result):
        st.caption(errors.plain(sentence))
    if trial.examples.any():
        known_faces = f"{int(trial.examples.sum()):,} of {words.many(len(trial.examples), 'face')}"
        st.caption(
            f":material/school: It was taught from {known_faces} here: they count above, not as leak-free."
        )
    for caution in register.cautions(trial.card, trial.rows.dataset, trial.rows.split, record["n"], known):
        st.caption(f":material/info: {errors.plain(caution)}")


def _beside(trial: Trial, result: Result, record: dict) -> list[tuple[str, str, str]]:
    """Label, figure, and why it is there."""
    commonest = result.label_set.names[int(np.bincount(result.truth).argmax())]
    shown = [_leak_free(trial, record["leak_free"])]
    if "majority" in record:
        most = record["majority"]
        help = "Faces for which more than half of the raters gave one answer."
        shown.append((f"Most raters agree, {most['n']:,} faces", _share(most), help))
    help = "What the commonest answer alone would get, without looking: a model must beat it."
    shown.append((f"Always saying {commonest}", words.percent(record["baseline"]), help))
    if trial.faces != WHOLE:
        found = int(result.found.sum())
        help = "A face that was not found counts as a wrong answer; none is dropped."
        shown.append((f"Found, {found:,} of {len(result):,} faces", words.percent(found / len(result)), help))
    return shown


def _leak_free(trial: Trial, part: dict) -> tuple[str, str, str]:
    if part["n"]:
        help = "Without the faces of which an exact or near copy was among the training images."
        return f"Leak-free, {part['n']:,} faces", _share(part), help
    if trial.seen is None:
        return "Leak-free", "unknown", "The pictures that it was trained on are not here to compare with."
    return "Leak-free", "none", "All these faces, or copies of them, were among its training images."


def _share(part: dict) -> str:
    half = (part["accuracy_high"] - part["accuracy_low"]) * 50
    return f"{words.percent(part['accuracy'])} ± {half:.1f}"


def _left_out(result: Result) -> list[str]:
    """What the figures do not speak of."""
    said = []
    if result.left_out:
        parts = ", ".join(f"{n:,} {name}" for name, n in result.left_out.items())
        said.append(f"Left out, because the model has no such answer or nobody said what is right: {parts}.")
    if len(shown := np.unique(result.truth)) == 1:
        name = result.label_set.names[int(shown[0])]
        said.append(f"All faces here are truly {name}: the figures say nothing of other expressions.")
    return said


def _matrix(result: Result, record: dict) -> None:
    names = result.label_set.names
    missed = np.array(record.get("not_found", []), int)
    matrix = np.array(record["confusion"])
    columns = [*names]
    if missed.any():
        matrix, columns = np.column_stack([matrix, missed]), [*names, _MISSED]
    by = st.segmented_control(
        "Shares",
        list(_BY),
        format_func=_BY.__getitem__,
        default=charts.BY_ROW,
        required=True,
        key="shares of the matrix",
        label_visibility="collapsed",
    )
    st.caption(
        {
            charts.BY_ROW: "Each row holds the faces of one true expression: what they were read as.",
            charts.BY_COLUMN: "Each column holds the faces that got one answer: what they truly are.",
            charts.COUNTS: "How many faces of each true expression got each answer.",
        }[by]
        + " Click a cell, or a total, to see its faces."
    )
    true, read = (st.query_params.get(name, _ANY) for name in ("true", "read"))
    chosen = (true or charts.ALL, read or charts.ALL) if true or read else None
    charts.confusion_to_click(
        matrix, names, columns, by, "confusion", confusion_words(matrix, names, columns), chosen, _open
    )


def confusion_words(matrix: np.ndarray, names: tuple[str, ...], columns: list[str]) -> str:
    """The commonest error of a (K, columns) confusion matrix, for those who do not see it."""
    off = matrix * (1 - np.eye(len(names), len(columns), dtype=int))
    if not off.any():
        return "Confusion matrix without an error"
    true, guess = np.unravel_index(off.argmax(), off.shape)
    return (
        f"Confusion matrix. The commonest error: {names[true]} read as {columns[guess]}, "
        f"{off[true, guess]} of {matrix[true].sum()} faces."
    )


def _open(true: str, read: str) -> None:
    """Show a cell; the choice above it stays, the page of the gallery does not."""
    kept = {
        name: value for name, value in st.query_params.items() if name not in ("true", "read", "cell_page")
    }
    cell = {"true": true, "read": read}
    address.go(**kept, **{name: value for name, value in cell.items() if value != charts.ALL})


def _cell(store: Store, trial: Trial, result: Result) -> None:
    """The faces of the cell that the address names; the same by select boxes, for whoever does not click."""
    names = list(result.label_set.names)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=200):
            true = address.select("True", [_ANY, *names], "true", lambda name: name or "any")
        with st.container(width=200):
            answers = [_ANY, *names, _WRONG] + [_MISSED] * (not result.found.all())
            read = address.select("Read as", answers, "read", _answer)
    if not true and not read:
        return
    places = result.cell(
        names.index(true) if true else None,
        NO_FACE if read == _MISSED else names.index(read) if read in names else None,
    )
    if read == _WRONG:
        places = places[~result.right[places]]
    because = f"true {true or 'any'}, read as {read or 'any'} ({result.kind})"
    cell_view.pictures(store, trial, result.kind, places, "cell", because)


def _answer(name: str) -> str:
    return {_ANY: "any", _WRONG: "anything else", _MISSED: "no face found"}.get(name, name)
