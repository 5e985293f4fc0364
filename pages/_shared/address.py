"""The address bar holds the view: send the link, see the same."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages._shared.errors import plain


def select(label: str, options: Sequence[str], name: str, words: Callable[[str], str], help: str) -> str:
    """A select box whose value stands in the address as `?name=value`; the first option is the default.

    Streamlit's own binding would write the words into the address; ids stay valid when words change.
    """
    key, written = f"{label} {name}", f"{label} {name} in the address"
    asked = st.query_params.get(name)
    if asked is not None and asked not in options:
        st.warning(plain(f"The address asks for {name} {asked!r}, which is not here; another one is used."))
        del st.query_params[name]
    # What a visitor chose a moment ago wins over the address that this function wrote before; an address
    # that came from elsewhere (a link, another page) wins over what was chosen earlier.
    elif asked is not None and asked != st.session_state.get(written):
        st.session_state[key] = asked
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
    value = st.selectbox(
        label, options, format_func=_distinct(options, words), help=help, key=key, persist_state="session"
    )
    st.session_state[written] = value
    if value == options[0]:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
    return value


def _distinct(options: Sequence[str], words: Callable[[str], str]) -> Callable[[str], str]:
    """The words for an option, with its id where two share them: Streamlit tells options apart by words."""
    said = [words(option) for option in options]
    return lambda option: words(option) if said.count(words(option)) == 1 else f"{words(option)} ({option})"
