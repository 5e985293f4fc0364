"""What was taught on top of a network: an answer of its own, from the network's features or answer."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from fer_core.errors import BadModel
from fer_core.zoo import card as cards

PROTOTYPE, NEIGHBOURS, RIDGE, SHIFT = "prototype", "neighbours", "ridge", "shift"
KINDS = (PROTOTYPE, NEIGHBOURS, RIDGE)
"""What a class set can be taught as; SHIFT moves the answer of a network that has classes already."""

_LEAST = 1e-12


def _none(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Head:
    """The last step of a taught model.

    Features are centred and brought to length 1, so distances are 0..2 whatever the network. With an
    unknown answer, the last class is `labels.UNKNOWN`: its probability is sigmoid((d - limit) / width) at
    the distance d to the nearest example, and the others share the rest.
    Source: Wang et al. 2019 (SimpleShot), arXiv:1911.04623, for centre and length.

    Attributes:
        kind: PROTOTYPE (nearest mean), NEIGHBOURS (vote of the nearest examples), RIDGE (linear), SHIFT.
        centre: (E,) float32, mean of the examples' features.
        examples: (N, E) float32, centred and of length 1.
        classes: (N,) int64, the class of each example.
        weights, bias: (E, K) and (K,) float32: scores of PROTOTYPE and RIDGE.
        neighbours: how many vote.
        temperature: divides the scores.
        limit, width: of the unknown answer; a width of 0 means that there is none.
        offset: (K,) float32, what SHIFT adds to the logarithms of the network's answer.
    """

    kind: str
    centre: np.ndarray = field(default_factory=lambda: _none(0))
    examples: np.ndarray = field(default_factory=lambda: _none(0, 0))
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray = field(default_factory=lambda: _none(0, 0))
    bias: np.ndarray = field(default_factory=lambda: _none(0))
    neighbours: int = 1
    temperature: float = 1.0
    limit: float = 0.0
    width: float = 0.0
    offset: np.ndarray = field(default_factory=lambda: _none(0))

    @classmethod
    def load(cls, path: Path) -> "Head":
        """Read a head.npz.

        Raises:
            BadModel: it is none, or does not fit together.
        """
        try:
            # Opened here: numpy leaves a damaged archive open.
            with path.open("rb") as file, np.load(file) as kept:
                values = {one.name: kept[one.name] for one in fields(cls)}
            for name, kind in (("kind", str), ("neighbours", int)):
                values[name] = kind(values[name])
            for name in ("temperature", "limit", "width"):
                values[name] = float(values[name])
            head = cls(**values)
            if head.kind not in (*KINDS, SHIFT):
                raise ValueError(f"of the kind {head.kind!r}")
            # Whatever does not fit together says so here and not on the first face.
            wide, outputs = head.examples.shape[1], len(head.offset)
            answer = head.answer(_none(1, wide), _none(1, outputs) if outputs else None)
            if not np.isfinite(answer).all():
                raise ValueError("not a number")
        except (OSError, BadZipFile, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
            raise BadModel(
                f"What was taught is in {cards.HEAD}. Received: {path.parent.name}/{path.name} ({error}). "
                "Teach it again."
            ) from error
        return head

    def save(self, path: Path) -> None:
        """Write it, whole or not at all where the folder is renamed into place afterwards."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **values)

    def answer(self, embeddings: np.ndarray, probabilities: np.ndarray | None = None) -> np.ndarray:
        """The taught answer.

        Args:
            embeddings: (N, E) float32, as the network gives them; unused by SHIFT.
            probabilities: (N, K) the network's own answer; only SHIFT needs it.

        Returns:
            (N, K) float32, or (N, K + 1) with the unknown answer last; each row sums to 1.
        """
        if self.kind == SHIFT:
            if probabilities is None:
                raise ValueError("a shift needs the answer that it moves")
            return softmax(np.log(np.maximum(probabilities, _LEAST)) + self.offset)
        features = normalised(embeddings, self.centre)
        near = features @ self.examples.T if self.width or self.kind == NEIGHBOURS else None
        if near is not None and self.kind == NEIGHBOURS:
            scores = self._votes(near)
        else:
            scores = features @ self.weights + self.bias
        told = softmax(scores / self.temperature)
        if near is None or not self.width:
            return told
        unknown = _unknown(near, self.limit, self.width)
        return np.concatenate([told * (1 - unknown), unknown], axis=1)

    def _votes(self, near: np.ndarray) -> np.ndarray:
        """(N, K) logarithms of the classes' shares among the nearest; closer ones count a little more.

        The K comes from the bias, which is 0 for this kind.
        """
        last = np.partition(near, -self.neighbours, axis=1)[:, -self.neighbours, None]
        weight = np.exp(near - 1) * (near >= last)
        return np.log(weight @ self._members + 1 / len(self.bias))

    @cached_property
    def _members(self) -> np.ndarray:
        """(N, K) float32, 1 where an example is of a class."""
        return np.eye(len(self.bias), dtype=np.float32)[self.classes]


def normalised(embeddings: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(N, E) float32: minus the centre, then of length 1; a feature at the centre itself stays 0."""
    moved = embeddings.astype(np.float32, copy=False) - centre
    length = np.sqrt(np.einsum("ij,ij->i", moved, moved))[:, None]
    return moved / np.maximum(length, _LEAST)


def _unknown(near: np.ndarray, limit: float, width: float) -> np.ndarray:
    """(N, 1) float32 from the (N, M) cosines to the examples: of length 1, so d² = 2 - 2 cos."""
    distance = np.sqrt(np.maximum(2 - 2 * near.max(axis=1, keepdims=True), 0))
    return 1 / (1 + np.exp(np.clip((limit - distance) / width, -50, 50)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """(N, K) float32 probabilities of (N, K) scores."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32, copy=False)
