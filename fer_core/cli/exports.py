"""Commands on model files: export-model, import-model."""

import argparse
import shutil
from pathlib import Path

from fer_core.errors import StorageError
from fer_core.zoo import export


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("export-model", help="take a model along, checked, with an example of its use")
    add.add_argument("model", metavar="ID", help="id of a model (see: models)")
    add.add_argument("--form", default="keras", choices=list(export.FORMS))
    add.add_argument("--tensorboard", action="store_true", help="with the curves of its run")
    add.add_argument("--to", type=Path, default=Path(), metavar="PATH", help="folder or file of the archive")
    add.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    made = export.export(options.model, options.form, log=options.tensorboard)
    target = options.to / made.path.name if options.to.is_dir() else options.to
    try:
        shutil.copyfile(made.path, target)
    except OSError as error:
        raise StorageError(f"--to is a place to write to. Received: {target} ({error.strerror}).") from error
    print(f"{target}: off by at most {made.difference:.1e} on {made.probes} stored inputs")
    return 0
