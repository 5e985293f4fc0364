"""Networks judge the training images that they never saw, and what they doubt becomes a finding."""

import dataclasses
import json
import time
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import cli, labels
from fer_core.dataset import findings, ledger, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict
from fer_core.training import folds, runs, targets
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.zoo import library
from tests import learnable, made_runs

FER7 = labels.FER7
WRONG = 4
SETTINGS = TrainingConfig(
    spec="mini_xception",
    dataset="halves",
    epochs=6,
    batch_size=8,
    learning_rate=0.01,
    augmentation=Augmentation(rotation=0, shift=0, zoom=0, stretch=0, contrast=0.1),
)


def turned(label):
    return "sad" if label == "happy" else "happy"


def told(run, answers):
    """What a fold's worker would leave: the probability of each image's label, else of the other one."""
    config = run.config
    held = targets.held_out(run.manifest, config, FER7)
    share = np.array([answers.get(sample, 0.9) for sample in held["sample"]])
    probabilities = np.zeros((len(held), 7), np.float32)
    rows = np.arange(len(held))
    probabilities[rows, [FER7.index(label) for label in held["label"]]] = share
    probabilities[rows, [FER7.index(turned(label)) for label in held["label"]]] = 1 - share
    folds.keep(run, held["sample"].to_numpy(), probabilities)
    (run.folder / "result.json").write_text(json.dumps({"state": "finished", "model": None}))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One workspace for the tests with a worker, whose dataset has four wrong labels in training."""
    folder = tmp_path_factory.mktemp("workspace")
    store = Store.open(folder / "studio.db")
    learnable.fill(store, count=240, copies=0)
    train = versions.manifest(store, "halves").query("split == 'train'")
    wrong = train["sample"].tolist()[:WRONG]
    ledger.relabel(store, [(s, turned(train.set_index("sample")["label"][s])) for s in wrong], "ann")
    store.close()
    return folder, wrong


@pytest.fixture(scope="module")
def judged(workspace):
    """Two folds: the worker of the first was stopped, and went on; it ends with the findings, as the second
    has been judged before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(workspace[0]))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.setattr(runs, "enqueue", lambda run: None)
        first, second = folds.start(dataclasses.replace(SETTINGS, name="never"), 2)
        told(second, dict.fromkeys(workspace[1], 0.05))
        worker = runs.launch(first)
        while not first.epochs():
            time.sleep(0.05)
        first.stop()
        worker.wait(timeout=300)
        (found,) = folds.sets("halves")
        stopped = first.state(), found.state, found.missing, found.share
        runs.launch(first).wait(timeout=300)
        assert first.state() == "finished", first.log()
    return first, second, stopped


@pytest.fixture
def here(workspace, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(workspace[0]))
    return Store.open()


def test_a_fold_leaves_answers_and_no_model(here, judged):
    first = judged[0]
    assert first.result["model"] is None and first.result["held_out"] == 90
    assert [entry for entry in library.entries() if not entry.shipped] == []
    data = next(event for event in first.events()[0] if event["kind"] == "data")
    assert data["train"] == 90 and data["left_out"] == {targets.HELD_OUT: 90}
    with np.load(first.folder / folds.HELD_OUT) as kept:
        assert kept["probabilities"].dtype == np.float32 and kept["classes"].tolist() == list(FER7.names)
        assert np.allclose(kept["probabilities"].sum(axis=1), 1, atol=1e-4)


def test_a_fold_that_was_stopped_waits_to_be_resumed(here, judged):
    state, together, missing, share = judged[2]
    assert state == "stopped" and together == "incomplete"
    assert missing == (0,) and 0.5 < share < 1


def test_all_folds_together_judge_each_training_image_once(here, judged, workspace):
    (found,) = folds.sets("halves")
    assert found.state == "finished" and found.share == 1 and found.runs == judged[:2]
    out = folds.collect(found.runs)
    train = versions.manifest(here, "halves").query("split == 'train'")
    assert out.samples.tolist() == sorted(train["sample"]) and out.missing == ()
    given = train.set_index("sample")["label"].loc[out.samples]
    assert [out.classes[place] for place in out.labels] == given.tolist()
    # The worker learned its answers from other images: it reads right, and so contradicts the wrong labels.
    right = pd.Series(out.probabilities.argmax(axis=1) == out.labels, index=out.samples)
    part = targets.held_out(judged[0].manifest, judged[0].config, FER7)["sample"]
    wrong = part[part.isin(workspace[1])]
    assert 0 < len(wrong) < WRONG and not right[wrong].any()
    assert right[part[~part.isin(wrong)]].mean() > 0.85


def planted(judged, workspace):
    """The wrong labels in the part that no worker judged, but `told`."""
    second = judged[1]
    return set(workspace[1]) & set(targets.held_out(second.manifest, second.config, FER7)["sample"])


