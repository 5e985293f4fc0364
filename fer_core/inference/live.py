"""Faces of moving pictures: `Follower` reads frame after frame; `Session` does so beside a camera.

A camera does not wait. `Session.show` keeps only the newest frame for its worker thread, which detects and
classifies at its own pace, and draws what is known on the frame at hand: nothing queues, nothing blocks.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_core.errors import BadInput, FerError
from fer_core.imaging import draw, landmarks
from fer_core.imaging.detectors.base import Detector, shrunk
from fer_core.imaging.faces import Box
from fer_core.imaging.preprocess import to_batch
from fer_core.inference import circumplex, photo
from fer_core.inference.photo import Verdict
from fer_core.inference.predictor import Predictor
from fer_core.inference.recording import Recording
from fer_core.inference.sightings import Sighting, Sightings
from fer_core.inference.smoothing import Smoother
from fer_core.inference.tracking import Track, Tracker
from fer_core.labels import LabelSet
from fer_core.zoo import specs, thresholds

LONGEST = 1280
"""px: larger frames, a 4K camera's too, are shrunk to this before all else: read, shown and recorded."""

_IDLE = 5.0
"""Seconds without a frame after which the worker ends by itself; the next frame starts another."""

_CLOSING = 5.0
"""Seconds that `close` waits for a look that is under way."""

_PACE_OVER = 2.0
"""Seconds over which frames a second are counted."""


@dataclass(frozen=True)
class LiveSettings:
    """What may be changed while a camera runs.

    Attributes:
        smoothing: time constant of the answers, s; 0 shows each as it comes.
        threshold: calibrated confidence under which the answer is "can't tell"; None for the one that was
            chosen for the model in this workspace, or its card's.
        mirror: show the picture as a mirror does; what the model sees stays as it was taken.
        landmarks: find and draw the 68 points.
    """

    smoothing: float = 0.5
    threshold: float | None = None
    mirror: bool = True
    landmarks: bool = False


@dataclass(frozen=True, eq=False)
class LiveFace:
    """One face that is followed.

    Attributes:
        track: who and where, px of the frame as taken (not mirrored).
        probabilities: (K,) float32, smoothed; None from a model of valence and arousal.
        verdict: the same in words.
        affect: (2,) float32 valence and arousal, smoothed; None where they cannot be derived.
        points: (68, 2) float32 px at the moment `track.seen`; None where not asked for.
    """

    track: Track
    probabilities: np.ndarray | None
    verdict: Verdict | None
    affect: np.ndarray | None
    points: np.ndarray | None = None

    @property
    def caption(self) -> str:
        """A word or two for the picture."""
        if self.verdict is not None:
            return self.verdict.label if self.verdict.sure else "?"
        return "" if self.affect is None else "v {:+.1f} a {:+.1f}".format(*self.affect)


@dataclass(frozen=True, eq=False)
class Look:
    """What one frame showed.

    Attributes:
        at: when the frame was taken, s.
        faces: by number; one that was missed for a moment has `track.seen < at` and its last answer.
        labels: the order of the probabilities.
        derived: whether valence and arousal come from the expressions, not from the model itself.
        milliseconds: time of "detect" and "classify" (with cutting and landmarks).
    """

    at: float
    faces: tuple[LiveFace, ...]
    labels: LabelSet
    model: str
    detector: str
    derived: bool
    milliseconds: dict[str, float]


class Follower:
    """Detect, follow, read and smooth, one frame after the other. For one thread, without one of its own."""

    def __init__(self, predictor: Predictor, detector: Detector, settings: LiveSettings):
        """Begin with nobody.

        Raises:
            BadInput: the smoothing is no time, or the model answers something that a camera cannot show.
            StorageError: no threshold was given, and the chosen ones cannot be read.
        """
        self._tracker = Tracker()
        self.use(predictor, detector, settings)

    def use(self, predictor: Predictor, detector: Detector, settings: LiveSettings) -> None:
        """Go on with others; people keep their numbers. Raises as the constructor, changing nothing then."""
        if predictor.card.task not in (specs.EXPRESSION.id, specs.AFFECT.id):
            raise BadInput(
                "A camera asks for a model of expressions, or of valence and arousal. "
                f"Received: {predictor.card.id}, of the kind {specs.TASKS[predictor.card.task].title!r}."
            )
        smoother = Smoother(settings.smoothing)
        chosen = settings.threshold
        self._threshold = thresholds.of(predictor.card) if chosen is None else chosen
        self._smoother, self._known = smoother, dict[int, LiveFace]()
        self.predictor, self.detector, self._settings = predictor, detector, settings

    def look(self, frame: np.ndarray, at: float) -> Look:
        """Read a frame.

        Args:
            frame: (H, W, 3) uint8 RGB upright.
            at: when it was taken, s.
        """
        start = time.perf_counter()
        found = self.detector.detect(frame)
        detected = time.perf_counter()
        tracks = self._tracker.update(found, at)
        seen = [track for track in tracks if track.seen == at]
        for track, face in zip(seen, self._read(frame, seen, at), strict=True):
            self._known[track.number] = face
        numbers = {track.number for track in tracks}
        self._smoother.keep(numbers)
        self._known = {
            track.number: replace(self._known[track.number], track=track)
            for track in tracks
            if track.number in self._known
        }
        classified = time.perf_counter()
        return Look(
            at,
            tuple(self._known.values()),
            self.predictor.labels,
            self.predictor.card.id,
            self.detector.name,
            self.predictor.card.task == specs.EXPRESSION.id,
            {"detect": (detected - start) * 1e3, "classify": (classified - detected) * 1e3},
        )

    def _read(self, frame: np.ndarray, tracks: Sequence[Track], at: float) -> list[LiveFace]:
        """The faces that this frame shows, smoothed."""
        if not tracks:
            return []
        batch = to_batch(frame, [track.face for track in tracks], self.predictor.card.input)
        affective = self.predictor.card.task == specs.AFFECT.id
        answers = self.predictor.affect(batch) if affective else self.predictor.predict(batch)
        faces = []
        for track, answer in zip(tracks, answers, strict=True):
            steady = self._smoother.update(track.number, answer, at)
            points = landmarks.landmarks68(frame, track.face.box) if self._settings.landmarks else None
            if affective:
                faces.append(LiveFace(track, None, None, steady, points))
                continue
            place = circumplex.derived(self.predictor.labels, steady[None])
            words = photo.verdict(steady, self.predictor.labels, self._threshold)
            faces.append(LiveFace(track, steady, words, None if place is None else place[0], points))
        return faces


