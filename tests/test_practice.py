"""The practice dataset knows the truth about itself."""

import numpy as np
import pytest
import sqlalchemy as sa

from fer_core.dataset import drawing, leaks, practice, schema, versions
from fer_core.dataset.store import Store
from fer_core.labels import AFFECTNET8, FER7

SMALL = 84


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("store") / "studio.db")
    report = practice.import_practice(store, count=SMALL)
    assert (report.rows, report.added, report.duplicates) == (SMALL + 1, SMALL + 1, 1)
    return store


def test_importing_it_again_doubles_nothing(store):
    again = practice.import_practice(store, count=SMALL)
    assert again.added == 0 and again.already_there == SMALL + 1


def test_every_sample_has_the_valence_and_arousal_that_were_drawn(store):
    sample = schema.sample.c
    with store.read() as connection:
        found = {
            source: (valence, arousal)
            for source, valence, arousal in connection.execute(
                sa.select(sample.source, sample.valence, sample.arousal)
            )
        }
    planned = practice.plan(SMALL)
    for p, (_, expression) in zip(planned, practice.pictures(planned), strict=True):
        assert found[p.source] == pytest.approx((expression.valence, expression.arousal))
    truths = {p.source: p.truth for p in planned}
    assert min(found[s][0] for s, truth in truths.items() if truth == "happy") > 0.4


def test_there_is_one_leak_and_it_is_the_planned_one(store):
    frame = versions.manifest(store, "practice")
    (leak,) = leaks.leaks(frame).leaks
    assert leak.splits == ("train", "validation") and leak.rows == (1, 1)


def test_no_person_is_in_two_splits_but_for_the_leak(store):
    frame = versions.manifest(store, "practice")
    frame = frame[~frame["image"].duplicated(keep=False)]
    assert frame.groupby("subject")["split"].nunique().max() == 1
    assert set(frame["split"]) == {"train", "validation", "test"}


def test_the_plan_has_its_faults_in_the_promised_shares():
    planned = practice.plan(7000)
    assert np.mean([p.label != p.truth for p in planned]) == pytest.approx(practice.WRONG, abs=0.01)
    assert np.mean([bool(p.twin_of) for p in planned]) == pytest.approx(practice.NEAR, abs=0.01)
    assert sum(bool(p.leak_of) for p in planned) == 1
    assert {p.truth for p in planned} == set(FER7.names)
    assert practice.plan(7000) == planned and practice.plan(7000, seed=1) != planned


def test_twins_differ_a_little_and_others_a_lot():
    planned = practice.plan(200)
    drawn = (picture for picture, _ in practice.pictures(planned))
    shown = dict(zip((p.source for p in planned), drawn, strict=True))
    twin = next(p for p in planned if p.twin_of)
    near = np.abs(shown[twin.source].astype(int) - shown[twin.twin_of]).mean()
    far = np.abs(shown["drawn:0"].astype(int) - shown["drawn:1"]).mean()
    assert 0 < near < 6 < far


def test_every_expression_is_drawn_differently_and_reproducibly():
    who = drawing.person(np.random.default_rng(0))
    faces = {n: drawing.draw(e, who, drawing.View(), 96) for n, e in drawing.PROTOTYPES.items()}
    assert set(faces) == set(AFFECTNET8.names)
    for name, face in faces.items():
        assert face.shape == (96, 96, 3) and face.dtype == np.uint8
        assert np.array_equal(face, drawing.draw(drawing.PROTOTYPES[name], who, drawing.View(), 96))
        assert all(np.abs(face.astype(int) - other).mean() > 0.5 for n, other in faces.items() if n != name)


def test_valence_and_arousal_follow_from_the_drawing():
    v = {name: e.valence for name, e in drawing.PROTOTYPES.items()}
    a = {name: e.arousal for name, e in drawing.PROTOTYPES.items()}
    assert v["happy"] > 0.8 and v["neutral"] == a["neutral"] == 0
    assert all(v[name] < 0 for name in ("angry", "disgust", "fear", "sad", "contempt"))
    assert a["surprise"] > 0.8 and a["fear"] > 0.5 and a["sad"] < 0
    assert all(-1 <= x <= 1 for x in (*v.values(), *a.values()))
    half = drawing.PROTOTYPES["happy"].mixed(drawing.PROTOTYPES["neutral"], 0.5)
    assert 0 < half.valence < v["happy"]
