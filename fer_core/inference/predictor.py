"""A loaded model: faces in, calibrated probabilities out. One instance serves the whole app."""

import math
from pathlib import Path

import numpy as np

from fer_core.errors import BadInput, BadModel
from fer_core.imaging import landmarks
from fer_core.labels import LabelSet
from fer_core.zoo import calibration, litert, specs
from fer_core.zoo import card as cards
from fer_core.zoo import head as heads
from fer_core.zoo.card import Card
from fer_core.zoo.head import Head
from fer_core.zoo.specs import AFFECT, EXPRESSION

PROBE_TOLERANCE = 1e-3
"""Largest difference in probability from the stored answers that passes: other processors round
differently; a wrong class order, scale or file differs by far more."""
BYTES_TOLERANCE = 0.02
"""The same for a network that is served in bytes, where a rounding that falls otherwise travels on."""


class Predictor:
    """A model that was checked and is ready. Safe to share between threads."""

    def __init__(self, card: Card, network: litert.Network, head: Head | None = None):
        self.card = card
        self._network = network
        self._head = head

    @classmethod
    def load(cls, folder: Path) -> "Predictor":
        """Verify the files, load the network, and replay the stored probe.

        Raises:
            BadModel: a file is missing or changed, or the network no longer gives the stored answers.
        """
        card = cards.read(folder)
        cards.verify(folder, card)
        head = Head.load(folder / cards.HEAD) if cards.HEAD in card.files else None
        predictor = cls(card, litert.Network(folder / "model.tflite"), head)
        try:
            with np.load(folder / "probe.npz") as probe:
                inputs, in_bytes = probe["inputs"], "served" in probe
                expected = probe["served" if in_bytes else "probabilities"]
                points = probe["landmarks"] if card.input.landmarks else None
            got = predictor._run(inputs, points)
            outputs = specs.TASKS[card.task].outputs or len(card.labels)
            if inputs.shape[1:] != card.input.shape or got.shape != (len(inputs), outputs):
                raise ValueError(f"inputs {inputs.shape}, outputs {got.shape}")
            worst = float(np.abs(got - expected).max())
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BadModel(f"The probe must fit the card. Received: {folder.name} ({error}).") from error
        tolerance = BYTES_TOLERANCE if in_bytes else PROBE_TOLERANCE
        if not worst <= tolerance:
            raise BadModel(
                f"A model must give the answers that were stored with it, within {tolerance}. "
                f"Received: {folder.name}, off by {worst:.2g}. It is not served; train or install it again."
            )
        return predictor

    def taught(self, card: Card, head: Head) -> "Predictor":
        """The same network with what was taught on top of it, under a card of its own."""
        return Predictor(card, self._network, head)

    @property
    def labels(self) -> LabelSet:
        """The classes, in the order of the probabilities."""
        return self.card.labels

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Calibrated probabilities for (N, H, W, C) uint8 inputs made by `to_input`.

        Returns:
            (N, K) float32, each row sums to 1. Averaged over the mirror image where the card says
            so, then softened by the card's temperature.

        Raises:
            BadInput: the batch is not what the card asks for, or the model answers something else.
        """
        self._must_answer(EXPRESSION)
        return calibration.soften(self.raw(batch), self.card.temperature).astype(np.float32)

    def affect(self, batch: np.ndarray) -> np.ndarray:
        """(N, 2) float32 valence and arousal in -1..1 for inputs as `predict` takes them.

        Raises:
            BadInput: as for `predict`.
        """
        self._must_answer(AFFECT)
        return self.raw(batch)

    def raw(self, batch: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        """The task's answer, before the temperature: what the temperature is fitted on.

        Args:
            points: (N, 68, 2) landmarks of the inputs for a network that takes them; None looks for them.
        """
        if self.card.flip_average:
            return self.both_ways(batch, points).mean(axis=0)
        return self.one_way(batch, points)

    def one_way(self, batch: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        """(N, outputs) float32: the answer to the inputs alone, whatever the card says of mirror images."""
        self._must_fit(batch)
        return self._run(batch, self._points(batch, points))

    def both_ways(self, batch: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        """(2, N, outputs) float32: the answers to the inputs and to their mirror images, before any
        average and the temperature; for the arguments see `raw`."""
        self._must_fit(batch)
        points = self._points(batch, points)
        if points is not None:
            points = np.concatenate([points, landmarks.mirrored(points)])
        both = self._run(np.concatenate([batch, batch[:, :, ::-1]]), points)
        return both.reshape(2, len(batch), both.shape[1])

    def embed(self, batch: np.ndarray) -> np.ndarray:
        """(N, E) float32 features of the layer before the answer."""
        return self._features(batch, self._points(batch, None))

    def _points(self, batch: np.ndarray, known: np.ndarray | None) -> np.ndarray | None:
        """The landmarks that the network takes beside its pictures; None where it takes none."""
        if not self.card.input.landmarks:
            return None
        return landmarks.of_crops(batch) if known is None else known

    def _must_fit(self, batch: np.ndarray) -> None:
        if batch.dtype != np.uint8 or batch.shape[1:] != self.card.input.shape:
            raise BadInput(
                f"{self.card.id} wants (N, {', '.join(map(str, self.card.input.shape))}) uint8. "
                f"Received: shape={batch.shape}, dtype={batch.dtype}."
            )

    def _run(self, batch: np.ndarray, points: np.ndarray | None) -> np.ndarray:
        output = specs.TASKS[self.card.task].output
        if self._head is None or self._head.kind == heads.SHIFT:
            answer = self._network.run(batch, (output,), points)[output]
            return answer if self._head is None else self._head.answer(answer, answer)
        # What was taught takes the place of the network's own answer, in the same pass.
        return self._head.answer(self._features(batch, points))

    def _features(self, batch: np.ndarray, points: np.ndarray | None) -> np.ndarray:
        features = self._network.run(batch, ("embedding",), points)["embedding"]
        return features.reshape(len(batch), math.prod(features.shape[1:]))

    def _must_answer(self, task: specs.Task) -> None:
        if self.card.task != task.id:
            raise BadInput(
                f"This asks for a model of the kind {task.title!r}. "
                f"Received: {self.card.id}, of the kind {specs.TASKS[self.card.task].title!r}."
            )
