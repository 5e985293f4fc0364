"""From the camera to the screen, in a real browser: how old the picture with its boxes is on the page Live.

    python -m benchmarks.live_browser [--seconds 20] [--rounds 2]

Chromium's camera is a file in which the astronaut moves, 640x480 at 30 frames a second; along the upper edge
of each frame stand black and white bars that say its number. Whenever the page shows a new frame, of the
camera itself or of the video that came back, its bars are read there. Server and browser share the machine
(its load is printed), and Chromium draws without a graphics card.

"Camera to screen" is from the browser's getting a frame from the camera to showing it with its boxes;
"behind the camera's own picture" is how much later it is shown than the same frame straight from the camera.
In turns with it an echo is measured: a page that sends the pictures back as they came, with nothing drawn.
What it takes is the way through browser, encoders and network; the rest is ours.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from skimage import data

from fer_core.imaging.decode import encode_jpeg
from tests.browser.conftest import ALLOWED, FLAGS, LOOPBACK, chromium, start

FPS, LOOP = 30, 300
BITS = 9
"""Of a frame's number; a bar each. A white bar stands before them (in a mirror: after them), and one that
makes the white ones even in number, and a black one, after."""

BARS, HIGH = BITS + 3, 40
WIDTH, HEIGHT = 640, 480
TARGET = 150.0
"""ms"""

ECHO = """
from streamlit_webrtc import webrtc_streamer
from pages._shared import webrtc  # which offers 127.0.0.1

webrtc_streamer("echo", rtc_configuration={"iceServers": []}, media_stream_constraints=webrtc._CAMERA,
                translations={"start": "Start"}, video_html_attrs={"autoPlay": True, "muted": True})
"""

READER = """
([bars, high]) => {
  const remote = document.querySelector("video")
  const local = document.createElement("video")
  local.srcObject = window.filmed
  local.muted = true
  local.style = "position:fixed;left:0;bottom:0;width:160px"
  document.body.append(local)
  local.play()
  const canvas = Object.assign(document.createElement("canvas"), { width: bars, height: 1 })
  const board = canvas.getContext("2d", { willReadFrequently: true })
  window.seen = { remote: [], local: [] }
  const watch = (video, rows) => video.requestVideoFrameCallback((now, frame) => {
    const wide = video.videoWidth / bars
    const deep = video.videoHeight * high / 2
    for (let bar = 0; bar < bars; bar++)  // the middle of each bar
      board.drawImage(video, (bar + 0.25) * wide, deep / 2, wide / 2, deep, bar, 0, 1, 1)
    const grey = [...board.getImageData(0, 0, bars, 1).data].filter((_, place) => place % 4 === 1)
    rows.push({ grey, captured: frame.captureTime ?? null, shown: frame.expectedDisplayTime })
    watch(video, rows)
  })
  watch(remote, seen.remote)
  watch(local, seen.local)
}
"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        os.environ[LOOPBACK] = "1"
        script = Path(folder) / "echo.py"
        script.write_text(ECHO, "utf-8")
        servers = [start(Path(folder)), start(Path(folder), str(script))]
        camera = film(Path(folder) / "camera.mjpeg")
        browser = driver.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, ALLOWED, f"--use-file-for-fake-video-capture={camera}"]
        )
        try:
            for _ in range(arguments.rounds):
                for (_, server), path in zip(servers, ("/live", ""), strict=True):
                    print(measure(browser, server.url + path, arguments.seconds), flush=True)
        finally:
            browser.close()
            for process, _ in servers:
                process.terminate()
                process.wait(10)


def film(path: Path) -> Path:
    """The camera's file: JPEGs one after the other."""
    face, pictures = Image.fromarray(data.astronaut()[:360, 60:420]), []
    for number in range(LOOP):
        turn = 6 * np.pi * number / LOOP
        side = round(340 * (1 + 0.15 * np.sin(turn)))
        canvas = Image.new("RGB", (WIDTH, HEIGHT), (90, 96, 104))
        canvas.paste(face.resize((side, side)), (round(140 + 60 * np.cos(turn)), HIGH + 20))
        picture = np.array(canvas)
        edges = np.linspace(0, WIDTH, BARS + 1).round().astype(int)
        for white, left, right in zip(bars(number), edges, edges[1:], strict=False):
            picture[:HIGH, left:right] = 255 * white
        pictures.append(encode_jpeg(picture, 85))
    path.write_bytes(b"".join(pictures))
    return path


