"""A dataset that a network can learn in seconds: the class is where the bright half of the picture lies."""

from pathlib import Path

import numpy as np

from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store
from tests import drawn_fer2013

EMOTIONS = (3, 4)
"""FER2013's numbers of happy (bright above) and sad (bright below)."""
VOTED = {3: 1, 4: 3}
"""Columns of happiness and sadness in the votes."""


def fill(store: Store, count: int = 240, copies: int = 3, name: str = "halves", near: int = 0) -> None:
    """Import `count` pictures of 48x48 with votes: three quarters to train, the rest to validate; the
    first `copies` validation pictures are pixel copies of training pictures, and the last `near` are
    darker copies of the last training pictures."""
    random = np.random.default_rng(0)
    emotions = [EMOTIONS[row % 2] for row in range(count)]
    shown = random.integers(0, 120, (count, 48, 48), np.uint8)
    for picture, emotion in zip(shown, emotions, strict=True):
        half = picture[:24] if emotion == 3 else picture[24:]
        half += np.uint8(120)
    train = count * 3 // 4
    for copy in range(copies):
        shown[train + copy] = shown[copy]
        emotions[train + copy] = emotions[copy]
    for copy in range(near):
        shown[-1 - copy] = shown[train - 1 - copy] // 5 * 4
        emotions[-1 - copy] = emotions[train - 1 - copy]
    usages = ["Training"] * train + ["PublicTest"] * (count - train)
    ballots = [f"Usage,Image name,{drawn_fer2013.VOTE_COLUMNS}"]
    for row, (emotion, usage) in enumerate(zip(emotions, usages, strict=True)):
        given = [0] * 10
        given[VOTED[emotion]] = 8
        given[0] = 2
        ballots.append(f"{usage},fer{row:07d}.png,{','.join(map(str, given))}")
    folder = Path(str(store.engine.url.database)).parent
    data = drawn_fer2013.write(folder / f"{name}.csv", drawn_fer2013.lines(shown, emotions, usages))
    votes = drawn_fer2013.write(folder / f"{name}.votes.csv", ballots)
    import_fer2013(store, data, name=name, votes=votes)
