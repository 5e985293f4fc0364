"""What a person should look at next: pictures whose label is probably wrong, the likeliest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.store import Store, find_dataset
from fer_core.errors import BadInput
from fer_core.evaluation.results import NO_FACE, Result
from fer_core.labels import LabelSet


@dataclass(frozen=True)
class Kind:
    """A kind of queue, for people.

    Attributes:
        title: its name.
        sentence: what is in it, and why that pays.
        finding: the kind of finding that it is made of, "" for none.
        models: how many models it asks.
        yields: share of its first pictures whose label is wrong, as expected until people answer: measured
            on the practice dataset, whose wrong labels are known (suspects by benchmarks/queues.py, the rest
            by benchmarks/yields.py: the first 60, the mean over training and test and over two pairs of
            models that never saw a drawn face). None where nobody could measure it.
    """

    title: str
    sentence: str
    finding: str = ""
    models: int = 0
    yields: float | None = None


KINDS = MappingProxyType(
    {
        "suspect": Kind(
            "Suspect labels",
            "Networks that never saw the picture say that its label is improbable.",
            finding="suspect",
            yields=0.59,
        ),
        "conflict": Kind(
            "Copies at odds",
            "Copies of one picture have different labels: at least one of them is wrong.",
            finding="conflict",
            yields=0.44,
        ),
        "votes": Kind(
            "Outvoted labels",
            "Most of the raters saw something else than the label says.",
            finding="votes",
        ),
        "missed": Kind(
            "Misread by a model",
            "The model is sure of another answer than the label; the surest come first.",
            models=1,
            yields=0.14,
        ),
        "disagree": Kind(
            "Models disagree",
            "Two models answer differently, and at least one of them contradicts the label.",
            models=2,
            yields=0.08,
        ),
        "people": Kind("People disagree", "Those who labelled the picture gave different answers."),
        "doubt": Kind(
            "Least sure",
            "The model hardly knows what to say; pictures without a label come first. Good for learning more "
            "from few labels.",
            models=1,
            yields=0.08,
        ),
        "random": Kind("At random", "A fair sample: says how many labels are wrong at all.", yields=0.08),
        "blind": Kind(
            "Blind test check",
            "Test pictures, those that the model reads right and wrong mixed, its answer hidden: so that "
            "correcting the test favours no model.",
            models=1,
            yields=0.09,
        ),
    }
)


@dataclass(frozen=True, eq=False)
class Queue:
    """An order in which to look at samples.

    Attributes:
        key: stands in the ledger as `surfaced_by` of every answer given in it.
        samples: (N,) int64, the best first.
        why: N lines, for each what speaks against its label; may be empty texts.
        blind: whether nothing but the picture may be shown.
    """

    kind: str
    key: str
    samples: np.ndarray
    why: Sequence[str]
    blind: bool = False

    def __len__(self) -> int:
        return len(self.samples)

    def said(self, samples: Sequence[int]) -> dict[int, str]:
        """What speaks against the labels of some of its samples."""
        places = np.flatnonzero(np.isin(self.samples, samples)).tolist()
        return {int(self.samples[place]): self.why[place] for place in places}


def of_findings(store: Store, dataset: str, kind: str, split: str | None = None) -> Queue:
    """What the last checkup, or the last out-of-fold training, suspects: the strongest suspicion first.

    Raises:
        NotFound: no such dataset.
        BadInput: the kind is not made of findings.
    """
    wanted = KINDS[kind].finding if kind in KINDS else ""
    if not wanted:
        known = ", ".join(name for name, about in KINDS.items() if about.finding)
        raise BadInput(f"Queues made of findings are: {known}. Received: kind={kind!r}.")
    finding, sample = schema.finding.c, schema.sample.c
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        query = (
            sa.select(finding.sample)
            .join_from(schema.finding, schema.sample, sample.id == finding.sample)
            .where(finding.dataset == key, finding.kind == wanted)
            # Copies stay together, where a finding has groups.
            .order_by(finding.score.desc(), finding.cluster, finding.sample)
        )
        if split:
            query = query.where(sample.split == split)
        found = np.fromiter(connection.scalars(query), np.int64)
    return Queue(kind, _key(kind, split=split), found, [""] * len(found))


def missed(result: Result, model: str, split: str, true: str | None = None, read: str | None = None) -> Queue:
    """What a model reads otherwise than the label says, the surest first; one cell of the matrix, or all.

    Args:
        model: its id.
        true, read: names of the row and the column; None takes all.

    Raises:
        BadInput: a name that is not among the classes.
    """
    rows = result.cell(_index(result.label_set, true), _index(result.label_set, read))
    rows = rows[~result.right[rows] & result.found[rows]]
    names = result.label_set.names
    # Never "100 %": no model is certain.
    sure = np.minimum(result.confidence, 0.99)
    why = [f"{model} reads {names[result.predicted[i]]} ({sure[i]:.0%})" for i in rows]
    key = _key("missed", model, split, true and f"true {true}", read and f"read {read}")
    return Queue("missed", key, _samples(result, rows), why)


def disagree(one: Result, other: Result, models: tuple[str, str], split: str) -> Queue:
    """Where two models answer differently and one of them contradicts the label, the surest first.

    Both must be of the same rows, and know the same classes.
    """
    if one.frame["sample"].tolist() != other.frame["sample"].tolist():
        raise BadInput("Models are compared on the same pictures. Received: two that have different ones.")
    rows = np.flatnonzero((one.predicted != other.predicted) & one.found & other.found)
    rows = rows[np.argsort(-np.minimum(one.confidence, other.confidence)[rows], kind="stable")]
    names, others = one.label_set.names, other.label_set.names
    why = [f"{names[one.predicted[i]]} or {others[other.predicted[i]]}" for i in rows]
    return Queue("disagree", _key("disagree", *models, split), _samples(one, rows), why)


def doubt(
    frame: pd.DataFrame, probabilities: np.ndarray, label_set: LabelSet, model: str, split: str
) -> Queue:
    """Where a model is least sure: samples without a label first, then by the lead of its first answer.

    Args:
        frame: rows of a manifest.
        probabilities: (N, K) float32 for the rows; NaN where no face was found, which come last.

    Source: margin sampling, Scheffer, Decomain & Wrobel 2001, doi:10.1007/3-540-44816-0_31.
    """
    ranked = np.sort(np.nan_to_num(probabilities, nan=0.0), axis=1)
    margin = np.where(np.isnan(probabilities[:, 0]), 2.0, ranked[:, -1] - ranked[:, -2])
    order = np.lexsort((margin, frame["label"].notna().to_numpy()))
    top = np.argsort(-np.nan_to_num(probabilities), axis=1)[:, :2]
    why = [f"{label_set.names[top[i, 0]]} or {label_set.names[top[i, 1]]}" for i in order]
    return Queue("doubt", _key("doubt", model, split), frame["sample"].to_numpy(np.int64)[order], why)


def people(votes: pd.DataFrame) -> Queue:
    """Samples that people answered differently, the most evenly divided first.

    Args:
        votes: a row for each answer: columns sample, who and label (review.people.votes_of).
    """
    counts = votes.groupby(["sample", "label"]).size().unstack(fill_value=0)
    split = counts[(counts > 0).sum(axis=1) > 1]
    share = split.max(axis=1) / split.sum(axis=1)
    order = share.sort_values(kind="stable").index
    why = [", ".join(f"{name} {n}" for name, n in split.loc[s].items() if n) for s in order]
    return Queue("people", _key("people"), order.to_numpy(np.int64), why)


def at_random(frame: pd.DataFrame, split: str | None, seed: int = 0) -> Queue:
    """All samples in an order that depends on the seed alone."""
    order = np.random.default_rng(seed).permutation(len(frame))
    samples = frame["sample"].to_numpy(np.int64)[order]
    return Queue("random", _key("random", split, f"seed {seed}"), samples, [""] * len(samples))


def blind(result: Result, model: str, split: str, seed: int = 0) -> Queue:
    """Every picture that the model misreads and as many that it reads right, mixed; nothing says which.

    Who corrects only what a model got wrong helps that model: some of its hits are as wrong.
    """
    random = np.random.default_rng(seed)
    wrong, right = np.flatnonzero(~result.right), np.flatnonzero(result.right)
    hits = random.permutation(right)[: len(wrong)]
    rows = random.permutation(np.concatenate([wrong, hits]))
    return Queue("blind", _key("blind", model, split), _samples(result, rows), [""] * len(rows), blind=True)


def _samples(result: Result, rows: np.ndarray) -> np.ndarray:
    return result.frame["sample"].to_numpy(np.int64)[rows]


def _index(label_set: LabelSet, name: str | None) -> int | None:
    if name is None:
        return None
    return NO_FACE if name == "no face" else label_set.index(name)


def _key(kind: str, *parts: str | None, split: str | None = None) -> str:
    return " · ".join([kind, *(part for part in (*parts, split) if part)])
