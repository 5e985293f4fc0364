"""The address bar holds the view: send the link, see the same."""

from collections.abc import Callable, Collection, Mapping, Sequence

import streamlit as st

from pages._shared.errors import plain

_WRITTEN = " in the address"
"""Ends the name under which the session remembers what a select box wrote."""


def select(
    label: str,
    options: Sequence[str],
    name: str,
    words: Callable[[str], str],
    help: str = "",
    *,
    always: bool = False,
) -> str:
    """A select box whose value stands in the address as `?name=value`; the first option is the default.

    The default stands there only if asked for by `always`, as for what may cease to be the first.

    Streamlit's own binding would write the words into the address; ids stay valid when words change.
    """
    key = f"{label} {name}"
    written = key + _WRITTEN
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
        label,
        options,
        format_func=_distinct(options, words),
        help=help or None,
        key=key,
        persist_state="session",
    )
    st.session_state[written] = value
    if value == options[0] and not always:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
    return value


def section(label: str, titles: Mapping[str, str], kept: Collection[str] = ("data",)) -> str:
    """The part of a page that `?view=` names, with a switch to turn to another; the first is the default.

    Args:
        titles: what each part is called, by its name in the address.
        kept: what of the address holds for the other parts too; the rest is left behind.
    """
    first = next(iter(titles))
    key = f"section {first}"
    asked = st.query_params.get("view", first)
    st.session_state[key] = asked if asked in titles else first

    def turn() -> None:
        wanted = {name: st.query_params[name] for name in kept if name in st.query_params}
        if st.session_state[key] != first:
            wanted["view"] = st.session_state[key]
        go(**wanted)

    st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        key=key,
        required=True,
        label_visibility="collapsed",
        on_change=turn,
    )
    return st.session_state[key]


def _distinct(options: Sequence[str], words: Callable[[str], str]) -> Callable[[str], str]:
    """The words for an option, with its id where two share them: Streamlit tells options apart by words."""
    said = [words(option) for option in options]
    return lambda option: words(option) if said.count(words(option)) == 1 else f"{words(option)} ({option})"


def text(label: str, name: str) -> str:
    """A line of text that stands in the address as `?name=…`; "" where there is none."""
    key = f"{label} {name}"
    st.session_state[key] = st.query_params.get(name, "")[:100]

    def write() -> None:
        if st.session_state[key].strip():
            st.query_params[name] = st.session_state[key].strip()
        else:
            st.query_params.pop(name, None)

    st.text_input(label, key=key, max_chars=100, on_change=write)
    return st.session_state[key]


def go(**wanted: str) -> None:
    """Lead to another view of this page: its address holds what is given here and nothing else.

    For callbacks. What was chosen in select boxes before is forgotten, as it would be in a new tab.
    """
    for written in [key for key in st.session_state if str(key).endswith(_WRITTEN)]:
        st.session_state.pop(written)
        st.session_state.pop(str(written).removesuffix(_WRITTEN), None)
    st.query_params.from_dict(wanted)


def number(name: str, default: int | None = None) -> int | None:
    """A whole number from the address; the default where there is none."""
    text = st.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default


def write(name: str, value: object) -> None:
    """Let the address say `?name=value`, or no such name where it is None; the rest stays. For callbacks."""
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)
