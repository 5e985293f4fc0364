"""Pairs of faces for networks of similarity: streamed batches, the two-armed model and its loss.

Runs in worker processes only.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from fer_core.errors import BadInput
from fer_core.evaluation.verification import MARGIN
from fer_core.training import augmentation
from fer_core.training.batches import Data
from fer_core.training.config import TrainingConfig


class PairBatches(keras.utils.PyDataset):
    """One epoch's pairs, made batch by batch: genuine and imposter by turns, each class equally often.

    They depend on seed, epoch and batch alone, as `Batches` do. The class of an image is its largest
    target. Classes count alike already and a blend of two pairs is neither genuine nor imposter, so class
    weights and mixup do nothing here.
    """

    def __init__(self, data: Data, config: TrainingConfig):
        """Sort the images by class.

        Raises:
            BadInput: all images are of one class.
        """
        # Both sides of 16 pairs of 256 px are 8 MB: a short queue.
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.data, self.config = data, config
        classes = data.split.targets.argmax(axis=1)
        self.sorted = np.argsort(classes, kind="stable")
        _, self.starts, self.sizes = np.unique(classes[self.sorted], return_index=True, return_counts=True)
        if len(self.sizes) < 2:
            raise BadInput(
                "Pairs need images of at least two classes. "
                f"Received: {len(classes)} images of {len(self.sizes)}. Choose another dataset."
            )
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Shuffle the classes for an epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.sizes))

    def __len__(self) -> int:
        return max(1, self.config.pairs // self.config.batch_size)

    def __getitem__(self, index: int):
        """((B, H, W, C), (B, H, W, C)) float32 0..255, and (B,) float32, 1 for a genuine pair."""
        random = np.random.default_rng((self.config.seed, self.epoch, index))
        *sides, same = self.positions(index, random)
        images = (self.data.images[self.data.rows[side]] for side in sides)
        changed = [augmentation.augment(side, self.config.augmentation, random)[0] for side in images]
        return tuple(changed), same.astype(np.float32)

    def positions(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B,) positions of both sides in the split, and (B,) bool, whether they are of one class.

        The only image of its class is paired with itself: two augmented versions of it.
        """
        count = len(self.sizes)
        numbers = np.arange(index * self.config.batch_size, (index + 1) * self.config.batch_size)
        same, turn = numbers % 2 == 0, numbers // 2 % count
        one = self.order[turn]
        other = self.order[np.where(same, turn, (turn + random.integers(1, count, len(turn))) % count)]
        place = random.integers(self.sizes[one])
        # Steps from an image to any other of its class, and from the first of another class to any.
        step = random.integers(same.astype(int), np.maximum(self.sizes[other], 1 + same))
        partner = (np.where(same, place, 0) + step) % self.sizes[other]
        first, second = self.sorted[self.starts[one] + place], self.sorted[self.starts[other] + partner]
        return first, second, same


def training_model(network: keras.Model) -> keras.Model:
    """Two images through one network to their distance, (B, 1) float32, as verification.distances has it."""
    sides = [keras.Input(network.input_shape[1:], name=name) for name in ("first", "second")]
    one, other = (ops.cast(network(side), "float32") for side in sides)
    square = ops.mean(ops.square(one - other), axis=-1, keepdims=True)
    # The root's slope at 0 is infinite: equal images would turn every weight into NaN.
    return keras.Model(sides, ops.sqrt(ops.maximum(square, 1e-12)), name="pairs")


def contrastive(margin: float = MARGIN) -> Callable:
    """The loss on distances: genuine pairs are drawn together, imposters pushed apart up to the margin.

    Source: Hadsell, Chopra & LeCun 2006, doi:10.1109/CVPR.2006.100.
    """

    def loss(y_true, y_pred):
        """(B,) from (B,) 1 for a genuine pair and (B, 1) distances."""
        same, distance = (ops.reshape(ops.cast(y, "float32"), (-1,)) for y in (y_true, y_pred))
        short = ops.maximum(margin - distance, 0.0)
        return same * ops.square(distance) + (1 - same) * ops.square(short)

    return loss
