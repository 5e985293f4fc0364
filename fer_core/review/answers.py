"""What a person answers at the desk: stored once, however often it is sent, and never over what they cannot
see."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from fer_core.dataset import browse, ledger
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, NotFound
from fer_core.review import claims, looks
from fer_core.review.looks import Look


@dataclass(frozen=True)
class Answer:
    """One answer, or one that is taken back.

    Attributes:
        id: a name of whoever answers; the same answer, sent twice, has the same.
        label: a name; None where `undo` is given, or a look was passed over.
        queue: its key, which stands in the ledger as `surfaced_by`.
        undo: the answer that is taken back.
        look: of looks.KINDS where the picture was shown to measure the person; it changes no label then.
        over: this person's earlier answers to the picture that whoever answers has before them.
        copies: whether exact copies get the same label.
    """

    id: str
    sample: int
    label: str | None
    queue: str
    sitting: str = ""
    undo: str | None = None
    look: str = ""
    over: tuple[str, ...] = ()
    copies: bool = False


_ONE_AT_A_TIME = threading.Lock()
"""Between a look at what stands and the label no label of another tab may come; one process serves all."""


def keep(store: Store, dataset: str, who: str, answers: Iterable[Answer]) -> dict[str, str]:
    """Store answers in their order, each by itself.

    Returns:
        By answer id, why an answer can never be stored.

    Raises:
        Conflict, StorageError: it cannot be stored now; send all of them again.
    """
    refused = {}
    for answer in answers:
        try:
            why = _keep(store, dataset, who, answer)
        except (BadInput, NotFound) as error:
            why = str(error)
        if why:
            refused[answer.id] = why
    return refused


def _keep(store: Store, dataset: str, who: str, answer: Answer) -> str:
    """Store one; why it must not be, or ""."""
    if answer.look:
        look = Look(answer.sample, answer.look, answer.label, answer.id)
        looks.look(store, dataset, [look], who, answer.sitting)
        return ""
    if answer.undo:
        return _undo(store, dataset, who, answer)
    with _ONE_AT_A_TIME:
        stands = claims.stands(store, dataset, answer.queue, answer.sample, who)
        if stands and stands[0] not in (answer.id, *answer.over):
            return (
                f"You answered this picture in another tab: {stands[1] or 'no label'}. That stays, and "
                f"“{answer.label}” was not stored. Load this page again to see where you are."
            )
        samples = [answer.sample]
        if answer.copies:
            samples += browse.copies(store, answer.sample)
        ledger.relabel(
            store,
            [(sample, answer.label) for sample in samples],
            who,
            surfaced_by=answer.queue,
            sitting=answer.sitting,
            batch=answer.id,
        )
    return ""


def _undo(store: Store, dataset: str, who: str, answer: Answer) -> str:
    try:
        ledger.undo(store, who, answer.undo, sitting=answer.sitting, name=answer.id)
    except NotFound:
        return (
            "This answer was taken back before, in another tab or together with its sitting. "
            "Load this page again to see what stands."
        )
    claims.hold(store, dataset, answer.queue, answer.sample, who)
    return ""
