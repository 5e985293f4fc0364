"""What a visitor sees when something goes wrong: sentences, never a traceback."""

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from fer_core.errors import FerError

_log = logging.getLogger("fer_studio")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+.!|$~:-])")


@contextmanager
def guard() -> Iterator[None]:
    """Show what the body raises as words, and let the rest of the page go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (the one place where anything unforeseen becomes words)
        st.error(plain(sentence(error)))


def sentence(error: Exception) -> str:
    """What to tell a visitor: the engine's own words, or a short number that finds the log entry."""
    if isinstance(error, FerError):
        return str(error)
    number = secrets.token_hex(3)
    _log.error("unexpected error %s", number, exc_info=error)
    return (
        "Something unexpected happened here. Nothing of yours was changed. Reload the page and try again; "
        f"if it stays, report it with the number {number}, which finds the details in the app's log."
    )


def plain(text: str) -> str:
    """Text for a Markdown place with nothing in it read as Markdown: file names come from strangers."""
    return _MARKDOWN.sub(r"\\\1", text)
