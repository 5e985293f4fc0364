"""A camera in a real browser, fed from a file: boxes and expressions, through WebRTC on this computer."""

import re
import sys
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, expect
from skimage import data

from fer_core.imaging.decode import encode_jpeg
from fer_core.zoo import library
from tests.browser.conftest import ALLOWED

expect.set_options(timeout=30_000)

FRAMES = 90
IDLE = 60.0
"""s after which nothing of a camera is left, however it ended: WebRTC notices a closed tab after some 30."""

OF_A_CAMERA = ("streamlit_webrtc/", "aiortc/", "inference/live.py")
"""Parts of the paths of code in which a thread for a camera is; the web server's own pools are elsewhere."""


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """The astronaut, moved and scaled, as the pictures of a camera: JPEGs one after the other."""
    face = Image.fromarray(data.astronaut()[:360, 60:420])
    pictures = []
    for number in range(FRAMES):
        phase = 2 * np.pi * number / FRAMES
        side = round(360 * (1 + 0.2 * np.sin(phase)))
        canvas = Image.new("RGB", (640, 480), (90, 96, 104))
        canvas.paste(face.resize((side, side)), (round(130 + 60 * np.cos(phase)), 30))
        pictures.append(encode_jpeg(np.array(canvas), 85))
    path = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    path.write_bytes(b"".join(pictures))
    return path


@pytest.fixture(scope="module")
def filmed(launch, film):
    """A Chromium whose camera shows the astronaut, and which grants it to whoever asks."""
    running = launch(ALLOWED, f"--use-file-for-fake-video-capture={film}")
    yield running
    running.close()


@pytest.fixture
def page(filmed):
    """A fresh window; a page that calls any other host fails the test."""
    context = filmed.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    strangers = []
    page.on("request", lambda r: strangers.append(r.url) if "//localhost" not in r.url[:20] else None)
    yield page
    context.close()
    assert [url for url in strangers if not url.startswith(("data:", "blob:"))] == []


def frame(page):
    """The video's own frame."""
    return page.frame_locator('iframe[title^="streamlit_webrtc"]')


def play(page, server, address=""):
    """Open the page and press Start, until a face is found; one start in forty fails."""
    for attempt in (1, 2):
        page.goto(f"{server.url}/live{address}")
        frame(page).get_by_role("button", name="Start").click()
        try:
            page.get_by_text(re.compile(r"Face \d+ looks happy")).wait_for(timeout=30_000)
            return
        except Error:
            if attempt == 2:
                raise


def pictures(page):
    """How many pictures the server has shown."""
    said = page.get_by_text(re.compile(r"of [\d,]+ frames dropped")).inner_text()
    return int(re.search(r"of ([\d,]+) frames", said)[1].replace(",", ""))


def at_work(server):
    """The threads that read a camera's pictures, or carry them."""
    return [stack for stack in server.stacks() if any(name in stack for name in OF_A_CAMERA)]


def settled(server):
    """Wait until the server has no thread left for any camera."""
    deadline = time.monotonic() + IDLE
    while left := at_work(server):
        assert time.monotonic() < deadline, left
        time.sleep(1)


