"""FER2013's csv: every form of it, nothing half done, and what is wrong by row number."""

import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from drawn_fer2013 import filled, lines, pictures, usage_of, vote_lines, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_core.dataset import leaks, ledger, schema, versions
from fer_core.dataset.importers import archive, fer2013, import_any
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.imaging.decode import decode_image, pixel_id

TABLES = ("image", "image_data", "dataset", "sample", "votes", "event", "version")


def sizes(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {t: connection.exec_driver_sql(f"SELECT count(*) FROM {t}").scalar_one() for t in TABLES}


def assert_empty(store: Store) -> None:
    assert set(sizes(store).values()) == {0}


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "studio.db")


def test_what_is_stored_is_what_the_file_says(store, tmp_path):
    shown = pictures(8)
    report = import_fer2013(store, write(tmp_path / "fer2013.csv", lines(shown)))
    frame = versions.manifest(store, "fer2013")
    assert frame["label"].tolist() == "angry disgust fear happy sad surprise neutral angry".split()
    assert frame["split"].tolist() == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    data = store.image_bytes(frame["image"])
    for image, picture in zip(frame["image"], shown, strict=True):
        decoded = decode_image(data[image])
        np.testing.assert_array_equal(decoded, np.stack([picture] * 3, axis=2))
        assert image == pixel_id(decoded)
    assert (report.rows, report.added, report.already_there, report.votes) == (8, 8, 0, 0)
    assert report.counts["validation"] == {"sad": 1, "surprise": 1}
    with store.read() as connection:
        sources = connection.scalars(sa.select(schema.sample.c.source)).all()
    assert sources == [f"fer2013.csv:{row}" for row in range(1, 9)]


def test_duplicates_and_blanks_are_counted(store, tmp_path):
    shown = pictures(6)
    shown[4] = shown[1]
    shown[5] = 77
    report = import_fer2013(store, write(tmp_path / "a.csv", lines(shown)))
    assert (report.added, report.duplicates, report.blank) == (6, 1, 1)
    assert sizes(store)["image"] == 5 and sizes(store)["sample"] == 6


