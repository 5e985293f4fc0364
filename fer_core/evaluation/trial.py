"""One model on one split of one dataset version: what it answered, what is true, and how honest that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from fer_core.dataset import duplicates, leaks, versions
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import SPLITS, Store
from fer_core.errors import BadInput, NotFound
from fer_core.evaluation import answers, cache, register, report, results
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.evaluation.results import Result
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one split of one version.

    Attributes:
        version: `manifest_id` of the whole manifest.
        split: its name, or register.ALL.
        frame: the rows of the split, numbered from 0.
        known: for each kind of truth the names that occur in the whole manifest, see `results.truth`.
    """

    dataset: str
    version: str
    split: str
    frame: pd.DataFrame
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trial:
    """What a model answered on some rows.

    Attributes:
        faces: how faces were found: answers.WHOLE, or a detector's name.
        answers: (N, outputs) float32 for the rows, see `answers.of`.
        seen: ids of the rows' pictures that the model was trained on, exactly or nearly; None where its
            training set is not at hand.
    """

    card: Card
    rows: Rows
    faces: str
    answers: np.ndarray
    seen: frozenset[str] | None
    _results: dict[str, Result] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> list[str]:
        """What may count as true here, of results.KINDS."""
        return report.kinds(self.rows.frame)

    @cached_property
    def examples(self) -> np.ndarray:
        """(N,) bool: rows whose very picture a taught model was taught from."""
        taught = self.card.training.get("taught", {}).get("images", ())
        return self.rows.frame["image"].isin(taught).to_numpy()

    def result(self, kind: str = "labels") -> Result:
        """Answers beside the truth, row by row; for models of expressions.

        Raises:
            BadInput: no row has an answer that the model can give.
        """
        if kind not in self._results:
            self._results[kind] = results.of(
                self.answers, self.rows.frame, kind, self.card.labels, self.seen, self.rows.known.get(kind)
            )
        return self._results[kind]

    @cached_property
    def records(self) -> list[dict]:
        """The figures, one record for each kind of truth (report.records).

        Raises:
            BadInput: no row has an answer.
        """
        where = {"dataset": self.rows.dataset, "version": self.rows.version, "split": self.rows.split}
        found = report.records(self.answers, self.rows.frame, self.card, self.seen, self.rows.known)
        return [{**where, "faces": self.faces, **record} for record in found]


def rows(store: Store, dataset: str, version: str | None, split: str) -> Rows:
    """The rows to measure on.

    Args:
        version: a version's name or id; None is the present state.
        split: a split's name; register.ALL takes every row.

    Raises:
        NotFound: no such dataset or version.
        BadInput: no such split, or an empty one.
    """
    if split not in (*SPLITS, ALL):
        raise BadInput(f"A split is one of {', '.join((*SPLITS, ALL))}. Received: {split!r}.")
    whole = versions.manifest(store, dataset, version)
    frame = whole if split == ALL else whole[whole["split"] == split].reset_index(drop=True)
    if frame.empty:
        filled = ", ".join(name for name in SPLITS if (whole["split"] == name).any()) or "none"
        raise BadInput(
            f"A split needs images. Received: {split} of {dataset}, which is empty. With images: {filled}."
        )
    known = {kind: results.names(whole, kind) for kind in report.kinds(whole)}
    return Rows(dataset, versions.manifest_id(whole), split, frame, known)


def run(
    store: Store,
    predictor: Predictor,
    asked: Rows,
    faces: str = WHOLE,
    progress: Progress | None = None,
) -> Trial:
    """Ask the model for every row, or take its kept answers; written into the register.

    Raises:
        BadInput: no row has an answer that the model can give, or a picture cannot be read.
        NotFound, BadModel: no such detector, or one that cannot be used here.
        StorageError: the cache cannot be written.
    """
    told = answers.of(store, predictor, asked.frame, faces, progress)
    trial = Trial(predictor.card, asked, faces, told, trained_on(store, predictor.card, asked, progress))
    register.note(store, predictor.card, asked.dataset, asked.version, asked.split, faces, trial.records)
    return trial


def trained_on(
    store: Store, card: Card, asked: Rows, progress: Progress | None = None
) -> frozenset[str] | None:
    """Ids of the rows' pictures that the model was trained on, exactly or nearly, as far as it can be known.

    Every training image of its dataset counts, those too that its training left out as leaks: so the same
    rows are leak-free for all models of a dataset.

    Of a taught model: what its base was trained on, and the examples.

    Returns:
        None where the dataset that the model was trained on is not here.
    """
    dataset = str(card.training.get("dataset", ""))
    try:
        try:
            learnt = versions.manifest(store, dataset, card.training.get("version"))
        except NotFound:
            # Not frozen under any name: splits never change, so the present state has the same rows.
            learnt = versions.manifest(store, dataset)
    except NotFound:
        return None
    both = pd.concat([learnt[learnt["split"] == "train"], asked.frame.assign(split="asked")])
    groups = _near_copies(store, sorted({dataset, asked.dataset}), sorted(set(both["image"])), progress)
    examples = card.training.get("taught", {}).get("images", ())
    return frozenset((*leaks.trained_on(both, groups), *examples)) & frozenset(asked.frame["image"])


def _near_copies(
    store: Store, datasets: list[str], images: list[str], progress: Progress | None
) -> dict[str, str]:
    """Near copies among some pictures (NearCopies.group); kept in the cache: finding them takes seconds."""
    path = cache.path("copies", *images)
    group = cache.read(path).get("group")
    if group is None:
        group = duplicates.near_copies(store, datasets, images, progress=progress).group
        cache.write(path, {"group": group})
    return group
