"""One person's model: a few photos of the face at rest shift what a model makes of that person."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fer_core.errors import BadInput
from fer_core.fewshot import crops, model
from fer_core.imaging.preprocess import to_input
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card
from fer_core.zoo.head import SHIFT, Head
from fer_core.zoo.specs import EXPRESSION

NEUTRAL_SHARE = 0.5
"""How sure of neutral a model shall be of this face at rest; the rest is shared alike."""

STRENGTH = 1.0
"""How much of the difference between this face at rest and that is taken back. With these three constants and
one neutral photo of each of JAFFE's ten women, the two shipped models name 53 % of her other faces instead of
41, and 65 instead of 51; with another woman's photo 46 and 53 (benchmarks.personal)."""

FLOOR = 1e-3
"""Least probability that counts: without it, one photo that is not neutral after all would decide alone."""

MOST_PHOTOS = 50
NEUTRAL = "neutral"


def calibrate(
    model_id: str,
    neutral: Sequence[tuple[str, np.ndarray]],
    name: str,
    *,
    whole: bool = False,
    predictor: Predictor | None = None,
) -> Card:
    """Put a model for one person into the library, `<model>_for_<name>`, or make it anew.

    Each class's logarithm is moved by STRENGTH times what the model should say of this person's neutral
    faces (`usual_answer`) over what it does say.

    Args:
        neutral: photos of this person with a face at rest: what each is called, (H, W, 3) uint8 RGB.
        name: of the person, or whatever tells them apart.
        whole: the pictures are faces already.
        predictor: the model, where it is loaded already.

    Raises:
        NotFound, BadModel: no such model, or one that cannot be used.
        BadInput: it has no neutral; no photo, or one without a face; a name without letters or digits.
        Conflict: another model has the name.
        StorageError: the disk is full.
    """
    predictor = model.base(model_id, predictor)
    card = predictor.card
    usual = usual_answer(card)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-")
    if not stem:
        raise BadInput(f"A person's model has a name of letters or digits. Received: {name!r}.")
    told = predictor.predict(_faces(neutral, whole, predictor))
    made_of = f"{card.id} for {stem}"
    record = {
        "made_of": made_of,
        "base": card.id,
        "kind": SHIFT,
        "person": " ".join(name.split())[:80],
        "examples": {NEUTRAL: len(told)},
        "strength": STRENGTH,
    }
    made = replace(
        card,
        id=f"{card.id}_for_{stem}",
        title=f"{card.title}, for {record['person']}",
        spec=model.SPEC,
        training={**model.taught_on(card), "taught": record},
        evaluations=[],
        limitations=[
            *card.limitations,
            f"Shifted for one person by {len(told)} photos of their face at rest; it is for nobody else.",
        ],
    )
    return model.store(made, Head(SHIFT, offset=offset(told, usual, card.temperature)), predictor, made_of)


def usual_answer(card: Card) -> np.ndarray:
    """(K,) float64: what a model should say of a person's neutral faces: NEUTRAL_SHARE, and the rest alike.

    Raises:
        BadInput: it names no neutral.
    """
    if card.task != EXPRESSION.id or NEUTRAL not in card.labels:
        raise BadInput(
            f"A face at rest calibrates a model that names {NEUTRAL!r}. Received: {card.id}, which does not."
        )
    names = card.labels.names
    rest = (1 - NEUTRAL_SHARE) / (len(names) - 1)
    return np.array([NEUTRAL_SHARE if name == NEUTRAL else rest for name in names])


def offset(told: np.ndarray, usual: np.ndarray, temperature: float, strength: float = STRENGTH) -> np.ndarray:
    """(K,) float32: what is added to the logarithms of a model's answer, before its temperature.

    Args:
        told: (N, K) calibrated answers to a person's neutral photos.
        usual: (K,) see `usual_answer`.
    """
    own = np.maximum(told.mean(axis=0, dtype=np.float64), FLOOR)
    moved = strength * temperature * (np.log(usual) - np.log(own))
    return (moved - moved.mean()).astype(np.float32)


def _faces(neutral: Sequence[tuple[str, np.ndarray]], whole: bool, predictor: Predictor) -> np.ndarray:
    """(N, H, W, C) uint8 inputs, the largest face of each photo."""
    if not 1 <= len(neutral) <= MOST_PHOTOS:
        raise BadInput(f"A person shows 1 to {MOST_PHOTOS} neutral photos. Received: {len(neutral)}.")
    made = []
    for title, photo in neutral:
        found = [None] if whole else crops.faces_of(photo)[:1]
        if not found:
            raise BadInput(
                f"Each neutral photo shows a face. Received: {title}, without one. "
                "Take another, or cut the face out and give it whole."
            )
        made.append(to_input(photo, found[0], predictor.card.input))
    return np.stack(made)
