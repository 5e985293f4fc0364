"""The queues of a dataset: what is in each, what it yields, and the way in."""

import secrets
from collections.abc import Callable

import streamlit as st

from fer_core.dataset import browse, findings
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import BadInput, NotFound
from fer_core.review import claims, people, queues
from fer_core.review.queues import KINDS, Queue
from pages._shared import address, errors, labelling, resources, trials, words

A_MINUTE = 30
"""Pictures that a practised person answers in a minute."""

_SPLITS = ("train", "validation", "none")
"""Where labels are put right openly; a test split has a queue of its own, which is blind."""


def show(store: Store, dataset: Dataset) -> None:
    """A card for each kind of queue, the one that yields most first."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=200):
            who = labelling.ask_name()
        counts = browse.balance(store, dataset.name).groupby("split")["n"].sum()
        filled = [split for split in _SPLITS if counts.get(split)] or ["train"]
        with st.container(width=160):
            split = address.select("Split", filled, "split", lambda s: "no split" if s == "none" else s)
        models = resources.models("expression")
        with st.container(width=280):
            model = (
                address.select("Model", list(models), "model", lambda id: models[id].title) if models else ""
            )
    if not who:
        st.caption("Enter your name to begin: it stands beside each label that you give.")
    rows = [(name, *_standing(store, dataset, name)) for name in KINDS]
    rows.sort(key=lambda row: -row[1])
    for name, yields, answered in rows:
        if KINDS[name].models == 2 and len(models) < 2 or KINDS[name].models and not models:
            continue
        if name == "blind" and not counts.get("test"):
            continue
        _card(store, dataset, name, "test" if name == "blind" else split, model, who, yields, answered)


def _card(
    store: Store,
    dataset: Dataset,
    name: str,
    split: str,
    model: str,
    who: str,
    yields: float,
    answered: int,
) -> None:
    kind = KINDS[name]
    count = _size(store, dataset, name, split)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            st.markdown(
                f"**{kind.title}**" + (f" · {words.many(count, 'picture')}" if count is not None else "")
            )
            st.caption(f"{kind.sentence} {_promise(yields, answered, count)}")
        wanted = {"data": dataset.name, "queue": name, "split": split, "sitting": secrets.token_hex(4)}
        if kind.models:
            wanted["model"] = model
        st.button(
            "Start",
            key=f"start {name}",
            type="primary" if count else "secondary",
            disabled=not who or count == 0,
            on_click=address.go,
            kwargs=wanted,
        )


def _promise(yields: float, answered: int, count: int | None) -> str:
    """What ten minutes of it bring."""
    if count == 0:
        return "Nothing is in it now."
    pictures = min(10 * A_MINUTE, count or 10 * A_MINUTE)
    minutes = max(1, round(pictures / A_MINUTE))
    measured = "so far here" if answered else "expected"
    return (
        f"{minutes} min ≈ {pictures} pictures ≈ {words.many(round(pictures * yields), 'label')} put right "
        f"({words.percent(yields, 0)} of them wrong, {measured})."
    )


def _standing(store: Store, dataset: Dataset, name: str) -> tuple[float, int]:
    """Share of a queue's answers that changed the label, and how many there were; the prior where too few."""
    answers, changed = claims.yields(store, dataset.name, name)
    # The prior counts like twenty answers, so that three in a row do not turn the list upside down.
    return (changed + 20 * KINDS[name].yields) / (answers + 20), answers


def _size(store: Store, dataset: Dataset, name: str, split: str) -> int | None:
    """How many pictures are in a queue, where that is known without asking a model."""
    if finding := KINDS[name].finding:
        where = browse.Filter(split=split, finding=finding)
        return browse.counted(store, dataset.name, where) if findings.summary(store, dataset.name) else 0
    if name == "random":
        return browse.counted(store, dataset.name, browse.Filter(split=split))
    return None


def build(store: Store, dataset: Dataset) -> Queue | None:
    """The queue that the address names; None while a model is being asked, whose progress is drawn.

    Raises:
        NotFound: no such kind of queue, or model.
        BadInput: it cannot be made of what is here.
    """
    name = st.query_params.get("queue", "")
    if name not in KINDS:
        raise NotFound.of("queue", name, KINDS)
    makers: dict[str, Callable[[Store, Dataset, str], Queue | None]] = {
        "random": _random,
        "people": lambda store, dataset, split: queues.people(people.votes_of(store, dataset.name)),
        "disagree": _disagree,
        "missed": _missed,
        "blind": _missed,
        "doubt": _doubt,
    }
    split = st.query_params.get("split", "train")
    key = " ".join(f"{k}={v}" for k, v in sorted(st.query_params.items()) if k != "sitting")
    kept = st.session_state.get("queue")
    # A queue stays as it was begun: answers change labels, and the list must not move under the hand.
    if kept and kept[0] == (key, st.query_params.get("sitting")):
        return kept[1]
    if KINDS[name].finding:
        made: Queue | None = queues.of_findings(store, dataset.name, name, split)
    else:
        made = makers[name](store, dataset, split)
    if made is not None:
        st.session_state["queue"] = (key, st.query_params.get("sitting")), made
    return made


def _random(store: Store, dataset: Dataset, split: str) -> Queue:
    return queues.at_random(trials.rows(store, dataset.name, None, split).frame, split)


def _missed(store: Store, dataset: Dataset, split: str) -> Queue | None:
    model = _model("model")
    trial = trials.get(store, model, trials.rows(store, dataset.name, None, split))
    if trial is None:
        return None
    if st.query_params["queue"] == "blind":
        return queues.blind(trial.result(), model, split)
    cell = {name: st.query_params.get(name) for name in ("true", "read")}
    return queues.missed(trial.result(), model, split, **cell)


def _disagree(store: Store, dataset: Dataset, split: str) -> Queue | None:
    models = list(resources.models("expression"))
    one = _model("model")
    other = st.query_params.get("other") or next(id for id in models if id != one)
    rows = trials.rows(store, dataset.name, None, split)
    found = [trials.get(store, model, rows) for model in (one, other)]
    if found[0] is None or found[1] is None:
        return None
    shared = [name for name in found[0].result().label_set.names if name in found[1].result().label_set]
    if not shared:
        raise BadInput(f"Models must share classes. Received: {one} and {other}, which share none.")
    return queues.disagree(found[0].result(), found[1].result(), (one, other), split)


def _doubt(store: Store, dataset: Dataset, split: str) -> Queue | None:
    model = _model("model")
    rows = trials.rows(store, dataset.name, None, split)
    predictor = resources.predictor(model)
    trial = trials.get(store, model, rows)
    if trial is None:
        return None
    return queues.doubt(rows.frame, trial.answers, predictor.labels, model, split)


def _model(name: str) -> str:
    models = list(resources.models("expression"))
    asked = st.query_params.get(name, "")
    if asked in models:
        return asked
    if asked:
        st.warning(errors.plain(f"The model {asked!r} is not here any more; another one is asked."))
    if not models:
        raise BadInput("This queue asks a model. Received: none in the library. Train one first.")
    return models[0]
