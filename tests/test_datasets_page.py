"""The Datasets page: every section on drawn faces, every view from its address."""

import json
import shutil
import time
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import browse, findings, ledger, practice
from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Store
from pages._shared import gallery, jobs

ROOT = Path(__file__).resolve().parent.parent
COUNT = 126


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A store with a practice dataset, to be copied: drawing it takes longer than most tests here."""
    path = tmp_path_factory.mktemp("drawn") / "studio.db"
    store = Store.open(path)
    practice.import_practice(store, count=COUNT)
    store.close()
    return path


@pytest.fixture
def store(drawn):
    """A store in this test's workspace."""
    shutil.copy(drawn, workspace.root() / "studio.db")
    return Store.open()


def visit(**address):
    """The page at an address, in a new tab."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/datasets.py")
    for key, value in address.items():
        app.query_params[key] = str(value)
    app.run()
    assert not app.exception
    return app


def tiles(app):
    """What the galleries of a page show, in order."""
    shown = []
    for element in app.get("bidi_component"):
        shown += json.loads(element.proto.json)["tiles"]
    return shown


def said(app):
    parts = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error, app.success)
    return "\n".join(element.value.replace("\\", "") for kind in parts for element in kind)


def table(app):
    return app.table[0].value.to_string().replace("\\", "")


def settle():
    """Wait until no job is running."""
    for _ in range(600):
        if not jobs.running():
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {jobs.running()}")


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def test_without_a_dataset_one_click_draws_one(monkeypatch):
    monkeypatch.setattr(practice, "import_practice", partial(practice.import_practice, count=28))
    app = visit()
    practice_button = next(b.label for b in app.button if "practice" in b.label)
    press(app, practice_button)
    settle()
    assert [d.name for d in Store.open().datasets()] == ["practice"]


def test_the_grid_shows_a_page_of_pictures(store):
    app = visit()
    shown = tiles(app)
    assert [tile["id"] for tile in shown] == list(range(1, 61))
    assert shown[0]["src"].startswith("data:image/") and "labelled" in shown[0]["alt"]
    assert f"{COUNT + 1} pictures" in said(app)


@pytest.mark.parametrize(
    ("address", "where", "order", "first"),
    [
        ({"page": 3}, Filter(), "imported", 120),
        ({"split": "test"}, Filter(split="test"), "imported", 0),
        ({"label": "fear", "order": "shuffled"}, Filter(label="fear"), "shuffled", 0),
        ({"subject": "person 02", "order": "class"}, Filter(subject="person 02"), "class", 0),
        ({"text": "wn:11"}, Filter(text="wn:11"), "imported", 0),
        ({"state": "changed"}, Filter(state="changed"), "imported", 0),
        ({"who": "Ada", "order": "latest"}, Filter(who="Ada"), "latest", 0),
    ],
)
def test_the_address_says_what_is_shown(store, address, where, order, first):
    ledger.relabel(store, [(5, "unsure"), (6, "not a face")], "Ada")
    wanted = [t.sample for t in browse.page(store, "practice", where, order, first, 60)]
    assert wanted and [tile["id"] for tile in tiles(visit(data="practice", **address))] == wanted


@pytest.mark.parametrize(
    "address",
    [
        {"data": "nowhere"},
        {"page": "99"},
        {"page": "-1"},
        {"page": "x" * 5000},
        {"split": "<script>"},
        {"finding": "anything"},
        {"picked": "gone"},
        {"view": "../../etc"},
        {"order": "; DROP TABLE sample"},
    ],
    ids=lambda address: next(iter(address)),
)
def test_an_address_that_asks_for_what_is_not_there_shows_something_all_the_same(store, address):
    assert tiles(visit(**address))


def test_nothing_found_says_so_and_leads_back(store):
    app = visit(text="no such file")
    assert "No picture is like that" in said(app)
    assert tiles(press(app, "Show all"))


def test_one_sample_with_all_about_it(store):
    app = visit(data="practice", sample=3)
    found = browse.detail(store, 3)
    assert found.tile.label.capitalize() in said(app) and "drawn for practice" in said(app)
    facts = table(app)
    assert "96 × 96" in facts and "person 01" in facts
    app.text_input(key="who").set_value("Ada").run()
    press(app, "unsure")
    assert "Unsure" in said(app) and f"Ada: {found.tile.label} → unsure" in said(app).replace("*", "")
    press(app, "Undo")
    assert browse.detail(store, 3).tile.label == found.tile.label
    press(app, "Next")
    assert "drawn:3" in table(app)


def test_a_sample_that_is_gone_is_a_sentence(store):
    assert "may have been deleted" in said(visit(sample=10**9))


def test_a_sample_is_deleted_for_good_and_a_receipt_says_so(store):
    app = visit(data="practice", sample=7)
    app.text_input(key="who").set_value("Ada").run()
    press(app, "Delete this sample")
    settle()
    app.run()
    assert "Deleted for good: 1 sample and 1 picture" in said(app) and "may have been deleted" in said(app)
    assert browse.counted(store, "practice") == COUNT


def test_the_overview_counts_and_shows_each_class(store):
    app = visit(view="overview")
    assert f"{COUNT + 1} pictures" in said(app) and "96 × 96 px" in said(app)
    assert {tile["caption"] for tile in tiles(app)} == {""} and len(tiles(app)) == 70
    first = [tile["id"] for tile in tiles(app)]
    assert [tile["id"] for tile in tiles(press(app, "Others"))] != first


def test_problems_are_looked_for_on_request_and_lead_to_their_pictures(store):
    app = visit(view="problems")
    assert not tiles(app)
    press(app, "Look for problems")
    settle()
    app.run()
    assert findings.summary(store, "practice").counts["leak"] == 2
    assert "Leaks" in said(app) and "2 pictures in 1 group" in said(app)
    app.button(key="show leak").click().run()
    assert not app.exception
    assert {tile["title"].split(" · ")[1] for tile in tiles(app)} == {"train", "validation"}
    assert len(tiles(app)) == 2
    ledger.relabel(store, [(1, "unsure")], "Ada")
    assert "changed since this checkup" in said(visit(view="problems"))


def test_every_section_opens(store):
    for view in ("pictures", "overview", "problems", "map", "versions"):
        app = visit(data="practice", view=view)
        assert not app.error, app.error


def test_home_counts_the_datasets(store):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert f"practice** {COUNT + 1} pictures" in said(app)


def test_thumbnails_are_small_and_forgotten_after_deletion(store):
    images = [tile.image for tile in browse.page(store, "practice", count=5)]
    found = gallery.thumbnails(store, images)
    assert list(found) == images and all(len(address) < 15_000 for address in found.values())
    gallery.forget()
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM sample")
        connection.exec_driver_sql("DELETE FROM image")
    with pytest.raises(Exception, match="deleted"):
        gallery.thumbnails(store, images)
