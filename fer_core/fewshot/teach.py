"""From a class set to a model: how its photos lie among each other, which head is right most often, and the
model itself, in the library at once."""

from dataclasses import dataclass, replace

import numpy as np

from fer_core import labels
from fer_core.errors import BadInput
from fer_core.fewshot import classes, crops, heads, model
from fer_core.fewshot.heads import Score
from fer_core.fewshot.sets import ClassSet, Example
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import calibration
from fer_core.zoo.card import Card
from fer_core.zoo.head import Head
from fer_core.zoo.specs import EXPRESSION


@dataclass(frozen=True)
class Place:
    """Where an example lies among the others.

    Attributes:
        class_name: its class.
        own, own_distance: the nearest of its class, and how far that is (0..2); None for the only one.
        other, other_class, other_distance: the same among the other classes.
        answer: what the chosen head says of it when it is left out; None where that was not asked.
        probability: of that answer.
    """

    example: Example
    class_name: str
    own: Example | None
    own_distance: float | None
    other: Example | None
    other_class: str | None
    other_distance: float | None
    answer: str | None
    probability: float | None

    @property
    def confuses(self) -> str | None:
        """The class that it lies nearer to than to its own; None where all is well."""
        if self.other_distance is None or self.own_distance is None:
            return None
        return self.other_class if self.other_distance < self.own_distance else None


@dataclass(frozen=True, eq=False)
class Look:
    """A class set as a base model sees it.

    Attributes:
        base: the base's card.
        embeddings: (N, E) float32, in the order of `ClassSet.examples`.
        distances: (N, N) float32, 0 (the same) to 2 (opposite).
        places: one for each example.
        scores: for each kind of head how often it was right about examples left out; empty while fewer
            than two classes have examples.
        kind: the kind that is chosen; None while there are no scores.
    """

    class_set: ClassSet
    base: Card
    embeddings: np.ndarray
    distances: np.ndarray
    places: tuple[Place, ...]
    scores: dict[str, Score]
    kind: str | None

    @property
    def confusing(self) -> tuple[Place, ...]:
        """The examples that lie nearer to another class, worst first."""
        found = [place for place in self.places if place.confuses]
        return tuple(sorted(found, key=lambda one: (one.other_distance or 0) - (one.own_distance or 0)))


def look(set_id: str, base: str | None = None, *, predictor: Predictor | None = None) -> Look:
    """How a set's examples lie among each other; empty classes are left out of the count.

    Args:
        base: another model than the set's own.
        predictor: the base, where it is loaded already.

    Raises:
        NotFound, BadModel, StorageError: the set, the base or a picture is not there or damaged.
        BadInput: the base is a taught model.
    """
    class_set = classes.load(set_id)
    return _looked(class_set, model.base(base or class_set.base, predictor))


def teach(
    set_id: str,
    base: str | None = None,
    kind: str | None = None,
    unknown: bool = True,
    *,
    predictor: Predictor | None = None,
) -> Card:
    """Make the set's model, `taught_<set id>`, or make it anew.

    Args:
        base, predictor: see `look`.
        kind: of zoo.head.KINDS; None takes what `look` chooses.
        unknown: whether the model may answer `labels.UNKNOWN`.

    Raises:
        BadInput: fewer than two classes, an empty one, or no such kind.
        Conflict: another model has its name.
        NotFound, BadModel, StorageError: see `look`; or the disk is full.
    """
    card, head, network = _made(set_id, base, kind, unknown, predictor)
    return model.store(card, head, network, set_id)


def rehearse(
    set_id: str,
    base: str | None = None,
    kind: str | None = None,
    unknown: bool = True,
    *,
    predictor: Predictor | None = None,
) -> Predictor:
    """What `teach` would make, to try it: nothing is stored. Arguments and errors as there."""
    card, head, network = _made(set_id, base, kind, unknown, predictor)
    return network.taught(card, head)


