"""One run on its page: every state, its figures and curves, and what can be done with it."""

import json
import shutil

import pytest

from fer_core import workspace
from fer_core.training import runs
from fer_core.zoo import library, specs
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY
from pages._shared.curves import FIGURES
from tests.made_runs import (
    at_work,
    begin,
    charts,
    ended,
    epoch,
    idle_workers,
    labels,
    lines,
    made,
    model,
    press,
    progress,
    said,
    trained,
    visit,
)


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    with idle_workers(monkeypatch) as held:
        yield held


@pytest.mark.parametrize(
    ("state", "words", "buttons"),
    [
        ("ready", "has not started yet", ["Start", "Retry with changes"]),
        ("queued", "Waits in line, place 1 of 1", ["Take out of the line"]),
        ("starting", "Starting: the worker loads TensorFlow", ["Stop"]),
        ("preparing", "Getting ready: reading pictures: 1,200 of 3,000", ["Stop"]),
        ("running", "Epoch 5 of 8 · step 50 of 100 · 35 s left", ["Stop"]),
        ("exporting", "Writing the model and measuring it", ["Stop"]),
        ("stopping", "stopping after this batch", ["Stopping…"]),
        ("finished", "Finished. Accuracy 40.0 % on validation images, in epoch 3.", ["Retry with changes"]),
        ("early", "Finished after 4 epochs: none of the last 2 was better.", ["Retry with changes"]),
        ("diverged", "The loss stopped being a number", ["Retry with changes"]),
        ("stopped", "Stopped after 4 whole epochs of 8.", ["Resume", "Retry with changes"]),
        ("never", "Stopped before the first epoch ended", ["Resume", "Retry with changes"]),
        ("failed", "There is no model", ["Resume", "Retry with changes"]),
        ("crashed", "The 4 whole epochs are kept: Resume goes on", ["Resume", "Retry with changes"]),
    ],
)  # fmt: skip
def test_every_state_has_its_words_and_its_buttons(workers, state, words, buttons):
    if state == "ready":
        run = made()
    elif state in ("queued", "starting", "preparing", "never", "failed"):
        run = made()
        if state != "queued":
            run.append({"kind": "launched"})
    else:
        run = trained(early_stopping=2)
    if state == "queued":
        at_work(made(), workers)
        (run.folder / "queued").write_text("1")
    if state in ("starting", "preparing", "running", "exporting", "stopping"):
        at_work(run, workers)
    if state == "preparing":
        run.append({"kind": "prepare", "done": 1200, "total": 3000, "text": "reading pictures"})
    if state in ("running", "stopping"):
        progress(run, 4)
    if state == "exporting":
        run.append({"kind": "exporting"})
    if state == "stopping":
        run.stop()
    if state in ("finished", "early", "diverged"):
        ended(run, outcome=state)
    if state == "stopped":
        ended(run, "stopped", outcome="stopped")
    if state == "never":
        (run.folder / "result.json").write_text(
            json.dumps({"state": "stopped", "model": None, "error": "Stopped before the first epoch ended."})
        )
    if state == "failed":
        (run.folder / "result.json").write_text(
            json.dumps({"state": "failed", "error": "There is no model of that name."})
        )
    app = visit(run=run.id)
    assert words in said(app).replace("*", "")
    page = ["← All runs", "Delete for good", "Continue this run"]
    assert [label for label in labels(app) if label not in page] == buttons
    assert ("Delete for good" in labels(app)) == (run.id not in workers)
    assert ("Continue this run" in labels(app)) == (state in ("finished", "early", "diverged", "stopped"))


def test_the_figures_of_now_are_read_off(workers):
    run = at_work(trained(3), workers)
    progress(run, 3, gpu_percent=71)
    grid = "".join(element.proto.body for element in visit(run=run.id).get("html"))
    for name, value in (
        ("Accuracy, validation", "40.0 %"),
        ("Best epoch", "3 of 3"),
        ("Loss, training", "1.5"),
        ("Accuracy, training", "55.0 %"),
        ("Macro F1, training", "0.500"),
        ("Learning rate", "0.0015"),
        ("Images per second", "640"),
        ("Processor", "94 % busy"),
        ("GPU", "71 % busy"),
        ("Memory", "1,204 MB"),
        ("Computes on", "2 × CPU"),
    ):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in grid


