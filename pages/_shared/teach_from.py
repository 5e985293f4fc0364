"""“Teach with these”: faces from any page into a class of a class set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.errors import FerError
from fer_core.fewshot import classes, sets
from fer_core.fewshot.classes import Added
from fer_core.fewshot.sets import LONGEST_NAME
from fer_core.imaging.faces import Face
from fer_core.zoo.card import Card
from pages._shared import errors, teach_sets, words

ICON = ":material/school:"

_NEW = ""


@dataclass(frozen=True)
class Done:
    """Where faces were put, and what became of them."""

    set_id: str
    name: str
    added: Added


Put = Callable[[str, str], Added]
"""From a set's id and a class's name to what became of the faces that are put there."""


def samples(
    store: Store,
    dataset: str,
    chosen: Sequence[int],
    key: str,
    *,
    card: Card | None = None,
    whole: bool = True,
) -> None:
    """What puts pictures of a dataset into a class, and then shows them on the page Teach.

    Args:
        key: tells this place from others.
        card: of the model that a new set stands on; see `_base`.
        whole: whether the pictures are taken as faces unless the visitor says otherwise.
    """
    with st.popover("Teach with these", icon=ICON, key=f"teach {key}"), errors.guard():
        st.markdown(f"**{words.many(len(chosen), 'picture')}** as examples of an expression of your own")
        look = st.checkbox(
            "Look for the face in each", not whole, key=f"teach look {key}", help="For whole photos."
        )

        def put(set_id: str, name: str) -> Added:
            # Imported when it is asked for: the photo page opens without the database's library.
            from fer_core.fewshot import from_dataset

            return from_dataset.add(store, dataset, set_id, name, chosen, whole=not look)

        if (done := _asked(key, put, card)) is not None:
            st.session_state["teach said"] = _refused(done.added)
            st.switch_page("pages/teach.py", query_params={"set": done.set_id})


def faces(
    title: str,
    about: str,
    key: str,
    found: Callable[[], Sequence[tuple[str, np.ndarray, Face | None]]],
    *,
    card: Card | None = None,
) -> None:
    """What puts faces that are in sight into a class, and says here what came of it.

    Args:
        about: which faces, above the fields.
        found: what each face is called, its photo and where it is, asked when the visitor presses.
    """
    with st.popover(title, icon=ICON, key=f"teach {key}"), errors.guard():
        st.markdown(f"**{about}**")
        done = _asked(key, lambda set_id, name: classes.add_faces(set_id, name, found()), card)
        if done is not None:
            told = f"{words.many(len(done.added.taken), 'photo')} added to “{errors.plain(done.name)}”."
            tell = st.success if done.added.taken else st.warning
            tell(f"{told}\n\n{errors.plain(_refused(done.added))}")
            where = {"set": done.set_id}
            st.page_link("pages/teach.py", label="Open it on the page Teach →", query_params=where)


def _asked(key: str, put: Put, card: Card | None) -> Done | None:
    """Which set and which class; once the visitor has said so, what became of the faces."""
    known = {one.id: one for one in classes.all_sets()}
    chosen = _NEW
    if known:
        titles = {one.id: one.title for one in known.values()}
        chosen = _choice("Class set", titles, f"teach set {key}")
    if not chosen:
        title = f"teach title {key}"
        st.text_input(
            "Name of the class set", placeholder="Moods in class", max_chars=2 * LONGEST_NAME, key=title
        )
    name = _NEW
    if chosen and known[chosen].names:
        name = _choice("Class", {name: name for name in known[chosen].names}, f"teach class {key} {chosen}")
    if not name:
        st.text_input(
            "Name of the class", placeholder="bored", max_chars=LONGEST_NAME, key=f"teach name {key}"
        )
    st.caption(words.kept_faces())
    st.button("Add", type="primary", key=f"teach add {key}", on_click=_add, args=(key, put, card))
    done = st.session_state.pop(f"teach done {key}", None)
    if isinstance(done, str):
        st.error(errors.plain(done))
        return None
    return done


def _choice(label: str, titles: Mapping[str, str], key: str) -> str:
    """One of what there is, or _NEW."""
    options = [*titles, _NEW]
    if st.session_state.get(key, _NEW) not in options:
        # Deleted or renamed since.
        del st.session_state[key]
    return st.selectbox(label, options, format_func=lambda one: titles.get(one, "A new one…"), key=key)


def _add(key: str, put: Put, card: Card | None) -> None:
    """Put the faces where the fields say, and let the fields say so the next time, too."""
    said = st.session_state
    chosen = said.get(f"teach set {key}", _NEW)
    name = said.get(f"teach class {key} {chosen}") or said.get(f"teach name {key}", "")
    try:
        set_id = chosen or classes.create(said.get(f"teach title {key}", ""), _base(card)).id
        try:
            added = put(set_id, name)
        except FerError:
            if not chosen:
                classes.delete(set_id)
            raise
    except Exception as error:  # noqa: BLE001 (shown beside the button, where the visitor looks)
        said[f"teach done {key}"] = errors.sentence(error)
        return
    name = sets.usable(name)
    said[f"teach set {key}"], said[f"teach class {key} {set_id}"] = set_id, name
    said[f"teach done {key}"] = Done(set_id, name, added)


def _base(card: Card | None) -> str:
    """The model itself, unless it was taught on another or none is meant."""
    return teach_sets.base_for_new() if card is None or card.taught else card.id


def _refused(added: Added) -> str:
    return "\n\n".join(f"{name}: {reason}" for name, reason in added.refused)
