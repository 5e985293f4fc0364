"""How photos come in: files, the camera, a link, samples."""

import streamlit as st

from fer_core.errors import FerError
from fer_core.imaging.fetch import fetch_image
from pages._shared import errors, resources, tray, words
from pages._shared.tray import Tray

_WAYS = ["Files", "Camera", "Link"]

_LARGE_TARGET = "<style>.st-key-drop [data-testid=stFileUploaderDropzone] {min-height: 9rem}</style>"


def ask(photos: Tray) -> None:
    """The ways in; what comes lands in the tray."""
    way = st.segmented_control(
        "Where the photo comes from",
        _WAYS,
        default="Files",
        required=True,
        key="way",
        label_visibility="collapsed",
    )
    # A new key empties the widget after its photos moved into the tray.
    turn = st.session_state.setdefault("turn", 0)
    if way == "Camera":
        shot = st.camera_input("Look into the camera", key=f"camera {turn}")
        _moved(photos, [shot] if shot else [])
    elif way == "Link":
        _link(photos)
    else:
        files = st.file_uploader(
            "Drop photos here: one or hundreds",
            accept_multiple_files=True,
            key=f"files {turn}",
            help=f"JPEG, PNG, WebP, HEIC, TIFF, BMP, GIF or PGM; at most {tray.MOST:,} photos.",
        )
        _moved(photos, files)
    st.caption(
        words.privacy() + (" The picture behind a link is fetched from its site." if way == "Link" else "")
    )
    if not photos.items:
        _samples(photos)


def _moved(photos: Tray, files: list) -> None:
    if files:
        tray.take_in(photos, files)
        st.session_state["turn"] += 1
        st.rerun()


def _link(photos: Tray) -> None:
    with st.form("link", border=False, clear_on_submit=True):
        url = st.text_input(
            "Link to a picture", placeholder="https://…", help="The picture's own link, not the page's."
        )
        go = st.form_submit_button("Fetch")
    if not go:
        return
    try:
        with st.spinner("Fetching…"):
            data = fetch_image(url.strip())
    except FerError as error:
        st.error(errors.plain(str(error)))
        return
    photos.add(url.split("?")[0].rstrip("/").rsplit("/", 1)[-1][:80] or "link", data)
    st.rerun()


def _samples(photos: Tray) -> None:
    st.markdown("No photo at hand?")
    with st.container(horizontal=True):
        for title in resources.SAMPLES:
            with st.container(width=150, gap="xsmall"):
                st.image(resources.sample_thumbnail(title), width=150, alt=f"Sample photo: {title}")
                if st.button(title, key=f"sample {title}", width="stretch"):
                    photos.add(*resources.sample(title))
                    st.rerun()
