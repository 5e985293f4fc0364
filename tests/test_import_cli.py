"""`python -m fer_core import`, in this process."""

import drawn_forms
import pytest

from fer_core import cli
from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.labels import FER7, LabelSet


@pytest.fixture
def faces(tmp_path):
    paths = (f"faces/{name}/{n}.png" for name in ("Joy", "Rage", "blurred") for n in range(10))
    drawn_forms.put(tmp_path, *paths)
    return tmp_path / "faces"


def test_a_preview_says_what_would_come_in_and_stores_nothing(faces, capsys):
    assert cli.main(["import", str(faces), "--preview", "--map", "Rage=anger", "--map", "blurred="]) == 0
    said, complaints = capsys.readouterr()
    lines = said.splitlines()
    assert lines[0].startswith("Class folders") and lines[0].endswith(": 20 pictures")
    assert "  Joy → happy: 10" in lines
    assert "  Rage → angry: 10" in lines
    assert "  blurred → left out: 10" in lines
    assert "Splits 60/20/20" in lines
    assert complaints == "", "no progress where nobody watches"
    assert Store.open().datasets() == []


def test_an_import_takes_map_split_name_and_label_set(faces, capsys):
    call = ["import", str(faces), "--map", "Rage=angry", "--map", "blurred=", "--split", "50/50/0"]
    assert cli.main([*call, "--name", "mine", "--label-set", "fer7"]) == 0
    assert "20 rows, 20 new in 'mine'" in capsys.readouterr().out
    store = Store.open()
    assert store.dataset("mine").label_set is FER7
    table = versions.manifest(store, "mine").groupby(["split", "label"]).size()
    assert table.to_dict() == {
        ("train", "angry"): 5,
        ("train", "happy"): 5,
        ("validation", "angry"): 5,
        ("validation", "happy"): 5,
    }
    call = ["import", str(faces), "--name", "own", "--label-set", "happy, rage, blurred"]
    assert cli.main(call) == 0
    assert store.dataset("own").label_set == LabelSet("custom", ("happy", "rage", "blurred"))


def test_another_form_can_be_asked_for(tmp_path, capsys):
    drawn_forms.ck_csv(tmp_path / "set")
    (tmp_path / "set" / "ckextended.csv").rename(tmp_path / "faces.csv")
    assert cli.main(["import", str(tmp_path / "faces.csv")]) == 1
    assert "Emotions are the numbers 0 to 6" in capsys.readouterr().err
    assert cli.main(["import", str(tmp_path / "faces.csv"), "--form", "ckplus"]) == 0
    assert "contempt" in capsys.readouterr().out


def test_what_cannot_be_imported_is_said(faces, tmp_path, capsys):
    assert cli.main(["import", str(tmp_path / "gone")]) == 1
    assert cli.main(["import", str(faces), "--map", "Ragee=angry"]) == 1
    assert "Ragee" in capsys.readouterr().err
    assert cli.main(["import", str(faces), "--label-set", "fer8"]) == 1
    assert Store.open().datasets() == []


@pytest.mark.parametrize("wrong", [["--split", "60/40"], ["--map", "happy"], ["--form", "none-such"]])
def test_a_wrong_call_ends_with_two(faces, wrong):
    with pytest.raises(SystemExit) as end:
        cli.main(["import", str(faces), *wrong])
    assert end.value.code == 2
