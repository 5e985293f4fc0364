"""A dataset comes in: files or a folder, then a look at what they hold, then the import."""

from functools import partial

import streamlit as st

from fer_core.dataset import practice
from fer_core.dataset.intake import ImportReport
from fer_core.dataset.store import Store
from fer_core.errors import FerError
from pages._shared import address, errors, import_preview, jobs, uploads, words
from pages._shared.uploads import Draft

VIEW = "add"
"""What the address calls this view."""

PRACTICE = "practice"
"""Stands in the address for a token while the practice dataset is drawn."""

UPLOAD_MB = 2048
"""FER2013's zip has 84 MB; sets of many GB belong on the server's own disk."""

_WAYS = {"files": "Files or a zip", "folder": "A folder", "here": "A path on this computer"}
_LARGE_TARGET = (
    "<style>.st-key-drop [data-testid=stFileUploaderDropzone] {min-height: 8rem; align-items: center}</style>"
)


def show(store: Store) -> None:
    """Whatever comes next: asking for files, looking into them, the import at work, or what came of it."""
    token = st.query_params.get("import", "")
    draft = uploads.find(token)
    if jobs.find(_job(token)):
        _import(token)
    elif draft:
        import_preview.show(
            store, draft, on_import=partial(_start, store, draft), on_drop=partial(_drop, draft.token)
        )
        _more(draft)
    else:
        st.query_params.pop("import", None)
        uploads.tidy(busy=[key.removeprefix(_job("")) for key in jobs.running(_job(""))])
        _ask(store)


def _ask(store: Store) -> None:
    st.subheader("Add a dataset", anchor=False)
    st.markdown(
        "FER2013, class folders, JAFFE, CK+, RAF-DB, AffectNet, EMOTIC, Label Studio, Parquet, or any table "
        "that names pictures: the form is recognised, and nothing is stored before you have seen what it is."
    )
    way = st.segmented_control(
        "Where the dataset is",
        [way for way in _WAYS if way != "here" or words.served_here()],
        format_func=_WAYS.__getitem__,
        default="files",
        required=True,
        key="import way",
        label_visibility="collapsed",
    )
    if way == "here":
        _path()
    elif way == "folder":
        _uploader(
            "Choose a folder",
            "Its subfolders come along. Of thousands of pictures a zip is quicker.",
            folder=True,
        )
    else:
        _uploader(
            "Drop a zip, a csv or pictures here",
            "Zip or tar archives; tables with the pictures they name; FER2013's csv, and FER+ votes with it.",
        )
    st.caption(
        ("It stays on this computer. " if words.served_here() else "It is sent to this server. ")
        + "What you import is kept in the workspace until you delete it."
    )
    st.markdown("No dataset at hand?")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Draw the practice dataset", on_click=_draw_practice, args=(store,))
        st.caption("701 drawn faces of 50 people, with known mistakes to find.")


def _uploader(label: str, help: str, folder: bool = False, draft: Draft | None = None) -> None:
    key = f"import files {folder} {st.session_state.setdefault('import turn', 0)}"
    with st.container(key="more" if draft else "drop"):
        st.html(_LARGE_TARGET)
        st.file_uploader(
            label,
            accept_multiple_files="directory" if folder else True,
            # The server refuses what is above its own limit, whatever the widget allows.
            max_upload_size=min(UPLOAD_MB, st.get_option("server.maxUploadSize")),
            key=key,
            on_change=_take_in,
            args=(key, draft),
            help=help,
        )
    if complaint := st.session_state.pop("import complaint", None):
        st.error(errors.plain(complaint))


def _take_in(key: str, draft: Draft | None) -> None:
    """Move uploads to the disk; the next widget gets a new key, and so is empty."""
    files = st.session_state[key]
    st.session_state["import turn"] += 1
    if not files:
        return
    try:
        _go_to(uploads.take_in(files, draft).token)
    except Exception as error:  # noqa: BLE001 (a callback runs outside of the page's guard)
        st.session_state["import complaint"] = errors.sentence(error)


def _path() -> None:
    with st.form("import path", border=False):
        path = st.text_input(
            "Folder or file", placeholder="/home/me/faces", help="A folder, an archive or a table."
        )
        go = st.form_submit_button("Look into it")
    if not go:
        return
    try:
        _go_to(uploads.at(path).token)
    except FerError as error:
        st.error(errors.plain(str(error)))
        return
    st.rerun()


def _more(draft: Draft) -> None:
    """What belongs to the files that came first: votes, a table, a second archive."""
    with st.expander("Something is missing: add files"):
        _uploader(
            "Drop what belongs to it",
            "For FER2013 the votes of FER+ (fer2013new.csv); a table's pictures; another part of the set.",
            draft=draft,
        )


def _draw_practice(store: Store) -> None:
    jobs.forget(_job(PRACTICE))
    jobs.start(
        _job(PRACTICE),
        "Drawing the practice dataset",
        lambda progress: practice.import_practice(store, progress=progress),
    )
    _go_to(PRACTICE)


def _start(store: Store, draft: Draft, wanted: import_preview.Wanted) -> None:
    def work(progress):
        report = wanted.run(store, draft, progress)
        uploads.forget(draft.token)
        return report

    jobs.start(_job(draft.token), f"Importing into {wanted.name}", work)


def _import(token: str) -> None:
    """An import at work, or how it ended."""
    st.subheader("Import", anchor=False)
    job = jobs.show(_job(token))
    if job is None:
        st.caption("You can leave this page: the import goes on, and this address finds it again.")
    elif job.state == "done":
        _report(job.value, token)
    else:
        back = "Back to the files" if uploads.find(token) else "Back"
        st.button(back, on_click=jobs.forget, args=(_job(token),))


def _report(report: ImportReport, token: str) -> None:
    name = errors.plain(report.dataset)
    new = "all of them new" if report.added == report.rows else f"{report.added:,} of them new"
    st.success(f"**{words.many(report.rows, 'picture')}** in **{name}**, {new} ({report.seconds:.1f} s).")
    with st.container(width=560):
        import_preview.counts(report.counts)
    facts = {
        "show what another picture of the dataset shows, too": report.duplicates,
        "are of one colour all over": report.blank,
        "could not be read and were left out": report.unreadable,
        "come with votes": report.votes,
    }
    notes = [f"{count:,} {what}" for what, count in facts.items() if count]
    notes += [
        f"{count:,} {errors.plain(label)} left out, as asked" for label, count in report.left_out.items()
    ]
    if notes:
        st.markdown("\n".join(f"- {note}" for note in notes))
    import_preview.problems(report.problems)
    with st.container(horizontal=True):
        st.button("Look at the dataset", type="primary", on_click=_leave, args=(token, report.dataset))
        st.button("Add another", on_click=_drop, args=(token,))


def _leave(token: str, dataset: str) -> None:
    jobs.forget(_job(token))
    address.go(data=dataset)


def _drop(token: str) -> None:
    jobs.forget(_job(token))
    uploads.forget(token)
    address.go(view=VIEW)


def _go_to(token: str) -> None:
    st.query_params.update({"view": VIEW, "import": token})


def _job(token: str) -> str:
    return f"import {token}"