def _made(
    set_id: str, base: str | None, kind: str | None, unknown: bool, predictor: Predictor | None
) -> tuple[Card, Head, Predictor]:
    """Card and head of a set, and the network that they stand on."""
    class_set = classes.load(set_id)
    empty = [one.name for one in class_set.classes if not one.examples]
    if len(class_set.classes) < 2 or empty:
        raise BadInput(
            "A model is taught from two classes or more with a photo each. Received: "
            + (f"no photo of {', '.join(empty)}." if empty else f"{len(class_set.classes)} classes.")
            + " Add photos, or remove the empty class."
        )
    predictor = model.base(base or class_set.base, predictor)
    seen = _looked(class_set, predictor)
    chosen = kind or seen.kind
    truth = np.array([place for place, _ in class_set.examples])
    head = heads.fit(seen.embeddings, truth, chosen or "")
    score = seen.scores[head.kind]
    head = heads.finished(head, score, seen.embeddings, unknown)
    names = (*class_set.names, *[labels.UNKNOWN] * unknown)
    made = replace(
        seen.base,
        id=f"taught_{class_set.id}",
        title=class_set.title,
        spec=model.SPEC,
        task=EXPRESSION.id,
        labels=LabelSet(class_set.id, names),
        temperature=1.0,
        answer_threshold=_threshold(truth, score, head.temperature),
        parameters=seen.base.parameters + head.weights.size + head.bias.size,
        training={**model.taught_on(seen.base), "taught": _record(seen, head.kind, unknown)},
        evaluations=[],
        limitations=_limitations(class_set, score),
        licence={**seen.base.licence, "examples": "the photos are yours"},
    )
    return made, head, predictor


def _looked(class_set: ClassSet, predictor: Predictor) -> Look:
    batch = crops.inputs(class_set, predictor.card.input)
    embeddings = predictor.embed(batch)
    # Empty classes have no number of their own here.
    filled, truth = np.unique([place for place, _ in class_set.examples], return_inverse=True)
    names = [class_set.names[int(place)] for place in filled]
    distances = heads.nearest(embeddings) if len(batch) else np.zeros((0, 0), np.float32)
    scores = heads.leave_one_out(embeddings, truth) if len(filled) > 1 else {}
    kind = heads.choose(scores) if scores else None
    answers = scores[kind].answers if kind else np.full((len(batch), 1), np.nan, np.float32)
    places = _places(class_set, truth, names, distances, answers)
    return Look(class_set, predictor.card, embeddings, distances, places, scores, kind)


def _places(
    class_set: ClassSet, truth: np.ndarray, names: list[str], distances: np.ndarray, answers: np.ndarray
) -> tuple[Place, ...]:
    examples = [example for _, example in class_set.examples]
    found = []
    for row, example in enumerate(examples):
        same = truth == truth[row]
        same[row] = False
        own = _nearest(distances[row], same)
        other = _nearest(distances[row], truth != truth[row])
        told = None if np.isnan(answers[row]).any() else int(answers[row].argmax())
        found.append(
            Place(
                example,
                names[truth[row]],
                None if own is None else examples[own],
                None if own is None else float(distances[row, own]),
                None if other is None else examples[other],
                None if other is None else names[truth[other]],
                None if other is None else float(distances[row, other]),
                None if told is None else names[told],
                None if told is None else float(answers[row, told]),
            )
        )
    return tuple(found)


def _nearest(distances: np.ndarray, among: np.ndarray) -> int | None:
    return int(np.where(among, distances, np.inf).argmin()) if among.any() else None


def _threshold(truth: np.ndarray, score: Score, temperature: float) -> float:
    """The confidence under which it cannot tell: never above one half, where it is right more often than
    not if its temperature is any good; so few answers would say anything."""
    asked = ~np.isnan(score.answers).any(axis=1)
    told = calibration.soften(score.answers[asked], temperature)
    return min(0.5, calibration.answer_threshold(truth[asked], told))


def _record(seen: Look, kind: str, unknown: bool) -> dict:
    """What the card says of how it was taught."""
    return {
        "made_of": seen.class_set.id,
        "set": seen.class_set.id,
        "base": seen.base.id,
        "kind": kind,
        "unknown": unknown,
        "examples": {one.name: len(one.examples) for one in seen.class_set.classes},
        "images": sorted({example.image for _, example in seen.class_set.examples}),
        "leave_one_out": {
            name: {"right": score.right, "n": score.n, "low": score.low, "high": score.high}
            for name, score in seen.scores.items()
        },
    }


def _limitations(class_set: ClassSet, score: Score) -> list[str]:
    count = len(class_set.examples)
    asked = (
        f"each left out in turn, {score.right} of {score.n} were recognised ({score.low * 100:.0f} to "
        f"{score.high * 100:.0f} %)"
        if score.n
        else "too few to ask about any that was left out"
    )
    return [
        f"Taught from {count} photos: {asked}. Photos of other people, or in another light, may be "
        "recognised less often.",
        "It names the classes that it was taught, whatever else a face may show.",
    ]
