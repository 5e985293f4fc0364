"""All runs on their page: the table, the queue and comparisons; and what is read from events."""

import json
from dataclasses import replace

import pytest

from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from pages._shared import curves, history, run_words
from pages._shared.curves import FIGURES
from pages._shared.history import History
from tests.made_runs import (
    MANIFEST,
    at_work,
    charts,
    ended,
    epoch,
    idle_workers,
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
    (first,), (faint,), (second,) = (
        lines(drawn["Accuracy"], name) for name in ("1 Alpha", "1 Alpha, training", "2 Beta")
    )
    assert first["lineStyle"]["type"] == "solid" and faint["lineStyle"]["type"] == "dashed"
    assert first["color"] == faint["color"] != second["color"]
    assert drawn["Accuracy"][1]["legend"]["data"] == ["1 Alpha", "2 Beta"]
    assert second["markPoint"]["label"]["formatter"] == "2"
    assert second["markPoint"]["data"] == [{"coord": [2, pytest.approx(35)]}]
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
    def ends(figure, *values):
        found = curves.scale(FIGURES[figure], values)
        return found.low, found.high, found.line

    assert ends("accuracy", 0.312, 0.58) == ends("accuracy", 0.308, 0.59) == pytest.approx((0.3, 0.6, 0.1))
    assert ends("accuracy", 1.0) == pytest.approx((1.0, 1.1, 0.1))
    assert ends("accuracy", 0.11, 0.78) == pytest.approx((0.0, 0.8, 0.2))
    assert ends("ccc", -0.05, 0.4) == pytest.approx((-0.2, 0.4, 0.2))
    assert ends("loss", 1.31, 1.02) == pytest.approx((0, 1.5, 0.5))
    assert ends("learning_rate", 0.004, 0.00001) == pytest.approx((0, 0.004, 0.001))
    assert ends("loss", 1.0, 1.1, 0.9, 5000.0) == (0.1, 10_000, None)
    assert ends("loss", 0.0) == pytest.approx((0, 1, 0.2))
    assert [curves.last_epoch(done, 200, True) for done in (1, 29, 31, 190)] == [60, 60, 90, 200]
    assert curves.last_epoch(7, 40, True) == 40 and curves.last_epoch(7, 40, False) == 7


def test_a_figure_that_is_no_number_leaves_a_gap():
    run = trained(2)
    epoch(run, 2, loss=None)
    figure = charts(visit(run=run.id))["Loss"]
    assert lines(figure, "training")[0]["data"][2] == [3, None]
    assert "training not a number in epoch 3" in figure[0]
