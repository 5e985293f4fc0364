"""What is wrong with a dataset: each finding with examples, one click from its pictures and from a fix."""

import streamlit as st

from fer_core.dataset import browse, findings
from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Dataset, Store
from pages._shared import address, errors, gallery, jobs, suspects_view, words

_SHOWN = 12


def show(store: Store, dataset: Dataset) -> None:
    """The last checkup, or the way to one."""
    key = f"check {dataset.id}"
    job = jobs.show(key)
    if job and job.state == "done":
        jobs.forget(key)
    checked = findings.summary(store, dataset.name)
    if checked is None:
        st.markdown(
            "Duplicates, leaks between splits, blank, dark and blurred pictures, doubtful labels: "
            "a checkup finds them. It changes nothing."
        )
    elif checked.stale:
        st.info("Labels or pictures have changed since this checkup. Look again to see what is left.")
    if key not in jobs.running(key):
        _ask(store, dataset, key, first=checked is None)
    suspects_view.show(store, dataset)
    if checked is None:
        return
    at = checked.at[:16].replace("T", " ")
    st.caption(f"Looked through on {at} UTC.")
    kinds = [kind for kind in findings.KINDS if checked.counts.get(kind)]
    if not kinds:
        st.success("Nothing suspicious was found.")
    for kind in kinds:
        _finding(store, dataset, kind, checked)
    asked = {"no_face": checked.faces, "suspect": suspects_view.looked(dataset.name)}
    looked = [kind for kind in findings.KINDS if asked.get(kind, True)]
    clean = [findings.KINDS[kind].title for kind in looked if not checked.counts.get(kind)]
    if clean:
        st.caption(f"None of these: {', '.join(clean)}.")


def _ask(store: Store, dataset: Dataset, key: str, first: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        faces = st.session_state.get("look for faces", False)
        st.button(
            "Look for problems" if first else "Look again",
            type="primary" if first else "secondary",
            on_click=jobs.start,
            args=(
                key,
                f"Looking through {dataset.name}",
                lambda progress: findings.check(store, dataset.name, faces=faces, progress=progress),
            ),
        )
        st.toggle(
            "Look for faces too",
            key="look for faces",
            help="Finds pictures without a face. Takes longer than everything else together.",
        )


def _finding(store: Store, dataset: Dataset, kind: str, checked: findings.Checkup) -> None:
    about, count = findings.KINDS[kind], checked.counts[kind]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            groups = checked.clusters.get(kind)
            said = words.many(count, "picture") + (f" in {words.many(groups, 'group')}" if groups else "")
            st.markdown(f"**{about.title}** · {said}")
            st.space("stretch")
            st.button(
                f"Show {'it' if count == 1 else 'all'} →",
                key=f"show {kind}",
                on_click=address.go,
                kwargs={"data": dataset.name, "finding": kind},
            )
        st.caption(errors.plain(f"{about.sentence} {about.fix}"))
        order = "groups" if groups else "suspicious"
        gallery.show(
            store,
            browse.page(store, dataset.name, Filter(finding=kind), order, 0, _SHOWN),
            f"finding {kind}",
            on_open=lambda sample: address.go(data=dataset.name, finding=kind, sample=str(sample)),
            size=76,
        )
