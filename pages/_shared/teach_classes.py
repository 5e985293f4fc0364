"""The classes of a set with their photos: add, look at, remove, move, rename."""

import html

import streamlit as st

from fer_core import labels
from fer_core.errors import StorageError
from fer_core.fewshot import classes, crops
from fer_core.fewshot.sets import LONGEST_NAME, Class, ClassSet, Example
from fer_core.fewshot.teach import Look, Place
from fer_core.imaging.decode import encode_png
from pages._shared import errors, gallery, teach_photos, teach_sets, words

_OPEN = "teach open"
"""The class that photos are being added to."""

_CLOSER = "teach closer"
"""The example that is looked at."""


def show(class_set: ClassSet, look: Look | None) -> None:
    """A box for each class, and the line that adds others.

    Args:
        look: how the photos lie among each other; None where that cannot be said.
    """
    if said := st.session_state.pop("teach said", ""):
        st.warning(errors.plain(said))
    if look is not None and look.scores:
        st.caption(
            "Below each photo: how far it is from the nearest of its own class, and from the nearest of "
            "another (0 is the same, 2 the opposite). Click one to see which those are."
        )
    places = {place.example.id: place for place in look.places} if look is not None else {}
    opened = _opened(class_set)
    for one in class_set.classes:
        with st.container(border=True), errors.guard():
            _class(class_set, one, places, one.name == opened)
    teach_sets.more_classes(class_set)


def _opened(class_set: ClassSet) -> str | None:
    """The class that photos are added to: the one that was chosen, else the first that is empty."""
    key = f"{_OPEN} {class_set.id}"
    if st.session_state.get(key, "") in class_set.names:
        return st.session_state[key]
    if st.session_state.get(key) is None and key in st.session_state:
        return None
    return next((one.name for one in class_set.classes if not one.examples), None)


def _class(class_set: ClassSet, one: Class, places: dict[str, Place], opened: bool) -> None:
    key = f"{class_set.id} {one.name}"
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        count = words.many(len(one.examples), "photo") if one.examples else "no photo yet"
        st.markdown(f"**{errors.plain(one.name)}** · {count}")
        st.space("stretch")
        st.button(
            "Done" if opened else "Photos",
            key=f"add {key}",
            icon=None if opened else ":material/add:",
            type="secondary" if one.examples or opened else "primary",
            on_click=_turn,
            args=(class_set.id, None if opened else one.name),
        )
        with st.popover("Edit", type="tertiary", key=f"edit {key}"):
            _edit(class_set, one)
    if opened:
        teach_photos.ask(class_set, one)
    teach_photos.outcome(class_set, one)
    if one.examples:
        _grid(class_set, one, places)


def _turn(set_id: str, name: str | None) -> None:
    st.session_state[f"{_OPEN} {set_id}"] = name


def _edit(class_set: ClassSet, one: Class) -> None:
    with st.form(f"rename {class_set.id} {one.name}", border=False):
        name = st.text_input("Name of the class", one.name, max_chars=LONGEST_NAME)
        if st.form_submit_button("Rename"):
            with errors.guard():
                classes.rename_class(class_set.id, one.name, name)
                st.rerun()
    photos = f" and its {words.many(len(one.examples), 'photo')}" if one.examples else ""
    if st.button(f"Remove the class{photos}", key=f"remove class {class_set.id} {one.name}"):
        with errors.guard():
            classes.remove_class(class_set.id, one.name)
            st.rerun()


def _grid(class_set: ClassSet, one: Class, places: dict[str, Place]) -> None:
    key = f"examples {class_set.id} {one.name}"
    by_number = {_number(example): example for example in one.examples}
    tiles = [
        _tile(class_set, number, example, one.name, places.get(example.id))
        for number, example in by_number.items()
    ]
    chosen = gallery.draw(
        tiles, key, on_open=lambda number: _closer(by_number[number].id), choosing=True, size=88
    )
    if chosen:
        _act(class_set, one, [by_number[number].id for number in chosen], key)
    closer = next((e for e in one.examples if e.id == st.session_state.get(_CLOSER)), None)
    if closer is not None:
        _look_at(class_set, one, closer, places.get(closer.id))


def _number(example: Example) -> int:
    """The id as a whole number that JavaScript can hold."""
    return int(example.id[:13], 16)


