"""How a dataset comes in through the browser, by Streamlit's own test runner."""

import io
import os
import threading
import time
import zipfile

import drawn_fer2013
import drawn_forms
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.dataset import importers, practice
from fer_core.dataset.importers import FoundClass
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from pages._shared import import_preview, jobs, uploads, words


def _page():
    import streamlit as st

    from pages._shared import errors, import_view, resources

    with errors.guard():
        if "data" in st.query_params:
            st.title(st.query_params["data"])
        else:
            import_view.show(resources.store())


@pytest.fixture
def app():
    return AppTest.from_function(_page, default_timeout=30).run()


@pytest.fixture
def archive(tmp_path):
    """A zip of 4 classes with 5 pictures each, of which one cannot be read."""
    names = ("happy", "Sadness", "zeal", "fear")
    drawn_forms.put(tmp_path / "set", *(f"{name}/{n}.png" for name in names for n in range(5)))
    (tmp_path / "set" / "fear" / "0.png").write_bytes(b"no picture")
    return "moods.zip", packed(tmp_path / "set"), "application/zip"


def packed(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder))
    return buffer.getvalue()


def drop(app, *files, place=0):
    app.file_uploader[place].set_value(files).run()
    return settle(app)


def settle(app):
    """Wait for what is at work, then draw what came of it."""
    for _ in range(1000):
        if not jobs.running():
            break
        time.sleep(0.01)
    app.run()
    assert not app.exception
    return app


def said(app):
    kinds = (app.markdown, app.caption, app.subheader, app.success, app.error, app.info, app.title)
    return "\n".join(e.value for kind in kinds for e in kind).replace("\\", "")


def button(app, label):
    (found,) = (b for b in app.button if b.label.startswith(label))
    return found


def uploaded():
    return [p for p in workspace.folder("uploads").rglob("*") if p.is_file()]


def test_a_zip_is_looked_at_first_and_stored_when_asked(app, archive):
    drop(app, archive)
    assert app.query_params["view"] == "add"
    assert "This looks like Class folders" in said(app)
    assert "20 pictures**, 4 classes" in said(app)
    assert "fear/0.png" in said(app), "what cannot be read is named"
    assert Store.open().datasets() == []
    assert app.text_input[0].value == "moods"
    button(app, "Import 20 pictures").click().run()
    settle(app)
    assert "19 pictures** in **moods**, all of them new" in said(app)
    assert "1 could not be read" in said(app)
    assert uploaded() == []
    button(app, "Look at the dataset").click().run()
    assert app.title[0].value == "moods" and "import" not in app.query_params
    assert Store.open().dataset("moods").label_set.names == ("fear", "happy", "sad", "zeal")


def test_the_splits_are_shared_out_as_the_slider_says(app, archive):
    drop(app, archive)
    app.slider[0].set_value((80, 80)).run()
    assert "80 % to train on, 0 % to validate, 20 % to test" in said(app)
    assert app.dataframe[-1].value.loc["all"].to_dict() == {"train": 16, "test": 4, "all": 20}
    button(app, "Import").click().run()
    settle(app)
    assert list(app.dataframe[-1].value.columns) == ["train", "test", "all"]


def test_votes_can_come_later(app, tmp_path):
    csv = drawn_fer2013.write(tmp_path / "a.csv", drawn_fer2013.lines(drawn_fer2013.pictures(8, 48)))
    votes = drawn_fer2013.write(tmp_path / "v.csv", drawn_fer2013.vote_lines(8))
    drop(app, ("fer2013.csv", csv.read_bytes(), "text/csv"))
    assert "Splits, as the source has them" in said(app)
    drop(app, ("fer2013new.csv", votes.read_bytes(), "text/csv"))
    assert app.text_input[0].value == "fer2013"
    button(app, "Import 8 pictures").click().run()
    settle(app)
    assert "8 come with votes" in said(app)


def test_files_that_came_one_by_one_belong_together(app, tmp_path):
    drawn_forms.put(tmp_path, "a.png", "b.png")
    pictures = [(p.name, p.read_bytes(), "image/png") for p in sorted(tmp_path.glob("*.png"))]
    drop(app, ("list.csv", b"file,label\na.png,happy\nb.png,sad\n", "text/csv"), *pictures, pictures[0])
    assert "This looks like Table of pictures" in said(app)
    button(app, "Import 2 pictures")


def test_another_form_can_be_chosen(app, tmp_path):
    drawn_forms.raf_folders(tmp_path / "set")
    drop(app, ("raf.zip", packed(tmp_path / "set"), "application/zip"))
    assert "This looks like RAF-DB" in said(app)
    (form,) = (s for s in app.selectbox if s.label == "Read it as")
    form.set_value("class_folders").run()
    settle(app)
    button(app, "Import 14 pictures").click().run()
    settle(app)
    assert "14 pictures" in said(app)


@pytest.mark.parametrize(
    "bad",
    [
        ("notes.txt", b"just words", "text/plain"),
        ("broken.zip", b"PK\3\4 not really", "application/zip"),
        ("empty.zip", b"", "application/zip"),
        ("../../outside.csv", b"file,label\n", "text/csv"),
        ("[x](y)*.csv", b"\xff\xfe\x00", "text/csv"),
    ],
    ids=lambda bad: bad[0],
)
def test_what_cannot_be_imported_is_said_and_goes(app, bad):
    drop(app, bad)
    assert len(app.error) == 1 and "Received" in app.error[0].value
    root = workspace.root()
    assert [p for p in root.parent.rglob("*outside*") if root not in p.parents] == []
    button(app, "Choose other files").click().run()
    assert uploaded() == [] and "Add a dataset" in said(app)


