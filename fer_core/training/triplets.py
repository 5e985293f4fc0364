"""Triplets of faces for networks of similarity: batches balanced by class, and the batch-hard loss.

Source: Hermans, Beyer & Leibe 2017, In Defense of the Triplet Loss, arXiv:1703.07737.
Runs in worker processes only.
"""

import keras
import numpy as np
from keras import ops

from fer_core.errors import BadInput
from fer_core.training import augmentation
from fer_core.training.batches import Data
from fer_core.training.config import TrainingConfig

ALIKE = 4
"""Images of a class in a batch, at least (their K): fewer classes take part where the batch is small."""
SOFTNESS = 0.1
"""How much nearer, in units of `verification.distances`, an image's own class must be before the soft margin
is content. Their distances have no bound and need none; ours end at 1. Ours: on JAFFE 0.03 was no better, on
FER2013 0.3 and 0.5 were not either."""


class TripletBatches(keras.utils.PyDataset):
    """One epoch's images, batch by batch: as many of each class, so that everyone has partners to compare.

    They depend on seed, epoch and batch alone, as `Batches` do. The class of an image is its largest
    target. As among pairs, class weights and mixup do nothing here.
    """

    def __init__(self, data: Data, config: TrainingConfig):
        """Sort the images by class.

        Raises:
            BadInput: all images are of one class, or a batch holds no two images of two classes.
        """
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.data, self.config = data, config
        self.classes = data.split.targets.argmax(axis=1)
        known = np.unique(self.classes)
        if len(known) < 2 or config.batch_size < 4:
            raise BadInput(
                "Triplets need images of at least two classes, and batches of at least 4. "
                f"Received: {len(self.classes)} images of {len(known)}, batches of {config.batch_size}. "
                "Choose another dataset or a larger batch."
            )
        self.rows = [np.flatnonzero(self.classes == name) for name in known]
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Shuffle the classes for an epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.rows))

    def __len__(self) -> int:
        return max(1, self.config.pairs // self.config.batch_size)

    def __getitem__(self, index: int):
        """(B, H, W, C) float32 0..255, and (B,) float32, the number of each one's class."""
        random = np.random.default_rng((self.config.seed, self.epoch, index))
        picked = self.positions(index, random)
        images = self.data.images[self.data.rows[picked]]
        changed, _ = augmentation.augment(images, self.config.augmentation, random)
        return changed, self.classes[picked].astype(np.float32)

    def positions(self, index: int, random: np.random.Generator) -> np.ndarray:
        """(B,) positions in the split: the classes by turns, each one's images drawn without replacement.

        A class with fewer images than its places shows them again, each time augmented anew.
        """
        size = self.config.batch_size
        ways = min(len(self.rows), max(2, size // ALIKE))
        chosen = self.order[(index * ways + np.arange(ways)) % len(self.order)]
        picked = np.empty(size, np.int64)
        for turn, name in enumerate(chosen):
            rows = self.rows[name]
            places = len(picked[turn::ways])
            again = np.concatenate([random.permutation(rows) for _ in range(-(-places // len(rows)))])
            picked[turn::ways] = again[:places]
        return picked


def batch_hard(classes, embeddings):
    """() the loss of a batch: each image beside the farthest of its class and the nearest of another.

    Soft margin: log(1 + exp((farthest - nearest) / `SOFTNESS`)), the mean over all images that have both.

    Args:
        classes: (B,) or (B, 1) numbers.
        embeddings: (B, E).
    """
    classes = ops.reshape(ops.cast(classes, "float32"), (-1,))
    apart = _distances(ops.cast(embeddings, "float32"))
    same = ops.equal(classes[:, None], classes[None])
    # An image is its own partner at distance 0: the farthest of its class is never that, where it has any.
    farthest = ops.max(ops.where(same, apart, 0.0), axis=1)
    nearest = ops.min(ops.where(same, np.inf, apart), axis=1)
    alike = ops.sum(ops.cast(same, "float32"), axis=1)
    asked = ops.cast(ops.logical_and(alike > 1, ops.any(~same, axis=1)), "float32")
    short = ops.softplus((farthest - ops.where(asked > 0, nearest, 0.0)) / SOFTNESS)
    return ops.sum(short * asked) / ops.maximum(ops.sum(asked), 1.0)


def _distances(embeddings):
    """(B, B) as `verification.distances` has them."""
    square = ops.mean(ops.square(embeddings[:, None] - embeddings[None]), axis=-1)
    # The root's slope at 0 is infinite, and everyone is at 0 from themselves.
    return ops.sqrt(ops.maximum(square, 1e-12))