def _tile(class_set: ClassSet, number: int, example: Example, name: str, place: Place | None) -> dict:
    caption, shown = "", _shown(class_set, example)
    if not shown:
        caption = "picture gone"
    if place is not None and place.other_distance is not None:
        own = "–" if place.own_distance is None else f"{place.own_distance:.2f}"
        caption = f"{own} · {place.other_distance:.2f}"
        if place.confuses:
            caption += f"\nlike {place.confuses}"
    return {
        "id": number,
        "src": shown,
        "alt": f"{example.source}, {name}" + (f", {sentence(place)}" if place and place.confuses else ""),
        "title": example.source,
        "caption": caption,
        "colour": labels.colour((place and place.confuses) or name),
    }


def sentence(place: Place) -> str:
    """ "looks more like bored than skeptical"."""
    return f"looks more like {place.confuses} than {place.class_name}"


def _shown(class_set: ClassSet, example: Example) -> str:
    """Its picture as a data: address; "" where that is gone, so that the example can be removed."""
    try:
        return _thumbnail(str(class_set.folder), example.id, class_set, example)
    except StorageError:
        return ""


@st.cache_data(max_entries=4000, show_spinner=False)
def _thumbnail(folder: str, example_id: str, _class_set: ClassSet, _example: Example) -> str:
    return gallery.address(encode_png(crops.picture(_class_set, _example)))


def _closer(example_id: str | None) -> None:
    st.session_state[_CLOSER] = example_id


def _act(class_set: ClassSet, one: Class, chosen: list[str], key: str) -> None:
    """What can be done with the photos that are marked."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**{len(chosen)} marked**", width="content")
        if st.button("Remove", icon=":material/delete:", key=f"remove {key}"):
            classes.remove(class_set.id, chosen)
            gallery.clear_choice(key)
            st.rerun()
        others = [name for name in class_set.names if name != one.name]
        if others:
            target = st.selectbox("Move to", others, key=f"target {key}", width=180)
            if st.button("Move", key=f"move {key}"):
                classes.move(class_set.id, chosen, target)
                gallery.clear_choice(key)
                st.rerun()


def _look_at(class_set: ClassSet, one: Class, example: Example, place: Place | None) -> None:
    """One photo beside those that it is nearest to."""
    shown = [(example, f"{example.source}, {one.name}")]
    if place is not None and place.own is not None:
        shown.append((place.own, f"{place.own_distance:.2f} away: the nearest of its own class"))
    if place is not None and place.other is not None:
        shown.append((place.other, f"{place.other_distance:.2f} away: the nearest of {place.other_class}"))
    st.html(_side_by_side(class_set, shown))
    for said in _words(place):
        st.markdown(errors.plain(said))
    with st.container(horizontal=True):
        if st.button("Remove this photo", key=f"remove {example.id}"):
            classes.remove(class_set.id, [example.id])
            st.rerun()
        st.button("Close", type="tertiary", key=f"close {example.id}", on_click=_closer, args=(None,))


def _words(place: Place | None) -> list[str]:
    if place is None:
        return []
    said = []
    if place.confuses:
        said.append(f"It {sentence(place)}: is it in the right class, and is the face well cut out?")
    if place.answer is not None and place.probability is not None:
        called = f"called {place.answer} ({words.share(place.probability)})"
        if place.answer != place.class_name:
            said.append(f"Left out of the teaching, it is {called}.")
        else:
            said.append(f"All photos together still know it: left out of the teaching, it is {called}.")
    return said


def _side_by_side(class_set: ClassSet, shown: list[tuple[Example, str]]) -> str:
    """Up to three pictures in one row, on a phone too."""
    figures = [
        f'<figure style="margin:0;min-width:0"><img src="{_shown(class_set, example)}" '
        f'alt="{html.escape(said, quote=True)}" style="width:100%;border-radius:6px">'
        '<figcaption style="font-size:.85em;opacity:.8;overflow-wrap:anywhere">'
        f"{html.escape(said)}</figcaption></figure>"
        for example, said in shown
    ]
    return (
        f'<div style="display:grid;gap:.8em;grid-template-columns:repeat(3,minmax(0,{gallery.THUMBNAIL}px))">'
        f"{''.join(figures)}</div>"
    )
