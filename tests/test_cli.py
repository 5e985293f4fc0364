"""The command line, in this process."""

import json

import numpy as np
import pandas as pd
import pytest
from skimage import data

from fer_core import cli
from fer_core.dataset.store import Store
from fer_core.imaging.decode import decode_image, encode_jpeg, encode_png
from fer_core.inference.predictor import Predictor
from fer_core.training import runs
from tests import drawn_fer2013, learnable


@pytest.fixture(autouse=True)
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path


@pytest.fixture
def photos(space):
    (space / "astronaut.jpg").write_bytes(encode_jpeg(data.astronaut()))
    (space / "coffee.png").write_bytes(encode_png(data.coffee()))
    (space / "broken.jpg").write_bytes(encode_jpeg(data.astronaut())[:2000])
    return space


def test_predict_says_it_in_a_line_a_face(photos, capsys):
    assert cli.main(["predict", str(photos / "astronaut.jpg"), str(photos / "coffee.png")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("astronaut.jpg: face 1 looks happy (")
    assert second.startswith("coffee.png: no face found")


def test_a_broken_photo_is_named_and_the_others_go_on(photos, capsys):
    missing, broken, good = (str(photos / n) for n in ("gone.jpg", "broken.jpg", "astronaut.jpg"))
    assert cli.main(["predict", missing, broken, good, "--csv", str(photos / "out.csv")]) == 1
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2 and "gone.jpg" in complaints[0] and "broken.jpg" in complaints[1]
    table = pd.read_csv(photos / "out.csv")
    assert table["file"].tolist() == ["astronaut.jpg"] and table["looks"].tolist() == ["happy"]


def test_predict_writes_json_and_draws(photos, capsys):
    call = ["predict", str(photos / "astronaut.jpg"), "--json", "--draw", str(photos / "drawn")]
    assert cli.main(call) == 0
    answer = json.loads(capsys.readouterr().out)
    (face,) = answer["faces"]
    assert face["looks"] == "happy" and sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    drawn = decode_image((photos / "drawn" / "astronaut.faces.png").read_bytes())
    assert drawn.shape == (512, 512, 3)


def test_an_unknown_model_ends_with_what_exists(photos, capsys):
    assert cli.main(["predict", str(photos / "astronaut.jpg"), "--model", "none-such"]) == 1
    assert "mini_xception_ferplus" in capsys.readouterr().err


def test_import_then_evaluate(space, capsys):
    shown = np.random.default_rng(0).integers(0, 256, (40, 48, 48), np.uint8)
    csv = drawn_fer2013.write(space / "fer2013.csv", drawn_fer2013.lines(shown))
    votes = drawn_fer2013.write(space / "fer2013new.csv", drawn_fer2013.vote_lines(40))
    assert cli.main(["import", str(csv), "--name", "drawn", "--votes", str(votes)]) == 0
    call = ["evaluate", "--model", "mini_xception_ferplus", "--data", "drawn", "--split", "validation"]
    assert cli.main([*call, "--labels", "ferplus", "--json", str(space / "record.json")]) == 0
    record = json.loads((space / "record.json").read_text())
    assert (
        record["n"] == 10 and record["kind"] == "votes" and len(record["confusion"]) == len(record["classes"])
    )
    assert "of 10" in capsys.readouterr().out
    assert cli.main([*call[:-1], "train", "--labels", "raw"]) == 0
    assert cli.main(["evaluate", "--model", "mini_xception_ferplus", "--data", "gone"]) == 1


def test_evaluation_is_what_the_predictor_answers(space):
    store = Store.open()
    learnable.fill(store, count=40, copies=0)
    target = space / "record.json"
    assert (
        cli.main(["evaluate", "--model", "mini_xception_ferplus", "--data", "halves", "--json", str(target)])
        == 0
    )
    from fer_core.dataset import versions
    from fer_core.zoo import library

    frame = versions.manifest(store, "halves")
    rows = frame[frame["split"] == "validation"]
    pictures = store.image_bytes(rows["image"])
    faces = np.stack([decode_image(pictures[i])[:, :, :1] for i in rows["image"]])
    predictor = Predictor.load(library.find("mini_xception_ferplus").folder)
    p = predictor.predict(faces)[:, [predictor.labels.index("happy"), predictor.labels.index("sad")]]
    expected = (np.array(["happy", "sad"])[p.argmax(axis=1)] == rows["label"]).mean()
    assert json.loads(target.read_text())["accuracy"] == pytest.approx(expected)


def test_train_refuses_before_it_starts_anything(space, capsys):
    assert cli.main(["train", "mini_xception", "--data", "gone"]) == 1
    assert cli.main(["train", "mini_xception"]) == 1
    assert "needs at least spec and dataset" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "nothing"]) == 1
    assert runs.runs() == []


def test_lists_are_readable(capsys):
    assert cli.main(["models"]) == 0
    assert "mini_xception_ferplus" in capsys.readouterr().out
    assert cli.main(["runs"]) == 0
    assert capsys.readouterr().out == ""


def test_a_wrong_call_ends_with_two():
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "maxi_xception"])
    assert end.value.code == 2
