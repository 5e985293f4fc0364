"""Did relabelling help? The same network, trained again on the corrected labels, against its predecessor."""

from dataclasses import dataclass, replace

import pandas as pd

from fer_core.dataset import changes, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, NotFound
from fer_core.evaluation import compare
from fer_core.evaluation.compare import BETTER, NO_PROOF, Comparison
from fer_core.evaluation.trial import Trial
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo.card import Card


@dataclass(frozen=True, eq=False)
class Proof:
    """Two models on the same pictures, by the labels of before and by those of now.

    Attributes:
        old: against the labels of the older version: the test as it was.
        new: against those of the newer one. A test that was corrected is another test.
        corrected: labels that training sees otherwise.
        retested: labels of the test that are others now.
    """

    old: Comparison
    new: Comparison
    corrected: int
    retested: int

    @property
    def verdict(self) -> str:
        """What the corrected labels say, since they are the best that is known; compare's words."""
        return self.new.verdict

    @property
    def more(self) -> int | None:
        """About how many further labels a proof would take, if each brings what these did; None where there
        is proof, or no gain that more of the same could prove."""
        change = self.new.accuracy
        if self.verdict != NO_PROOF or change.value <= 0 or not self.corrected:
            return None
        # The interval stays as wide as it is; the gain must grow until it no longer holds zero.
        needed = self.corrected * (change.value - change.low) / change.value
        return max(1, round(needed - self.corrected))


def again(card: Card, version: str, name: str = "") -> TrainingConfig:
    """The settings of a model's training, seed and all, for another version of its dataset.

    Args:
        name: of the new model; "" makes one of the old name and the version.

    Raises:
        BadInput: the model was not trained here.
    """
    config = card.training.get("config")
    if not config:
        raise BadInput(
            "Training again takes the settings of the first training. "
            f"Received: {card.id}, which came without any. Train a model here first."
        )
    before = TrainingConfig.from_dict(config)
    title = f"{card.title}, {version}"
    # A model that was continued, or that came from another one, is made in one go: both its makings would
    # have to be told apart from what the labels did.
    return replace(before, version=version, name=name or None, title=title[:80], continued_at=())


def retrain(store: Store, card: Card, version: str, name: str = "") -> Run:
    """Set up the training of `again`; enqueue it to begin.

    Raises:
        BadInput: the model was not trained here, or the version cannot be trained on.
        NotFound: no such dataset or version.
    """
    versions.find(store, again(card, version).dataset, version)
    return runs.start(again(card, version, name))


def prove(before: tuple[Trial, Trial], after: tuple[Trial, Trial], changed: pd.DataFrame) -> Proof:
    """Set the two models side by side.

    Args:
        before: the older model, on the older version and on the newer one; the same split of both.
        after: the newer model, on the same two.
        changed: `changes.relabelled` between the versions.

    Raises:
        BadInput: the trials are not of the same pictures, or share no classes.
    """
    split = before[0].rows.split
    for first, second in ((before[0], after[0]), (before[1], after[1])):
        if (first.rows.version, first.rows.split) != (second.rows.version, second.rows.split):
            raise BadInput(
                "A proof sets two models before the same pictures. "
                f"Received: {first.rows.split} and {second.rows.split} of different versions."
            )
    return Proof(
        compare.pair(before[0].result(), after[0].result()),
        compare.pair(before[1].result(), after[1].result()),
        int((changed["split"] == "train").sum()),
        int((changed["split"] == split).sum()),
    )


def moved(store: Store, dataset: str, old: str, new: str | None) -> pd.DataFrame:
    """How many labels went from which name to which between two versions: rows old, columns new.

    Raises:
        NotFound: no such dataset or version.
    """
    found = changes.relabelled(store, dataset, old, new)
    return pd.crosstab(found["old"].fillna("no label"), found["new"].fillna("no label"))


def version_of(store: Store, card: Card, dataset: str) -> str | None:
    """The name of the version that a model was trained on, if it was frozen under one."""
    try:
        return versions.find(store, dataset, str(card.training.get("version"))).name
    except NotFound:
        return None


def sentence(proof: Proof) -> str:
    """The verdict in one sentence, plain text."""
    change = proof.new.accuracy
    before, after = (f"{result.right.mean():.1%}" for result in (proof.new.one, proof.new.other))
    faces = f"on the same {len(proof.new):,} faces"
    if proof.verdict == NO_PROOF:
        more = f" Label about {proof.more:,} more." if proof.more else ""
        return (
            f"No proof yet: {before} to {after}, {change.value * 100:+.1f} points "
            f"(interval {change.low * 100:+.1f} to {change.high * 100:+.1f}) {faces}.{more}"
        )
    low, high = sorted((abs(change.low), abs(change.high)))
    word = "better" if proof.verdict == BETTER else "worse"
    return (
        f"After {proof.corrected:,} corrected labels {word} by {abs(change.value) * 100:.1f} points "
        f"({low * 100:.1f} to {high * 100:.1f}): {before} to {after} {faces}."
    )
