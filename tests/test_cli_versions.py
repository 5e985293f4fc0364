"""Versions, exports and deletion on the command line, in this process."""

import pytest
from drawn_dataset import picture, row, write

from fer_core import cli
from fer_core.dataset import ledger, versions
from fer_core.dataset.store import Store


@pytest.fixture
def store():
    store = Store.open()
    write(store, [row(f"{n}.png", picture(n), "happy", subject=f"person {n % 2}") for n in range(4)])
    write(store, [row("copy.png", picture(0), "happy")], "second", why="second")
    return store


@pytest.fixture
def run(capsys):
    def call(*words, ends=0):
        assert cli.main([str(word) for word in words]) == ends
        said = capsys.readouterr()
        return said.err if ends else said.out

    return call


def test_freeze_list_diff_restore(store, run):
    assert run("freeze", "faces", "one", "--who", "Ada", "--note", "as published").startswith("one  ")
    ledger.relabel(store, [(1, "sad"), (2, None)], "Bob", "typo")
    (line,) = run("versions", "faces").splitlines()
    assert "4 samples" in line and "Ada" in line and line.endswith("as published")
    told = run("diff", "faces", "one").splitlines()
    assert told[0] == "2 relabelled, 0 added, 0 removed"
    assert "1.png  happy -> no label  Bob" in told[1] and "0.png  happy -> sad  Bob" in told[2]
    run("freeze", "faces", "two")
    assert run("diff", "faces", "two", "two").splitlines() == ["0 relabelled, 0 added, 0 removed"]
    assert run("restore", "faces", "one", "--who", "Ada").startswith(
        "2 labels are as in 'one' again; 0 samples"
    )
    assert versions.manifest(store, "faces")["label"].tolist() == ["happy"] * 4
    assert "There are: one, two" in run("restore", "faces", "three", ends=1)


def test_a_long_diff_is_cut(store, run, monkeypatch):
    monkeypatch.setattr("fer_core.cli.versions._SHOWN", 1)
    run("freeze", "faces", "one")
    ledger.relabel(store, [(1, "sad"), (2, "sad")], "Bob")
    assert run("diff", "faces", "one").splitlines()[-1].endswith("1 more: --all")
    assert len(run("diff", "faces", "one", "--all").splitlines()) == 3


def test_export_and_apply_changes(store, run, tmp_path):
    run("freeze", "faces", "one")
    ledger.relabel(store, [(1, "sad")], "Bob", "typo")
    assert ": 4 samples, " in run("export", "faces", "class_folders", tmp_path / "out", "--version", "one")
    assert len(list((tmp_path / "out" / "train" / "happy").iterdir())) == 4
    assert ": 1 labels, " in run("export", "faces", "changes", tmp_path / "changes.csv", "--since", "one")
    run("restore", "faces", "one")
    said = run("apply-changes", "faces", tmp_path / "changes.csv", "--who", "Cleo")
    assert said.startswith("1 labels changed; 0 were so already; 0 left alone")
    assert ledger.history(store, 1)[-1].who == "Cleo"
    assert "overwrites nothing" in run("export", "faces", "class_folders", tmp_path / "out", ends=1)
    ledger.relabel(store, [(2, "unsure")], "Bob")
    assert "1 labelled unsure" in run("export", "faces", "fer2013", tmp_path / "out.csv", ends=1)
    left = run("export", "faces", "fer2013", tmp_path / "out.csv", "--leave-out")
    assert ": 3 samples" in left and left.rstrip().endswith("left out: 1 labelled unsure")


def test_remove_asks_for_a_yes(store, run):
    assert "--yes" in run("remove", "faces", "--all", ends=1)
    assert "Received: [5], not in 'faces'" in run("remove", "faces", "--sample", 1, 5, "--yes", ends=1)
    assert len(versions.manifest(store, "faces")) == 4
    said = run("remove", "faces", "--sample", 1, "--yes", "--who", "Ada")
    assert "deleted for good 1 samples and 0 pictures; 1 pictures stay" in said
    assert "1 samples and 1 pictures" in run("remove", "second", "--sample", 5, "--everywhere", "--yes")
    run("remove", "faces", "--subject", "person 1", "--yes")
    assert versions.manifest(store, "faces")["sample"].tolist() == [3]
    assert "goes with" in run("remove", "faces", "--all", "--everywhere", "--yes", ends=1)
    run("remove", "faces", "--all", "--yes")
    assert [d.name for d in store.datasets()] == ["second"]
    assert "There are: second" in run("remove", "faces", "--all", "--yes", ends=1)


def test_the_everywhere_of_a_subject(store, run):
    assert "3 samples and 2 pictures" in run(
        "remove", "faces", "--subject", "person 0", "--everywhere", "--yes"
    )


def test_a_wrong_call_ends_with_two():
    for words in (["remove", "faces", "--yes"], ["export", "faces", "docx", "out"]):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert end.value.code == 2
