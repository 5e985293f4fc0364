"""Models measured on rows of a dataset: kept for all visitors, made once, with progress."""

from collections import OrderedDict

import streamlit as st

from fer_core.dataset import changes
from fer_core.dataset.store import Store
from fer_core.evaluation import trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Rows, Trial
from fer_core.zoo import library
from fer_core.zoo.card import Card
from pages._shared import jobs, resources

_KEPT = 64
"""Trials in memory: 35,000 rows of one model are some 10 MB."""


def rows(store: Store, dataset: str, version: str | None, split: str, place: int | None = None) -> Rows:
    """The rows of a split, read once for each state of the dataset; raises as `trial.rows`.

    Args:
        place: for the present state as it was when this was its last event, while that is still at hand.
    """
    if version is not None:
        place = 0
    elif place is None:
        place = changes.newest(store, dataset)
    return _rows(store, dataset, version, split, place)


def made(card: Card, asked: Rows, faces: str = WHOLE) -> Trial | None:
    """The trial, if it was made since the server started."""
    return _trials().get(_key(card, asked, faces))


def get(store: Store, model: str, asked: Rows, faces: str = WHOLE) -> Trial | None:
    """The trial of a model; while it is being made its progress is drawn here, and this is None.

    The page runs again once it is made. A failure is said here, and not tried again until asked.

    Raises:
        NotFound, BadModel: no such model, or one that must not be served.
    """
    card = library.find(model).card
    assert card is not None
    key = _key(card, asked, faces)
    if (found := _trials().get(key)) is not None:
        _trials().move_to_end(key)
        return found
    name = "trial " + " ".join(key)
    if jobs.find(name) is None:
        predictor = resources.predictor(model)

        def work(progress):
            _trials()[key] = trial.run(store, predictor, asked, faces, progress)
            while len(_trials()) > _KEPT:
                _trials().popitem(last=False)

        jobs.start(name, f"Reading {len(asked.frame):,} pictures with {card.title}", work)
    ended = jobs.show(name)
    if ended is not None and ended.state == "done":
        jobs.forget(name)
        st.rerun()
    if ended is not None and st.button("Try again", key=f"again {name}"):
        jobs.forget(name)
        st.rerun()
    return None


def _key(card: Card, asked: Rows, faces: str) -> tuple[str, ...]:
    weights = resources.weights(card)
    return weights, f"{card.temperature:g}", asked.dataset, asked.version, asked.split, faces


@st.cache_resource(max_entries=32, show_spinner=False)
def _rows(_store: Store, dataset: str, version: str | None, split: str, place: int) -> Rows:
    return trial.rows(_store, dataset, version, split)


@st.cache_resource(show_spinner=False)
def _trials() -> OrderedDict[tuple[str, ...], Trial]:
    return OrderedDict()
