"""Measures of an embedding: do two faces show the same expression, and which of a few known ones is it.

Embeddings are (N, E) float, classes (N,) int indices. Two faces are called the same where their distance
is below a threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.errors import BadInput
from fer_core.evaluation import metrics

MARGIN = 0.5
"""How far apart training pushes faces of two classes, in units of `distances`. Reached where a quarter of
the sigmoids change sides; codes of seven classes can all be that far apart, as half of the sides of
two random codes differ (0.71). Ours."""

PAIRS, IMAGES, POINTS, QUERIES = 20_000, 2_000, 100, 5
"""Most pairs, most images that pairs are drawn from, most points of a curve, most queries of a class in an
episode: what a card and a second can hold."""


SHOTS = (1, 5)
"""Images of each class that a record on few examples allows."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """As many genuine pairs as imposters.

    Attributes:
        first, second: (P,) int64 positions of the images.
        same: (P,) bool, whether both are of one class.
        across_subjects: whether all pairs are of two people.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    across_subjects: bool


def measure(embeddings: np.ndarray, frame: pd.DataFrame) -> dict:
    """The record of a split: `verification`, and under "few_shot" a record for each of `SHOTS` that the
    images suffice for, with every class that has enough.

    Args:
        frame: the embeddings' rows of a manifest; those without a label are left out.

    Raises:
        BadInput: see `draw_pairs`.
    """
    known = frame["label"].notna().to_numpy()
    embeddings, frame = embeddings[known], frame[known]
    classes, subjects = pd.factorize(frame["label"], sort=True)[0], frame["subject"]
    counts = np.bincount(classes)
    ways = {shot: int((counts > shot).sum()) for shot in SHOTS}
    few = [
        few_shot(embeddings, classes, way, shot, subjects=subjects) for shot, way in ways.items() if way > 1
    ]
    return {**verification(embeddings, classes, subjects), "few_shot": few}


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) float64 root mean square differences of (P, E) embeddings, no finer than float32.

    The Euclidean distance over the root of E: 0..1 for sigmoids, however many there are.
    """
    difference = np.asarray(first, np.float32) - np.asarray(second, np.float32)
    return np.sqrt(np.square(difference).mean(axis=1)).astype(np.float64)


def contrastive(distance: np.ndarray, same: np.ndarray, margin: float = MARGIN) -> float:
    """Mean loss of pairs: (P,) distances, (P,) bool.

    Source: Hadsell, Chopra & LeCun 2006, doi:10.1109/CVPR.2006.100.
    """
    short = np.maximum(margin - distance, 0)
    return float(np.where(same, np.square(distance), np.square(short)).mean())


def draw_pairs(
    classes: np.ndarray,
    subjects: Sequence[str | None] | None = None,
    most: int = PAIRS,
    seed: int = 0,
) -> Pairs:
    """Distinct pairs, half of them genuine; the same ones for the same arguments.

    They are drawn evenly from all pairs of at most `IMAGES` images, so frequent classes are in more of
    them. Where everybody is known and it leaves pairs of both kinds, they are of two people each:
    otherwise the same sitting would pass for the same expression.

    Args:
        subjects: who is shown; None where that is not known.

    Raises:
        BadInput: no two images are of one class, or none are of two.
    """
    random = np.random.default_rng(seed)
    classes, people = np.asarray(classes), _people(subjects)
    used = _some(len(classes), random)
    first, second = (used[side] for side in np.triu_indices(len(used), 1))
    same = classes[first] == classes[second]
    among, across = np.ones(len(same), bool), False
    if people is not None:
        apart = people[first] != people[second]
        if (same & apart).any() and (~same & apart).any():
            among, across = apart, True
    kinds = [np.flatnonzero(among & same), np.flatnonzero(among & ~same)]
    count = min(*map(len, kinds), most // 2)
    if count == 0:
        raise BadInput(
            "Verification needs two images of one class and images of two classes. "
            f"Received: {len(classes)} images of {len(np.unique(classes))} classes. Choose another split."
        )
    chosen = np.concatenate([random.choice(kind, count, replace=False) for kind in kinds])
    return Pairs(first[chosen], second[chosen], same[chosen], across)


def verification(
    embeddings: np.ndarray,
    classes: np.ndarray,
    subjects: Sequence[str | None] | None = None,
    threshold: float | None = None,
    most: int = PAIRS,
    seed: int = 0,
) -> dict:
    """One record on telling genuine pairs from imposters, ready for a card.

    Args:
        subjects, most, seed: see `draw_pairs`.
        threshold: a distance that was fitted on other images; None fits it on these pairs, which
            flatters the accuracy a little.

    Returns:
        n (pairs) and images; across_subjects; auc; roc, points of fpr, tpr and threshold; threshold, and
        whether it is fitted here; accuracy at it with its interval, too narrow as pairs share
        images; equal_error, the error where both kinds of pairs have the same; loss.

    Raises:
        BadInput: see `draw_pairs`.
    """
    pairs = draw_pairs(classes, subjects, most, seed)
    embeddings = np.asarray(embeddings)
    distance = distances(embeddings[pairs.first], embeddings[pairs.second])
    fpr, tpr, thresholds = roc(distance, pairs.same)
    # Half of the pairs are genuine: the largest tpr - fpr is the best accuracy.
    used = float(thresholds[(tpr - fpr).argmax()]) if threshold is None else threshold
    hits = int(((distance < used) == pairs.same).sum())
    low, high = metrics.wilson(hits, len(distance))
    crossing = np.abs(fpr - (1 - tpr)).argmin()
    shown = np.unique(np.linspace(0, len(fpr) - 1, POINTS).round().astype(int))
    return {
        "n": len(distance),
        "images": len(np.union1d(pairs.first, pairs.second)),
        "across_subjects": pairs.across_subjects,
        "auc": float(np.trapezoid(tpr, fpr)),
        "roc": [
            {"fpr": float(fpr[p]), "tpr": float(tpr[p]), "threshold": float(thresholds[p])} for p in shown
        ],
        "threshold": used,
        "fitted_here": threshold is None,
        "accuracy": hits / len(distance),
        "accuracy_low": low,
        "accuracy_high": high,
        "equal_error": float((fpr[crossing] + 1 - tpr[crossing]) / 2),
        "loss": contrastive(distance, pairs.same),
    }


def roc(distance: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False and true positive rates and thresholds, (T,) float64, one for each cut between distances.

    Args:
        distance: (P,) as `distances` gives them.
        same: (P,) bool; both kinds must be there.
    """
    values, where = np.unique(np.asarray(distance, np.float32), return_inverse=True)
    genuine = np.bincount(where, weights=same, minlength=len(values)).cumsum()
    imposter = np.bincount(where, weights=~same, minlength=len(values)).cumsum()
    # Halfway between two float32 is exact in float64, so that "below" means what was counted.
    edges = np.concatenate([[0.0], values.astype(np.float64)])
    thresholds = np.append((edges[:-1] + edges[1:]) / 2, np.nextafter(edges[-1], np.inf))
    return (
        np.concatenate([[0.0], imposter]) / imposter[-1],
        np.concatenate([[0.0], genuine]) / genuine[-1],
        thresholds,
    )


