"""Faces of moving pictures, frame after frame: who is who, how they look, and the picture that says so."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from fer_core.errors import BadInput
from fer_core.imaging import draw, landmarks
from fer_core.imaging.detectors.base import Detector
from fer_core.imaging.faces import Box
from fer_core.imaging.preprocess import to_batch
from fer_core.inference import circumplex, photo
from fer_core.inference.photo import Verdict
from fer_core.inference.predictor import Predictor
from fer_core.inference.smoothing import Smoother
from fer_core.inference.tracking import LOST, Track, Tracker
from fer_core.labels import LabelSet
from fer_core.zoo import specs, thresholds


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
class Setup:
    """What looks, checked: any `Follower` can go on with it.

    Raises:
        BadInput: the smoothing is no time, or the model answers something that a camera cannot show.
        StorageError: no threshold was given, and the chosen ones cannot be read.
    """

    predictor: Predictor
    detector: Detector
    settings: LiveSettings = LiveSettings()
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        card = self.predictor.card
        if card.task not in (specs.EXPRESSION.id, specs.AFFECT.id):
            raise BadInput(
                "A camera asks for a model of expressions, or of valence and arousal. "
                f"Received: {card.id}, of the kind {specs.TASKS[card.task].title!r}."
            )
        Smoother(self.settings.smoothing)
        chosen = self.settings.threshold
        object.__setattr__(self, "threshold", thresholds.of(card) if chosen is None else chosen)

    @property
    def affective(self) -> bool:
        """Whether the model itself predicts valence and arousal, and no expressions."""
        return self.predictor.card.task == specs.AFFECT.id


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
        setup: what looked.
        milliseconds: time of "detect" and "classify" (with cutting and landmarks).
    """

    at: float
    faces: tuple[LiveFace, ...]
    setup: Setup
    milliseconds: dict[str, float]

    @property
    def labels(self) -> LabelSet:
        """The order of the probabilities."""
        return self.setup.predictor.labels

    @property
    def derived(self) -> bool:
        """Whether valence and arousal come from the expressions, not from the model itself."""
        return not self.setup.affective


class Follower:
    """Detect, follow, read and smooth, one frame after the other. For one thread, without one of its own."""

    def __init__(self, setup: Setup, lost: float = LOST):
        """Take what looks, and the seconds after which a face that is not found again is somebody else."""
        self.setup = setup
        self._tracker, self._smoother = Tracker(lost), Smoother(setup.settings.smoothing)
        self._known: dict[int, LiveFace] = {}

    def use(self, setup: Setup) -> None:
        """Go on with another detector, model or settings; people keep their numbers, and answers are
        smoothed on where the model stays."""
        if setup.predictor is not self.setup.predictor:
            self._smoother, self._known = Smoother(setup.settings.smoothing), {}
        self.setup, self._smoother.seconds = setup, setup.settings.smoothing

    def look(self, frame: np.ndarray, at: float) -> Look:
        """Read a frame.

        Args:
            frame: (H, W, 3) uint8 RGB upright.
            at: when it was taken, s.
        """
        start = time.perf_counter()
        found = self.setup.detector.detect(frame)
        detected = time.perf_counter()
        tracks = self._tracker.update(found, at)
        for face in self._read(frame, [track for track in tracks if track.seen == at], at):
            self._known[face.track.number] = face
        # A clock that was set back changes tracks that nobody saw now, too.
        known = [replace(self._known[t.number], track=t) for t in tracks if t.number in self._known]
        self._known = {face.track.number: face for face in known}
        self._smoother.keep(self._known)
        classified = time.perf_counter()
        return Look(
            at,
            tuple(known),
            self.setup,
            {"detect": (detected - start) * 1e3, "classify": (classified - detected) * 1e3},
        )

    def _read(self, frame: np.ndarray, tracks: Sequence[Track], at: float) -> list[LiveFace]:
        """The faces that this frame shows, smoothed."""
        if not tracks:
            return []
        setup, predictor = self.setup, self.setup.predictor
        batch = to_batch(frame, [track.face for track in tracks], predictor.card.input)
        answers = predictor.affect(batch) if setup.affective else predictor.predict(batch)
        faces = []
        for track, answer in zip(tracks, answers, strict=True):
            steady = self._smoother.update(track.number, answer, at)
            points = landmarks.landmarks68(frame, track.face.box) if setup.settings.landmarks else None
            if setup.affective:
                faces.append(LiveFace(track, None, None, steady, points))
                continue
            place = circumplex.derived(predictor.labels, steady[None])
            words = photo.verdict(steady, predictor.labels, setup.threshold)
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
    picture = cv2.flip(frame, 1) if mirror else frame.copy()
    # Faces that were seen together fade together, in one layer.
    layers: dict[float, list[LiveFace]] = {}
    for face in faces:
        layers.setdefault(face.track.strength(at), []).append(face)
    for strength in sorted(layers.keys() - {0.0}):
        layer = _with(picture, layers[strength], at, mirror)
        picture = layer if strength == 1 else cv2.addWeighted(layer, strength, picture, 1 - strength, 0)
    return picture


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
