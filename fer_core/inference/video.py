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
from fer_core.inference import video_file
from fer_core.inference.following import Follower, LiveFace, LiveSettings, Setup
from fer_core.inference.predictor import Predictor
from fer_core.inference.tracking import LOST
from fer_core.inference.video_file import Clip, frame_at, probe
from fer_core.inference.video_people import Notes, Summary

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
            found = reader.read(image, seconds)
            copy.put(reader.drawn(image, seconds))
            if rows:
                rows.writerows(_row(face) for face in found)
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


class _Reader:
    """Looks every so often, follows in between, and notes what each face showed."""

    def __init__(self, predictor: Predictor, detector: Detector, settings: Settings):
        setup = Setup(predictor, detector, LiveSettings(settings.smoothing, settings.threshold))
        if setup.affective:
            raise BadInput(
                f"A video asks for a model of expressions. Received: {predictor.card.id}, "
                "which reads valence and arousal."
            )
        self._follower = Follower(setup, max(LOST, _HELD * settings.every))
        self._every, self._last = settings.every, -math.inf
        self._faces: tuple[LiveFace, ...] = ()
        self.notes: dict[int, Notes] = {}

    def read(self, image: np.ndarray, at: float) -> list[LiveFace]:
        """The faces of a frame, where it is time to look; else none."""
        # A hair early is in time: the moments of frames are rounded.
        if at - self._last < self._every - 1e-3:
            return []
        self._last = at
        look = self._follower.look(image, at)
        self._faces = look.faces
        found = [face for face in look.faces if face.track.seen == at]
        for face in found:
            number = face.track.number
            self.notes.setdefault(number, Notes(number, look.labels)).add(image, face)
        return found

    def drawn(self, image: np.ndarray, at: float) -> np.ndarray:
        """The frame with the boxes where they are by now, in the colours of the expressions."""
        held = _HELD * self._every
        shown = [
            (face, face.verdict) for face in self._faces if at - face.track.seen <= held and face.verdict
        ]
        if not shown:
            return image
        return draw.annotate(
            image,
            [face.track.moved(at) for face, _ in shown],
            [face.caption for face, _ in shown],
            [labels.colour(verdict.label) for _, verdict in shown],
            [face.track.number for face, _ in shown],
        )


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


def _row(face: LiveFace) -> list[object]:
    box, verdict, probabilities, affect = face.track.face.box, face.verdict, face.probabilities, face.affect
    row: list[object] = [f"{face.track.seen:.3f}", face.track.number]
    row += [round(side) for side in (box.x, box.y, box.width, box.height)]
    if verdict is not None and probabilities is not None:
        row += [verdict.label, f"{verdict.probability:.4f}", verdict.sure]
        row += [f"{value:.4f}" for value in probabilities]
    if affect is not None and np.isfinite(affect).all():
        row += [f"{value:.4f}" for value in affect]
    else:
        row += ["", ""]
    return row


def _said(seconds: float, total: float | None) -> str:
    return f"{clock(seconds)} of {clock(total)}" if total else clock(seconds)


def clock(seconds: float) -> str:
    """ "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
