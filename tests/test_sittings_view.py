"""The section Sittings of the page Relabel: from the address to the way back."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import ledger
from pages._shared import sittings_view
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store():
    return drawn_dataset.here(workspace.root(), [row(f"{n}.png", picture(n)) for n in range(1, 9)])


def visit(**asked):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/relabel.py")
    for key, value in {"data": "faces", "view": "sittings", **asked}.items():
        app.query_params[key] = str(value)
    app.session_state["who"] = "Eve"
    app.run()
    assert not app.exception
    return app


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def said(app):
    parts = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    return "\n".join(element.value.replace("\\", "") for kind in parts for element in kind)


def captions(app):
    drawn = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    return [tile["caption"] for each in drawn for tile in each["tiles"]]


def labels_of(store):
    return {s: ledger.history(store, s)[-1].new for s in range(1, 9)}


def two_people(store):
    ledger.relabel(store, [(1, "sad"), (2, "sad"), (3, "happy")], "Ada", sitting="s1", surfaced_by="random")
    ledger.relabel(store, [(2, "fear")], "Ben", sitting="s2", surfaced_by="people")


def test_before_anybody_labelled_it_says_what_would_be_here(store):
    assert "Nobody has labelled by hand yet" in said(visit())


def test_a_sitting_is_shown_taken_back_and_brought_back(store):
    two_people(store)
    app = visit(of="s1 Ada")
    assert captions(app) == ["happy →\nhappy", "happy →\nsad", "happy →\nsad"]
    assert "1 picture of it was labelled differently" in said(app)
    table = app.dataframe[0].value
    assert table["Who"].tolist() == ["Ben", "Ada"] and table["Still stand"].tolist() == [1, 3]
    press(app, "Take back 3 answers")
    assert labels_of(store) == {**dict.fromkeys(range(1, 9), "happy"), 2: "fear"}
    assert "3 answers taken back; 1 picture kept a later label" in said(app)
    assert "All of it was taken back" in said(app)
    press(app, "Undo")
    assert labels_of(store)[1] == "sad" and "Take back 3 answers" in [b.label for b in app.button]


def test_a_tab_that_is_behind_says_so_and_changes_nothing(store):
    two_people(store)
    app = visit(of="s1 Ada")
    press(app, "Take back 3 answers")
    batch = ledger.history(store, 1)[-1].batch
    ledger.undo(store, "Ben", batch)
    before = labels_of(store)
    press(app, "Undo")
    assert "which Ben took back" in said(app) and labels_of(store) == before


def test_everything_of_one_person_asks_twice(store):
    two_people(store)
    ledger.relabel(store, [(5, "sad")], "Ada")
    app = visit()
    button = next(b for b in app.button if b.label == "Take back everything")
    assert button.disabled
    app.selectbox(key="take back all of").set_value("Ada").run()
    app.checkbox(key="take back all of Ada").check().run()
    press(app, "Take back everything")
    assert labels_of(store) == {**dict.fromkeys(range(1, 9), "happy"), 2: "fear"}


def test_what_two_people_answered_differently_leads_to_the_desk(store):
    two_people(store)
    app = visit()
    assert "Ada: sad, Ben: fear" in app.dataframe[1].value["Answers"].tolist()
    press(app, "Settle them at the desk →")
    assert app.query_params["queue"] in ("people", ["people"])


def test_a_dataset_that_was_deleted_meanwhile_is_told(store):
    two_people(store)
    app = visit(of="s1 Ada")
    for statement in ("sample", "arrival", "tally", "dataset"):
        with store.write() as connection:
            connection.exec_driver_sql(f"DELETE FROM {statement}")
    press(app, "Take back 3 answers")
    assert "No dataset" in said(app) or "no dataset" in said(app)


def test_all_changes_come_as_csv(store):
    two_people(store)
    lines = sittings_view._changes(store, store.dataset("faces")).decode("utf-8-sig").splitlines()
    assert len(lines) == 3 and "happy,fear,Ben" in lines[2]
