"""Commands on class sets and the models taught from them: fewshot make, list, add, teach, neutral, export,
import."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.cli import progress
from fer_core.dataset.importers import lists, source
from fer_core.dataset.importers.source import Source
from fer_core.dataset.store import SPLITS, Store
from fer_core.errors import BadInput, Conflict, StorageError
from fer_core.fewshot import classes, from_dataset, model, personal, sets, sharing
from fer_core.fewshot import teach as teaching
from fer_core.fewshot.classes import Added
from fer_core.fewshot.sets import Example
from fer_core.fewshot.teach import Look
from fer_core.imaging.decode import decode_image
from fer_core.inference.predictor import Predictor
from fer_core.zoo import head, library

LARGEST = 64 << 20
"""Bytes of a photo's file."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    part = commands.add_parser("fewshot", help="teach classes of your own from a few photos each")
    verbs = part.add_subparsers(required=True, metavar="VERB")

    add = verbs.add_parser("make", help="a set, and a model taught from it, from a folder a class")
    add.add_argument(
        "folder", type=Path, help="or an archive; photos are taken into the class of their folder"
    )
    add.add_argument("--name", required=True)
    _how_found(add)
    _how_taught(add)
    add.set_defaults(run=_make)

    add = verbs.add_parser("add", help="put photos, or pictures of a dataset, into a class")
    add.add_argument("set", metavar="ID")
    add.add_argument("class_name", metavar="CLASS")
    add.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    add.add_argument(
        "--data", metavar="NAME", help="a dataset to draw from instead; its pictures are taken whole"
    )
    add.add_argument("--label", help="of the pictures that are drawn (default: the class's name)")
    add.add_argument("--count", type=int, default=8)
    add.add_argument("--split", choices=SPLITS, default="train")
    _how_found(add)
    add.set_defaults(run=_add)

    add = verbs.add_parser("teach", help="make a set's model, or make it anew")
    add.add_argument("set", metavar="ID")
    _how_taught(add)
    add.set_defaults(run=_teach)

    add = verbs.add_parser("neutral", help="shift a model for one person by photos of their face at rest")
    add.add_argument("model", metavar="MODEL")
    add.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    add.add_argument("--name", required=True, help="of the person")
    _how_found(add)
    add.set_defaults(run=_neutral)

    verbs.add_parser("list", help="list class sets").set_defaults(run=_list)

    add = verbs.add_parser("export", help="a set with its photos as a zip")
    add.add_argument("set", metavar="ID")
    add.add_argument("file", type=Path, metavar="FILE.zip")
    add.set_defaults(run=_export)

    add = verbs.add_parser("import", help="take in a set that was exported")
    add.add_argument("file", type=Path, metavar="FILE.zip")
    add.set_defaults(run=_import)


def _how_found(add: argparse.ArgumentParser) -> None:
    add.add_argument("--whole", action="store_true", help="the photos are faces already: look for none")


def _how_taught(add: argparse.ArgumentParser) -> None:
    add.add_argument("--base", metavar="MODEL", help="whose features are used (see: models)")
    add.add_argument("--kind", choices=head.KINDS, help="default: what is right most often")
    add.add_argument("--no-unknown", action="store_true", help="one of the classes, whatever the face")


def _make(options: argparse.Namespace) -> int:
    base = model.base(options.base or library.default_id() or "")
    with source.open_source(options.folder) as photos:
        found = _by_class(photos)
        if not 2 <= len(found) <= sets.MOST_CLASSES:
            raise BadInput(
                f"A set is made of 2 to {sets.MOST_CLASSES} folders, one a class, with its photos in it. "
                f"Received: {options.folder}, with {len(found)}."
            )
        made = classes.create(options.name, base.card.id)
        print(f"set {made.id}")
        for name, paths in found.items():
            _put(made.id, name, photos, paths, options.whole)
    return _taught(made.id, base, options)


def _by_class(photos: Source) -> dict[str, list[str]]:
    """The pictures by the class that their folder names; says what is passed over."""
    found: dict[str, list[str]] = {}
    for entry in photos.entries:
        folder = PurePosixPath(entry.path).parent.name
        if not source.is_picture(entry.path):
            print(f"! {entry.path}: no picture")
        elif not folder:
            print(f"! {entry.path}: it lies in no class's folder")
        else:
            found.setdefault(sets.usable(folder), []).append(entry.path)
    for what, paths in photos.problems.items():
        print(f"! {what}: {lists.few(paths)}")
    return found


