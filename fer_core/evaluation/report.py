"""Measuring a model on a split of a dataset, through the same predictor that serves photos."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.dataset import votes
from fer_core.errors import BadInput
from fer_core.evaluation import affect, metrics, verification
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo.specs import AFFECT, SIMILARITY

KINDS = ("labels", "votes")

EXACT_AND_NEAR = "exact and near"
"""What a record's "copies" says where "leak_free" leaves out near copies of training images too. Records
without it, of older versions, leave out exact copies only."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is right for some rows.

    Attributes:
        rows: (N,) bool, which of the manifest's rows have an answer that the model can give.
        index: (rows that are true,) int64 class index in `label_set`.
        label_set: the classes that both the model and the dataset know, in the model's order.
        left_out: how many rows were left out, by reason.
    """

    rows: np.ndarray
    index: np.ndarray
    label_set: LabelSet
    left_out: dict[str, int]


def truth(frame: pd.DataFrame, kind: str, label_set: LabelSet) -> Truth:
    """The right answers for a model with these classes.

    Args:
        frame: rows of a manifest.
        kind: "labels" for the dataset's own, "votes" for the most frequent vote (the FER+ protocol:
            rows that most raters called unknown or not a face have no answer).

    Raises:
        BadInput: no row has an answer.
    """
    if kind not in KINDS:
        raise BadInput(f"Truth is one of {', '.join(KINDS)}. Received: {kind!r}.")
    answers = votes.plurality(frame) if kind == "votes" else frame["label"].fillna("").to_numpy(object)
    known = set(answers[answers != ""])
    shared = LabelSet(label_set.name, tuple(n for n in label_set.names if n in known))
    usable = np.isin(answers.astype(str), shared.names)
    if not usable.any():
        raise BadInput(
            f"Model and dataset must share classes. Received: {', '.join(label_set.names)} "
            f"and {', '.join(sorted(known)) or 'no ' + kind}."
        )
    outside = pd.Series(answers[~usable]).replace("", "no answer").value_counts()
    index = np.array([shared.names.index(a) for a in answers[usable]], np.int64)
    return Truth(usable, index, shared, {str(name): int(n) for name, n in outside.items()})


def evaluate(
    predictor: Predictor,
    images: np.ndarray,
    frame: pd.DataFrame,
    seen_images: set[str] | frozenset[str] = frozenset(),
) -> list[dict]:
    """The records of a model on some rows, one for each kind of truth that they have.

    Args:
        images: (N, H, W, C) uint8 inputs of the frame's rows.
        seen_images: as for `measure`.

    Raises:
        BadInput: no row has an answer.
    """
    task = predictor.card.task
    if task == AFFECT.id:
        known = frame[["valence", "arousal"]].notna().all(axis=1).to_numpy()
        if not known.any():
            raise BadInput("Model and dataset must share valence and arousal. Received: rows without them.")
        truth_there = frame.loc[known, ["valence", "arousal"]].to_numpy(np.float32)
        return [{"kind": "affect", **affect.measure(truth_there, predictor.affect(images[known]))}]
    if task == SIMILARITY.id:
        return [{"kind": "similarity", **verification.measure(predictor.embed(images), frame)}]
    probabilities = predictor.predict(images)
    kinds = ["labels"] + ["votes"] * bool(votes.names(frame))
    return [
        {"copies": EXACT_AND_NEAR, **measure(probabilities, frame, kind, predictor.labels, seen_images)}
        for kind in kinds
    ]


def measure(
    probabilities: np.ndarray,
    frame: pd.DataFrame,
    kind: str,
    label_set: LabelSet,
    seen_images: set[str] | frozenset[str] = frozenset(),
) -> dict:
    """One evaluation record, ready for a card.

    Args:
        probabilities: (N, K) float32 for the frame's rows, in the order of `label_set`.
        seen_images: ids of pictures that are copies of training images (leaks.trained_on); the record
            says how the rows fare without them.

    Returns:
        kind, classes, left_out, the figures of `metrics.summary`, the confusion matrix (rows =
        truth), per-class figures, and under "leak_free" and "majority" n, accuracy and interval on
        rows without a copy in training, and on rows where more than half of the raters agree.
    """
    answer = truth(frame, kind, label_set)
    columns = [label_set.names.index(name) for name in answer.label_set.names]
    shared = probabilities[answer.rows][:, columns]
    shared = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-12)
    predicted = shared.argmax(axis=1)
    matrix = metrics.confusion(answer.index, predicted, len(columns))
    each = metrics.per_class(matrix)
    rows = frame[answer.rows]
    record = {
        "kind": kind,
        "classes": list(answer.label_set.names),
        "left_out": answer.left_out,
        **metrics.summary(answer.index, shared),
        "confusion": matrix.tolist(),
        "per_class": {name: each[name].tolist() for name in ("precision", "recall", "f1", "support")},
        "leak_free": _share(predicted == answer.index, ~rows["image"].isin(seen_images).to_numpy()),
    }
    if kind == "votes":
        table = votes.counts(rows, votes.names(rows))
        agreed = table.max(axis=1) > table.sum(axis=1) / 2
        record["majority"] = _share(predicted == answer.index, agreed)
    return record


def _share(right: np.ndarray, among: np.ndarray) -> dict:
    hits, n = int(right[among].sum()), int(among.sum())
    low, high = metrics.wilson(hits, n)
    return {"n": n, "accuracy": hits / max(n, 1), "accuracy_low": low, "accuracy_high": high}
