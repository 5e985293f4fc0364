"""From a number to its faces, in a real browser: a cell is clicked, a face is marked, labelled and undone."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from fer_core.dataset import practice, schema
from fer_core.dataset.store import Store
from fer_core.evaluation import trial
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

expect.set_options(timeout=30_000)

SPOT = """([true_, read]) => {
    const plot = [...document.querySelectorAll('.js-plotly-plot')].find(p => p.data[0].type === 'heatmap')
    plot.scrollIntoView({block: 'center'})
    const {left, top} = plot.getBoundingClientRect()
    const {_size, xaxis, yaxis} = plot._fullLayout
    return [left + _size.l + xaxis.d2p(read), top + _size.t + yaxis.d2p(true_)]
}"""


@pytest.fixture(scope="module")
def store(own_server):
    own_server.workspace.mkdir(exist_ok=True)
    store = Store.open(own_server.workspace / "studio.db")
    practice.import_practice(store, count=140)
    return store


@pytest.fixture(scope="module")
def result(own_server, store):
    """What the default model makes of the validation split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(own_server.workspace))
        predictor = Predictor.load(library.find(library.default_id()).folder)
        return trial.run(store, predictor, trial.rows(store, practice.NAME, None, "validation")).result()


@pytest.fixture(scope="module")
def mistakes(result):
    """Two cells of mistakes with their samples, worst first: the fullest ones."""
    names, cells = result.label_set.names, []
    for true, read in {(t, g) for t, g in zip(result.truth, result.predicted, strict=True) if t != g}:
        samples = result.frame["sample"].iloc[result.cell(true, read)].tolist()
        cells.append(((names[true], names[read]), samples))
    return sorted(cells, key=lambda cell: (-len(cell[1]), cell[0]))[:2]


def shown(page):
    return [int(tile.get_attribute("data-id")) for tile in page.locator("figure").all()]


def click(page, cell, aside=0):
    """Click into a cell of the matrix, `aside` px from its middle."""
    page.wait_for_function("() => document.querySelector('.js-plotly-plot .heatmaplayer image')")
    before = None
    while before != (before := page.evaluate(SPOT, list(cell))):
        page.wait_for_timeout(200)
    x, y = before
    page.mouse.move(x + aside, y)
    page.mouse.click(x + aside, y)


def label(store, sample):
    with store.read() as connection:
        return connection.scalar(sa.select(schema.sample.c.label).where(schema.sample.c.id == sample))


def test_a_click_in_the_matrix_shows_the_faces_which_are_labelled_and_undone(
    own_server, store, mistakes, visitor
):
    (first, samples), (second, others) = mistakes
    visitor.goto(f"{own_server.url}/evaluate")
    expect(visitor.get_by_role("heading", name="What it takes for what")).to_be_visible()
    click(visitor, first, aside=18)
    expect(visitor.get_by_text("worst first")).to_be_visible()
    expect(visitor).to_have_url(re.compile(f"true={first[0]}&read={first[1]}"))
    expect(visitor.locator("figure")).to_have_count(len(samples))
    assert shown(visitor) == samples
    before = label(store, samples[0])
    visitor.locator("figure").first.hover()
    visitor.locator("figure .mark").first.click()
    visitor.get_by_role("textbox", name="Your name").fill("Ada")
    visitor.get_by_role("textbox", name="Your name").press("Enter")
    visitor.get_by_role("button", name="Label", exact=True).click()
    expect(visitor.get_by_text("1 picture labelled")).to_be_visible()
    given = label(store, samples[0])
    expect(visitor.locator("figcaption").first).to_contain_text(f"now {given}" if given != before else before)
    visitor.get_by_role("button", name="Undo").click()
    expect(visitor.get_by_text("1 picture labelled")).to_have_count(0)
    assert label(store, samples[0]) == before
    # Another cell, then the first again: a click always means the cell under it.
    click(visitor, second)
    expect(visitor.locator(f"figure[data-id='{others[0]}']")).to_be_visible()
    click(visitor, first)
    expect(visitor.locator(f"figure[data-id='{samples[0]}']")).to_be_visible()
    expect(visitor.locator("figure")).to_have_count(len(samples))
    assert shown(visitor) == samples


def test_the_address_is_the_view_and_a_total_opens_a_row(own_server, result, mistakes, visitor):
    (cell, samples), _ = mistakes
    visitor.goto(f"{own_server.url}/evaluate?true={cell[0]}&read={cell[1]}")
    expect(visitor.get_by_text("worst first")).to_be_visible()
    expect(visitor.locator("figure")).to_have_count(len(samples))
    assert shown(visitor) == samples
    click(visitor, (cell[0], "all"))
    row = result.frame["sample"][result.truth == result.label_set.names.index(cell[0])]
    expect(visitor.locator("figure")).to_have_count(len(row))
    assert set(shown(visitor)) == set(row) and "read=" not in visitor.url
    visitor.locator("figure .open").first.click()
    expect(visitor.get_by_text("Back to the")).to_be_visible()
    expect(visitor).to_have_url(re.compile("sample="))
    visitor.keyboard.press("Escape")
    expect(visitor.get_by_text("worst first")).to_be_visible()
    expect(visitor).not_to_have_url(re.compile("sample="))


def test_a_phone_never_scrolls_sideways(own_server, mistakes, browser):
    (cell, _), _ = mistakes
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{own_server.url}/evaluate?true={cell[0]}&read={cell[1]}")
        expect(page.get_by_text("worst first")).to_be_visible()
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        main = page.get_by_test_id("stMain")
        assert main.evaluate("area => area.scrollWidth - area.clientWidth") == 0, scheme
        context.close()
