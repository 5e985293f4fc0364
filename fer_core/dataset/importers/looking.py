"""A preview: what an import would bring, with a few pictures of each class."""

import hashlib
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from fer_core.dataset import splits
from fer_core.dataset.importers import staging
from fer_core.dataset.importers.form import Form, Found
from fer_core.dataset.importers.plan import FoundClass, Plan, shortened
from fer_core.dataset.importers.source import Source
from fer_core.dataset.importers.staging import UNREADABLE, Looked
from fer_core.dataset.intake import Progress
from fer_core.errors import BadInput
from fer_core.labels import LabelSet

EXAMPLES = 3
"""Pictures of each label that are shown."""

PROBED = 8
"""Pictures of each label that are decoded."""

OUTSIDE = "labels that the label set does not have"


@dataclass(frozen=True)
class Preview:
    """What an import would bring.

    Attributes:
        form, title: key and title of the form.
        also: keys of other forms that fit.
        name: proposed for the dataset.
        classes: what the source calls its classes, and what they become; the most frequent first.
        counts: pictures per split and label; the label of a picture without one is "".
        splits: "source", or "assigned" where the source has none.
        subjects: people that are told apart.
        rows: pictures to be stored.
        examples: (label, encoded picture), a few of each label.
        problems: what is wrong -> the first few cases.
        sizes: (width, height) in px of the pictures that were looked at, without repetitions.
    """

    form: str
    title: str
    also: tuple[str, ...]
    name: str
    label_set: LabelSet
    classes: tuple[FoundClass, ...]
    counts: dict[str, dict[str, int]]
    splits: str
    subjects: int
    rows: int
    examples: tuple[tuple[str, bytes], ...]
    problems: dict[str, list[str]]
    sizes: tuple[tuple[int, int], ...]


def look(
    source: Source,
    form: Form,
    also: tuple[str, ...],
    planned: Plan,
    name: str,
    ratios: Sequence[float],
    by_subject: bool,
    progress: Progress | None,
) -> Preview:
    """The preview of a plan.

    Raises:
        BadInput: ratios that are none.
        Conflict: a file has gone since the source was opened.
    """
    rows, problems = planned.rows, dict(planned.problems)
    counts: dict[str, dict[str, int]] = {}
    for row, split in zip(rows, _splits(planned, ratios, by_subject), strict=True):
        mine = counts.setdefault(split, {})
        mine[row.label or ""] = mine.get(row.label or "", 0) + 1
    examples: dict[str, list[bytes]] = defaultdict(list)
    sizes: set[tuple[int, int]] = set()
    probed = _probed(planned)
    with closing(_decoded(source, planned, probed)) as pictures:
        for done, (row, looked) in enumerate(pictures, 1):
            if progress:
                progress(done, len(probed), "pictures looked at")
            if isinstance(looked, BadInput):
                problems.setdefault(UNREADABLE, []).append(staging.why(row.source, looked))
                continue
            sizes.add((looked.width, looked.height))
            if len(examples[row.label or ""]) < EXAMPLES:
                examples[row.label or ""].append(looked.data)
    if planned.outside:
        problems[OUTSIDE] = list(planned.outside)
    order = [name for name in (*planned.label_set.names, *sorted(examples)) if name in examples]
    return Preview(
        form=form.key,
        title=form.title,
        also=also,
        name=name,
        label_set=planned.label_set,
        classes=planned.classes,
        counts=counts,
        splits=planned.splits,
        subjects=len({row.subject for row in rows if row.subject}),
        rows=len(rows),
        examples=tuple((name, data) for name in dict.fromkeys(order) for data in examples[name]),
        problems=shortened(problems),
        sizes=tuple(sorted(sizes)),
    )


def _splits(planned: Plan, ratios: Sequence[float], by_subject: bool) -> list[str]:
    if planned.splits == "source":
        return [row.split or "none" for row in planned.rows]
    # Pictures are unknown before they are decoded: each file counts as another one.
    images = [hashlib.sha256(row.source.encode("utf-8", "replace")).hexdigest() for row in planned.rows]
    subjects = [row.subject for row in planned.rows] if by_subject else None
    return splits.assign(images, [row.label for row in planned.rows], subjects, ratios=ratios)


def _probed(planned: Plan) -> list[Found]:
    """Some pictures of each label, from all over the source."""
    by_label: dict[str | None, list[Found]] = defaultdict(list)
    for row in planned.rows:
        by_label[row.label].append(row)
    found: list[Found] = []
    for rows in by_label.values():
        at_hand = [row for row in rows if row.data is None or row.source in planned.sampled]
        found += at_hand[:: max(1, len(at_hand) // PROBED)][:PROBED]
    return found


def _decoded(
    source: Source, planned: Plan, rows: list[Found]
) -> Generator[tuple[Found, Looked | BadInput], None, None]:
    """Each row with what its picture is."""
    by_path: dict[str, list[Found]] = defaultdict(list)
    for row in rows:
        if row.source in planned.sampled:
            yield row, staging.look(partial(bytes, planned.sampled[row.source]))
        else:
            by_path[row.path].append(row)
    with closing(staging.in_threads(source.pending(by_path, staging.PICTURE_LIMIT))) as pictures:
        for path, looked in pictures:
            yield from ((row, looked) for row in by_path[path])
