"""Commands that bring datasets in: import, practice."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from fer_core import labels
from fer_core.cli import progress
from fer_core.dataset import importers, practice, splits
from fer_core.dataset.importers import FORMS, Preview, lists
from fer_core.dataset.intake import ImportReport
from fer_core.dataset.store import SPLITS, Store
from fer_core.errors import BadInput
from fer_core.labels import LABEL_SETS, LabelSet


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser(
        "import",
        help="bring a dataset into the store",
        description="Recognise the form of a dataset, say what is in it, and store it. "
        f"Forms: {', '.join(FORMS)}.",
    )
    add.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a folder, an archive, or files that belong together",
    )
    add.add_argument("--name", help="the dataset's name (default: that of the source)")
    add.add_argument("--form", choices=sorted(FORMS), help="read it so, whatever it looks like")
    add.add_argument("--votes", type=Path, metavar="FILE", help="FER+ votes, row by row")
    add.add_argument(
        "--split",
        type=_ratios,
        default=splits.RATIOS,
        metavar="60/20/20",
        help="shares of train, validation and test, where the source has no splits",
    )
    add.add_argument(
        "--validation",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="take so much of train to validate, where the source has train and no validation",
    )
    add.add_argument(
        "--map",
        action="append",
        type=_pair,
        default=[],
        metavar="FOUND=LABEL",
        help="the label of a class; without a label the class is left out (may be repeated)",
    )
    add.add_argument(
        "--label-set", metavar="NAMES", help=f"{', '.join(LABEL_SETS)}, or labels of your own: a,b,c"
    )
    add.add_argument("--preview", action="store_true", help="say what would come in, and store nothing")
    add.set_defaults(run=_import)

    add = commands.add_parser("practice", help="draw the practice dataset into the store")
    add.add_argument("--name", default=practice.NAME)
    add.set_defaults(run=_practice)


def _practice(options: argparse.Namespace) -> int:
    outcome = practice.import_practice(Store.open(), name=options.name, progress=progress.show)
    progress.clear()
    print(f"{outcome.rows} drawn faces in {outcome.dataset!r}, {outcome.added} of them new")
    return 0


def _import(options: argparse.Namespace) -> int:
    wanted = {
        "form": options.form,
        "votes": options.votes,
        "names": dict(options.map) or None,
        "label_set": _label_set(options.label_set),
        "ratios": options.split,
        "hold_out": options.validation,
        "progress": progress.show,
    }
    try:
        seen = importers.preview(options.paths, **wanted)
        progress.clear()
        _say_preview(seen, options.split)
        if options.preview:
            return 0
        outcome = importers.import_any(Store.open(), options.paths, name=options.name, **wanted)
    finally:
        progress.clear()
    _say_report(outcome)
    return 0


def _say_preview(seen: Preview, ratios: tuple[int, ...]) -> None:
    also = f" (or: {', '.join(seen.also)})" if seen.also else ""
    people = f", {seen.subjects:,} people" if seen.subjects else ""
    print(f"{seen.title}{also}: {seen.rows:,} pictures{people}")
    for one in seen.classes:
        becomes = "" if one.label == one.name else f" → {one.label or 'left out'}"
        print(f"  {one.name}{becomes}: {one.count:,}")
    given = "of the source" if seen.splits == "source" else "/".join(map(str, ratios))
    print(f"Splits {given}")
    _say_counts(seen.counts)
    _say_problems(seen.problems)


def _say_report(outcome: ImportReport) -> None:
    print(
        f"{outcome.rows:,} rows, {outcome.added:,} new in {outcome.dataset!r}: "
        f"{outcome.duplicates:,} exact duplicates, {outcome.blank} blank, {outcome.unreadable} unreadable, "
        f"{outcome.votes:,} with votes, {outcome.seconds:.1f} s"
    )
    _say_counts(outcome.counts)
    _say_problems(outcome.problems)


def _say_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    for split in (split for split in SPLITS if split in counts):
        mine = counts[split]
        print(f"  {split}: " + ", ".join(f"{label or 'no label'} {n:,}" for label, n in sorted(mine.items())))


def _say_problems(problems: Mapping[str, list[str]]) -> None:
    for what, cases in problems.items():
        print(f"! {what}" + (f": {lists.few(cases)}" if cases else ""))


def _ratios(text: str) -> tuple[int, ...]:
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"three whole numbers such as 60/20/20, not {text!r}")
    return tuple(map(int, parts))


def _pair(text: str) -> tuple[str, str | None]:
    found, equals, label = text.rpartition("=")
    if not equals or not found:
        raise argparse.ArgumentTypeError(f"a class and its label such as Joy=happy, not {text!r}")
    return found, label.strip() or None


def _label_set(text: str | None) -> LabelSet | None:
    if text is None:
        return None
    if "," in text:
        return labels.custom(text.split(","))
    if text not in LABEL_SETS:
        raise BadInput(
            f"A label set is one of {', '.join(LABEL_SETS)}, or labels of your own with commas between. "
            f"Received: {text!r}. Choose one."
        )
    return LABEL_SETS[text]
