"""Who labels: a name that was typed, or an account where there are accounts."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest


def field():
    import streamlit as st

    from pages._shared import labelling

    st.caption(f"name: {labelling.ask_name()}")


class User:
    def __init__(self, **known):
        self.known = known

    def to_dict(self):
        return self.known


def drawn(monkeypatch, **known):
    monkeypatch.setattr(st, "user", User(**known))
    app = AppTest.from_function(field).run()
    assert not app.exception
    return app


def test_without_accounts_a_name_is_typed(monkeypatch):
    app = drawn(monkeypatch)
    app.text_input[0].set_value("  Ada   Lovelace ").run()
    assert app.caption[0].value == "name: Ada Lovelace" and not app.button


def test_with_accounts_nobody_types_another_persons_name(monkeypatch):
    app = drawn(monkeypatch, is_logged_in=False)
    assert not app.text_input and app.caption[0].value == "name:"
    assert [button.label for button in app.button] == ["Log in to label"]


@pytest.mark.parametrize(
    ("known", "told"), [({"name": "Ada", "email": "a@b.org"}, "Ada"), ({"email": "a@b.org"}, "a@b.org")]
)
def test_an_account_is_the_name(monkeypatch, known, told):
    app = drawn(monkeypatch, is_logged_in=True, **known)
    assert app.caption[0].value == f"name: {told}"
    assert [button.label for button in app.button] == ["Log out"] and not app.text_input
