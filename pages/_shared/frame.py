"""What every page begins with."""

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from pages._shared import errors

_APP = Path(__file__).resolve().parent.parent.parent / "app.py"

WIDTH = 1040
"""px. Wider lines are hard to read; narrower screens shrink it."""


@contextmanager
def page(title: str, sentence: str) -> Iterator[None]:
    """A title, one sentence on what the page does and for whom, and words for whatever goes wrong below."""
    # A folder named pages/ is Streamlit's older way to make pages: until st.navigation was called for the
    # first time, a link that leads straight to a page runs that page without app.py. So app.py is run here.
    if PagesManager.uses_pages_directory:
        runpy.run_path(str(_APP))
        st.stop()
    with st.container(width=WIDTH), errors.guard():
        st.title(title, anchor=False)
        st.markdown(sentence)
        yield
