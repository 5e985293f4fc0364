"""Small FER2013 files that the tests draw themselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store

VOTE_COLUMNS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def pictures(count: int, side: int = 8, seed: int = 0) -> np.ndarray:
    """(count, side, side) uint8 grey noise, all different."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), np.uint8)


def usage_of(count: int) -> list[str]:
    """Half Training, a quarter PublicTest, a quarter PrivateTest, in the official order."""
    return [("Training", "Training", "PublicTest", "PrivateTest")[4 * row // count] for row in range(count)]


def lines(
    shown: np.ndarray, emotions: Sequence[int] | None = None, usages: Sequence[str] | None = None
) -> list[str]:
    """Header and rows of the official csv; emotions count up, usages as in `usage_of`."""
    emotions = emotions or [row % 7 for row in range(len(shown))]
    usages = usages or usage_of(len(shown))
    rows = zip(emotions, shown, usages, strict=True)
    return ["emotion,pixels,Usage"] + [f"{e},{' '.join(map(str, p.ravel()))},{u}" for e, p, u in rows]


def vote_lines(count: int) -> list[str]:
    """A FER+ file for `lines`: nine votes for one answer and one for not a face."""
    rows = []
    for row, usage in enumerate(usage_of(count)):
        given = [0] * 10
        given[row % 8] += 9
        given[9] += 1
        rows.append(f"{usage},fer{row:07d}.png,{','.join(map(str, given))}")
    return [f"Usage,Image name,{VOTE_COLUMNS}", *rows]


def write(path: Path, content: Sequence[str], end: str = "\n") -> Path:
    path.write_bytes((end.join(content) + end).encode())
    return path


def filled(folder: Path, count: int = 40, votes: bool = False) -> Store:
    """A store in `folder` with the dataset "faces" of `count` drawn samples."""
    store = Store.open(folder / "studio.db")
    ballots = write(folder / "votes.csv", vote_lines(count)) if votes else None
    import_fer2013(store, write(folder / "fer2013.csv", lines(pictures(count))), name="faces", votes=ballots)
    return store
