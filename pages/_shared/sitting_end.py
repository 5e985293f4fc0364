"""The end of a sitting: what came of it, and where to go on."""

import secrets

import streamlit as st

from fer_core.dataset.store import Dataset, Store
from fer_core.review import looks, people, quality
from pages._shared import address, words


def show(store: Store, dataset: Dataset, who: str, sitting: str) -> None:
    """Answers, changed labels and pace of one sitting, and how often a second look said the same."""
    given = people.answers_of(store, dataset.name, who)
    mine = given[given["sitting"] == sitting]
    seen = looks.looks_of(store, dataset.name, who)
    blind = seen[seen["sitting"] == sitting]
    if mine.empty and blind.empty:
        st.info("Nothing was answered in this sitting.")
    else:
        changed = int((mine["label"] != mine["old"]).sum())
        said = [
            f"**{words.many(mine['sample'].nunique(), 'picture')} answered**",
            f"{words.many(changed, 'label')} changed",
        ]
        pace = quality.pace(mine, blind).get(who)
        if pace:
            said.append(f"{pace:.0f} a minute")
        st.success(", ".join(said) + ".")
    _twice(store, dataset, who, len(blind))
    here = {"data": dataset.name}
    with st.container(horizontal=True):
        st.button("Go on with this queue", on_click=_again, type="primary")
        st.button("Did it help? →", on_click=address.go, kwargs={**here, "view": "proof"})
        st.button("All sittings →", on_click=address.go, kwargs={**here, "view": "sittings"})


def _twice(store: Store, dataset: Dataset, who: str, blind: int) -> None:
    """One quiet line on the pictures that came twice, with the way to the figures."""
    found = next((p for p in quality.report(store, dataset.name).people if p.who == who), None)
    if found is None or not found.itself.n:
        if blind:
            st.caption(f"{words.many(blind, 'picture was', 'pictures were')} shown to measure you.")
        return
    same, n = found.itself.hits, found.itself.n
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"You looked twice at {words.many(n, 'picture')} and said the same {words.many(same, 'time')}.",
            width="content",
        )
        st.button(
            "More →", on_click=address.go, kwargs={"data": dataset.name, "view": "people"}, type="tertiary"
        )


def _again() -> None:
    st.query_params.pop("ended", None)
    st.query_params["sitting"] = secrets.token_hex(4)
