"""From a manifest to what a network learns: which rows, and which targets for each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.dataset import leaks, votes
from fer_core.errors import BadInput
from fer_core.labels import NOT_A_FACE, LabelSet
from fer_core.training.config import TrainingConfig
from fer_core.zoo import specs
from fer_core.zoo.specs import AFFECT, Task

AXES = ["valence", "arousal"]
COPIES, NEAR_COPIES = "copies of validation or test images", "near copies of validation or test images"
"""Why training rows are left out, in words that cards repeat."""
HELD_OUT = "held out, for the network to judge"


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one split, ready to learn from.

    Attributes:
        frame: their rows of the manifest.
        targets: (N, classes) float32, each row sums to 1; for networks of affect (N, 2), valence and
            arousal in -1..1.
        second: (N, other classes) float32, the other kind of target for the second head; a row of
            zeros says nothing. None without a second head.
    """

    frame: pd.DataFrame
    targets: np.ndarray
    second: np.ndarray | None

    def __len__(self) -> int:
        return len(self.frame)


def prepare(
    manifest: pd.DataFrame,
    config: TrainingConfig,
    label_set: LabelSet,
    near: Mapping[str, str] | None = None,
) -> tuple[Split, Split, dict[str, int]]:
    """Training rows, validation rows, and how many training rows were left out and why.

    Args:
        near: near copies (duplicates.NearCopies.group), which are left out like exact ones.

    Raises:
        BadInput: a split is empty, votes are asked for where there are none, or only one class is
            left to learn.
    """
    held = held_out(manifest, config, label_set, near)["sample"] if config.folds else ()
    task = specs.get(config.spec).task
    if not votes.names(manifest) and (config.targets == "votes" or config.second_head):
        raise BadInput(
            f"Learning from votes needs a dataset that has them. Received: {config.dataset!r}, without. "
            "Import it again with its votes, or train on labels alone."
        )
    left_out: dict[str, int] = {}
    if config.leak_free:
        left_out |= leaking(manifest, near)
        manifest = leaks.leak_free(manifest, near)
    usable, reason = _usable(manifest, config, label_set, task)
    left_out[reason] = int((~usable & (manifest["split"] == "train").to_numpy()).sum())
    manifest = manifest[usable]
    if config.folds:
        hidden = manifest["sample"].isin(held)
        left_out[HELD_OUT] = int(hidden.sum())
        manifest = manifest[~hidden]
    splits = []
    for name in ("train", "validation"):
        rows = manifest[manifest["split"] == name]
        if rows.empty:
            raise BadInput(
                f"A run needs images with {_wanted(config, task)} in train and validation. "
                f"Received: no {name} images in {config.dataset!r}. "
                "Choose another dataset or other targets, or import it anew with a part of train to validate."
            )
        splits.append(_split(rows, config, label_set, task))
    if task is not AFFECT and (splits[0].targets.sum(axis=0) > 0).sum() < 2:
        raise BadInput(
            f"A network needs at least two classes to tell apart. Received: one, in {len(splits[0])} images."
        )
    return splits[0], splits[1], {reason: count for reason, count in left_out.items() if count}


def held_out(
    manifest: pd.DataFrame,
    config: TrainingConfig,
    label_set: LabelSet,
    near: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The training rows that this run's fold holds back, to be judged by a network that never saw them.

    Every training row with a label is in one of the folds. Copies of a picture, near ones too, are in the
    same, and each label is dealt evenly: like cards, by label, in an order that depends on the seed alone.
    """
    rows = manifest[(manifest["split"] == "train") & manifest["label"].isin(label_set.names)]
    motif = leaks.motifs(rows, near)
    called = pd.DataFrame({"motif": motif, "label": rows["label"]}).groupby("motif")["label"]
    groups = pd.DataFrame({"label": called.min(), "size": called.size()}).sort_index()
    chance = np.random.default_rng(config.seed).random(len(groups))
    order = np.lexsort((chance, groups["size"], groups["label"]))
    dealt = pd.Series(np.arange(len(groups)) % config.folds, index=groups.index[order])
    return rows[(motif.map(dealt) == config.fold).to_numpy()]


def leaking(manifest: pd.DataFrame, near: Mapping[str, str] | None = None) -> dict[str, int]:
    """How many training rows repeat pictures of validation or test, exactly and, with `near`, nearly."""
    training = int((manifest["split"] == "train").sum())
    without_exact, without_any = (
        int((leaks.leak_free(manifest, groups)["split"] == "train").sum()) for groups in (None, near)
    )
    return {COPIES: training - without_exact, NEAR_COPIES: without_exact - without_any}


def _wanted(config: TrainingConfig, task: Task) -> str:
    return "valence and arousal" if task is AFFECT else config.targets


def _usable(
    manifest: pd.DataFrame, config: TrainingConfig, label_set: LabelSet, task: Task
) -> tuple[np.ndarray, str]:
    """Which rows have a main target, and why the others have none.

    Votes follow the FER+ protocol: rows that most raters called unknown or not a face are left out.
    Source: Barsoum et al. 2016, arXiv:1608.01041, section 4.
    """
    if task is AFFECT:
        return manifest[AXES].notna().all(axis=1).to_numpy(), "valence or arousal is not known"
    if config.targets == "votes":
        return np.isin(votes.plurality(manifest), label_set.names), "most votes name no expression"
    return manifest["label"].isin(label_set.names).to_numpy(), "the label is not in the label set"


def _split(rows: pd.DataFrame, config: TrainingConfig, label_set: LabelSet, task: Task) -> Split:
    if task is AFFECT:
        return Split(rows, rows[AXES].to_numpy(np.float32), None)
    if config.targets == "votes":
        main, other = votes.distributions(rows, label_set), sorted(set(rows["label"].dropna()))
        return Split(rows, main, _one_hot(rows, other) if config.second_head else None)
    main = _one_hot(rows, label_set.names)
    seen = LabelSet("votes", tuple(n for n in votes.names(rows) if n != NOT_A_FACE))
    return Split(rows, main, votes.distributions(rows, seen) if config.second_head else None)


def _one_hot(rows: pd.DataFrame, names: tuple[str, ...] | list[str]) -> np.ndarray:
    """(N, classes) float32."""
    return (rows["label"].to_numpy()[:, None] == np.array(names, object)[None, :]).astype(np.float32)
