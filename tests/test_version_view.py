"""Versions, exports and deletion on their page, through Streamlit's own test runner."""

import html
import time

import pandas as pd
import pytest
from drawn_dataset import picture, row, write
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import changes, ledger, versions
from pages._shared import jobs, resources


def script():
    import streamlit as st

    from pages._shared import errors, removal_view, resources, version_view

    store = resources.store()
    removal_view.receipts()
    names = [dataset.name for dataset in store.datasets()]
    st.write(f"datasets: {names}")
    with errors.guard():
        if names:
            version_view.show(store, store.dataset(names[0]))


@pytest.fixture
def store():
    store = resources.store()
    rows = [row(f"{n}.png", picture(n), "happy", subject=f"person {n % 2}") for n in range(8)]
    write(store, rows)
    return store


@pytest.fixture
def app(store):
    yield AppTest.from_function(script, default_timeout=30)
    for key in ("removal", "export 1"):
        jobs.forget(key)


def text(app) -> str:
    kinds = (app.markdown, app.caption, app.subheader, app.success, app.error, app.info, app.warning)
    parts = [e.value for kind in kinds for e in kind]
    return "\n".join(parts + [html.unescape(e.proto.body) for e in app.get("html")])


def button(app, label):
    (found,) = (b for b in app.button if b.label == label)
    return found


def field(app, label):
    (found,) = (t for t in app.text_input if t.label.startswith(label))
    return found


def choice(app, label):
    (found,) = (s for s in app.selectbox if s.label == label)
    return found


def named(app, who="Ada"):
    field(app.run(), "Your name").input(who).run()
    assert not app.exception
    return app


def ended(key):
    for _ in range(1000):
        if jobs.find(key).state != "running":
            return jobs.find(key)
        time.sleep(0.01)
    raise AssertionError(f"{key} does not end")


def test_without_a_name_nothing_can_be_written(app):
    app.run()
    assert not app.exception
    assert button(app, "Freeze").disabled
    app.radio[0].set_value("this whole dataset").run()
    field(app, "To delete 8 samples").input("faces").run()
    assert button(app, "Delete for good").disabled
    assert "None yet." in text(app)


def test_freeze_by_name_with_a_note(app, store):
    named(app)
    field(app, "Name of").input("as published")
    field(app, "Note").input("the first")
    button(app, "Freeze").click().run()
    (version,) = versions.versions(store, "faces")
    assert (version.name, version.who, version.note, version.rows) == ("as published", "Ada", "the first", 8)
    listed = app.dataframe[0].value.iloc[0]
    assert (listed["Version"], listed["Who"], listed["Id"]) == ("as published", "Ada", version.id[:12])
    assert "Nothing has changed since **as published**." in text(app)


def test_a_name_that_stands_for_something_else_is_explained(app, store):
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad")], "Bob")
    named(app)
    field(app, "Name of").input("one")
    button(app, "Freeze").click().run()
    assert not app.exception and "A version keeps its name" in text(app)


def test_two_versions_side_by_side_and_the_way_back(app, store):
    one = versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad"), (2, "sad")], "Bob", "looks sad")
    ledger.relabel(store, [(3, None)], "Cleo")
    versions.freeze(store, "faces", "two", "Ada")
    named(app)
    assert "Nothing has changed since **two**." in text(app)
    assert "They hold the same samples" in text(app), "two and now"
    choice(app, "From").select("one").run()
    assert app.query_params["old"] in ("one", ["one"])
    said = text(app)
    assert "**2 relabelled** by Bob: looks sad" in said and "**1 relabelled** by Cleo: no reason" in said
    assert "<td>8</td><td>5</td><td>−3</td>" in said and "<td>0</td><td>2</td><td>+2</td>" in said
    table = app.dataframe[1].value
    assert table["Label"].tolist() == ["happy → no label", "happy → sad", "happy → sad"]
    assert table["Who"].tolist() == ["Cleo", "Bob", "Bob"] and table["Why"].tolist()[1] == "looks sad"
    assert table["Picture"].str.startswith("data:image/png").all()
    choice(app, "Which differences").select("happy → sad").run()
    assert app.dataframe[1].value["File"].tolist() == ["1.png", "0.png"]
    assert "3 labels will be as in **one** again." in text(app)
    button(app, "Go back").click().run()
    assert versions.manifest_id(versions.manifest(store, "faces")) == one.id
    assert "3 labels as in one again" in text(app)
    button(app, "Undo").click().run()
    assert changes.diff(store, "faces", "two").empty


