"""What a run minimises and how it is measured, for each task. Runs in worker processes only."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from keras import ops

from fer_core.evaluation import affect, metrics, verification
from fer_core.training import affect_loss, distillation, pairs, triplets
from fer_core.training.batches import Batches, Data
from fer_core.training.config import TrainingConfig
from fer_core.zoo import calibration
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY, Task


@dataclass(frozen=True, eq=False)
class Objective:
    """How one network is trained.

    Attributes:
        model: from a batch's inputs to what the losses compare; shares the network's weights.
        batches: the training images.
        losses, weights: one for each output of `model`.
        metrics: figures on the training images, by name.
        measure: from the network's answers for the validation images, in order, to "loss" and the task's
            figures.
    """

    model: keras.Model
    batches: keras.utils.PyDataset
    losses: list[keras.losses.Loss]
    measure: Callable[[np.ndarray], dict[str, float]]
    weights: list[float] = field(default_factory=lambda: [1.0])
    metrics: Callable[[], list] = list


def of(task: Task, network: keras.Model, train: Data, validation: Data, config: TrainingConfig) -> Objective:
    """The objective of a task for this network and these images."""
    return {EXPRESSION: _expression, AFFECT: _affect, SIMILARITY: _similarity}[task](
        network, train, validation, config
    )


def _expression(network: keras.Model, train: Data, validation: Data, config: TrainingConfig) -> Objective:
    second = train.split.second
    model = _uncompiled(network)
    if second is not None:
        head = keras.layers.Dense(second.shape[1], activation="softmax", name="second_head", dtype="float32")
        model = keras.Model(network.inputs, [model.output, head(network.get_layer("embedding").output)])
    truth = validation.split.targets.argmax(axis=1)

    def measure(answers: np.ndarray) -> dict[str, float]:
        loss = calibration.cross_entropy(validation.split.targets, answers)
        return {"loss": loss, **metrics.summary(truth, answers)}

    losses = [keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)]
    losses += [keras.losses.CategoricalCrossentropy()] * (second is not None)
    classes = train.split.targets.shape[1]
    return Objective(
        model,
        Batches(train, config, distillation.Teacher(config) if config.teacher else None),
        losses,
        measure,
        [1.0, config.second_head][: len(losses)],
        lambda: [keras.metrics.CategoricalAccuracy(name="accuracy"), MacroF1(classes)],
    )


def _affect(network: keras.Model, train: Data, validation: Data, config: TrainingConfig) -> Objective:
    loss = affect_loss.ccc_loss if config.affect_loss == "ccc" else keras.losses.MeanSquaredError()
    truth = validation.split.targets

    def measure(answers: np.ndarray) -> dict[str, float]:
        figures = affect.measure(truth, answers)
        low = 1 - figures["ccc"] if config.affect_loss == "ccc" else float(np.square(truth - answers).mean())
        return {"loss": low, **figures}

    # There are no classes to weigh.
    batches = Batches(train, replace(config, class_weights="none"))
    return Objective(_uncompiled(network), batches, [loss], measure)


def _similarity(network: keras.Model, train: Data, validation: Data, config: TrainingConfig) -> Objective:
    truth, people = (
        validation.split.targets.argmax(axis=1),
        validation.split.frame.get("subject"),
    )
    verification.draw_pairs(truth, people)  # what cannot be measured is told before the work, not after it

    def measure(answers: np.ndarray) -> dict[str, float]:
        return verification.verification(answers, truth, people)

    if config.similarity_loss == "triplet":
        batches = triplets.TripletBatches(train, config)
        return Objective(_uncompiled(network), batches, [triplets.batch_hard], measure)
    return Objective(
        pairs.training_model(network), pairs.PairBatches(train, config), [pairs.contrastive()], measure
    )


def _uncompiled(network: keras.Model) -> keras.Model:
    """The same layers in a model of their own: the network's files shall not hold an optimizer."""
    return keras.Model(network.inputs, network.output)


class MacroF1(keras.metrics.Metric):
    """Mean F1 over the classes that were met, of the batches since the last reset."""

    def __init__(self, classes: int, name: str = "macro_f1"):
        super().__init__(name=name)
        self.classes = classes
        self.counts = self.add_weight(shape=(classes, classes), initializer="zeros", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Both (N, classes); the largest counts."""
        place = ops.argmax(y_true, axis=-1) * self.classes + ops.argmax(y_pred, axis=-1)
        flat = ops.sum(ops.one_hot(place, self.classes**2, dtype="float32"), axis=0)
        self.counts.assign_add(ops.reshape(flat, (self.classes, self.classes)))

    def result(self):
        hits = ops.diagonal(self.counts)
        met = ops.sum(self.counts, axis=0) + ops.sum(self.counts, axis=1)
        each = 2 * hits / ops.maximum(met, 1.0)
        return ops.sum(each) / ops.maximum(ops.sum(ops.cast(met > 0, "float32")), 1.0)
