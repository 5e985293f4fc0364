"""Who is suspected of each kind of fault: from what was measured to rows of sample, score and cluster."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from fer_core import labels
from fer_core.dataset import duplicates, leaks, votes
from fer_core.dataset.duplicates import NearCopies
from fer_core.dataset.store import Dataset
from fer_core.imaging import quality

TENTH = 1.2816
"""Standard deviations from the mean to the outer tenth of a normal distribution."""

PALE = 185
"""Grey level that nine tenths of a picture exceed where it is washed out. In FER2013 this is 1 picture
in 1,000, and more than half of those are notices and drawings."""

TINY = 0.75
"""Share of the dataset's middle size below which a picture is small for it."""

OUTVOTED = 0.6
"""By how much a label's share of the votes may lie behind the most frequent answer's. FER2013's labels
and FER+ votes differ in 38 of 100 pictures; in 14 of 100 by as much as this."""

RARE = 0.2
"""Share of an average class below which a class is rare; disgust in FER2013 has 0.11."""

Finder = Callable[[pd.DataFrame, Dataset, NearCopies], pd.DataFrame]
"""From the manifest with its measures and sizes to the suspects: sample, score, and cluster if grouped."""


def _exact_duplicate(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The larger the group, the stronger."""
    times = frame.groupby("image")["sample"].transform("size")
    return _found(frame, times > 1, times, frame["image"])


def _near_duplicate(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The more alike, the stronger."""
    return _found(frame, frame["image"].isin(copies.group), _likeness(frame, copies), _motif(frame, copies))


def _leak(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """What reaches the test split is worse than what reaches validation."""
    rows = frame[frame["split"] != "none"]
    splits = rows.groupby("image")["split"].transform("nunique")
    tests = (rows["split"] == "test").groupby(rows["image"]).transform("any")
    return _found(rows, splits > 1, 1.0 + tests, rows["image"])


def _near_leak(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """Samples with a copy in another split that is not pixel for pixel the same."""
    rows = frame[(frame["split"] != "none") & frame["image"].isin(copies.group)]
    motif = _motif(rows, copies)

    def size(*keys: pd.Series) -> pd.Series:
        return rows.groupby([key.to_numpy() for key in keys])["sample"].transform("size")

    same_split, same_image = size(motif, rows["split"]), size(rows["image"])
    others = size(motif) - same_split - same_image + size(rows["image"], rows["split"])
    return _found(rows, others > 0, _likeness(rows, copies), motif)


def _conflict(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The share of a picture's copies that are called something else."""
    called = frame["label"].notna() & (frame["label"] != labels.UNSURE)
    rows = frame[called & (frame["contrast"] >= duplicates.BLANK)]
    motif = _motif(rows, copies)
    all_of_it = rows.groupby(motif)["sample"].transform("size")
    alike = rows.groupby([motif.to_numpy(), rows["label"].to_numpy()])["sample"].transform("size")
    return _found(rows, alike < all_of_it, 1 - alike / all_of_it, motif)


def _votes(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """By how much the label's share of the votes lies behind the most frequent answer's."""
    answers = votes.names(frame)
    if not answers:
        return _found(frame, pd.Series(False, frame.index), pd.Series(0.0, frame.index))
    counts = votes.counts(frame, answers)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    own = np.zeros(len(frame))
    for position, name in enumerate(answers):
        own = np.where(frame["label"] == name, shares[:, position], own)
    behind = pd.Series(shares.max(axis=1) - own, frame.index)
    # Raters may choose answers that the dataset has no label for.
    possible = np.isin(votes.plurality(frame).astype(str), dataset.label_set.names)
    return _found(
        frame, possible & frame["label"].isin(dataset.label_set.names) & (behind >= OUTVOTED), behind
    )


def _not_a_face(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The share of votes that say so; a label is certain."""
    counted = votes.PREFIX + labels.NOT_A_FACE
    given = frame[counted] if counted in frame.columns else pd.Series(0, frame.index)
    in_all = pd.Series(votes.counts(frame, votes.names(frame)).sum(axis=1), frame.index).clip(lower=1)
    labelled = frame["label"] == labels.NOT_A_FACE
    voted = votes.plurality(frame) == labels.NOT_A_FACE
    return _found(frame, labelled | voted, (given / in_all).where(~labelled, 1.0))


def _no_face(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The plainer the picture, the less likely the detector is wrong."""
    return _found(frame, frame["faces"] == 0, 1 / (1 + frame["contrast"]))


def _blank(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    return _found(frame, frame["contrast"] < duplicates.BLANK, duplicates.BLANK - frame["contrast"])


def _dark(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    lightest = frame["brightness"] + TENTH * frame["contrast"]
    shown = frame["contrast"] >= duplicates.BLANK
    return _found(frame, shown & (lightest < quality.DARK), 1 - lightest / quality.DARK)


def _bright(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    darkest = frame["brightness"] - TENTH * frame["contrast"]
    shown = frame["contrast"] >= duplicates.BLANK
    return _found(frame, shown & (darkest > PALE), darkest / 255)


def _blurred(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    shown = frame["contrast"] >= duplicates.BLANK
    blurred = frame["sharpness"] < quality.BLURRED
    return _found(frame, shown & blurred, 1 - frame["sharpness"] / quality.BLURRED)


def _tiny(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    side = frame[["width", "height"]].min(axis=1)
    limit = min(quality.SMALL_PX, TINY * float(side.median())) if len(side) else 0.0
    return _found(frame, side < limit, 1 - side / quality.SMALL_PX)


def _rare_class(frame: pd.DataFrame, dataset: Dataset, copies: NearCopies) -> pd.DataFrame:
    """The fewer, the stronger."""
    times = frame["label"].map(frame["label"].value_counts()).fillna(0)
    classes = {name: int((frame["label"] == name).sum()) for name in dataset.label_set.names}
    return _found(frame, frame["label"].isin(rare(classes)), 1 / times.clip(lower=1))


FINDERS: dict[str, Finder] = {
    "leak": _leak,
    "near_leak": _near_leak,
    "conflict": _conflict,
    "votes": _votes,
    "not_a_face": _not_a_face,
    "no_face": _no_face,
    "blank": _blank,
    "exact_duplicate": _exact_duplicate,
    "near_duplicate": _near_duplicate,
    "dark": _dark,
    "bright": _bright,
    "blurred": _blurred,
    "tiny": _tiny,
    "rare_class": _rare_class,
}


def rare(classes: Mapping[str, int]) -> tuple[str, ...]:
    """The classes that have too few samples."""
    average = sum(classes.values()) / max(len(classes), 1)
    return tuple(name for name, samples in classes.items() if samples < RARE * average)


def _found(
    frame: pd.DataFrame, which: pd.Series, score: pd.Series, group: pd.Series | None = None
) -> pd.DataFrame:
    """Rows of sample, score and cluster: the number of a group is that of its first sample."""
    rows = pd.DataFrame({"sample": frame["sample"], "score": score.astype(float)})[which]
    if group is not None:
        rows["cluster"] = rows.groupby(group[which].to_numpy())["sample"].transform("min")
    return rows


def _motif(frame: pd.DataFrame, copies: NearCopies) -> pd.Series:
    return leaks.motifs(frame, copies.group)


def _likeness(frame: pd.DataFrame, copies: NearCopies) -> pd.Series:
    return frame["image"].map(copies.likeness).fillna(0.0).astype(float)
