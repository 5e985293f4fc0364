"""“That's wrong”: a face that was read wrongly, kept with consent, so that somebody can learn from it."""

import secrets

import numpy as np

from fer_core import labels
from fer_core.dataset import ledger, removal, schema
from fer_core.dataset.intake import Intake, Row
from fer_core.dataset.removal import Receipt
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.errors import BadInput
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.imaging.faces import Box
from fer_core.labels import AFFECTNET8

DATASET = "reported"
"""Its samples are in no split: nothing is trained or measured on them until somebody decides so."""

BY_REPORT = "that's wrong"
"""Stands in the ledger as `surfaced_by` of what was told."""

CLASSES = (*AFFECTNET8.names, labels.NOT_A_FACE)

ROUND = 1.3
"""Side of the kept square as a part of the face's box: with the chin and the hair line."""

NOBODY = "visitor"


def keep(
    store: Store,
    photo: np.ndarray,
    box: Box | None,
    label: str,
    why: str,
    who: str = "",
    *,
    consent: bool,
) -> int:
    """Store one face with the expression that a person sees in it; nothing else of the photo.

    Args:
        photo: (H, W, 3) uint8 RGB upright.
        box: where the face is, px; None is the whole photo.
        label: of CLASSES.
        why: what the model said; it stays in the ledger, so it should name nobody.
        who: "" is NOBODY.
        consent: whether the person agreed that the face is stored.

    Returns:
        The sample. The same face, told twice, is one sample with two answers.

    Raises:
        BadInput: no consent, or a label that there is not.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    if not consent:
        raise BadInput(
            "A face is stored only with consent. Received: consent=False. Tick the box, or leave it."
        )
    name = labels.canonical(label)
    if name not in CLASSES:
        raise BadInput(f"A face is one of {', '.join(CLASSES)}. Received: {label!r}. Choose one of them.")
    shown = _cut(photo, box)
    row = Row(
        f"reported:{pixel_id(shown)}", pixel_id(shown), shown.shape[1], shown.shape[0], encode_png(shown),
        "none", None,
    )  # fmt: skip
    with store.write() as connection:
        dataset = ensure_dataset(
            connection, DATASET, AFFECTNET8, "Faces that people reported as read wrongly"
        )
        intake = Intake(connection, dataset)
        intake.add([row])
        intake.finish(who.strip() or NOBODY, "reported with consent", secrets.token_hex(8))
        sample = schema.sample.c
        query = schema.sample.select().with_only_columns(sample.id, sample.label)
        found = connection.execute(
            query.where(sample.dataset == dataset.id, sample.source == row.source)
        ).one()
        told = {"sample": found.id, "dataset": dataset.id, "old": found.label, "new": name}
        ledger.record(connection, [told], who.strip() or NOBODY, why=why, surfaced_by=BY_REPORT)
    return found.id


def withdraw(store: Store, sample: int, who: str = "") -> Receipt:
    """Delete a reported face for good.

    Raises:
        NotFound: it is not there any more.
        Conflict, StorageError: it could not be deleted; then nothing was.
    """
    return removal.remove(store, [sample], who.strip() or NOBODY, why="consent withdrawn")


def _cut(photo: np.ndarray, box: Box | None) -> np.ndarray:
    """(H, W, 3) uint8: the square around the face, as far as the photo reaches."""
    if box is None:
        return np.ascontiguousarray(photo)
    square = box.square(ROUND)
    top, left = max(0, round(square.y)), max(0, round(square.x))
    bottom, right = round(square.y + square.height), round(square.x + square.width)
    return np.ascontiguousarray(photo[top : max(bottom, top + 1), left : max(right, left + 1)])
