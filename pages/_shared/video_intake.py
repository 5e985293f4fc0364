"""A video comes in: upload it, choose how it is read, or open one that was read before."""

import io
import tempfile
from pathlib import Path

import streamlit as st

from fer_core.imaging import detectors
from fer_core.inference import video
from fer_core.zoo.card import Card
from pages._shared import address, errors, jobs, resources, video_results, words
from pages._shared.video_results import Asked, Kept

_STANDARD = video.Settings()


def show() -> None:
    """Upload, the settings, and what was read before."""
    video_results.tidy(jobs.running("video "))
    models = resources.models("expression")
    if not models:
        st.info("No model is here that could read a face. Train one with `python -m fer_core train`.")
        return
    upload = st.file_uploader(
        "Drop a video here",
        key=f"upload {st.session_state.setdefault('videos taken', 0)}",
        max_upload_size=video_results.MOST_MB,
        help=f"mp4, mov, webm, avi or gif, at most {video_results.MOST_MB} MB. For longer ones: "
        "python -m fer_core video.",
    )
    st.caption(_privacy())
    place = st.container()
    model, detector, every, smoothing = _settings(models)
    with place, errors.guard():
        if upload is not None:
            _begin(upload, Asked(upload.name, model, detector, every, smoothing))
    results = _mine()
    if not results and upload is None:
        st.markdown("No video at hand?")
    if st.button("Try a clip of 4 seconds", type="secondary" if not results else "tertiary"):
        with errors.guard():
            _begin(_sample(), Asked("An astronaut.mp4", model, detector, every, smoothing))
    if results:
        st.subheader("Read before", anchor=False)
    for kept in results:
        st.button(
            f"{errors.plain(kept.asked.name)}, {video.clock(kept.seconds or 0)}, "
            f"{words.many(kept.faces or 0, 'face')}, {kept.at[:16].replace('T', ' ')} UTC",
            key=f"open {kept.token}",
            on_click=lambda token=kept.token: address.go(video=token),
            type="tertiary",
        )


def work(kept: Kept) -> None:
    """Begin to read a video that was taken in."""
    predictor, detector = resources.predictor(kept.asked.model), detectors.get(kept.asked.detector)
    jobs.start(kept.job, f"Reading {kept.asked.name}", video_results.work(kept, predictor, detector))


def _settings(models: dict[str, Card]) -> tuple[str, str, float, float]:
    problems = resources.detector_problems()
    with st.expander("Model, face detector and timing"):
        model = address.select("Model", list(models), "model", lambda id: models[id].title)
        st.caption(errors.plain(words.sentence_case(words.measured(models[model]))))
        detector = address.select(
            "Face detector",
            [name for name in detectors.DETECTORS if problems[name] is None],
            "detector",
            lambda name: detectors.DETECTORS[name].title,
        )
        every = st.slider(
            "Look for faces every",
            0.0,
            2.0,
            _STANDARD.every,
            0.1,
            format="%.1f s",
            help="Boxes move on in between. 0 looks at each frame, which takes longest.",
        )
        smoothing = st.slider(
            "Average answers over",
            0.0,
            3.0,
            _STANDARD.smoothing,
            0.1,
            format="%.1f s",
            help="Longer is calmer, shorter shows brief expressions.",
        )
    return model, detector, every, smoothing


def _begin(file: io.BytesIO, asked: Asked) -> None:
    """Take a video in and lead to its own address, where the work is seen."""
    kept = video_results.take_in(file, asked)
    work(kept)
    st.session_state.setdefault("my videos", []).append(kept.token)
    st.session_state["videos taken"] += 1
    address.go(video=kept.token)
    st.rerun()


def _mine() -> list[Kept]:
    """On one's own computer all results; on a server those of this visit: videos show people."""
    results = video_results.results()
    if words.served_here():
        return results
    mine = st.session_state.get("my videos", [])
    return [kept for kept in results if kept.token in mine]


def _privacy() -> str:
    kept = (
        "The annotated copy and its table are kept until you delete them; the upload goes when it was read."
    )
    if words.served_here():
        return f"Your video stays on this computer. {kept}"
    return f"Your video is sent to this server. {kept} Who has the link of a result can see it."


def _sample() -> io.BytesIO:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp4"
        video_results.write_sample(path)
        return io.BytesIO(path.read_bytes())
