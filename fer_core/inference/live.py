"""Beside a camera, which does not wait: what is known is drawn on each frame at once, and a thread reads the
newest frame at its own pace. Nothing queues, nothing blocks."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.errors import BadInput, FerError
from fer_core.imaging.detectors.base import Detector, shrunk
from fer_core.inference.drift import Drift
from fer_core.inference.following import Follower, LiveFace, LiveSettings, Look, Setup, drawn
from fer_core.inference.predictor import Predictor
from fer_core.inference.recording import Recording
from fer_core.inference.sightings import Sighting, Sightings

LONGEST = 1280
"""px: larger frames, a 4K camera's too, are shrunk to this before all else: read, shown and recorded."""

BURST, APART = 5, 0.5
"""Frames that are kept to choose faces from, and seconds between them: one breath of an expression."""

_IDLE = 5.0
"""Seconds without a frame after which the thread ends by itself; the next frame starts another."""

_CLOSING = 5.0
"""Seconds that `close` waits for a look that is under way."""

_SLOW = 60.0
"""ms of a look from which faces are followed by optical flow meanwhile: two frames of a camera. What looks
faster is as exact without (benchmarks/live.py), and the flow takes half a millisecond of each picture."""

_OVER = 2.0
"""Seconds over which frames a second are counted."""