def drawn(frame: np.ndarray, faces: Sequence[LiveFace], at: float, mirror: bool = False) -> np.ndarray:
    """The frame with the boxes, numbers, captions and points of faces as they should be at that moment.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        at: when the frame was taken, s; boxes move on from when they were seen, and fade.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = np.ascontiguousarray(frame[:, ::-1]) if mirror else frame
    clear, faint = [], []
    for face in faces:
        strength = face.track.strength(at)
        if strength == 1:
            clear.append(face)
        elif strength > 0:
            faint.append((strength, face))
    for strength, face in faint:
        picture = cv2.addWeighted(
            _with(picture, [face], at, mirror), strength, picture, 1 - strength, 0, dtype=cv2.CV_8U
        )
    return _with(picture, clear, at, mirror) if clear or not faint else picture


def _with(picture: np.ndarray, faces: Sequence[LiveFace], at: float, mirror: bool) -> np.ndarray:
    """A copy of the picture with these faces drawn on."""
    width = picture.shape[1]
    boxes = []
    dots: list[tuple[np.ndarray, Track]] = []
    for face in faces:
        box = face.track.moved(at)
        if face.points is not None:
            shift = np.subtract(box.centre, face.track.box.centre)
            points = face.points + shift
            dots.append(
                (np.column_stack([width - 1 - points[:, 0], points[:, 1]]) if mirror else points, face.track)
            )
        boxes.append(Box(width - box.x - box.width, box.y, box.width, box.height) if mirror else box)
    picture = draw.annotate(
        picture,
        boxes,
        [face.caption for face in faces],
        [face.track.colour for face in faces],
        [face.track.number for face in faces],
    )
    for points, track in dots:
        radius = max(1, round(track.box.width / 120))
        for x, y in points:
            cv2.circle(picture, (round(float(x)), round(float(y))), radius, (255, 255, 255), -1, cv2.LINE_AA)
    return picture


@dataclass(frozen=True, eq=False)
class State:
    """How a session is doing.

    Attributes:
        look: what the newest frame that was read showed; None before the first.
        fps: frames shown a second, over the last 2 s.
        looks: frames read a second, over the last 2 s.
        shown, read, dropped: frames since the start; a dropped one was shown, but never read.
        draw: ms of the last `show`.
        trouble: why frames are not read, in words; None where all is well. The picture goes on.
        recording: seconds of video recorded so far; None where none is recorded.
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


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A frame that was read, kept for someone.

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
    """Counts events and how many there were a second of late."""

    count: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def tick(self) -> None:
        self.count += 1
        self.times.append(time.monotonic())

    def now(self) -> float:
        since = time.monotonic() - _PACE_OVER
        return sum(moment > since for moment in list(self.times)) / _PACE_OVER


