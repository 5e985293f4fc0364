"""Models across datasets: what a model reaches on pictures of another origin, and what had to be left out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fer_core.dataset import arrays, votes
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.errors import FerError
from fer_core.evaluation import cache, report, speed, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.evaluation.trial import Rows, Trial
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from fer_core.zoo.card import Card

HELD_OUT = ("test", "validation")
"""Splits that no network learned from, the one that says more first."""


@dataclass(frozen=True, eq=False)
class Column:
    """Some rows of a dataset and what is right there.

    Attributes:
        kind: what counts as true, of results.KINDS.
        counts: how many rows have each answer, the commonest first; "" counts those without any.
    """

    rows: Rows
    kind: str
    counts: dict[str, int]

    def shared(self, card: Card) -> tuple[str, ...]:
        """The classes that the model and these rows have in common, in the model's order."""
        return tuple(name for name in card.labels.names if name in self.counts)

    def obstacle(self, card: Card) -> str | None:
        """Why no figure of the model is possible here, as a few words; None where one is."""
        if set(self.counts) <= {""}:
            return f"no {self.kind}"
        shared = self.shared(card)
        if not shared:
            return "no class in common"
        return f"one class in common, {shared[0]}: nothing to tell apart" if len(shared) == 1 else None


@dataclass(frozen=True)
class Cell:
    """What a model reaches on some rows. Shares are records as of `report.share`.

    Attributes:
        shared: the classes that both know, in the model's order.
        unasked: classes that only the model knows: nothing here has them as the right answer.
        left_out: rows whose right answer the model does not know, by that answer; no row of them counts.
        among: the answer restricted to the shared classes.
        open: any answer of the model's; one that is not shared is wrong.
        leak_free: `among` without rows whose picture it was trained on, exactly or nearly; None where its
            training set is not at hand.
        commonest: share of the commonest class: what always giving that answer would reach.
    """

    shared: tuple[str, ...]
    unasked: tuple[str, ...]
    left_out: dict[str, int]
    among: dict
    open: dict
    leak_free: dict | None
    commonest: float

    @property
    def chance(self) -> float:
        """Share that guessing among the shared classes gets right."""
        return 1 / len(self.shared)

    @property
    def leaked(self) -> int | None:
        """Rows whose picture the model was trained on; None where nobody knows."""
        return None if self.leak_free is None else self.among["n"] - self.leak_free["n"]


def split_of(dataset: str, filled: Collection[str], learnt: Collection[str]) -> str:
    """The rows of a dataset that models are measured on.

    Args:
        filled: its splits that have images.
        learnt: names of the datasets that the models were trained on.

    Returns:
        test, else validation; every row (ALL) where no model has learned from the dataset or it has
        neither.
    """
    if dataset not in learnt:
        return ALL
    return next((split for split in HELD_OUT if split in filled), ALL)


def column(rows: Rows, truth: str) -> Column:
    """What is right in some rows; the dataset's own labels where nobody voted."""
    kind = truth if truth in report.kinds(rows.frame) else "labels"
    right = (
        votes.plurality(rows.frame) if kind == "votes" else rows.frame["label"].fillna("").to_numpy(object)
    )
    names, counts = np.unique(right.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Column(rows, kind, {str(names[place]): int(counts[place]) for place in order})


def cell(found: Trial, kind: str) -> Cell:
    """The figures of a trial, as they stand in the matrix.

    Raises:
        BadInput: no row has an answer that the model can give.
    """
    result = found.result(kind)
    everything = np.ones(len(result), bool)
    told = found.answers[result.frame.index]
    names = np.array(found.card.labels.names, object)
    right = np.array(result.label_set.names, object)[result.truth]
    open_right = result.found & (names[np.nan_to_num(told).argmax(axis=1)] == right)
    return Cell(
        result.label_set.names,
        tuple(name for name in found.card.labels.names if name not in result.label_set),
        result.left_out,
        report.share(result.right, everything),
        report.share(open_right, everything),
        None if found.seen is None else report.share(result.right, ~result.leaked),
        float(np.bincount(result.truth).max() / len(result)),
    )


def kept(card: Card, asked: Column, datasets: Collection[str], faces: str = WHOLE) -> Cell | None:
    """A cell that was measured before.

    Args:
        datasets: those that are here now: where copies of training images were unknown and the training
            set has come since, the cell is to be measured again.
    """
    values = cache.read(_path(card, asked.rows, asked.kind, faces))
    try:
        found = Cell(**{**values, "shared": tuple(values["shared"]), "unasked": tuple(values["unasked"])})
    except (KeyError, TypeError):
        return None
    return None if found.leak_free is None and card.training.get("dataset") in datasets else found


def keep(found: Trial) -> None:
    """Put the cells of a trial into the cache, one for each kind of truth.

    Raises:
        BadInput: no row has an answer that the model can give.
        StorageError: the cache cannot be written.
    """
    for kind in found.kinds:
        place = _path(found.card, found.rows, kind, found.faces)
        cache.write(place, asdict(cell(found, kind)))


def measure(
    store: Store,
    wanted: Mapping[str, Sequence[Rows]],
    faces: str = WHOLE,
    progress: Progress | None = None,
) -> list[str]:
    """Measure models on rows, each model's speed first; cells are kept, looks stand in the register.

    What was measured stays when the work is stopped. A model or picture that fails is told and passed over.

    Args:
        wanted: for each model's id the rows it is to answer for; none of them measures its speed alone.
        progress: called with (done, in all, text) in ms of work; what it raises ends the work.

    Returns:
        A sentence for each failure.
    """
    failures = []
    predictors: dict[str, Predictor] = {}
    pace: dict[str, float] = {}
    for place, model in enumerate(wanted):
        if progress:
            progress(0, None, f"how fast is model {place + 1} of {len(wanted)}?")
        try:
            predictors[model] = Predictor.load(library.find(model).folder)
            pace[model] = speed.of(predictors[model]).batch
        except FerError as error:
            failures.append(str(error))
    work = [(model, rows) for model in pace for rows in wanted[model]]
    whole, done = sum(pace[model] * len(rows.frame) for model, rows in work), 0.0
    for model, rows in work:
        weight = pace[model] * len(rows.frame)
        told = _Told(progress, f"{predictors[model].card.title} on {rows.dataset}", done, weight, whole)
        try:
            # Built first: while pictures are read, the share that is done stands still.
            if faces == WHOLE:
                arrays.build(store, rows.frame, predictors[model].card.input, told.preparing)
            keep(trial.run(store, predictors[model], rows, faces, told.working))
        except FerError as error:
            failures.append(f"{predictors[model].card.title} on {rows.dataset}: {error}")
        done += weight
    return failures


@dataclass
class _Told:
    """Progress of one cell among all, in ms of work; it never goes back."""

    progress: Progress | None
    title: str
    before: float
    weight: float
    whole: float
    share: float = 0.0

    def preparing(self, done: int, total: int | None, text: str = "") -> None:
        if self.progress:
            at = self.before + self.share * self.weight
            self.progress(int(at), max(int(self.whole), 1), f"{self.title}: {text}")

    def working(self, done: int, total: int | None, text: str = "") -> None:
        self.share = max(self.share, done / total if total else 0.0)
        self.preparing(done, total, text)


def _path(card: Card, rows: Rows, kind: str, faces: str) -> Path:
    where = (rows.dataset, rows.version, rows.split, faces, kind)
    return cache.path("cell", card.weights, card.flip_average, *where)
