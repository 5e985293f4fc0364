"""The same picture in two splits: found by exact pixels, or by near copies too, and taken out."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

_SEEN_LATER = {"train": ("validation", "test"), "validation": ("test",)}
"""For each split, those whose pictures it must not hold."""


@dataclass(frozen=True)
class Leak:
    """Pictures that two splits share.

    Attributes:
        splits: the two, in the order train, validation, test.
        images: ids of the shared pictures; where near copies count, of all that have one across.
        rows: how many rows of each split show one of them.
    """

    splits: tuple[str, str]
    images: tuple[str, ...]
    rows: tuple[int, int]


@dataclass(frozen=True)
class LeakReport:
    """All pairs of splits that share pictures, and how many rows `leak_free` would drop."""

    leaks: tuple[Leak, ...]
    dropped: int

    def __bool__(self) -> bool:
        return bool(self.leaks)


def leaks(frame: pd.DataFrame, groups: Mapping[str, str] | None = None) -> LeakReport:
    """Pictures of a manifest that stand in more than one of train, validation and test.

    Args:
        groups: near copies: id of a picture -> id of the picture that stands for its group
            (duplicates.NearCopies.group); None counts equal pixels alone.
    """
    motif = motifs(frame, groups)
    parts = {split: frame["split"] == split for split in ("train", "validation", "test")}
    found = []
    for (one, first), (other, second) in combinations(parts.items(), 2):
        if shared := set(motif[first]) & set(motif[second]):
            within = motif.isin(shared)
            images = frame.loc[within & (first | second), "image"]
            rows = int((within & first).sum()), int((within & second).sum())
            found.append(Leak((one, other), tuple(sorted(set(images))), rows))
    return LeakReport(tuple(found), int(_leaking(frame, motif).sum()))


def leak_free(frame: pd.DataFrame, groups: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The manifest without train rows whose picture is in validation or test, and without
    validation rows whose picture is in test. Test rows all stay. With `groups`, as for `leaks`, near
    copies go like exact ones."""
    return frame[~_leaking(frame, motifs(frame, groups))].reset_index(drop=True)


def trained_on(frame: pd.DataFrame, groups: Mapping[str, str] | None = None) -> set[str]:
    """Ids of the manifest's pictures that its train rows show, exactly or, with `groups`, nearly."""
    motif = motifs(frame, groups)
    return set(frame.loc[motif.isin(motif[frame["split"] == "train"]), "image"])


def motifs(frame: pd.DataFrame, groups: Mapping[str, str] | None = None) -> pd.Series:
    """For each row what its picture shows: the id that all its copies share."""
    return frame["image"].map(groups).fillna(frame["image"]) if groups else frame["image"]


def _leaking(frame: pd.DataFrame, motif: pd.Series) -> pd.Series:
    leaking = pd.Series(False, index=frame.index)
    for split, later in _SEEN_LATER.items():
        seen = motif[frame["split"].isin(later)]
        leaking |= (frame["split"] == split) & motif.isin(seen)
    return leaking