def test_curves_show_training_validation_the_best_epoch_and_the_epoch_at_work(workers):
    run = at_work(made(), workers)
    begin(run)
    for number, value in enumerate((0.3, 0.5, 0.4)):
        epoch(run, number, value)
    progress(run, 3)
    drawn = charts(visit(run=run.id))
    assert list(drawn) == ["Loss", "Accuracy", "Macro F1", "Learning rate"]
    alt, option = drawn["Accuracy"]
    (validation,) = lines(drawn["Accuracy"], "validation")
    (training,) = lines(drawn["Accuracy"], "training")
    (live,) = lines(drawn["Accuracy"], "training, now")
    assert validation["data"] == [[1, 30], [2, 50], [3, 40]] and validation["lineStyle"]["type"] == "solid"
    assert training["data"] == [[1, 40], [2, 60], [3, 50]] and training["lineStyle"]["type"] == "dashed"
    assert validation["markPoint"]["data"] == [{"coord": [2, 50]}]
    assert live["data"] == [{"value": [3, 50], "symbol": "none"}, [3.5, pytest.approx(55)]]
    assert (option["xAxis"]["min"], option["xAxis"]["max"], option["yAxis"]["max"]) == (0, 8, 60)
    assert "validation 40.0 % in epoch 3, 50.0 % in the best, 2" in alt and "55.0 % now" in alt
    (rate,) = lines(drawn["Learning rate"], "learning rate")
    assert [value for _, value in rate["data"]] == [0.002] * 3


def test_a_chart_stays_the_same_chart_when_points_come(workers):
    run = at_work(trained(2), workers)
    app = visit(run=run.id)
    before = {element.proto.id for element in app.get("echarts_chart")}
    epoch(run, 2)
    assert {element.proto.id for element in app.run().get("echarts_chart")} == before
    assert len(lines(charts(app)["Loss"], "validation")[0]["data"]) == 3


@pytest.mark.parametrize(
    ("task", "drawn"),
    [
        (EXPRESSION, ["Loss", "Accuracy", "Macro F1", "Learning rate"]),
        (AFFECT, ["Loss", "Concordance (CCC)", "Correlation (Pearson)", "Error (RMSE)", "Learning rate"]),
        (SIMILARITY, ["Loss", "Area under the ROC curve", "Accuracy", "Learning rate"]),
    ],
)
def test_a_run_of_each_task_shows_the_figures_of_its_task(task, drawn):
    spec = next(spec.id for spec in specs.SPECS.values() if spec.task is task)
    run = ended(trained(spec=spec))
    app = visit(run=run.id)
    assert list(charts(app)) == drawn
    assert f"{FIGURES[task.key].title} {FIGURES[task.key].said(0.4)} on validation images" in said(app)
    shown = visit().dataframe[0].value.iloc[0]
    assert shown["Best"] == f"{FIGURES[task.key].short} {FIGURES[task.key].said(0.4)}"


def test_fine_tuning_and_continued_stretches_are_marked():
    run = made(epochs=6, start_from="other", frozen_epochs=2, continued_at=(4,))
    begin(run)
    run.append({"kind": "phase", "epoch": 0, "phase": "frozen", "trainable": 10})
    for number in range(2):
        epoch(run, number)
    run.append({"kind": "phase", "epoch": 2, "phase": "fine-tuning", "trainable": 1000})
    for number in range(2, 6):
        epoch(run, number)
        if number == 4:  # resumed within the phase
            run.append({"kind": "phase", "epoch": 5, "phase": "fine-tuning", "trainable": 1000})
    marks = lines(charts(visit(run=run.id))["Loss"], "training")[0]["markLine"]["data"]
    assert marks == [{"xAxis": 2, "name": "fine-tuning"}, {"xAxis": 4, "name": "continued"}]


