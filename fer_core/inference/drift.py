"""Boxes that stay on their faces while a slow detector is still looking: optical flow from frame to frame."""

import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from fer_core.imaging.detectors.base import shrunk
from fer_core.imaging.faces import Box
from fer_core.inference.following import LiveFace

_LONGEST = 320
"""px of the copy in which the flow is looked for."""

_GRID = 5
"""Points a side, in the middle of each face."""

_WINDOW, _LEVELS = (15, 15), 2
"""px and pyramid: motions of up to some 30 px of the copy from one frame to the next."""

_KEPT = 300
"""Frames whose flow is remembered: seconds of it, longer than any box is shown."""


class Drift:
    """Where faces have gone since they were seen. For one thread, and every frame in order.

    Source: Lucas & Kanade 1981 in pyramids (Bouguet 2001), as in OpenCV; a face's way is the median of
    its points' ways (as in Kalal et al. 2010, Forward-backward error, the median flow tracker).
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: frames were left out."""
        self._before: np.ndarray | None = None
        # When each frame was taken, and by how many px of it each face moved since the one before.
        self._ways: deque[tuple[float, dict[int, np.ndarray]]] = deque(maxlen=_KEPT)

    def follow(self, frame: np.ndarray, faces: Sequence[LiveFace], at: float) -> tuple[LiveFace, ...]:
        """The faces where they are in this frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            faces: as they were seen last, at most a few frames ago.
            at: when the frame was taken, s.
        """
        grey = cv2.cvtColor(shrunk(frame, _LONGEST), cv2.COLOR_RGB2GRAY)
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape or (self._ways and at < self._ways[-1][0]):
            self._ways.clear()
            return tuple(faces)
        places = [self._now(face) for face in faces]
        scale = max(frame.shape[:2]) / max(grey.shape)
        steps = _steps(before, grey, [face.track.box for face in places], scale)
        self._ways.append((at, {face.track.number: step for face, step in zip(faces, steps, strict=True)}))
        return tuple(_shifted(face, step) for face, step in zip(places, steps, strict=True))

    def _now(self, face: LiveFace) -> LiveFace:
        """The face where it was in the frame before this one."""
        number, seen = face.track.number, face.track.seen
        since = itertools.takewhile(lambda way: way[0] > seen, reversed(self._ways))
        return _shifted(face, sum((ways[number] for _, ways in since if number in ways), np.zeros(2)))


def _steps(before: np.ndarray, grey: np.ndarray, boxes: Sequence[Box], scale: float) -> list[np.ndarray]:
    """(2,) px of the frame, right and down, for each box: the median of its points."""
    if not boxes:
        return []
    grid = (np.mgrid[0:_GRID, 0:_GRID].reshape(2, -1).T[:, ::-1] + 0.5) / _GRID
    # The middle three fifths of a box show the face alone, and no background.
    inner = 0.2 + 0.6 * grid
    points = np.concatenate([np.array([b.x, b.y]) + inner * np.array([b.width, b.height]) for b in boxes])
    start = (points / scale).astype(np.float32)[:, None]
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before, grey, start, start.copy(), winSize=_WINDOW, maxLevel=_LEVELS
    )
    ways = (end - start)[:, 0] * scale
    steps = []
    for place, box in enumerate(boxes):
        rows = slice(place * _GRID**2, (place + 1) * _GRID**2)
        good = ways[rows][found[rows, 0] == 1]
        step = np.median(good, axis=0) if len(good) else np.zeros(2)
        # Nobody jumps by half a face between two frames; a wrong match does.
        steps.append(step if math.hypot(*step) <= 0.5 * max(box.width, box.height) else np.zeros(2))
    return steps


def _shifted(face: LiveFace, by: np.ndarray) -> LiveFace:
    """The face elsewhere, and standing still there: the flow says it all."""
    right, down = map(float, by)
    box = face.track.box
    track = replace(face.track, box=replace(box, x=box.x + right, y=box.y + down), velocity=np.zeros(2))
    points = None if face.points is None else face.points + by.astype(np.float32)
    return replace(face, track=track, points=points)
