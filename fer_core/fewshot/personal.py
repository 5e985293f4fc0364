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

STRENGTH = 0.75
"""How much of the difference between this face at rest and the usual one is taken back. Measured on JAFFE's
ten people, one neutral photo each, for the two shipped models: of their other faces 0 names 41 and 51 %,
0.25 43 and 53, 0.5 46 and 54, 0.75 49 and 56, 1 51 and 54."""

FLOOR = 1e-4
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

    Each class's logarithm is moved by STRENGTH times what the model usually says of neutral faces over what
    it says of this person's.

    Args:
        neutral: photos of this person with a face at rest: what each is called, (H, W, 3) uint8 RGB.
        name: of the person, or whatever tells them apart.
        whole: the pictures are faces already.
        predictor: the model, where it is loaded already.

    Raises:
        NotFound, BadModel: no such model, or one that cannot be used.
        BadInput: it has no neutral, or was never measured on neutral faces; no photo, or one without a
            face; a name without letters or digits.
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
    """(K,) float64: how a model answers neutral faces, from what it was measured on; each class at least
    once, so that none is impossible.

    Raises:
        BadInput: it names no neutral, or was never measured on neutral faces.
    """
    if card.task != EXPRESSION.id or NEUTRAL not in card.labels:
        raise BadInput(
            f"A face at rest calibrates a model that names {NEUTRAL!r}. Received: {card.id}, which does not."
        )
    records = [r for r in card.evaluations if "confusion" in r and NEUTRAL in r.get("classes", ())]
    if not records:
        raise BadInput(
            "A person is compared with how the model usually reads neutral faces. "
            f"Received: {card.id}, which was never measured on any. Choose a model that was trained here."
        )
    widest = max(records, key=lambda record: len(record["classes"]))
    row = dict(zip(widest["classes"], widest["confusion"][widest["classes"].index(NEUTRAL)], strict=True))
    counts = np.array([row.get(label, 0) + 1 for label in card.labels.names], np.float64)
    return counts / counts.sum()


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
