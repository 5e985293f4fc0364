"""Measuring from the command line: figures, files, the shuffled truth, two models, and words for mistakes."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest

from fer_core import cli
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.evaluation import chance, register, report, results, tables, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Rows, Trial
from fer_core.labels import LabelSet
from fer_core.zoo import library
from tests import drawn_dataset, learnable
from tests.drawn_dataset import picture, row

MODEL = library.DEFAULT


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """One workspace for all: 40 faces with votes, of which 10 validate."""
    folder = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(folder))
        learnable.fill(Store.open(), count=40, copies=2)
        drawn_dataset.write(
            Store.open(),
            [row(f"=HYPERLINK({i})", picture(i), "happy", "test") for i in range(3)],
            "others",
            LabelSet("two", ("happy", "bored")),
            "others",
        )
        yield folder


def told(capsys, *call) -> str:
    assert cli.main([*map(str, call)]) == 0
    return capsys.readouterr().out


def refused(capsys, *call) -> str:
    assert cli.main([*map(str, call)]) == 1
    return capsys.readouterr().err


def evaluate(*rest, data="halves", model=MODEL):
    return ["evaluate", "--model", model, "--data", data, *rest]


def test_it_says_in_lines_what_the_record_holds(space, capsys, tmp_path):
    said = told(capsys, *evaluate("--labels", "ferplus", "--json", tmp_path / "record.json"))
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["schema_version"] == 1 and record["model"] == MODEL and record["kind"] == "votes"
    assert record["weights"] == library.find(MODEL).card.files["model.tflite"]
    assert record["version"] == versions.manifest_id(versions.manifest(Store.open(), "halves"))
    assert (record["faces"], record["split"], record["n"]) == (WHOLE, "validation", 10)
    low, high = record["accuracy_low"] * 100, record["accuracy_high"] * 100
    assert f"{record['accuracy'] * 100:.1f} % ({low:.1f} to {high:.1f}), 10 faces" in said
    for name in ("macro_f1", "weighted_f1", "ece", "log_loss"):
        assert f"{record[name]:.3f}" in said
    for name in ("balanced_accuracy", "top2", "baseline"):
        assert f"{record[name] * 100:.1f} %" in said
    assert "most frequent vote" in said and "10 of 10" in said and "training set is not here" in said


def test_every_look_is_in_the_register_and_in_its_list(space, capsys):
    told(capsys, *evaluate("--split", "train"))
    told(capsys, *evaluate("--split", "train", "--labels", "ferplus"))
    (entry,) = register.entries(Store.open(), dataset="halves", split="train")
    said = told(capsys, "evaluations").splitlines()
    mine = [line for line in said if " train" in line]
    assert len(mine) == 2 and MODEL in mine[0] and "labels" in mine[0] and "of 30 faces" in mine[1]
    assert entry.version[:8] in mine[0]


def test_answers_as_a_table_give_the_same_figures(space, capsys, tmp_path):
    told(capsys, *evaluate("--csv", tmp_path / "faces.csv", "--json", tmp_path / "record.json"))
    record = json.loads((tmp_path / "record.json").read_text())
    table = pd.read_csv(tmp_path / "faces.csv")
    assert len(table) == record["n"] and table["right"].mean() == pytest.approx(record["accuracy"])
    assert (table["truth"] == table["prediction"]).equals(table["right"])
    p = table[[f"probability of {name}" for name in record["classes"]]].to_numpy()
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.array(record["classes"])[p.argmax(axis=1)] == table["prediction"]).all()
    assert table["leaked"].isna().all() and table["file"].str.startswith("fer2013.csv:").all()


def test_a_report_comes_as_one_file(space, capsys, tmp_path):
    told(capsys, *evaluate("--html", tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")


def test_a_version_by_name_is_measured_as_it_was(space, capsys, tmp_path):
    versions.freeze(Store.open(), "halves", "first", "Ada")
    said = told(capsys, *evaluate(data="halves@first"))
    assert "on halves@first validation" in said


def test_shuffled_truth_is_chance_and_no_look(space, capsys):
    before = len(register.entries(Store.open()))
    said = told(capsys, *evaluate("--split", "test", "--shuffle", "3", data="others"))
    assert "A check of the measuring itself" in said and "nothing but chance" in said
    assert len(register.entries(Store.open())) == before


def test_a_measuring_that_sees_the_truth_fails_its_check(monkeypatch):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"image": map(str, range(900)), "label": random.choice(["a", "b", "c"], 900)})
    names, asked = LabelSet("three", ("a", "b", "c")), Rows("drawn", "", "test", frame)
    perfect = np.eye(3)[[names.names.index(label) for label in frame["label"]]]
    checks = [chance.check(perfect, asked, "labels", names, seed) for seed in range(50)]
    assert all(check.passed for check in checks)
    accuracies = [check.record["accuracy"] for check in checks]
    assert np.mean(accuracies) == pytest.approx(checks[0].expected, abs=0.01)
    measure = results.of
    monkeypatch.setattr(results, "of", lambda p, rows, *rest, **more: measure(p, frame, *rest, **more))
    assert not chance.check(perfect, asked, "labels", names).passed


def test_two_models_are_compared_face_by_face(space, capsys, tmp_path):
    call = ("compare", "--models", MODEL, "mini_xception_raw", "--data", "halves")
    said = told(capsys, *call, "--json", tmp_path / "both.json")
    figures = json.loads((tmp_path / "both.json").read_text())
    assert figures["n"] == 10 and figures["models"] == [MODEL, "mini_xception_raw"]
    first, second = figures["accuracies"]
    assert figures["accuracy"]["value"] == pytest.approx(second - first)
    assert (figures["only_other"] - figures["only_one"]) / 10 == pytest.approx(second - first)
    assert f"{first * 100:.1f} % and {second * 100:.1f} %" in said and "verdict" in said
    same = told(capsys, "compare", "--models", MODEL, MODEL, "--data", "halves", "--labels", "ferplus")
    assert "no proof" in same and "100.0 % of the answers are the same" in same


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (evaluate(model="none_such"), MODEL),
        (evaluate(data="none_such"), "halves"),
        (evaluate(data="halves@none_such"), "none_such"),
        (evaluate("--split", "test"), "which is empty. With images: train, validation"),
        (evaluate("--split", "test", "--labels", "ferplus", data="others"), "needs votes"),
        (evaluate("--faces", "none_such"), "none_such"),
        (evaluate("--csv", "/nowhere/faces.csv"), "must be writable"),
        (["compare", "--models", MODEL, "none_such", "--data", "halves"], "none_such"),
    ],
)
def test_what_cannot_be_measured_is_said(space, capsys, call, words):
    assert words in refused(capsys, *call)


def test_classes_that_do_not_fit_are_said_before_anything_is_kept(space, capsys):
    store = Store.open()
    drawn_dataset.write(
        store, [row("x", picture(7), "bored", "test")], "bored", LabelSet("b", ("bored", "x"))
    )
    assert "must share classes" in refused(capsys, *evaluate("--split", "test", data="bored"))
    assert register.entries(store, dataset="bored") == []


def test_a_split_that_nobody_knows_is_a_wrong_call(space):
    with pytest.raises(SystemExit) as end:
        cli.main(evaluate("--split", "holdout"))
    assert end.value.code == 2


def test_other_tasks_are_told_in_their_own_figures(space, capsys, tmp_path, monkeypatch):
    """What a network of another task answers is made up; the rest is the command's own way."""
    rows = [
        row(f"v{i}", picture(50 + i), "happy" if i % 2 else "sad", "test", valence=i / 9 - 0.5, arousal=0.1)
        for i in range(9)
    ]
    drawn_dataset.write(Store.open(), rows, "moods", why="moods")
    answers = np.random.default_rng(0).uniform(0, 1, (9, 2)).astype(np.float32)
    card = library.find(MODEL).card

    def made(task):
        other = dataclasses.replace(card, task=task)
        monkeypatch.setattr(
            trial, "run", lambda store, p, asked, *rest: Trial(other, asked, WHOLE, answers, None)
        )
        return evaluate(
            "--split", "test", "--json", tmp_path / "r.json", "--html", tmp_path / "r.html", data="moods"
        )

    said = told(capsys, *made("affect"))
    record = json.loads((tmp_path / "r.json").read_text())
    assert f"CCC {record['valence']['ccc']:.3f} (" in said and "of       9 faces" in said
    said = told(capsys, *made("similarity"))
    record = json.loads((tmp_path / "r.json").read_text())
    assert f"{record['accuracy'] * 100:.1f} % (" in said and f"of {record['n']} pairs" in said
    assert "Area under the curve" in (tmp_path / "r.html").read_text("utf-8")
    assert "of the kind 'Same expression or not'" in refused(
        capsys, *made("similarity"), "--csv", tmp_path / "r.csv"
    )


