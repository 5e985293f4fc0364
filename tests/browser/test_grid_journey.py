"""Many pictures at once: marked by hand, mouse, finger or key, labelled by one key, taken back by another."""

import sqlite3
import time

import pytest
from playwright.sync_api import expect

from fer_core.dataset import ledger
from fer_core.dataset.store import Store
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

GRID = """() => { const look = (root) => { for (const e of root.querySelectorAll('*')) {
    if (e.classList?.contains('grid') && e.grid) return e
    const inside = e.shadowRoot && look(e.shadowRoot); if (inside) return inside } return null }
    return look(document) }"""
MARKED = f"() => [...({GRID})().querySelectorAll('.chosen')].map((f) => Number(f.dataset.id))"
SETTLED = f"() => ({GRID})()?.grid.waiting.length === 0"
COUNT = 24


@pytest.fixture
def grid(own_server, visitor):
    """The pictures of a new dataset, with a name given."""
    own_server.workspace.mkdir(exist_ok=True)
    store = Store.open(own_server.workspace / "studio.db")
    name = f"grid {time.monotonic_ns()}"
    drawn_dataset.write(store, [row(f"{i}", picture(i, 48)) for i in range(COUNT)], name=name, why=name)
    store.close()
    return Grid(own_server, visitor, name)


class Grid:
    def __init__(self, server, page, dataset):
        self.server, self.page, self.dataset = server, page, dataset

    def open(self, page=None):
        page = self.page = page or self.page
        page.goto(f"{self.server.url}/datasets?data={self.dataset}")
        page.wait_for_function(f"() => ({GRID})()?.grid.ids?.length === {COUNT}")
        return self

    def named(self, who="Ada"):
        """Mark one picture, which brings the field for the name, fill it in and unmark."""
        self.marks(0)
        field = self.page.get_by_role("textbox", name="Your name")
        field.fill(who)
        field.press("Enter")
        self.page.wait_for_function(f"() => ({GRID})().grid.classes.length > 0")
        self.page.get_by_role("button", name="Unmark").click()
        self.page.wait_for_function(
            f"() => ({GRID})()?.grid.ids?.length === {COUNT} && ({MARKED})().length === 0"
        )
        return self

    def box(self, place):
        return self.page.evaluate(
            f"(i) => {{ const b = ({GRID})().querySelectorAll('figure')[i].getBoundingClientRect(); "
            "return [b.left, b.top, b.right, b.bottom] }",
            place,
        )

    def ids(self):
        return self.page.evaluate(f"() => ({GRID})().grid.ids")

    def marked(self):
        return self.page.evaluate(MARKED)

    def marks(self, place):
        left, top, _, _ = self.box(place)
        self.page.mouse.click(left + 16, top + 16)
        self.page.wait_for_function(f"(id) => ({MARKED})().includes(id)", arg=self.ids()[place])

    def draw(self, first, last):
        """Draw a rectangle with the mouse from within one picture to within another."""
        (l1, t1, r1, b1), (l2, t2, r2, b2) = self.box(first), self.box(last)
        self.page.mouse.move((l1 + r1) / 2, (t1 + b1) / 2)
        self.page.mouse.down()
        self.page.mouse.move((l2 + r2) / 2, (t2 + b2) / 2, steps=6)
        self.page.mouse.up()

    def settled(self):
        self.page.wait_for_function(SETTLED)

    def labels(self):
        with sqlite3.connect(self.server.workspace / "studio.db") as connection:
            return dict(
                connection.execute(
                    "SELECT id, label FROM sample WHERE label <> 'happy' AND dataset = "
                    "(SELECT id FROM dataset WHERE name = ?)",
                    (self.dataset,),
                ).fetchall()
            )

    def answers(self):
        with sqlite3.connect(self.server.workspace / "studio.db") as connection:
            return connection.execute(
                "SELECT count(*), count(DISTINCT batch) FROM event WHERE kind = 'label' AND dataset = "
                "(SELECT id FROM dataset WHERE name = ?)",
                (self.dataset,),
            ).fetchone()


def test_a_rectangle_marks_a_key_labels_and_z_takes_back(grid):
    grid.open().named()
    grid.draw(0, 2)
    ids = grid.ids()
    assert grid.marked() == ids[:3]
    assert "sample=" not in grid.page.url, "the drag opened nothing"
    grid.page.keyboard.press("5")
    grid.draw(4, 5)
    grid.page.keyboard.press("0")
    grid.settled()
    assert grid.labels() == {**dict.fromkeys(ids[:3], "sad"), **dict.fromkeys(ids[4:6], "not a face")}
    assert grid.answers() == (5, 2) and grid.marked() == []
    grid.page.keyboard.press("z")
    grid.page.keyboard.press("z")
    grid.settled()
    assert grid.labels() == {}


