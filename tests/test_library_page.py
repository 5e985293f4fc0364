"""Models out and in, on the page: what is asked, what is said, and never a traceback."""

import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import labels, workspace
from fer_core.errors import BadInput, BadModel
from fer_core.evaluation import golden
from fer_core.zoo import card as cards
from fer_core.zoo import export, incoming, library
from pages._shared import errors, jobs, model_import_view

ROOT = Path(__file__).resolve().parent.parent
KNOWN = golden.faces()


@pytest.fixture
def app():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/library.py")
    yield app
    jobs._jobs().clear()


def ended(app):
    """The page once nothing runs any more."""
    until = time.monotonic() + 20
    while jobs.running() and time.monotonic() < until:
        time.sleep(0.02)
    app.run()
    assert not app.exception
    return app


def button(app, label):
    return next((b for b in app.button if b.label == label), None)


def said(app) -> str:
    parts = [e.value for kind in (app.markdown, app.caption, app.error, app.warning) for e in kind]
    return "\n".join(parts).replace("\\", "")


def field(app, label):
    return next(
        w for kind in (app.selectbox, app.text_input, app.multiselect) for w in kind if w.label == label
    )


def test_a_model_is_converted_checked_and_offered(app, monkeypatch, tmp_path):
    asked = []

    def made(model_id, form, *, log, progress):
        asked.append((model_id, form, log))
        progress(1, 2, "half way")
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
            archive.writestr("README.md", "how to")
        return export.Exported(tmp_path / "model.zip", form, 2.5e-7, 16, {"onnxruntime": "1.31.1"})

    monkeypatch.setattr(export, "export", made)
    app.run()
    assert "its run is not in this workspace" not in said(app).lower() and app.checkbox[0].disabled
    (pills,) = (g for g in app.button_group if g.label == "Form")
    pills.set_value("onnx")
    button(app, "Convert and check").click().run()
    ended(app)
    assert asked == [(library.DEFAULT, "onnx", False)]
    assert "loaded in onnxruntime 1.31.1" in said(app) and "at most 2.5e-07" in said(app)
    assert [b.label for b in app.get("download_button")] == ["Download (0.0 MB)"]
    assert button(app, "Convert and check") is None
    (tmp_path / "model.zip").unlink()
    app.run()
    assert button(app, "Convert and check"), "what a tidied cache has lost is made again"


def test_a_conversion_that_fails_its_check_is_words(app, monkeypatch):
    def refused(*arguments, **options):
        raise BadModel("A file must answer as the model does. Received: off by 0.2.")

    monkeypatch.setattr(export, "export", refused)
    app.run()
    button(app, "Convert and check").click().run()
    ended(app)
    assert "off by 0.2" in app.error[0].value.replace("\\", "")
    assert not app.get("download_button") and button(app, "Convert and check")


def test_bringing_in_is_off_and_says_why(app, monkeypatch):
    monkeypatch.delenv(incoming.ALLOWED_BY, raising=False)
    app.run()
    assert "A model file is a program" in said(app) and f"{incoming.ALLOWED_BY}=1" in said(app)
    assert not app.file_uploader


def sees(app, monkeypatch, answers, **changes):
    """The page after a file was dropped that holds a network with these answers."""
    found = incoming.Found("h5", 48, 3, 7, 1000, False, False, answers)
    monkeypatch.setenv(incoming.ALLOWED_BY, "1")
    monkeypatch.setattr(incoming, "look", lambda *given: replace(found, **changes))
    app.run()
    app.file_uploader[0].set_value(("my cnn.h5", b"x", "application/octet-stream")).run()
    return ended(app)


def perfect(names):
    rows = [names.index(name) if name in names else 0 for name in KNOWN.truth]
    return np.eye(len(names), dtype=np.float32)[rows]


def test_a_file_is_looked_at_declared_checked_and_stored(app, monkeypatch):
    alphabetical = tuple(sorted(labels.FER7.names))
    blank = np.full((len(KNOWN.truth), 7), 1 / 7, np.float32)
    answers = {(c, s): blank for c in incoming.COLOURS for s in incoming.SCALES}
    answers["bgr", "-1..1"] = perfect(alphabetical)
    sees(app, monkeypatch, answers)
    assert "48 × 48 px in colour, answers with 7 numbers" in said(app)
    assert "6 of 43 golden faces" in said(app), "always the first class, which is angry"
    (hint,) = (w.value.replace("\\", "") for w in app.warning)
    assert "100 %" in hint and "BGR" in hint and ", ".join(alphabetical) in hint
    field(app, "Order of the classes").set_value("alphabetical order")
    field(app, "Colours").set_value("bgr")
    field(app, "Values").set_value("-1..1").run()
    assert "43 of 43 golden faces" in said(app) and not app.warning
    assert button(app, "Add to the library").disabled
    assert "what it was trained on, its licence" in said(app)

    asked = []

    def stored(path, found, declared, progress):
        asked.append(declared)
        folder = workspace.folder("models") / "my_cnn"
        shutil.copytree(workspace.SHIPPED_MODELS / library.DEFAULT, folder)
        told = {"dataset": "a folder", "imported": {"file": "x.h5", "colour": "bgr", "scale": "-1..1"}}
        return replace(cards.read(folder), id="my_cnn", title="my cnn", training=told).write(folder)

    monkeypatch.setattr(incoming, "store", stored)
    field(app, "Trained on").set_value("a folder of pictures")
    field(app, "Licence of its weights").set_value("MIT").run()
    button(app, "Add to the library").click().run()
    ended(app)
    whole = incoming.Declared(alphabetical, "bgr", "-1..1", "my cnn", "a folder of pictures", "MIT")
    assert asked == [whole]
    assert any("is in the library" in s.value for s in app.success)
    button(app, "Open it").click().run()
    assert "my_cnn" in app.query_params["model"] and "Brought in." in said(app)
    assert "as was said when it was brought in" in str(app.table[0].value)
    assert model_import_view.PARAMETER not in app.query_params
    assert not list((workspace.root() / "uploads").iterdir()), "the upload is gone"


def test_names_of_ones_own_are_put_in_ones_own_order(app, monkeypatch):
    answers = {("grey", scale): np.eye(3, dtype=np.float32)[[0] * 49] for scale in incoming.SCALES}
    sees(app, monkeypatch, answers, outputs=3, channels=1, rescales=True)
    assert field(app, "Values").value == "0..255", "the network rescales by itself"
    assert "all classes" in said(app) and "golden faces" not in said(app)
    field(app, "The 3 classes, in the order of the outputs").set_value(["sad", "neutral", "happy"]).run()
    assert "0 of" not in said(app) and "6 of 19 golden faces" in said(app)


@pytest.mark.parametrize(
    "error", [BadInput("A model is a file of Keras. Received: words."), KeyError("layers")]
)
def test_a_file_that_is_none_is_words_and_another_can_be_taken(app, monkeypatch, error, caplog):
    def refused(*given):
        raise error

    monkeypatch.setenv(incoming.ALLOWED_BY, "1")
    monkeypatch.setattr(incoming, "look", refused)
    app.run()
    app.file_uploader[0].set_value(("words.h5", b"x", "application/octet-stream")).run()
    ended(app)
    assert len(app.error) == 1 and "Traceback" not in app.error[0].value
    assert errors.plain(str(error))[:20] in app.error[0].value or "unexpected" in app.error[0].value
    button(app, "Take another file").click().run()
    assert app.file_uploader and not app.error
