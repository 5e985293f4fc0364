"""Why one face was read as it was, and what a model looks at in each class."""

from collections import OrderedDict

import numpy as np
import streamlit as st

from fer_core.dataset import browse
from fer_core.dataset.browse import Detail, Tile
from fer_core.dataset.store import Store, find_dataset
from fer_core.errors import NotFound
from fer_core.evaluation import why
from fer_core.evaluation.trial import Trial
from fer_core.evaluation.why import Average, Explanation, Learnt, Neighbour
from fer_core.imaging.decode import decode_image
from fer_core.inference import explanation
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card
from pages._shared import cell_view, charts, errors, gallery, heat, jobs, labelling, resources

_KEPT = 3
"""Models whose training faces are in memory: 28,000 faces of 112 numbers are 13 MB, of 1,280 are 147 MB."""

_FEWEST = 5
"""Faces of which a mean is shown: one of fewer shows a person rather than a class."""


def show(store: Store, trial: Trial, kind: str, sample: int) -> None:
    """One face: the sentence, what the network saw and looked at, its neighbours, and a better label.

    Args:
        kind: what counts as true, of results.KINDS.
        sample: of the trial's rows, or any other that its neighbours led to.
    """
    try:
        found = browse.detail(store, sample)
    except NotFound as error:
        st.warning(errors.plain(str(error)))
        return
    predictor = resources.predictor(trial.card.id)
    learnt = _kept().get(_learnt_key(trial))
    known = (*_answer_key(predictor.card), *(_learnt_key(trial) if learnt else ()))
    told = _explained(store, predictor, learnt, sample, found.tile.image, trial.faces, known)
    reading, _, rest = told.sentence.partition("; ")
    st.markdown(f"**{errors.plain(reading)}**" + (f"; {errors.plain(rest)}" if rest else ""))
    _truth(trial, kind, found)
    picture, saw, read = st.columns([4, 5, 4], gap="medium")
    with picture:
        st.markdown("**The picture**")
        shown = decode_image(store.image_bytes([found.tile.image])[found.tile.image], max_side=1200)
        alt = f"sample {sample}, labelled {found.tile.label or 'nothing'}"
        st.image(heat.enlarged(shown), width=heat.SIDE, alt=alt)
        _facts(trial, found)
    with saw:
        st.markdown("**What speaks for the answer**")
        _looked_at(predictor, told, found, trial.faces)
    with read:
        _answers(told)
    _label(store, trial, found)
    _nearest(store, trial, predictor, told, learnt)


