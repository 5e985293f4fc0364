"""The Relabel page: what fills a queue, the way to the desk and back, and a look at one's own hand."""

import html
import json
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import streamlit as st
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core.dataset import findings, ledger, removal, schema
from fer_core.errors import StorageError
from fer_core.imaging.decode import encode_png
from fer_core.review import answers, claims, looks, queues, reports
from fer_core.review.answers import Answer
from pages._shared import desk, desk_view, resources
from tests import drawn_dataset
from tests.drawn_dataset import picture, row

ROOT = Path(__file__).resolve().parent.parent
QUEUE = "random · train · seed 0"


@pytest.fixture
def store():
    store = resources.store()
    drawn_dataset.write(store, [row(f"{n}", picture(n, 48)) for n in range(60)])
    return store


@pytest.fixture
def drawn(monkeypatch):
    """What the desk was given, run by run; `drawn.message` is what the browser says next."""

    class Drawn(list):
        message: dict = {}

    seen = Drawn()

    def component(key, data, on_message_change):
        seen.append(data)

    monkeypatch.setattr(desk, "_component", lambda: component)
    monkeypatch.setattr(desk, "_message", lambda mounted: seen.message)
    return seen


def open_page(who="Ada", **address):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    if who:
        app.session_state["who"] = who
    app.switch_page("pages/relabel.py")
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def text(app) -> str:
    kinds = (app.markdown, app.caption, app.info, app.success, app.warning, app.error)
    return html.unescape("\n".join(e.value for kind in kinds for e in kind)).replace("\\", "")


def at_desk(store, who="Ada", **more):
    return open_page(who, data="faces", queue="random", split="train", sitting="one", **more)


def start(app, name):
    (found,) = (b for b in app.button if b.key == f"start {name}")
    return found


def give(store, samples, who="Ada", label="sad", queue=QUEUE, sitting="one"):
    said = [Answer(f"{who} {s} {label}", s, label, queue, sitting) for s in samples]
    assert answers.keep(store, "faces", who, said) == {}


def test_without_a_dataset_there_is_a_way_to_one():
    app = open_page()
    assert "No dataset yet" in app.info[0].value


def test_empty_queues_say_what_fills_them_and_a_name_is_needed(store):
    app = open_page(who="")
    assert "Look for wrong labels” fills it" in text(app) and "a checkup fills it" in text(app)
    assert "10 minutes ≈ 300 pictures" in text(app) and "Enter your name" in text(app)
    assert start(app, "random").disabled
    keys = {b.key for b in app.button if b.key}
    assert "start suspect" not in keys and "start blind" not in keys
    app.text_input[0].set_value("Ada").run()
    start(app, "random").click().run()
    assert app.query_params["queue"] in ("random", ["random"])
    assert app.query_params["sitting"]


def test_the_queue_that_yields_most_comes_first_and_answers_count(store):
    findings.check(store, "faces")
    with store.write() as connection:
        rows = [{"dataset": 1, "kind": "suspect", "sample": n, "score": 0.9} for n in (1, 2, 3)]
        connection.execute(sa.insert(schema.finding), rows)
    app = open_page()
    titles = [m.value.split("**")[1] for m in app.markdown if m.value.startswith("**")]
    assert titles[0] == "Suspect labels" and titles.index("Misread by a model") < titles.index("At random")
    assert "1 min ≈ 3 pictures ≈ 2 labels put right (expected)" in text(app)
    give(store, range(1, 41))
    app = open_page()
    titles = [m.value.split("**")[1] for m in app.markdown if m.value.startswith("**")]
    assert titles[0] == "At random" and "40 of 40 so far here" in text(app)


def test_expectations_are_shares_and_said_to_be_unknown_where_they_are(store):
    assert all(kind.yields is None or 0 < kind.yields < 1 for kind in queues.KINDS.values())
    drawn_dataset.write(
        store, [row(f"v{n}", picture(100 + n), votes={"sad": 9}) for n in range(3)], why="votes"
    )
    findings.check(store, "faces")
    assert "how many are wrong nobody has measured" in text(open_page())


def test_an_unknown_queue_and_a_dataset_that_is_gone_are_said(store):
    app = open_page(data="faces", queue="guess", sitting="one")
    assert "There is no queue of that name" in text(app)
    app = open_page(data="voices", queue="random", sitting="one")
    assert "There is no dataset 'voices' here any more" in text(app)


