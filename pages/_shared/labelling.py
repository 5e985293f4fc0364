"""Labels given from a page: who gives them, and the way back."""

from collections.abc import Callable, Sequence

import streamlit as st

from fer_core import labels
from fer_core.dataset import ledger
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import Store
from pages._shared import errors, words
from pages._shared.gallery import Act

_KEYS = {labels.NOT_A_FACE: "0", labels.UNSURE: "u"}
_WHO, _LAST, _UNDONE = "who", "last change", "undone"


def ask_name(label: str = "Your name") -> str:
    """A field for the visitor's name, kept while the app is open; "" until it is filled in.

    Where accounts are configured (Streamlit's `[auth]` secrets), a button to log in takes its place.
    """
    account = _account()
    if account is None:
        st.text_input(
            label,
            key=_WHO,
            max_chars=60,
            placeholder="Your name",
            persist_state="session",
            help="Stands beside each label that you give, so that it can be traced and undone.",
        )
    elif account:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(errors.plain(account))
            st.button("Log out", type="tertiary", on_click=st.logout, key=f"log out {label}")
    else:
        st.button("Log in to label", on_click=st.login, key=f"log in {label}")
    return name()


def name() -> str:
    """The visitor's name, "" if it was not given."""
    account = _account()
    return " ".join(str(st.session_state.get(_WHO, "") if account is None else account).split())


def _account() -> str | None:
    """Who is logged in: a name or an address, "" for nobody; None where there are no accounts."""
    known = st.user.to_dict()
    if "is_logged_in" not in known:
        return None
    if not known["is_logged_in"]:
        return ""
    return str(known.get("name") or known.get("email") or known.get("sub") or "")


def keys(names: Sequence[str]) -> list[tuple[str, str]]:
    """(label, key) of all that a sample may get, the same on every page.

    Args:
        names: the classes of its dataset.
    """
    digits = [(label, str(place)) for place, label in enumerate(names[:9], 1)]
    return [*digits, *((label, _KEYS[label]) for label in (labels.NOT_A_FACE, labels.UNSURE))]


def with_key(names: Sequence[str]) -> Callable[[str], str]:
    """What a label is called where its key shall be learned: "sad (5)"."""
    pressed = dict(keys(names))
    return lambda label: f"{label} ({pressed[label].upper()})" if label in pressed else label


def give(
    store: Store, samples: Sequence[int], label: str, surfaced_by: str, batch: str | None = None
) -> bool:
    """Label some samples, for callbacks; whether it is stored. What went wrong is said on the page.

    Args:
        batch: name of this act; given twice, it counts once.
    """
    with errors.guard():
        change = ledger.relabel(
            store, [(sample, label) for sample in samples], name(), surfaced_by=surfaced_by, batch=batch
        )
        st.session_state[_LAST] = change.batch, f"{words.many(len(samples), 'picture')} labelled {label}"
        return True
    return False


def act(store: Store, done: Act, surfaced_by: str) -> None:
    """What a key did to the marked pictures of a gallery; for its `on_act`."""
    if not done.undo:
        give(store, done.samples, done.label, surfaced_by, done.batch)
        return
    if done.undo == st.session_state.get(_LAST, ("", ""))[0]:
        st.session_state.pop(_LAST)
    with errors.guard():
        ledger.undo(store, name(), done.undo, name=done.batch)


def undone() -> list[str]:
    """Batches that `offer_undo` took back."""
    return st.session_state.setdefault(_UNDONE, [])


def choose(store: Store, names: Sequence[str], tile: Tile, surfaced_by: str) -> None:
    """The visitor's name, a button with a key for each label that a sample may get, and the way back.

    Args:
        names: the classes of its dataset.
    """
    with st.container(width=260):
        who = ask_name()
    with st.container(horizontal=True, gap="small"):
        for place, label in enumerate([*names, labels.UNSURE, labels.NOT_A_FACE], 1):
            st.button(
                label,
                key=f"label {label}",
                type="primary" if label == tile.label else "secondary",
                shortcut=_KEYS.get(label, str(place) if place < 10 else None),
                disabled=not who,
                on_click=_give,
                args=(store, tile.sample, label, surfaced_by),
            )
    if not who:
        st.caption("Enter your name to change the label; then a key does it.")
    offer_undo(store)


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


def _give(store: Store, sample: int, label: str, surfaced_by: str) -> None:
    give(store, [sample], label, surfaced_by)


def _undo(store: Store, batch: str) -> None:
    st.session_state.pop(_LAST, None)
    undone().append(batch)
    with errors.guard():
        ledger.undo(store, name(), batch)
