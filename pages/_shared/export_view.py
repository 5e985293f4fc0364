"""Take a dataset along: choose a form, have it prepared, download it; take over changes from elsewhere."""

import secrets
import shutil
import tempfile
import time
from pathlib import Path

import streamlit as st

from fer_core import workspace
from fer_core.dataset import exports
from fer_core.dataset.exports import ExportReport, names
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Dataset, Store
from fer_core.dataset.versions import Version
from pages._shared import errors, jobs, labelling, words

KEPT_SECONDS = 6 * 3600
"""How long a prepared file waits in the cache to be downloaded."""

LARGEST = 2 << 30
"""Bytes of a download: the browser's copy passes through the app's memory."""

_NOW = ""


def show(store: Store, dataset: Dataset, known: list[Version], who: str) -> None:
    """The choices, the progress, the download."""
    key = f"export {dataset.id}"
    chosen = st.pills(
        "Form",
        list(exports.EXPORTS),
        format_func=lambda form: exports.EXPORTS[form].title,
        default=next(iter(exports.EXPORTS)),
        required=True,
        key=f"form {key}",
        label_visibility="collapsed",
    )
    form = exports.EXPORTS[chosen or next(iter(exports.EXPORTS))]
    st.caption(errors.plain(form.sentence))
    options = [_NOW, *(version.name for version in reversed(known))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=240):
            st.selectbox("Version", options, format_func=lambda v: v or "now", key=f"version {key}")
        if form.key == "changes":
            with st.container(width=240):
                st.selectbox(
                    "Changed since", options, format_func=lambda v: v or "import", key=f"since {key}"
                )
        st.button(
            "Prepare",
            type="primary",
            key=f"prepare {key}",
            on_click=_prepare,
            args=(store, dataset, form.key, key),
        )
    if form.key == "fer2013":
        st.checkbox("Leave out what it cannot hold", key=f"leave out {key}")
    job = jobs.show(key)
    if job and job.state == "done":
        _offer(job.value, key)
    with st.expander("Take over changes that were made elsewhere"):
        _take_over(store, dataset, who)


def _prepare(store: Store, dataset: Dataset, form: str, key: str) -> None:
    version = st.session_state[f"version {key}"] or None
    since = st.session_state.get(f"since {key}") or None if form == "changes" else None
    leave_out = bool(st.session_state.get(f"leave out {key}")) if form == "fer2013" else False
    _tidy()
    folder = workspace.folder("cache") / "exports" / secrets.token_hex(8)
    ending = exports.EXPORTS[form].endings[0]
    name = names.safe(" ".join(part for part in (dataset.name, version, form) if part))

    def work(progress: Progress) -> ExportReport:
        return exports.export(
            store, dataset.name, form, folder / f"{name}{ending}",
            version=version, since=since, leave_out=leave_out, progress=progress,
        )  # fmt: skip

    jobs.start(key, f"Preparing {exports.EXPORTS[form].title}", work)


def _offer(report: ExportReport, key: str) -> None:
    """What was prepared, and the button that fetches it."""
    if not report.path.exists():
        jobs.forget(key)
        return
    left = "".join(f"; {count:,} left out, {reason}" for reason, count in report.left_out.items())
    what = words.many(report.rows, "label" if report.form == "changes" else "sample")
    size = f"{report.bytes / 1e6:,.1f} MB" if report.bytes > 1e5 else f"{report.bytes / 1e3:,.1f} kB"
    with st.container(horizontal=True, vertical_alignment="center"):
        if report.bytes <= LARGEST:
            st.download_button(
                f"Download ({size})",
                data=report.path.read_bytes,
                file_name=report.path.name,
                mime="application/octet-stream",
                on_click="ignore",
                icon=":material/download:",
                key=f"download {key}",
            )
        st.markdown(f"**{errors.plain(report.path.name)}**: {what}{errors.plain(left)}.")
    if report.bytes > LARGEST:
        st.markdown(f"With {size} it is too large for a browser. It lies on this server: `{report.path}`")


def _tidy() -> None:
    """Delete what was prepared long ago."""
    for folder in (workspace.folder("cache") / "exports").glob("*"):
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _take_over(store: Store, dataset: Dataset, who: str) -> None:
    st.markdown(
        "A csv of changes from another copy of this dataset gives the same samples the same labels here. "
        "Labels that somebody changed here meanwhile are left alone."
    )
    upload = st.file_uploader("Csv of changes", type="csv", key=f"changes {dataset.id}")
    if st.button("Take over", disabled=not (upload and who), key=f"take over {dataset.id}") and upload:
        with errors.guard(), tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(upload.getvalue())
            file.flush()
            applied = exports.apply_changes(store, dataset.name, Path(file.name), who)
            count = words.many(len(applied.change.events), "label")
            left = f"{applied.already:,} already so, {applied.differing:,} left alone"
            labelling.remember(
                applied.change.batch, f"{count} taken over ({left}, {applied.missing:,} not here)"
            )
            st.rerun()
