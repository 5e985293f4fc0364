"""The chosen threshold: kept for the weights, used for photos, and never lost to a damaged file."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from streamlit.testing.v1 import AppTest

from fer_core import __main__ as program
from fer_core import workspace
from fer_core.errors import BadInput, StorageError
from fer_core.imaging.decode import encode_png
from fer_core.inference import photo
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library, thresholds


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(library.find(library.DEFAULT).folder)


@pytest.fixture
def card(predictor):
    return predictor.card


def test_the_cards_own_holds_until_another_is_chosen(card):
    assert thresholds.of(card) == card.answer_threshold and thresholds.chosen(card) is None
    thresholds.choose(card, 0.62)
    assert thresholds.of(card) == thresholds.chosen(card) == 0.62
    thresholds.choose(card, None)
    assert thresholds.of(card) == card.answer_threshold and thresholds.chosen(card) is None


def test_it_belongs_to_the_weights(card):
    thresholds.choose(card, 0.0)
    again = dataclasses.replace(card, files={**card.files, "model.tflite": "other"}, answer_threshold=0.4)
    assert thresholds.of(again) == 0.4
    renamed = dataclasses.replace(card, id="renamed")
    assert thresholds.of(renamed) == 0.0
    thresholds.choose(again, 0.9)
    assert (thresholds.of(card), thresholds.of(again)) == (0.0, 0.9)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_confidence(card, value):
    with pytest.raises(BadInput, match="from 0 to 1. Received"):
        thresholds.choose(card, value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "3",
        '{"schema_version": 2, "chosen": {}}',
        '{"schema_version": 1}',
        '{"schema_version": 1, "chosen": {"a": "much"}}',
        '{"schema_version": 1, "chosen": {"a": 7}}',
    ],
)
def test_a_damaged_file_is_said_and_kept(card, text):
    path = workspace.root() / thresholds.FILE_NAME
    path.write_text(text)
    for act in (thresholds.of, lambda card: thresholds.choose(card, 0.5)):
        with pytest.raises(StorageError, match="left as it is: mend it, or remove it"):
            act(card)
    assert path.read_text() == text


def test_what_cannot_be_written_changes_nothing(card, monkeypatch):
    thresholds.choose(card, 0.3)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="No space left.*Nothing was changed"):
        thresholds.choose(card, 0.8)
    assert thresholds.of(card) == 0.3
    assert [p.name for p in workspace.root().glob("thresholds*")] == [thresholds.FILE_NAME]


def test_photos_are_read_with_it(predictor):
    picture = data.astronaut()
    sure = photo.analyse(picture, predictor, None, whole=True, threshold=0.0)
    unsure = photo.analyse(picture, predictor, None, whole=True, threshold=1.0)
    assert sure.faces[0].verdict.sure and not unsure.faces[0].verdict.sure
    assert np.array_equal(sure.faces[0].probabilities, unsure.faces[0].probabilities)
    assert photo.table([unsure])["sure"].tolist() == [False]
    for value, expected in ((0.0, True), (1.0, False)):
        thresholds.choose(predictor.card, value)
        # Whoever names none gets the chosen one.
        assert photo.analyse(picture, predictor, None, whole=True).faces[0].verdict.sure is expected


def test_the_command_reads_with_it(predictor, tmp_path, capsys):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(data.astronaut()))
    said = []
    for value in (0.0, 1.0):
        thresholds.choose(predictor.card, value)
        assert program.main(["predict", str(path), "--whole", "--json", "--model", predictor.card.id]) == 0
        said.append(json.loads(capsys.readouterr().out)["faces"][0]["sure"])
    assert said == [True, False]


def test_the_photo_page_reads_again_when_it_changes(card):
    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=60).run()
    app.switch_page("pages/photo.py").run()
    app.query_params["model"] = card.id
    app.file_uploader[0].set_value([("astronaut.png", encode_png(data.astronaut()), "image/png")]).run()
    photos = app.session_state["tray"]
    assert photos.items[0].answer.result.faces[0].verdict.sure
    thresholds.choose(card, 1.0)
    app.run()
    assert not photos.items[0].answer.result.faces[0].verdict.sure
    # A damaged file: the model's own threshold, and words.
    (workspace.root() / thresholds.FILE_NAME).write_text("{")
    app.run()
    assert photos.items[0].answer.result.faces[0].verdict.sure and not app.exception
    assert "mend it" in app.warning[0].value
