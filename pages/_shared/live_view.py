"""What stands beside the video: settings, who looks how, the last minute, what can be taken along."""

import html
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.imaging import detectors
from fer_core.imaging.decode import encode_jpeg
from fer_core.inference.following import LiveFace, LiveSettings, Look
from fer_core.inference.live import State
from fer_core.zoo import specs
from fer_core.zoo.card import Card
from pages._shared import address, doctor, errors, live_charts, live_still, resources, words
from pages._shared.live_stage import Stage
from pages._shared.webrtc import Link

STATUS, CHARTS = 1.0, 2.0
"""s between looks at what the session found. Each look makes the browser pause, and it then holds the video
back by as much: with looks every 0.7 and 1 s it came 80 ms later (benchmarks.live_browser)."""

_DERIVED = (
    "Derived: the mean of the expressions' published places (Russell and Mehrabian 1977), each as probable "
    "as the model holds it; not a measurement of its own."
)

_NAMED = 8
"""Faces with a sentence each; the others are counted."""


def settings(models: Mapping[str, Card]) -> tuple[str, str, LiveSettings]:
    """Model, detector and the rest; each holds from the next picture on."""
    problems = resources.detector_problems()
    usable = [name for name in detectors.DETECTORS if problems[name] is None]
    model = address.select(
        "Model", list(models), "model", lambda id: models[id].title, "The network that reads the faces."
    )
    detector = address.select(
        "Face detector",
        usable,
        "detector",
        lambda name: detectors.DETECTORS[name].title,
        "What looks for faces. Try another where one is missed or where nobody is.",
    )
    smoothing = st.slider(
        "Smoothing",
        0.0,
        3.0,
        LiveSettings().smoothing,
        0.1,
        format="%.1f s",
        help="Over how many seconds answers are averaged: more is calmer, less is quicker.",
        key="live smoothing",
    )
    threshold = None
    if models[model].task == specs.EXPRESSION.id:
        threshold = st.slider(
            "Can't tell below",
            0,
            95,
            round(100 * resources.threshold(models[model])),
            format="%d %%",
            help="How sure the model must be before it names an expression.",
            key=f"live threshold {model}",
        )
    mirror = st.toggle("Mirror", True, key="live mirror", help="Show the picture as a mirror does.")
    points = st.toggle("Landmarks", key="live landmarks", help="Draw the 68 points of each face.")
    share = None if threshold is None else threshold / 100
    return model, detector, LiveSettings(smoothing, share, mirror, points)


def status(stage: Stage, link: Link) -> None:
    """Who looks how at this moment, and what is wrong, kept fresh while the video runs."""
    st.fragment(_status, run_every=STATUS if link.wanted else None)(stage, link)


def minute(stage: Stage, link: Link) -> None:
    """The charts of the last minute, kept fresh while the video runs."""
    st.fragment(_minute, run_every=CHARTS if link.wanted else None)(stage)


def _status(stage: Stage, link: Link) -> None:
    session = stage.session
    assert session is not None
    finding = doctor.diagnose(doctor.ask(), stage.wait(link), words.served_here())
    state = session.state()
    if state.look is not None and not st.session_state.get("live seen"):
        # What can be taken along appears with the first picture that was read.
        st.session_state["live seen"] = True
        st.rerun()
    if finding is not None:
        st.error(f"**{finding.wrong}** {finding.remedy}")
        live_still.instead(finding)
    elif not link.wanted:
        if state.look is None:
            st.caption("Press Start; the browser then asks whether this page may use the camera.")
        else:
            st.caption("The video has ended. Start begins again; what was seen is still below.")
    elif state.trouble:
        st.warning(errors.plain(state.trouble))
    elif state.look is None:
        st.caption("Waiting for the first picture…")
    else:
        st.html(_people(state.look))
        st.caption(_pace(state, state.look))


def _people(look: Look) -> str:
    """The dominant expression, and a line for each face."""
    faces = look.faces
    if not faces:
        return '<div aria-live="off">No face in the picture.</div>'
    rows = "".join(f"<li>{_swatch(face)}{html.escape(_sentence(face))}</li>" for face in faces[:_NAMED])
    more = len(faces) - _NAMED
    rest = f"<li>and {words.many(more, 'other face')}</li>" if more > 0 else ""
    first = html.escape(_dominant(look))
    return (
        f'<div style="font-size:1.25em;font-weight:650;margin-bottom:.3em">{first}</div>'
        f'<ol style="list-style:none;margin:0;padding:0;display:grid;gap:.3em">{rows}{rest}</ol>'
    )


