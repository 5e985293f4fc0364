"""Examples out of a dataset: some of its pictures, each saying where it came from.

An example keeps the hash of its picture's pixels, which is the picture's name in every dataset: so a model's
card says which ones it was taught from, and evaluation does not count them as unseen.
"""

from collections.abc import Sequence

import numpy as np

from fer_core.dataset import browse
from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.fewshot import classes
from fer_core.fewshot.classes import Added, Progress
from fer_core.fewshot.sets import MOST_EXAMPLES


def drawn(
    store: Store, dataset: str, label: str, count: int, split: str | None = "train", seed: int = 0
) -> list[int]:
    """Some of a label's samples, drawn so that the same call gives the same; all where there are fewer.

    Args:
        split: None draws from all of them.

    Raises:
        NotFound: no such dataset.
        BadInput: none is like that, or more are wanted than a class can have.
    """
    if not 1 <= count <= MOST_EXAMPLES:
        raise BadInput(f"A class has 1 to {MOST_EXAMPLES} examples. Received: {count}.")
    among = browse.outline(store, dataset, Filter(split=split, label=label))["sample"].to_numpy()
    if not len(among):
        where = f"the split {split} of {dataset}" if split else dataset
        raise BadInput(f"Examples are drawn where there are some. Received: {label!r}, not in {where}.")
    order = np.random.default_rng(seed).permutation(len(among))
    return [int(sample) for sample in among[np.sort(order[:count])]]


def add(
    store: Store,
    dataset: str,
    set_id: str,
    class_name: str,
    samples: Sequence[int],
    *,
    whole: bool = True,
    progress: Progress | None = None,
) -> Added:
    """Put pictures of a dataset into a class.

    Args:
        samples: by id; those that are not in the dataset any more are left out.
        whole: the pictures are faces already, as FER2013's are; else the largest face of each is taken.

    Raises:
        NotFound: no such dataset or set.
        BadInput: none of the samples is there, or more than a class can have, or as `classes.add`.
        Conflict, StorageError: see `classes.add`.
    """
    if len(samples) > MOST_EXAMPLES:
        raise BadInput(
            f"A class has at most {MOST_EXAMPLES} examples. Received: {len(samples):,} pictures. Mark fewer."
        )
    tiles = browse.page(store, dataset, Filter(samples=tuple(samples)), count=len(samples))
    if not tiles:
        raise BadInput(
            f"Examples are pictures of a dataset. Received: {len(samples)} of {dataset}, none of them there."
        )
    data = store.image_bytes(tile.image for tile in tiles)
    pictures = [(f"{dataset}: {tile.source} ({tile.split})", data[tile.image]) for tile in tiles]
    return classes.add(set_id, class_name, pictures, whole=whole, progress=progress)
