"""How photos come in: files, the camera, a link, samples."""

import streamlit as st

from fer_core.errors import FerError
from fer_core.imaging.fetch import fetch_image
from pages._shared import errors, resources, tray, words
from pages._shared.tray import Tray

_WAYS = ["Files", "Camera", "Link"]

_LARGE_TARGET = (
    "<style>.st-key-drop [data-testid=stFileUploaderDropzone] {min-height: 8rem; align-items: center}</style>"
)


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
    key = f"{way} {st.session_state.setdefault('turn', 0)}"
    if way == "Camera":
        st.camera_input("Look into the camera", key=key, on_change=_move, args=(photos, key))
    elif way == "Link":
        _link(photos)
    else:
        with st.container(key="more" if photos.items else "drop"):
            st.html(_LARGE_TARGET)
            st.file_uploader(
                "Drop more photos here" if photos.items else "Drop photos here: one or hundreds",
                accept_multiple_files=True,
                max_upload_size=50,
                key=key,
                on_change=_move,
                args=(photos, key),
                help=f"JPEG, PNG, WebP, HEIC, TIFF, BMP, GIF or PGM; at most {tray.MOST:,} photos.",
            )
    st.caption(
        words.privacy() + (" The picture behind a link is fetched from its site." if way == "Link" else "")
    )
    if not photos.items:
        _samples(photos)


def _move(photos: Tray, key: str) -> None:
    """Move what came into the tray; the next widget gets a new key, and so is empty."""
    files = st.session_state[key]
    tray.take_in(photos, files if isinstance(files, list) else [files] if files else [])
    st.session_state["turn"] += 1


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
