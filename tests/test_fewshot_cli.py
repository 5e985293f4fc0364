"""`python -m fer_core fewshot`: from folders of photos to a model, and everything around it."""

import numpy as np
import pytest
from skimage import data

from fer_core import cli, labels
from fer_core.dataset.store import Store
from fer_core.fewshot import classes
from fer_core.imaging.decode import encode_png
from fer_core.zoo import library
from tests.drawn_dataset import picture, row, write


def face(seed, dark):
    """Stripes, lying in one class and standing in the other, in noise: a "face" that is taken whole."""
    shown = picture(seed, 48) // 4
    (shown[::8] if dark else shown[:, ::8])[...] += 150
    return encode_png(shown)


@pytest.fixture
def folder(tmp_path):
    """Two classes of four photos, with what else lies in folders."""
    for place, name in enumerate(("Skeptical", "cat that got the cream")):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(4):
            path = tmp_path / "faces" / name / f"{number}.png"
            path.write_bytes(face(10 * place + number, dark=bool(place)))
    (tmp_path / "faces" / "Skeptical" / "notes.txt").write_text("not a photo")
    (tmp_path / "faces" / "Skeptical" / "broken.png").write_bytes(face(1, False)[:90])
    (tmp_path / "faces" / "alone.png").write_bytes(face(99, False))
    return tmp_path / "faces"


@pytest.fixture
def moods(folder, capsys):
    """The id of the set that was made of the folder, and its model's."""
    assert cli.main(["fewshot", "make", str(folder), "--name", "My moods", "--whole"]) == 0
    return "my-moods", "taught_my-moods"


def counts(set_id):
    return {one.name: len(one.examples) for one in classes.load(set_id).classes}


def test_folders_become_a_set_and_a_model_and_what_was_refused_is_said(folder, capsys):
    # The same photo in a second class is told and left out; one that is only like it is told afterwards.
    (folder / "cat that got the cream" / "twice.png").write_bytes(face(0, False))
    (folder / "cat that got the cream" / "odd.png").write_bytes(face(5, False))
    assert cli.main(["fewshot", "make", str(folder), "--name", "My moods", "--whole"]) == 0
    said = capsys.readouterr().out
    assert "skeptical: 4 taken" in said and "cat that got the cream: 5 taken" in said
    assert "! Skeptical/notes.txt: no picture" in said and "! alone.png: it lies in no class's" in said
    assert "! Skeptical/broken.png: A photo must be complete" in said
    assert "! cat that got the cream/twice.png: A picture is an example of one class" in said
    assert " of 9 (" in said and "prototype: " in said and ", taken" in said
    assert "cat that got the cream/odd.png (cat that got the cream) is nearer to skeptical" in said
    card = library.find("taught_my-moods").card
    assert card.labels.names == ("skeptical", "cat that got the cream", labels.UNKNOWN)
    assert counts("my-moods") == {"skeptical": 4, "cat that got the cream": 5}


def test_photos_are_searched_for_faces_and_the_model_reads_a_photo(folder, tmp_path, capsys):
    shown = data.astronaut()
    for name, photo in (("Skeptical", shown), ("cat that got the cream", shown[:, ::-1])):
        (folder / name / "astronaut.png").write_bytes(encode_png(np.ascontiguousarray(photo)))
    assert cli.main(["fewshot", "make", str(folder), "--name", "Flips", "--no-unknown"]) == 0
    said = capsys.readouterr().out
    assert "skeptical: 1 taken" in said and "! Skeptical/0.png: no face was found" in said
    photo = str(folder / "Skeptical" / "astronaut.png")
    assert cli.main(["predict", photo, "--model", "taught_flips", "--json"]) == 0
    assert '"skeptical"' in (said := capsys.readouterr().out) and labels.UNKNOWN not in said


def test_a_set_is_listed_added_to_and_taught_anew(moods, tmp_path, capsys):
    write(Store.open(), [row(f"{n}.png", picture(n, 48), "happy", "train") for n in range(6)])
    more = tmp_path / "more.png"
    more.write_bytes(face(50, False))
    assert cli.main(["fewshot", "add", moods[0], "skeptical", str(more), "--whole"]) == 0
    assert (
        cli.main(["fewshot", "add", moods[0], "glad", "--data", "faces", "--label", "happy", "--count", "4"])
        == 0
    )
    assert counts(moods[0]) == {"cat that got the cream": 4, "skeptical": 5, "glad": 4}
    capsys.readouterr()
    assert cli.main(["fewshot", "list"]) == 0
    assert capsys.readouterr().out == "my-moods  My moods  5 skeptical, 4 cat that got the cream, 4 glad\n"
    call = ["fewshot", "teach", moods[0], "--kind", "neighbours", "--base", "mini_xception_raw"]
    assert cli.main(call) == 0
    assert "neighbours: " in (said := capsys.readouterr().out) and said.endswith("model taught_my-moods\n")
    taught = library.find(moods[1]).card.training["taught"]
    assert (taught["kind"], taught["base"]) == ("neighbours", "mini_xception_raw")
    assert cli.main(["models"]) == 0
    assert (
        f"taught_my-moods  {taught['leave_one_out']['neighbours']['right']} of 13 " in capsys.readouterr().out
    )


def test_a_set_travels_as_a_zip(moods, tmp_path, capsys):
    file = tmp_path / "moods.zip"
    assert cli.main(["fewshot", "export", moods[0], str(file)]) == 0
    assert cli.main(["fewshot", "import", str(file)]) == 0
    assert capsys.readouterr().out.endswith("set my-moods-2\n")
    assert counts("my-moods-2") == counts("my-moods")
    assert cli.main(["fewshot", "export", moods[0], str(tmp_path / "no" / "where.zip")]) == 1
    assert cli.main(["fewshot", "import", str(tmp_path / "nothing.zip")]) == 1
    assert "nothing.zip" in capsys.readouterr().err


def test_neutral_photos_make_a_model_for_one_person(folder, capsys):
    photos = [str(folder / "Skeptical" / f"{number}.png") for number in range(3)]
    call = ["fewshot", "neutral", library.DEFAULT, *photos, "--name", "Ada", "--whole"]
    assert cli.main(call) == 0
    assert capsys.readouterr().out == f"model {library.DEFAULT}_for_ada\n"
    assert library.find(f"{library.DEFAULT}_for_ada").card.training["taught"]["examples"] == {"neutral": 3}
    assert cli.main([*call[:3], str(folder / "Skeptical" / "broken.png"), *call[-3:]]) == 1
    assert "broken.png: A photo must be complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (["make", "{}/Skeptical", "--name", "One"], "with 0"),
        (["make", "{}", "--name", "!"], "A set has a name"),
        (["make", "{}", "--name", "x", "--base", "none"], "none"),
        (["make", "{}/not here", "--name", "x"], "not here"),
        (["teach", "nowhere"], "nowhere"),
        (["add", "my-moods", "happy"], "both or neither"),
    ],
)
def test_a_wrong_call_is_told_and_makes_nothing(folder, call, why, capsys):
    assert cli.main(["fewshot", *(part.format(folder) for part in call)]) == 1
    assert why in capsys.readouterr().err
    assert classes.all_sets() == []


def test_a_set_whose_model_cannot_be_taught_is_kept(folder, capsys):
    assert cli.main(["fewshot", "make", str(folder), "--name", "Faceless"]) == 1
    assert "no photo of" in capsys.readouterr().err
    assert [one.id for one in classes.all_sets()] == ["faceless"]