def as_zip(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("challenge/README.txt", "emotion,pixels,Usage")
        packed.writestr("challenge/other.csv", "id,emotion\n1,2\n")
        packed.writestr("challenge/train.csv", "emotion,pixels\n0,1\n")
        packed.writestr("challenge/fer2013.csv", text)
    return buffer.getvalue()


def as_tar(text: bytes, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as packed:
        for name, content in (("fer2013/README", b"hi"), ("fer2013/fer2013.csv", text)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


PACKED = {
    "fer2013.csv": bytes,
    "fer2013.zip": as_zip,
    "fer2013.tar.gz": as_tar,
    "fer2013.tgz": as_tar,
    "fer2013.tar": lambda text: as_tar(text, "w"),
    "fer2013.csv.gz": gzip.compress,
    "named.wrongly": as_zip,
}


@pytest.mark.parametrize("name", PACKED)
def test_every_packing_gives_the_same_version(store, tmp_path, name):
    text = "\n".join(lines(pictures(12))).encode()
    (tmp_path / name).write_bytes(PACKED[name](text))
    before = set(os.listdir(tmp_path))
    assert import_fer2013(store, tmp_path / name).added == 12
    plain = Store.open(tmp_path / "plain.db")
    import_fer2013(plain, write(tmp_path / "plain.csv", lines(pictures(12))))
    ids = {versions.manifest_id(versions.manifest(s, "fer2013")) for s in (store, plain)}
    assert len(ids) == 1
    new = set(os.listdir(tmp_path)) - before
    assert all(name.startswith(("plain", "studio.db", "workspace")) for name in new), (
        "nothing is unpacked to disk"
    )


def quoted(line: str) -> str:
    return ",".join(f'"{field}"' for field in line.split(","))


def reordered(line: str) -> str:
    emotion, shown, usage = line.split(",")
    return f"{emotion}, {usage}, {shown}"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\n".join(text) + "\n",
        lambda text: "\n".join(text),
        lambda text: "\r\n".join(text) + "\r\n",
        lambda text: "\ufeff" + "\n".join(text) + "\n\n\n",
        lambda text: "\n".join(map(quoted, text)),
        lambda text: "\r\n".join(map(reordered, text)),
        lambda text: "\n".join(text).replace(" ", "  ").replace("emotion", " Emotion "),
    ],
    ids=["usual", "no last line end", "windows", "bom and blank lines", "quoted", "reordered", "spaces"],
)
def test_other_spellings_of_the_same_file(store, tmp_path, change):
    (tmp_path / "a.csv").write_text(change(lines(pictures(8))), newline="")
    import_fer2013(store, tmp_path / "a.csv")
    np.testing.assert_array_equal(
        [
            decode_image(d)[..., 0]
            for d in store.image_bytes(versions.manifest(store, "fer2013")["image"]).values()
        ],
        pictures(8),
    )


def test_without_usage_all_is_train(store, tmp_path):
    text = [line.rpartition(",")[0] for line in lines(pictures(8))]
    assert import_fer2013(store, write(tmp_path / "train.csv", text)).counts.keys() == {"train"}


@pytest.mark.parametrize("side", [1, 5, 48, 100])
def test_any_square_size(store, tmp_path, side):
    import_fer2013(store, write(tmp_path / "a.csv", lines(pictures(4, side))))
    (data, *_) = store.image_bytes(versions.manifest(store, "fer2013")["image"]).values()
    assert decode_image(data).shape == (side, side, 3)


def test_blocks_of_a_larger_file_join_without_a_seam(store, tmp_path, monkeypatch):
    whole = archive.blocks
    monkeypatch.setattr(fer2013, "blocks", lambda member: whole(member, 997))
    import_fer2013(store, write(tmp_path / "a.csv", lines(pictures(60))))
    images = versions.manifest(store, "fer2013")["image"]
    assert images.tolist() == [pixel_id(picture) for picture in pictures(60)]


def with_row(number: int, change) -> list[str]:
    text = lines(pictures(12))
    text[number] = change(*text[number].split(","))
    return text


BAD_ROWS = {
    "short row": (with_row(5, lambda e, p, u: f"{e},{p}"), "row 5 .*has 2 fields instead of 3"),
    "long row": (with_row(5, lambda e, p, u: f"{e},{p},{u},x"), "row 5 .*has 4 fields instead of 3"),
    "one field": (with_row(12, lambda e, p, u: "3"), "row 12 .*has 1 fields instead of 3"),
    "wrong label": (with_row(3, lambda e, p, u: f"7,{p},{u}"), "row 3 .*has the emotion '7'"),
    "label by name": (with_row(3, lambda e, p, u: f"happy,{p},{u}"), "row 3 .*has the emotion 'happy'"),
    "no label": (with_row(3, lambda e, p, u: f",{p},{u}"), "row 3 .*has the emotion ''"),
    "wrong usage": (with_row(1, lambda e, p, u: f"{e},{p},Holdout"), "row 1 .*has the Usage 'Holdout'"),
    "not a number": (with_row(7, lambda e, p, u: f"{e},x{p[1:]},{u}"), "row 7 .*has the pixel 'x"),
    "negative": (with_row(7, lambda e, p, u: f"{e},-{p},{u}"), "row 7 .*has the pixel '-"),
    "fraction": (with_row(7, lambda e, p, u: f"{e},1.5{p[p.index(' ') :]},{u}"), "row 7 .*the pixel '1.5'"),
    "256": (with_row(7, lambda e, p, u: f"{e},256{p[p.index(' ') :]},{u}"), "row 7 .*the pixel '256'"),
    "wraps to 100": (with_row(7, lambda e, p, u: f"{e},65636{p[p.index(' ') :]},{u}"), "row 7 .*'65636'"),
    "huge number": (with_row(7, lambda e, p, u: f"{e},{'9' * 5000},{u}"), "row 7 .*has the pixel '9999"),
    "pixel missing": (
        with_row(9, lambda e, p, u: f"{e},{p[p.index(' ') + 1 :]},{u}"),
        "row 9 .*has 63 pixels",
    ),
    "pixel too many": (with_row(9, lambda e, p, u: f"{e},{p} 0,{u}"), "row 9 .*has 65 pixels"),
    "other size": (with_row(9, lambda e, p, u: f"{e},{'0 ' * 15}0,{u}"), "row 9 .*has 16 pixels"),
    "no pixels": (with_row(9, lambda e, p, u: f"{e},,{u}"), "row 9 .*has no pixels"),
    "binary": (with_row(9, lambda e, p, u: "\0\1\2\3"), "row 9 .*has 1 fields"),
    "a picture oblong": (["emotion,pixels,Usage", "0,1 2 3,Training"], "row 1 .*has 3 pixels.*square"),
    "no pixels column": (["emotion,Usage", "0,Training"], "emotion and pixels .*begins 'emotion,Usage'"),
    "no emotion column": (["pixels,Usage", "0,Training"], "emotion and pixels .*begins 'pixels,Usage'"),
    "no header": (lines(pictures(3))[1:], "emotion and pixels"),
    "no rows": (["emotion,pixels,Usage"], "without any"),
}


@pytest.mark.parametrize(("text", "said"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_and_nothing_is_stored(store, tmp_path, text, said):
    with pytest.raises(BadInput, match=said) as caught:
        import_fer2013(store, write(tmp_path / "a.csv", text))
    assert len(str(caught.value)) < 400
    assert_empty(store)


def test_shifted_pixels_do_not_pass_because_their_sum_is_right(store, tmp_path):
    """One row with a pixel more, the next with one less: together as many numbers as there should be."""
    text = with_row(4, lambda e, p, u: f"{e},{p} 0,{u}")
    text[5] = with_row(5, lambda e, p, u: f"{e},{p[p.index(' ') + 1 :]},{u}")[5]
    with pytest.raises(BadInput, match="row 4 .*has 65 pixels"):
        import_fer2013(store, write(tmp_path / "a.csv", text))


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def locked(_: bytes) -> bytes:
    data = bytearray(as_zip(b"emotion,pixels\n0,1\n"))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            data[place + flags] |= 1
    return bytes(data)


TEXT = "\n".join(lines(pictures(400))).encode()
BAD_FILES = {
    "empty": (b"", "which is empty"),
    "binary junk": (bytes(range(256)) * 50, "emotion and pixels"),
    "only line ends": (b"\n" * 5000, "emotion and pixels"),
    "zip cut off": (truncated(as_zip(TEXT)), "emotion and pixels|damaged"),
    "zip damaged": (as_zip(TEXT).replace(as_zip(TEXT)[2000:2100], b"x" * 100), "damaged"),
    "zip locked": (locked(b""), "password"),
    "zip without": (as_zip(b"").replace(b".csv", b".txt"), "emotion and pixels.*challenge/README.txt"),
    "tar.gz cut off": (truncated(as_tar(TEXT)), "damaged"),
    "gz cut off": (truncated(gzip.compress(TEXT)), "damaged"),
    "gz in gz": (gzip.compress(gzip.compress(TEXT)), "emotion and pixels"),
    "endless line": (b"emotion,pixels\n0," + b"0 " * (3 << 20), "at most 4,194,304 bytes"),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_told_and_nothing_is_stored(store, tmp_path, content, said):
    (tmp_path / "fer2013.csv").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        import_fer2013(store, tmp_path / "fer2013.csv")
    assert_empty(store)


def test_paths_that_are_no_file(store, tmp_path):
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(BadInput, match="which is not one"):
            import_fer2013(store, path)


def test_a_bomb_is_stopped(store, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "UNPACKED_LIMIT", 6 << 20)
    shown = np.zeros((2000, 48, 48), np.uint8)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress("\n".join(lines(shown)).encode()))
    assert (tmp_path / "bomb.gz").stat().st_size < 200_000
    with pytest.raises(BadInput, match="may unpack to"):
        import_fer2013(store, tmp_path / "bomb.gz")
    assert_empty(store)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 1500))
def test_any_damage_is_imported_right_or_refused(store, tmp_path, junk, place):
    good = "\n".join(lines(pictures(6))).encode()
    (tmp_path / "a.csv").write_bytes(good[:place] + junk + good[place + len(junk) :])
    try:
        import_fer2013(store, tmp_path / "a.csv", name=f"try {sizes(store)['dataset']}")
    except BadInput as error:
        assert "Received" in str(error)


def test_importing_twice_doubles_nothing_and_keeps_the_labels(store, tmp_path):
    path = write(tmp_path / "fer2013.csv", lines(pictures(8)))
    import_fer2013(store, path)
    ledger.relabel(store, [(1, "happy")], "Ada")
    before = sizes(store)
    report = import_fer2013(store, path)
    assert (report.rows, report.added, report.already_there) == (8, 0, 8)
    assert import_fer2013(store, path.rename(tmp_path / "copy (1).csv")).added == 0
    assert sizes(store) == before
    assert versions.manifest(store, "fer2013")["label"][0] == "happy"


def test_missing_rows_and_votes_can_follow(store, tmp_path):
    usages = usage_of(8)
    short = write(tmp_path / "short.csv", lines(pictures(6), usages=usages[:6]))
    whole = write(tmp_path / "whole.csv", lines(pictures(8)))
    import_fer2013(store, short)
    report = import_fer2013(store, whole, votes=write(tmp_path / "votes.csv", vote_lines(8)))
    assert (report.added, report.already_there, report.votes) == (2, 6, 8)
    frame = versions.manifest(store, "fer2013")
    assert (frame.filter(like="votes:").sum(axis=1) == 10).all()
    assert import_fer2013(store, whole, votes=tmp_path / "votes.csv").added == 0
    assert sizes(store)["event"] == 8


@pytest.mark.parametrize("kind", ["picture", "label", "split"])
def test_another_file_does_not_mix_into_a_dataset(store, tmp_path, kind):
    import_fer2013(store, write(tmp_path / "a.csv", lines(pictures(8))))
    other = {
        "picture": lines(pictures(8, seed=1)),
        "label": lines(pictures(8), emotions=[1, 2, 3, 4, 5, 6, 0, 1]),
        "split": lines(pictures(8), usages=["PrivateTest"] * 8),
    }[kind]
    before = sizes(store)
    with pytest.raises(Conflict, match=f"another {kind} for 'fer2013.csv:1'"):
        import_fer2013(store, write(tmp_path / "b.csv", other))
    assert sizes(store) == before
    import_fer2013(store, tmp_path / "b.csv", name="second")
    assert sizes(store)["dataset"] == 2


def test_other_votes_are_a_conflict(store, tmp_path):
    path = write(tmp_path / "a.csv", lines(pictures(8)))
    import_fer2013(store, path, votes=write(tmp_path / "votes.csv", vote_lines(8)))
    changed = vote_lines(8)
    changed[3] = changed[3].replace(",9,", ",8,")
    with pytest.raises(Conflict, match="another votes for 'fer2013.csv:3'"):
        import_fer2013(store, path, votes=write(tmp_path / "changed.csv", changed))


def votes_with(row: int, old: str, new: str) -> list[str]:
    text = vote_lines(8)
    text[row] = text[row].replace(old, new)
    return text


BAD_VOTES = {
    "fewer rows": (vote_lines(8)[:-1], "row 8 is test in the pictures and missing in the votes"),
    "more rows": ([*vote_lines(8), vote_lines(8)[-1]], "9 rows of votes for 8 pictures"),
    "other usage": (votes_with(2, "Training", "PublicTest"), "row 2 is train in the pictures and validation"),
    "unknown usage": (votes_with(2, "Training", "Trial"), "row 2, Usage='Trial'"),
    "no number": (votes_with(4, ",9,", ",nine,"), "row 4,.*'nine'"),
    "negative": (votes_with(4, ",9,", ",-9,"), "row 4,"),
    "short row": ([*vote_lines(8)[:8], "PrivateTest,x.png,1"], "row 8,"),
    "column missing": (votes_with(0, "contempt", "scorn"), "without contempt"),
    "empty": ([""], "without Usage, neutral"),
}


@pytest.mark.parametrize(("text", "said"), BAD_VOTES.values(), ids=BAD_VOTES)
def test_votes_that_do_not_belong(store, tmp_path, text, said):
    votes = write(tmp_path / "votes.csv", text)
    with pytest.raises(BadInput, match=said):
        import_fer2013(store, write(tmp_path / "a.csv", lines(pictures(8))), votes=votes)
    assert_empty(store)


def test_votes_that_cannot_be_read(store, tmp_path):
    path = write(tmp_path / "a.csv", lines(pictures(8)))
    (tmp_path / "junk.csv").write_bytes(bytes(range(128, 256)))
    for votes in (tmp_path / "missing.csv", tmp_path / "junk.csv", tmp_path):
        with pytest.raises(BadInput, match="cannot be read|FER\\+"):
            import_fer2013(store, path, votes=votes)


def test_progress_runs_to_the_end(store, tmp_path):
    seen = []
    path = write(tmp_path / "a.csv", lines(pictures(3000, 20)))
    import_fer2013(store, path, progress=lambda *step: seen.append(step))
    size = path.stat().st_size
    assert len(seen) > 1 and seen[-1] == (size, size, "3,000 rows")
    assert seen == sorted(seen) and {total for _, total, _ in seen} == {size}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, EOFError, OSError])
