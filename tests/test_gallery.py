"""Many pictures at once: what keys are called, an act that comes twice, one label for all of a filter."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import browse, ledger
from fer_core.dataset.browse import Filter
from fer_core.errors import NotFound
from fer_core.labels import FER7, NOT_A_FACE, UNSURE
from pages._shared import labelling
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store():
    """Ten pictures: 1 to 6 of train, of which 1 is sad; 7 to 10 of test."""
    rows = [
        row(f"{n}.png", picture(n), "sad" if n == 1 else "happy", "train" if n < 7 else "test")
        for n in range(1, 11)
    ]
    return drawn_dataset.here(workspace.root(), rows)


def visit(**asked):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/datasets.py")
    for key, value in asked.items():
        app.query_params[key] = value
    app.session_state["who"] = "Ada"
    app.run()
    return app


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def said(app):
    parts = (app.markdown, app.caption, app.info, app.error)
    return "\n".join(element.value.replace("\\", "") for kind in parts for element in kind)


def labels_of(store):
    frame = browse.outline(store, "faces")
    return dict(zip(frame["sample"], frame["label"], strict=True))


def test_keys_are_those_of_the_desk():
    pressed = dict(labelling.keys(FER7.names))
    assert [pressed[name] for name in FER7.names] == list("1234567")
    assert (pressed[NOT_A_FACE], pressed[UNSURE]) == ("0", "u")
    assert labelling.with_key(FER7.names)(UNSURE) == "unsure (U)"


def test_an_outline_is_what_the_filter_lets_through(store):
    assert browse.outline(store, "faces", Filter(split="test"))["sample"].tolist() == [7, 8, 9, 10]
    assert browse.outline(store, "faces", Filter(label="sad"))["sample"].tolist() == [1]
    assert browse.outline(store, "faces", Filter(label="fear")).empty
    with pytest.raises(NotFound):
        browse.outline(store, "gone")


def test_all_of_a_filter_is_previewed_done_in_one_go_and_taken_back(store):
    app = visit(split="train")
    press(app, "Label all 6…")
    before = labels_of(store)
    assert "5 of 6 pictures would change: 5 happy. 1 is sad already." not in said(app)
    app.selectbox(key="label all of 1: label").set_value("sad").run()
    assert "**5 of 6 pictures would change**: 5 happy. 1 is sad already." in said(app)
    press(app, "Label 6 pictures")
    assert labels_of(store) == {n: "sad" if n < 7 else "happy" for n in range(1, 11)}
    events = [ledger.history(store, n)[-1] for n in range(1, 7)]
    assert {e.surfaced_by for e in events} == {ledger.BY_FILTER} and len({e.batch for e in events}) == 1
    press(app, "Undo")
    assert labels_of(store) == before


def test_a_test_split_is_left_out_unless_said_again(store):
    app = visit()
    press(app, "Label all 10…")
    app.selectbox(key="label all of 1: label").set_value("fear").run()
    assert "6 of 6 pictures would change" in said(app)
    app.checkbox(key="label all of 1: test").check().run()
    assert "10 of 10 pictures would change" in said(app)
    app.checkbox(key="label all of 1: test").uncheck().run()
    press(app, "Label 6 pictures")
    assert labels_of(store) == {n: "fear" if n < 7 else "happy" for n in range(1, 11)}
    app = visit(split="test")
    press(app, "Label all 4…")
    assert next(b for b in app.button if b.label == "Label 0 pictures").disabled
    press(app, "Cancel")
    assert "Label all 4…" in [b.label for b in app.button]


def test_what_was_deleted_between_question_and_answer_is_told_and_nothing_is_labelled(store):
    app = visit(split="train")
    press(app, "Label all 6…")
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM sample WHERE id = 3")
    before = labels_of(store)
    press(app, "Label 6 pictures")
    assert "It may have been deleted" in said(app) and labels_of(store) == before
    press(app, "Label 5 pictures")
    assert set(labels_of(store).values()) == {"angry", "happy"}


def _acts():
    """A page that is told one act twice, then its undo twice."""
    from fer_core.dataset.store import Store
    from pages._shared import labelling
    from pages._shared.gallery import Act

    store = Store.open()
    labelling.ask_name()
    for done in (Act("b1", (2, 3), "sad"), Act("u1", (), "", "b1")):
        labelling.act(store, done, "pictures")
        labelling.act(store, done, "pictures")
    labelling.offer_undo(store)


def test_an_act_that_comes_twice_counts_once(store):
    before = labels_of(store)
    app = AppTest.from_function(_acts, default_timeout=60)
    app.session_state["who"] = "Ada"
    app.run()
    assert not app.exception and not app.error
    assert len(ledger.history(store, 2)) == 3 and labels_of(store) == before
    assert [b.label for b in app.button] == [], "what is taken back is not offered again"