def test_rows_of_other_tasks(tmp_path):
    rows = [row(f"v{i}", picture(i), None, "validation", valence=0.5, arousal=-0.5) for i in range(3)]
    rows.append(row("bare", picture(9), None, "validation"))
    store = drawn_dataset.here(tmp_path, rows)
    asked = trial.rows(store, "faces", None, "validation")
    card = dataclasses.replace(library.find(MODEL).card, task="affect")
    answers = np.array([[0.1, 0.2], [np.nan, np.nan], [0.3, 0.4], [0, 0]], np.float32)
    table = tables.faces(store, Trial(card, asked, WHOLE, answers, None))
    assert table["valence predicted"].tolist() == pytest.approx([0.1, np.nan, 0.3], nan_ok=True)
    assert table["file"].tolist() == ["v0", "v1", "v2"] and (table["arousal"] == -0.5).all()
    pairs = dataclasses.replace(card, task="similarity")
    with pytest.raises(BadInput, match="Same expression or not"):
        tables.faces(store, Trial(pairs, asked, WHOLE, answers, None))


def test_tables_survive_a_spreadsheet(tmp_path):
    rows = [row("=cmd|' /C calc'!A0", picture(1), "happy", "test"), row("plain", picture(2), "sad", "test")]
    store = drawn_dataset.here(tmp_path, rows)
    asked = trial.rows(store, "faces", None, "test")
    card = dataclasses.replace(library.find(MODEL).card, labels=LabelSet("two", ("happy", "sad")))
    answers = np.array([[np.nan, np.nan], [0.25, 0.75]], np.float32)
    found = Trial(card, asked, "yunet", answers, frozenset({asked.frame["image"][0]}))
    data = tables.csv(tables.faces(store, found))
    assert data.startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(io.BytesIO(data))
    assert back["file"].tolist() == ["'=cmd|' /C calc'!A0", "plain"]
    assert back["prediction"].tolist() == [tables.NO_FACE, "sad"] and back["leaked"].tolist() == [True, False]
    assert back["confidence"].isna().tolist() == [True, False] and back["right"].tolist() == [False, True]
    record = report.record(found.result())
    matrix = tables.matrix(record)
    assert matrix.to_numpy().tolist() == [["happy", 0, 0, 1], ["sad", 0, 1, 0]]
    assert tables.per_class(record)["recall"].tolist() == [0, 1]
