"""A video in; an annotated copy, a table with time stamps and a summary of each face out."""

import csv
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from fer_core import labels
from fer_core.errors import BadInput, FerError, StorageError
from fer_core.imaging import draw
from fer_core.imaging.detectors.base import Detector
from fer_core.imaging.preprocess import to_batch
from fer_core.inference import circumplex, photo, video_file
from fer_core.inference.photo import Verdict
from fer_core.inference.predictor import Predictor
from fer_core.inference.smoothing import Smoother
from fer_core.inference.tracking import LOST, Track, Tracker
from fer_core.inference.video_file import Clip, frame_at, probe
from fer_core.inference.video_people import Notes, Summary
from fer_core.zoo import thresholds

__all__ = ["Clip", "Settings", "Summary", "annotate", "frame_at", "probe"]

Progress = Callable[[float, str], None]
"""Called with the share that is done, 0..1, and how far that is, in words."""

_HELD = 2.5
"""Looks: how long a box stays where nothing is found any more. A detector may miss one face once."""

_MISSING, _MISSING_SHARE = 0.5, 0.05
"""s, and share of the stated length, that frames may end early: sound is often a little longer."""


@dataclass(frozen=True)
class Settings:
    """How a video is read.

    Attributes:
        every: s between two looks for faces; boxes move on in between. 0 looks at each frame.
        smoothing: s, time constant of the running mean of probabilities; 0 for none.
        threshold: calibrated confidence under which the answer is "can't tell"; None for the model's.
    """

    every: float = 0.2
    smoothing: float = 0.5
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("smoothing", self.smoothing)):
            if not (math.isfinite(value) and 0 <= value <= 60):
                raise BadInput(f"{name.capitalize()} is 0 to 60 seconds. Received: {name}={value}.")


