"""The register of evaluations: a test split answers a question once, so every look at one is written down."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import sqlalchemy as sa

from fer_core.dataset import schema
from fer_core.dataset.store import Store, now
from fer_core.zoo.card import Card

ALL = "all"
"""What stands for a split where every row of a dataset was asked: for models that were trained on others."""

_row = schema.evaluation.c


@dataclass(frozen=True)
class Entry:
    """One evaluation.

    Attributes:
        model: the model's id at the time.
        weights: checksum of what answers (Card.weights).
        version: `manifest_id` of what it was measured on.
        faces: how faces were found (answers.WHOLE, or a detector).
        at: UTC, ISO 8601.
        figures: its records, as on a card (report).
    """

    id: int
    model: str
    weights: str
    dataset: str
    version: str
    split: str
    faces: str
    at: str
    figures: list[dict]


def note(
    store: Store, card: Card, dataset: str, version: str, split: str, faces: str, figures: list[dict]
) -> Entry:
    """Write an evaluation down; the entry that is there already if it was made before.

    Raises:
        Conflict, StorageError: it could not be stored.
    """
    key = {
        "weights": card.weights,
        "dataset": dataset,
        "version": version,
        "split": split,
        "faces": faces,
    }
    same = sa.select(schema.evaluation).where(*(_row[name] == value for name, value in key.items()))
    with store.read() as connection:
        found = connection.execute(same).one_or_none()
    if found is None:
        with store.write() as connection:
            found = connection.execute(same).one_or_none()
            if found is None:
                values = {**key, "model": card.id, "at": now(), "figures": figures}
                connection.execute(sa.insert(schema.evaluation).values(**values))
                found = connection.execute(same).one()
    return Entry(**found._mapping)


def entries(
    store: Store, *, dataset: str | None = None, version: str | None = None, split: str | None = None
) -> list[Entry]:
    """What was measured, oldest first; None asks nothing."""
    query = sa.select(schema.evaluation).order_by(_row.id)
    for name, wanted in (("dataset", dataset), ("version", version), ("split", split)):
        if wanted is not None:
            query = query.where(_row[name] == wanted)
    with store.read() as connection:
        return [Entry(**row._mapping) for row in connection.execute(query)]


def cautions(card: Card, dataset: str, split: str, n: int, known: list[Entry]) -> list[str]:
    """Why a figure may be too good, in plain sentences; none where nothing is known against it.

    Args:
        n: faces that the figure is of.
        known: the register's entries of this dataset, version and split.
    """
    said = []
    if card.training.get("dataset") == dataset and split == "train":
        said.append("The model was trained on these pictures: the figures say how well it remembers them.")
    if card.training.get("dataset") == dataset and split == ALL:
        said.append("The model was trained on a part of these pictures: the figures are too good.")
    if card.training.get("dataset") == dataset and split == "validation":
        said.append(
            "This split chose the model's epoch, temperature and threshold, so its figures here are slightly "
            "too good. A test split says more."
        )
    if split == "test" and card.training.get("run") and known:
        before = {e.weights for e in known if e.at[:19] < _trained_at(card)} - {card.weights}
        if before:
            said.append(
                f"{len(before)} other models had been measured on this test split when this one was trained. "
                "If they steered how it was made, its figures here are too good."
                if len(before) > 1
                else "Another model had been measured on this test split when this one was trained. If that "
                "steered how it was made, its figures here are too good."
            )
    models = len({entry.weights for entry in known})
    if split == "test" and models > 1:
        said.append(
            f"{models} models were measured on this test split. Whoever takes the best of them chooses on "
            f"test: up to {luck(models, n) * 100:.1f} points of its figure may be luck."
        )
    return said


def luck(models: int, n: int) -> float:
    """By how much the best of equally good models is expected to lead by chance, as a share of n faces.

    An upper bound: for an accuracy of one half, and models whose errors have nothing in common.
    Source: Blom 1958, Statistical Estimates and Transformed Beta-Variables, for the mean of the largest of
    N normal deviates.
    """
    if models < 2 or n < 1:
        return 0.0
    return NormalDist().inv_cdf((models - 0.375) / (models + 0.25)) * 0.5 / math.sqrt(n)


def _trained_at(card: Card) -> str:
    """When a model's run was started, as `Entry.at` to the second: run ids begin with it."""
    stamp = card.training["run"][:15]
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}"
