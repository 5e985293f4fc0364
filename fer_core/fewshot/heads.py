"""Heads from a handful of examples, and which kind of head is right most often: each example asked once,
without itself.

Embeddings are (N, E) float32, classes (N,) int indices 0..K-1 of which each occurs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.errors import BadInput
from fer_core.evaluation import metrics
from fer_core.zoo import calibration
from fer_core.zoo.head import KINDS, NEIGHBOURS, PROTOTYPE, RIDGE, Head, normalised, softmax

PENALTY = 1.0
"""What ridge adds to the diagonal, for features of length 1 and classes that weigh the same."""

VOTES = 5
"""Most neighbours that vote; never more than the smallest class has examples."""

ALONE, PARTS = 200, 20
"""Up to ALONE examples each is left out alone; of more, one of so many PARTS at a time."""

TYPICAL, OUTER = 0.5, 0.95
"""Quantiles of the distances among the examples that place the unknown answer: at the first a face is
unknown with 5 %, at the second with 50 %."""


@dataclass(frozen=True, eq=False)
class Score:
    """How often a kind of head was right about examples that it had not seen.

    Attributes:
        right, n: counted over the examples that were not the only one of their class.
        low, high: 95 % interval of the share (Wilson): about the draw of these few photos, and too narrow
            where several are of one sitting.
        answers: (N, K) float32 probabilities; NaN for the only example of a class.
    """

    right: int
    n: int
    low: float
    high: float
    answers: np.ndarray

    @property
    def share(self) -> float:
        """Of right answers, 0..1; 0 where nothing could be asked."""
        return self.right / max(self.n, 1)


def fit(embeddings: np.ndarray, classes: np.ndarray, kind: str) -> Head:
    """A head without an unknown answer, its scores as they come (temperature 1).

    Raises:
        BadInput: no such kind, or fewer than two classes.
    """
    count = _checked(embeddings, classes)
    if kind not in KINDS:
        raise BadInput(f"A head is one of {', '.join(KINDS)}. Received: {kind!r}.")
    centre = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    examples = normalised(embeddings, centre)
    wide = examples.shape[1]
    head = Head(kind, centre, examples, classes.astype(np.int64), np.zeros((wide, count), np.float32))
    head = replace(head, bias=np.zeros(count, np.float32))
    if kind == NEIGHBOURS:
        return replace(head, neighbours=min(VOTES, int(np.bincount(classes).min())))
    if kind == PROTOTYPE:
        means = np.stack([examples[classes == place].mean(axis=0) for place in range(count)])
        # The squared distance without the part that all classes share.
        return replace(head, weights=2 * means.T, bias=-np.square(means).sum(axis=1))
    weights, bias = _ridge(examples, classes, count)
    return replace(head, weights=weights, bias=bias)


def leave_one_out(
    embeddings: np.ndarray, classes: np.ndarray, kinds: Sequence[str] = KINDS
) -> dict[str, Score]:
    """How each kind of head answers every example that was left out of its making, centre and all.

    Raises:
        BadInput: as `fit`.
    """
    count = _checked(embeddings, classes)
    lonely = (np.bincount(classes) == 1)[classes]
    answers = {kind: np.full((len(classes), count), np.nan, np.float32) for kind in kinds}
    products = _products(embeddings) if RIDGE in kinds and len(classes) <= embeddings.shape[1] else None
    for rows in _parts(classes, lonely):
        rest = np.ones(len(classes), bool)
        rest[rows] = False
        for kind in kinds:
            answers[kind][rows] = (
                _ridge_without(products, classes, rest, rows, count)
                if kind == RIDGE and products is not None
                else fit(embeddings[rest], classes[rest], kind).answer(embeddings[rows])
            )
    return {kind: _score(told, classes, ~lonely) for kind, told in answers.items()}


def choose(scores: Mapping[str, Score]) -> str:
    """The kind that was right most often; of equals the simplest, which stands first.

    Raises:
        BadInput: nothing was scored.
    """
    if not scores:
        raise BadInput("A kind is chosen among scores. Received: none.")
    return max(scores, key=lambda kind: (scores[kind].right, -list(scores).index(kind)))


def finished(head: Head, score: Score, embeddings: np.ndarray, unknown: bool) -> Head:
    """The head with honest probabilities, and with an unknown answer where it is wanted.

    Args:
        score: of its kind, from `leave_one_out`.
        unknown: whether faces far from all examples get an answer of their own.
    """
    asked = ~np.isnan(score.answers).any(axis=1)
    counts = np.bincount(head.classes)
    # A few right answers out of a few are no certainty: Platt's targets, for any number of classes.
    rows = np.eye(len(counts))[head.classes[asked]]
    known = counts[head.classes[asked]][:, None]
    targets = (rows * known + 1 / len(counts)) / (known + 1)
    temperature = calibration.fit_temperature(targets, score.answers[asked]) if asked.any() else 1.0
    head = replace(head, temperature=temperature)
    limit, width = _limits(embeddings) if unknown else (0.0, 0.0)
    return replace(head, limit=limit, width=width)


def nearest(embeddings: np.ndarray) -> np.ndarray:
    """(N, N) float32 distances 0..2 as heads see them: centred, of length 1."""
    examples = normalised(embeddings, embeddings.mean(axis=0, dtype=np.float64).astype(np.float32))
    found = np.sqrt(np.maximum(2 - 2 * examples @ examples.T, 0))
    np.fill_diagonal(found, 0)
    return found


def _limits(embeddings: np.ndarray) -> tuple[float, float]:
    """Limit and width of the unknown answer, from how far each example is from its nearest other one."""
    distances = nearest(embeddings)
    np.fill_diagonal(distances, np.inf)
    typical, outer = np.quantile(distances.min(axis=1), [TYPICAL, OUTER])
    # Examples from one burst are all but the same: the next photo will not be.
    limit = max(float(outer), 0.05)
    return limit, max((limit - float(typical)) / float(np.log(19)), limit / 20)


def _ridge(examples: np.ndarray, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(E, K) weights and (K,) bias of the least squares of 0 and 1 with a penalty; classes weigh the same."""
    wide = np.concatenate([examples, np.ones((len(examples), 1), np.float32)], axis=1).astype(np.float64)
    if len(wide) <= wide.shape[1]:
        found = wide.T @ _dual(wide @ wide.T, classes, count)
    else:
        targets, share = _targets(classes, count)
        weighted = wide * share[:, None]
        found = np.linalg.solve(weighted.T @ wide + PENALTY * np.eye(wide.shape[1]), weighted.T @ targets)
    return found[:-1].astype(np.float32), found[-1].astype(np.float32)


