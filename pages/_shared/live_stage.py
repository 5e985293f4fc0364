"""One visitor's camera on this side: what the video's thread and the page share."""

import logging
import time
import weakref
from pathlib import Path

import numpy as np
import streamlit as st

from fer_core.imaging.detectors.base import Detector
from fer_core.inference.following import LiveSettings
from fer_core.inference.live import Session
from fer_core.inference.predictor import Predictor
from pages._shared.doctor import Wait
from pages._shared.webrtc import Link

_GIVEN_UP = 5.0
"""s of connecting in vain after which a stop was not the visitor's."""

_log = logging.getLogger("fer_studio")


class Stage:
    """A session over all that one visitor's camera shows, and how long pictures are waited for.

    The session has a thread only while pictures come: none has to be told that a tab was closed.

    Attributes:
        session: None before the first `use`.
        recorded: the last finished recording.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.recorded: Path | None = None
        self._with: tuple[LiveSettings, Predictor, Detector] | None = None
        self._end: weakref.finalize | None = None
        self._pictures = self._had = 0
        self._last = 0.0
        self._asked: float | None = None
        self._failed = False

    def use(self, settings: LiveSettings, predictor: Predictor, detector: Detector) -> None:
        """Read what comes next with these; raises as `Session.use`."""
        if self._with == (settings, predictor, detector):
            return
        if self.session is None:
            self.session = Session(predictor, detector, settings)
            # Gone with the visitor, whichever way they leave; its recording, too.
            self._end = weakref.finalize(self, self.session.close)
        else:
            self.session.use(settings, predictor, detector)
        self._with = settings, predictor, detector

    def forget(self) -> None:
        """Delete what was seen, and begin anew."""
        if self.session is None or self._with is None:
            return
        old, (settings, predictor, detector) = self.session, self._with
        if self._end is not None:
            self._end.detach()
        self.session = self._with = self.recorded = None
        self.use(settings, predictor, detector)
        old.close()

    def show(self, picture: np.ndarray, at: float) -> np.ndarray:
        """The picture as the visitor sees it; for the video's thread.

        Args:
            picture: (H, W, 3) uint8 RGB.
            at: when it came, time.monotonic().
        """
        session, self._last, self._pictures = self.session, at, self._pictures + 1
        if session is None:
            return picture
        try:
            return session.show(picture, at)
        except Exception as error:  # noqa: BLE001 (the picture goes on, whatever happens to its boxes)
            _log.error("a picture was not read", exc_info=error)
            return picture

    def wait(self, link: Link) -> Wait:
        """How long pictures are waited for, as the camera doctor wants to know it."""
        now = time.monotonic()
        if link.wanted and self._asked is None:
            self._asked, self._had, self._failed = now, self._pictures, False
        came = self._pictures > self._had
        if not link.wanted and self._asked is not None:
            self._failed = not came and now - self._asked > _GIVEN_UP
            self._asked = None
        if self._asked is None:
            return Wait(first=float("inf") if self._failed else 0.0)
        return Wait(next=now - self._last) if came else Wait(first=now - self._asked)


def current() -> Stage:
    """This visitor's stage."""
    if "stage" not in st.session_state:
        st.session_state["stage"] = Stage()
    return st.session_state["stage"]
