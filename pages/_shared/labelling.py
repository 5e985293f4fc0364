"""Labels given from a page: who gives them, and the way back."""

from collections.abc import Sequence

import streamlit as st

from fer_core.dataset import ledger
from fer_core.dataset.store import Store
from pages._shared import errors, words

_WHO, _LAST = "who", "last change"


def ask_name(label: str = "Your name") -> str:
    """A field for the visitor's name, kept while the app is open; "" until it is filled in."""
    st.text_input(
        label,
        key=_WHO,
        max_chars=60,
        placeholder="Your name",
        persist_state="session",
        help="Stands beside each label that you give, so that it can be traced and undone.",
    )
    return name()


def name() -> str:
    """The visitor's name, "" if it was not given."""
    return " ".join(str(st.session_state.get(_WHO, "")).split())


def give(store: Store, samples: Sequence[int], label: str, surfaced_by: str) -> bool:
    """Label some samples, for callbacks; whether it is stored. What went wrong is said on the page."""
    with errors.guard():
        change = ledger.relabel(
            store, [(sample, label) for sample in samples], name(), surfaced_by=surfaced_by
        )
        st.session_state[_LAST] = change.batch, f"{words.many(len(samples), 'picture')} labelled {label}"
        return True
    return False


def remember(batch: str, said: str) -> None:
    """Let `offer_undo` offer to take this batch back."""
    st.session_state[_LAST] = batch, said


def offer_undo(store: Store) -> None:
    """What was labelled last, with a button that takes it back; nothing if nothing was."""
    if _LAST in st.session_state:
        batch, said = st.session_state[_LAST]
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.markdown(f":green[{errors.plain(said)}.]")
            st.button("Undo", on_click=_undo, args=(store, batch), type="tertiary", shortcut="z")


def _undo(store: Store, batch: str) -> None:
    st.session_state.pop(_LAST, None)
    with errors.guard():
        ledger.undo(store, name(), batch)
