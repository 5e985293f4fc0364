"""Who is who from frame to frame: each face keeps its number and colour while it is in the picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core import labels
from fer_core.imaging.faces import Box, Face

LOST = 1.0
"""Seconds after which a face that is not found again is somebody else when it comes back."""

_HOLD, _GONE = 0.3, 1.0
"""Seconds since it was last found after which a box begins to fade (a detector may miss a face for a
moment), and has gone: nobody sees an old answer, even where the number is kept for longer."""

_AHEAD = 0.15
"""Seconds for which a face is thought to go on as it went: people stop sooner than lines do."""

_STEADY = 0.04
"""Seconds, time constant of a box: detectors tremble by a pixel or two."""

_PACE = 0.1
"""Seconds, time constant of a velocity."""

_REACH, _REACH_A_SECOND, _FARTHEST = 0.6, 2.0, 1.2
"""How far from where it was expected a face may be found, in its own sides: at once, more for every second
since, and at most. Two heads side by side are about 1.5 sides apart."""

_COLOURS = tuple(labels.COLOURS.values())


@dataclass(frozen=True, eq=False)
class Track:
    """One face over time.

    Attributes:
        number: from 1 in the order of coming; never given twice.
        face: as the detector found it last, px.
        box: the same place, steadied, px.
        velocity: (2,) float, right and down, px a second.
        first, seen: when it was found first and last, s.
    """

    number: int
    face: Face
    box: Box
    velocity: np.ndarray
    first: float
    seen: float

    @property
    def colour(self) -> str:
        """Hex, the same for the whole track; eight differ, then they begin again."""
        return _COLOURS[(self.number - 1) % len(_COLOURS)]

    def moved(self, at: float) -> Box:
        """Where the box should be at a moment, px."""
        ahead = min(max(at - self.seen, 0.0), _AHEAD)
        right, down = (float(v) * ahead for v in self.velocity)
        return replace(self.box, x=self.box.x + right, y=self.box.y + down)

    def strength(self, at: float) -> float:
        """How much of the box to show, 1 to 0: it fades while nobody finds the face."""
        return min(1.0, max(0.0, (_GONE - (at - self.seen)) / (_GONE - _HOLD)))


class Tracker:
    """Gives every face of a stream the number that it had. For one thread."""

    def __init__(self, lost: float = LOST):
        self._lost = lost
        self._tracks: list[Track] = []
        self._given = 0
        self._at = -math.inf

    def update(self, faces: Sequence[Face], at: float) -> list[Track]:
        """Take the faces of a frame in.

        Args:
            at: when the frame was taken, s. A clock that is set back moves the tracks with it.

        Returns:
            The tracks by number: those found now have `seen == at`; the others are missed for a moment.
        """
        if at < self._at:
            self._set_back(self._at - at)
        self._at = at
        found = self._matched(faces, at)
        tracks = []
        for place, track in enumerate(self._tracks):
            if place in found:
                tracks.append(_followed(track, faces[found[place]], at))
            elif at - track.seen <= self._lost:
                tracks.append(track)
        for place in sorted(set(range(len(faces))) - set(found.values())):
            self._given += 1
            face = faces[place]
            tracks.append(Track(self._given, face, face.box, np.zeros(2), at, at))
        self._tracks = tracks
        return list(tracks)

    def _matched(self, faces: Sequence[Face], at: float) -> dict[int, int]:
        """Which track (its place) each face (its place) belongs to: nearest pairs first."""
        pairs = []
        for place, track in enumerate(self._tracks):
            expected = track.moved(at)
            reach = min(_REACH + _REACH_A_SECOND * (at - track.seen), _FARTHEST)
            for other, face in enumerate(faces):
                apart = _apart(expected, face.box)
                if apart <= reach:
                    pairs.append((apart, place, other))
        found: dict[int, int] = {}
        for _, place, other in sorted(pairs):
            if place not in found and other not in found.values():
                found[place] = other
        return found

    def _set_back(self, by: float) -> None:
        self._tracks = [replace(t, first=t.first - by, seen=t.seen - by) for t in self._tracks]


def _apart(one: Box, other: Box) -> float:
    """Distance of two boxes in their mean side, where twice the size counts like 0.7 sides."""
    (x, y), (u, v) = one.centre, other.centre
    side, other_side = max(one.width, one.height), max(other.width, other.height)
    return math.hypot(u - x, v - y) / ((side + other_side) / 2) + abs(math.log(side / other_side))


def _followed(track: Track, face: Face, at: float) -> Track:
    """The track after its face was found again: an alpha-beta filter with time constants in seconds."""
    gap = at - track.seen
    if gap <= 0:
        return replace(track, face=face, box=face.box, seen=at)
    expected, weight = track.moved(at), 1 - math.exp(-gap / _STEADY)
    box = Box(*(e + weight * (m - e) for e, m in zip(_numbers(expected), _numbers(face.box), strict=True)))
    moved = np.subtract(face.box.centre, track.box.centre) / gap
    velocity = track.velocity + (1 - math.exp(-gap / _PACE)) * (moved - track.velocity)
    return replace(track, face=face, box=box, velocity=velocity, seen=at)


def _numbers(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height
