"""The address bar holds the view: send the link, see the same."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages._shared.errors import plain


def select(label: str, options: Sequence[str], name: str, words: Callable[[str], str], help: str) -> str:
    """A select box whose value stands in the address as `?name=value`; the first option is the default.

    Streamlit's own binding would write the words into the address; ids stay valid when words change.
    """
    asked = st.query_params.get(name)
    if asked is not None and asked not in options:
        st.warning(
            plain(f"The address asks for {name} {asked!r}, which is not here. {words(options[0])} is used.")
        )
        del st.query_params[name]
        asked = None
    index = options.index(asked) if asked else 0
    value = st.selectbox(label, options, index=index, format_func=words, help=help)
    if value == options[0]:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
    return value