@dataclass(frozen=True, eq=False)
class State:
    """How a session is doing.

    Attributes:
        look: what the newest frame that was read showed; None before the first, and while there is trouble.
        fps, looks: frames shown and frames read a second, over the last 2 s.
        shown, read, dropped: frames since the start; a dropped one was shown, but never read.
        draw: ms that the last `show` took.
        trouble: why frames are not read or recorded, in words; None where all is well. The picture goes on.
        recording: s of video recorded so far; None where none was begun.
    """

    look: Look | None
    fps: float
    looks: float
    shown: int
    read: int
    dropped: int
    draw: float
    trouble: str | None
    recording: float | None

    @property
    def faces(self) -> tuple[LiveFace, ...]:
        """The faces of the look."""
        return self.look.faces if self.look else ()


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A frame that was read, with its own answers.

    Attributes:
        frame: (H, W, 3) uint8 RGB as taken, not mirrored; the faces' boxes are in its px.
        picture: (H, W, 3) uint8 RGB as shown, with boxes.
        look: what was read of this very frame.
    """

    frame: np.ndarray
    picture: np.ndarray
    look: Look


@dataclass
class _Pace:
    """Counts events, and how many there are a second."""

    count: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def tick(self) -> None:
        self.count += 1
        self.times.append(time.monotonic())

    def now(self) -> float:
        since = time.monotonic() - _OVER
        return sum(moment > since for moment in list(self.times)) / _OVER


class Session:
    """A camera's companion. Every method may be called from any thread; `show` from one at a time.

    The session's own thread is the only one that looks. One lock guards what the threads hand each other;
    it is held for assignments only, never while something is computed, so that `show` cannot wait for a look.
    """

    def __init__(self, predictor: Predictor, detector: Detector, settings: LiveSettings | None = None):
        """Begin with nobody; no thread runs before the first frame. Raises as `Setup`."""
        self._setup = Setup(predictor, detector, settings or LiveSettings())
        self._follower = Follower(self._setup)
        self._sightings, self._drift = Sightings(), Drift()
        self._lock = threading.Condition()
        self._slot: tuple[np.ndarray, float] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._newest: tuple[np.ndarray, Look] | None = None
        self._burst: deque[tuple[np.ndarray, Look]] = deque(maxlen=BURST)
        self._shown, self._read = _Pace(), _Pace()
        self._dropped, self._draw = 0, 0.0
        self._trouble: str | None = None
        self._recording: Recording | None = None

    def show(self, frame: np.ndarray, at: float | None = None) -> np.ndarray:
        """Give the newest frame, get the picture for the screen: at once, whatever the thread is doing.

        Args:
            frame: (H, W, 3) uint8 RGB, not to be changed afterwards. A longer one than `LONGEST` is shrunk.
            at: when it was taken, s, of any steady clock; None for now. It may be set back.

        Returns:
            (H, W, 3) uint8 RGB. After `close` nothing is drawn.

        Raises:
            BadInput: the frame is not uint8 or has another shape.
        """
        start = time.perf_counter()
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
            raise BadInput(
                f"A frame is (H, W, 3) uint8 RGB. Received: shape={frame.shape}, dtype={frame.dtype}."
            )
        at = time.monotonic() if at is None else at
        frame = shrunk(frame, LONGEST)
        with self._lock:
            look = self._offer(frame, at)
            mirror = self._setup.settings.mirror
        picture = drawn(frame, self._followed(frame, look, at), at, mirror)
        self._shown.tick()
        self._draw = (time.perf_counter() - start) * 1e3
        return picture

    def use(
        self, settings: LiveSettings, predictor: Predictor | None = None, detector: Detector | None = None
    ) -> None:
        """Go on with these from the next look on; what is None stays. Waits for nothing.

        Raises as `Setup`, changing nothing then.
        """
        before = self._setup
        setup = Setup(predictor or before.predictor, detector or before.detector, settings)
        with self._lock:
            self._setup = setup

    def state(self) -> State:
        """How it is doing at this moment."""
        with self._lock:
            newest, trouble, recording = self._newest, self._trouble, self._recording
        return State(
            newest[1] if newest and not trouble else None,
            self._shown.now(),
            self._read.now(),
            self._shown.count,
            self._read.count,
            self._dropped,
            self._draw,
            trouble,
            None if recording is None else recording.seconds,
        )

    def minute(self) -> pd.DataFrame:
        """The last minute for a chart: see `Sightings.table`."""
        return self._sightings.table(60.0)

    def log_csv(self) -> bytes:
        """All that is kept (an hour of four faces; of more, the last part), as UTF-8 csv."""
        return self._sightings.table().to_csv(index=False, float_format="%.4f").encode()

    def snapshot(self) -> Snapshot | None:
        """The newest frame that was read, also after `close`; None before the first."""
        with self._lock:
            newest, mirror = self._newest, self._setup.settings.mirror
        if newest is None:
            return None
        frame, look = newest
        return Snapshot(frame, drawn(frame, look.faces, look.at, mirror), look)

    def burst(self) -> list[tuple[np.ndarray, Look]]:
        """Up to BURST frames of the last seconds that were read, APART from each other, oldest first: each
        (H, W, 3) uint8 RGB as taken, with its own look."""
        with self._lock:
            return list(self._burst)

    def start_recording(self) -> None:
        """Write the pictures that are read, with their boxes, to a temporary file from now on.

        An earlier recording is deleted.

        Raises:
            StorageError: the file cannot be made.
        """
        self._exchange(Recording())

    def stop_recording(self) -> Path | None:
        """Finish the video, and again where it is: an mp4 file that lives until the next recording, or as
        long as the session. None where nothing was recorded."""
        recording = self._recording
        return recording.finish() if recording else None

    def close(self) -> None:
        """End the thread and finish a recording. What was read can still be asked for."""
        with self._lock:
            self._closed, self._slot = True, None
            thread = self._thread
            self._lock.notify_all()
        if thread is not None:
            thread.join(_CLOSING)
        self.stop_recording()

    def _offer(self, frame: np.ndarray, at: float) -> Look | None:
        """Put a frame into the slot, in the place of one that nobody took; what to draw meanwhile."""
        if self._closed:
            return None
        self._dropped += self._slot is not None
        self._slot = frame, at
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="live", daemon=True)
            self._thread.start()
        self._lock.notify()
        return self._newest[1] if self._newest else None

    def _followed(self, frame: np.ndarray, look: Look | None, at: float) -> tuple[LiveFace, ...]:
        """The faces to draw, where they should be by now."""
        faces = tuple(face for face in look.faces if face.track.strength(at) > 0) if look else ()
        if look is None or not faces or sum(look.milliseconds.values()) < _SLOW:
            self._drift.forget()
            return faces
        return self._drift.follow(frame, faces, at)

    def _exchange(self, recording: Recording) -> None:
        with self._lock:
            before, self._recording = self._recording, recording
        if before is not None:
            before.delete()

    def _work(self) -> None:
        """The thread: the newest frame, and again, until closed or nothing came for a while."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._slot is not None or self._closed, _IDLE)
                if self._closed or self._slot is None:
                    self._thread = None
                    return
                (frame, at), self._slot = self._slot, None
                setup, recording = self._setup, self._recording
            trouble = None
            try:
                self._take(frame, at, setup, recording)
            except FerError as error:
                trouble = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, the picture goes on
                trouble = (
                    f"The faces cannot be read at the moment. Received: {type(error).__name__} ({error}). "
                    "Choose another model or detector."
                )
            with self._lock:
                self._trouble = trouble

    def _take(self, frame: np.ndarray, at: float, setup: Setup, recording: Recording | None) -> None:
        """Read one frame and make the answer known."""
        if setup is not self._follower.setup:
            self._follower.use(setup)
        look = self._follower.look(frame, at)
        with self._lock:
            self._newest = frame, look
            # The clock may have been set back.
            if not self._burst or abs(at - self._burst[-1][1].at) >= APART:
                self._burst.append((frame, look))
        self._read.tick()
        seen = [_sighting(face) for face in look.faces if face.track.seen == at]
        names = look.labels.names if look.derived else ()
        self._sightings.add(at, seen, names, setup.predictor.card.id, setup.detector.name)
        if recording is not None and recording.running:
            recording.write(drawn(frame, look.faces, at, setup.settings.mirror), at)


def _sighting(face: LiveFace) -> Sighting:
    valence, arousal = (np.nan, np.nan) if face.affect is None else face.affect
    return Sighting(
        face.track.number,
        face.track.face.box,
        face.verdict is not None and face.verdict.sure,
        float(valence),
        float(arousal),
        np.zeros(0, np.float32) if face.probabilities is None else face.probabilities,
    )
