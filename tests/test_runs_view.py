"""Runs on their page: states, live curves, the table and comparisons, on folders that no worker wrote."""

import fcntl
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from fer_core import workspace
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library, specs
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY
from pages._shared import curves, history, run_words
from pages._shared.curves import FIGURES
from pages._shared.history import History

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = pd.DataFrame({"image": ["a", "b"], "split": ["train", "validation"], "label": ["happy", "sad"]})


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    """Workers that are told to do nothing: each holds its run's lock for as long as the test."""
    held: dict[str, int] = {}
    monkeypatch.setattr(runs, "_spawn", lambda run, lock: held.update({run.id: os.dup(lock.fileno())}))
    yield held
    for lock in held.values():
        os.close(lock)


def made(spec="mini_xception", epochs=8, manifest=MANIFEST, **changes):
    return runs.create(TrainingConfig(spec=spec, dataset="faces", epochs=epochs, **changes), manifest)


def at_work(run, workers):
    lock = (run.folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    workers[run.id] = os.dup(lock.fileno())
    lock.close()
    return run


def begin(run):
    run.append({"kind": "launched"})
    run.append({"kind": "device", "device": "2 × CPU", "devices": 2})
    run.append({"kind": "data", "train": 3000, "validation": 500, "left_out": {"copies of test images": 16}})


def epoch(run, number, value=None, seconds=10.0, **more):
    """The event of a whole epoch, with figures of the run's task that rise by 0.05 an epoch."""
    task = specs.get(run.config.spec).task
    value = 0.3 + 0.05 * number if value is None else value
    own = {"accuracy": value + 0.1, "macro_f1": value} if task is EXPRESSION else {}
    measured = {"val_" + figure: value for figure in task.figures}
    run.append(
        {"kind": "epoch", "epoch": number, "epochs": run.config.epochs, "seconds": seconds, "best": True}
        | {"learning_rate": 0.002, "loss": 2 - value, "val_loss": 2.1 - value, **own, **measured, **more}
    )


def progress(run, number, step=50, **more):
    run.append(
        {"kind": "progress", "epoch": number, "epochs": run.config.epochs, "step": step, "steps": 100}
        | {"loss": 1.5, "accuracy": 0.55, "macro_f1": 0.5, "learning_rate": 0.0015}
        | {"images_per_second": 640.0, "memory_mb": 1204, "cpu_percent": 94, **more}
    )


def ended(run, state="finished", best=3, **more):
    task = specs.get(run.config.spec).task
    value = 0.3 + 0.05 * (best - 1)
    found = {"state": state, "model": None, "best_epoch": best, "figure": task.key, "value": value, **more}
    (run.folder / "result.json").write_text(json.dumps(found))
    return run


def trained(epochs=4, of=8, **changes):
    run = made(epochs=of, **changes)
    begin(run)
    for number in range(epochs):
        epoch(run, number)
    return run


def model(name, **record):
    """A model of that name in the library, with a validation record."""
    shipped = library.find(library.default_id())
    folder = workspace.folder("models") / name
    shutil.copytree(shipped.folder, folder)
    first = {**shipped.card.evaluations[0], "split": "validation", **record}
    replace(shipped.card, id=name, title=name, evaluations=[first]).write(folder)


def visit(**address):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/train.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def said(app):
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.error)
    parts = [element.value for kind in kinds for element in kind]
    parts += [element.proto.body for element in app.get("html")]
    parts += [element.proto.text for element in app.get("progress")]
    return "\n".join(parts).replace("\\", "")


def labels(app):
    return [b.label for b in app.button]


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def charts(app):
    """For each chart its alt text, its lines by name, and its layout."""
    found = {}
    for element in app.get("plotly_chart"):
        figure = json.loads(element.proto.spec)
        found[element.proto.alt.split(" by epoch")[0]] = (element.proto.alt, figure["data"], figure["layout"])
    return found


