"""The same picture in two splits: found by exact pixels, and taken out."""

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
        images: ids of the shared pictures.
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


def leaks(frame: pd.DataFrame) -> LeakReport:
    """Pictures of a manifest that stand in more than one of train, validation and test."""
    parts = {split: frame.loc[frame["split"] == split, "image"] for split in ("train", "validation", "test")}
    found = []
    for (one, first), (other, second) in combinations(parts.items(), 2):
        if shared := set(first) & set(second):
            rows = int(first.isin(shared).sum()), int(second.isin(shared).sum())
            found.append(Leak((one, other), tuple(sorted(shared)), rows))
    return LeakReport(tuple(found), int(_leaking(frame).sum()))


def leak_free(frame: pd.DataFrame) -> pd.DataFrame:
    """The manifest without train rows whose picture is in validation or test, and without
    validation rows whose picture is in test. Test rows all stay."""
    return frame[~_leaking(frame)].reset_index(drop=True)


def _leaking(frame: pd.DataFrame) -> pd.Series:
    leaking = pd.Series(False, index=frame.index)
    for split, later in _SEEN_LATER.items():
        seen = frame.loc[frame["split"].isin(later), "image"]
        leaking |= (frame["split"] == split) & frame["image"].isin(seen)
    return leaking
