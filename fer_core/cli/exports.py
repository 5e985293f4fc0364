"""Commands on model files: export-model, import-model."""

import argparse
import shutil
from pathlib import Path

from fer_core import labels
from fer_core.errors import BadInput, StorageError
from fer_core.evaluation import golden
from fer_core.zoo import export, incoming


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("export-model", help="take a model along, checked, with an example of its use")
    add.add_argument("model", metavar="ID", help="id of a model (see: models)")
    add.add_argument("--form", default="keras", choices=list(export.FORMS))
    add.add_argument("--tensorboard", action="store_true", help="with the curves of its run")
    add.add_argument("--to", type=Path, default=Path(), metavar="PATH", help="folder or file of the archive")
    add.set_defaults(run=_export)

    add = commands.add_parser(
        "import-model", help="look at an .h5 or .keras of your own; with --classes, put it into the library"
    )
    add.add_argument("file", type=Path)
    add.add_argument("--classes", metavar="A,B,…", help="in the order of the outputs")
    add.add_argument("--colour", default="grey", choices=list(incoming.COLOURS))
    add.add_argument("--scale", default="0..1", choices=list(incoming.SCALES))
    add.add_argument("--title", help="its name for people")
    add.add_argument("--trained-on", default="", metavar="WHAT")
    add.add_argument("--licence", default="")
    add.set_defaults(run=_import)


def _export(options: argparse.Namespace) -> int:
    made = export.export(options.model, options.form, log=options.tensorboard)
    target = options.to / made.path.name if options.to.is_dir() else options.to
    try:
        shutil.copyfile(made.path, target)
    except OSError as error:
        raise StorageError(f"--to is a place to write to. Received: {target} ({error.strerror}).") from error
    print(f"{target}: off by at most {made.difference:.1e} on {made.probes} stored inputs")
    return 0


def _import(options: argparse.Namespace) -> int:
    if not options.file.is_file():
        raise BadInput(f"A model is a file. Received: {options.file}, where none is.")
    known = golden.faces()
    found = incoming.look(options.file, known.pictures)
    print(
        f"{found.side} × {found.side} px, {found.channels} channels, {found.outputs} outputs, "
        f"{found.parameters:,} weights{', rescales by itself' if found.rescales else ''}"
    )
    if not options.classes:
        print("--classes names the outputs in their order; then it is put into the library")
        return 0
    names = tuple(labels.canonical(name) for name in options.classes.split(","))
    declared = incoming.Declared(
        names,
        options.colour,
        options.scale,
        options.title or options.file.stem,
        options.trained_on,
        options.licence,
    )
    incoming.fits(found, declared)
    chosen = golden.fit(found.answers, (options.colour, options.scale), names, known.truth)
    print(f"{chosen.accuracy:.0%} of {len(chosen.right)} golden faces come out right (drawings: only a hint)")
    for other in golden.better(found.answers, chosen, known.truth)[:3]:
        print(
            f"as {' '.join(other.way)}, {','.join(other.names)}: {other.accuracy:.0%}; is one of these meant?"
        )
    print(f"in the library as {incoming.store(options.file, found, declared).id}")
    return 0