def test_the_desk_needs_a_name(store):
    assert "Enter your name to go on" in text(at_desk(store, who=""))


def test_the_desk_gets_pictures_classes_and_no_more_than_it_needs(store, drawn):
    at_desk(store)
    (data,) = drawn
    assert [item["place"] for item in data["items"]] == list(range(desk.AHEAD)) and data["total"] == 60
    assert {item["label"] for item in data["items"]} == {"happy"} and not data["canHeat"]
    assert [c["key"] for c in data["classes"]] == [*"1234567", "0", "u"]
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.claim)) == desk.AHEAD


def test_a_server_that_was_started_again_begins_a_new_list(store, drawn):
    drawn.message = {"token": "of before", "have": 30, "at": 25, "answers": []}
    at_desk(store)
    assert drawn[-1]["items"][0]["place"] == 0 and drawn[-1]["token"] != "of before"


def test_what_the_disk_refuses_is_said_and_asked_for_again(store, drawn, monkeypatch):
    def full(*_, **__):
        raise StorageError("The disk is full.")

    one = {"id": "a", "sample": 1, "label": "sad", "context": {"queue": QUEUE, "sitting": "one"}}
    drawn.message = {"answers": [one]}
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "relabel", full)
        patch.setattr(claims, "take", full)
        at_desk(store)
    assert (drawn[-1]["trouble"], drawn[-1]["stored"], drawn[-1]["items"]) == ("The disk is full.", [], [])
    at_desk(store)
    assert (drawn[-1]["trouble"], drawn[-1]["stored"]) == ("", ["a"])
    assert ledger.history(store, 1)[-1].new == "sad" and ledger.history(store, 1)[-1].sitting == "one"


def test_everyone_answers_blind_for_every_picture(store, drawn):
    give(store, range(1, 61), who="Ben")
    at_desk(store, shared="1")
    assert drawn[-1]["total"] == 60 and {item["label"] for item in drawn[-1]["items"]} == {None}
    at_desk(store)
    assert drawn[-1]["items"] == []


def test_what_others_have_is_said(store, drawn):
    claims.take(store, "faces", QUEUE, range(1, 61), "Ben", 60)
    at_desk(store)
    assert drawn[-1]["items"] == [] and drawn[-1]["total"] == 60
    assert "The rest is with Ben (60, back in 15 min)" in drawn[-1]["rest"]


def test_a_sitting_that_was_taken_back_is_said_in_the_old_tab(store, drawn):
    give(store, [1, 2])
    ledger.undo(store, "Cem", "Ada 1 sad")
    at_desk(store)
    assert "taken back elsewhere, by Cem (1)" in drawn[-1]["notice"]


def test_every_twentieth_picture_measures_the_person_and_says_nothing(store, drawn):
    looks.make_gold(store, "faces", {59: "happy", 60: "happy"}, "Ada")
    give(store, range(1, 41))
    at_desk(store)
    items = drawn[-1]["items"]
    measured = [item for item in items if item["look"]]
    assert len(items) == 21 and len(measured) == 1
    assert measured[0]["look"] == "second" and measured[0]["sample"] <= 20
    assert measured[0]["label"] is None and measured[0]["said"] == ""
    mixed = desk_view._mixed(store, store.dataset("faces"), "Ada", [], list(range(41, 61)) * 2)
    assert [look for _, look in mixed if look] == ["second", "gold"]
    seen = desk_view._mixed(store, store.dataset("faces"), "Ada", mixed, [41] * 20)
    assert not {e for e in seen if e[1]} & {e for e in mixed if e[1]}


def test_what_was_deleted_meanwhile_has_no_place(store, drawn):
    queue = queues.Queue("random", QUEUE, np.arange(1, 61), [""] * 60)
    begun = desk_view._Begun(0)
    feed = desk_view._feed(store, store.dataset("faces"), queue, "Ada", begun, False, 0, 5)
    assert [item.sample for item in feed.items] == [1, 2, 3, 4, 5]
    removal.remove(store, [6, 7], "Ada")
    feed = desk_view._feed(store, store.dataset("faces"), queue, "Ada", begun, False, 5, 8)
    assert [item.sample for item in feed.items] == [8, 9, 10]


