"""Photos in, expressions out."""

import time

import streamlit as st

from fer_core.imaging import detectors
from fer_core.imaging.detectors.base import Detector
from fer_core.inference.predictor import Predictor
from fer_core.zoo.card import Card
from pages._shared import address, cards, frame, intake, resources, tray, words
from pages._shared.tray import Tray

A_PAGE = 6
"""Photos shown at a time."""


def main() -> None:
    """The page from top to bottom."""
    photos = tray.current()
    intake.ask(photos)
    models = resources.models("expression")
    if not models:
        st.info("No model is here that could read a face. Train one with `python -m fer_core train`.")
        return
    model_id, detector_name = _settings(models)
    predictor, detector = resources.predictor(model_id), detectors.get(detector_name)
    threshold = resources.threshold(models[model_id])
    asked = (model_id, resources.weights(models[model_id]), detector_name, f"{threshold:.6f}")
    if not photos.items:
        return

    status = st.container()
    first = (_shown_page(len(photos.items)) - 1) * A_PAGE
    shown = photos.items[first : first + A_PAGE]
    for item in shown:
        if item in photos.waiting(asked):
            photos.read(item, predictor, detector, asked, threshold)
    for item in shown:
        cards.show(item)
    if len(photos.items) > A_PAGE:
        st.pagination(-(-len(photos.items) // A_PAGE), key="page")
    with status:
        _read_the_rest(photos, predictor, detector, asked, threshold)
        _summary(photos)


def _settings(models: dict[str, Card]) -> tuple[str, str]:
    """Model and detector, each with its measured figures; both stand in the address."""
    problems = resources.detector_problems()
    usable = [name for name in detectors.DETECTORS if problems[name] is None]
    with st.expander("Model and face detector"):
        model_id = address.select(
            "Model",
            list(models),
            "model",
            lambda id: models[id].title,
            "The network that reads the expression. The Library says more about each.",
        )
        st.caption(words.sentence_case(words.measured(models[model_id])))
        detector = address.select(
            "Face detector",
            usable,
            "detector",
            lambda name: detectors.DETECTORS[name].title,
            "What looks for faces. Try another where one is missed or where nobody is.",
        )
        st.caption(
            f"{detectors.DETECTORS[detector].sentence} {words.sentence_case(words.detector(detector))}"
        )
    return model_id, detector


def _shown_page(count: int) -> int:
    last = -(-count // A_PAGE)
    page = min(st.session_state.get("page", 1), last)
    if "page" in st.session_state:
        st.session_state["page"] = page
    return page


def _read_the_rest(
    photos: Tray, predictor: Predictor, detector: Detector, asked: tuple[str, ...], threshold: float
) -> None:
    """The photos that are not on the screen, with progress; each step is a chance to stop."""
    waiting = photos.waiting(asked)
    if not waiting:
        return
    place = st.empty()
    if photos.stopped:
        with place.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Stopped. {words.many(len(waiting), 'photo')} not read yet.")
            st.button("Go on", on_click=lambda: setattr(photos, "stopped", False))
        return
    with place.container():
        progress = st.progress(0.0, f"Reading {words.many(len(waiting), 'photo')}…")
        st.button("Stop", on_click=lambda: setattr(photos, "stopped", True))
    start = time.monotonic()
    for done, item in enumerate(waiting, 1):
        photos.read(item, predictor, detector, asked, threshold)
        left = (time.monotonic() - start) / done * (len(waiting) - done)
        progress.progress(done / len(waiting), f"{done} of {len(waiting)} photos read, {left:.0f} s left")
    place.empty()


def _summary(photos: Tray) -> None:
    results = photos.results()
    faces = sum(len(result.faces) for result in results)
    without = sum(not result.faces for result in results)
    failed = sum(bool(item.answer and item.answer.error) for item in photos.items)
    parts = [words.many(len(photos.items), "photo"), words.many(faces, "face")]
    parts += [f"{without} without a face"] if without else []
    parts += [f"{failed} not readable"] if failed else []
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{', '.join(parts)}**")
        st.space("stretch")
        if results:
            st.download_button(
                "Table (CSV)",
                lambda: tray.csv(results),
                "faces.csv",
                "text/csv",
                on_click="ignore",
                key="csv",
            )
            st.download_button(
                "Pictures (zip)",
                lambda: tray.pictures(photos.items),
                "faces.zip",
                "application/zip",
                on_click="ignore",
                key="zip",
                help="The photos with boxes, as large as they are kept here, and the table.",
            )
        st.button("Remove all", on_click=photos.clear, type="tertiary")
    if len(photos.items) > A_PAGE:
        with st.expander("All photos in one table"):
            st.dataframe(tray.overview(photos.items), hide_index=True, alt="What came of each photo")


with frame.page(
    "Photo", "Drop a photo and read which expression each face in it shows. For anyone with a picture."
):
    main()
