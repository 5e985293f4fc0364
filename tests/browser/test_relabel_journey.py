"""An annotator at the desk: every key counts, and nothing is lost, whatever tab, network or server do."""

import signal
import sqlite3
import time

import pytest

from fer_core.dataset import ledger, removal
from fer_core.dataset.store import Store
from fer_core.zoo import library
from tests import drawn_dataset
from tests.browser.conftest import start
from tests.drawn_dataset import picture, row

FIND = """(name) => { const look = (root) => { for (const e of root.querySelectorAll('*')) {
    if (e.classList?.contains(name)) return e
    const inside = e.shadowRoot && look(e.shadowRoot); if (inside) return inside } return null }
    return look(document) }"""
SHOWN = f"() => ({FIND})('picture')?.dataset.sample"
SAVED = f"() => ({FIND})('saved')?.textContent"


@pytest.fixture
def desk(own_server, visitor):
    """The desk of a queue of its own each time, with the pictures of one dataset."""
    own_server.workspace.mkdir(exist_ok=True)
    store = Store.open(own_server.workspace / "studio.db")
    name = f"faces {time.monotonic_ns()}"
    drawn_dataset.write(store, [row(f"{i}", picture(i, 48)) for i in range(120)], name=name, why=name)
    store.close()
    return Desk(own_server, visitor, name)


class Desk:
    def __init__(self, server, page, dataset):
        self.server, self.page, self.dataset = server, page, dataset

    def open(self, page=None, who="Ada", sitting="one", more="queue=random"):
        page = page or self.page
        page.goto(f"{self.server.url}/relabel?data={self.dataset}&split=train&sitting={sitting}&{more}")
        name = page.get_by_role("textbox", name="Your name")
        name.fill(who)
        name.press("Enter")
        page.wait_for_function(SHOWN)
        # Keys belong to the field as long as it is there.
        name.wait_for(state="detached")
        return page

    def press(self, keys, page=None):
        """Press keys one by one, each on a new picture; the samples that were shown."""
        page = page or self.page
        seen = []
        for key in keys:
            before = page.evaluate(SHOWN)
            seen.append(int(before))
            page.keyboard.press(key)
            page.wait_for_function(f"(old) => ({SHOWN})() !== old", arg=before)
        return seen

    def stored(self, page=None):
        (page or self.page).wait_for_function(f"() => ({SAVED})() === 'all stored'")

    def labels(self):
        """(sample, label, who) of every answer in the ledger, in its order."""
        with sqlite3.connect(self.server.workspace / "studio.db") as connection:
            return connection.execute(
                "SELECT sample, new, who FROM event WHERE kind = 'label' AND dataset = "
                "(SELECT id FROM dataset WHERE name = ?) ORDER BY id",
                (self.dataset,),
            ).fetchall()


def test_keys_label_and_z_takes_back_also_after_a_reload(desk):
    desk.open()
    seen = desk.press("1473")
    desk.stored()
    named = ["angry", "happy", "neutral", "fear"]
    assert desk.labels() == [(s, n, "Ada") for s, n in zip(seen, named, strict=True)]
    desk.page.keyboard.press("z")
    desk.page.wait_for_function(f"(old) => ({SHOWN})() === old", arg=str(seen[3]))
    assert desk.press("5") == seen[3:]
    desk.stored()
    assert [label for _, label, _ in desk.labels()] == [*named, "sad"]
    desk.open()
    assert int(desk.page.evaluate(SHOWN)) not in seen
    for expected in reversed(seen):
        desk.page.keyboard.press("z")
        desk.page.wait_for_function(f"(old) => ({SHOWN})() === old", arg=str(expected))
    desk.stored()
    store = Store.open(desk.server.workspace / "studio.db")
    assert [ledger.history(store, sample)[-1].new for sample in seen] == ["happy"] * 4
    store.close()


def test_a_key_that_is_held_down_labels_one_picture(desk):
    desk.open()
    first = desk.page.evaluate(SHOWN)
    for _ in range(8):
        desk.page.keyboard.down("4")
    desk.page.keyboard.up("4")
    desk.page.wait_for_function(f"(old) => ({SHOWN})() !== old", arg=first)
    desk.stored()
    assert len(desk.labels()) == 1


def test_skipping_and_walking_label_nothing_and_enter_confirms(desk):
    desk.open()
    first = desk.press(["s", "ArrowRight"])
    assert desk.labels() == []
    confirmed = desk.press(["Enter"])
    desk.stored()
    assert desk.labels() == [(confirmed[0], "happy", "Ada")] and confirmed[0] not in first


def test_without_a_network_answers_wait_and_are_sent_afterwards(desk):
    desk.open()
    desk.page.context.set_offline(True)
    desk.page.evaluate("() => 0")
    seen = desk.press("12345")
    assert "not stored" in desk.page.evaluate(SAVED) or desk.labels()
    desk.page.context.set_offline(False)
    desk.stored()
    assert [sample for sample, _, _ in desk.labels()] == seen


def test_a_tab_that_is_closed_at_once_loses_nothing(desk):
    """What the server did not get before the tab closed, the browser sends when the desk is opened again."""
    for _ in range(4):
        page = desk.page.context.new_page()
        desk.open(page)
        before = len(desk.labels())
        page.keyboard.press("6")
        page.keyboard.press("7")
        page.close(run_before_unload=False)
        again = desk.open()
        again.wait_for_function(f"() => !({SAVED})().includes('not stored')")
        for _ in range(50):
            if len(desk.labels()) == before + 2:
                break
            time.sleep(0.1)
        assert len(desk.labels()) == before + 2


