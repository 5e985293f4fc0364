"""An import that dies, meets another one or a full disk: the store opens and holds all of it or nothing."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from packed import as_folder, as_zip, pictures

from fer_core import workspace
from fer_core.dataset.importers import import_any, staging
from fer_core.dataset.store import Store
from fer_core.errors import StorageError

TABLES = ("image", "image_data", "sample", "event")

IMPORT = """
import sys
from fer_core.dataset.importers import import_any
from fer_core.dataset.store import Store
store = Store.open(sys.argv[1])
print("begin", flush=True)
report = import_any(store, sys.argv[2], name="faces")
print(report.added, report.already_there)
"""


def sizes(store: Store) -> dict[str, int]:
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA quick_check").scalar_one() == "ok"
        return {t: connection.exec_driver_sql(f"SELECT count(*) FROM {t}").scalar_one() for t in TABLES}


def started(place: Path, source: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", IMPORT, str(place), str(source)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def files(count: int) -> dict[str, bytes]:
    return pictures(*(f"{('happy', 'sad', 'fear')[k % 3]}/{k}.pgm" for k in range(count)))


def test_killed_at_any_moment_all_is_there_or_nothing(tmp_path):
    """kill -9 while it reads, decodes and writes; what it had set aside goes with it."""
    source = as_zip(tmp_path / "faces.zip", files(2000))
    place = tmp_path / "studio.db"
    whole = dict.fromkeys(TABLES, 2000)
    begun = time.perf_counter()
    with started(tmp_path / "whole.db", source) as worker:
        worker.stdout.readline()
        begun = time.perf_counter()
        assert worker.wait() == 0
    seconds, chance, outcomes = time.perf_counter() - begun, random.Random(1), []
    for number in range(5):
        with started(place, source) as worker:
            worker.stdout.readline()
            time.sleep(seconds * (number + chance.random()) / 5)
            worker.send_signal(signal.SIGKILL)
        store = Store.open(place)
        outcomes.append(sizes(store))
        with store.read() as connection:
            datasets = connection.exec_driver_sql("SELECT count(*) FROM dataset").scalar_one()
        assert (outcomes[-1], datasets) in ((dict.fromkeys(TABLES, 0), 0), (whole, 1))
        store.close()
        assert os.listdir(workspace.folder("cache")) == []
        if outcomes[-1] == whole:
            break
    assert dict.fromkeys(TABLES, 0) in outcomes, "at least one kill came before the end"
    store = Store.open(place)
    assert import_any(store, source, name="faces").rows == 2000 and sizes(store) == whole


def test_two_imports_at_once_both_succeed(tmp_path):
    source = as_folder(tmp_path / "faces", files(600))
    more = as_zip(tmp_path / "more.zip", {f"more/{path}": data for path, data in files(300).items()})
    workers = [started(tmp_path / "studio.db", place) for place in (source, source, more)]
    said = [worker.communicate()[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sorted(map(tuple, said))[0][1] == "0", "of two imports of the same one added nothing"
    assert sizes(Store.open(tmp_path / "studio.db")) == {
        "image": 600, "image_data": 600, "sample": 900, "event": 900,
    }  # fmt: skip


def test_a_full_disk_while_pictures_are_set_aside(tmp_path):
    """No file may grow past a few kB, as on a full disk."""
    source = as_zip(tmp_path / "faces.zip", files(900))
    store = Store.open(tmp_path / "studio.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 10, hard))
    try:
        with pytest.raises(StorageError, match="room in the workspace.*Nothing was stored"):
            import_any(store, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert sizes(store) == dict.fromkeys(TABLES, 0)
    assert import_any(store, source).added == 900


@pytest.mark.parametrize("room", [0, 5, 30])
def test_a_full_disk_while_the_database_is_written(tmp_path, room):
    source = as_zip(tmp_path / "faces.zip", files(900))
    store = Store.open(tmp_path / "studio.db")

    @sa.event.listens_for(store.engine, "begin")
    def limit(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + room}")

    with pytest.raises(StorageError, match="full.*Nothing was stored"):
        import_any(store, source)
    assert sizes(store) == dict.fromkeys(TABLES, 0)


def test_a_disk_that_fails_while_it_reads_back(tmp_path, monkeypatch):
    source = as_zip(tmp_path / "faces.zip", files(30))
    store = Store.open(tmp_path / "studio.db")

    def broken(self, start):
        raise OSError(5, "Input/output error")

    class Broken:
        def __init__(self, file):
            self.write, self.flush, self.close = file.write, file.flush, file.close

        seek = broken

    real = staging.tempfile.TemporaryFile
    monkeypatch.setattr(staging.tempfile, "TemporaryFile", lambda **options: Broken(real(**options)))
    with pytest.raises(StorageError, match="Input/output error"):
        import_any(store, source)
    assert sizes(store) == dict.fromkeys(TABLES, 0)


def test_a_source_that_is_read_only(tmp_path):
    source = as_folder(tmp_path / "faces", files(30))
    for folder, _, names in os.walk(source):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o444)
        os.chmod(folder, 0o555)
    before = sorted(source.rglob("*"))
    try:
        assert import_any(Store.open(tmp_path / "studio.db"), source).added == 30
        assert sorted(source.rglob("*")) == before
    finally:
        for folder, _, _ in os.walk(source):
            os.chmod(folder, 0o755)
