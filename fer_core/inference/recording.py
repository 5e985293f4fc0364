"""A video of what a session shows, in a temporary file."""

import contextlib
import os
import tempfile
import threading
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fer_core.errors import StorageError

_TICK = Fraction(1, 1000)
"""Seconds; a picture is shown from its own moment on, however uneven the camera is."""

MOST_SECONDS = 3600.0
"""A recording that nobody ends stops by itself."""


class Recording:
    """One mp4 file (H.264), which is deleted with this object. Every method may be called from any thread."""

    def __init__(self) -> None:
        """Open a temporary file.

        Raises:
            StorageError: there is no room for it.
        """
        try:
            handle, name = tempfile.mkstemp(prefix="fer-live-", suffix=".mp4")
        except OSError as error:
            raise StorageError(
                f"A recording needs a temporary file. Received: {error.strerror}. Make room on the disk."
            ) from error
        os.close(handle)
        self._path = Path(name)
        self._deletion = weakref.finalize(self, self._path.unlink, missing_ok=True)
        # The session's thread writes while a page finishes.
        self._lock = threading.RLock()
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._start = self._last = 0.0
        self.running = True

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self._last - self._start

    def write(self, picture: np.ndarray, at: float) -> None:
        """Add a picture.

        Args:
            picture: (H, W, 3) uint8 RGB. The first one's size is the video's; others are brought to it.
            at: when it was taken, s; one that is not later than the last is left out.

        Raises:
            StorageError: the disk is full; what was written stays.
        """
        with self._lock:
            if not self.running or (self._container is not None and round((at - self._last) / _TICK) < 1):
                return
            try:
                if self._container is None:
                    self._open(picture, at)
                self._encode(picture, at)
            except (OSError, av.FFmpegError) as error:
                self.finish()
                raise StorageError(
                    f"The recording stopped, as the video cannot be written. Received: {error}. "
                    "What was recorded so far is kept; make room on the disk."
                ) from error
            self._last = at
            if self.seconds >= MOST_SECONDS:
                self.finish()

    def finish(self) -> Path | None:
        """Close the file; None where no picture came."""
        with self._lock:
            self.running = False
            container, self._container = self._container, None
            if container is not None and self._stream is not None:
                # On a full disk the end is lost; the pieces that were written can be played.
                with contextlib.suppress(OSError, av.FFmpegError):
                    for packet in self._stream.encode():
                        container.mux(packet)
                with contextlib.suppress(OSError, av.FFmpegError):
                    container.close()
            return self._path if self._stream is not None else None

    def delete(self) -> None:
        """Close and remove the file."""
        self.finish()
        self._deletion()

    def _open(self, picture: np.ndarray, at: float) -> None:
        # In pieces, so that a file whose writer was killed, or whose disk filled up, can still be played.
        pieces = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        self._container = av.open(str(self._path), mode="w", format="mp4", options=pieces)
        # ultrafast: the worker has faces to find as well.
        stream = self._container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "23"})
        # H.264 stores colour for every second pixel only.
        stream.width, stream.height = (max(2, length // 2 * 2) for length in picture.shape[1::-1])
        stream.pix_fmt, stream.time_base, stream.codec_context.time_base = "yuv420p", _TICK, _TICK
        self._stream, self._start, self._last = stream, at, at

    def _encode(self, picture: np.ndarray, at: float) -> None:
        assert self._container is not None and self._stream is not None
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        frame.pts, frame.time_base = round((at - self._start) / _TICK), _TICK
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
