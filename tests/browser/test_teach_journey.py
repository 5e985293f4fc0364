"""A teacher's visit, in a real browser: two classes of drawn faces, tried, saved, and used on a photo."""

import numpy as np
import pytest
from playwright.sync_api import expect

from fer_core.dataset import drawing
from fer_core.imaging.decode import encode_png

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Paths of drawn faces by expression, each of another person."""
    folder = tmp_path_factory.mktemp("faces")

    def write(expression, number):
        random = np.random.default_rng(number)
        who, seen = drawing.person(random), drawing.view(random)
        path = folder / f"{expression} {number}.png"
        path.write_bytes(encode_png(drawing.draw(drawing.PROTOTYPES[expression], who, seen, 192)))
        return str(path)

    return {name: [write(name, number) for number in range(6)] for name in ("happy", "sad")}


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def give(page, name, paths):
    """Drop photos on a class, and take whole those in which no face is found: these are drawn."""
    field = page.get_by_role("group", name=f"Photos of “{name}”").or_(page.get_by_test_id("stFileUploader"))
    field.first.locator("input[type=file]").set_input_files(paths)
    expect(page.get_by_text("added").first).to_be_visible()
    whole = page.get_by_role("button", name="Take the whole picture")
    if whole.count():
        whole.click()
        expect(whole).to_have_count(0)
    button(page, "OK").click()
    expect(button(page, "OK")).to_have_count(0)


def test_two_classes_are_taught_tried_saved_and_used(own_server, visitor, faces):
    visitor.goto(f"{own_server.url}/teach")
    visitor.get_by_role("textbox", name="Name of the class set").fill("Moods in class")
    visitor.get_by_role("textbox", name="Its classes, with commas between").fill("gleeful, gloomy")
    button(visitor, "Begin").click()
    expect(visitor.get_by_text("Photos are missing: gleeful, gloomy")).to_be_visible()
    give(visitor, "gleeful", faces["happy"][:4])
    expect(visitor.get_by_text("Photos are missing: gloomy")).to_be_visible()
    give(visitor, "gloomy", faces["sad"][:4])
    expect(visitor.get_by_text("when each photo is left out in turn")).to_be_visible()

    # Another tab, or the same after a reload, finds the set by its address.
    visitor.reload()
    expect(visitor.locator("figure")).to_have_count(8)
    visitor.locator("figure .open").first.click()
    expect(visitor.get_by_text("the nearest of its own class")).to_be_visible()
    button(visitor, "Close").click()
    visitor.locator("figure").first.hover()
    visitor.locator("figure .mark").first.click()
    expect(visitor.get_by_text("1 marked")).to_be_visible()
    button(visitor, "Remove").click()
    expect(visitor.locator("figure")).to_have_count(7)

    visitor.get_by_test_id("stFileUploader").last.locator("input[type=file]").set_input_files(
        faces["happy"][5]
    )
    expect(visitor.get_by_role("img", name="Probabilities of face 1")).to_contain_text("gleeful")
    button(visitor, "Save to the library").click()
    expect(visitor.get_by_text("is in the library, version 1, as shown here")).to_be_visible()
    assert (own_server.workspace / "models" / "taught_moods-in-class" / "head.npz").exists()

    button(visitor, "Use it on a photo").click()
    expect(visitor.get_by_role("heading", name="Photo", exact=True)).to_be_visible()
    visitor.set_input_files("input[type=file]", faces["sad"][5])
    expect(visitor.get_by_text("1 photo, ")).to_be_visible()
    whole = button(visitor, "Use the whole picture")
    if whole.count():
        whole.click()
    bars = visitor.get_by_role("img", name="Probabilities of face 1")
    expect(bars).to_contain_text("gloomy")
    expect(bars).to_contain_text("none of these")


def test_a_phone_never_scrolls_sideways(own_server, browser):
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        for address, shown in (("teach", "Classes and their photos"), ("teach?view=person", "Measured on")):
            page.goto(f"{own_server.url}/{address}")
            expect(page.get_by_text(shown).first).to_be_visible()
            main = page.get_by_test_id("stMain")
            assert main.evaluate("area => area.scrollWidth - area.clientWidth") == 0, (address, scheme)
        context.close()
