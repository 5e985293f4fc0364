"""A real server and a real Chromium for the journeys."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LOOPBACK = "FER_WEBRTC_LOOPBACK"
"""As in pages/_shared/webrtc.py, which is not imported here: it loads all of WebRTC."""

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    "--use-fake-device-for-media-stream --allow-loopback-in-peer-connection"
).split()
_TELLING = """
import faulthandler, signal
if hasattr(faulthandler, "register"):
    faulthandler.register(signal.SIGUSR1)
from streamlit.web.cli import main
main(prog_name="streamlit")
"""
"""`streamlit`, which writes on a signal to its log where its threads are."""

ALLOWED = "--use-fake-ui-for-media-stream"
"""Grants a camera to whoever asks."""
PLACES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def chromium() -> str | None:
    """Where a Chromium is, or None."""
    return os.environ.get("FER_CHROMIUM") or next(filter(None, map(shutil.which, PLACES)), None)


SHORT = {
    "test_a_photo_is_read",
    "test_one_picture_is_opened_labelled_by_a_key_and_undone",
    "test_a_click_in_the_matrix_shows_the_faces_which_are_labelled_and_undone",
    "test_a_camera_is_read_model_and_detector_change_while_it_runs_and_stop_stops",
    "test_keys_label_and_z_takes_back_also_after_a_reload",
}
"""A journey of each kind of page that `make test` walks too; `make slow` walks the others."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark every test here; without Chromium they are skipped, or fail where they must not be skipped."""
    here = [item for item in items if Path(__file__).parent in Path(item.fspath).parents]
    for item in here:
        item.add_marker(pytest.mark.browser)
        if item.name not in SHORT:
            item.add_marker(pytest.mark.slow)
        if chromium() is None and not os.environ.get("FER_REQUIRE_BROWSER"):
            item.add_marker(
                pytest.mark.skip("no Chromium: apt-get install chromium, or set FER_CHROMIUM to one")
            )


@dataclass(frozen=True)
class Server:
    """A running app.

    Attributes:
        started: time.monotonic() when it answered for the first time.
    """

    url: str
    pid: int
    workspace: Path
    started: float
    log: Path

    def resident_mb(self) -> float:
        """Resident memory, MB (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stacks(self) -> list[str]:
        """Where each of its threads is (Unix)."""
        before = self.log.stat().st_size
        os.kill(self.pid, signal.SIGUSR1)
        deadline, said = time.monotonic() + 5, ""
        # The thread that was interrupted is written last.
        while "Current thread" not in said and time.monotonic() < deadline:
            time.sleep(0.1)
            said = self.log.read_text("utf-8", "replace")[before:]
        return said.split("\n\n")

    def has_loaded(self, library: str) -> bool:
        """Whether a shared library of that name is in the process (Linux)."""
        return library in Path(f"/proc/{self.pid}/maps").read_text()


def start(folder: Path, script: str = "app.py") -> tuple[subprocess.Popen, Server]:
    """Start the app on a free port, with an empty home and a workspace of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    not_here = ("SSH_CONNECTION", "SSH_CLIENT", "CODESPACES")
    environment = {k: v for k, v in os.environ.items() if k not in not_here}
    # A machine without a network has no other address than its own to send a camera's pictures to.
    environment |= {"FER_WORKSPACE": str(folder / "workspace"), "HOME": str(folder), LOOPBACK: "1"}
    command = [sys.executable, "-c", _TELLING, "run", script, "--server.headless", "true"]
    command += ["--server.address", "localhost", "--server.port", str(port)]
    told = folder / "server.log"
    with told.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2):
                started = time.monotonic()
                url = f"http://localhost:{port}"
                return process, Server(url, process.pid, folder / "workspace", started, told)
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"The app did not start: {told.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One app for all journeys: as in real life, visitors come one after another."""
    process, running = start(tmp_path_factory.mktemp("server"))
    yield running
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory) -> Iterator[Server]:
    """An app for the journeys of one file, where nobody else's data is."""
    process, running = start(tmp_path_factory.mktemp("server"))
    yield running
    process.terminate()
    process.wait(10)


@pytest.fixture
def fresh_server(tmp_path) -> Iterator[Server]:
    """An app that nobody has visited yet."""
    process, running = start(tmp_path)
    yield running
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def launch():
    """Starts a Chromium without a window, with more flags."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    assert path, "FER_REQUIRE_BROWSER is set and there is no Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        yield lambda *flags: driver.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="session")
def browser(launch):
    """A Chromium whose camera shows a test pattern."""
    running = launch(ALLOWED)
    yield running
    running.close()


@pytest.fixture
def visitor(browser):
    """A fresh window whose every request is noted; a page that calls any other host fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    strangers = []
    page.on("request", lambda r: strangers.append(r.url) if "//localhost" not in r.url[:20] else None)
    yield page
    context.close()
    assert [url for url in strangers if not url.startswith(("data:", "blob:"))] == []
