"""The command that finds wrong labels: suspects."""

import argparse
import sys
import time
from pathlib import Path

from fer_core.cli import progress
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import Conflict, StorageError
from fer_core.training import folds, runs
from fer_core.training.folds import FoldSet
from fer_core.zoo import specs


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser(
        "suspects", help="find labels that are probably wrong, with networks that never saw the sample"
    )
    add.add_argument("--data", required=True, metavar="NAME[@VERSION]")
    add.add_argument("--folds", type=int, default=folds.FOLDS, help="parts that are judged in turn")
    add.add_argument("--spec", choices=sorted(specs.SPECS), help="the network; the quickest if not given")
    add.add_argument("--epochs", type=int, help="what suits the dataset's size if not given")
    add.add_argument("--again", action="store_true", help="list what the newest folds found; train nothing")
    add.add_argument("--csv", type=Path, metavar="FILE", help="write the list, the most suspicious first")
    add.set_defaults(run=_suspects)


def _suspects(options: argparse.Namespace) -> int:
    store = Store.open()
    name, _, version = options.data.partition("@")
    if options.again:
        found = folds.newest(name)
    else:
        rows = versions.manifest(store, name, version or None)
        dataset = store.dataset(name)
        train = int((rows["split"] == "train").sum())
        config = folds.settings(dataset, train, version or None, options.spec, options.epochs)
        first = folds.start(config, options.folds)[0]
        found = next(one for one in folds.sets(name) if first in one.runs)
        print(f"{options.folds} folds of {config.spec}, {config.epochs} epochs each")
        _follow(found)
    out = folds.collect(found.runs)
    folds.write_findings(store, out)
    listed = folds.suspects(out)
    missing = f"; {len(out.missing)} of {found.config.folds} folds are missing" if out.missing else ""
    suspect = "suspect label" if len(listed) == 1 else "suspect labels"
    print(f"{len(listed):,} {suspect} among {len(out.samples):,} training images{missing}")
    if options.csv:
        images = versions.manifest(store, name)[["sample", "image"]]
        try:
            listed = listed.merge(images, on="sample")[["sample", "image", "label", "instead", "score"]]
            listed.to_csv(options.csv, index=False)
        except OSError as error:
            raise StorageError(
                f"The list needs a file that can be written. Received: {options.csv} ({error.strerror}). "
                "Choose another place."
            ) from error
    return 0


def _follow(found: FoldSet) -> None:
    """Wait until no fold is at work or in line. Ctrl-C leaves them at work."""
    try:
        while found.state in ("running", "queued"):
            runs.advance()
            progress.show(round(100 * found.share), 100, f" {len(found.missing)} folds to go")
            time.sleep(1)
    except KeyboardInterrupt:
        print("The folds go on. Stop them with: python -m fer_core stop RUN", file=sys.stderr)
        raise
    finally:
        progress.clear()
    if found.missing:
        said = ", ".join(f"{run.id} {run.state()}" for run in found.runs if run)
        raise Conflict(
            f"Suspects need all folds. Received: {said}. Resume what stopped with: python -m fer_core train "
            "--resume RUN; then list with --again."
        )
