"""The practice dataset: drawn faces with known faults, so that everyone can try the loop at once."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fer_core.dataset import drawing
from fer_core.dataset.intake import ImportReport, Intake, Progress, Row
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.imaging.decode import encode_png, pixel_id
from fer_core.labels import FER7

NAME = "practice"
SIZE = 96
FACES_A_PERSON = 14
WRONG, NEAR = 0.08, 0.04
"""Shares of samples with a wrong label, and of samples that are near duplicates of the one before."""


@dataclass(frozen=True)
class Planned:
    """One sample and the truth about it.

    Attributes:
        source: its key in the dataset.
        subject: the drawn person.
        truth: the expression that is drawn.
        label: the label that it is given; wrong where it differs from `truth`.
        twin_of: source of the sample that it nearly repeats ("" for none).
        leak_of: source of the training sample whose pixels it repeats exactly ("" for none).
    """

    source: str
    subject: str
    split: str
    truth: str
    label: str
    twin_of: str = ""
    leak_of: str = ""


def plan(count: int = 700, seed: int = 0) -> list[Planned]:
    """What is drawn: the same for the same numbers, so that finders of faults can be scored.

    People are split 60/20/20, so no person is in two splits; one validation sample is an exact copy
    of a training sample.
    """
    random = np.random.default_rng(seed)
    people = -(-count // FACES_A_PERSON)
    planned: list[Planned] = []
    for number in range(count):
        person = number // FACES_A_PERSON
        share = person / people
        split = "train" if share < 0.6 else "validation" if share < 0.8 else "test"
        truth = FER7.names[(number + person) % len(FER7)]
        subject, twin = f"person {person + 1:02d}", ""
        if planned and planned[-1].subject == subject and random.random() < NEAR:
            truth, twin = planned[-1].truth, planned[-1].source
        others = [name for name in FER7.names if name != truth]
        label = others[random.integers(len(others))] if random.random() < WRONG else truth
        planned.append(Planned(f"drawn:{number}", subject, split, truth, label, twin))
    first = next(p for p in planned if p.split == "train" and p.label == p.truth)
    leak = Planned("drawn:leak", first.subject, "validation", first.truth, first.label, leak_of=first.source)
    return [*planned, leak]


def pictures(planned: list[Planned], seed: int = 0) -> Iterator[tuple[np.ndarray, drawing.Expression]]:
    """For each sample of a plan, in its order: (SIZE, SIZE, 3) uint8 RGB, and what is drawn there."""
    people: dict[str, drawing.Person] = {}
    made: dict[str, tuple[np.ndarray, drawing.Expression]] = {}
    expression, view = drawing.Expression(), drawing.View()
    for number, sample in enumerate(planned):
        random = np.random.default_rng((seed, number))
        if sample.subject not in people:
            people[sample.subject] = drawing.person(random)
        if not sample.twin_of:
            rest = random.uniform(0, 0.35) if sample.truth != "neutral" else 0.0
            expression = drawing.PROTOTYPES[sample.truth].mixed(drawing.PROTOTYPES["neutral"], rest)
            view = drawing.view(random)
        if sample.leak_of:
            yield made[sample.leak_of]
            continue
        face = drawing.draw(expression, people[sample.subject], view, SIZE, random)
        made[sample.source] = face, expression
        yield made[sample.source]


def import_practice(
    store: Store,
    *,
    name: str = NAME,
    count: int = 700,
    seed: int = 0,
    who: str = "import",
    progress: Progress | None = None,
) -> ImportReport:
    """Draw the practice dataset into the store, in one transaction; doing it twice doubles nothing.

    Raises:
        Conflict: another dataset has that name.
        StorageError: the disk is full, or the database cannot be written.
    """
    started = time.perf_counter()
    planned, rows = plan(count, seed), []
    drawn = zip(planned, pictures(planned, seed), strict=True)
    for done, (sample, (picture, expression)) in enumerate(drawn, 1):
        rows.append(
            Row(
                source=sample.source,
                image=pixel_id(picture),
                width=SIZE,
                height=SIZE,
                data=encode_png(picture),
                split=sample.split,
                label=sample.label,
                subject=sample.subject,
                valence=expression.valence,
                arousal=expression.arousal,
            )
        )
        if progress and (done % 20 == 0 or done == len(planned)):
            progress(done, len(planned), "faces drawn")
    with store.write() as connection:
        intake = Intake(connection, ensure_dataset(connection, name, FER7))
        intake.add(rows)
        duplicates = intake.finish(who, "drawn for practice", secrets.token_hex(8))
    return intake.report(started, duplicates, blank=0)