def test_wrong_labels_become_findings_that_outlive_a_checkup(here, judged, workspace, capsys):
    wrong = planted(judged, workspace)
    suspects = folds.suspects(folds.collect(judged[:2]))
    assert wrong <= set(suspects["sample"]) and len(suspects) <= WRONG + 10
    assert suspects["score"].is_monotonic_decreasing and suspects["score"].between(0.8, 1).all()
    assert (suspects["label"] != suspects["instead"]).all()
    count = findings.summary(here, "halves").counts["suspect"]
    assert count == len(suspects) >= len(wrong)
    ledger.relabel(here, [(min(wrong), "angry")], "ann")
    assert findings.check(here, "halves").counts["suspect"] == count
    # The next collection leaves out what was labelled otherwise since.
    assert folds.write_findings(here, folds.collect(judged[:2])) == count - 1
    assert findings.summary(here, "halves").counts["suspect"] == count - 1
    ledger.undo(here, "ann")


def test_a_fold_is_not_continued(here, judged):
    with pytest.raises(Conflict, match="equally long"):
        runs.extend(judged[0], 5)


def test_the_command_writes_the_suspects(here, judged, workspace, capsys, tmp_path):
    file = tmp_path / "suspects.csv"
    assert cli.main(["suspects", "--data", "halves", "--again", "--csv", str(file)]) == 0
    listed = pd.read_csv(file)
    assert planted(judged, workspace) <= set(listed["sample"])
    assert list(listed.columns) == ["sample", "image", "label", "instead", "score"]
    assert f"{len(listed)} suspect label" in capsys.readouterr().out


def manifest(count=900):
    random = np.random.default_rng(0)
    names = random.choice(FER7.names, count, p=(0.1, 0.02, 0.2, 0.3, 0.18, 0.1, 0.1))
    return pd.DataFrame(
        {
            "sample": np.arange(count),
            "image": [f"picture {n // 2 if n < 100 else n}" for n in range(count)],
            "split": ["validation" if n >= count - 100 else "train" for n in range(count)],
            "label": [None if n % 50 == 0 else name for n, name in enumerate(names)],
        }
    )


def config(fold, **changes):
    return dataclasses.replace(SETTINGS, folds=5, fold=fold, **changes)


def test_folds_part_the_labelled_training_images_evenly():
    rows = manifest()
    near = {f"picture {n}": "picture 200" for n in range(200, 220)}
    parts = [targets.held_out(rows, config(fold), FER7, near) for fold in range(5)]
    together = pd.concat(parts)
    labelled = rows[(rows["split"] == "train") & rows["label"].notna()]
    assert sorted(together["sample"]) == labelled["sample"].tolist()
    counts = pd.DataFrame([part["label"].value_counts() for part in parts]).fillna(0)
    copies = rows["image"].map(near).fillna(rows["image"])
    for part in parts:
        assert len(part) == pytest.approx(len(labelled) / 5, rel=0.2)
        others = set(copies[labelled.index.difference(part.index)])
        assert not others & set(copies[part.index])
    assert (counts["disgust"].max() - counts["disgust"].min()) <= 3


def test_a_fold_learns_from_the_others_without_leaks():
    rows = manifest()
    rows.loc[rows["sample"] == 151, "image"] = rows.loc[rows["sample"] == 850, "image"].iloc[0]
    seen = []
    for fold in range(5):
        train, validation, left_out = targets.prepare(rows, config(fold), FER7)
        held = set(targets.held_out(rows, config(fold), FER7)["sample"])
        assert not held & set(train.frame["sample"]) and 151 not in set(train.frame["sample"])
        assert len(train) + left_out[targets.HELD_OUT] == 783
        seen += held
    assert 151 in seen  # what is not learned from can be judged all the same


def test_the_deal_depends_on_the_seed_alone():
    rows = manifest()
    one, again = (targets.held_out(rows.sample(frac=1, random_state=n), config(0), FER7) for n in (1, 2))
    other = targets.held_out(rows, config(0, seed=1), FER7)
    assert set(one["sample"]) == set(again["sample"]) != set(other["sample"])


@pytest.mark.parametrize(
    "changes",
    [
        {"folds": 1},
        {"folds": 21},
        {"folds": 5, "fold": 5},
        {"fold": 1},
        {"folds": 5, "targets": "votes"},
        {"folds": 5, "spec": "affect_cnn_va"},
    ],
)
def test_impossible_folds_are_refused(changes):
    with pytest.raises(BadInput, match="fold"):
        dataclasses.replace(SETTINGS, **changes)


def test_older_configs_have_no_folds():
    assert TrainingConfig.from_dict({"schema_version": 2, "spec": "cnn_rgb48", "dataset": "x"}).folds == 0


