"""Figures and answers as tables to take along, and as CSV that a spreadsheet opens without harm."""

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.store import Store, slices
from fer_core.errors import BadInput
from fer_core.evaluation.trial import Trial
from fer_core.zoo.specs import AFFECT, EXPRESSION, TASKS

NO_FACE = "no face found"
"""The prediction where a detector found nothing to answer for."""

SCHEMA_VERSION = 1
"""Of `record`."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def record(trial: Trial, kind: str = "labels") -> dict:
    """The whole record to take along as JSON: what was measured on what, and every figure.

    Args:
        kind: what counts as true, of `trial.kinds`; models of other tasks than expressions have one truth.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    expression = trial.card.task == EXPRESSION.id
    figures = next(one for one in trial.records if one["kind"] == kind or not expression)
    weights = trial.card.weights
    return {"schema_version": SCHEMA_VERSION, "model": trial.card.id, "weights": weights, **figures}


def faces(store: Store, trial: Trial, kind: str = "labels") -> pd.DataFrame:
    """One row for each face whose truth is known, in the manifest's order.

    Args:
        kind: what counts as true, of `trial.kinds`; models of valence and arousal have one truth.

    Returns:
        sample, image, file, split and, for expressions, truth, prediction, confidence, right, leaked
        (empty where nobody knows what the model was trained on) and "probability of <class>"; for valence
        and arousal, "<axis>" and "<axis> predicted". Empty where no face was found.

    Raises:
        BadInput: no row has an answer that the model can give, or its answers are of pairs.
    """
    if trial.card.task == AFFECT.id:
        return _affect(store, trial)
    if trial.card.task != EXPRESSION.id:
        raise BadInput(
            "Rows of single faces need a model that answers for one. "
            f"Received: {trial.card.id}, of the kind {TASKS[trial.card.task].title!r}. Take the record along."
        )
    result = trial.result(kind)
    names = np.array([*result.label_set.names, NO_FACE], object)
    table = _rows(store, result.frame)
    table["truth"], table["prediction"] = names[result.truth], names[result.predicted]
    table["confidence"] = np.where(result.found, result.confidence, np.nan)
    table["right"] = result.right
    table["leaked"] = result.leaked if trial.seen is not None else None
    for place, name in enumerate(result.label_set.names):
        table[f"probability of {name}"] = result.probabilities[:, place]
    return table


def per_class(record: dict) -> pd.DataFrame:
    """expression, faces, recall, precision and F1 of a record (report.record), a row for each class."""
    each = record["per_class"]
    columns = {"recall": each["recall"], "precision": each["precision"], "f1": each["f1"]}
    return pd.DataFrame({"expression": record["classes"], "faces": each["support"], **columns})


def matrix(record: dict) -> pd.DataFrame:
    """The confusion matrix of a record: a row for each true class, a column for each answer."""
    table = pd.DataFrame(record["confusion"], columns=record["classes"])
    if "not_found" in record:
        table[NO_FACE] = record["not_found"]
    table.insert(0, "true \\ predicted", record["classes"])
    return table


def csv(table: pd.DataFrame) -> bytes:
    """UTF-8 with a mark, so that spreadsheets read it as such; no cell is taken for a formula."""
    safe = table.rename(columns=_disarmed)
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[name] = safe[name].map(_disarmed)
    return safe.to_csv(index=False).encode("utf-8-sig")


def _affect(store: Store, trial: Trial) -> pd.DataFrame:
    axes = ("valence", "arousal")
    known = trial.rows.frame[list(axes)].notna().all(axis=1).to_numpy()
    frame = trial.rows.frame[known]
    table = _rows(store, frame)
    for place, axis in enumerate(axes):
        table[axis] = frame[axis].to_numpy()
        table[f"{axis} predicted"] = trial.answers[known, place]
    return table


def _rows(store: Store, frame: pd.DataFrame) -> pd.DataFrame:
    """sample, image, file and split of some rows; an empty file where the sample was deleted since."""
    files: dict[int, str] = {}
    columns = schema.sample.c
    with store.read() as connection:
        for some in slices(frame["sample"].tolist()):
            query = sa.select(columns.id, columns.source).where(columns.id.in_(some))
            files.update((sample, source) for sample, source in connection.execute(query))
    return pd.DataFrame(
        {
            "sample": frame["sample"].to_numpy(),
            "image": frame["image"].to_numpy(),
            "file": [files.get(sample, "") for sample in frame["sample"]],
            "split": frame["split"].to_numpy(),
        }
    )


def _disarmed(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