def _dual(products: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """(N, K) what each example adds to the weights, from the (N, N) products of examples: the same solution
    with as many unknowns as examples, not as features."""
    targets, share = _targets(classes, count)
    return np.linalg.solve(products + PENALTY * np.diag(1 / share), targets)


def _targets(classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) what is learned, and (N,) how much each example weighs. Differences of 1 are too flat for a
    softmax: they are as large as there are classes, and the temperature finds the rest."""
    return np.eye(count)[classes] * count - 1, (len(classes) / count / np.bincount(classes))[classes]


def _products(embeddings: np.ndarray) -> np.ndarray:
    """(N, N) float64 of the embeddings, less their mean."""
    moved = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    return moved @ moved.T


def _ridge_without(
    products: np.ndarray, classes: np.ndarray, rest: np.ndarray, rows: np.ndarray, count: int
) -> np.ndarray:
    """(R, K) what ridge says of some rows when it knows the rest only.

    From products alone, centre and length of the rest included: making a head anew for each example
    would take seconds with a network of a thousand features.
    """
    mean = products[:, rest].mean(axis=1)
    moved = products - mean[:, None] - mean + mean[rest].mean()
    length = np.sqrt(np.maximum(np.diag(moved), 1e-24))
    cosine = moved / length / length[:, None] + 1
    scores = cosine[np.ix_(rows, rest)] @ _dual(cosine[np.ix_(rest, rest)], classes[rest], count)
    return softmax(scores)


def _parts(classes: np.ndarray, lonely: np.ndarray) -> list[np.ndarray]:
    """Rows that are left out together: one, or few of many; never the last of a class."""
    rows = np.flatnonzero(~lonely)
    if len(rows) <= ALONE:
        return [rows[place : place + 1] for place in range(len(rows))]
    # Class by class and dealt out in turn, so that no class loses much more than its share.
    dealt = rows[np.argsort(classes[rows], kind="stable")]
    return [dealt[start::PARTS] for start in range(PARTS)]


def _score(answers: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> Score:
    right, n = int((answers[asked].argmax(axis=1) == classes[asked]).sum()), int(asked.sum())
    return Score(right, n, *metrics.wilson(right, n), answers)


def _checked(embeddings: np.ndarray, classes: np.ndarray) -> int:
    """The number of classes."""
    counts = np.bincount(classes) if len(classes) else np.zeros(0)
    if len(counts) < 2 or not counts.all() or len(embeddings) != len(classes):
        raise BadInput(
            "Two classes with an example each are the least that can be told apart. "
            f"Received: {int((counts > 0).sum())} of {max(len(counts), 1)} classes with examples. "
            "Add photos, or remove the empty class."
        )
    return len(counts)
