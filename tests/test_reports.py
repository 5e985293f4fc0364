"""“That's wrong”: nothing without consent, one face and no more, and gone when asked."""

import numpy as np
import pytest
import sqlalchemy as sa

from fer_core.dataset import ledger, schema
from fer_core.dataset.store import Store
from fer_core.errors import BadInput
from fer_core.imaging.decode import decode_image
from fer_core.imaging.faces import Box
from fer_core.review import reports

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "studio.db")


BOX = Box(40, 30, 20, 20)


def tell(store, label="sad", box=BOX, consent=True, **more):
    return reports.keep(store, PHOTO, box, label, "m: looks happy (82 %)", consent=consent, **more)


def rows(store, table):
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


def test_without_consent_nothing_is_stored(store):
    with pytest.raises(BadInput, match="consent"):
        tell(store, consent=False)
    with pytest.raises(BadInput, match="bored"):
        tell(store, "bored")
    assert store.datasets() == [] and rows(store, schema.image) == rows(store, schema.event) == 0


def test_the_face_is_kept_with_what_was_told_and_no_more(store):
    sample = tell(store, who="Ada")
    (dataset,) = store.datasets()
    assert dataset.name == "reported"
    with store.read() as connection:
        found = connection.execute(sa.select(schema.sample)).one()
        (data,) = connection.scalars(sa.select(schema.image_data.c.data))
    assert (found.id, found.split, found.label, found.subject) == (sample, "none", "sad", None)
    assert (decode_image(data) == PHOTO[27:53, 37:63]).all()
    told = ledger.history(store, sample)[-1]
    assert (told.who, told.new, told.surfaced_by) == ("Ada", "sad", "that's wrong")
    assert told.why == "m: looks happy (82 %)"


def test_the_same_face_told_twice_is_one_sample_with_two_answers(store):
    assert tell(store) == tell(store, "not a face", who="Ben")
    assert rows(store, schema.sample) == 1
    assert [(e.who, e.new) for e in ledger.history(store, 1)[1:]] == [
        ("visitor", "sad"),
        ("Ben", "not a face"),
    ]


def test_a_box_at_the_edge_and_no_box(store):
    tell(store, box=Box(-5, -5, 20, 20))
    tell(store, box=None)
    with store.read() as connection:
        sizes = connection.execute(sa.select(schema.image.c.width, schema.image.c.height)).all()
    assert sorted(map(tuple, sizes)) == [(18, 18), (120, 90)]


def test_it_is_deleted_for_good(store):
    receipt = reports.withdraw(store, tell(store))
    assert receipt.samples == receipt.pictures == 1
    assert rows(store, schema.sample) == rows(store, schema.image_data) == 0
