"""JAFFE: the file's name says who is shown and with which expression."""

import re
from collections.abc import Iterator

from fer_core import labels
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.source import Source, is_picture
from fer_core.labels import FER7

OTHER = "pictures whose name does not say what they show; left out"

_NAME = re.compile(r"(?:^|/)([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)\d?\.\d+\.[a-z]+$", re.IGNORECASE)
"""KA.AN1.39.tiff. Source: Lyons et al. 1998, doi:10.1109/AFGR.1998.670949, and the set's readme."""


def _fits(source: Source) -> int:
    pictures = [entry.path for entry in source.entries if is_picture(entry.path)]
    named = sum(_NAME.search(path) is not None for path in pictures)
    if named and any(
        labels.canonical(path.split("/")[-2]) in labels.ALIASES for path in pictures if "/" in path
    ):
        return 3  # somebody has sorted them since, perhaps under other labels
    return 9 if named and named * 2 > len(pictures) else 1 if named else 0


def _read(source: Source) -> Reading:
    def found() -> Iterator[Found]:
        for entry in source.entries:
            if is_picture(entry.path) and (match := _NAME.search(entry.path)):
                yield Found(entry.path, entry.path, match[2].upper(), subject=match[1].upper())

    others = [e.path for e in source.entries if is_picture(e.path) and not _NAME.search(e.path)]
    return Reading(found, label_set=FER7, problems={OTHER: others} if others else {})


FORM = Form(
    key="jaffe",
    title="JAFFE",
    sentence="Pictures named by person, expression and number: KA.AN1.39.tiff.",
    fits=_fits,
    read=_read,
)