def test_sets_keep_states_and_settings_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    rows = manifest(300)
    first = [runs.create(config(fold), rows) for fold in range(5)]
    again = runs.create(config(2), rows)
    changed = [runs.create(config(0), rows.assign(label="sad")), runs.create(config(0, epochs=9), rows)]
    assert len(folds.sets("halves")) == 3 and folds.sets("elsewhere") == []
    (found,) = [one for one in folds.sets("halves") if first[0] in one.runs]
    assert found.state == "incomplete" and found.share == 0 and found.missing == (0, 1, 2, 3, 4)
    told(first[2], {})
    (found,) = [one for one in folds.sets("halves") if first[0] in one.runs]
    assert found.runs[2] in (first[2], again) and found.missing == (0, 1, 3, 4)
    out = folds.collect(found.runs)
    assert out.missing == (0, 1, 3, 4) and out.runs == (first[2].id,)
    with pytest.raises(BadInput, match="belong together"):
        folds.collect([first[0], changed[0]])
    with pytest.raises(Conflict, match="none of which"):
        folds.collect(first[:1])


def test_a_fold_takes_over_the_near_copies_of_its_set_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    rows = manifest(300)
    first, second = (runs.create(config(fold), rows) for fold in (0, 1))
    stranger = runs.create(config(1, epochs=9), rows)
    (first.folder / "copies.json").write_text("{}")
    folds.take_copies(second)
    folds.take_copies(stranger)
    assert (second.folder / "copies.json").read_text() == "{}"
    assert not (stranger.folder / "copies.json").exists()


def test_settings_suit_the_dataset(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    learnable.fill(store, count=40)
    (dataset,) = store.datasets()
    small, large = (folds.settings(dataset, train) for train in (400, 28_709))
    assert (small.batch_size, small.epochs) == (16, 60) and (large.batch_size, large.epochs) == (64, 12)
    assert small.label_set == "fer7" and small.dataset == "halves" and not small.folds
    assert folds.settings(dataset, 400, spec="mini_xception", epochs=3).epochs == 3


def test_the_command_starts_folds_and_waits_for_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    learnable.fill(Store.open(), count=40)
    monkeypatch.setattr(runs, "enqueue", lambda run: None)
    asked = ["suspects", "--data", "halves", "--folds", "3", "--epochs", "2"]
    assert cli.main([*asked, "--again"]) == 1 and "which has none" in capsys.readouterr().err
    assert cli.main(asked) == 1 and "Suspects need all folds" in capsys.readouterr().err
    monkeypatch.setattr(runs, "enqueue", lambda run: told(run, {1: 0.01}))
    assert cli.main(asked) == 0
    out = capsys.readouterr().out
    assert "3 folds of cnn_rgb48, 2 epochs each" in out
    assert "1 suspect label among 30 training images" in out


# The page.


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Builds the page's section Problems on a small dataset; workers do nothing."""
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    learnable.fill(Store.open(), count=40)
    with made_runs.idle_workers(monkeypatch):
        idle = runs._spawn
        # As a process would be waited for.
        monkeypatch.setattr(runs, "_spawn", lambda run, lock: idle(run, lock) or Mock())
        yield lambda: _visit(view="problems", data="halves")


def _visit(**address):
    app = AppTest.from_file(str(made_runs.ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/datasets.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def test_the_page_starts_the_folds_and_shows_how_far_they_are(page):
    app = made_runs.press(page(), "Look for wrong labels")
    (found,) = folds.sets("halves")
    assert found.state == "running" and len(found.runs) == 5 and len(runs.queue()) == 4
    assert "0 of 5 networks have judged their part" in made_runs.said(app)
    assert "Look for wrong labels" not in made_runs.labels(app)
    told(found.runs[1], {})
    assert "1 of 5 networks" in made_runs.said(page())


def test_the_page_goes_on_with_folds_that_stopped(page):
    rows = versions.manifest(Store.open(), "halves")
    made = [runs.create(config(fold), rows) for fold in range(5)]
    for run in made[1:]:
        told(run, {})
    app = page()
    assert "Not judged yet: 1 of 5 parts" in made_runs.said(app)
    made_runs.press(app, "Go on")
    assert made[0].state() == "running" and not runs.queue()


def test_the_page_of_a_fold_speaks_of_no_model(page):
    run = runs.create(config(1), versions.manifest(Store.open(), "halves"))
    made_runs.begin(run)
    for number in range(4):
        made_runs.epoch(run, number)
    app = made_runs.visit(run=run.id)
    assert "fold 2 of 5" in made_runs.said(app)
    made_runs.ended(run, held_out=60)
    app = made_runs.visit(run=run.id)
    assert "judged 60 images that it never saw; no model is kept" in made_runs.said(app)
    assert not {"Open the model", "Continue this run"} & set(made_runs.labels(app))
    assert "fold 2 of 5" in str(made_runs.visit().dataframe[0].value["Run"].tolist())


def test_only_what_no_checkup_makes_can_be_put_in(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    with pytest.raises(BadInput, match="suspect"):
        findings.replace(store, "halves", "leak", pd.DataFrame({"sample": [], "score": []}))