def test_what_was_left_out_leaks_and_warnings_are_said():
    run = trained()
    run.append({"kind": "leaks", "leaks_in": {"copies of test images": 3}})
    run.append({"kind": "warning", "text": "Epoch 4 could not be saved: No space left on device"})
    app = visit(run=run.id)
    assert "Learns from 3,000 images; 500 others" in said(app)
    assert "16: copies of test images" in said(app)
    assert "It learns from 3 copies of test images" in said(app)
    assert "No space left on device" in said(app)


def test_stop_asks_the_worker_to_stop(workers):
    run = at_work(trained(), workers)
    app = press(visit(run=run.id), "Stop")
    assert run.state() == "stopping" and "Stopping…" in labels(app)


def test_resume_goes_on_at_once_or_waits_behind_another(workers):
    first, second = trained(), trained()
    assert first.state() == second.state() == "crashed"
    app = press(visit(run=first.id), "Resume")
    assert first.state() == "running" and list(workers) == [first.id]
    assert "Stop" in labels(app)
    app = press(visit(run=second.id), "Resume")
    assert second.state() == "queued" and "place 1 of 1" in said(app)
    app = press(app, "Take out of the line")
    assert second.state() == "crashed" and "Resume" in labels(app)


def test_a_finished_run_goes_on_with_more_epochs(workers):
    run = ended(trained(8))
    app = visit(run=run.id)
    next(n for n in app.number_input if n.label == "More epochs").set_value(5).run()
    assert "Goes on to epoch 13." in said(app)
    press(app, "Continue this run")
    assert (run.config.epochs, run.config.continued_at) == (13, (8,))
    assert run.state() == "running" and list(workers) == [run.id]


def test_a_retry_leads_to_the_form_with_this_runs_settings():
    run = ended(trained(), outcome="diverged")
    app = press(visit(run=run.id), "Retry with changes")
    assert (app.query_params["view"], app.query_params["from"]) == ("new", run.id)


def test_a_run_is_deleted_and_its_model_stays():
    model("kept")
    run, other = ended(trained(), model="kept"), ended(trained())
    app = press(visit(run=run.id), "Delete for good")
    assert [left.id for left in runs.runs()] == [other.id]
    assert not app.query_params and library.find("kept")


def test_a_note_is_kept_and_seen_from_another_tab():
    run = ended(trained())
    here, there = visit(run=run.id), visit(run=run.id)
    here.text_area[0].input("Too noisy.").run()
    assert run.note == "Too noisy."
    assert there.run().text_area[0].value == "Too noisy."
    there.text_area[0].input("").run()
    assert run.note == "" and here.run().text_area[0].value == ""


def test_the_model_of_a_run_is_one_click_away_with_its_interval():
    model("mine", accuracy=0.66, accuracy_low=0.64, accuracy_high=0.68, n=3589)
    run = ended(trained(8), model="mine")
    app = visit(run=run.id)
    assert "The model: 66.0 % ± 2.0, 3,589 faces." in said(app)
    press(app, "Open the model")
    assert app.query_params["model"] == "mine" and app.title[0].value == "Library"
    shutil.rmtree(workspace.folder("models") / "mine")
    app = visit(run=run.id)
    assert "not in the Library any more" in said(app)
    assert next(b for b in app.button if b.label == "Open the model").disabled


def test_log_and_table_are_sent_only_when_they_are_open(monkeypatch):
    run = ended(trained())
    (run.folder / "log.txt").write_text("first\nlast words\n")
    app = visit(run=run.id)
    assert not app.code and not app.dataframe
    app.session_state[f"log {run.id}"] = True
    app.session_state[f"table {run.id}"] = True
    app.run()
    assert "last words" in app.code[0].value
    assert list(app.dataframe[0].value["epoch"]) == [1, 2, 3, 4]


def test_a_run_that_is_gone_is_answered_in_words():
    ended(trained())
    app = visit(run="20200101-000000-nothing")
    assert "no run of that name" in app.error[0].value.replace("\\", "")
