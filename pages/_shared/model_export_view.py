"""Take a model along: choose a form, have it converted and checked, download it."""

import streamlit as st

from fer_core.zoo import export
from fer_core.zoo.card import Card
from fer_core.zoo.export import Exported
from fer_core.zoo.process import Progress
from pages._shared import address, errors, jobs, resources


def show(card: Card) -> None:
    """The forms, the progress, the download with what the check found."""
    if card.taught:
        _instead(card)
        return
    form = st.pills(
        "Form",
        list(export.FORMS),
        format_func=lambda key: export.FORMS[key].title,
        default=next(iter(export.FORMS)),
        required=True,
        key=f"model form {card.id}",
        label_visibility="collapsed",
    ) or next(iter(export.FORMS))
    st.caption(errors.plain(export.FORMS[form].sentence))
    events = export.events_of(card)
    log = st.checkbox(
        "With its training curves, for TensorBoard",
        disabled=events is None,
        help="Loss and figures of every epoch, in the file format of TensorBoard."
        if events
        else "Its run is not in this workspace: it was trained elsewhere, or the run was deleted.",
        key=f"model log {card.id}",
    )
    # The files may be others, and the run longer, the next time that somebody asks.
    size = events.stat().st_size if events and log else 0
    key = f"export model {card.id} {resources.weights(card)[:12]} {form} {size}"
    job = jobs.find(key)
    if (job is None or job.state in ("failed", "stopped")) and st.button(
        "Convert and check", type="primary", key=f"convert {card.id}"
    ):
        _start(card.id, form, bool(log), key)
    job = jobs.show(key)
    if job and job.state == "done":
        _offer(job.value, key)


def _instead(card: Card) -> None:
    """What goes along of a model that was taught on top of another: it has no network of its own."""
    record = card.training["taught"]
    st.markdown(
        f"It has no network file of its own: it stands on {errors.plain(record['base'])}, which can be "
        "taken along from its own card. "
        + ("Its class set goes as a zip, from “More” on the page Teach." if "set" in record else "")
    )
    st.button("Open the model that it is built on", on_click=address.go, kwargs={"model": record["base"]})


def _start(model_id: str, form: str, log: bool, key: str) -> None:
    def work(progress: Progress) -> Exported:
        return export.export(model_id, form, log=log, progress=progress)

    jobs.forget(key)
    jobs.start(key, f"Converting to {export.FORMS[form].title}", work)
    st.rerun()


def _offer(made: Exported, key: str) -> None:
    """The button that fetches it, and how far its answers are from the model's own."""
    if not made.path.exists():
        jobs.forget(key)
        st.rerun()
    runtime = " and ".join(f"{name} {number}" for name, number in made.runtime.items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            f"Download ({made.bytes / 1e6:,.1f} MB)",
            data=made.path.read_bytes,
            file_name=made.path.name,
            mime="application/zip",
            on_click="ignore",
            icon=":material/download:",
            key=f"download {key}",
        )
        st.markdown(
            errors.plain(
                f"Checked: loaded in {runtime}, its answers to {made.probes} stored inputs differ from the "
                f"model's by at most {made.difference:.1e}."
            ),
            width="stretch",
        )
    st.caption("With its card, a ten-line example that runs as it stands, and the licence.")
