"""The command line: a thin layer of words over the engine. `python -m fer_core --help` lists it."""

import argparse
import sys
from collections.abc import Sequence

from fer_core import __version__
from fer_core.cli import (
    data,
    evaluation,
    exports,
    fewshot,
    findings,
    limits,
    models,
    people,
    photos,
    suspects,
    versions,
    video,
)
from fer_core.errors import FerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when not, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "fer_core", description="Facial expressions: data, training, prediction."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (
        photos,
        video,
        data,
        findings,
        suspects,
        people,
        versions,
        models,
        fewshot,
        evaluation,
        limits,
        exports,
    ):
        part.add_commands(commands)
    return parser
