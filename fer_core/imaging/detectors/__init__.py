"""Face detectors by name. All give boxes in the convention of `faces.Face`, largest face first."""

import importlib
import json
import threading
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from fer_core.errors import FerError, NotFound
from fer_core.imaging.detectors.base import Detector

DEFAULT = "blazeface"


@dataclass(frozen=True)
class DetectorInfo:
    """What a user is told about a detector.

    Attributes:
        name: also its module in this package.
        title: its name on a page.
        sentence: what it is good and bad at, for a lay person.
        licence: of its weights.
    """

    name: str
    title: str
    sentence: str
    licence: str


DETECTORS = MappingProxyType(
    {
        info.name: info
        for info in (
            DetectorInfo(
                "blazeface",
                "BlazeFace",
                "Fast and sure on most photos, also with small or turned faces.",
                "Apache-2.0 (Google MediaPipe)",
            ),
            DetectorInfo(
                "haar",
                "Haar cascade",
                "The classic from 2001: finds frontal faces of any size, and often one where nobody is.",
                "Intel licence, BSD-style (OpenCV)",
            ),
            DetectorInfo(
                "hog",
                "dlib HOG",
                "Frontal faces with hardly a false alarm; slower, and blind to the smallest faces.",
                "Boost Software License 1.0 (dlib)",
            ),
            DetectorInfo(
                "mmod",
                "dlib CNN (mmod)",
                "Sure on large faces, but takes seconds for a photo and misses faces under 80 px.",
                "CC0 (Davis King)",
            ),
            DetectorInfo(
                "yunet",
                "YuNet",
                "Fast and sure; needs a file that does not come with this project.",
                "MIT (Shiqi Yu and others)",
            ),
        )
    }
)


@dataclass(frozen=True)
class Measured:
    """What benchmarks/detectors.py measured of a detector.

    Attributes:
        n: pasted faces that were to be found.
        recall, low, high: share found, 0..1, with its 95 % interval.
        false_alarms_per_photo: boxes where nobody is.
        ms: median milliseconds for a 640x480 photo.
        machine: what it ran on.
    """

    n: int
    recall: float
    low: float
    high: float
    false_alarms_per_photo: float
    ms: float
    machine: str


_ready: dict[str, Detector] = {}
_loading = threading.Lock()


def get(name: str = DEFAULT) -> Detector:
    """The detector of that name; loaded once, then shared by all threads.

    Raises:
        NotFound: no such detector, or a file that it needs is missing.
    """
    if name not in DETECTORS:
        raise NotFound.of("face detector", name, DETECTORS)
    with _loading:
        if name not in _ready:
            # Imported on first use: nobody should wait for four engines in order to use one.
            module = importlib.import_module(f"{__name__}.{name}")
            _ready[name] = Detector(name, DETECTORS[name].title, module.load(), module.LONGEST)
        return _ready[name]


def measured(name: str) -> Measured | None:
    """The figures of a detector; None where it has not been measured.

    Raises:
        NotFound: no such detector.
    """
    if name not in DETECTORS:
        raise NotFound.of("face detector", name, DETECTORS)
    row = _measurements().get(name)
    return None if row is None else Measured(**{field.name: row[field.name] for field in fields(Measured)})


def available() -> dict[str, str | None]:
    """For each detector None where it can be used here, or the reason why not."""
    reasons: dict[str, str | None] = {}
    for name in DETECTORS:
        try:
            get(name)
            reasons[name] = None
        except FerError as error:
            reasons[name] = str(error)
    return reasons


@lru_cache(maxsize=1)
def _measurements() -> dict[str, dict]:
    file = Path(__file__).with_name("measured.json")
    return json.loads(file.read_text(encoding="utf-8"))["detectors"] if file.is_file() else {}
