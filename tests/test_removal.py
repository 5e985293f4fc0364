"""Deletion for good: searched for in the bytes of every file."""

import pandas as pd
import pytest
import sqlalchemy as sa
from drawn_dataset import picture, row, write
from drawn_fer2013 import filled

from fer_core import workspace
from fer_core.dataset import arrays, changes, ledger, removal, schema, versions
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, NotFound
from fer_core.imaging.preprocess import InputSpec
from fer_core.training import runs
from fer_core.training.config import TrainingConfig

ANNA = [f"anna-lindqvist-{n}.png" for n in range(3)]


@pytest.fixture
def store():
    """Two datasets: 40 people, one of them Anna; one of her pictures is in both."""
    store = Store.open()
    others = [
        row(f"others/{n}.pgm", picture(n, 24), "sad", kind="pgm", subject=f"person {n % 39}")
        for n in range(400)
    ]
    anna = [
        row(name, picture(1000 + n, 24), "happy", "test", "pgm", subject="Anna Lindqvist", votes={"happy": 3})
        for n, name in enumerate(ANNA)
    ]
    write(store, others[:200] + anna + others[200:])
    write(
        store, [*others[:5], row("copy.pgm", picture(1000, 24), "happy", kind="pgm")], "second", why="second"
    )
    return store


def traces(*wanted: bytes) -> list[tuple[str, bytes]]:
    """Files of the workspace that hold one of these."""
    files = [path for path in workspace.root().rglob("*") if path.is_file()]
    return [(path.name, what) for path in files for what in wanted if what in path.read_bytes()]


def pixels(seed: int) -> bytes:
    """The middle of a picture: what would stay of it in a page that was only half overwritten."""
    return picture(seed, 24).tobytes()[100:140]


def test_nothing_of_a_subject_stays_anywhere(store):
    everything = versions.manifest(store, "faces")
    versions.freeze(store, "faces", "one", "Ada")
    ledger.relabel(store, [(201, "sad"), (202, "sad")], "Ada", "looks sad")
    arrays.build(store, everything, InputSpec(24, 24, 1))
    (workspace.folder("cache") / "prepared").mkdir()
    (workspace.folder("cache") / "prepared" / "faces.zip").write_bytes(pixels(1000))
    runs.create(TrainingConfig(spec="mini_xception", dataset="faces"), everything)
    wanted = (b"Anna", b"anna-lindqvist", pixels(1000), pixels(1001), pixels(1002))
    assert {what for _, what in traces(*wanted)} == set(wanted), "they are there to begin with"

    receipt = removal.remove_subject(store, "Anna Lindqvist", "Ada", why="she asked")

    assert traces(*wanted) == []
    assert (receipt.samples, receipt.pictures, receipt.kept, receipt.wiped) == (4, 3, 0, True)
    assert (receipt.who, "Anna" in str(receipt)) == ("Ada", False)
    assert len(versions.manifest(store, "faces")) == 400 and len(versions.manifest(store, "second")) == 5
    with store.read() as connection:
        for table in (schema.image, schema.image_data):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 400
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.votes)) == 0
    told = ledger.history(store, 201)
    assert [(e.kind, e.old, e.new, e.why) for e in told] == [
        ("import", None, "happy", "import of drawn"),
        ("label", "happy", "sad", "looks sad"),
        ("removed", "sad", None, "she asked"),
    ]
    (run,) = runs.runs()
    assert len(run.manifest) == 400 and "Anna Lindqvist" not in set(run.manifest["subject"])


def test_a_picture_that_another_sample_shows_stays_unless_everywhere(store):
    receipt = removal.remove_subject(store, "Anna Lindqvist", "Ada", dataset="faces")
    assert (receipt.samples, receipt.pictures, receipt.kept) == (3, 2, 1)
    assert len(versions.manifest(store, "second")) == 6
    assert traces(b"Anna", pixels(1001)) == [] and traces(pixels(1000)) == [("studio.db", pixels(1000))]
    (rest,) = (n for n in versions.manifest(store, "second")["sample"] if n == 409)
    receipt = removal.remove(store, [rest], "Ada", everywhere=True)
    assert (receipt.samples, receipt.pictures, receipt.kept) == (1, 1, 0)
    assert traces(pixels(1000)) == []


def test_everywhere_follows_the_picture_into_every_dataset(store):
    receipt = removal.remove(store, [1], "Ada", everywhere=True)
    assert (receipt.samples, receipt.pictures) == (2, 1)
    assert 404 not in set(versions.manifest(store, "second")["sample"])


