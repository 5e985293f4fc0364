"""Commands that bring datasets in: import, practice."""

import argparse
import sys
from pathlib import Path

from fer_core.dataset import importers, practice
from fer_core.dataset.store import Store


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("import", help="bring a dataset into the store")
    add.add_argument("path", type=Path)
    add.add_argument("--name", default="fer2013", help="the dataset's name")
    add.add_argument("--votes", type=Path, metavar="FILE", help="FER+ votes, row by row")
    add.set_defaults(run=_import)

    add = commands.add_parser("practice", help="draw the practice dataset into the store")
    add.add_argument("--name", default=practice.NAME)
    add.set_defaults(run=_practice)


def _progress(done: int, total: int | None, text: str = "") -> None:
    share = f"{done / total:4.0%} " if total else ""
    print(f"\r{share} {text} ", end="", file=sys.stderr, flush=True)


def _practice(options: argparse.Namespace) -> int:
    outcome = practice.import_practice(Store.open(), name=options.name, progress=_progress)
    print(f"\n{outcome.rows} drawn faces in {outcome.dataset!r}, {outcome.added} of them new")
    return 0


def _import(options: argparse.Namespace) -> int:
    outcome = importers.import_any(
        Store.open(), options.path, name=options.name, votes=options.votes, progress=_progress
    )
    print(
        f"\n{outcome.rows:,} rows, {outcome.added:,} new in {outcome.dataset!r}: "
        f"{outcome.duplicates:,} exact duplicates, {outcome.blank} blank, "
        f"{outcome.votes:,} with votes, {outcome.seconds:.1f} s"
    )
    for split, counts in outcome.counts.items():
        print(
            f"  {split}: " + ", ".join(f"{label or 'no label'} {n:,}" for label, n in sorted(counts.items()))
        )
    return 0
