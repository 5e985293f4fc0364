"""Commands on versions and ways back: versions, freeze, diff, restore, sittings, revert, undo, export, …"""

import argparse
import getpass
from pathlib import Path

from fer_core.cli import progress
from fer_core.dataset import changes, exports, ledger, removal, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.review import sittings

_SHOWN = 50
"""Lines of a diff that are printed unless all are asked for."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""

    def command(name: str, run, help: str, writes: bool = False) -> argparse.ArgumentParser:
        add = commands.add_parser(name, help=help)
        add.add_argument("dataset")
        if writes:
            add.add_argument("--who", default=_me(), help="who does it; stands in the ledger")
        add.set_defaults(run=run)
        return add

    command("versions", _versions, "list the frozen versions of a dataset")

    add = command("freeze", _freeze, "give the present state of a dataset a name", writes=True)
    add.add_argument("version")
    add.add_argument("--note", default="")

    add = command("diff", _diff, "what differs between two versions: which labels, by whom, why")
    add.add_argument("old")
    add.add_argument("new", nargs="?", help="default: the present state")
    add.add_argument("--all", action="store_true", help=f"more than the first {_SHOWN} lines")

    add = command("restore", _restore, "bring the labels of a version back, by further events", writes=True)
    add.add_argument("version")
    add.add_argument("--why", default="")

    command("sittings", _sittings, "who labelled how much in one go, and how much of it still stands")

    add = command("revert", _revert, "take back a sitting, or all that one person labelled", writes=True)
    add.add_argument("--sitting", help="as `sittings` lists it")
    add.add_argument("--person")
    add.add_argument("--why", default="")

    add = commands.add_parser("undo", help="take one batch back; of an undo or a revert too")
    add.add_argument("batch")
    add.add_argument("--who", default=_me(), help="who does it; stands in the ledger")
    add.set_defaults(run=_undo)

    add = command("export", _export, "write a dataset to a file or folder")
    add.add_argument("form", choices=sorted(exports.EXPORTS))
    add.add_argument("destination", type=Path)
    add.add_argument("--version", help="default: the present state")
    add.add_argument("--since", metavar="VERSION", help="for changes: told from there; default: the import")
    add.add_argument("--leave-out", action="store_true", help="leave out what the form cannot hold")

    add = command("apply-changes", _apply, "apply an exported csv of changes", writes=True)
    add.add_argument("csv", type=Path)
    add.add_argument("--overwrite", action="store_true", help="also where the label differs from the old one")

    add = command("remove", _remove, "delete samples, a subject or the whole dataset for good", writes=True)
    what = add.add_mutually_exclusive_group(required=True)
    what.add_argument("--sample", type=int, nargs="+", metavar="ID")
    what.add_argument("--subject")
    what.add_argument("--all", action="store_true", help="the whole dataset")
    add.add_argument("--everywhere", action="store_true", help="also in other datasets, and every copy")
    add.add_argument("--why", default="", help="stays in the ledger for good: name nobody")
    add.add_argument("--yes", action="store_true", help="this cannot be undone; say that you mean it")


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return "command line"


def _versions(options: argparse.Namespace) -> int:
    for version in versions.versions(Store.open(), options.dataset):
        removed = f"  ({version.removed:,} of them deleted since)" if version.removed else ""
        note = f"  {version.note}" if version.note else ""
        print(
            f"{version.name}  {version.id[:12]}  {version.rows:,} samples  {version.at[:16]}  "
            f"{version.who}{removed}{note}"
        )
    return 0


def _freeze(options: argparse.Namespace) -> int:
    version = versions.freeze(Store.open(), options.dataset, options.version, options.who, options.note)
    print(f"{version.name}  {version.id[:12]}  {version.rows:,} samples")
    return 0


def _diff(options: argparse.Namespace) -> int:
    frame = changes.diff(Store.open(), options.dataset, options.old, options.new)
    counts = frame["kind"].value_counts()
    print(", ".join(f"{counts.get(kind, 0):,} {kind}" for kind in ("relabelled", "added", "removed")))
    shown = frame if options.all else frame[:_SHOWN]
    for row in shown.fillna("").itertuples(index=False):
        what = f"{row.old or 'no label'} -> {row.new or 'no label'}" if row.kind == "relabelled" else row.kind
        print(f"  {row.sample}  {row.source}  {what}  {row.who}, {row.at[:16]}  {row.why}")
    if len(shown) < len(frame):
        print(f"  … {len(frame) - len(shown):,} more: --all")
    return 0


def _restore(options: argparse.Namespace) -> int:
    change = changes.restore(Store.open(), options.dataset, options.version, options.who, options.why)
    print(
        f"{len(change.events):,} labels are as in {options.version!r} again; "
        f"{len(change.kept):,} samples that were imported since are as they were"
    )
    return 0


def _sittings(options: argparse.Namespace) -> int:
    for row in sittings.sittings(Store.open(), options.dataset).itertuples(index=False):
        print(
            f"{row.sitting or 'no sitting'}  {row.who}  {row[2][:16]} to {row[3][:16]}  "
            f"{row.answers:,} answers, {row.changed:,} changed the label, {row.standing:,} stand  {row.queue}"
        )
    return 0


def _revert(options: argparse.Namespace) -> int:
    return _told(
        ledger.revert(
            Store.open(),
            options.who,
            dataset=options.dataset,
            sitting=options.sitting,
            person=options.person,
            why=options.why,
        )
    )


def _undo(options: argparse.Namespace) -> int:
    return _told(ledger.undo(Store.open(), options.who, options.batch))


def _told(change: ledger.Change) -> int:
    print(
        f"{len(change.events):,} labels taken back; {len(change.kept):,} samples keep what was said of them "
        f"later; undo {change.batch} brings all back"
    )
    return 0


def _export(options: argparse.Namespace) -> int:
    report = exports.export(
        Store.open(),
        options.dataset,
        options.form,
        options.destination,
        version=options.version,
        since=options.since,
        leave_out=options.leave_out,
        progress=progress.show,
    )
    progress.clear()
    what = "labels" if report.form == "changes" else "samples"
    print(
        f"{report.path}: {report.rows:,} {what}, {report.bytes / 1e6:,.1f} MB, {report.seconds:.1f} s"
        + "".join(f"; left out: {count:,} {reason}" for reason, count in report.left_out.items())
    )
    return 0


def _apply(options: argparse.Namespace) -> int:
    applied = exports.apply_changes(
        Store.open(), options.dataset, options.csv, options.who, overwrite=options.overwrite
    )
    print(
        f"{len(applied.change.events):,} labels changed; {applied.already:,} were so already; "
        f"{applied.differing:,} left alone, since somebody gave them another label; "
        f"{applied.missing:,} not in {options.dataset!r}"
    )
    return 0


def _remove(options: argparse.Namespace) -> int:
    if options.everywhere and options.all:
        raise BadInput(
            "--everywhere goes with --sample or --subject. Received: --all. Leave one of them out."
        )
    if not options.yes:
        raise BadInput(
            "What is deleted cannot be brought back. Received: no --yes. Add it if you mean it; "
            "an export before keeps a copy."
        )
    store, about = Store.open(), {"who": options.who, "why": options.why}
    store.dataset(options.dataset)
    if options.all:
        receipt = removal.remove_dataset(store, options.dataset, **about)
    elif options.subject is not None:
        place = None if options.everywhere else options.dataset
        receipt = removal.remove_subject(store, options.subject, dataset=place, **about)
    else:
        _check_here(store, options.dataset, options.sample)
        receipt = removal.remove(store, options.sample, everywhere=options.everywhere, **about)
    print(
        f"{receipt.at[:19]} UTC: deleted for good {receipt.samples:,} samples and {receipt.pictures:,} "
        f"pictures; {receipt.kept:,} pictures stay, because other samples show them"
    )
    if not receipt.wiped:
        print("the database was in use: freed parts of its file are overwritten at the next deletion")
    return 0


def _check_here(store: Store, dataset: str, samples: list[int]) -> None:
    here = set(versions.manifest(store, dataset)["sample"])
    if strangers := [sample for sample in samples if sample not in here]:
        raise BadInput(
            f"Samples are deleted from their own dataset. Received: {strangers[:5]}, not in {dataset!r}. "
            "Check the numbers; nothing was deleted."
        )