def annotate(
    source: Path,
    target: Path,
    predictor: Predictor,
    detector: Detector,
    settings: Settings | None = None,
    table: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Summary:
    """Write a copy of a video with a box and an expression on every face.

    Upright, with the original's times and sound, as H.264 in mp4. Memory does not grow with the
    length. Both files appear when they are whole; until then, and after an error, what stood there
    stays. The original is only read.

    Args:
        table: csv to write, one row for each face at each look: seconds, face, box in px, looks,
            probability, sure, each expression's smoothed probability, derived valence and arousal.
        stop: asked at each frame; when it says so the copy ends there, whole and shorter.

    Raises:
        BadInput: the source is no video (see `probe`), or the target is not another file, .mp4.
        StorageError: a file cannot be written, as on a full disk.
    """
    settings = settings or Settings()
    _must_be_another(source, target)
    clip = probe(source)
    began = time.monotonic()
    reader = _Reader(predictor, detector, settings)
    frames, seconds, stopped = 0, 0.0, False
    with _whole(target) as part, ExitStack() as stack:
        rows = stack.enter_context(_rows(table, predictor)) if table else None
        copy = stack.enter_context(video_file.rewriting(clip, part))
        for seconds, image in copy.frames():
            looks = reader.read(image, seconds)
            copy.put(reader.drawn(image, seconds))
            if rows:
                rows.writerows(_row(seconds, look) for look in looks)
            frames += 1
            if progress:
                share = seconds / clip.seconds if clip.seconds else copy.share
                progress(min(share, 1.0), _said(seconds, clip.seconds))
            if stop and stop():
                stopped = True
                break
    seconds += float(1 / clip.rate)
    missing = (clip.seconds or 0) - seconds
    return Summary(
        seconds,
        frames,
        stopped,
        not stopped and (copy.breaks_off or missing > max(_MISSING, _MISSING_SHARE * (clip.seconds or 0))),
        clip.width,
        clip.height,
        clip.sound,
        predictor.card.id,
        detector.name,
        predictor.labels.names,
        settings.every,
        time.monotonic() - began,
        tuple(notes.person() for notes in reader.notes.values()),
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """What was seen of one face at one moment: (K,) smoothed probabilities, (2,) valence and arousal."""

    track: Track
    probabilities: np.ndarray
    verdict: Verdict
    affect: np.ndarray | None


class _Reader:
    """Finds, follows and reads the faces of frames that come in order."""

    def __init__(self, predictor: Predictor, detector: Detector, settings: Settings):
        self._predictor, self._detector, self._every = predictor, detector, settings.every
        own = settings.threshold
        self._threshold = thresholds.of(predictor.card) if own is None else own
        self._tracker = Tracker(max(LOST, _HELD * settings.every))
        self._smoother = Smoother(settings.smoothing)
        self._shown: dict[int, _Look] = {}
        self._last = -math.inf
        self.notes: dict[int, Notes] = {}

    def read(self, image: np.ndarray, at: float) -> list[_Look]:
        """The faces of a frame, where it is time to look; else none."""
        # A hair early is in time: the moments of frames are rounded.
        if at - self._last < self._every - 1e-3:
            return []
        self._last = at
        tracks = self._tracker.update(self._detector.detect(image), at)
        found = [track for track in tracks if track.seen == at]
        looks = self._answers(image, found, at) if found else []
        for look in looks:
            number = look.track.number
            notes = self.notes.setdefault(number, Notes(number, self._predictor.labels))
            notes.add(at, image, look.track.face.box, look.probabilities, look.verdict, look.affect)
        known = {track.number for track in tracks}
        self._smoother.keep(known)
        self._shown = {n: look for n, look in self._shown.items() if n in known}
        self._shown |= {look.track.number: look for look in looks}
        return looks

    def drawn(self, image: np.ndarray, at: float) -> np.ndarray:
        """The frame with the boxes where they are by now."""
        held = _HELD * self._every
        shown = [look for look in self._shown.values() if at - look.track.seen <= held]
        if not shown:
            return image
        return draw.annotate(
            image,
            [look.track.moved(at) for look in shown],
            [look.verdict.label if look.verdict.sure else "?" for look in shown],
            [labels.colour(look.verdict.label) for look in shown],
            [look.track.number for look in shown],
        )

    def _answers(self, image: np.ndarray, tracks: list[Track], at: float) -> list[_Look]:
        label_set = self._predictor.labels
        batch = to_batch(image, [track.face for track in tracks], self._predictor.card.input)
        raw = self._predictor.predict(batch)
        smooth = np.stack(
            [self._smoother.update(track.number, row, at) for track, row in zip(tracks, raw, strict=True)]
        )
        affect = circumplex.derived(label_set, smooth)
        return [
            _Look(
                track,
                row,
                photo.verdict(row, label_set, self._threshold),
                None if affect is None else affect[place],
            )
            for place, (track, row) in enumerate(zip(tracks, smooth, strict=True))
        ]


def _must_be_another(source: Path, target: Path) -> None:
    if target.suffix.lower() != ".mp4":
        raise BadInput(f"The annotated video is an mp4 file. Received: {target.name}. Let it end in .mp4.")
    if target.exists() and source.exists() and target.samefile(source):
        raise BadInput(
            f"The annotated video is another file than the original. Received: {target.name} for both."
        )


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A name to write to that becomes the target when the block ends without an error.

    Raises:
        StorageError: the disk refused, anywhere in the block.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    except FerError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise StorageError(
            f"The result must be written whole. Received: {target.name} ({error.strerror or error}). Nothing "
            "was kept, and the original is as it was. Free some space or choose another folder, then begin "
            "again."
        ) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _rows(table: Path, predictor: Predictor) -> Iterator[Any]:
    """A csv writer whose head is written already."""
    with _whole(table) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["seconds", "face", "x", "y", "width", "height", "looks", "probability", "sure"]
            + [*predictor.labels.names, "valence_derived", "arousal_derived"]
        )
        yield rows


def _row(seconds: float, look: _Look) -> list[object]:
    box, verdict = look.track.face.box, look.verdict
    affect = ["", ""]
    if look.affect is not None and np.isfinite(look.affect).all():
        affect = [f"{value:.4f}" for value in look.affect]
    return [
        f"{seconds:.3f}",
        look.track.number,
        *(round(side) for side in (box.x, box.y, box.width, box.height)),
        verdict.label,
        f"{verdict.probability:.4f}",
        verdict.sure,
        *(f"{value:.4f}" for value in look.probabilities),
        *affect,
    ]


def _said(seconds: float, total: float | None) -> str:
    return f"{clock(seconds)} of {clock(total)}" if total else clock(seconds)


def clock(seconds: float) -> str:
    """ "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
