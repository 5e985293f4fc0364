"""What a model answered and what is true, row by row: the images behind every figure."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from fer_core.dataset import votes
from fer_core.errors import BadInput
from fer_core.labels import LabelSet

KINDS = ("labels", "votes")
"""What may count as true: the dataset's own labels, or the most frequent vote (the FER+ protocol)."""

NO_FACE = -1
"""What stands for a prediction where no face was found."""


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


@dataclass(frozen=True, eq=False)
class Result:
    """A model's answers to N rows whose truth is known.

    Attributes:
        kind: what counts as true, of KINDS.
        frame: the rows, as the manifest has them.
        label_set: the classes that both the model and the dataset know, in the model's order: K.
        truth: (N,) int64 class indices.
        probabilities: (N, K) float32, among these classes; NaN where no face was found.
        leaked: (N,) bool, rows whose picture the model's training set has too, exactly or nearly; all
            of them where the training set is not at hand.
        left_out: rows without an answer that the model could give, by reason.
    """

    kind: str
    frame: pd.DataFrame
    label_set: LabelSet
    truth: np.ndarray
    probabilities: np.ndarray
    leaked: np.ndarray
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def found(self) -> np.ndarray:
        """(N,) bool, where there was a face to answer for."""
        return ~np.isnan(self.probabilities[:, 0])

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) int64 class indices; NO_FACE where none was found."""
        return np.where(self.found, np.nan_to_num(self.probabilities).argmax(axis=1), NO_FACE)

    @cached_property
    def confidence(self) -> np.ndarray:
        """(N,) float32 probability of the answer; 0 where no face was found."""
        return np.nan_to_num(self.probabilities).max(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        """(N,) bool; a face that was not found is a wrong answer."""
        return self.predicted == self.truth

    def among(self, rows: np.ndarray) -> "Result":
        """These rows alone: (N,) bool, or positions in the order wanted."""
        return replace(
            self,
            frame=self.frame[rows] if rows.dtype == bool else self.frame.iloc[rows],
            truth=self.truth[rows],
            probabilities=self.probabilities[rows],
            leaked=self.leaked[rows],
        )

    def cell(self, true: int | None, guess: int | None) -> np.ndarray:
        """Positions of the rows in one cell of the confusion matrix, the most confident first; None
        takes the whole row or column."""
        inside = np.ones(len(self), bool)
        if true is not None:
            inside &= self.truth == true
        if guess is not None:
            inside &= self.predicted == guess
        places = np.flatnonzero(inside)
        return places[np.argsort(-self.confidence[places], kind="stable")]


def of(
    probabilities: np.ndarray,
    frame: pd.DataFrame,
    kind: str,
    label_set: LabelSet,
    seen_images: set[str] | frozenset[str] | None = frozenset(),
    known: Collection[str] | None = None,
) -> Result:
    """A model's answers beside the truth, over the classes that model and dataset share.

    Args:
        probabilities: (N, classes of `label_set`) float32 for the frame's rows; NaN where no face was found.
        seen_images: ids of pictures that the model was trained on, exactly or nearly; None where nobody
            knows.
        known: as for `truth`.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    answer = truth(frame, kind, label_set, known)
    columns = [label_set.names.index(name) for name in answer.label_set.names]
    shared = probabilities[answer.rows][:, columns]
    shared = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-12)
    rows = frame[answer.rows]
    leaked = np.ones(len(rows), bool) if seen_images is None else rows["image"].isin(seen_images).to_numpy()
    return Result(kind, rows, answer.label_set, answer.index, shared, leaked, answer.left_out)


def truth(frame: pd.DataFrame, kind: str, label_set: LabelSet, known: Collection[str] | None = None) -> Truth:
    """The right answers for a model with these classes.

    Args:
        frame: rows of a manifest.
        kind: "labels" for the dataset's own, "votes" for the most frequent vote (the FER+ protocol:
            rows that most raters called unknown or not a face have no answer).
        known: the names that the whole dataset knows (`names`): a model may answer one that happens not
            to be among these rows, and be wrong. None takes those among the rows.

    Raises:
        BadInput: no row has an answer.
    """
    if kind not in KINDS:
        raise BadInput(f"Truth is one of {', '.join(KINDS)}. Received: {kind!r}.")
    answers = _answers(frame, kind)
    known = names(frame, kind) if known is None else known
    shared = LabelSet(label_set.name, tuple(n for n in label_set.names if n in known))
    usable = np.isin(answers.astype(str), shared.names)
    if not usable.any():
        raise BadInput(
            f"Model and dataset must share classes. Received: {', '.join(label_set.names)} "
            f"and {', '.join(sorted(known)) or 'no ' + kind}. Choose a dataset with some of the model's."
        )
    outside = pd.Series(answers[~usable]).replace("", "no answer").value_counts()
    index = np.array([shared.names.index(a) for a in answers[usable]], np.int64)
    return Truth(usable, index, shared, {str(name): int(n) for name, n in outside.items()})


def names(frame: pd.DataFrame, kind: str) -> frozenset[str]:
    """The answers that occur in some rows of a manifest."""
    return frozenset(_answers(frame, kind)) - {""}


def _answers(frame: pd.DataFrame, kind: str) -> np.ndarray:
    """(N,) object names, "" for none."""
    return votes.plurality(frame) if kind == "votes" else frame["label"].fillna("").to_numpy(object)
