"""The training loop: Keras' fit, with batches from a memory map, a stop that obeys at once, and a
checkpoint after every epoch. Runs in worker processes only."""

import io
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from fer_core.evaluation import metrics
from fer_core.training import augmentation
from fer_core.training.config import TrainingConfig
from fer_core.training.targets import Split
from fer_core.zoo import calibration


@dataclass(frozen=True, eq=False)
class Data:
    """One split with its pixels.

    Attributes:
        images: (M, H, W, C) uint8, usually a memory map.
        rows: (N,) positions in `images`.
        split: targets of those rows.
    """

    images: np.ndarray
    rows: np.ndarray
    split: Split


class _Ended(Exception):
    """Training ends early with this outcome; the best epoch so far is kept."""


def fit(
    network: keras.Model,
    train: Data,
    validation: Data,
    config: TrainingConfig,
    folder: Path,
    report: Callable[[dict], None],
    stop_requested: Callable[[], bool],
) -> str:
    """Train `network` in place and leave it with the weights of its best epoch by validation accuracy.

    Args:
        network: from uint8-ranged images to probabilities; has a layer "embedding".
        folder: where checkpoint.npz and best.weights.h5 go; an earlier checkpoint there is resumed.
        report: receives one dictionary for each event (epoch, progress, resume).
        stop_requested: asked after every batch.

    Returns:
        "finished", "stopped" by the user, or "diverged" where the answers stopped being numbers.
    """
    model = _training_model(network, train.split, config)
    batches = Batches(train, config.batch_size, config.seed)
    steps = len(batches)
    schedule = WarmupCosine(config.learning_rate, round(config.warmup_epochs * steps), config.epochs * steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(model.trainable_variables)
    losses = [keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)]
    losses += [keras.losses.CategoricalCrossentropy()] * (train.split.second is not None)
    model.compile(optimizer, losses, loss_weights=[1.0, config.second_head][: len(losses)])
    watch = _Watch(network, batches, validation, config, folder, report, stop_requested)
    start = watch.resume(model)
    try:
        # shuffle=False: Batches has shuffled already, by a seed that a resumed run finds again.
        model.fit(
            batches, epochs=config.epochs, initial_epoch=start, callbacks=[watch], verbose=0, shuffle=False
        )
        outcome = "finished"
    except _Ended as end:
        outcome = str(end)
    if (folder / BEST).exists():
        network.load_weights(folder / BEST)
    return outcome


BEST = "best.weights.h5"
CHECKPOINT = "checkpoint.npz"