def _put(set_id: str, name: str, photos: Source, paths: Sequence[str], whole: bool) -> None:
    """Photos into a class one by one, so that a bad one, or one of another class, stops no other."""
    taken: list[Example] = []
    refused: list[tuple[str, str]] = []
    notes: list[str] = []
    for number, (path, give) in enumerate(photos.pending(paths, LARGEST), 1):
        progress.show(number, len(paths), path)
        try:
            added = classes.add(set_id, name, [(path, give())], whole=whole)
        except (BadInput, Conflict) as error:
            refused.append((path, str(error)))
            continue
        taken += added.taken
        refused += added.refused
        notes += added.notes
    progress.clear()
    _say_added(name, Added(tuple(taken), tuple(refused), tuple(notes)))


def _say_added(name: str, added: Added) -> None:
    print(f"{name}: {len(added.taken):,} taken")
    for note in added.notes:
        print(f"  {note}")
    for picture, reason in added.refused:
        print(f"! {picture}: {reason}")


def _add(options: argparse.Namespace) -> int:
    name = sets.usable(options.class_name)
    if bool(options.photos) == bool(options.data):
        raise BadInput("Examples are photos, or come with --data from a dataset. Received: both or neither.")
    if options.data:
        store = Store.open()
        drawn = from_dataset.drawn(store, options.data, options.label or name, options.count, options.split)
        _say_added(name, from_dataset.add(store, options.data, options.set, name, drawn))
        return 0
    with source.open_source(options.photos) as photos:
        _put(options.set, name, photos, [entry.path for entry in photos.entries], options.whole)
    return 0


def _teach(options: argparse.Namespace) -> int:
    base = model.base(options.base or classes.load(options.set).base)
    return _taught(options.set, base, options)


def _taught(set_id: str, base: Predictor, options: argparse.Namespace) -> int:
    """Make the model, and say what is known of it."""
    card = teaching.teach(set_id, base.card.id, options.kind, not options.no_unknown, predictor=base)
    _say_look(teaching.look(set_id, base.card.id, predictor=base), card.training["taught"]["kind"])
    print(f"model {card.id}")
    return 0


def _say_look(seen: Look, kind: str) -> None:
    print("each photo left out in turn:")
    for name, score in seen.scores.items():
        share = (
            f"{score.right} of {score.n} ({score.low:.0%} to {score.high:.0%})" if score.n else "not asked"
        )
        print(f"  {name}: {share}{', taken' if name == kind else ''}")
    for place in seen.confusing:
        print(
            f"  {place.example.source} ({place.class_name}) is nearer to {place.other_class}: "
            f"{place.other_distance:.2f}, to its own {place.own_distance:.2f}"
        )


def _neutral(options: argparse.Namespace) -> int:
    with source.open_source(options.photos) as photos:
        paths = [entry.path for entry in photos.entries]
        pictures = [(path, _decoded(path, give)) for path, give in photos.pending(paths, LARGEST)]
    card = personal.calibrate(options.model, pictures, options.name, whole=options.whole)
    print(f"model {card.id}")
    return 0


def _decoded(path: str, give: Callable[[], bytes]) -> np.ndarray:
    try:
        return decode_image(give())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def _list(options: argparse.Namespace) -> int:
    for one in classes.all_sets():
        counts = ", ".join(f"{len(each.examples):,} {each.name}" for each in one.classes) or "empty"
        print(f"{one.id}  {one.title}  {counts}")
    return 0


def _export(options: argparse.Namespace) -> int:
    data = sharing.exported(options.set)
    try:
        options.file.write_bytes(data)
    except OSError as error:
        raise StorageError(
            f"A set is exported to a file. Received: {options.file} ({error.strerror}). Choose another place."
        ) from error
    print(f"{options.file}: {len(data):,} bytes")
    return 0


def _import(options: argparse.Namespace) -> int:
    print(f"set {sharing.taken_in(options.file).id}")
    return 0
