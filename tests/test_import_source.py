"""Sources: every packing is alike, and nothing hostile in one is read, followed, unpacked or believed."""

import gzip
import io
import os
import resource
import stat
import struct
import tarfile
import threading
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packed import as_folder, as_tar, as_zip, packed, picture

from fer_core.dataset.importers import containers
from fer_core.dataset.importers.source import open_source
from fer_core.errors import BadInput, Conflict, NotFound

FILES = {
    "top/happy/1.png": picture(1),
    "top/happy/2.jpg": picture(2, "jpg"),
    "top/sad/ü ж 表情/x.pgm": picture(3, "pgm"),
    "top/list.csv": "path,label\nüber.png,happy\n".encode(),
    "top/empty.txt": b"",
}
LEFT_BEHIND = {
    "__MACOSX/top/._1.png": b"x",
    "top/.DS_Store": b"x",
    "top/happy/Thumbs.db": b"x",
    "top/.git/config": b"x",
}


def paths(source) -> list[str]:
    return [entry.path for entry in source.entries]


@pytest.mark.parametrize("number", range(8))
def test_every_packing_holds_the_same(tmp_path, number):
    place = packed(tmp_path / "packed", FILES | LEFT_BEHIND)[number]
    before = sorted(tmp_path.rglob("*"))
    with open_source(place) as source:
        assert source.name in ("faces", "stored")
        assert paths(source) == sorted(FILES)
        assert {entry.path: entry.size for entry in source.entries} == {p: len(d) for p, d in FILES.items()}
        assert source.problems == {}
        for path in [*FILES, *reversed(FILES)]:
            assert source.read(path) == FILES[path]
        given = dict(source.pending(FILES, 1 << 20))
        assert {path: give() for path, give in given.items()} == FILES
        assert source.text("top/list.csv").endswith("über.png,happy\n")
        assert source.head("top/list.csv", 4) == "path" and source.head("top/empty.txt") == ""
        with pytest.raises(NotFound, match="top/happy/3.png"):
            source.read("top/happy/3.png")
    assert sorted(tmp_path.rglob("*")) == before, "nothing is unpacked to disk"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("ä,b".encode(), "ä,b"),
        ("ä,b".encode("utf-8-sig"), "ä,b"),
        ("ä,b".encode("utf-16"), "ä,b"),
        ("ä,b".encode("latin-1"), "ä,b"),
        (b"", ""),
    ],
)
def test_texts_in_every_coding(tmp_path, data, text):
    with open_source(as_folder(tmp_path, {"a.csv": data})) as source:
        assert source.text("a.csv") == text and source.head("a.csv") == text


def test_a_letter_that_the_head_cuts_in_two_does_not_change_its_coding(tmp_path):
    with open_source(as_folder(tmp_path, {"a.csv": b"a\xc3\xa4b"})) as source:
        assert source.head("a.csv", 2) == "a" and source.head("a.csv", 3) == "aä"


def test_several_files_are_one_source(tmp_path):
    archive = as_zip(tmp_path / "faces.zip", {"happy/1.png": b"1"})
    (tmp_path / "votes.csv").write_text("votes")
    folder = as_folder(tmp_path / "more", {"sad/1.png": b"2"})
    packed_alone = tmp_path / "list.csv.gz"
    packed_alone.write_bytes(gzip.compress(b"list"))
    with open_source([archive, tmp_path / "votes.csv", folder, packed_alone]) as source:
        assert source.name == "faces"
        assert paths(source) == ["happy/1.png", "list.csv", "sad/1.png", "votes.csv"]
        assert [source.read(path) for path in paths(source)] == [b"1", b"list", b"2", b"votes"]
        assert {path: give() for path, give in source.pending(paths(source), 99)}["sad/1.png"] == b"2"
    again = as_zip(tmp_path / "again.zip", {"happy/1.png": b"3"})
    with open_source([archive, again]) as source:
        assert source.read("happy/1.png") == b"3"
        assert source.problems == {containers.TWICE: ["happy/1.png"]}


def test_more_files_than_may_be_open_at_once(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    given = [as_folder(tmp_path, {f"{k}.png": bytes([k])}) / f"{k}.png" for k in range(200)]
    open_now = max(int(number) for number in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 100, hard))
    try:
        with open_source(given) as source:
            assert all(source.read(f"{k}.png") == bytes([k]) for k in range(200))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", ["a\nb", " ", "x" * 150])