class Session:
    """A camera's companion. Every method may be called from any thread."""

    def __init__(self, predictor: Predictor, detector: Detector, settings: LiveSettings | None = None):
        """Begin with nobody; no thread runs before the first frame. Raises as `Follower`."""
        self._settings = settings or LiveSettings()
        self._follower = Follower(predictor, detector, self._settings)
        self._sightings = Sightings()
        # The two locks: _wake guards the slot and is held for moments only, as `show` takes it;
        # _looking is held for a whole look, and by whoever exchanges what looks.
        self._wake, self._looking = threading.Condition(), threading.Lock()
        self._slot: tuple[np.ndarray, float] | None = None
        self._worker: threading.Thread | None = None
        self._closed = False
        self._look: Look | None = None
        self._frame: np.ndarray | None = None
        self._shown, self._read = _Pace(), _Pace()
        self._dropped, self._draw = 0, 0.0
        self._trouble: str | None = None
        self._recording: Recording | None = None

    def show(self, frame: np.ndarray, at: float | None = None) -> np.ndarray:
        """Give the newest frame, get the picture for the screen: at once, whatever the worker is doing.

        Args:
            frame: (H, W, 3) uint8 RGB, not to be changed afterwards. One longer than `LONGEST` px is shrunk.
            at: when it was taken, s, of any steady clock; None for now.

        Raises:
            BadInput: the frame is not uint8 or has another shape.
        """
        start = time.perf_counter()
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
            raise BadInput(f"A frame is (H, W, 3) uint8. Received: shape={frame.shape}, dtype={frame.dtype}.")
        at = time.monotonic() if at is None else at
        frame = shrunk(frame, LONGEST)
        with self._wake:
            if not self._closed:
                self._dropped += self._slot is not None
                self._slot = frame, at
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, name="live", daemon=True)
                    self._worker.start()
                self._wake.notify()
            faces, mirror = self._look.faces if self._look else (), self._settings.mirror
        self._shown.tick()
        picture = drawn(frame, faces, at, mirror)
        self._draw = (time.perf_counter() - start) * 1e3
        return picture

    def use(
        self, settings: LiveSettings, predictor: Predictor | None = None, detector: Detector | None = None
    ) -> None:
        """Go on with these from the next frame on; what is None stays. Waits for the look under way.

        Raises: as `Follower`, changing nothing then.
        """
        with self._looking:
            follower = self._follower
            follower.use(predictor or follower.predictor, detector or follower.detector, settings)
        with self._wake:
            self._settings, self._trouble = settings, None

    def state(self) -> State:
        """How it is doing at this moment."""
        recording = self._recording
        return State(
            self._look,
            self._shown.now(),
            self._read.now(),
            self._shown.count,
            self._read.count,
            self._dropped,
            self._draw,
            self._trouble,
            None if recording is None else recording.seconds,
        )

    def minute(self) -> pd.DataFrame:
        """The last minute for a chart, at most 10 rows a second and face: see `Sightings.table`."""
        return self._sightings.table(60.0)

    def log_csv(self) -> bytes:
        """All that is kept (an hour of four faces; of more people, the last part) as UTF-8 csv."""
        return self._sightings.table().to_csv(index=False).encode()

    def snapshot(self) -> Snapshot | None:
        """The newest frame that was read, with its own answers; None before the first."""
        with self._wake:
            frame, look, mirror = self._frame, self._look, self._settings.mirror
        if frame is None or look is None:
            return None
        return Snapshot(frame, drawn(frame, look.faces, look.at, mirror), look)

    def start_recording(self) -> None:
        """Write the pictures with their boxes to a temporary file from now on; an earlier one is deleted.

        Raises:
            StorageError: there is no room for it.
        """
        with self._looking:
            if self._recording:
                self._recording.delete()
            self._recording = Recording()

    def stop_recording(self) -> Path | None:
        """Finish the video: an mp4 file, deleted by the next recording and by `close`. None where nothing
        was recorded."""
        with self._looking:
            return self._recording.finish() if self._recording else None

    def close(self) -> None:
        """End: no thread, no file stays. Frames that still come are shown as they are."""
        with self._wake:
            self._closed, self._slot, self._look, self._frame = True, None, None, None
            worker = self._worker
            self._wake.notify_all()
        if worker is not None and worker is not threading.current_thread():
            worker.join(_CLOSING)
        with self._looking:
            if self._recording:
                self._recording.delete()
                self._recording = None

    def _work(self) -> None:
        """The worker: the newest frame, and again, until closed or nothing came for a while."""
        while True:
            with self._wake:
                came = self._wake.wait_for(lambda: self._slot is not None or self._closed, _IDLE)
                if not came or self._closed or self._slot is None:
                    self._worker = None
                    return
                (frame, at), self._slot = self._slot, None
            try:
                self._take(frame, at)
            except FerError as error:
                self._trouble = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, the picture goes on and the page says so
                self._trouble = (
                    f"The frames cannot be read at the moment. Received: {type(error).__name__} ({error}). "
                    "Choose another model or detector."
                )

    def _take(self, frame: np.ndarray, at: float) -> None:
        """Read one frame and make the answer known."""
        with self._looking:
            look = self._follower.look(frame, at)
            with self._wake:
                if self._closed:
                    return
                self._look, self._frame, self._trouble = look, frame, None
                mirror = self._settings.mirror
            self._read.tick()
            seen = [_sighting(face) for face in look.faces if face.track.seen == at]
            self._sightings.add(
                at, seen, look.labels.names if look.derived else (), look.model, look.detector
            )
            if self._recording and self._recording.running:
                self._recording.write(drawn(frame, look.faces, at, mirror), at)


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
