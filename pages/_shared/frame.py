"""What every page begins with."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from pages._shared import errors

WIDTH = 1040
"""px. Wider lines are hard to read; narrower screens shrink it."""


@contextmanager
def page(title: str, sentence: str) -> Iterator[None]:
    """A title, one sentence on what the page does and for whom, and words for whatever goes wrong below."""
    with st.container(width=WIDTH), errors.guard():
        st.title(title, anchor=False)
        st.markdown(sentence)
        yield
