"""What came of a video: the annotated copy, and for each face a timeline to click on."""

import html
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core import labels
from fer_core.imaging import detectors
from fer_core.inference import video
from fer_core.inference.video_people import Person, Summary
from pages._shared import address, charts, errors, resources, words
from pages._shared.video_results import Kept

A_PAGE = 4
"""Faces shown at a time."""

_POINTS = 240
"""Moments of a timeline: more cannot be told apart on a screen."""

_BRIEF = 3
"""Looks: faces that were found less often are often none, and come last."""

_WORTH = 0.5
"""Probability from which a peak is shown."""


def show(kept: Kept, summary: Summary) -> None:
    """The whole result."""
    st.subheader(errors.plain(kept.asked.name), anchor=False)
    st.caption(errors.plain(_facts(summary)))
    if summary.stopped:
        st.info(f"Stopped at {video.clock(summary.seconds)}. What was read until then is here, whole.")
    if summary.breaks_off:
        st.warning(f"The file's pictures end at {video.clock(summary.seconds)}, sooner than it says.")
    st.video(
        str(kept.video),
        start_time=int(st.session_state.get(f"play {kept.token}", 0)),
        alt=f"{kept.asked.name} with a box and an expression on each face",
    )
    with st.container(horizontal=True):
        stem = kept.asked.name.rsplit(".", 1)[0]
        st.download_button(
            "Video (mp4)",
            lambda: kept.video.read_bytes(),
            f"{stem}.faces.mp4",
            "video/mp4",
            on_click="ignore",
            key="video file",
        )
        st.download_button(
            "Table (CSV)",
            lambda: kept.table.read_bytes(),
            f"{stem}.faces.csv",
            "text/csv",
            on_click="ignore",
            key="table file",
            help="One row for each face and look: seconds, box in px, what it looks like, every probability, "
            "valence and arousal derived from them.",
        )
    if not summary.people:
        st.markdown(
            "**No face found.** Another face detector, or a shorter time between looks, may find one."
        )
        return
    _faces(kept, summary)