def test_versions_say_how_many_were_removed_since(store):
    one = versions.freeze(store, "faces", "one", "Ada")
    write(store, [row("later.png", picture(5000))], why="more")
    removal.remove(store, [1, 2, 410], "Ada")
    two = versions.freeze(store, "faces", "two", "Ada")
    removal.remove(store, [3], "Ada")
    found = {v.name: v for v in versions.versions(store, "faces")}
    assert (found["one"].removed, found["two"].removed, one.rows, two.rows) == (3, 1, 403, 401)
    assert found["one"].id == one.id != versions.manifest_id(versions.manifest(store, "faces", "one"))
    told = changes.diff(store, "faces", "one", "two")
    assert told[["sample", "kind", "old", "new", "who"]].values.tolist() == [
        [2, "removed", "sad", None, "Ada"],
        [1, "removed", "sad", None, "Ada"],
    ]
    assert told["source"].isna().all() and told["image"].isna().all()
    assert changes.counts(store, "faces", "one").to_numpy().sum() == 400
    assert changes.restore(store, "faces", "one", "Ada").events == ()


def test_a_whole_dataset(store):
    versions.freeze(store, "faces", "one", "Ada")
    receipt = removal.remove_dataset(store, "faces", "Ada")
    assert (receipt.samples, receipt.pictures, receipt.kept) == (403, 397, 6)
    assert [d.name for d in store.datasets()] == ["second"]
    assert len(versions.manifest(store, "second")) == 6 and len(store.image_bytes(_images(store))) == 6
    assert traces(b"anna-lindqvist", b"others/77.pgm", pixels(77)) == []
    write(store, [row("a.png", picture(1))], "third", why="third")
    assert versions.freeze(store, "third", "one", "Ada").rows == 1
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.arrival)) == 2
        keys = connection.execute(sa.select(schema.event.c.dataset).distinct()).scalars().all()
        assert len(keys) == 3, "the number of a deleted dataset is not given again"
        assert not connection.execute(sa.text("PRAGMA foreign_key_check")).all()


def _images(store):
    return versions.manifest(store, "second")["image"].tolist()


def test_a_run_on_another_store_keeps_its_rows(store):
    frame = versions.manifest(store, "faces").assign(image=lambda f: "0" * 64)
    runs.create(TrainingConfig(spec="mini_xception", dataset="faces"), frame)
    removal.remove(store, [1], "Ada")
    assert len(runs.runs()[0].manifest) == 403


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda s: removal.remove(s, [1, 9999], "Ada"), NotFound, "sample=9999"),
        (lambda s: removal.remove(s, [1], " "), BadInput, "who made it"),
        (lambda s: removal.remove_subject(s, "Anna", "Ada"), NotFound, "exact name"),
        (lambda s: removal.remove_subject(s, "Anna Lindqvist", "Ada", dataset="no"), NotFound, "There are"),
        (lambda s: removal.remove_dataset(s, "no", "Ada"), NotFound, "There are: faces, second"),
    ],
)
def test_a_call_that_cannot_be_done_deletes_nothing(store, call, error, said):
    before = versions.manifest(store, "faces")
    with pytest.raises(error, match=said):
        call(store)
    pd.testing.assert_frame_equal(versions.manifest(store, "faces"), before)


def test_it_says_so_when_a_reader_keeps_old_pages_alive(store, monkeypatch):
    monkeypatch.setattr("fer_core.dataset.store.BUSY_SECONDS", 0.1)
    impatient = Store.open()
    with store.read() as connection:
        connection.execute(sa.select(schema.sample.c.id)).first()
        receipt = removal.remove(impatient, [1], "Ada")
    assert not receipt.wiped and receipt.samples == 1
    assert removal.wipe(impatient) and traces(pixels(0)) == [("studio.db", pixels(0))], "the second shows it"
    removal.remove(impatient, [404], "Ada")
    assert traces(pixels(0)) == []


def test_files_that_somebody_is_about_to_import_are_left_alone(tmp_path):
    waiting = workspace.folder("uploads") / "faces.zip"
    waiting.write_bytes(b"somebody else's")
    (workspace.folder("cache") / "prepared.u8").write_bytes(b"pictures")
    removal.remove(filled(tmp_path, 4), [1], "Ada")
    assert waiting.read_bytes() == b"somebody else's"
    assert list(workspace.folder("cache").iterdir()) == []
