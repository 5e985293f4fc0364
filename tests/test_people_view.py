"""Who labels how well: the section of the relabel page, and the commands."""

import pytest
from drawn_dataset import picture, row, write
from streamlit.testing.v1 import AppTest

from fer_core import cli
from fer_core.dataset import ledger
from fer_core.review import looks
from fer_core.review.quality import Share
from pages._shared import people_view, resources


def script():
    from pages._shared import errors, people_view, resources

    store = resources.store()
    with errors.guard():
        people_view.show(store, store.dataset("faces"))


@pytest.fixture
def store():
    store = resources.store()
    votes = {0: {"happy": 10}, 1: {"sad": 9, "fear": 1}}
    write(store, [row(f"{n}.png", picture(n), "happy", votes=votes.get(n)) for n in range(4)])
    return store


@pytest.fixture
def app(store):
    return AppTest.from_function(script, default_timeout=60)


def say(store, who, *said):
    ledger.relabel(store, enumerate(said, 1), who)


def text(app) -> str:
    assert not app.error, [e.value for e in app.error]
    kinds = (app.markdown, app.caption, app.subheader, app.success, app.info)
    return "\n".join(e.value for kind in kinds for e in kind)


def button(app, label):
    (found,) = (b for b in app.button if b.label.startswith(label))
    return found


def label_of(store, sample):
    return ledger.history(store, sample)[-1].new


def test_shares_in_words():
    assert people_view.share(Share(0, 0)) == "none yet"
    assert people_view.share(Share(7, 9)) == "7 of 9"
    assert people_view.share(Share(80, 100)) == "80 % (71 to 87) of 100"


def test_nobody_yet(app):
    app.run()
    assert "Nobody has labelled" in text(app)
    assert [b.label for b in app.button] == ["To the queues"]


def test_one_person_has_figures_but_nobody_to_compare_with(app, store):
    say(store, "Ann *B*", "sad", "happy")
    app.run()
    assert "So far Ann \\*B\\* labelled" in text(app)
    assert app.dataframe[0].value["Changed"].tolist() == ["1 of 2"]
    assert "Do people agree?" not in text(app)


def test_from_disagreement_to_consensus_and_back(app, store):
    say(store, "Ann", "sad", "sad", "happy", "fear")
    say(store, "Bob", "sad", "sad", "happy")
    say(store, "Cid <b>", "fear", "sad", "happy")
    app.run()
    said = text(app)
    assert app.dataframe[0].value["Name"].tolist() == ["Ann", "Bob", "Cid <b>"]
    assert "3 pictures have two answers or more, of which 78 % of the pairs agree" in said
    assert "too few to say much" in said
    assert "**1 picture** · 1 of 3" in said
    differing = next(d.value for d in app.dataframe if "picture" in d.value)
    assert differing.to_numpy().tolist() == [[1, "sad", "sad", "fear"]]
    assert "**1 picture** would get another label" in said
    assert button(app, "Give 1 picture").disabled
    app.text_input[0].set_value("Eva").run()
    button(app, "Give 1 picture").click().run()
    assert label_of(store, 1) == "sad" and ledger.history(store, 1)[-1].who == "Eva"
    assert "1 picture labelled as people say together" in text(app)
    assert "**0 pictures** would get another label" in text(app)
    button(app, "Undo").click().run()
    assert label_of(store, 1) == "fear"


def test_one_person_and_the_other_method_stand_in_the_address(app, store):
    say(store, "Ann", "sad", "sad", "happy", "fear")
    say(store, "Bob", "sad", "sad", "happy", "fear")
    app.query_params["person"] = "Bob"
    app.query_params["method"] = "dawid-skene"
    app.run()
    assert {s.label: s.value for s in app.selectbox} == {"Person": "Bob", "How answers count": "dawid-skene"}
    assert "of two nobody can say who is right" in text(app)
    assert "On no picture." in text(app)


def test_gold_is_offered_and_taken_off(app, store):
    say(store, "Ann", "sad")
    app.session_state["who"] = "Eva"
    app.run()
    button(app, "Add 2 pictures of the 2").click().run()
    assert looks.gold_samples(store, "faces")[["sample", "label", "who"]].to_numpy().tolist() == [
        [1, "happy", "Eva"], [2, "sad", "Eva"]
    ]  # fmt: skip
    assert "2 gold pictures" in text(app)
    button(app, "Take them all off").click().run()
    assert looks.gold_samples(store, "faces").empty


def test_the_commands(store, capsys):
    say(store, "Ann", "sad", "sad", "happy")
    say(store, "Bob", "sad", "fear", "happy")
    assert cli.main(["people", "faces"]) == 0
    said = capsys.readouterr().out
    assert "Ann  3 pictures" in said and "as most of the others: 2 of 3 (" in said
    assert "Ann and Bob: kappa 0.50 (" in said and "different answers on 1" in said
    say(store, "Cid", "fear")
    assert cli.main(["consensus", "faces"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1  fear -> sad  0.67 of 3", "3 pictures, 1 tie, 1 that would get another label"
    ]  # fmt: skip
    assert label_of(store, 1) == "fear"
    assert cli.main(["consensus", "faces", "--write", "--who", "Eva"]) == 0
    assert label_of(store, 1) == "sad"
    capsys.readouterr()
    assert cli.main(["gold", "faces", "--add", "3=Happiness", "--who", "Eva"]) == 0
    assert cli.main(["gold", "faces", "--agreed", "1", "--who", "Eva"]) == 0
    assert cli.main(["gold", "faces", "--drop", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1  happy  Eva, ")
    assert cli.main(["gold", "faces", "--add", "three"]) == 1
    assert "SAMPLE=LABEL" in capsys.readouterr().err