def test_the_end_of_a_sitting(store):
    give(store, [1, 2])
    give(store, [3], label="happy")
    looks.look(
        store,
        "faces",
        [looks.Look(1, "second", "sad", "x"), looks.Look(2, "second", "fear", "y")],
        "Ada",
        "one",
    )
    app = at_desk(store, ended="1")
    assert "**3 pictures answered**, 2 labels changed" in text(app)
    assert "You looked twice at 2 pictures and said the same 1 time." in text(app)
    labels = {b.label for b in app.button}
    assert {"Did it help? →", "All sittings →", "Go on with this queue"} <= labels
    assert "Nothing was answered" in text(at_desk(store, who="Cem", ended="1"))


def test_ending_a_sitting_gives_back_what_was_not_answered(store, drawn):
    app = at_desk(store)
    assert claims.elsewhere(store, "faces", QUEUE, "Ben") == [("Ada", desk.AHEAD, 15)]
    next(b for b in app.button if b.label == "End the sitting").click().run()
    assert claims.elsewhere(store, "faces", QUEUE, "Ben") == []
    assert "Nothing was answered in this sitting" in text(app)


def a_cell():
    """The link to the desk of a cell, on a page of its own."""
    from types import SimpleNamespace

    import streamlit as st

    from fer_core.labels import FER7
    from pages._shared import cell_view

    st.switch_page = lambda page, query_params: st.json({"page": page, **query_params})
    rows = SimpleNamespace(dataset="faces", split=st.session_state["split"])
    cell_view._relabel(SimpleNamespace(rows=rows, card=SimpleNamespace(id="m", labels=FER7)), "grid")


@pytest.mark.parametrize(
    ("split", "address", "leads"),
    [
        (
            "validation",
            {"true": "sad", "read": "fear"},
            {"queue": "missed", "true": "sad", "read": "fear", "split": "validation"},
        ),
        ("train", {"true": "sad", "read": "wrong"}, {"queue": "missed", "true": "sad", "split": "train"}),
        ("test", {"true": "sad", "read": "fear"}, {"queue": "blind", "split": "test"}),
        ("train", {"true": "sad", "read": "sad"}, None),
        ("train", {"read": "no face"}, None),
        ("all", {"true": "sad", "read": "fear"}, None),
    ],
)
def test_a_cell_leads_to_its_queue_and_of_a_test_only_to_the_blind_one(monkeypatch, split, address, leads):
    monkeypatch.setattr(st, "switch_page", st.switch_page)
    app = AppTest.from_function(a_cell, default_timeout=30)
    app.session_state["split"] = split
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    if leads is None:
        assert not app.button and not app.exception
        return
    app.button[0].click().run()
    assert not app.exception
    wanted = {"page": "pages/relabel.py", "data": "faces", "model": "m", **leads}
    assert json.loads(app.json[0].value) == wanted


def test_reported_faces_are_a_queue(store):
    reports.keep(store, picture(5, 48, colour=True), None, "sad", "m: looks happy", consent=True)
    app = open_page(data="faces")
    assert "**Reported as wrong** · 1 picture" in text(app)
    start(app, "reported").click().run()
    assert not app.exception and "reported" in text(app)


def test_a_face_on_the_photo_page_is_stored_after_the_tick_and_not_before():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/photo.py").run()
    app.file_uploader[0].set_value([("astronaut.png", encode_png(data.astronaut()), "image/png")]).run()
    (tap,) = (t for t in app.toggle if t.label == "That's wrong")
    tap.set_value(True).run()
    (send,) = (b for b in app.button if b.label == "Send")
    assert send.disabled and "Stored, if you tick the box" in text(app)
    (pills,) = (p for p in app.get("button_group") if p.label == "What does the face show?")
    pills.set_value("surprise").run()
    assert next(b for b in app.button if b.label == "Send").disabled
    store = resources.store()
    assert store.datasets() == []
    next(c for c in app.checkbox if c.label.startswith("Store this face")).set_value(True).run()
    next(b for b in app.button if b.label == "Send").click().run()
    assert not app.exception and not app.error and "Kept as surprise" in text(app)
    assert ledger.history(store, 1)[-1].new == "surprise"
    next(b for b in app.button if b.label == "Delete it again").click().run()
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.image)) == 0
