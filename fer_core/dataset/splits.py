"""Which samples train, which validate and which test, where a source does not say."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite

from fer_core.errors import BadInput

SPLITS = ("train", "validation", "test")

RATIOS = (60, 20, 20)


def assign(
    images: Sequence[str],
    labels: Sequence[str | None],
    subjects: Sequence[str | None] | None = None,
    *,
    ratios: Sequence[float] = RATIOS,
    given: Sequence[str | None] | None = None,
) -> list[str]:
    """A split for each of N samples, so that each class is divided by the ratios.

    Samples that show the same picture or the same person are in one split: otherwise a network is
    tested on what it has learnt by heart. What decides is what the pictures show, not their order
    or names, so the same samples are always divided alike. Groups go, the largest first, to the
    split that is least filled for its size, with what they bring of each class and in all; for
    samples on their own that is Sainte-Laguë's way to share out seats.

    Args:
        images: id of each picture.
        subjects: who is shown; None where that is not known.
        ratios: shares of train, validation and test, in any unit.
        given: splits that are fixed; None for a sample that is to be assigned. Others of its group
            follow it (into train, if they are in several), unless it is in "none".

    Raises:
        BadInput: ratios that are not three numbers of which one at least is above 0 and none below.
    """
    if len(ratios) != 3 or not all(isfinite(r) and r >= 0 for r in ratios) or not sum(ratios):
        raise BadInput(
            "Splits need three shares, none below 0, for train, validation and test. "
            f"Received: ratios={tuple(ratios)}. Give 60, 20, 20 for example."
        )
    fixed = given or [None] * len(images)
    groups = _groups(images, subjects)
    bound: dict[int, str] = {}
    for group, split in zip(groups, fixed, strict=True):
        if split in SPLITS:
            bound[group] = min(split, bound.get(group, split), key=SPLITS.index)
    free: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        if fixed[row] is None and group not in bound:
            free.setdefault(group, []).append(row)
    bound |= _shared_out(free, images, labels, ratios)
    return [split or bound[group] for split, group in zip(fixed, groups, strict=True)]


def _groups(images: Sequence[str], subjects: Sequence[str | None] | None) -> list[int]:
    """A number for each sample; those that share a picture or a person, even by way of others, share it."""
    shown: dict[str, int] = {}
    groups = [shown.setdefault(image, row) for row, image in enumerate(images)]
    if not subjects or not any(subjects):
        return groups
    parents = list(range(len(images)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    people: dict[str, int] = {}
    for row, (group, subject) in enumerate(zip(groups, subjects, strict=True)):
        parents[root(row)] = root(group)
        if subject:
            parents[root(row)] = root(people.setdefault(subject, row))
    return [root(row) for row in range(len(images))]


def _shared_out(
    groups: dict[int, list[int]],
    images: Sequence[str],
    labels: Sequence[str | None],
    ratios: Sequence[float],
) -> dict[int, str]:
    """Group -> split. `groups` has the samples of each."""
    total = Counter(labels[row] for rows in groups.values() for row in rows)
    classes = {label: place for place, label in enumerate(total, 1)}
    everything = [sum(total.values()), *total.values()]
    # For each split how many of all (place 0) and of each class it should have, and has.
    state = [
        (split, [count * ratio / sum(ratios) for count in everything], [0] * len(everything))
        for split, ratio in zip(SPLITS, ratios, strict=True)
        if ratio
    ]
    order = sorted((-len(rows), min(images[row] for row in rows), group) for group, rows in groups.items())
    chosen = {}
    for _, _, group in order:
        rows = groups[group]
        if len(rows) == 1:  # the usual case, without counting
            brings = [(0, 1), (classes[labels[rows[0]]], 1)]
        else:
            brings = [(0, len(rows)), *Counter(classes[labels[row]] for row in rows).items()]
        best, least = state[0], float("inf")
        for split in state:
            _, wanted, has = split
            # By how much the squared distance from what is wanted grows, for the size of the split.
            grows = 0.0
            for k, n in brings:
                grows += n * (n + 2 * has[k]) / wanted[k]
            if grows < least:
                best, least = split, grows
        chosen[group] = best[0]
        for k, n in brings:
            best[2][k] += n
    return chosen
