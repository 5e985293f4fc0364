"""What an import would bring: the form, the classes and their labels, the splits. No picture is decoded."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fer_core import labels
from fer_core.dataset import splits
from fer_core.dataset.importers.containers import storable
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.source import Source
from fer_core.errors import BadInput, NotFound
from fer_core.labels import AFFECTNET8, FER7, NOT_A_FACE, UNSURE, LabelSet

LISTED = 20
"""Cases that are named of each problem; the others are counted."""

SAMPLED = 8
"""Pictures of each class that are kept to look at, of those that stand within a list."""

UNKNOWN = "classes that are no usual expression; check their labels"
EMPTY = "labels of this set that no picture has"
MISSING = "listed, but not there; left out"
REPEATED = "listed twice; the first one counts"
WITHOUT_SPLIT = "without a split, though others have one; put into none"

_ALWAYS = (UNSURE, NOT_A_FACE)


@dataclass(frozen=True)
class FoundClass:
    """A class of the source.

    Attributes:
        name: as the source names it.
        label: what it becomes; None leaves its pictures out.
        count: pictures.
    """

    name: str
    label: str | None
    count: int


@dataclass(frozen=True)
class Plan:
    """What is to be stored, before any picture is read.

    Attributes:
        rows: the pictures in the order of the source, without those that are left out; their labels
            are the project's names; data is b"" where it stands within a list, to be read again.
        classes: the classes of the source, the most frequent first.
        outside: labels of those classes that the label set does not have.
        splits: "source", or "assigned" where the source has none.
        sampled: source of a row -> its encoded picture, for a few that stand within a list.
    """

    label_set: LabelSet
    rows: list[Found]
    classes: tuple[FoundClass, ...]
    outside: tuple[str, ...]
    splits: str
    sampled: dict[str, bytes]
    problems: dict[str, list[str]]

    @property
    def left_out(self) -> dict[str, int]:
        """Class -> pictures, of the classes that are left out."""
        return {found.name: found.count for found in self.classes if found.label is None}


def recognise(source: Source, forms: Mapping[str, Form], form: str | None) -> tuple[Form, tuple[str, ...]]:
    """The form that fits a source best, and the keys of the others that fit.

    Args:
        form: the key of the one to take in any case.

    Raises:
        BadInput: none fits.
        NotFound: no such form.
    """
    if form is not None and form not in forms:
        raise NotFound.of("form of dataset", form, forms)
    fits = {key: one.fits(source) for key, one in forms.items()}
    best = form or max(fits, key=lambda key: fits[key])
    if form is None and not fits[best]:
        raise _unknown(source, forms)
    return forms[best], tuple(key for key, how in fits.items() if how and key != best)


def plan(
    source: Source,
    reading: Reading,
    names: Mapping[str, str | None] | None,
    label_set: LabelSet | None,
    hold_out: float = 0.0,
) -> Plan:
    """Go through all that a form says of a source.

    Args:
        names: class as the source names it -> label, or None to leave it out, where it is not to be
            what the form or its spelling says.
        label_set: None takes the form's, or the first usual one that has all labels.
        hold_out: percent of the source's training pictures that validate, where it has none that do.

    Raises:
        BadInput: no picture is left, or `hold_out` is no percentage below 100.
        NotFound: a class of `names` that the source does not have.
    """
    problems = {what: list(which) for what, which in {**source.problems, **reading.problems}.items()}
    given = {**reading.names, **(names or {})}
    label_of: dict[str, str | None] = {}
    counts: Counter[str] = Counter()
    rows: list[Found] = []
    seen: set[str] = set()
    sampled: dict[str, bytes] = {}
    samples: Counter[str] = Counter()
    for found in all_found(reading):
        if found.source in seen:
            problems.setdefault(REPEATED, []).append(found.source)
            continue
        seen.add(found.source)
        if found.data is None and found.path not in source:
            problems.setdefault(MISSING, []).append(found.path)
            continue
        name, label = found.label, None
        if name:
            counts[name] += 1
            if name not in label_of:
                label_of[name] = _label(name, given)
            label = label_of[name]
            if label is None:
                continue
        if found.data is not None and samples[label or ""] < SAMPLED:
            samples[label or ""] += 1
            sampled[found.source] = found.data
        rows.append(
            found._replace(
                label=label, votes=_votes(found.votes, given), data=None if found.data is None else b""
            )
        )
    if unknown := set(names or ()) - counts.keys():
        raise NotFound.of("class in this source", sorted(unknown)[0], counts)
    if not rows:
        raise BadInput(
            f"An import needs pictures. Received: {source.name}, none of whose {len(source.entries):,} files "
            f"is to be imported{_most(problems)}. Check the form and the classes that are left out."
        )
    used = {row.label for row in rows if row.label} - set(_ALWAYS)
    chosen = label_set or _label_set(used, reading.label_set)
    _note(problems, UNKNOWN, (name for name in sorted(used) if name not in labels.ALIASES))
    _note(problems, EMPTY, (name for name in chosen.names if name not in used))
    given_by = "source" if any(row.split for row in rows) else "assigned"
    if given_by == "source":
        _note(problems, WITHOUT_SPLIT, (row.source for row in rows if not row.split))
        rows = _held_out(rows, hold_out)
    classes = tuple(FoundClass(name, label_of[name], count) for name, count in counts.most_common())
    outside = tuple(sorted(used - set(chosen.names)))
    return Plan(chosen, rows, classes, outside, given_by, sampled, problems)


def _held_out(rows: list[Found], percent: float) -> list[Found]:
    """The rows, with some of train moved to validation where nothing else validates.

    By names: the pictures are not decoded yet. A copy of what now validates is left out when it comes to
    training, as every leak is.
    """
    if not 0 <= percent < 100:
        raise BadInput(f"Validation takes 0 to below 100 percent of train. Received: hold_out={percent:g}.")
    train = [row for row in rows if row.split == "train"]
    if not percent or not train or any(row.split == "validation" for row in rows):
        return rows
    given = splits.assign(
        [hashlib.sha256(row.source.encode("utf-8", "replace")).hexdigest() for row in train],
        [row.label for row in train],
        [row.subject for row in train],
        ratios=(100 - percent, percent, 0),
    )
    moved = dict(zip((row.source for row in train), given, strict=True))
    return [row._replace(split=moved.get(row.source, row.split)) for row in rows]


def all_found(reading: Reading) -> Iterator[Found]:
    """All that a form finds, in texts that any database takes."""
    return map(_storable, reading.found())


def shortened(problems: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The first few cases of each problem, and how many more there are."""
    return {
        what: which if len(which) <= LISTED else [*which[:LISTED], f"… and {len(which) - LISTED:,} more"]
        for what, which in problems.items()
    }