def few_shot(
    embeddings: np.ndarray,
    classes: np.ndarray,
    way: int,
    shot: int,
    episodes: int = 600,
    seed: int = 0,
    subjects: Sequence[str | None] | None = None,
) -> dict:
    """How often the nearest of `way` classes, each known by the mean of `shot` images, is the right one.

    Where everybody is known, the queries of an episode show one person of whom no support image is
    taken, as long as the images suffice for it; the record says in which share of the episodes they did.
    Of many images, `IMAGES` drawn at random take part.
    Source: Snell et al. 2017, Prototypical networks, arXiv:1703.05175.

    Returns:
        way, shot, episodes; chance; accuracy, the mean over episodes, with the 95 % interval of that
        mean: it is about the draw of episodes from these images, not about other people; subjects_apart.

    Raises:
        BadInput: fewer than `way` classes have an image more than `shot`.
    """
    if way < 2 or shot < 1 or episodes < 1:
        raise BadInput(
            "Few-shot classification needs 2 ways, 1 shot and 1 episode at least. "
            f"Received: way={way}, shot={shot}, episodes={episodes}."
        )
    random = np.random.default_rng(seed)
    used, people = _some(len(classes), random), _people(subjects)
    embeddings, classes = np.asarray(embeddings, np.float32)[used], np.asarray(classes)[used]
    people = None if people is None else people[used]
    shares, apart = [], 0
    for _ in range(episodes):
        episode = None if people is None else _episode_apart(classes, people, way, shot, random)
        apart += episode is not None
        support, queries = episode or _episode(classes, way, shot, random)
        means = np.stack([embeddings[rows].mean(axis=0) for rows in support])
        hits = [
            np.square(means - embeddings[row]).sum(axis=1).argmin() == place
            for place, rows in enumerate(queries)
            for row in rows
        ]
        shares.append(np.mean(hits))
    mean = float(np.mean(shares))
    half = metrics.Z95 * float(np.std(shares)) / max(episodes - 1, 1) ** 0.5
    return {
        "way": way,
        "shot": shot,
        "episodes": episodes,
        "chance": 1 / way,
        "accuracy": mean,
        "accuracy_low": max(0.0, mean - half),
        "accuracy_high": min(1.0, mean + half),
        "subjects_apart": apart / episodes,
    }


_Episode = tuple[list[np.ndarray], list[np.ndarray]]
"""Positions of the support images and of the queries, class by class."""


def _episode(classes: np.ndarray, way: int, shot: int, random: np.random.Generator) -> _Episode:
    known, counts = np.unique(classes, return_counts=True)
    if (counts > shot).sum() < way:
        raise BadInput(
            f"{way}-way {shot}-shot classification needs {way} classes with {shot + 1} images or more. "
            f"Received: {(counts > shot).sum()} such classes. Ask for fewer ways or shots."
        )
    support, queries = [], []
    for name in random.choice(known[counts > shot], way, replace=False):
        rows = random.permutation(np.flatnonzero(classes == name))
        support.append(rows[:shot])
        queries.append(rows[shot : shot + QUERIES])
    return support, queries


def _episode_apart(
    classes: np.ndarray, people: np.ndarray, way: int, shot: int, random: np.random.Generator
) -> _Episode | None:
    """An episode that asks about one person and knows others; None where nobody has enough images."""
    for person in random.permutation(np.unique(people)):
        asked = people == person
        known = [name for name in np.unique(classes[asked]) if ((classes == name) & ~asked).sum() >= shot]
        if len(known) < way:
            continue
        names = random.choice(known, way, replace=False)
        support = [random.choice(np.flatnonzero((classes == name) & ~asked), shot, False) for name in names]
        queries = [random.permutation(np.flatnonzero((classes == n) & asked))[:QUERIES] for n in names]
        return support, queries
    return None


def _some(count: int, random: np.random.Generator) -> np.ndarray:
    """Positions of all images, or of `IMAGES` of them, in order."""
    return np.sort(random.permutation(count)[:IMAGES])


def _people(subjects: Sequence[str | None] | None) -> np.ndarray | None:
    """(N,) a number for each person; None where somebody is not known."""
    if subjects is None:
        return None
    codes, _ = pd.factorize(np.asarray(subjects, object))
    return None if (codes < 0).any() else codes
