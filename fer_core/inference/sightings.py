"""What a camera saw, kept small: at most 10 rows a second and face, and an hour of four faces."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.imaging.faces import Box

_APART = 0.095
"""Seconds between two rows of a face; a little under a tenth, or 30 fps would give 7.5 rows a second."""

MOST_ROWS = 4 * 10 * 3600
"""Rows that are kept, about 160 bytes each; older ones go."""

_FIRST = ("seconds", "face", "sure", "x", "y", "width", "height", "valence", "arousal")
"""Columns in front of the probabilities."""


@dataclass(frozen=True)
class Sighting:
    """What was read of one face in one frame.

    Attributes:
        number: of its track.
        box: px of the frame as taken.
        sure: False where the answer was "can't tell".
        valence, arousal: -1..1; nan where there are none.
        probabilities: (K,) smoothed; empty from a model of valence and arousal.
    """

    number: int
    box: Box
    sure: bool
    valence: float
    arousal: float
    probabilities: np.ndarray


@dataclass(frozen=True)
class _Kind:
    """What rows that follow each other share."""

    labels: tuple[str, ...]
    model: str
    detector: str


class Sightings:
    """The log of a session. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._rows: deque[tuple[_Kind, bytes]] = deque(maxlen=MOST_ROWS)
        self._last: Mapping[int, float] = {}
        self._start: tuple[float, float] | None = None
        self._lock = threading.Lock()

    def add(
        self, at: float, faces: list[Sighting], labels: tuple[str, ...], model: str, detector: str
    ) -> None:
        """Take in what one frame showed.

        Args:
            at: when it was taken, s of a steady clock.
            labels: the order of the probabilities; empty from a model of valence and arousal.
        """
        kind = _Kind(labels, model, detector)
        with self._lock:
            if self._start is None:
                self._start = at, time.time()
            due = [f for f in faces if not 0 <= at - self._last.get(f.number, -np.inf) < _APART]
            for face in due:
                box = face.box
                values = (at - self._start[0], face.number, face.sure, box.x, box.y, box.width, box.height)
                row = np.array([*values, face.valence, face.arousal, *face.probabilities], np.float32)
                self._rows.append((kind, row.tobytes()))
            # Whoever left is forgotten: their number never comes again.
            self._last = {f.number: at if f in due else self._last[f.number] for f in faces}

    def table(self, seconds: float | None = None) -> pd.DataFrame:
        """The rows in the order of coming.

        Args:
            seconds: only as long back from the newest row; None for all that is kept.

        Returns:
            time (UTC), seconds (since the first row), face (its number), looks (most probable expression;
            missing from a model of valence and arousal), sure, x, y, width, height (px), valence, arousal,
            a column for each expression (missing where the model did not know it), model, detector.
        """
        with self._lock:
            rows = list(self._rows) if seconds is None else self._tail(seconds)
            began = self._start[1] if self._start else 0.0
        parts = [
            _part(kind, [row for _, row in group]) for kind, group in itertools.groupby(rows, lambda r: r[0])
        ]
        table = pd.concat(parts, ignore_index=True) if parts else _part(_Kind((), "", ""), [])
        table.insert(
            0,
            "time",
            pd.to_datetime(began + table["seconds"].astype(float), unit="s", utc=True).dt.round("ms"),
        )
        words = ["model", "detector"]
        return table[[name for name in table.columns if name not in words] + words]

    def _tail(self, seconds: float) -> list[tuple[_Kind, bytes]]:
        newest = _seconds(self._rows[-1]) if self._rows else 0.0
        rows = list(itertools.takewhile(lambda row: _seconds(row) >= newest - seconds, reversed(self._rows)))
        return rows[::-1]


def _seconds(row: tuple[_Kind, bytes]) -> float:
    return float(np.frombuffer(row[1], np.float32, 1)[0])


def _part(kind: _Kind, rows: list[bytes]) -> pd.DataFrame:
    """A table of rows of one kind."""
    columns = [*_FIRST, *kind.labels]
    values = np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), len(columns))
    table = pd.DataFrame(values.round(4), columns=columns)
    table = table.astype({"face": int, "sure": bool})
    looks = [kind.labels[place] for place in values[:, len(_FIRST) :].argmax(axis=1)] if kind.labels else None
    table.insert(2, "looks", pd.Series(looks, index=table.index, dtype="str"))
    return table.assign(model=kind.model, detector=kind.detector)
