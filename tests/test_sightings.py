"""What a camera saw, kept small."""

import numpy as np
import pytest

from fer_core.imaging.faces import Box
from fer_core.inference import sightings
from fer_core.inference.sightings import Sighting, Sightings

NAMES = ("happy", "sad")


def seen(number, happy=0.75):
    return Sighting(number, Box(1, 2, 30, 30), True, 0.5, -0.5, np.float32([happy, 1 - happy]))


@pytest.mark.parametrize("fps, rows", [(5, 50), (10, 100), (30, 100), (60, 100)])
def test_a_face_gets_ten_rows_a_second_at_most(fps, rows):
    log = Sightings()
    for frame in range(10 * fps):
        log.add(1e5 + frame / fps, [seen(1), seen(2)], NAMES, "model", "haar")
    counts = log.table()["face"].value_counts()
    assert counts[1] == counts[2] == pytest.approx(rows, abs=2)


def test_a_row_says_who_where_when_and_how():
    log = Sightings()
    log.add(50.0, [seen(3)], NAMES, "model", "haar")
    log.add(51.5, [seen(3, 0.25)], NAMES, "model", "haar")
    table = log.table()
    one, two = table.to_dict("records")
    assert (one["seconds"], two["seconds"], one["face"]) == (0.0, 1.5, 3)
    assert (one["looks"], two["looks"], two["sad"], one["sure"]) == ("happy", "sad", 0.75, True)
    assert (two["time"] - one["time"]).total_seconds() == pytest.approx(1.5) and one["time"].tz is not None
    assert [one[name] for name in ("x", "y", "width", "height")] == [1, 2, 30, 30]
    assert (one["valence"], one["arousal"], one["model"], one["detector"]) == (0.5, -0.5, "model", "haar")


def test_another_model_adds_its_columns_and_mixes_nothing():
    log = Sightings()
    log.add(0.0, [seen(1)], NAMES, "one", "haar")
    log.add(1.0, [seen(1)], ("sad", "fear"), "two", "haar")
    log.add(2.0, [Sighting(1, Box(0, 0, 9, 9), False, 0.1, 0.2, np.zeros(0))], (), "three", "haar")
    table = log.table()
    assert table["looks"].tolist()[:2] == ["happy", "sad"] and table["looks"].isna().tolist()[2]
    assert (
        table["sad"].tolist()[:2] == [0.25, 0.75]
        and np.isnan(table["happy"][1])
        and np.isnan(table["sad"][2])
    )
    assert table["model"].tolist() == ["one", "two", "three"] and list(table.columns[-2:]) == [
        "model",
        "detector",
    ]


def test_the_last_minute_is_the_last_minute():
    log = Sightings()
    for second in range(200):
        log.add(float(second), [seen(1)], NAMES, "model", "haar")
    assert log.table(60.0)["seconds"].tolist() == list(range(139, 200))


def test_the_oldest_rows_go_and_who_left_is_forgotten(monkeypatch):
    monkeypatch.setattr(sightings, "MOST_ROWS", 100)
    log = Sightings()
    for second in range(500):
        log.add(float(second), [seen(second)], NAMES, "model", "haar")
    assert log.table()["face"].tolist() == list(range(400, 500)) and len(log._last) == 1


def test_an_empty_log_has_its_columns():
    table = Sightings().table(60.0)
    assert table.empty and {"time", "face", "looks", "valence"} <= set(table.columns)
