"""What a video showed of each face that was followed: told while it is read, kept as JSON."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from PIL import Image

from fer_core.imaging.decode import encode_jpeg
from fer_core.imaging.faces import Box
from fer_core.inference.following import LiveFace
from fer_core.labels import LabelSet

SCHEMA_VERSION = 1

_PORTRAIT = 96
"""px, side of a portrait."""

_AROUND = 1.3
"""Side of a portrait as a multiple of the face's."""

_WORTH = 0.02
"""By how much a peak must be exceeded before another portrait is made."""


@dataclass(frozen=True)
class Peak:
    """The moment at which a face looked so most.

    Attributes:
        probability: smoothed and calibrated.
        at: s.
        portrait: JPEG of the face at that moment or one a little below it.
    """

    probability: float
    at: float
    portrait: bytes = field(repr=False)


@dataclass(frozen=True)
class Person:
    """One face that was followed. Somebody who left and came back is another one: nobody is recognised.

    Attributes:
        number: as on the annotated video.
        first, last: when it was found first and last, s.
        looks: how often it was looked at.
        shares: expression -> share of the looks at which it looked so, 0..1; what is missing is "can't tell".
        means: expression -> mean probability.
        peaks: expression -> where its probability was highest.
        valence, arousal: means, -1..1, derived from the probabilities; None where they cannot be.
    """

    number: int
    first: float
    last: float
    looks: int
    shares: Mapping[str, float]
    means: Mapping[str, float]
    peaks: Mapping[str, Peak]
    valence: float | None
    arousal: float | None

    @property
    def unsure(self) -> float:
        """Share of the looks at which the model could not tell, 0..1."""
        return max(0.0, 1 - sum(self.shares.values()))

    @property
    def foremost(self) -> str:
        """The expression that it showed most."""
        return max(self.means, key=lambda name: self.means[name])


@dataclass(frozen=True)
class Summary:
    """What came of a video.

    Attributes:
        seconds: how much of it was read, s.
        frames: how many were written.
        stopped: whether somebody stopped it before its end.
        breaks_off: whether its frames end long before the file says.
        sound: codec of the original's sound; None where it has none.
        every: s between two looks for faces.
        took: s of work.
        people: by number.
    """

    seconds: float
    frames: int
    stopped: bool
    breaks_off: bool
    width: int
    height: int
    sound: str | None
    model: str
    detector: str
    labels: tuple[str, ...]
    every: float
    took: float
    people: tuple[Person, ...]


class Notes:
    """What is known so far of one face. Memory does not grow with the looks."""

    def __init__(self, number: int, label_set: LabelSet):
        self._number, self._labels = number, label_set
        self._first = self._last = 0.0
        self._looks = 0
        self._looked = np.zeros(len(label_set))
        self._sum = np.zeros(len(label_set))
        self._affect, self._affects = np.zeros(2), 0
        self._peaks: dict[str, Peak] = {}

    def add(self, image: np.ndarray, face: LiveFace) -> None:
        """Take one look in: the face as it was found in the frame, (H, W, 3) uint8 RGB."""
        if face.verdict is None or face.probabilities is None:
            return
        at, probabilities = face.track.seen, face.probabilities
        if not self._looks:
            self._first = at
        self._last = at
        self._looks += 1
        self._looked[self._labels.names.index(face.verdict.label)] += face.verdict.sure
        self._sum += probabilities
        if face.affect is not None and np.isfinite(face.affect).all():
            self._affect += face.affect
            self._affects += 1
        portrait = b""
        for name, value in zip(self._labels.names, map(float, probabilities), strict=True):
            peak = self._peaks.get(name)
            if peak is not None and value <= peak.probability:
                continue
            if peak is None or value > peak.probability + _WORTH:
                portrait = portrait or _portrait(image, face.track.face.box)
                self._peaks[name] = Peak(value, at, portrait)
            else:
                self._peaks[name] = Peak(value, at, peak.portrait)

    def person(self) -> Person:
        """The face as it is known now."""
        names = self._labels.names
        valence, arousal = self._affect / self._affects if self._affects else (None, None)
        return Person(
            self._number,
            self._first,
            self._last,
            self._looks,
            dict(zip(names, (self._looked / self._looks).tolist(), strict=True)),
            dict(zip(names, (self._sum / self._looks).tolist(), strict=True)),
            dict(self._peaks),
            None if valence is None else float(valence),
            None if arousal is None else float(arousal),
        )


def as_json(summary: Summary) -> dict:
    """Everything but the video and its table, for a file."""
    content = asdict(summary)
    for person in content["people"]:
        for peak in person["peaks"].values():
            peak["portrait"] = base64.b64encode(peak["portrait"]).decode("ascii")
    return {"schema_version": SCHEMA_VERSION, **content}


def from_json(content: dict) -> Summary:
    """The summary that `as_json` made a dictionary of; raises KeyError or TypeError for another one."""
    values = {key: value for key, value in content.items() if key != "schema_version"}
    people = tuple(
        Person(
            **{
                **person,
                "peaks": {
                    name: Peak(peak["probability"], peak["at"], base64.b64decode(peak["portrait"]))
                    for name, peak in person["peaks"].items()
                },
            }
        )
        for person in values.pop("people")
    )
    return Summary(**{**values, "labels": tuple(values["labels"]), "people": people})


def _portrait(image: np.ndarray, box: Box) -> bytes:
    """A small picture of a face; black where its square reaches past the frame."""
    square = box.square(_AROUND)
    side, left, top = max(1, round(square.width)), round(square.x), round(square.y)
    # Only the part that is needed becomes a picture: a frame may be large.
    x, y = max(0, left), max(0, top)
    part = Image.fromarray(image[y : max(y, top + side), x : max(x, left + side)])
    cut = part.crop((left - x, top - y, left - x + side, top - y + side))
    cut.thumbnail((_PORTRAIT, _PORTRAIT))
    return encode_jpeg(np.array(cut), 85)
