"""FER2013's csv: emotion, pixels and Usage, for small square grey pictures and its seven classes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.selection import Sample, Selection
from fer_core.dataset.importers.ferplus import SPLIT_OF_USAGE
from fer_core.errors import BadInput
from fer_core.imaging.decode import decode_image
from fer_core.labels import FER7

_RULE = "FER2013's csv holds square grey pictures of one size in seven classes and three splits."
_USAGES = {split: usage for usage, split in SPLIT_OF_USAGE.items()}
_NUMBERS = {name: str(number) for number, name in enumerate(FER7.names)}
_TEXTS = [str(value) for value in range(256)]


def _write(selection: Selection, path: Path, ending: str) -> None:
    fits = _checked(selection)
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("emotion,pixels,Usage\n")
        for group in selection.groups():
            for sample, data in group:
                if fits(sample):
                    continue
                grey = _grey(data)
                if grey is None:
                    selection.refuse(_RULE, Counter({"in colour (this is the first)": 1}))
                    continue
                pixels = " ".join(map(_TEXTS.__getitem__, grey.tobytes()))
                file.write(f"{_NUMBERS[sample.label or '']},{pixels},{_USAGES[sample.split]}\n")
                selection.rows += 1


def _checked(selection: Selection) -> Callable[[Sample], str]:
    """Why a sample cannot be in the csv ("" if it can), after a first look through all of them."""
    sides = Counter(s.width for s in selection.samples() if s.width == s.height)
    side = sides.most_common(1)[0][0] if sides else 0

    def fits(sample: Sample) -> str:
        if sample.width != sample.height:
            return "not square"
        if sample.width != side:
            return f"of another size than {side} px"
        if sample.label not in _NUMBERS:
            return f"labelled {sample.label}" if sample.label else "without a label"
        return "" if sample.split in _USAGES else "without a split"

    problems = Counter(fits(sample) for sample in selection.samples())
    del problems[""]
    selection.refuse(_RULE, problems)
    if selection.total and sum(problems.values()) == selection.total:
        raise BadInput(f"{_RULE} Received: no sample that fits. Choose another form; nothing was written.")
    return fits


def _grey(data: bytes) -> np.ndarray | None:
    """(H, W) uint8, or None for a picture in colour."""
    image = decode_image(data)
    grey = np.ascontiguousarray(image[:, :, 0])
    same = (image[:, :, 1] == grey).all() and (image[:, :, 2] == grey).all()
    return grey if same else None


FORM = Export(
    key="fer2013",
    title="FER2013 csv",
    sentence="One csv of emotion, pixels, Usage: for square grey pictures of one size in its seven classes.",
    endings=(".csv",),
    write=_write,
)