def lines(figure, name):
    return [trace for trace in figure[1] if trace.get("legendgroup") == name]


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
    alt, _, layout = drawn["Accuracy"]
    validation, best = lines(drawn["Accuracy"], "validation")
    training, live = lines(drawn["Accuracy"], "training")
    assert validation["y"] == [30, 50, 40] and validation["line"]["dash"] == "solid"
    assert training["y"] == pytest.approx([40, 60, 50]) and training["line"]["dash"] == "dash"
    assert (best["x"], best["y"]) == ([2], [50])
    assert live["x"] == [3, 3.5] and live["y"] == pytest.approx([50, 55])
    assert layout["xaxis"]["range"] == [0.5, 8.5] and layout["uirevision"] == "curve accuracy"
    assert "validation 40.0 % in epoch 3, 50.0 % in the best, 2" in alt and "55.0 % now" in alt
    (rate, now) = lines(drawn["Learning rate"], "learning rate")
    assert rate["y"] == [0.002] * 3 and now["y"][-1] == 0.0015


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
    layout = charts(visit(run=run.id))["Loss"][2]
    assert [(mark["x"], mark["text"]) for mark in layout["annotations"]] == [
        (2, "fine-tuning"),
        (4, "continued"),
    ]
    assert [line["x0"] for line in layout["shapes"]] == [2, 4]


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


def test_the_table_says_how_each_run_stands(workers):
    ended(trained(title="Alpha"), outcome="early")
    failed = trained(title="Beta")
    (failed.folder / "result.json").write_text(json.dumps({"state": "failed", "error": "Oh."}))
    live = at_work(trained(title="Gamma", spec="cnn_rgb48"), workers)
    progress(live, 4)
    waiting = made(title="Delta")
    (waiting.folder / "queued").write_text("1")
    waiting.write_note("a try")
    app = visit()
    rows = {row["Run"]: row for row in app.dataframe[0].value.to_dict("records")}
    assert {name: row["State"] for name, row in rows.items()} == {
        "Alpha": "finished early",
        "Beta": "failed",
        "Gamma": "at work",
        "Delta": "waits in line",
    }
    assert rows["Alpha"]["Best"] == "Accuracy 40.0 %" and rows["Alpha"]["Epoch"] == "3 of 8"
    assert rows["Beta"]["Best"] == "Accuracy 45.0 %" and rows["Delta"]["Best"] == ""
    assert rows["Delta"]["Note"] == "a try" and rows["Gamma"]["Network"] == "48×48×3 CNN"
    assert "Gamma · Epoch 5 of 8" in said(app)
    assert "1. in line: Delta on faces, 8 epochs" in said(app)
    press(app, "Take out")
    assert waiting.state() == "ready" and not runs.queue()


def test_the_next_in_line_starts_when_somebody_looks(workers):
    first, second = made(), made()
    for place, run in enumerate((second, first)):
        (run.folder / "queued").write_text(str(place))
    visit()
    assert (second.state(), first.state()) == ("running", "queued")


def test_the_address_holds_the_filters_of_the_table():
    trained(title="Alpha"), trained(title="Beta", spec="cnn_rgb48")
    app = visit(network="cnn_rgb48")
    assert list(app.dataframe[0].value["Run"]) == ["Beta"]
    next(s for s in app.selectbox if s.label == "Network").set_value("").run()
    assert set(app.dataframe[0].value["Run"]) == {"Alpha", "Beta"} and "network" not in app.query_params


def test_ticked_runs_are_compared_and_a_clicked_one_opens():
    one, other = trained(title="Alpha"), trained(title="Beta")
    app = visit()
    names = list(app.dataframe[0].value["Run"])
    key = app.dataframe[0].key
    app.session_state[key] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    press(app.run(), "Compare 2 runs")
    ids = {"Alpha": one.id, "Beta": other.id}
    assert app.query_params["compare"] == ",".join(ids[name] for name in names)
    press(app, "← Back to the table")
    assert not app.query_params


def test_a_comparison_shows_what_differs_the_best_values_and_all_curves():
    model("first model", accuracy=0.45, accuracy_low=0.4, accuracy_high=0.5, n=500)
    one = ended(trained(title="Alpha", learning_rate=0.01), model="first model")
    other = ended(trained(2, title="Beta", spec="cnn_rgb48"), best=2)
    app = visit(compare=f"{one.id},{other.id}")
    best = app.dataframe[0].value
    assert list(best["Run"]) == ["1 Alpha", "2 Beta"]
    assert list(best["Accuracy"]) == ["45.0 %", "35.0 %"] and list(best["Best epoch"]) == ["4 of 4", "2 of 2"]
    assert best["The model, measured"][0] == "45.0 % ± 5.0, 500 faces"
    table = app.table[0].value
    assert list(table.index) == ["network", "learning rate"]
    assert list(table.loc["learning rate"]) == ["0\\.01", "0\\.004"]
    drawn = charts(app)
    assert list(drawn) == ["Loss", "Accuracy", "Macro F1"]
    first, second = (lines(drawn["Accuracy"], name) for name in ("1 Alpha", "2 Beta"))
    assert [trace["line"]["dash"] for trace in first[:2]] == ["dash", "solid"]
    assert [trace["showlegend"] for trace in first[:2]] == [False, True]
    assert {trace["line"]["color"] for trace in first[:2]} != {trace["line"]["color"] for trace in second[:2]}
    assert second[2]["text"] == ["2"] and second[2]["x"] == [2]
    assert not app.info