def bars(number: int) -> list[int]:
    """1 for each white bar, from the left."""
    bits = [number >> place & 1 for place in range(BITS)]
    return [1, *bits, sum(bits) % 2, 0]


def read(grey: list[int]) -> int | None:
    """The number that bars of that brightness say, also in a mirror; None where they say none."""
    white = [int(level > 127) for level in grey]
    white = white if white[0] else white[::-1]
    number = sum(bit << place for place, bit in enumerate(white[1 : BITS + 1]))
    return number if white == bars(number) and number < LOOP else None


def measure(browser: Browser, url: str, seconds: float) -> str:
    """One visit to the page, in words."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(
        """const devices = navigator.mediaDevices, ask = devices?.getUserMedia.bind(devices)
        if (ask) devices.getUserMedia = async (wanted) => (window.filmed = await ask(wanted))"""
    )
    page = context.new_page()
    play(page, url)
    video = page.frame_locator('iframe[title^="streamlit_webrtc"]').locator("video").first
    page.wait_for_timeout(5_000)
    inside = video.element_handle().owner_frame()
    assert inside is not None
    inside.evaluate(READER, [BARS, HIGH / HEIGHT])
    page.wait_for_timeout(seconds * 1e3)
    seen = inside.evaluate("window.seen")
    pace = "an echo"
    if url.endswith("live"):
        pace = f"the page says: {page.get_by_text(re.compile('frames dropped')).inner_text()}"
    context.close()
    one, five, _ = os.getloadavg()
    load = f"load of {os.cpu_count()} cores: {one:.1f} (5 min: {five:.1f})"
    return f"{told(seen)}\n  {pace}\n  {load}"


def play(page: Page, url: str) -> None:
    """Start the video and wait for a face; one start in forty fails."""
    for last in (False, True):
        page.goto(url)
        page.frame_locator('iframe[title^="streamlit_webrtc"]').get_by_role("button", name="Start").click()
        if not url.endswith("live"):
            return
        try:
            page.get_by_text(re.compile(r"Face \d+ looks")).first.wait_for(timeout=60_000)
            return
        except Exception:
            if last:
                raise


def told(seen: dict[str, list[dict]]) -> str:
    """The delays of one visit, ms."""
    numbers = {kind: [read(row["grey"]) for row in rows] for kind, rows in seen.items()}
    straight = [(n, row) for n, row in zip(numbers["local"], seen["local"], strict=True) if n is not None]
    ages, behind, different = [], [], 0
    before = None
    for number, row in zip(numbers["remote"], seen["remote"], strict=True):
        different, before = different + (number != before), number
        # The loop is ten seconds long: its last turn is meant.
        same = [one for n, one in straight if n == number and 0 < row["shown"] - one["shown"] < 5e3]
        if same:
            behind.append(row["shown"] - same[-1]["shown"])
            ages.append(row["shown"] - same[-1]["captured"])
    unread = numbers["remote"].count(None) / max(1, len(numbers["remote"]))
    shown = [row["shown"] for row in seen["remote"]]
    rate = different / (shown[-1] - shown[0]) * 1e3
    (age, old), (late, very) = (np.percentile(values, [50, 95]) for values in (ages, behind))
    return (
        f"camera to screen {age:.0f} ms (95 %: {old:.0f}), behind the camera's own picture {late:.0f} ms "
        f"(95 %: {very:.0f}); at most {TARGET:.0f} ms for {np.mean(np.array(ages) <= TARGET):.1%} of "
        f"{len(ages)} frames, {rate:.1f} different ones a second, {unread:.1%} without a readable number"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
