"""Videos that were read: a folder each in the workspace, found again by the token in the address."""

import json
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from PIL import Image

from fer_core import workspace
from fer_core.dataset.intake import Progress
from fer_core.errors import BadInput, StorageError
from fer_core.imaging.decode import decode_image
from fer_core.imaging.detectors.base import Detector
from fer_core.inference import video, video_people
from fer_core.inference.predictor import Predictor
from fer_core.inference.video import Summary
from pages._shared import jobs, resources

MOST_MB = 500
"""Of an upload: Streamlit holds it in memory until it is complete, and the result while it is shown."""

KEPT_SECONDS = 6 * 3600
"""How long an upload waits whose work was cut off by the end of the server."""

_TOKEN = re.compile(r"[0-9a-f]{16}")
_NOTE, _RESULT, _SOURCE = "note.json", "result.json", "source"
_VIDEO, _TABLE = "annotated.mp4", "faces.csv"


@dataclass(frozen=True)
class Asked:
    """What somebody wants of a video: its file's name, and how it is to be read."""

    name: str
    model: str
    detector: str
    every: float
    smoothing: float


@dataclass(frozen=True)
class Kept:
    """A video in the workspace.

    Attributes:
        token: finds it again.
        at: when it came, ISO 8601 UTC.
        seconds, faces: of the result, None before there is one.
    """

    token: str
    asked: Asked
    at: str
    seconds: float | None = None
    faces: int | None = None

    @property
    def video(self) -> Path:
        """The annotated copy."""
        return _root() / self.token / _VIDEO

    @property
    def table(self) -> Path:
        """The csv."""
        return _root() / self.token / _TABLE

    @property
    def source(self) -> Path:
        """The upload; it goes when it was read."""
        return _root() / self.token / _SOURCE

    @property
    def job(self) -> str:
        """Key of the work on it."""
        return f"video {self.token}"

    def summary(self) -> Summary | None:
        """The result; None where there is none that can be read."""
        try:
            return video_people.from_json(json.loads((_root() / self.token / _RESULT).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def take_in(file: BinaryIO, asked: Asked) -> Kept:
    """Move an upload to the disk and look at it.

    Raises:
        BadInput: it is no video.
        StorageError: the disk is full.
    """
    kept = Kept(secrets.token_hex(8), asked, datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        kept.source.parent.mkdir(parents=True)
        with kept.source.open("xb") as out:
            shutil.copyfileobj(file, out, 1 << 20)
        _write(kept)
        video.probe(kept.source)
    except OSError as error:
        remove(kept.token)
        raise StorageError(
            f"A video needs room in the workspace. Received: {error.strerror}, folder={_root()}. "
            "Free some space, then upload again."
        ) from error
    except BadInput as error:
        remove(kept.token)
        # The file has another name here than where it came from.
        raise BadInput(str(error).replace(f"Received: {_SOURCE}", f"Received: {asked.name}")) from error
    return kept


def work(kept: Kept, predictor: Predictor, detector: Detector) -> Callable[[Progress], Summary]:
    """What a job does with a video; a stop keeps what is done."""

    def run(progress: Progress) -> Summary:
        told = [(0.0, "")]

        def note(share: float, text: str) -> None:
            told[0] = (share, text)

        def stopped() -> bool:
            try:
                progress(round(told[0][0] * 1000), 1000, told[0][1])
            except jobs.StopRequested:
                return True
            return False

        settings = video.Settings(kept.asked.every, kept.asked.smoothing)
        summary = video.annotate(
            kept.source, kept.video, predictor, detector, settings, kept.table, note, stopped
        )
        _keep(kept, summary)
        return summary

    return run


def find(token: str) -> Kept | None:
    """The video of that token."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        content = json.loads((_root() / token / _NOTE).read_text("utf-8"))
        return Kept(
            token, Asked(**content["asked"]), content["at"], content.get("seconds"), content.get("faces")
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def results() -> list[Kept]:
    """All videos that were read, newest first."""
    found = (find(folder.name) for folder in _root().iterdir())
    return sorted((kept for kept in found if kept and kept.seconds), key=lambda kept: kept.at, reverse=True)


def remove(token: str) -> None:
    """Delete all of a video."""
    if _TOKEN.fullmatch(token):
        shutil.rmtree(_root() / token, ignore_errors=True)


def tidy(busy: list[str]) -> None:
    """Remove uploads that nobody came back for, but for those at work (keys of jobs)."""
    for folder in _root().iterdir():
        waits = (folder / _SOURCE).exists() and f"video {folder.name}" not in busy
        if waits and time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            remove(folder.name)


def write_sample(path: Path) -> None:
    """A clip of four seconds: the view moves over the sample photo and comes closer (mp4, 480x360)."""
    photo = Image.fromarray(decode_image(resources.sample(resources.SAMPLES[0])[1]))
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=15, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 480, 360, "yuv420p"
        for number in range(60):
            done = number / 59
            left, top, wide = 120 * done, 30 * (1 - done), 480 - 200 * done
            view = photo.transform(
                (480, 360), Image.Transform.EXTENT, (left, top, left + wide, top + 0.75 * wide)
            )
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.array(view), format="rgb24")))
        out.mux(stream.encode(None))


def _keep(kept: Kept, summary: Summary) -> None:
    try:
        folder = kept.video.parent
        part = folder / f"{_RESULT}.part"
        part.write_text(json.dumps(video_people.as_json(summary)), "utf-8")
        part.replace(folder / _RESULT)
        _write(Kept(kept.token, kept.asked, kept.at, summary.seconds, len(summary.people)))
        kept.source.unlink()
    except OSError as error:
        raise StorageError(
            f"A result needs room in the workspace. Received: {error.strerror}, folder={_root()}. "
            "Free some space, then begin again."
        ) from error


def _write(kept: Kept) -> None:
    note = _root() / kept.token / _NOTE
    part = note.with_suffix(".part")
    part.write_text(json.dumps({"schema_version": 1, **asdict(kept)}), "utf-8")
    part.replace(note)


def _root() -> Path:
    return workspace.folder("videos")
