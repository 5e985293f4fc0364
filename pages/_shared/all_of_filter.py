"""One label for everything that a filter lets through: asked first, done in one go, undone in one go."""

import secrets

import streamlit as st

from fer_core import labels
from fer_core.dataset import browse, ledger
from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Dataset, Store
from pages._shared import errors, labelling, words


def ask(dataset: Dataset) -> None:
    """Let the page ask what all shall be called; for callbacks."""
    st.session_state[_key(dataset)] = secrets.token_hex(8)


def asked(dataset: Dataset) -> bool:
    """Whether the page is asking."""
    return _key(dataset) in st.session_state


def show(store: Store, dataset: Dataset, where: Filter) -> None:
    """The question: which label, how many change, and once more for a test split."""
    found = browse.outline(store, dataset.name, where)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container(width=200):
                label = st.selectbox(
                    f"Label all {len(found):,}",
                    [*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE],
                    key=f"{_key(dataset)} label",
                )
            with st.container(width=200):
                who = labelling.ask_name()
        test = found["split"] == "test"
        if test.any() and not st.checkbox(
            f"Also the {words.many(int(test.sum()), 'picture')} of the test split: figures measured on "
            "it before will not compare with later ones",
            key=f"{_key(dataset)} test",
        ):
            found = found[~test]
        changes = int((found["label"] != label).sum())
        st.markdown(_preview(found["label"].value_counts(dropna=False).to_dict(), len(found), changes, label))
        with st.container(horizontal=True):
            st.button(
                f"Label {words.many(len(found), 'picture')}",
                type="primary",
                disabled=not who or found.empty,
                on_click=_give,
                args=(store, dataset, found["sample"].tolist(), label),
            )
            st.button("Cancel", on_click=_close, args=(dataset,), type="tertiary")


def _preview(present: dict, count: int, changes: int, label: str) -> str:
    """ "1,200 of 1,234 pictures change: 800 happy, 400 no label. 34 are sad already."."""
    if not count:
        return "No picture is left to label."
    others = {
        str(name) if isinstance(name, str) else "no label": n for name, n in present.items() if name != label
    }
    what = ", ".join(f"{n:,} {errors.plain(name)}" for name, n in others.items())
    said = f"**{changes:,} of {words.many(count, 'picture')} would change**" + (f": {what}." if what else ".")
    if already := count - changes:
        said += f" {already:,} {'is' if already == 1 else 'are'} {errors.plain(label)} already."
    return said + " It is one step, which Undo takes back whole."


def _give(store: Store, dataset: Dataset, samples: list[int], label: str) -> None:
    # Exactly what the preview counted, whatever the filter would let through by now.
    if labelling.give(store, samples, label, ledger.BY_FILTER, st.session_state.get(_key(dataset))):
        _close(dataset)


def _close(dataset: Dataset) -> None:
    for key in [key for key in st.session_state if str(key).startswith(_key(dataset))]:
        st.session_state.pop(key)


def _key(dataset: Dataset) -> str:
    return f"label all of {dataset.id}:"
