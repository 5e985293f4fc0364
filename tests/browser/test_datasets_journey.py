"""A dataset looked through, in a real browser: pictures open, are marked and get labels that stay."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from fer_core.dataset import practice, schema
from fer_core.dataset.store import Store

expect.set_options(timeout=30_000)

COUNT = 140


@pytest.fixture(scope="module")
def store(server):
    server.workspace.mkdir(exist_ok=True)
    store = Store.open(server.workspace / "studio.db")
    practice.import_practice(store, name="journey", count=COUNT)
    return store


def tiles(page):
    return page.locator("figure")


def button(page, name):
    """One of Streamlit's own: pictures are buttons too, and it keeps hidden copies to measure."""
    return page.locator("[data-testid^=stBaseButton]").filter(has_text=name, visible=True).first


def labels(store, *samples):
    with store.read() as connection:
        query = sa.select(schema.sample.c.id, schema.sample.c.label).where(schema.sample.c.id.in_(samples))
        found = dict(connection.execute(query).all())
    return [found[sample] for sample in samples]


def open_grid(page, server, address=""):
    page.goto(f"{server.url}/datasets?data=journey{address}")
    expect(tiles(page).first).to_be_visible()


def test_one_picture_is_opened_labelled_by_a_key_and_undone(server, store, visitor):
    open_grid(visitor, server)
    sample = int(tiles(visitor).nth(1).get_attribute("data-id"))
    (before,) = labels(store, sample)
    tiles(visitor).nth(1).locator(".open").click()
    expect(visitor.get_by_role("heading", name=before.capitalize())).to_be_visible()
    assert f"sample={sample}" in visitor.url
    expect(button(visitor, "angry")).to_be_disabled()
    visitor.get_by_role("textbox", name="Your name").fill("Ada")
    visitor.get_by_role("textbox", name="Your name").press("Enter")
    expect(button(visitor, "angry")).to_be_enabled()
    visitor.get_by_role("heading", name="Datasets").click()
    visitor.keyboard.press("0")
    expect(visitor.get_by_role("heading", name="Not a face")).to_be_visible()
    assert labels(store, sample) == ["not a face"]
    expect(visitor.get_by_text(f"Ada: {before} → not a face")).to_be_visible()
    visitor.keyboard.press("z")
    expect(visitor.get_by_role("heading", name=before.capitalize())).to_be_visible()
    assert labels(store, sample) == [before]
    visitor.keyboard.press("ArrowRight")
    expect(visitor.get_by_text(f"drawn:{sample}", exact=True)).to_be_visible()
    visitor.keyboard.press("Escape")
    expect(tiles(visitor).first).to_be_visible()
    assert "sample=" not in visitor.url


def test_several_are_marked_and_labelled_together(server, store, visitor):
    open_grid(visitor, server, "&split=validation")
    shown = [int(tiles(visitor).nth(n).get_attribute("data-id")) for n in range(5)]
    before = labels(store, *shown)
    tiles(visitor).nth(1).hover()
    tiles(visitor).nth(1).locator(".mark").click()
    tiles(visitor).nth(3).locator(".open").click(modifiers=["Shift"])
    expect(visitor.get_by_text("Label 3 marked")).to_be_visible()
    visitor.get_by_role("textbox", name="Your name").fill("Bea")
    visitor.get_by_role("textbox", name="Your name").press("Enter")
    visitor.get_by_role("button", name="Label", exact=True).click()
    expect(visitor.get_by_text("3 pictures labelled angry")).to_be_visible()
    assert labels(store, *shown) == [before[0], "angry", "angry", "angry", before[4]]
    assert visitor.locator("figure.chosen").count() == 0
    visitor.get_by_role("button", name="Undo").click()
    expect(visitor.get_by_text("3 pictures labelled angry")).to_have_count(0)
    assert labels(store, *shown) == before


def test_the_address_is_the_view(server, store, visitor):
    open_grid(visitor, server)
    expect(visitor.get_by_text(f"{COUNT + 1} pictures")).to_be_visible()
    visitor.get_by_label("Page 3").click()
    expect(tiles(visitor)).to_have_count(COUNT + 1 - 120)
    assert "page=3" in visitor.url
    visitor.reload()
    expect(tiles(visitor)).to_have_count(COUNT + 1 - 120)
    visitor.get_by_text("Overview", exact=True).click()
    button(visitor, "fear →").click()
    expect(visitor.get_by_text(f"of {COUNT + 1}")).to_be_visible()
    expect(tiles(visitor).first).to_be_visible()
    assert "label=fear" in visitor.url and "page=" not in visitor.url
    assert set(labels(store, *(int(f.get_attribute("data-id")) for f in tiles(visitor).all()))) == {"fear"}
    visitor.get_by_role("button", name="Show all").click()
    expect(visitor.get_by_text(f"{COUNT + 1} pictures")).to_be_visible()