def averages(store: Store, trial: Trial, kind: str) -> None:
    """A picture for each class: the mean of the faces that were read right, and what spoke for the class."""
    st.subheader("What it looks at", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = heat.choose("average heat", off=False)
    weights = resources.weights(trial.card)
    key = f"averages {weights} {trial.rows.version} {trial.rows.split} {trial.faces} {kind} {chosen}"
    job = jobs.find(key)
    if job is None:
        st.markdown(
            "The mean of the faces that it reads right in each class, and of what speaks for that class."
        )

        def work(progress):
            predictor = resources.predictor(trial.card.id)
            return why.average(store, predictor, trial, kind, chosen, progress=progress)

        most = why.FACES_PER_CLASS
        st.button(
            f"Average up to {most} faces of each class",
            on_click=jobs.start,
            args=(key, "Looking into the network", work),
        )
        return
    ended = jobs.show(key)
    if ended is not None and ended.state == "done":
        _drawn(ended.value)
    elif ended is not None:
        st.button("Try again", on_click=jobs.forget, args=(key,), key=f"again {key}")


def _drawn(found: tuple[Average, ...]) -> None:
    filled = [one for one in found if one.faces >= _FEWEST]
    if not filled:
        st.info(f"No class has {_FEWEST} faces that were read right, so there is nothing to average.")
        return
    pictures = [_above(one.face, one.heat) for one in filled if one.face is not None and one.heat is not None]
    st.image(
        pictures,
        caption=[f"{one.label} ({one.faces})" for one in filled],
        width=98,
        alt=[f"Mean face of {one.label}, and below it what speaks for {one.label}" for one in filled],
    )
    heat.legend("little weight", "most weight")
    if few := [f"{one.label} ({one.faces})" for one in found if one.faces < _FEWEST]:
        st.caption(f"Too few right answers to average: {', '.join(few)}.")


def _above(face: np.ndarray, warmth: np.ndarray) -> np.ndarray:
    """The mean face, and below it the same under its heat map."""
    under = heat.overlay(face, warmth)
    plain = heat.enlarged(face)
    plain = np.repeat(plain[..., None], 3, axis=2) if plain.ndim == 2 else plain
    return np.concatenate([plain, under])


def _truth(trial: Trial, kind: str, found: Detail) -> None:
    """What counts as true, and what keeps this face from being an honest question."""
    rows = trial.rows.frame
    mine = rows[rows["sample"] == found.tile.sample]
    if mine.empty:
        where = f"{errors.plain(found.dataset)}, {found.tile.split}"
        label = errors.plain(found.tile.label or "no label")
        st.caption(f"Not one of the faces that are measured: it is of {where}, labelled {label}.")
        return
    was = mine["label"].iloc[0] or "no label"
    now = found.tile.label or "no label"
    said = [
        f"Its label is **{errors.plain(was)}**" + (f", now **{errors.plain(now)}**" if now != was else "")
    ]
    result = trial.result(kind)
    place = np.flatnonzero((result.frame["sample"] == found.tile.sample).to_numpy())
    if kind == "votes" and len(place):
        said.append(f"most raters said **{errors.plain(result.label_set.names[result.truth[place[0]]])}**")
    if not len(place):
        said.append("it has no answer that the model could give, so it does not count")
    elif trial.seen is not None and result.leaked[place[0]]:
        said.append("the model was trained on a copy of it, exact or near")
    st.markdown("; ".join(said) + ".")


def _facts(trial: Trial, found: Detail) -> None:
    st.caption(f"{found.width} × {found.height} px, {errors.plain(found.tile.source)}")
    st.page_link(
        "pages/datasets.py",
        label="How it came to its label",
        icon=":material/history:",
        query_params={"data": found.dataset, "sample": str(found.tile.sample)},
    )


@st.fragment
def _looked_at(predictor: Predictor, told: Explanation, found: Detail, faces: str) -> None:
    if told.crop is None or told.heat is None or told.probabilities is None:
        st.info("No face was found here, so there is no answer to explain.")
        return
    crop, occluded, guess = told.crop, told.heat, int(told.probabilities.argmax())

    def of(kind: str) -> np.ndarray:
        if kind == explanation.OCCLUSION:
            return occluded
        key = (*_answer_key(predictor.card), found.tile.image, faces)
        return _differentiated(predictor, crop, guess, kind, key)

    heat.show(crop, of, told.labels.names[guess], "heat")


def _answers(told: Explanation) -> None:
    if told.probabilities is not None:
        st.markdown("**What it answers**")
        names = told.labels.names
        said = ", ".join(f"{n} {p:.0%}" for n, p in zip(names, told.probabilities, strict=True))
        charts.bars(names, told.probabilities, f"Probabilities: {said}")
    if told.votes:
        total = told.votes.total()
        st.markdown(f"**What {total} raters saw**")
        ranked = told.votes.most_common()
        said = ", ".join(f"{name} {n}" for name, n in ranked)
        charts.bars([name for name, _ in ranked], np.array([n for _, n in ranked]) / total, f"Votes: {said}")


def _label(store: Store, trial: Trial, found: Detail) -> None:
    st.subheader("What is right?", anchor=False)
    if found.tile.split == "test":
        st.caption(
            "Labels of a test split are not mended from a list of answers: that would flatter the model."
        )
        return
    with store.read() as connection:
        names = find_dataset(connection, found.dataset).label_set.names
    labelling.choose(store, names, found.tile, f"why {trial.card.id} answered so")


def _nearest(
    store: Store, trial: Trial, predictor: Predictor, told: Explanation, learnt: Learnt | None
) -> None:
    st.subheader("Nearest training faces", anchor=False)
    if learnt is None:
        _learn(store, trial, predictor)
        return
    if not told.nearest and not told.copies:
        st.caption("There is no training face here to compare with.")
        return
    if not learnt.own:
        st.caption(
            f"Its own training faces are not here; these are of {errors.plain(learnt.dataset)}, which it was "
            "not trained on."
        )
    by_sample = {near.sample: near for near in (*told.copies, *told.nearest)}
    copies = {near.sample for near in told.copies}
    with store.read() as connection:
        tiles = browse.tiles(connection, list(by_sample))

    def caption(tile: Tile) -> str:
        near = by_sample[tile.sample]
        away = "same picture" if tile.sample in copies else f"{1 - near.distance:.2f}"
        return f"{_name(near, tile)}, {away}"

    gallery.show(store, tiles, "nearest faces", on_open=cell_view.open_sample, captions=caption, size=112)
    st.caption(
        "Each with the label that it was trained with, and how alike it is in the eyes of the network: 1 is "
        "the same (cosine of the features before the answer). Click one to see why it is read as it is."
    )


def _name(near: Neighbour, tile: Tile) -> str:
    was, now = near.label or "no label", tile.label or "no label"
    return was if was == now else f"{was} (now {now})"


def _learn(store: Store, trial: Trial, predictor: Predictor) -> None:
    """Draw the work that must be done once for each model; the page runs again when it is."""
    key = _learnt_key(trial)
    name = f"learnt {key}"
    if jobs.find(name) is None:

        def work(progress):
            rows = why.training_rows(store, predictor.card, trial.rows.dataset)
            # Nothing to compare with is an answer too.
            found = why.learn(store, predictor, *rows, progress) if len(rows[2]) else _nobody(*rows)
            _kept()[key] = found
            while len(_kept()) > _KEPT:
                _kept().popitem(last=False)

        jobs.start(name, "Reading the training faces, once for this model", work)
    ended = jobs.show(name)
    if ended is not None and ended.state == "done":
        jobs.forget(name)
        st.rerun()
    if ended is not None:
        st.button("Try again", on_click=jobs.forget, args=(name,), key="learn again")


def _nobody(dataset: str, own: bool, frame) -> Learnt:
    return Learnt(dataset, own, frame, np.zeros((0, 1), np.float32))


def _learnt_key(trial: Trial) -> tuple[str, ...]:
    """Training labels are those of the version that the card names, so edits change nothing here."""
    trained = (str(trial.card.training.get(name, "")) for name in ("dataset", "version"))
    return (resources.weights(trial.card), *trained, trial.rows.dataset)


def _answer_key(card: Card) -> tuple[str, ...]:
    return resources.weights(card), f"{card.temperature:g}", str(card.flip_average)


@st.cache_resource(max_entries=64, show_spinner="Looking into the network…")
def _explained(
    _store: Store,
    _predictor: Predictor,
    _learnt: Learnt | None,
    sample: int,
    image: str,
    faces: str,
    key: tuple[str, ...],
) -> Explanation:
    return why.explain(_store, _predictor, sample, faces, _learnt)


@st.cache_resource(max_entries=64, show_spinner=False)
def _differentiated(
    _predictor: Predictor, _crop: np.ndarray, guess: int, kind: str, key: tuple[str, ...]
) -> np.ndarray:
    return explanation.heat(_predictor, _crop[None], np.array([guess]), kind)[0]


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[tuple[str, ...], Learnt]:
    return OrderedDict()
