"""Votes of several raters, as the manifest's columns "votes:<name>" hold them."""

import numpy as np
import pandas as pd

from fer_core.labels import LabelSet

PREFIX = "votes:"


def names(manifest: pd.DataFrame) -> list[str]:
    """The answers that raters could give, in column order; empty where there are no votes."""
    return [column.removeprefix(PREFIX) for column in manifest.columns if column.startswith(PREFIX)]


def counts(rows: pd.DataFrame, answers: list[str] | tuple[str, ...]) -> np.ndarray:
    """(N, answers) float32: how many raters gave each; 0 for an answer that nobody was offered."""
    table = np.zeros((len(rows), len(answers)), np.float32)
    for position, name in enumerate(answers):
        if PREFIX + name in rows.columns:
            table[:, position] = rows[PREFIX + name].fillna(0)
    return table


def plurality(rows: pd.DataFrame) -> np.ndarray:
    """(N,) object: each row's most frequent answer (the first of equals), "" where nobody voted."""
    answers = names(rows)
    if not answers:
        return np.full(len(rows), "", object)
    table = counts(rows, answers)
    return np.where(table.sum(axis=1) > 0, np.array(answers, object)[table.argmax(axis=1)], "")


def distributions(rows: pd.DataFrame, label_set: LabelSet) -> np.ndarray:
    """(N, classes) float32: the share of each class among the votes for any of them; else zeros."""
    table = counts(rows, label_set.names)
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1)