def test_what_is_not_recognised_can_be_read_as_what_it_is(app, tmp_path):
    folder = drawn_forms.ck_csv(tmp_path)
    drop(app, ("faces.csv", (folder / "ckextended.csv").read_bytes(), "text/csv"))
    assert "Emotions are the numbers 0 to 6" in said(app)
    (form,) = (s for s in app.selectbox if "read it as" in s.label)
    form.set_value("ckplus").run()
    settle(app)
    button(app, "Import 8 pictures")


def test_a_path_is_offered_only_on_the_computer_that_serves(app, tmp_path, monkeypatch):
    assert "here" not in [o for control in app.get("button_group") for o in control.options]
    monkeypatch.setattr(words, "served_here", lambda: True)
    drawn_forms.put(tmp_path / "kept", "train/happy/1.png", "test/sad/2.png")
    app.run()
    app.get("button_group")[0].set_value("here").run()
    app.text_input[0].set_value(str(tmp_path / "gone"))
    button(app, "Look into it").click().run()
    assert "Check the path" in said(app)
    app.text_input[0].set_value(f" {tmp_path / 'kept'} ")
    button(app, "Look into it").click().run()
    settle(app)
    button(app, "Import 2 pictures").click().run()
    settle(app)
    assert "2 pictures** in **kept**" in said(app)
    assert len(list((tmp_path / "kept").rglob("*.png"))) == 2, "it stays where it is"


def test_the_practice_dataset_is_one_click_away(app, monkeypatch):
    drawn = practice.import_practice
    monkeypatch.setattr(practice, "import_practice", lambda store, **more: drawn(store, count=28, **more))
    button(app, "Draw the practice dataset").click().run()
    settle(app)
    assert "29 pictures** in **practice**" in said(app)
    button(app, "Add another").click().run()
    assert "Add a dataset" in said(app)


def test_a_failed_import_leads_back_to_the_files(app, archive):
    drawn_fer2013.filled(workspace.root())
    drop(app, archive)
    app.text_input[0].set_value("faces").run()
    assert "is here already" in said(app)
    button(app, "Import").click().run()
    settle(app)
    assert len(app.error) == 1
    button(app, "Back to the files").click().run()
    settle(app)
    button(app, "Import 20 pictures")


def test_a_reload_finds_the_import_at_work(app, archive, monkeypatch):
    go, started = threading.Event(), threading.Event()

    def slow(*given, progress, **more):
        started.set()
        progress(1, 4, "5 of 20 pictures")
        go.wait(10)
        progress(2, 4, "10 of 20 pictures")

    drop(app, archive)
    monkeypatch.setattr(importers, "import_any", slow)
    button(app, "Import").click().run()
    assert started.wait(5)
    other = AppTest.from_function(_page, default_timeout=30)
    other.query_params["import"] = app.query_params["import"]
    other.run()
    assert "You can leave this page" in said(other)
    button(other, "Stop").click().run()
    go.set()
    settle(other)
    assert "stopped. Nothing half-done was kept." in said(other)
    assert uploaded(), "and the files are still there"


def test_a_full_disk_is_said(app, archive, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.shutil, "copyfileobj", full)
    app.file_uploader[0].set_value([archive]).run()
    assert "No space left on device" in said(app) and "Add a dataset" in said(app)
    assert uploaded() == []


def test_nobody_comes_back(app, archive):
    drop(app, archive)
    token = app.query_params["import"]
    folder = workspace.folder("uploads") / token
    uploads.tidy()
    assert folder.is_dir()
    os.utime(folder, (0, 0))
    uploads.tidy(busy=[token])
    assert folder.is_dir()
    uploads.tidy()
    assert not folder.exists() and uploads.find(token) is None
    app.run()
    assert "Add a dataset" in said(app) and "import" not in app.query_params


@pytest.mark.parametrize("token", ["..", "../..", "0123456789abcdef", "0123456789ABCDEF", "", "/etc"])
def test_a_token_from_a_stranger_finds_nothing(token):
    assert uploads.find(token) is None
    uploads.forget(token)
    assert workspace.root().is_dir()


def test_what_was_changed_in_the_table_of_classes(app, tmp_path):
    drawn_forms.put(tmp_path / "set", "joy/1.png", "rage/2.png", "blur/3.png")
    found = importers.preview(tmp_path / "set")
    by_name = {one.name: one for one in found.classes}
    assert by_name["joy"] == FoundClass("joy", "happy", 1)
    chosen = {"joy": "happy", "rage": "angry", "blur": import_preview.LEAVE_OUT}
    names = import_preview.changed(found, [chosen[one.name] for one in found.classes])
    assert dict(names) == {"rage": "angry", "blur": None}
    draft = uploads.at(str(tmp_path / "set"))
    wanted = import_preview.Wanted(found.form, "mine", names)
    assert wanted.look(draft).rows == 2
    assert wanted.run(Store.open(), draft, lambda *said: None).left_out == {"blur": 1}
    with pytest.raises(BadInput):
        uploads.at("")
