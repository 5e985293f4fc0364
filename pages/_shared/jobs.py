"""Work that takes longer than a page: it goes on when the tab is reloaded or closed, and can be stopped."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fer_core.dataset.intake import Progress
from pages._shared import errors, words

KEPT_SECONDS = 3600
"""How long the outcome of a job waits for somebody to come back for it."""


class StopRequested(BaseException):
    """Raised in the work at its next progress; no `except Exception` on the way may swallow it.

    Work that can keep what is done catches it and returns.
    """


@dataclass
class Job:
    """One piece of work of this server. Its thread writes; pages read.

    Attributes:
        state: "running", "done", "stopped" or "failed".
        value: what the work returned, when it is done.
        error: what to tell a visitor, when it failed.
    """

    title: str
    state: str = "running"
    share: float | None = None
    text: str = ""
    value: Any = None
    error: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the share that is done; None when it is too early to say."""
        gone = time.monotonic() - self.began
        return gone / self.share * (1 - self.share) if self.share and gone > 2 else None


def start(key: str, title: str, work: Callable[[Progress], Any]) -> None:
    """Begin some work, unless work under this key is running already.

    Args:
        key: what finds the job again, from any tab.
        title: what is done, for people ("Looking for duplicates").
        work: called in a thread with a progress function, which it calls often: that is where it is stopped.
    """
    jobs = _jobs()
    for other in [k for k, job in jobs.items() if job.ended and time.monotonic() - job.ended > KEPT_SECONDS]:
        del jobs[other]
    if key in jobs and jobs[key].state == "running":
        return
    job = jobs[key] = Job(title)
    threading.Thread(target=_run, args=(job, work), name=f"job {key}", daemon=True).start()


def find(key: str) -> Job | None:
    """The job of that key, running or ended."""
    return _jobs().get(key)


def running(prefix: str = "") -> list[str]:
    """Keys of the jobs at work that begin so."""
    return [key for key, job in _jobs().items() if job.state == "running" and key.startswith(prefix)]


def forget(key: str) -> None:
    """Drop an ended job: its outcome was seen."""
    job = _jobs().get(key)
    if job and job.state != "running":
        del _jobs()[key]


def show(key: str) -> Job | None:
    """Draw a job: progress with a Stop button, or how it ended. Returns it once it has ended.

    What it returned (`value`) is for the caller to draw; errors and stops are said here.
    """
    job = find(key)
    if job is None:
        return None
    if job.state == "running":
        _watch(key)
        return None
    if job.state == "failed":
        st.error(errors.plain(job.error))
    elif job.state == "stopped":
        st.info(f"{errors.plain(job.title)}: stopped. Nothing half-done was kept.")
    return job


@st.fragment(run_every=0.5)
def _watch(key: str) -> None:
    job = find(key)
    if job is None or job.state != "running":
        st.rerun()
        return
    left = job.seconds_left
    said = " · ".join(part for part in (job.title, job.text, left is not None and words.left(left)) if part)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            st.progress(min(job.share or 0.0, 1.0), errors.plain(said))
        stopping = job.stopping.is_set()
        st.button(
            "Stopping…" if stopping else "Stop",
            key=f"stop {key}",
            on_click=job.stopping.set,
            disabled=stopping,
        )


def _run(job: Job, work: Callable[[Progress], Any]) -> None:
    def progress(done: int, total: int | None, text: str = "") -> None:
        if job.stopping.is_set():
            raise StopRequested
        job.share, job.text = (done / total if total else None), text

    try:
        job.value = work(progress)
        ended = "done"
    except StopRequested:
        ended = "stopped"
    except Exception as error:  # noqa: BLE001 (whatever happens in the thread must reach the page as words)
        job.error, ended = errors.sentence(error), "failed"
    job.ended = time.monotonic()
    job.state = ended


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}
