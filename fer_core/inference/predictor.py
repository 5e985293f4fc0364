"""A loaded model: faces in, calibrated probabilities out. One instance serves the whole app."""

from pathlib import Path

import numpy as np

from fer_core.errors import BadInput, BadModel
from fer_core.labels import LabelSet
from fer_core.zoo import calibration, litert
from fer_core.zoo import card as cards
from fer_core.zoo.card import Card

PROBE_TOLERANCE = 1e-3
"""Largest difference in probability from the stored answers that passes: other processors round
differently; a wrong class order, scale or file differs by far more."""


class Predictor:
    """A model that was checked and is ready. Safe to share between threads."""

    def __init__(self, card: Card, network: litert.Network):
        self.card = card
        self._network = network

    @classmethod
    def load(cls, folder: Path) -> "Predictor":
        """Verify the files, load the network, and replay the stored probe.

        Raises:
            BadModel: a file is missing or changed, or the network no longer gives the stored answers.
        """
        card = cards.read(folder)
        cards.verify(folder, card)
        predictor = cls(card, litert.Network(folder / "model.tflite"))
        try:
            with np.load(folder / "probe.npz") as probe:
                inputs, expected = probe["inputs"], probe["probabilities"]
            got = predictor._network.run(inputs)["probabilities"]
            if inputs.shape[1:] != card.input.shape or got.shape != (len(inputs), len(card.labels)):
                raise ValueError(f"inputs {inputs.shape}, outputs {got.shape}")
            worst = float(np.abs(got - expected).max())
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BadModel(f"The probe must fit the card. Received: {folder.name} ({error}).") from error
        if not worst <= PROBE_TOLERANCE:
            raise BadModel(
                f"A model must give the answers that were stored with it, within {PROBE_TOLERANCE}. "
                f"Received: {folder.name}, off by {worst:.2g}. It is not served; train or install it again."
            )
        return predictor

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
            BadInput: the batch is not what the card asks for.
        """
        return calibration.soften(self.raw(batch), self.card.temperature).astype(np.float32)

    def raw(self, batch: np.ndarray) -> np.ndarray:
        """As `predict`, before the temperature: what the temperature is fitted on."""
        if batch.dtype != np.uint8 or batch.shape[1:] != self.card.input.shape:
            raise BadInput(
                f"{self.card.id} wants (N, {', '.join(map(str, self.card.input.shape))}) uint8. "
                f"Received: shape={batch.shape}, dtype={batch.dtype}."
            )
        if not self.card.flip_average:
            return self._network.run(batch)["probabilities"]
        both = self._network.run(np.concatenate([batch, batch[:, :, ::-1]]))["probabilities"]
        return (both[: len(batch)] + both[len(batch) :]) / 2

    def embed(self, batch: np.ndarray) -> np.ndarray:
        """(N, E) float32 features of the layer before the classes."""
        return self._network.run(batch, ("embedding",))["embedding"]