def test_a_camera_is_read_model_and_detector_change_while_it_runs_and_stop_stops(server, page):
    play(page, server)
    expect(page.get_by_text("stays on this computer")).to_be_visible()
    expect(page.get_by_text("Mostly happy")).to_be_visible()
    expect(page.get_by_text("Valence and arousal, derived")).to_be_visible()
    expect(frame(page).locator("video")).to_be_visible()
    assert frame(page).locator("video").evaluate("video => video.readyState >= 2 && video.videoWidth > 16")
    before = pictures(page)
    for box, option, address in (
        ("Model", "mini-Xception, raw labels", "model=mini_xception_raw"),
        ("Face detector", "Haar cascade", "detector=haar"),
    ):
        page.get_by_role("combobox", name=box).click()
        page.get_by_role("option", name=option).click()
        page.wait_for_url(re.compile(address))
    expect(page.get_by_text(re.compile(r"Face \d+ looks happy"))).to_be_visible()
    page.evaluate("document.querySelectorAll('canvas').forEach((canvas) => (canvas.mine = true))")
    # The same video goes on: nothing was started anew, no picture counted from zero.
    deadline = time.monotonic() + 20
    while pictures(page) <= before + 30:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    # Charts that take new points in do not flash.
    assert page.evaluate("[...document.querySelectorAll('canvas')].map((c) => c.mine)") == [True, True]
    frame(page).get_by_role("button", name="Stop").click()
    expect(frame(page).get_by_role("button", name="Start")).to_be_visible()
    expect(page.get_by_text("frames dropped")).to_have_count(0)
    with page.expect_download() as table:
        page.get_by_role("button", name="Results (CSV)").click()
    rows = table.value.path().read_text().splitlines()
    assert rows[0].startswith("time,seconds,face,looks,")
    assert any(",happy," in row for row in rows[1:])
    assert any(row.endswith(f",{library.DEFAULT},blazeface") for row in rows[1:])
    assert any(row.endswith(",mini_xception_raw,haar") for row in rows[1:])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_nothing_is_left_of_a_camera_however_it_ends(own_server, filmed):
    def visit(end):
        context = filmed.new_context()
        page = context.new_page()
        play(page, own_server)
        assert any("inference/live.py" in stack for stack in at_work(own_server))
        end(page)
        context.close()
        settled(own_server)

    def stop(page):
        frame(page).get_by_role("button", name="Stop").click()
        expect(frame(page).get_by_role("button", name="Start")).to_be_visible()

    def leave(page):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Photo").click()
        expect(page.get_by_role("heading", name="Photo")).to_be_visible()
        # Gone while the visitor is still here, on another page.
        settled(own_server)

    visit(stop)
    memory = own_server.resident_mb()
    for end in (leave, lambda page: page.reload(), lambda page: page.close(), stop):
        visit(end)
    # A session that stayed would hold on to its pictures, the decoder's and the encoder's too.
    assert own_server.resident_mb() < memory + 150


def test_two_tabs_run_side_by_side(server, filmed):
    contexts = [filmed.new_context() for _ in range(2)]
    tabs = [context.new_page() for context in contexts]
    for tab in tabs:
        play(tab, server)
    counts = [pictures(tab) for tab in tabs]
    deadline = time.monotonic() + 20
    while any(pictures(tab) <= count + 5 for tab, count in zip(tabs, counts, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for context in contexts:
        context.close()


def test_a_refused_camera_is_explained_and_a_photo_does_instead(server, launch, film, tmp_path):
    refusing = launch("--deny-permission-prompts")
    page = refusing.new_page()
    page.goto(f"{server.url}/live")
    frame(page).get_by_role("button", name="Start").click()
    expect(page.get_by_text("The browser may not use the camera for this page.")).to_be_visible()
    expect(page.get_by_text("allow the camera, then press Start again")).to_be_visible()
    (tmp_path / "me.jpg").write_bytes(encode_jpeg(data.astronaut()))
    page.set_input_files("input[type=file]", str(tmp_path / "me.jpg"))
    expect(page.locator("ol li")).to_contain_text("Face 1 looks happy")
    refusing.close()


def test_a_camera_that_goes_away_is_noticed(server, page):
    page.add_init_script(
        """const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices)
        devices.getUserMedia = async (wanted) => (window.filmed = await ask(wanted))"""
    )
    play(page, server)
    # What a browser does when a camera is unplugged.
    frame(page).locator("video").evaluate(
        "() => window.filmed.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
    )
    expect(page.get_by_text("The camera went away while it was running.")).to_be_visible()


def test_a_phone_never_scrolls_sideways(server, filmed):
    for scheme in ("light", "dark"):
        context = filmed.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        play(page, server)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("area => area.scrollWidth - area.clientWidth") == 0
        context.close()
