"""Looking through a dataset: any filter, any order, any page."""

from itertools import pairwise

import pytest
import sqlalchemy as sa
from drawn_fer2013 import filled

from fer_core.dataset import browse, overview, practice, schema
from fer_core.dataset.browse import NO_LABEL, Filter
from fer_core.dataset.ledger import relabel
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.labels import FER7


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Practice faces, some labelled by hand, some suspected."""
    store = Store.open(tmp_path_factory.mktemp("store") / "studio.db")
    practice.import_practice(store, count=140)
    relabel(store, [(1, "sad"), (2, None), (3, "unsure"), (4, "not a face")], "Ada")
    with store.read() as connection:
        same = connection.scalar(sa.select(schema.sample.c.label).where(schema.sample.c.id == 5))
    relabel(store, [(5, same)], "Bea")
    with store.write() as connection:
        rows = [
            {"dataset": 1, "kind": "dark", "sample": s, "score": s % 7, "cluster": s % 3}
            for s in range(10, 40)
        ]
        connection.execute(sa.insert(schema.finding), rows)
    return store


EVERYTHING = Filter()


def ids(store, where=EVERYTHING, order="imported", first=0, count=1000):
    return [tile.sample for tile in browse.page(store, "practice", where, order, first, count)]


def rows(store):
    with store.read() as connection:
        return connection.execute(sa.select(schema.sample).order_by(schema.sample.c.id)).all()


FILTERS = {
    Filter(): lambda r: True,
    Filter(split="test"): lambda r: r.split == "test",
    Filter(label="fear"): lambda r: r.label == "fear",
    Filter(split="train", label="sad"): lambda r: (r.split, r.label) == ("train", "sad"),
    Filter(label=NO_LABEL): lambda r: r.label is None,
    Filter(subject="person 03"): lambda r: r.subject == "person 03",
    Filter(state="changed"): lambda r: r.id <= 4,
    Filter(state="unchanged"): lambda r: r.id > 4,
    Filter(state="unlabelled"): lambda r: r.id == 2,
    Filter(state="unsure"): lambda r: r.id == 3,
    Filter(state="not a face"): lambda r: r.id == 4,
    Filter(who="Ada"): lambda r: r.id <= 4,
    Filter(who="Bea", split="train"): lambda r: r.id == 5,
    Filter(who="nobody"): lambda r: False,
    Filter(finding="dark"): lambda r: 10 <= r.id < 40,
    Filter(finding="dark", cluster=1): lambda r: 10 <= r.id < 40 and r.id % 3 == 1,
    Filter(finding="blank"): lambda r: False,
    Filter(text="RAWN:13"): lambda r: r.source.startswith("drawn:13"),
    Filter(text="100%"): lambda r: False,
    Filter(samples=(7, 9, 4000)): lambda r: r.id in (7, 9),
}


@pytest.mark.parametrize("where", FILTERS, ids=str)
def test_every_filter_in_every_order_gives_the_same_samples_page_by_page(store, where):
    wanted = [row.id for row in rows(store) if FILTERS[where](row)]
    assert browse.counted(store, "practice", where) == len(wanted)
    for order in browse.ORDERS:
        whole = ids(store, where, order)
        assert sorted(whole) == wanted
        paged = [id for first in range(0, len(wanted) + 33, 33) for id in ids(store, where, order, first, 33)]
        assert paged == whole, "pages beyond the middle are read from the end"


def test_orders(store):
    found = {row.id: row for row in rows(store)}
    assert ids(store) == sorted(found) and ids(store, order="latest") == sorted(found)[::-1]
    by_name = [found[i].source for i in ids(store, order="name")]
    assert by_name == sorted(by_name)
    by_class = [found[i].label or "" for i in ids(store, order="class")]
    assert by_class == sorted(by_class)
    assert ids(store, order="shuffled") != sorted(found)
    dark = browse.page(store, "practice", Filter(finding="dark"), "suspicious", 0, 50)
    assert all((a.score, a.sample) > (b.score, b.sample) for a, b in pairwise(dark))
    groups = [t.cluster for t in browse.page(store, "practice", Filter(finding="dark"), "groups", 0, 50)]
    assert groups == sorted(groups) and set(groups) == {0, 1, 2}


def test_shuffling_a_class_is_the_same_by_either_road(store, monkeypatch):
    by_road = []
    for walks in (True, False):
        monkeypatch.setattr(browse, "_walks", lambda *_, walks=walks: walks)
        by_road.append(ids(store, Filter(label="happy"), "shuffled", 2, 7))
    assert by_road[0] == by_road[1] and len(by_road[0]) == 7


def test_the_balance_counts_each_split_and_class(store):
    table = overview.balance(store, "practice")
    found = rows(store)
    assert table["n"].sum() == len(found)
    for split, label, n in table.itertuples(index=False):
        assert n == sum(row.split == split and (row.label or NO_LABEL) == label for row in found)
    train = table[table["split"] == "train"]["label"].tolist()
    assert train[:7] == list(FER7.names), "classes in the order of the label set, then the rest"


def test_who_what_and_whence(store):
    assert overview.people(store, "practice") == ("Ada", "Bea")
    assert overview.subjects(store, "practice")[:2] == ("person 01", "person 02")
    (arrival,) = overview.arrivals(store, "practice")
    assert (arrival.rows, arrival.what) == (141, "drawn for practice")
    assert len(ids(store, Filter(arrival=arrival.batch))) == 141
    assert ids(store, Filter(arrival="another")) == []


def test_examples_are_of_their_class_and_come_again_for_the_same_seed(store):
    shown = overview.examples(store, "practice", 5, seed=3)
    assert list(shown) == list(FER7.names)
    for name, tiles in shown.items():
        assert len({tile.sample for tile in tiles}) == 5 and {tile.label for tile in tiles} == {name}
    assert (
        overview.examples(store, "practice", 5, seed=3)
        == shown
        != overview.examples(store, "practice", 5, seed=4)
    )


def test_everything_about_one_sample(store):
    copy = next(row for row in rows(store) if row.source == "drawn:leak")
    found = browse.detail(store, copy.id)
    (name, other), *rest = found.same
    assert name == "practice" and other.image == copy.image and other.split == "train" and not rest
    assert (found.width, found.height, found.tile.valence) == (96, 96, copy.valence)
    assert found.after is None and found.before == copy.id - 1
    assert browse.detail(store, 12).findings == {"dark": 0}
    with pytest.raises(NotFound, match="Received: 4000"):
        browse.detail(store, 4000)


def test_votes_are_summed(tmp_path):
    store = filled(tmp_path, 8, votes=True)
    assert (
        browse.detail(store, 3).votes["not a face"] == 1 and sum(browse.detail(store, 3).votes.values()) == 10
    )


def test_sizes_and_brightness_of_the_pictures(store):
    found = overview.pictures(store, "practice")
    assert found["n"].sum() == 141 and set(found["width"]) == {96} and found["brightness"].isna().all()
    image = rows(store)[1].image
    with store.write() as connection:
        row = {"image": image, "brightness": 77.0, "contrast": 1, "sharpness": 1, "hash": b"", "faces": 1}
        connection.execute(sa.insert(schema.measure).values(row))
    found = overview.pictures(store, "practice").dropna(subset=["brightness"])
    assert found["brightness"].tolist() == [72] and found["faces"].tolist() == [1]


def test_counts_follow_changes(tmp_path):
    store = filled(tmp_path, 14)
    where = Filter(label="happy", text="fer2013")
    before = browse.counted(store, "faces", where)
    relabel(store, [(1, "happy")], "Ada")
    assert browse.counted(store, "faces", where) == before + 1


def test_what_is_not_there(store):
    with pytest.raises(NotFound, match="dataset"):
        browse.page(store, "nowhere")
    with pytest.raises(NotFound, match="order"):
        browse.page(store, "practice", order="random")
    with pytest.raises(NotFound, match="state"):
        browse.counted(store, "practice", Filter(state="odd"))
    assert browse.page(store, "practice", first=5000) == []
