"""The other end of fer_core.zoo.gradients: `python -m fer_core.zoo.gradient_worker IDLE_SECONDS`.

Runs in a process of its own; fer_core.zoo.gradients starts it.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_core.errors import BadModel
from fer_core.zoo import card as cards
from fer_core.zoo import gradients
from fer_core.zoo.gradients import GRAD_CAM

KEPT = 3
"""Networks in memory."""

NOISE = 0.1
"""Of the picture's range of values. Source: Smilkov et al. 2017, figure 3: 10 to 20 % show most."""


class Network:
    """A loaded network, ready to be differentiated."""

    def __init__(self, folder: Path):
        """Check the files and load.

        Raises:
            BadModel: they are not those of the card.
        """
        card = cards.read(folder)
        cards.verify(folder, card)
        if "model.keras" not in card.files:
            raise BadModel(
                f"Gradients are taken of a model.keras. Received: {card.id}, without one. "
                "Occlusion does without."
            )
        network = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
        score = _score(network)
        layer = next((layer for layer in network.layers if layer.name == "feature_map"), None)
        self.has_feature_map = layer is not None and len(layer.output.shape) == 4
        self._network = keras.Model(
            network.inputs, [score, layer.output if layer and self.has_feature_map else network.inputs[0]]
        )
        given = [tf.TensorSpec((None, *tensor.shape[1:]), tf.float32) for tensor in network.inputs]
        # With any number of faces: one that is traced for each number would take seconds each time.
        self.slopes = tf.function(
            self._slopes, input_signature=[tf.TensorSpec((None,), tf.int32), *given], autograph=False
        )

    def _slopes(self, classes, images, *points):
        """Features (N, h, w, E), and how the class's score changes with them and with the input."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            scores, features = self._network([images, *points] if points else images, training=False)
            score = tf.gather(scores, classes, axis=1, batch_dims=1)
        by_features, by_images = tape.gradient(
            score, [features, images], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return features, by_features, by_images


def answer(
    network: Network, kind: str, draws: int, images: np.ndarray, classes: np.ndarray, *points: np.ndarray
) -> np.ndarray:
    """(N, h, w) float32, see `gradients.maps`.

    Raises:
        BadModel: Grad-CAM of a network without a layer "feature_map".
    """
    pictures = images.astype(np.float32)
    if kind == GRAD_CAM:
        if not network.has_feature_map:
            raise BadModel(
                'Grad-CAM looks at a layer named "feature_map", which is (N, h, w, E). Received: a network '
                "without one. Look at its gradient or at occlusion."
            )
        features, slopes, _ = (part.numpy() for part in network.slopes(classes, pictures, *points))
        weights = slopes.mean(axis=(1, 2), keepdims=True)
        return np.maximum((weights * features).sum(axis=3), 0)
    if draws == 1:
        return _steepness(network, pictures, classes, *points)
    random = np.random.default_rng(0)
    ranges = np.ptp(pictures, axis=(1, 2, 3), keepdims=True)
    noisy = (
        pictures + NOISE * ranges * random.standard_normal(pictures.shape, np.float32) for _ in range(draws)
    )
    return np.mean([_steepness(network, some, classes, *points) for some in noisy], axis=0)


def _steepness(
    network: Network, pictures: np.ndarray, classes: np.ndarray, *points: np.ndarray
) -> np.ndarray:
    return np.abs(network.slopes(classes, pictures, *points)[2].numpy()).max(axis=3)


def _score(network: keras.Model) -> keras.KerasTensor:
    """The classes' scores before the softmax; another kind of answer as it is."""
    last = network.output._keras_history.operation
    if isinstance(last, keras.layers.Softmax):
        return last.input
    if getattr(last, "activation", None) is keras.activations.softmax:
        # Layers are called anew by every keras.Model that is made of them.
        last.activation = keras.activations.linear
    return network.output


class Networks:
    """The last few that were asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, float], Network] = OrderedDict()

    def work(self, said: dict, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """The answer to one message."""
        points = [arrays["points"]] if "points" in arrays else []
        network = self._network(Path(said["folder"]))
        maps = answer(network, said["kind"], said["draws"], arrays["images"], arrays["classes"], *points)
        return maps.astype(np.float32)

    def _network(self, folder: Path) -> Network:
        """The network of a folder; loaded again when its file has changed."""
        path = folder / "model.keras"
        key = (str(folder), path.stat().st_mtime if path.exists() else 0.0)
        if key not in self._kept:
            self._kept[key] = Network(folder)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


if __name__ == "__main__":
    sys.exit(gradients.serve(Networks().work, float(sys.argv[1])))