def test_stopped_from_outside_nothing_is_stored(store, tmp_path, error):
    def stop(done, total, text):
        raise error("stop")

    path = write(tmp_path / "a.csv", lines(pictures(3000, 20)))
    with pytest.raises(error, match="stop"):
        import_fer2013(store, path, progress=stop)
    assert_empty(store)
    assert import_fer2013(store, path).added == 3000


KILLED = """
import sys
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store
def told(*step): print(step, flush=True)
print("open", flush=True)
import_fer2013(Store.open(sys.argv[1]), sys.argv[2], votes=sys.argv[3], progress=told)
"""


def test_killed_at_any_moment_nothing_is_half_done(tmp_path):
    """kill -9 after the first, a middle and the last block, and while it commits."""
    path = write(tmp_path / "a.csv", lines(pictures(3500, 48)))
    votes = write(tmp_path / "votes.csv", vote_lines(3500))
    place = tmp_path / "studio.db"
    outcomes = set()
    for steps in (1, 2, 4, 6, 8, 8, 9):
        command = [sys.executable, "-c", KILLED, str(place), str(path), str(votes)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            for _ in range(steps):
                worker.stdout.readline()
            worker.send_signal(signal.SIGKILL)
        store = Store.open(place)
        found = sizes(store)
        outcomes.add(found["sample"])
        with store.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        if found["sample"]:
            expected = {"sample": 3500, "image": 3500, "image_data": 3500, "event": 3500, "votes": 3500}
            assert {table: found[table] for table in expected} == expected
            break
        assert set(found.values()) == {0}
        store.close()
    assert 0 in outcomes, "at least one kill came before the end"
    report = import_fer2013(Store.open(place), path, votes=votes)
    assert report.rows == 3500 and sizes(Store.open(place))["sample"] == 3500


def test_two_imports_at_once_make_one_dataset(tmp_path):
    path = write(tmp_path / "a.csv", lines(pictures(1500, 24)))
    votes = write(tmp_path / "votes.csv", vote_lines(1500))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "studio.db"), str(path), str(votes)]
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    found = sizes(Store.open(tmp_path / "studio.db"))
    assert (found["sample"], found["event"], found["votes"], found["dataset"]) == (1500, 1500, 1500, 1)


