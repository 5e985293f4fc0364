"""Shuffled, augmented batches straight from the memory map."""

from dataclasses import dataclass

import keras
import numpy as np

from fer_core.training import augmentation
from fer_core.training.config import TrainingConfig
from fer_core.training.distillation import Teacher
from fer_core.training.targets import Split


@dataclass(frozen=True, eq=False)
class Data:
    """One split with its pixels.

    Attributes:
        images: (M, H, W, C) uint8, usually a memory map.
        rows: (N,) positions in `images`.
        split: targets of those rows.
        points: (M, 68, 2) float32 landmarks of the images, for networks that take them.
    """

    images: np.ndarray
    rows: np.ndarray
    split: Split
    points: np.ndarray | None = None

    def inputs(self, rows: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """What a network is fed for these positions: images (B, H, W, C) float32, and landmarks."""
        images = self.images[rows].astype(np.float32)
        return images if self.points is None else (images, self.points[rows])


class Batches(keras.utils.PyDataset):
    """One epoch's batches; order and random changes depend on seed, epoch and batch alone, so that a
    resumed run equals one that was never interrupted."""

    def __init__(self, data: Data, config: TrainingConfig, teacher: Teacher | None = None):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self.data, self.config, self.teacher = data, config, teacher
        self.class_weights = (
            _class_weights(data.split.targets) if config.class_weights == "balanced" else None
        )
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Shuffle for an epoch. Keras' own epoch hooks are also called outside of epochs."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.data.rows))

    def __len__(self) -> int:
        return max(1, len(self.data.rows) // self.config.batch_size)

    def __getitem__(self, index: int):
        """Inputs with images (B, H, W, C) float32 0..255, the targets of each head, and perhaps weights."""
        data, settings = self.data, self.config.augmentation
        random = np.random.default_rng((self.config.seed, self.epoch, index))
        picked = self.order[index * self.config.batch_size : (index + 1) * self.config.batch_size]
        rows = data.rows[picked]
        points = None if data.points is None else data.points[rows]
        images, points = augmentation.augment(data.images[rows], settings, random, points)
        targets = [data.split.targets[picked]]
        if data.split.second is not None:
            targets.append(data.split.second[picked])
        blended = targets if points is None else [*targets, points]
        images, blended = augmentation.mix(images, blended, settings.mixup, random)
        if points is not None:
            *targets, points = blended
        else:
            targets = blended
        weights = None if self.class_weights is None else targets[0] @ self.class_weights
        if self.teacher is not None:
            targets[0] = self.teacher.blend(images, targets[0])
        inputs = images if points is None else (images, points)
        answers = targets[0] if len(targets) == 1 else tuple(targets)
        if weights is None:
            return inputs, answers
        return inputs, answers, weights if len(targets) == 1 else (weights, np.ones_like(weights))


def _class_weights(targets: np.ndarray) -> np.ndarray:
    """(K,) float32: inverse to the classes' shares; their mean over the images is 1."""
    share = targets.mean(axis=0)
    present = share > 0
    weights = np.zeros(len(share), np.float32)
    weights[present] = 1 / (share[present] * present.sum())
    return weights
