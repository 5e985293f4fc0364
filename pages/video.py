"""Videos in, annotated copies and timelines out."""

import streamlit as st

from pages._shared import address, errors, frame, jobs, video_intake, video_results, video_view
from pages._shared.video_results import Kept


def main() -> None:
    """The page from top to bottom."""
    token = st.query_params.get("video")
    kept = video_results.find(token) if token else None
    if token and kept is None:
        st.warning("The video that the address asks for is not here any more.")
    if kept:
        _one(kept)
    else:
        video_intake.show()


def _one(kept: Kept) -> None:
    """One video: at work, read, or neither."""
    st.button("← Another video", on_click=address.go, type="tertiary", key="back")
    job = jobs.find(kept.job)
    summary = kept.summary() if job is None or job.state != "running" else None
    if summary is not None:
        jobs.forget(kept.job)
        video_view.show(kept, summary)
        _deletion(kept)
        return
    jobs.show(kept.job)
    if job is not None and job.state == "running":
        st.caption("It goes on when you leave; this address finds it again. Stop keeps what is done.")
        return
    if job is None:
        st.warning("The work on this video was cut off: the app was restarted. The upload is still here.")
    if st.button("Read it again"):
        with errors.guard():
            jobs.forget(kept.job)
            video_intake.work(kept)
            st.rerun()
    _deletion(kept)


def _deletion(kept: Kept) -> None:
    with st.popover("Delete", icon=":material/delete_forever:"):
        st.markdown("The annotated video, the table and the summary go from this computer for good.")
        st.button("Delete for good", on_click=_delete, args=(kept.token,))


def _delete(token: str) -> None:
    video_results.remove(token)
    address.go()


with frame.page(
    "Video",
    "Drop a video and get a copy with a box and an expression on every face, and a timeline of each.",
):
    main()