@st.fragment
def _faces(kept: Kept, summary: Summary) -> None:
    """In a fragment: a click on a timeline does not read the video's file again."""
    people = sorted(summary.people, key=lambda person: (person.looks < _BRIEF, person.number))
    st.subheader("Who looks how, and when", anchor=False)
    st.caption(
        "How probable each expression is over time. Click on a moment to see its frame. A face that leaves "
        "and comes back gets a new number: nobody is recognised."
    )
    _legend([name for name in summary.labels if any(p.peaks[name].probability >= 0.1 for p in people)])
    pages = -(-len(people) // A_PAGE)
    page = st.pagination(pages, key=f"faces {kept.token}") if pages > 1 else 1
    table = _table(str(kept.table), kept.at)
    for person in people[(page - 1) * A_PAGE : page * A_PAGE]:
        with st.container(border=True), errors.guard():
            _person(kept, summary, person, table[table["face"] == person.number])


def _person(kept: Kept, summary: Summary, person: Person, rows: pd.DataFrame) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(
            person.peaks[person.foremost].portrait,
            width=72,
            alt=f"Face {person.number} when it looks {person.foremost} most",
        )
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(sentence(person))
            st.caption(_more(person))
    _timeline(kept, summary, person, rows)
    with st.container(horizontal=True):
        for name, peak in _peaks(person):
            with st.container(width=112, gap="xsmall"):
                st.image(peak.portrait, width=96, alt=f"Face {person.number} at {peak.at:.1f} s")
                st.button(
                    f"{name} {words.share(peak.probability)}, {_moment(peak.at)}",
                    key=f"peak {kept.token} {person.number} {name}",
                    on_click=_open,
                    args=(person.number, peak.at),
                    type="tertiary",
                    help=f"The moment at which face {person.number} looks {name} most",
                )
    if st.query_params.get("face") == str(person.number):
        _frame(kept, summary, person)


def sentence(person: Person) -> str:
    """ "Face 1 looks happy 80 % of the time, can't tell 20 %." in Markdown."""
    shares = sorted(person.shares.items(), key=lambda pair: -pair[1])
    said = [f"{name} {words.percent(share, 0)}" for name, share in shares if share >= 0.005]
    looks = "looks " + ", ".join(said[:4]) + " of the time" if said else ""
    doubt = f"can't tell: {words.percent(person.unsure, 0)}" if person.unsure >= 0.005 else ""
    return errors.plain(f"Face {person.number} {'; '.join(filter(None, (looks, doubt)))}.")


def _more(person: Person) -> str:
    said = f"Seen from {_moment(person.first)} to {_moment(person.last)}, {words.many(person.looks, 'look')}."
    if person.valence is not None and person.arousal is not None:
        said += f" Valence {person.valence:+.2f}, arousal {person.arousal:+.2f} on average (derived)."
    return errors.plain(said)


def _peaks(person: Person) -> list:
    some = [pair for pair in person.peaks.items() if pair[1].probability >= _WORTH]
    return sorted(some, key=lambda pair: -pair[1].probability)[:4]


def _timeline(kept: Kept, summary: Summary, person: Person, rows: pd.DataFrame) -> None:
    """Stacked probabilities over seconds; invisible points take the clicks."""
    moments, values = _thinned(rows, summary.labels)
    if not len(moments):
        return
    figure = go.Figure()
    x, stacked = _with_gaps(moments, values, max(3 * summary.every, 1.0))
    for place, name in enumerate(summary.labels):
        figure.add_scatter(
            x=x,
            y=stacked[:, place] * 100,
            name=name,
            mode="lines",
            line={"width": 0.5, "color": labels.colour(name)},
            fillcolor=labels.colour(name),
            stackgroup="all",
            hoverinfo="skip",
        )
    figure.add_scatter(
        # Lists: arrays travel packed, and what was clicked comes back without its place.
        x=moments.tolist(),
        y=[50.0] * len(moments),
        mode="markers",
        marker={"size": 14, "opacity": 0},
        hovertext=[_said(at, row, summary.labels) for at, row in zip(moments, values, strict=True)],
        hoverinfo="text",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )
    figure.update_xaxes(
        range=[0, summary.seconds], ticksuffix=" s", fixedrange=True, showgrid=False, zeroline=False
    )
    figure.update_yaxes(
        range=[0, 101],
        tickvals=[0, 50, 100],
        ticktext=["0 %", "50 %", "100 %"],
        fixedrange=True,
        automargin=True,
        zeroline=False,
    )
    charts.plain(figure, height=160)
    figure.update_layout(hovermode="closest", hoverdistance=-1, margin_t=12)
    key = f"timeline {kept.token} {person.number}"

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            _open(person.number, float(points[-1]["x"]))

    st.plotly_chart(
        figure,
        key=key,
        config=charts.BUTTONS,
        alt=f"How probable each expression of face {person.number} is over {summary.seconds:.0f} seconds",
        on_select=clicked,
        selection_mode="points",
    )


def _frame(kept: Kept, summary: Summary, person: Person) -> None:
    """The frame that was asked for."""
    try:
        at = min(max(float(st.query_params.get("at", "0")), 0.0), summary.seconds)
    except ValueError:
        return
    st.image(
        video.frame_at(kept.video, at),
        caption=f"At {_moment(at)}",
        alt=f"The frame at {at:.1f} seconds, face {person.number}",
    )
    with st.container(horizontal=True):
        if st.button("Play from here", key=f"play from {person.number}"):
            st.session_state[f"play {kept.token}"] = int(at)
            st.rerun()
        st.button("Close", key=f"close {person.number}", on_click=_close, type="tertiary")


def _open(number: int, at: float) -> None:
    address.write("face", number)
    address.write("at", f"{at:.2f}")


def _close() -> None:
    address.write("face", None)
    address.write("at", None)


@st.cache_data(show_spinner=False, max_entries=4)
def _table(path: str, _at: str) -> pd.DataFrame:
    return pd.read_csv(path)


def _thinned(rows: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(T,) seconds and (T, K) probabilities, no more than a screen can show; a mean where there are more."""
    moments, values = rows["seconds"].to_numpy(float), rows[list(names)].to_numpy(float)
    if len(moments) <= _POINTS:
        return moments, values
    groups = np.array_split(np.arange(len(moments)), _POINTS)
    return (
        np.array([moments[group].mean() for group in groups]),
        np.array([values[group].mean(axis=0) for group in groups]),
    )


def _with_gaps(moments: np.ndarray, values: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """The same with nothing between moments that lie further apart than usual."""
    usual = np.median(np.diff(moments)) if len(moments) > 1 else 0.0
    gaps = np.flatnonzero(np.diff(moments) > max(longest, 3 * usual))
    edges = np.stack([moments[gaps] + 1e-3, moments[gaps + 1] - 1e-3], axis=1).ravel()
    places = np.repeat(gaps + 1, 2)
    return np.insert(moments, places, edges), np.insert(values, places, 0.0, axis=0)


def _said(at: float, row: np.ndarray, names: tuple[str, ...]) -> str:
    best = np.argsort(-row)[:2]
    return f"{_moment(at)}: " + ", ".join(
        f"{names[place]} {words.share(float(row[place]))}" for place in best
    )


def _legend(names: list[str]) -> None:
    spots = "".join(
        '<span style="white-space:nowrap"><span style="display:inline-block;width:.8em;height:.8em;'
        f"border-radius:2px;background:{labels.colour(name)};border:1px solid rgba(128,128,128,.6);"
        f'margin-right:.35em"></span>{html.escape(name)}</span>'
        for name in names
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.2em 1em;font-size:.92em">{spots}</div>')


def _facts(summary: Summary) -> str:
    # Either may be gone since.
    card, known = resources.models().get(summary.model), detectors.DETECTORS.get(summary.detector)
    model, detector = card.title if card else summary.model, known.title if known else summary.detector
    parts: list[Any] = [
        video.clock(summary.seconds),
        f"{summary.width} × {summary.height} px",
        words.many(summary.frames, "frame"),
        words.many(len(summary.people), "face"),
        "with its sound" if summary.sound else "no sound",
        f"read in {words.duration(summary.took)} by “{model}” with {detector}",
    ]
    return ", ".join(parts)


def _moment(seconds: float) -> str:
    """ "0:03.4"."""
    tenths = round(seconds * 10)
    return f"{video.clock(tenths // 10)}.{tenths % 10}"
