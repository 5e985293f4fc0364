"""A video in, an annotated one out, in a real browser."""

import re
import time

import pytest
from made_videos import write
from playwright.sync_api import expect

from fer_core.inference import video

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write(folder / "two.mp4", 3, 15, faces=2, size=(640, 480), sound="aac", empty_after=2.5)
    write(folder / "long.mp4", 60, 25, size=(480, 360), moving=False)
    (folder / "empty.mp4").write_bytes(b"not a video")
    return folder


def drop(page, path):
    page.set_input_files("input[type=file]", str(path))


def test_a_video_comes_back_with_a_timeline_that_can_be_clicked(own_server, visitor, files):
    visitor.goto(f"{own_server.url}/video")
    expect(visitor.get_by_text("stays on this computer")).to_be_visible()
    drop(visitor, files / "two.mp4")
    expect(visitor.get_by_text("Face 1 looks happy")).to_be_visible()
    player = visitor.locator("video")
    visitor.wait_for_function("(document.querySelector('video') || {}).readyState >= 2")
    assert player.evaluate("video => [video.videoWidth, video.videoHeight, video.error]") == [640, 480, None]
    assert player.evaluate("video => video.duration") == pytest.approx(3, abs=0.1)

    # As high as the page, so that all of it is drawn.
    visitor.set_viewport_size({"width": 1280, "height": 3000})
    chart = visitor.locator(".js-plotly-plot").first
    expect(chart).to_be_visible()
    visitor.wait_for_timeout(500)
    box = chart.bounding_box()
    visitor.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    expect(visitor.get_by_alt_text(re.compile("The frame at 1\\.. seconds, face 1"))).to_be_visible()
    visitor.wait_for_url(re.compile(r"face=1&at=1\."))
    visitor.get_by_role("button", name="Play from here").click()
    visitor.wait_for_function("document.querySelector('video').currentTime >= 1")

    visitor.reload()
    expect(visitor.get_by_alt_text(re.compile("The frame at 1\\.. seconds, face 1"))).to_be_visible()
    with visitor.expect_download() as taken:
        visitor.get_by_role("button", name="Video (mp4)").click()
    assert taken.value.suggested_filename == "two.faces.mp4"
    assert video.probe(taken.value.path()).sound == "aac"
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Table (CSV)").click()
    assert table.value.path().read_text().startswith("seconds,face,x,y,width,height,looks")


def test_the_work_outlives_a_reload_and_a_stop_keeps_what_is_done(own_server, visitor, files):
    visitor.goto(f"{own_server.url}/video")
    # Looking at each frame takes long enough to be stopped.
    visitor.get_by_text("Model, face detector and timing").click()
    slider = visitor.get_by_role("slider", name="Look for faces every")
    slider.focus()
    slider.press("Home")
    expect(slider).to_have_value("0")
    visitor.wait_for_timeout(500)
    drop(visitor, files / "long.mp4")
    expect(visitor.get_by_text("Reading long.mp4")).to_be_visible()
    address = visitor.url
    visitor.reload()
    expect(visitor.get_by_text("Reading long.mp4")).to_be_visible()
    assert visitor.url == address
    visitor.get_by_role("button", name="Stop").click()
    expect(visitor.get_by_text("What was read until then is here")).to_be_visible()
    visitor.wait_for_function("(document.querySelector('video') || {}).readyState >= 1")
    assert 0 < visitor.locator("video").evaluate("video => video.duration") < 60

    visitor.get_by_role("button", name="Delete", exact=True).click()
    visitor.get_by_role("button", name="Delete for good").click()
    expect(visitor.get_by_text("Drop a video here")).to_be_visible()
    token = address.split("video=")[1]
    time.sleep(0.5)
    assert not (own_server.workspace / "videos" / token).exists()


def test_what_is_no_video_is_told(own_server, visitor, files):
    visitor.goto(f"{own_server.url}/video")
    drop(visitor, files / "empty.mp4")
    expect(visitor.get_by_role("alert")).to_contain_text("cannot be opened")
    assert "Traceback" not in visitor.content()


def test_a_phone_never_scrolls_sideways(own_server, browser, files):
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{own_server.url}/video")
        expect(page.get_by_text("Drop a video here")).to_be_visible()
        area = page.get_by_test_id("stMain")
        assert area.evaluate("area => area.scrollWidth - area.clientWidth") == 0, scheme
        drop(page, files / "two.mp4")
        expect(page.get_by_text("Face 1 looks happy")).to_be_visible()
        page.wait_for_timeout(1000)
        assert area.evaluate("area => area.scrollWidth - area.clientWidth") == 0, scheme
        context.close()