def test_a_server_that_is_killed_loses_no_answer_and_doubles_none(tmp_path, visitor):
    for attempt in range(3):
        process, server = start(tmp_path)
        server.workspace.mkdir(exist_ok=True)
        store = Store.open(server.workspace / "studio.db")
        if attempt == 0:
            drawn_dataset.write(store, [row(f"{i}", picture(i, 48)) for i in range(60)])
        store.close()
        desk = Desk(server, visitor, "faces")
        desk.open()
        before = len(desk.labels())
        for key in "1234567"[: 3 + attempt]:
            visitor.keyboard.press(key)
        told = visitor.evaluate(SAVED)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(desk.labels()) - before
        assert kept == 3 + attempt or told != "all stored"
        # What was not acknowledged is still in the browser, and reaches the next server.
        waiting = visitor.evaluate(
            "() => Object.keys(localStorage).filter((k) => k.includes('desk'))"
            ".flatMap((k) => JSON.parse(localStorage.getItem(k))).length"
        )
        assert kept + waiting >= 3 + attempt


def test_two_people_never_get_the_same_picture(desk, browser):
    desk.open(who="Ada")
    other = browser.new_context()
    page = desk.open(other.new_page(), who="Ben", sitting="two")
    mine = desk.press("111111")
    theirs = desk.press("222222", page)
    desk.stored()
    desk.stored(page)
    assert not set(mine) & set(theirs)
    assert {who for _, _, who in desk.labels()} == {"Ada", "Ben"} and len(desk.labels()) == 12
    other.close()


def test_buttons_do_what_keys_do_on_a_phone(desk):
    desk.page.set_viewport_size({"width": 390, "height": 844})
    desk.open()
    first = int(desk.page.evaluate(SHOWN))
    desk.page.get_by_role("button", name="disgust").click()
    desk.stored()
    assert desk.labels() == [(first, "disgust", "Ada")]
    assert desk.page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_two_tabs_of_one_person_store_one_label_and_say_so(desk):
    desk.open()
    other = desk.open(desk.page.context.new_page())
    assert desk.page.evaluate(SHOWN) == other.evaluate(SHOWN)
    seen = desk.press("55")
    desk.stored()
    other.keyboard.press("3")
    other.wait_for_function(f"() => ({SAVED})()?.includes('another tab: sad')")
    assert desk.labels() == [(s, "sad", "Ada") for s in seen]


def test_an_old_tab_learns_that_its_sitting_was_taken_back(desk):
    desk.open()
    seen = desk.press("55")
    desk.stored()
    store = Store.open(desk.server.workspace / "studio.db")
    ledger.revert(store, "Ben", sitting="one", dataset=desk.dataset)
    desk.page.keyboard.press("z")
    desk.page.wait_for_function(f"() => ({SAVED})()?.includes('taken back before')")
    assert [ledger.history(store, sample)[-1].new for sample in seen] == ["happy"] * 2
    store.close()


def test_a_dataset_that_is_deleted_meanwhile_is_said(desk):
    desk.open()
    store = Store.open(desk.server.workspace / "studio.db")
    removal.remove_dataset(store, desk.dataset, "Ben")
    store.close()
    desk.page.keyboard.press("5")
    desk.page.wait_for_function(f"() => ({SAVED})()?.startsWith('Not stored')")
    desk.page.reload()
    desk.page.get_by_text("here any more").wait_for()


def test_everyone_answers_alone_and_the_end_counts(desk, browser):
    desk.open()
    mine = desk.press("555")
    desk.stored()
    other = browser.new_context()
    page = desk.open(other.new_page(), who="Ben", sitting="two", more="queue=random&shared=1")
    assert desk.press("444", page) == mine
    desk.stored(page)
    assert len(desk.labels()) == 6
    page.get_by_role("button", name="End the sitting").click()
    page.get_by_text("3 pictures answered").wait_for()
    other.close()


def test_h_shows_where_the_model_looked_and_keys_go_on(desk):
    model = library.default_id()
    desk.open(more=f"queue=doubt&model={model}")
    source = f"() => ({FIND})('picture').src.slice(0, 15)"
    assert desk.page.evaluate(source) == "data:image/png;"
    desk.page.keyboard.press("h")
    desk.page.wait_for_function(f"() => ({source})() === 'data:image/jpeg'")
    seen = desk.press("55")
    desk.page.keyboard.press("h")
    desk.page.wait_for_function(f"() => ({source})() === 'data:image/png;'")
    desk.stored()
    assert desk.labels() == [(s, "sad", "Ada") for s in seen]


def test_keys_work_after_a_switch_was_flipped_and_buttons_by_keyboard(desk):
    desk.open()
    desk.page.get_by_text("Exact copies too").click()
    seen = desk.press("5")
    desk.stored()
    button = desk.page.get_by_role("button", name="fear")
    assert button.get_attribute("aria-keyshortcuts") == "3"
    seen.append(int(desk.page.evaluate(SHOWN)))
    button.focus()
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_function(f"(old) => ({SHOWN})() !== old", arg=str(seen[1]))
    desk.stored()
    assert [(s, n) for s, n, _ in desk.labels()] == [(seen[0], "sad"), (seen[1], "fear")]
