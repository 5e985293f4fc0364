"""The training loop: Keras' fit, with batches from a memory map, a stop that obeys at once, and a
checkpoint after every epoch. Runs in worker processes only."""

import io
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fer_core.training import objectives, schedule
from fer_core.training.batches import Data
from fer_core.training.config import TrainingConfig
from fer_core.zoo.specs import Task

BEST = "best.weights.h5"
CHECKPOINT = "checkpoint.npz"
AVERAGED_EVERY = 8
"""Steps from one update of the running mean of the weights to the next: each one copies all of them."""

_LARGEST_WEIGHT = 1e6
"""A weight beyond it belongs to a network that has lost its way, though its answers may still be numbers."""


class _Ended(Exception):
    """Training ends early with this outcome; the best epoch so far is kept."""


def fit(
    network: keras.Model,
    train: Data,
    validation: Data,
    config: TrainingConfig,
    task: Task,
    folder: Path,
    report: Callable[[dict], None],
    stop_requested: Callable[[], bool],
    usage: Callable[[], dict[str, float]] = dict,
) -> str:
    """Train `network` in place and leave it with the weights of its best epoch by the task's key figure.

    Args:
        network: from uint8-ranged images to its task's answer; has a layer "embedding".
        folder: where checkpoint.npz and best.weights.h5 go; an earlier checkpoint there is resumed.
        report: receives one dictionary for each event (epoch, progress, phase, resumed, warning).
        stop_requested: asked after every batch.
        usage: what the machine is doing, for the progress events.

    Returns:
        "finished", "early" by early stopping, "stopped" by the user, or "diverged" where the answers
        stopped being numbers.
    """
    objective = objectives.of(task, network, train, validation, config)
    watch = _Watch(network, objective, validation, config, task, folder, report, stop_requested, usage)
    epoch = watch.saved_epoch()
    outcome = "finished"
    try:
        while epoch < config.epochs:
            end = config.frozen_epochs if schedule.frozen(config, epoch) else config.epochs
            _begin(objective, network, config, epoch, report)
            watch.resume(objective.model, epoch)
            # shuffle=False: batches are shuffled already, by a seed that a resumed run finds again.
            objective.model.fit(
                objective.batches,
                epochs=min(end, config.epochs),
                initial_epoch=epoch,
                callbacks=[watch],
                verbose=0,
                shuffle=False,
            )
            epoch = min(end, config.epochs)
    except _Ended as end:
        outcome = str(end)
    watch.restore_best()
    return outcome


def _begin(
    objective: objectives.Objective,
    network: keras.Model,
    config: TrainingConfig,
    epoch: int,
    report: Callable[[dict], None],
) -> None:
    """Begin a phase, and say what learns from this epoch on."""
    frozen = schedule.frozen(config, epoch)
    compile_phase(objective, network, config, frozen)
    if config.frozen_epochs:
        learning = int(sum(math.prod(v.shape) for v in network.trainable_variables))
        phase = "frozen" if frozen else "fine-tuning"
        report({"kind": "phase", "epoch": epoch, "phase": phase, "trainable": learning})


def compile_phase(
    objective: objectives.Objective, network: keras.Model, config: TrainingConfig, frozen: bool
) -> None:
    """Choose what learns, with a fresh optimizer for it."""
    if config.frozen_epochs:
        set_trainable(network, config.unfrozen_layers, frozen)
    optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(objective.model.trainable_variables)
    single = len(objective.losses) == 1
    objective.model.compile(
        optimizer,
        objective.losses[0] if single else objective.losses,
        loss_weights=objective.weights,
        metrics=objective.metrics() if single else [objective.metrics(), []],
    )