def test_samples_that_were_deleted_are_told(app, store):
    from fer_core.dataset import removal

    versions.freeze(store, "faces", "one", "Ada")
    removal.remove(store, [1], "Ada")
    named(app)
    assert app.dataframe[0].value.iloc[0]["Deleted since"] == 1 and "what is left has another id" in text(app)
    assert "Since **one**: 1 removed." in text(app)
    assert app.dataframe[1].value["Label"].tolist() == ["removed: happy"]


@pytest.mark.parametrize("form", ["Class folders", "Parquet", "FER2013 csv", "Changes only"])
def test_exports_are_prepared_and_offered(app, store, form):
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(1, "sad")], "Bob")
    named(app)
    (pills,) = app.button_group
    key = next(k for k, f in _forms().items() if f.title == form)
    pills.set_value(key).run()
    button(app, "Prepare").click().run()
    job = ended("export 1")
    app.run()
    assert not app.exception and job.state == "done", job.error
    report = job.value
    assert report.path.is_file() and workspace.folder("cache") in report.path.parents
    assert report.path.name == f"faces {key}{_forms()[key].endings[0]}"
    assert f"{report.rows} {'label' if key == 'changes' else 'samples'}." in text(app)
    (offered,) = app.get("download_button")
    assert offered.proto.label.startswith("Download (")


def _forms():
    from fer_core.dataset import exports

    return exports.EXPORTS


def test_an_export_that_cannot_be_done_says_why(app, store):
    ledger.relabel(store, [(1, "unsure")], "Bob")
    named(app)
    app.button_group[0].set_value("fer2013").run()
    button(app, "Prepare").click().run()
    ended("export 1")
    assert "1 labelled unsure" in html.unescape(text(app.run())).replace("\\", "")
    app.checkbox[0].check().run()
    button(app, "Prepare").click().run()
    assert ended("export 1").value.left_out == {"labelled unsure": 1}
    assert "7 samples; 1 left out, labelled unsure" in text(app.run())
    assert len(list((workspace.folder("cache") / "exports").glob("*/*"))) == 1


def test_a_person_is_deleted_after_the_name_was_typed(app, store):
    versions.freeze(store, "faces", "one", "Ada")
    named(app)
    app.radio[0].set_value("the pictures of one person").run()
    choice(app, "Person shown").select("person 1").run()
    typed = field(app, "To delete 4 samples")
    typed.input("person").run()
    assert button(app, "Delete for good").disabled
    field(app, "To delete 4 samples").input("person 1").run()
    button(app, "Delete for good").click().run()
    assert ended("removal").value.samples == 4
    app.run()
    assert "Deleted for good: 4 samples and 4 pictures" in text(app) and "by Ada" in text(app)
    assert versions.manifest(store, "faces")["subject"].tolist() == ["person 0"] * 4
    button(app, "Dismiss").click().run()
    assert "Deleted for good: 4" not in text(app)


def test_the_whole_dataset_is_deleted_and_the_receipt_stays(app, store):
    write(store, [row("other.png", picture(99))], "second", why="second")
    named(app)
    app.radio[0].set_value("this whole dataset").run()
    field(app, "To delete 8 samples").input("faces").run()
    button(app, "Delete for good").click().run()
    ended("removal")
    app.run()
    assert "datasets: ['second']" in text(app) and "Deleted for good: 8 samples" in text(app)


def test_many_differences_are_paged(app, store, monkeypatch):
    monkeypatch.setattr("pages._shared.version_view.A_PAGE", 3)
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(sample, "sad") for sample in range(1, 9)], "Bob")
    named(app)
    assert len(app.dataframe[1].value) == 3
    assert isinstance(app.dataframe[1].value, pd.DataFrame)