def test_the_name_of_a_source_names_a_dataset(tmp_path, name):
    with open_source(as_folder(tmp_path / name, {"1.png": b""})) as source:
        assert source.name in ("ab", "dataset", "x" * 100)


@pytest.mark.parametrize(
    "name",
    ["../x.png", "a/../../x.png", "/etc/x.png", "//x.png", "C:/x.png", "c:x.png", "..\\x.png", "C:\\x.png"],
)
def test_names_that_lead_outside_are_not_read(tmp_path, name):
    files = {name: b"evil", "in/a.png": b"good"}
    as_archives = [as_zip(tmp_path / "a.zip", files)]
    if "\\" not in name:
        as_archives += [as_tar(tmp_path / "a.tar", files, "w"), as_tar(tmp_path / "a.tar.gz", files)]
    for archive in as_archives:
        with open_source(archive) as source:
            assert paths(source) == ["in/a.png"], archive
            assert list(source.problems) == [containers.OUTSIDE]


def test_links_and_devices_in_archives_are_not_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
            ("disk.png", tarfile.BLKTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    with open_source(tmp_path / "a.tar") as source:
        assert paths(source) == []
        assert source.problems == {
            containers.LINKS: ["soft.png", "hard.png"],
            containers.SPECIAL: ["pipe.png", "disk.png"],
        }
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, mode in (
            ("soft.png", stat.S_IFLNK),
            ("pipe.png", stat.S_IFIFO),
            ("plain.png", stat.S_IFREG),
        ):
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, (mode | 0o644) << 16
            archive.writestr(member, "/etc/passwd")
    with open_source(tmp_path / "a.zip") as source:
        assert paths(source) == ["plain.png"]
        assert source.problems == {containers.LINKS: ["soft.png"], containers.SPECIAL: ["pipe.png"]}


def test_links_in_folders_are_followed_only_within(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = as_folder(tmp_path / "faces", {"happy/1.png": b"1"})
    (folder / "happy/inside.png").symlink_to("1.png")
    (folder / "happy/outside.png").symlink_to(secret)
    (folder / "happy/away").symlink_to(tmp_path)
    (folder / "happy/circle").symlink_to(folder)
    (folder / "happy/nowhere.png").symlink_to("none.png")
    (folder.parent / "faces two").mkdir()
    (folder.parent / "faces two/1.png").write_bytes(b"a neighbour whose name begins alike")
    (folder / "happy/neighbour.png").symlink_to(folder.parent / "faces two/1.png")
    os.mkfifo(folder / "happy/pipe.png")
    with open_source(folder) as source:
        assert paths(source) == ["happy/1.png", "happy/inside.png"]
        assert source.read("happy/inside.png") == b"1"
        assert sorted(source.problems[containers.LINKS]) == [
            f"happy/{name}" for name in ("away", "circle", "neighbour.png", "nowhere.png", "outside.png")
        ]
        assert source.problems[containers.SPECIAL] == ["happy/pipe.png"]
        # Replaced by a link after it was looked at.
        (folder / "happy/1.png").unlink()
        (folder / "happy/1.png").symlink_to(secret)
        with pytest.raises(Conflict, match="must stay as it is"):
            source.read("happy/1.png")


def test_a_folder_that_is_itself_a_link_is_read(tmp_path):
    as_folder(tmp_path / "faces", {"happy/1.png": b"1"})
    (tmp_path / "link").symlink_to(tmp_path / "faces")
    with open_source(tmp_path / "link") as source:
        assert source.name == "faces" and source.read("happy/1.png") == b"1"


def test_archives_inside_are_named_not_opened(tmp_path):
    inner = as_zip(tmp_path / "inner.zip", {"happy/1.png": b"1"}).read_bytes()
    files = {"a/inner.zip": inner, "a/more.tar.gz": b"x", "a/b.RAR": b"x", "a/1.png": b"1"}
    for place in packed(tmp_path / "packed", files):
        with open_source(place) as source:
            assert paths(source) == ["a/1.png"]
            assert sorted(source.problems[containers.NESTED]) == ["a/b.RAR", "a/inner.zip", "a/more.tar.gz"]


def test_two_files_of_one_name_the_last_one_counts(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "a.zip", "w") as archive,
    ):
        for data in (b"first", b"last"):
            archive.writestr("happy/1.png", data)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for data in (b"first", b"last"):
            member = tarfile.TarInfo("happy/1.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    for name in ("a.zip", "a.tar"):
        with open_source(tmp_path / name) as source:
            assert source.read("happy/1.png") == b"last"
            assert source.problems == {containers.TWICE: ["happy/1.png"]}


def test_case_and_odd_bytes_tell_files_apart(tmp_path):
    folder = as_folder(tmp_path / "faces", {"Happy/A.png": b"1", "happy/a.png": b"2", "happy/A.png": b"3"})
    odd = os.fsencode(folder) + b"/happy/\xff\xfe\n.png"
    with open(odd, "wb") as file:
        file.write(b"4")
    with open_source(folder) as source:
        assert paths(source) == ["Happy/A.png", "happy/A.png", "happy/\\xff\\xfe\n.png", "happy/a.png"]
        assert [source.read(path) for path in paths(source)] == [b"1", b"3", b"4", b"2"]
        assert all(path.encode() for path in paths(source)), "any database takes the names"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(folder, "faces")
    with open_source(tmp_path / "a.tar.gz") as source:
        assert source.read("faces/happy/\\xff\\xfe\n.png") == b"4"


def test_zips_of_other_systems(tmp_path):
    """UTF-8 that does not say so, as macOS writes it, decomposed letters, and backslashes."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train\\happy\\1.png", b"1")
        archive.writestr("AAAAAA/1.png", b"2")
    data = (tmp_path / "a.zip").read_bytes()
    decomposed = "fu\u0308rx".encode()
    assert len(decomposed) == 6
    (tmp_path / "a.zip").write_bytes(data.replace(b"AAAAAA", decomposed))
    with open_source(tmp_path / "a.zip") as source:
        assert paths(source) == ["fürx/1.png", "train/happy/1.png"]
        assert [source.read(path) for path in paths(source)] == [b"2", b"1"]


@pytest.mark.parametrize("packing", ["zip", "tar.gz", "tar.xz", "gz"])
def test_a_bomb_is_stopped_while_it_is_read(tmp_path, monkeypatch, packing):
    monkeypatch.setattr(containers, "BUDGET", 1 << 20)
    zeros, place = bytes(9 << 20), tmp_path / f"bomb.csv.{packing}"
    if packing == "zip":
        as_zip(place, {"a.png": zeros, "b.png": zeros})
        # The headers promise less; what counts is what comes out.
        data = place.read_bytes().replace(struct.pack("<L", len(zeros)), struct.pack("<L", 100))
        lying = tmp_path / "lying.zip"
        lying.write_bytes(data)
        with open_source(lying) as source, pytest.raises(BadInput, match="damaged|more"):
            source.read("a.png")
    elif packing == "gz":
        place.write_bytes(gzip.compress(zeros))
    else:
        with pytest.raises(BadInput, match="may unpack to.*unpacks to more"):
            open_source(as_tar(place, {"a.png": zeros}, f"w:{packing[4:]}")).__enter__()
        return
    with open_source(place) as source:
        with pytest.raises(BadInput, match="may unpack to.*unpacks to more"):
            for path in paths(source):
                source.read(path)
    with open_source(place) as source, pytest.raises(BadInput, match="at most 1,000 bytes"):
        source.read(paths(source)[0], limit=1000)


def test_a_tar_header_that_announces_gigabytes_is_refused(tmp_path):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 40
    (tmp_path / "a.tar").write_bytes(member.tobuf() + bytes(1024))
    with pytest.raises(BadInput, match="damaged"), open_source(tmp_path / "a.tar"):
        pass


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "ENTRY_LIMIT", 10)
    place = as_zip(tmp_path / "a.zip", {f"{k}.png": b"" for k in range(11)})
    with pytest.raises(BadInput, match="at most 10 files"), open_source(place):
        pass


def test_ten_thousand_empty_folders(tmp_path):
    for number in range(10_000):
        os.mkdir(tmp_path / str(number))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}/", b"")
    with open_source(tmp_path / "a.zip") as source:
        assert source.entries == () and source.problems == {}
    (tmp_path / "a.zip").unlink()
    with open_source(tmp_path) as source:
        assert source.entries == () and source.problems == {}


def encrypted(place):
    data = bytearray(as_zip(place, {"1.png": b"x" * 99}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    place.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("locked.zip", encrypted, "password"),
        ("cut.zip", lambda p: p.write_bytes(as_zip(p, FILES).read_bytes()[:300]), "damaged"),
        ("cut.tar", lambda p: p.write_bytes(as_tar(p, FILES, "w").read_bytes()[:700]), "damaged"),
        ("cut.tar.gz", lambda p: p.write_bytes(as_tar(p, FILES).read_bytes()[:-200]), "damaged"),
        ("cut.tar.xz", lambda p: p.write_bytes(as_tar(p, FILES, "w:xz").read_bytes()[:-200]), "damaged"),
        ("faces.7z", lambda p: p.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(99)), "is a 7z"),
        ("faces.rar", lambda p: p.write_bytes(b"Rar!\x1a\x07" + bytes(99)), "is a rar"),
        ("nothing", lambda p: None, "neither"),
        ("pipe", os.mkfifo, "neither"),
    ],
)
def test_what_cannot_be_opened_says_so(tmp_path, name, spoil, said):
    spoil(tmp_path / name)
    with pytest.raises(BadInput, match=said), open_source(tmp_path / name):
        pass
    with pytest.raises(BadInput, match="Received: none"), open_source([]):
        pass


def test_a_damaged_header_in_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path):
    place = as_tar(tmp_path / "a.tar", {"1.png": b"x", "2.png": b"y", "3.png": b"z"}, "w")
    data = bytearray(place.read_bytes())
    data[1024 + 148] ^= 1
    place.write_bytes(data)
    with pytest.raises(BadInput, match="damaged"), open_source(place):
        pass


def test_one_damaged_member_leaves_the_others(tmp_path):
    place = as_zip(tmp_path / "a.zip", {"1.png": b"first" * 9, "2.png": b"other" * 9}, zipfile.ZIP_STORED)
    place.write_bytes(place.read_bytes().replace(b"firstfirst", b"burstburst"))
    with open_source(place) as source:
        given = dict(source.pending(["1.png", "2.png"], 1 << 20))
        with pytest.raises(BadInput, match="1.png.*damaged"):
            given["1.png"]()
        assert given["2.png"]() == b"other" * 9


def test_what_goes_while_it_is_read_is_a_conflict(tmp_path):
    folder = as_folder(tmp_path / "faces", {"happy/1.png": b"1", "happy/2.png": b"2"})
    with open_source(folder) as source:
        (folder / "happy/1.png").unlink()
        with pytest.raises(Conflict, match="happy/1.png.*Nothing was stored"):
            source.read("happy/1.png")
        assert source.read("happy/2.png") == b"2"


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    folder = as_folder(tmp_path / "faces", {"happy/1.png": b"1", "closed/1.png": b"2"})
    real = os.scandir

    def refusing(path):
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root, who may run the tests, is refused nothing
    with open_source(folder) as source:
        assert paths(source) == ["happy/1.png"] and source.problems == {containers.CLOSED: ["closed/"]}


@pytest.mark.parametrize("number", range(8))
def test_threads_read_at_once(tmp_path, number):
    files = {f"happy/{k}.bin": bytes([k]) * (5000 + k) for k in range(60)}
    place = packed(tmp_path / "packed", files)[number]
    wrong: list[str] = []
    with open_source(place) as source:

        def work(step: int) -> None:
            for k in range(0, 60 * 7, step):
                path = f"happy/{k % 60}.bin"
                if source.read(path) != files[path]:
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(step,)) for step in (1, 7, 11, 13)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("packing", ["a.zip", "a.tar", "a.tar.gz"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(min_size=1, max_size=8), place=st.floats(0, 1), cut=st.booleans())
def test_any_damage_reads_right_or_is_refused(tmp_path, packing, junk, place, cut):
    make = as_zip if packing == "a.zip" else lambda p, f: as_tar(p, f, "w" if p.suffix == ".tar" else "w:gz")
    whole = make(tmp_path / packing, FILES).read_bytes()
    at = int(place * (len(whole) - 1))
    (tmp_path / packing).write_bytes(whole[:at] if cut else whole[:at] + junk + whole[at + len(junk) :])
    try:
        with open_source(tmp_path / packing) as source:
            for path in paths(source):
                source.read(path)
    except BadInput:
        pass
