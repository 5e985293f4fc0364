"""Measuring a model on a split of a dataset, through the same predictor that serves photos."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from fer_core.dataset import votes
from fer_core.errors import BadInput
from fer_core.evaluation import affect, metrics, results, verification
from fer_core.evaluation.results import Result
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo.card import Card
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY

EXACT_AND_NEAR = "exact and near"
"""What a record's "copies" says where "leak_free" leaves out near copies of training images too. Records
without it, of older versions, leave out exact copies only."""


def evaluate(
    predictor: Predictor,
    images: np.ndarray,
    frame: pd.DataFrame,
    seen_images: set[str] | frozenset[str] | None = frozenset(),
    known: Mapping[str, Collection[str]] | None = None,
) -> list[dict]:
    """The records of a model on some rows, one for each kind of truth that they have.

    Args:
        images: (N, H, W, C) uint8 inputs of the frame's rows.
        seen_images: as for `results.of`.
        known: as for `results.truth`, for each kind of truth.

    Raises:
        BadInput: no row has an answer.
    """
    expression = predictor.card.task == EXPRESSION.id
    answers = predictor.predict(images) if expression else predictor.raw(images)
    return records(answers, frame, predictor.card, seen_images, known)


def records(
    answers: np.ndarray,
    frame: pd.DataFrame,
    card: Card,
    seen_images: set[str] | frozenset[str] | None = frozenset(),
    known: Mapping[str, Collection[str]] | None = None,
) -> list[dict]:
    """The records of answers that were given: (N, outputs) for the frame's rows, see `answers.of`.

    Raises:
        BadInput: no row has an answer.
    """
    if card.task == AFFECT.id:
        there = frame[["valence", "arousal"]].notna().all(axis=1).to_numpy() & ~np.isnan(answers[:, 0])
        if not there.any():
            raise BadInput("Model and dataset must share valence and arousal. Received: rows without them.")
        true = frame.loc[there, ["valence", "arousal"]].to_numpy(np.float32)
        return [{"kind": "affect", **affect.measure(true, answers[there])}]
    if card.task == SIMILARITY.id:
        found = ~np.isnan(answers[:, 0])
        return [{"kind": "similarity", **verification.measure(answers[found], frame[found])}]
    measured, problems = [], []
    for kind in kinds(frame):
        try:
            figures = measure(answers, frame, kind, card.labels, seen_images, (known or {}).get(kind))
        except BadInput as problem:
            # The votes may name what the labels do not, or the other way round.
            problems.append(problem)
        else:
            measured.append({"copies": EXACT_AND_NEAR, **figures})
    if not measured:
        raise problems[0]
    return measured


def kinds(frame: pd.DataFrame) -> list[str]:
    """What may count as true for these rows, of results.KINDS."""
    return [kind for kind in results.KINDS if kind == "labels" or votes.names(frame)]


def measure(
    probabilities: np.ndarray,
    frame: pd.DataFrame,
    kind: str,
    label_set: LabelSet,
    seen_images: set[str] | frozenset[str] | None = frozenset(),
    known: Collection[str] | None = None,
) -> dict:
    """The record of answers to some rows; for the arguments and what is raised see `results.of`."""
    return record(results.of(probabilities, frame, kind, label_set, seen_images, known))


def record(result: Result) -> dict:
    """One evaluation record, ready for a card.

    Returns:
        kind, classes, left_out, the figures of `metrics.summary`, the confusion matrix (rows =
        truth), per-class figures, and under "leak_free" and "majority" n, accuracy and interval on
        rows without a copy in training, and on rows where more than half of the raters agree. Where
        faces were not found, "not_found" counts them by class; they are wrong answers in every accuracy
        and recall, and have no place in the confusion matrix, log loss and ECE. Records of older versions
        lack top2 (share of truths among the two most probable), baseline (accuracy of always answering the
        most frequent class) and average_precision (one against the others, by class).
    """
    found, classes = result.found, len(result.label_set)
    matrix = metrics.confusion(result.truth[found], result.predicted[found], classes)
    missed = np.bincount(result.truth[~found], minlength=classes)
    each = metrics.per_class(matrix, missed)
    figures = {
        "kind": result.kind,
        "classes": list(result.label_set.names),
        "left_out": result.left_out,
        **metrics.summary(result.truth[found], result.probabilities[found], missed),
        "top2": float(metrics.within(result.truth, result.probabilities, 2).mean()),
        "baseline": metrics.baseline(result.truth),
        "confusion": matrix.tolist(),
        "per_class": {name: each[name].tolist() for name in ("precision", "recall", "f1", "support")},
        "average_precision": [
            round(metrics.precision_recall(result.truth[found] == place, score, missed[place]).average, 6)
            for place, score in enumerate(result.probabilities[found].T)
        ],
        "leak_free": share(result.right, ~result.leaked),
    }
    if missed.any():
        figures["not_found"] = missed.tolist()
    if result.kind == "votes":
        table = votes.counts(result.frame, votes.names(result.frame))
        figures["majority"] = share(result.right, table.max(axis=1) > table.sum(axis=1) / 2)
    return figures


def share(right: np.ndarray, among: np.ndarray) -> dict:
    """n, accuracy and its interval of (N,) bool answers, of those rows alone: (N,) bool."""
    hits, n = int(right[among].sum()), int(among.sum())
    low, high = metrics.wilson(hits, n)
    return {"n": n, "accuracy": hits / max(n, 1), "accuracy_low": low, "accuracy_high": high}
