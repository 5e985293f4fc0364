"""The queues of a dataset: what is in each, what it yields, and the way in."""

import secrets
from collections.abc import Callable

import streamlit as st

from fer_core.dataset import browse, changes, findings, overview
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import BadInput, NotFound
from fer_core.review import claims, people, queues, reports
from fer_core.review.queues import KINDS, Queue
from pages._shared import address, errors, labelling, resources, trials, words

A_MINUTE = 30
"""Pictures that a practised person answers in a minute."""

_PRIOR, _UNKNOWN = 20, 0.3
"""Answers that an expectation counts for; and the share where nobody has measured any."""

_SPLITS = ("train", "validation", "none")
"""Where labels are put right openly; a test split has a queue of its own, which is blind."""


def show(store: Store, dataset: Dataset) -> None:
    """A card for each kind of queue, the one that yields most first."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=200):
            who = labelling.ask_name()
        counts = overview.balance(store, dataset.name).groupby("split")["n"].sum()
        filled = [split for split in _SPLITS if counts.get(split)]
        with st.container(width=160):
            split = address.select(
                "Split", filled or ["train"], "split", lambda s: "no split" if s == "none" else s
            )
        models = resources.models("expression")
        with st.container(width=280):
            model = (
                address.select("Model", list(models), "model", lambda id: models[id].title) if models else ""
            )
    st.caption(f"10 minutes ≈ {10 * A_MINUTE} pictures. What brings most comes first.")
    if not who:
        st.caption("Enter your name to begin: it stands beside each label that you give.")
    if not counts.sum():
        st.info("This dataset has no picture yet.")
        _to_datasets(dataset, "Add some →", view="add")
        return
    reported = dataset.name == reports.DATASET
    rows = [(name, _standing(store, dataset, name)) for name in KINDS]
    rows.sort(key=lambda row: -_gain(*row))
    for name, (answers, changed) in rows:
        in_split = "test" if name == "blind" else split
        if not counts.get(in_split):
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            count = _size(store, dataset, name, in_split)
            missing = _missing(name, count, len(models))
            with st.container(width="stretch"):
                kind = KINDS[name]
                title = "Reported as wrong" if reported and name == "random" else kind.title
                about = f" · {words.many(count, 'picture')}" if count is not None else ""
                st.markdown(f"**{title}**{about}")
                st.caption(f"{kind.sentence} {missing or _promise(name, answers, changed, count)}")
            if missing:
                _fill(name, dataset)
                continue
            wanted = {"data": dataset.name, "queue": name, "split": in_split}
            if kind.models:
                wanted["model"] = model
            _start(name, wanted, who)
    _elsewhere(store, dataset, who)
    st.caption(
        "Expected shares were measured on the practice dataset, whose wrong labels are known (suspects in "
        "benchmarks/queues.py, the others in benchmarks/yields.py), with models that never saw it; a "
        "dataset with more wrong labels yields more. What is answered here counts more and more instead: "
        "an answer that changed the label is a label put right."
    )


def _start(name: str, wanted: dict[str, str], who: str) -> None:
    wanted["sitting"] = secrets.token_hex(4)
    st.button(
        "Start",
        key=f"start {name}",
        type="primary",
        disabled=not who,
        on_click=address.go,
        kwargs=wanted,
    )


def _elsewhere(store: Store, dataset: Dataset, who: str) -> None:
    """Faces that were reported from photos are a dataset of their own."""
    if dataset.name == reports.DATASET or reports.DATASET not in (d.name for d in store.datasets()):
        return
    if count := browse.counted(store, reports.DATASET):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.markdown(f"**Reported as wrong** · {words.many(count, 'picture')}")
                st.caption(
                    "Faces that visitors of the photo page said were read wrongly, with their consent."
                )
            _start("reported", {"data": reports.DATASET, "queue": "random", "split": "none"}, who)


def _missing(name: str, count: int | None, models: int) -> str:
    """What keeps a queue empty, in a sentence; "" where nothing does."""
    if KINDS[name].models > models:
        return "Needs a model." if not models else "Needs two models."
    if count:
        return ""
    if name == "people":
        return (
            "Nothing is in it now: it fills when two people answer the same pictures and differ. Switch on "
            "“Everyone answers for every picture” at the desk."
        )
    if count == 0:
        return {
            "suspect": "Nothing is in it now: “Look for wrong labels” fills it.",
            "conflict": "Nothing is in it now: a checkup fills it.",
            "votes": "Nothing is in it now: a checkup fills it, where pictures came with votes.",
        }.get(name, "Nothing is in it now.")
    return ""


def _fill(name: str, dataset: Dataset) -> None:
    """The way to what fills an empty queue."""
    if KINDS[name].finding:
        title = "Look for wrong labels →" if name == "suspect" else "To the checkup →"
        _to_datasets(dataset, title, view="problems")
    elif KINDS[name].models:
        st.page_link("pages/train.py", label="Train one →")


def _to_datasets(dataset: Dataset, title: str, view: str) -> None:
    st.page_link("pages/datasets.py", label=title, query_params={"data": dataset.name, "view": view})


def _promise(name: str, answers: int, changed: int, count: int | None) -> str:
    """What ten minutes of it bring."""
    pictures = min(10 * A_MINUTE, count or 10 * A_MINUTE)
    time = f"{max(1, round(pictures / A_MINUTE))} min ≈ {words.many(pictures, 'picture')}"
    if KINDS[name].yields is None and not answers:
        return f"{time}; how many are wrong nobody has measured yet."
    share = _gain(name, (answers, changed))
    basis = f"{changed:,} of {answers:,} so far here" if answers else "expected"
    return f"{time} ≈ {words.many(round(pictures * share), 'label')} put right ({basis})."


def _standing(store: Store, dataset: Dataset, name: str) -> tuple[int, int]:
    """How many answers a kind of queue got, and how many of them changed the label."""
    return claims.yields(store, dataset.name, name)


def _gain(name: str, standing: tuple[int, int]) -> float:
    """Share of a queue's answers that change the label: expected at first, then as it was here."""
    answers, changed = standing
    known = KINDS[name].yields
    expected = _UNKNOWN if known is None else known
    # The expectation counts like twenty answers, so that three in a row do not turn the list upside down.
    return (changed + _PRIOR * expected) / (answers + _PRIOR)


def _size(store: Store, dataset: Dataset, name: str, split: str) -> int | None:
    """How many pictures are in a queue, where that is known without asking a model."""
    if finding := KINDS[name].finding:
        where = browse.Filter(split=split, finding=finding)
        return browse.counted(store, dataset.name, where) if findings.summary(store, dataset.name) else 0
    if name == "random":
        return browse.counted(store, dataset.name, browse.Filter(split=split))
    if name == "people":
        return _differing(store, str(store.engine.url), dataset.name, changes.newest(store, dataset.name))
    return None


@st.cache_data(max_entries=16, show_spinner=False)
def _differing(_store: Store, place: str, dataset: str, newest: int) -> int:
    return len(queues.people(people.votes_of(_store, dataset)))


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