def _dominant(look: Look) -> str:
    """The expression that the faces show most, all together."""
    rows = [face.probabilities for face in look.faces if face.probabilities is not None]
    if not rows:
        return words.many(len(look.faces), "face")
    mean = np.mean(rows, axis=0)
    best = int(mean.argmax())
    return f"Mostly {look.labels.names[best]} ({words.share(float(mean[best]))})"


def _sentence(face: LiveFace) -> str:
    who = f"Face {face.track.number}"
    if face.verdict is not None:
        return f"{who} {face.verdict.sentence}" if face.verdict.sure else f"{who}: {face.verdict.sentence}"
    if face.affect is None:
        return who
    return f"{who}: valence {face.affect[0]:+.2f}, arousal {face.affect[1]:+.2f}"


def _swatch(face: LiveFace) -> str:
    return (
        f'<span aria-hidden="true" style="display:inline-block;width:.8em;height:.8em;border-radius:3px;'
        f'margin-right:.5em;border:1px solid rgba(128,128,128,.6);background:{face.track.colour}"></span>'
    )


def _pace(state: State, look: Look) -> str:
    times = look.milliseconds
    said = [
        f"{state.fps:.0f} frames/s",
        f"{state.looks:.0f} read a second",
        f"detect {times['detect']:.0f} ms",
        f"classify {times['classify']:.0f} ms",
        f"{state.dropped:,} of {state.shown:,} frames dropped",
    ]
    if state.recording is not None:
        said.append(f"recorded {state.recording:.0f} s")
    return " · ".join(said)


def _minute(stage: Stage) -> None:
    session = stage.session
    assert session is not None
    table, look = session.minute(), session.state().look
    if look is None or table.empty:
        return
    now = pd.Timestamp.now(tz="UTC")
    colours = {face.track.number: face.track.colour for face in look.faces}
    here = sorted(colours)
    numbers = here or [int(table["face"].iloc[-1])]
    names = look.labels.names if look.derived else ()
    left, right = st.columns([3, 2], gap="large")
    with left:
        shown = numbers[0]
        st.markdown(f"**The last minute of face {shown}**")
        if len(numbers) > 1:
            chosen = st.pills("Face", numbers, default=shown, required=True, key="live face")
            shown = chosen if chosen in numbers else shown
        live_charts.strip(live_charts.of_face(table, shown, now), names, "live strip")
    with right:
        st.markdown(
            f"**Valence and arousal{', derived' if look.derived else ''}**",
            help=_DERIVED if look.derived else "As the model reads them.",
        )
        if table["valence"].isna().all():
            st.caption("Too many of this model's expressions have no published place.")
            return
        trails = {
            number: (colour, live_charts.of_face(table, number, now)) for number, colour in colours.items()
        }
        live_charts.circumplex(trails, "live circumplex")


def take_along(stage: Stage, model: str, detector: str) -> None:
    """Snapshot, table and video; and a still, to look closer or to say that it is wrong."""
    session = stage.session
    if session is None or not st.session_state.get("live seen"):
        return

    def picture() -> bytes:
        shot = session.snapshot()
        return encode_jpeg(shot.picture, 92) if shot else b""

    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Snapshot", picture, "live.jpg", "image/jpeg", on_click="ignore", key="live snapshot",
            help="The picture with its boxes.",
        )  # fmt: skip
        st.download_button(
            "Results (CSV)", session.log_csv, "live.csv", "text/csv", on_click="ignore", key="live csv",
            help="Who looked how, ten times a second, of the last hour.",
        )  # fmt: skip
        st.toggle("Record the video", key="live record", on_change=_record, args=(stage,))
        if stage.recorded is not None and stage.recorded.exists():
            st.download_button(
                "Video (MP4)", stage.recorded.read_bytes, "live.mp4", "video/mp4", on_click="ignore",
                key="live video",
            )  # fmt: skip
        live_still.ask(session)
        live_still.teach(session, resources.models()[model])
        st.space("stretch")
        st.button("Delete what was seen", type="tertiary", on_click=_forget, args=(stage,), key="live forget")
    if st.session_state.get("live record"):
        st.caption("The video with its boxes is kept until you leave. Tell whoever is in the picture.")
    live_still.show(model, detector)


def _record(stage: Stage) -> None:
    session = stage.session
    assert session is not None
    with errors.guard():
        if st.session_state["live record"]:
            stage.recorded = None
            session.start_recording()
        else:
            stage.recorded = session.stop_recording()


def _forget(stage: Stage) -> None:
    stage.forget()
    live_still.forget()
    st.session_state["live seen"] = st.session_state["live record"] = False
