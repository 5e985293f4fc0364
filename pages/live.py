"""A camera in, boxes and expressions that follow every face."""

import streamlit as st

from fer_core.imaging import detectors
from fer_core.zoo import specs
from pages._shared import frame, live_stage, live_view, resources, webrtc, words


def main() -> None:
    """The page from top to bottom."""
    wanted = (specs.EXPRESSION.id, specs.AFFECT.id)
    models = {id: card for id, card in resources.models().items() if card.task in wanted}
    if not models:
        st.info("No model is here that could read a face. Train one on the page Train.")
        return
    stage = live_stage.current()
    left, right = st.columns([13, 5], gap="large")
    with right:
        model, detector, settings = live_view.settings(models)
    stage.use(settings, resources.predictor(model), detectors.get(detector))
    with left:
        link = webrtc.stream("live", stage.show)
        live_view.status(stage, link)
        st.caption(words.privacy("video"))
    live_view.minute(stage, link)
    live_view.take_along(stage, model, detector)


with frame.page(
    "Live", "Look into the camera and see boxes and expressions follow every face. For anyone with a webcam."
):
    main()