def test_a_comparison_warns_of_other_pictures_and_of_runs_that_are_gone():
    one, other = trained(), trained(manifest=MANIFEST.iloc[:1])
    app = visit(compare=f"{one.id},gone,{other.id}")
    assert "not trained and validated on the same pictures" in app.info[0].value
    assert "'gone' is not here any more" in app.warning[0].value.replace("\\", "")
    assert "Nothing: all their settings are the same." in said(app)


def test_events_are_read_once_and_in_pieces_as_at_once(monkeypatch):
    run = trained(3)
    progress(run, 3)
    epoch(run, 3)
    run.append({"kind": "launched"})
    epoch(run, 3, 0.9)
    run.append({"kind": "warning", "text": "full"})
    run.append({"kind": "diverged"})
    events, end = run.events()
    whole = history.read_on(History(), events, end)
    assert whole.done == 4 and whole.epochs[3]["val_accuracy"] == 0.9
    assert whole.diverged and whole.live is None and whole.warnings == ("full",)
    for cut in range(len(events) + 1):
        assert history.read_on(history.read_on(History(), events[:cut], 1), events[cut:], end) == whole
    asked = []
    plain = runs.Run.events
    monkeypatch.setattr(runs.Run, "events", lambda run, offset=0: asked.append(offset) or plain(run, offset))
    assert history.of(run) == whole
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "progr')
    assert history.of(run) is history.of(run)
    assert asked == [0, end, end]


def test_a_launch_forgets_the_epoch_that_a_crash_cut_short():
    run = trained(2)
    progress(run, 2)
    assert history.of(run).live["step"] == 50
    run.append({"kind": "launched"})
    assert history.of(run).live is None and history.of(run).stage == "starting"
    assert history.of(run).done == 2


def test_time_left_comes_from_epochs_of_the_same_phase_or_from_the_first_steps():
    config = TrainingConfig("mini_xception", "faces", epochs=10, batch_size=64)
    first = History(live={"epoch": 0, "step": 50, "steps": 100, "images_per_second": 640.0})
    assert first.seconds_left(config) == pytest.approx(10 * 9.5)
    assert History().seconds_left(config) is None
    two = replace(config, start_from="other", frozen_epochs=2)
    done = {n: {"epoch": n, "seconds": 5.0 if n < 2 else 20.0} for n in range(3)}
    assert History(epochs={0: done[0]}).seconds_left(two) == pytest.approx(9 * 5)
    assert (
        "more than 45 s left"
        in run_words.progress(History(stage="training", epochs={0: done[0]}), two, "running")[1]
    )
    assert History(epochs=done).seconds_left(two) == pytest.approx(7 * 20)


def test_axes_move_in_coarse_steps_only():
    accuracy, loss = FIGURES["accuracy"], FIGURES["loss"]
    assert curves.limits(accuracy, [0.312, 0.58])[0] == pytest.approx((0.3, 0.6))
    assert curves.limits(accuracy, [0.312, 0.59])[0] == pytest.approx((0.3, 0.6))
    assert curves.limits(accuracy, [1.0, 1.0])[0] == pytest.approx((1.0, 1.1))
    assert curves.limits(FIGURES["ccc"], [-0.05, 0.4])[0] == pytest.approx((-0.2, 0.4))
    assert curves.limits(loss, [1.31, 1.02]) == ((0.0, 1.5), False)
    assert curves.limits(loss, [1.0, 1.1, 0.9, 5000.0]) == ((0.1, 10_000), True)
    assert curves.limits(loss, [0.0]) == ((0.0, 1.0), False)
    assert [curves.last_epoch(done, 200, True) for done in (1, 29, 31, 190)] == [60, 60, 90, 200]
    assert curves.last_epoch(7, 40, True) == 40 and curves.last_epoch(7, 40, False) == 7


def test_a_figure_that_is_no_number_leaves_a_gap():
    run = trained(2)
    epoch(run, 2, loss=None)
    figure = charts(visit(run=run.id))["Loss"]
    assert lines(figure, "training")[0]["y"][2] is None
    assert "training not a number in epoch 3" in figure[0]