def _storable(found: Found) -> Found:
    texts = (found.source, found.label or "", found.subject or "")
    if all(text.isascii() for text in texts):
        return found
    source, label, subject = map(storable, texts)
    return found._replace(
        source=source, label=label if found.label else found.label, subject=subject if found.subject else None
    )


def _label(name: str, given: Mapping[str, str | None]) -> str | None:
    label = given.get(name, name)
    return labels.canonical(label) or None if label else None


def _votes(votes: dict[str, int] | None, given: Mapping[str, str | None]) -> dict[str, int] | None:
    if not votes:
        return None
    summed: Counter[str] = Counter()
    for name, count in votes.items():
        if label := _label(name, given):
            summed[label] += count
    return dict(summed)


def _label_set(used: set[str], published: LabelSet | None) -> LabelSet:
    for candidate in (published, FER7, AFFECTNET8):
        if candidate and used <= set(candidate.names):
            return candidate
    usual = [name for name in labels.ALIASES if name in used]
    return labels.custom([*usual, *sorted(used - set(usual))])


def _note(problems: dict[str, list[str]], what: str, which: Iterable[str]) -> None:
    if found := list(which):
        problems.setdefault(what, []).extend(found)


def _most(problems: Mapping[str, list[str]]) -> str:
    """The most frequent problem, to be read within a sentence."""
    what = max(problems, key=lambda what: len(problems[what]), default="")
    return f" ({len(problems[what]):,} {what}: {problems[what][0]})" if what and problems[what] else ""


def _unknown(source: Source, forms: Mapping[str, Form]) -> BadInput:
    kinds = Counter("." + entry.path.rpartition(".")[2].lower()[:10] for entry in source.entries)
    seen = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(4)) or "no files"
    return BadInput(
        f"An import needs a known form. Received: {source.name} with {seen}{_most(source.problems)}. "
        f"There are: {'; '.join(form.title for form in forms.values())}."
    )