def test_marked_pictures_are_taught_from_and_no_letter_of_a_name_labels_them(grid):
    page = grid.open().named().page
    grid.draw(0, 2)
    page.get_by_role("button", name="Teach with these").click()
    expect(page.get_by_text("3 pictures as examples")).to_be_visible()
    for field, typed in (("Name of the class set", "Moods 123"), ("Name of the class", "bored 5z")):
        page.get_by_role("textbox", name=field, exact=True).press_sequentially(typed)
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Teach")).to_be_visible()
    expect(page.get_by_text("bored 5z · 3 photos")).to_be_visible()
    assert "set=moods-123" in page.url and grid.labels() == {}


def test_a_key_that_is_held_down_labels_once(grid):
    grid.open().named()
    grid.draw(0, 1)
    for _ in range(8):
        grid.page.keyboard.down("4")
    grid.page.keyboard.up("4")
    grid.settled()
    assert grid.answers() == (2, 1)


def test_keys_walk_mark_unmark_and_type(grid):
    grid.open().named()
    ids = grid.ids()
    grid.marks(3)
    grid.page.keyboard.press("Escape")
    assert grid.marked() == []
    grid.page.evaluate(f"() => ({GRID})().querySelector('.open').focus()")
    grid.page.keyboard.press("ArrowRight")
    grid.page.keyboard.press("Space")
    grid.page.keyboard.press("Shift+ArrowRight")
    assert grid.marked() == ids[1:3]
    grid.page.keyboard.press("Escape")
    grid.page.keyboard.press("1")
    grid.settled()
    assert grid.labels() == {ids[2]: "angry"}, "with none marked, the picture under the focus"
    focused = grid.page.evaluate(f"() => ({GRID})().grid.focused()")
    assert focused == ids[2], "the focus stays when a tile is drawn anew"
    grid.marks(0)
    field = grid.page.get_by_role("textbox", name="Your name")
    field.click()
    field.press("2")
    assert field.input_value() == "Ada2" and grid.answers() == (1, 1), "what is typed labels nothing"


def test_a_click_opens_and_shift_marks_a_row(grid):
    grid.open().named()
    grid.marks(1)
    left, top, right, bottom = grid.box(4)
    grid.page.keyboard.down("Shift")
    grid.page.mouse.click((left + right) / 2, (top + bottom) / 2)
    grid.page.keyboard.up("Shift")
    assert grid.marked() == grid.ids()[1:5]
    first = grid.ids()[0]
    left, top, right, bottom = grid.box(0)
    grid.page.mouse.click((left + right) / 2, (top + bottom) / 2)
    grid.page.wait_for_url(f"**sample={first}*")


def test_two_tabs_and_a_revert_between_them(grid):
    """The other tab takes the sitting back; z in this one then says so and changes nothing."""
    grid.open().named()
    grid.draw(0, 1)
    grid.page.keyboard.press("5")
    grid.settled()
    store = Store.open(grid.server.workspace / "studio.db")
    ledger.revert(store, "Eve", dataset=grid.dataset, person="Ada")
    store.close()
    grid.page.keyboard.press("z")
    grid.page.get_by_text("which Eve took back").wait_for()
    assert grid.labels() == {}


def test_all_of_a_filter_is_asked_first_and_undone_at_once(grid):
    grid.open().named()
    page = grid.page
    page.get_by_role("button", name=f"Label all {COUNT}…").click()
    page.get_by_text("would change").wait_for()
    assert grid.labels() == {}
    page.get_by_role("button", name=f"Label {COUNT} pictures").click()
    page.get_by_text(f"{COUNT} pictures labelled angry").wait_for()
    assert set(grid.labels().values()) == {"angry"} and grid.answers() == (COUNT, 1)
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("pictures labelled angry").wait_for(state="detached")
    assert grid.labels() == {}


def test_a_long_press_marks_on_a_phone(grid, browser):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    page = context.new_page()
    grid.open(page)
    page.evaluate(f"() => ({GRID})().scrollIntoView()")
    left, top, right, bottom = grid.box(1)
    touch = page.context.new_cdp_session(page)
    point = {"x": (left + right) / 2, "y": (top + bottom) / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    page.wait_for_function(f"() => ({MARKED})().length === 1")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.get_by_text("Label 1 marked").wait_for()
    assert "sample=" not in page.url and grid.marked() == [grid.ids()[1]]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    context.close()
