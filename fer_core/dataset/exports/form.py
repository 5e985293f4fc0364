"""What a form of export is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fer_core.dataset.exports.selection import Selection


@dataclass(frozen=True)
class Export:
    """One form in which a dataset can be taken along.

    Attributes:
        key: its name on the command line.
        title: its name for people.
        sentence: what it holds and what it is for, in one sentence.
        endings: of the destination; "" is a folder. The first is what a download gets.
        write: (selection, path to write, ending).
    """

    key: str
    title: str
    sentence: str
    endings: tuple[str, ...]
    write: Callable[[Selection, Path, str], None]
