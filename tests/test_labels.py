import colorsys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core import labels
from fer_core.errors import BadInput, NotFound


def test_fer7_has_the_order_of_fer2013s_numbers():
    assert labels.FER7.names == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    "spelling, name",
    [
        ("anger", "angry"),
        (" Happiness", "happy"),
        ("SCARED", "fear"),
        ("sadness", "sad"),
        ("NF", labels.NOT_A_FACE),
        ("unknown", labels.UNSURE),
        ("Not_A_Face", labels.NOT_A_FACE),
        ("bored", "bored"),
    ],
)
def test_every_usual_spelling_has_one_name(spelling, name):
    assert labels.canonical(spelling) == name


def test_no_alias_belongs_to_two_names():
    spellings = [s for name, aliases in labels.ALIASES.items() for s in (name, *aliases)]
    assert len(spellings) == len(set(spellings))


@given(st.text())
def test_canonical_is_idempotent(text):
    assert labels.canonical(labels.canonical(text)) == labels.canonical(text)


@pytest.mark.parametrize("one", labels.LABEL_SETS.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("other", labels.LABEL_SETS.values(), ids=lambda s: s.name)
def test_maps_between_sets_keep_the_name(one, other):
    for name, target in zip(one.names, one.map_to(other), strict=True):
        assert target is None and name not in other or other.names[target] == name


def test_contempt_has_no_place_in_fer7():
    assert (
        dict(zip(labels.FERPLUS8.names, labels.FERPLUS8.map_to(labels.FER7), strict=True))["contempt"] is None
    )


def test_index_takes_aliases_and_names_what_exists():
    assert labels.FER7.index("Surprised") == 5
    with pytest.raises(BadInput, match="angry, disgust.*Received: 'contempt'"):
        labels.FER7.index("contempt")


def test_a_failed_look_up_lists_the_sets():
    with pytest.raises(NotFound, match="affectnet8, fer7, ferplus8"):
        labels.get("fer9")


def test_a_custom_set_needs_two_distinct_names():
    assert labels.custom(["Joy", "bored", "happy"]).names == ("happy", "bored")
    with pytest.raises(BadInput):
        labels.custom(["joy", "happy"])


def test_every_expression_has_a_colour_of_its_own_that_stands_out():
    colours = [labels.colour(name) for name in labels.AFFECTNET8.names]
    assert len(set(colours)) == 8
    for value in colours:
        red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.3 < colorsys.rgb_to_hls(red, green, blue)[1] < 0.7


def test_names_of_a_users_own_have_colours_and_what_is_no_expression_is_grey():
    names = [f"mood {number}" for number in range(20)]
    colours = [labels.colour(name) for name in names]
    assert len(set(colours)) > 15 and labels.colour(" Mood_0 ") == colours[0]
    for value in colours:
        red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))
        lightness, saturation = colorsys.rgb_to_hls(red, green, blue)[1:]
        assert 0.3 < lightness < 0.7 and saturation > 0.4
    greys = {labels.colour(name) for name in ("", labels.UNKNOWN, "unknown", labels.NOT_A_FACE)}
    assert len(greys) == 1 and not greys & set(colours)