class Batches(keras.utils.PyDataset):
    """Shuffled batches straight from the memory map; the order depends on seed and epoch alone."""

    def __init__(self, data: Data, batch_size: int, seed: int):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=16)
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Shuffle for an epoch. Keras' own epoch hooks are also called outside of epochs."""
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.data.rows))

    def __len__(self) -> int:
        return max(1, len(self.data.rows) // self.batch_size)

    def __getitem__(self, index: int):
        """Images (B, H, W, C) float32 0..255, and the targets of each head."""
        picked = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.data.images[self.data.rows[picked]].astype(np.float32)
        targets, second = self.data.split.targets[picked], self.data.split.second
        return (images, targets) if second is None else (images, (targets, second[picked]))


@keras.saving.register_keras_serializable("fer_core")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A straight line up to `peak`, then half a cosine down to zero."""

    def __init__(self, peak: float, warmup: int, total: int):
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        rising = (step + 1) / max(1, self.warmup)
        part = (step - self.warmup) / max(1, self.total - self.warmup)
        falling = 0.5 * (1 + keras.ops.cos(math.pi * keras.ops.clip(part, 0.0, 1.0)))
        return self.peak * keras.ops.minimum(rising, falling)

    def get_config(self) -> dict:
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total}


def _training_model(network: keras.Model, split: Split, config: TrainingConfig) -> keras.Model:
    """Augmentation in front of the network and, where asked for, a second head on its embedding."""
    images = x = keras.Input(network.input_shape[1:])
    for layer in augmentation.layers(config.augmentation, config.seed):
        x = layer(x)
    if split.second is None:
        return keras.Model(images, network(x))
    trunk = keras.Model(network.input, [network.output, network.get_layer("embedding").output])
    probabilities, embedding = trunk(x)
    head = keras.layers.Dense(
        split.second.shape[1], activation="softmax", name="second_head", dtype="float32"
    )
    return keras.Model(images, [probabilities, head(embedding)])


class _Watch(keras.callbacks.Callback):
    """Reports, validates, keeps the best epoch, writes checkpoints, and obeys a stop."""

    def __init__(
        self,
        network: keras.Model,
        batches: Batches,
        validation: Data,
        config: TrainingConfig,
        folder: Path,
        report: Callable[[dict], None],
        stop_requested: Callable[[], bool],
    ):
        super().__init__()
        self.network, self.batches, self.validation = network, batches, validation
        self.config, self.folder, self.report, self.stop_requested = config, folder, report, stop_requested
        self.best = -1.0
        self.truth = validation.split.targets.argmax(axis=1)
        self.last_report = 0.0

    def resume(self, model: keras.Model) -> int:
        """Load the checkpoint where there is one; the epoch to go on with."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        with np.load(path) as saved:
            for position, variable in enumerate(_variables(model)):
                variable.assign(saved[f"v{position}"])
            self.best, epoch = float(saved["best"]), int(saved["epoch"])
        self.report({"kind": "resumed", "epoch": epoch})
        return epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.started = epoch, time.monotonic()
        self.batches.begin(epoch)

    def on_train_batch_end(self, batch, logs=None):
        if self.stop_requested():
            raise _Ended("stopped")
        now = time.monotonic()
        if now - self.last_report > 2:
            self.last_report = now
            self.report(
                {
                    "kind": "progress",
                    "epoch": self.epoch,
                    "epochs": self.config.epochs,
                    "step": batch + 1,
                    "steps": len(self.batches),
                    "loss": _finite((logs or {}).get("loss")),
                    "images_per_second": round(
                        (batch + 1) * self.config.batch_size / (now - self.started), 1
                    ),
                }
            )

    def on_epoch_end(self, epoch, logs=None):
        probabilities = self._validate()
        if not np.isfinite(probabilities).all():
            raise _Ended("diverged")
        measured = metrics.summary(self.truth, probabilities)
        loss = calibration.cross_entropy(self.validation.split.targets, probabilities)
        better = measured["accuracy"] > self.best
        self.report(
            {
                "kind": "epoch",
                "epoch": epoch,
                "epochs": self.config.epochs,
                "loss": _finite((logs or {}).get("loss")),
                "val_loss": _finite(loss),
                "val_accuracy": measured["accuracy"],
                "val_macro_f1": measured["macro_f1"],
                "learning_rate": float(self.model.optimizer.learning_rate),
                "seconds": round(time.monotonic() - self.started, 2),
                "best": better,
            }
        )
        if better:
            self.best = measured["accuracy"]
            _save_weights(self.network, self.folder / BEST)
            if self.config.keep_improvements:
                name = f"{self.network.name}.{epoch + 1:03d}-{self.best:.4f}.weights.h5"
                _save_weights(self.network, self.folder / "improvements" / name)
        self._checkpoint(epoch + 1)

    def _validate(self) -> np.ndarray:
        """(N, classes) float32 probabilities of the validation images."""
        data, parts = self.validation, []
        for first in range(0, len(data.rows), 256):
            rows = data.rows[first : first + 256]
            parts.append(self.network.predict_on_batch(data.images[rows].astype(np.float32)))
        return np.concatenate(parts)

    def _checkpoint(self, epoch: int) -> None:
        state = {f"v{i}": np.asarray(v.value) for i, v in enumerate(_variables(self.model))}
        buffer = io.BytesIO()
        state |= {"epoch": np.array(epoch), "best": np.array(self.best)}
        np.savez(buffer, allow_pickle=False, **state)
        part = self.folder / (CHECKPOINT + ".part")
        part.write_bytes(buffer.getvalue())
        os.replace(part, self.folder / CHECKPOINT)


def _variables(model: keras.Model) -> list:
    """All that training changes: weights, moving statistics, random seeds, optimizer state."""
    return [*model.variables, *model.optimizer.variables]


def _save_weights(network: keras.Model, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_name("part." + path.name)
    network.save_weights(part)
    os.replace(part, path)


def _finite(value) -> float | None:
    """A number that JSON can hold, or None."""
    return float(value) if value is not None and math.isfinite(value) else None
