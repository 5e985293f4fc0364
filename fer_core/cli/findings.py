"""The command that looks for faults: check."""

import argparse

from fer_core.cli import progress
from fer_core.dataset import findings
from fer_core.dataset.store import Store


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("check", help="find what is wrong with a dataset; changes nothing in it")
    add.add_argument("name", help="the dataset's name")
    add.add_argument("--faces", action="store_true", help="also look for pictures without a face (slow)")
    add.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    checkup = findings.check(Store.open(), options.name, faces=options.faces, progress=progress.show)
    print(f"\n{checkup.samples:,} samples in {checkup.dataset!r}")
    for kind, count in checkup.counts.items():
        if count:
            groups = checkup.clusters.get(kind)
            where = f" in {_many(groups, 'group')}" if groups else ""
            print(f"  {findings.KINDS[kind].title}: {_many(count, 'sample')}{where}")
    if checkup.rare:
        print(f"  rare classes: {', '.join(f'{name} {checkup.classes[name]:,}' for name in checkup.rare)}")
    if checkup.unlabelled:
        print(f"  without a label: {_many(checkup.unlabelled, 'sample')}")
    return 0


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