def set_trainable(network: keras.Model, last: int, frozen: bool) -> None:
    """Choose the layers that learn.

    Args:
        last: how many of the layers with weights up to the embedding learn, counted from the end; 0 is all.
        frozen: none of them does.

    Batch normalisation before the embedding keeps its statistics and scale throughout: those of a few
    faces would undo what many pictures taught. Source: Keras' guide on transfer learning.
    """
    after = [layer.name for layer in network.layers].index("embedding") + 1
    features, head = network.layers[:after], network.layers[after:]
    learning = [
        layer
        for layer in features
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    chosen = [] if frozen else learning[-last:]
    for layer in features:
        layer.trainable = layer in chosen
    for layer in head:
        layer.trainable = True


class _Watch(keras.callbacks.Callback):
    """Reports, validates, keeps the best epoch, writes checkpoints, sets the rate, and obeys a stop."""

    def __init__(
        self,
        network: keras.Model,
        objective: objectives.Objective,
        validation: Data,
        config: TrainingConfig,
        task: Task,
        folder: Path,
        report: Callable[[dict], None],
        stop_requested: Callable[[], bool],
        usage: Callable[[], dict[str, float]],
    ):
        super().__init__()
        self.network, self.objective, self.validation = network, objective, validation
        self.config, self.task, self.folder = config, task, folder
        self.report, self.stop_requested, self.usage = report, stop_requested, usage
        self.best, self.waited, self.drops = -math.inf, 0, 0
        self.best_weights: list[np.ndarray] | None = None
        self.mean: list[np.ndarray] | None = None
        self.rate, self.last_report = 0.0, 0.0

    def saved_epoch(self) -> int:
        """The epoch to go on with: that of the checkpoint, else the first."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        with np.load(path) as saved:
            epoch = int(saved["epoch"])
        self.report({"kind": "resumed", "epoch": epoch})
        return epoch

    def resume(self, model: keras.Model, epoch: int) -> None:
        """Load the checkpoint where there is one for this epoch. The optimizer's state is taken over within
        a phase only: the next one trains other variables."""
        path = self.folder / CHECKPOINT
        if epoch == 0 or not path.exists():
            return
        with np.load(path) as saved:
            variables = _variables(model)
            if bool(saved["frozen"]) != schedule.frozen(self.config, epoch):
                variables = model.variables
            _assign(variables, [saved[f"v{position}"] for position in range(len(variables))])
            self.best, self.waited, self.drops = (saved[name].item() for name in ("best", "waited", "drops"))
            if "m0" in saved:
                self.mean = [saved[f"m{position}"] for position in range(len(self.network.weights))]

    def restore_best(self) -> None:
        """Give the network the weights of its best epoch, where one ended."""
        if self.best_weights is not None:
            self.network.set_weights(self.best_weights)
        elif (self.folder / BEST).exists():
            self.network.load_weights(self.folder / BEST)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.started = epoch, time.monotonic()
        self.objective.batches.begin(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        moment = self.epoch + batch / len(self.objective.batches)
        rate = schedule.rate(self.config, moment, self.drops)
        # To tell the optimizer costs a small network some percent of its time: not for less than it feels.
        if batch == 0 or abs(rate - self.rate) > 1e-3 * self.rate:
            self.rate = self.model.optimizer.learning_rate = rate

    def on_train_batch_end(self, batch, logs=None):
        if self.config.weight_average and (batch + 1) % AVERAGED_EVERY == 0:
            self._average(self.epoch * len(self.objective.batches) + batch + 1)
        if self.stop_requested():
            raise _Ended("stopped")
        now = time.monotonic()
        if now - self.last_report < 1:
            return
        if not all(map(math.isfinite, (logs or {}).values())):
            raise _Ended("diverged")
        self.last_report = now
        self.report(
            {
                "kind": "progress",
                "epoch": self.epoch,
                "epochs": self.config.epochs,
                "step": batch + 1,
                "steps": len(self.objective.batches),
                **_figures(logs),
                "learning_rate": self.rate,
                "images_per_second": round((batch + 1) * self.config.batch_size / (now - self.started), 1),
                **self.usage(),
            }
        )

    def on_epoch_end(self, epoch, logs=None):
        latest = [variable.numpy() for variable in _variables(self.model)]
        if self.mean is not None:
            self.network.set_weights(self.mean)
        answers = self._validate()
        if not np.isfinite(answers).all() or _lost(self.network):
            raise _Ended("diverged")
        measured = self.objective.measure(answers)
        value = measured[self.task.key]
        better = value > self.best
        self.report(
            {
                "kind": "epoch",
                "epoch": epoch,
                "epochs": self.config.epochs,
                **_figures(logs),
                **{f"val_{name}": _finite(measured[name]) for name in ("loss", *self.task.figures)},
                "learning_rate": self.rate,
                "seconds": round(time.monotonic() - self.started, 2),
                "best": better,
            }
        )
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best, self.best_weights = value, self.network.get_weights()
        elif self.config.schedule == "plateau" and self.waited % self.config.every == 0:
            self.drops += 1
        self._write(epoch + 1, better, latest)
        if self.mean is not None:
            _assign(_variables(self.model), latest)
        if self.config.early_stopping and self.waited >= self.config.early_stopping:
            raise _Ended("early")

    def _average(self, step: int) -> None:
        """Move the running mean towards the weights as they are, batch normalisation's statistics with them:
        a mean of the kernels alone would stand beside statistics of other ones.

        Early on it is a mean of what there is. Source: Izmailov et al. 2018, arXiv:1803.05407; the moving
        mean and its warm-up as in TensorFlow's ExponentialMovingAverage.
        """
        latest = self.network.get_weights()
        if self.mean is None:
            # Copies: what TensorFlow gives may be the weights' own memory.
            self.mean = [now.copy() for now in latest]
            return
        kept = min(self.config.weight_average**AVERAGED_EVERY, (1 + step) / (10 * AVERAGED_EVERY + step))
        for mean, now in zip(self.mean, latest, strict=True):
            mean += (1 - kept) * (now - mean)

    def _validate(self) -> np.ndarray:
        """(N, outputs) float32 answers for the validation images."""
        data, parts = self.validation, []
        size = self.config.batch_size
        for first in range(0, len(data.rows), size):
            rows = data.rows[first : first + size]
            # Several devices all get the whole batch here, and each answers.
            parts.append(self.network.predict_on_batch(data.inputs(rows))[: len(rows)])
            if self.stop_requested():
                raise _Ended("stopped")
        return np.concatenate(parts)

    def _write(self, epoch: int, better: bool, latest: list[np.ndarray]) -> None:
        """Best weights, and a checkpoint of what training goes on from. A disk that is full must not end a
        run: the best epoch is also in memory, and the next epoch tries again."""
        try:
            if better:
                _save_weights(self.network, self.folder / BEST)
                if self.config.keep_improvements:
                    name = f"{self.network.name}.{epoch:03d}-{self.best:.4f}.weights.h5"
                    _save_weights(self.network, self.folder / "improvements" / name)
            self._checkpoint(epoch, latest)
        except OSError as error:
            for part in self.folder.glob("**/*part*"):
                part.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            self.report({"kind": "warning", "text": f"Epoch {epoch} could not be saved: {reason}"})

    def _checkpoint(self, epoch: int, latest: list[np.ndarray]) -> None:
        state = {f"v{i}": value for i, value in enumerate(latest)}
        state |= {f"m{i}": mean for i, mean in enumerate(self.mean or ())}
        state |= {name: np.array(getattr(self, name)) for name in ("best", "waited", "drops")}
        state |= {"epoch": np.array(epoch), "frozen": np.array(schedule.frozen(self.config, epoch - 1))}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **state)
        part = self.folder / (CHECKPOINT + ".part")
        part.write_bytes(buffer.getvalue())
        os.replace(part, self.folder / CHECKPOINT)


def _variables(model: keras.Model) -> list:
    """All that training changes: weights, moving statistics, random seeds, optimizer state."""
    return [*model.variables, *model.optimizer.variables]


def _assign(variables: list, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _lost(network: keras.Model) -> bool:
    return any(not (np.abs(w) < _LARGEST_WEIGHT).all() for w in network.get_weights())


def _save_weights(network: keras.Model, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_name("part." + path.name)
    network.save_weights(part)
    os.replace(part, path)


def _figures(logs: dict | None) -> dict[str, float | None]:
    """Training figures under short names; Keras puts the output's name before those of the first head."""
    figures = {}
    for name, value in (logs or {}).items():
        for known in ("accuracy", "macro_f1", "loss"):
            if name == known or name.endswith("_" + known) and known != "loss":
                figures[known] = _finite(value)
    return figures


def _finite(value) -> float | None:
    """A number that JSON can hold, or None."""
    return float(value) if value is not None and math.isfinite(value) else None
