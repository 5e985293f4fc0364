"""How well the classes of a set are told apart, by photos that are left out, and what decides it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.errors import FerError
from fer_core.fewshot import classes, model, sets, teach
from fer_core.fewshot.heads import Score
from fer_core.fewshot.sets import ClassSet
from fer_core.fewshot.teach import Look
from fer_core.zoo.head import NEIGHBOURS, PROTOTYPE, RIDGE
from pages._shared import address, charts, errors, resources, words

_AUTO = "best"
KINDS = {
    _AUTO: "whichever is right most often",
    PROTOTYPE: "the nearest class mean",
    NEIGHBOURS: "a vote of the nearest photos",
    RIDGE: "a linear head (ridge)",
}
"""How a head decides, in words."""


@dataclass(frozen=True)
class Settings:
    """What was chosen beside the photos.

    Attributes:
        kind: of zoo.head.KINDS; None is the best.
        unknown: whether the model may answer `labels.UNKNOWN`.
    """

    kind: str | None
    unknown: bool


def settings(class_set: ClassSet) -> Settings:
    """The model underneath, how it decides, and whether it may say that it is none of these."""
    with st.expander("How it works inside"):
        _base(class_set)
        kind = address.select("It decides by", list(KINDS), "kind", KINDS.__getitem__)
        key = f"unknown {class_set.id}"
        st.session_state[key] = st.query_params.get("unknown") != "no"
        st.toggle(
            f"May answer “{labels.UNKNOWN}”",
            key=key,
            help="For faces further from every photo than the photos are from each other.",
            on_change=lambda: address.write("unknown", None if st.session_state[key] else "no"),
        )
    return Settings(None if kind == _AUTO else kind, bool(st.session_state[key]))


def get(class_set: ClassSet) -> tuple[Look | None, str]:
    """The look at a set, and what went wrong where there is none."""
    try:
        return _look(class_set.id, state(class_set), class_set.base, _weights(class_set.base)), ""
    except FerError as error:
        return None, str(error)


def state(class_set: ClassSet) -> str:
    """Tells one state of a set from the next."""
    return hashlib.sha256(sets.written(class_set).encode()).hexdigest()


def show(look: Look, chosen: Settings) -> None:
    """The figure with its interval, the photos that confuse, the distances between classes."""
    kind = chosen.kind or look.kind
    assert kind is not None
    score = look.scores[kind]
    if score.n:
        st.markdown(f"**{right(score)}** when each photo is left out in turn. Deciding by {KINDS[kind]}.")
        counts = [len(one.examples) for one in look.class_set.classes]
        st.caption(
            f"Always saying the commonest class would get {max(counts)} of {sum(counts)}. "
            "These are the same photos that it is taught from: of other people, or in another light, it may "
            "be right less often. The interval is about so few photos alone."
        )
    else:
        st.markdown("One photo a class: nothing can be left out, so nobody knows how good it is. Add more.")
    _confusing(look)
    left, right_ = st.columns(2, gap="large")
    with left:
        _kinds(look, kind)
    with right_:
        _distances(look)


def right(score: Score) -> str:
    """ "9 of 12 right, 47 to 91 %"."""
    return f"{score.right} of {score.n} right, {score.low * 100:.0f} to {score.high * 100:.0f} %"


def _base(class_set: ClassSet) -> None:
    cards = {card.id: card for card in model.bases()}
    key = f"base {class_set.id}"
    st.session_state[key] = class_set.base if class_set.base in cards else None

    def change() -> None:
        with errors.guard():
            classes.use_base(class_set.id, st.session_state[key])

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Built on",
            list(cards),
            format_func=lambda id: cards[id].title,
            key=key,
            on_change=change,
            placeholder="its model is gone: choose another",
            help="The network whose view of a face is used. It is not changed.",
            width=420,
        )
        compare = st.button(
            "Compare them",
            disabled=len(cards) < 2 or len(class_set.examples) < 2,
            help="Leaves out each photo in turn, with every model.",
        )
    kept = f"compared {class_set.id}"
    if compare:
        with st.spinner("Comparing the models…", show_time=True):
            st.session_state[kept] = _photos(class_set), _compared(class_set, list(cards))
    # What was compared with other photos says nothing of these.
    photos, scores = st.session_state.get(kept, ("", []))
    if scores and photos == _photos(class_set):
        _table(class_set, [(cards[id].title, id, score) for id, score in scores if id in cards])


def _compared(class_set: ClassSet, ids: list[str]) -> list[tuple[str, Score]]:
    """The best score on each base, best first."""
    found = []
    for id in ids:
        try:
            look = _look(class_set.id, state(class_set), id, _weights(id))
        except FerError:
            continue
        if look.kind is not None:
            found.append((id, look.scores[look.kind]))
    return sorted(found, key=lambda one: -one[1].right)


def _photos(class_set: ClassSet) -> str:
    """Tells the photos and their classes, whatever the base."""
    return ",".join(f"{place}{example.id}" for place, example in class_set.examples)


def _table(class_set: ClassSet, rows: list[tuple[str, str, Score]]) -> None:
    _rows({title: right(score) for title, _, score in rows})
    st.caption("The best of several tries flatters itself: take a difference of one or two photos for none.")
    title, best, _ = rows[0]
    if best != class_set.base:
        st.button(
            f"Build on {errors.plain(title)}", on_click=_use, args=(class_set.id, best), key="use the best"
        )


def _use(set_id: str, base: str) -> None:
    with errors.guard():
        classes.use_base(set_id, base)


def _confusing(look: Look) -> None:
    worst = look.confusing
    if not worst:
        return
    lines = []
    for place in worst[:5]:
        assert place.own_distance is not None and place.other_distance is not None
        lines.append(
            f"- {errors.plain(place.example.source)} looks more like **{errors.plain(str(place.confuses))}** "
            f"than **{errors.plain(place.class_name)}**: {place.other_distance:.2f} from there, "
            f"{place.own_distance:.2f} from its own"
        )
    more = f"\n- and {len(worst) - 5} more" if len(worst) > 5 else ""
    st.markdown(f"{words.many(len(worst), 'photo')} may confuse the classes:\n\n" + "\n".join(lines) + more)


def _kinds(look: Look, kind: str) -> None:
    st.markdown("**Which way of deciding is right?**")
    _rows({KINDS[name] + " ✓" * (name == kind): right(score) for name, score in look.scores.items()})
    st.caption("✓ is the one that is used; the range is the 95 % interval.")


def _rows(rows: dict[str, str]) -> None:
    frame = pd.Series(rows, name="").map(errors.plain).to_frame()
    st.table(frame.rename(index=errors.plain), hide_header=True, border="horizontal")


def _distances(look: Look) -> None:
    """The mean distance between the photos of two classes, and within each."""
    st.markdown("**Which classes lie close together?**")
    present = [one for one in look.class_set.classes if one.examples]
    names = [one.name for one in present]
    truth = np.repeat(np.arange(len(present)), [len(one.examples) for one in present])
    means = class_distances(look.distances, truth, len(present))
    said = [["" if np.isnan(value) else f"{value:.2f}" for value in row] for row in means]
    figure = go.Figure(
        go.Heatmap(
            z=means,
            x=names,
            y=names,
            text=said,
            texttemplate="%{text}",
            textfont={"size": 12},
            hovertemplate="%{y} to %{x}: %{z:.2f}<extra></extra>",
            colorscale=charts.scale(),
            reversescale=True,
            zmin=0,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    axes = {"fixedrange": True, "showgrid": False, "ticks": "", "zeroline": False, "automargin": True}
    figure.update_xaxes(side="top", tickangle=-40 if len(names) > 3 else 0, type="category", **axes)
    figure.update_yaxes(autorange="reversed", type="category", **axes)
    charts.plain(figure, height=40 * len(names) + 90)
    st.plotly_chart(
        figure,
        key="class distances",
        config=charts.BUTTONS,
        alt="Mean distance between the photos of classes",
    )
    st.caption(
        "Mean distance between photos; on the diagonal, of one class among themselves. "
        "The stronger the colour, the closer: the diagonal should be the strongest of its row."
    )


def class_distances(distances: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """(count, count) float64 mean distances between the members of classes, each pair of different photos.

    Args:
        distances: (N, N) between photos.
        truth: (N,) their classes. NaN stands for a class of one photo with itself.
    """
    different = ~np.eye(len(distances), dtype=bool)
    means = np.full((count, count), np.nan)
    for row in range(count):
        for column in range(count):
            pairs = different & (truth[:, None] == row) & (truth[None] == column)
            if pairs.any():
                means[row, column] = distances[pairs].mean()
    return means


def _weights(base: str) -> str:
    """Checksum of a base; "" where it is gone."""
    return resources.weights(resources.models().get(base))


@st.cache_resource(max_entries=16, show_spinner=False)
def _look(set_id: str, state: str, base: str, weights: str) -> Look:
    return teach.look(set_id, base, predictor=resources.predictor(base))