def test_a_full_disk_is_told_and_nothing_is_stored(tmp_path):
    store = filled(tmp_path, 8)
    before, frame = sizes(store), versions.manifest(store, "faces")

    @sa.event.listens_for(store.engine, "begin")
    def limit(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + room}")

    path = write(tmp_path / "b.csv", lines(pictures(500, 24)))
    for room in (0, 1, 10, 40):  # noqa: B007 (`limit` reads it)
        with pytest.raises(StorageError, match="full.*Nothing was stored"):
            import_fer2013(store, path, name="second")
        assert sizes(store) == before
    room = 100_000
    assert import_fer2013(store, path, name="second").added == 500
    assert versions.manifest(store, "faces").equals(frame)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Blocks are forgotten once they are stored."""
    code = KILLED.replace(", votes=sys.argv[3]", "") + "print(open('/proc/self/status').read())"
    body = "\n".join(line.rpartition(",")[0] for line in lines(pictures(500, 48))[1:])
    peaks = []
    for times in (4, 24):
        path = write(tmp_path / f"{times}.csv", ["emotion,pixels"] + [body] * times)
        command = [sys.executable, "-c", code, str(tmp_path / f"{times}.db"), str(path)]
        said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        peaks.append(int(said.partition("VmHWM:")[2].split()[0]))
    assert peaks[1] - peaks[0] < 40_000, f"peaks in kB: {peaks}; the larger file has 84 MB more"


def test_import_any(store, tmp_path):
    path = write(tmp_path / "a.csv", lines(pictures(4)))
    assert import_any(store, path).dataset == "fer2013"
    assert import_any(store, path, name="mine", who="Ada").dataset == "mine"
    assert ledger.history(store, 5)[0].who == "Ada"
    with pytest.raises(NotFound, match="There are: .*fer2013"):
        import_any(store, path, form="tea leaves")


@pytest.mark.skipif(not os.environ.get("FER_DATA"), reason="FER_DATA names no folder with fer2013.zip")
def test_the_real_fer2013(store):
    folder = Path(os.environ["FER_DATA"])
    report = import_fer2013(store, folder / "fer2013.zip", votes=folder / "fer2013new.csv")
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    counts = {split: tuple(found[name] for name in order) for split, found in report.counts.items()}
    assert counts["train"] == (3995, 436, 4097, 7215, 4830, 3171, 4965)
    assert counts["validation"] == (467, 56, 496, 895, 653, 415, 607)
    assert (sum(counts["train"]), sum(counts["validation"]), report.blank) == (28709, 3589, 12)
    assert report.votes == report.rows
    frame = versions.manifest(store, "fer2013")
    (leak,) = (found for found in leaks.leaks(frame).leaks if found.splits == ("train", "validation"))
    assert leak.rows[1] == 280
    first = frame.iloc[0]
    assert first["label"] == "angry" and first["votes:neutral"] == 4 and first["votes:angry"] == 3
    picture = decode_image(store.image_bytes([first["image"]])[first["image"]])
    assert picture.shape == (48, 48, 3) and picture[0, :5, 0].tolist() == [70, 80, 82, 72, 58]
