"""Versions of a dataset: freeze, compare, go back, take along, and delete for good."""

import html

import pandas as pd
import streamlit as st

from fer_core import labels
from fer_core.dataset import changes, versions
from fer_core.dataset.store import Dataset, Store
from fer_core.dataset.versions import Version
from pages._shared import address, errors, export_view, gallery, labelling, removal_view, words

NOW = ""
"""In the address: the present state."""

A_PAGE = 50
"""Changed samples shown at a time."""


def show(store: Store, dataset: Dataset) -> None:
    """From top to bottom: freeze, the list, two side by side, exports, deletion."""
    known = versions.versions(store, dataset.name)
    newest = changes.newest(store, dataset.name)
    with st.container(width=260):
        who = labelling.ask_name()
    if not who:
        st.caption("Enter your name to freeze, restore or delete; it stands in the history.")
    labelling.offer_undo(store)
    st.subheader("Versions", anchor=False)
    st.markdown(_standing(store, dataset, known, newest))
    _freeze(store, dataset, who)
    if known:
        _list(known)
        st.subheader("Compare", anchor=False)
        _compare(store, dataset, known, newest, who)
    st.subheader("Take it along", anchor=False)
    export_view.show(store, dataset, known, who)
    st.subheader("Delete for good", anchor=False)
    removal_view.show(store, dataset, who)


def name_of(version: str) -> str:
    """A version as options call it."""
    return version or "now"


def _standing(store: Store, dataset: Dataset, known: list[Version], newest: int) -> str:
    """What has happened since the last version, in a sentence."""
    if not known:
        return (
            "None yet. A version keeps today's labels and splits under a name, so that a training, a figure "
            "or a colleague can refer to exactly these. It copies nothing."
        )
    last = known[-1]
    kinds = _diff(store, dataset, last.name, NOW, newest)["kind"].value_counts()
    said = [f"{kinds[kind]:,} {kind}" for kind in ("relabelled", "added", "removed") if kind in kinds]
    name = f"**{errors.plain(last.name)}**"
    return f"Since {name}: {', '.join(said)}." if said else f"Nothing has changed since {name}."


def _freeze(store: Store, dataset: Dataset, who: str) -> None:
    with (
        st.form(f"freeze {dataset.id}", clear_on_submit=True, border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        with st.container(width=220):
            name = st.text_input("Name of the new version", max_chars=100, placeholder="cleaned")
        with st.container(width=380):
            note = st.text_input("Note", max_chars=300, placeholder="what was done, and why")
        if st.form_submit_button("Freeze", type="primary", disabled=not who):
            with errors.guard():
                made = versions.freeze(store, dataset.name, name, who, note.strip())
                st.toast(f"{made.name} is frozen: {made.rows:,} samples.", icon=":material/check:")
                st.rerun()


def _list(known: list[Version]) -> None:
    rows = [
        {
            "Version": version.name,
            "Samples": version.rows,
            "Deleted since": version.removed,
            "When (UTC)": version.at[:16].replace("T", " "),
            "Who": version.who,
            "Note": version.note,
            "Id": version.id[:12],
        }
        for version in reversed(known)
    ]
    reduced = any(version.removed for version in known)
    st.dataframe(
        pd.DataFrame(rows).drop(columns=[] if reduced else ["Deleted since"]),
        hide_index=True,
        height="content" if len(rows) < 9 else 320,
        column_config={
            "Samples": st.column_config.NumberColumn(format="localized", width="small"),
            "Deleted since": st.column_config.NumberColumn(format="localized", width="small"),
            "Note": st.column_config.TextColumn(width="medium"),
            "Id": st.column_config.TextColumn(
                width="small", help="The same for the same pictures, splits and labels, on every machine"
            ),
        },
        alt="Versions: " + "; ".join(f"{row['Version']}, {row['Samples']} samples" for row in rows),
    )
    if reduced:
        st.caption(
            "Samples that were deleted for good are in no version any more; what is left has another id."
        )


def _compare(store: Store, dataset: Dataset, known: list[Version], newest: int, who: str) -> None:
    names = [version.name for version in reversed(known)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=240):
            old = address.select("From", names, "old", str)
        with st.container(width=240):
            new = address.select("To", [NOW, *names], "new", name_of)
    found = _diff(store, dataset, old, new, newest)
    if found.empty:
        st.markdown("They hold the same samples with the same labels.")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.html(_balance(store, dataset, old, new, newest))
    with right:
        st.markdown(_by_whom(found))
        if new == NOW:
            _offer_restore(store, dataset, old, found, who)
    _changed(store, dataset, found, f"{dataset.id} {old} {new} {newest}")


def _by_whom(found: pd.DataFrame) -> str:
    """Who changed how much, and why; the most first."""
    told = found.assign(why=found["why"].where(found["why"] != "", "no reason given"))
    groups = told.groupby(["kind", "who", "why"]).size().sort_values(ascending=False)
    lines = [
        f"- **{count:,} {kind}** by {errors.plain(person)}: {errors.plain(why[:120])}"
        for (kind, person, why), count in groups.head(6).items()
    ]
    if len(groups) > len(lines):
        lines.append(f"- and {groups[6:].sum():,} more, for {len(groups) - len(lines):,} other reasons")
    return "\n".join(lines)


def _balance(store: Store, dataset: Dataset, old: str, new: str, newest: int) -> str:
    """A table of classes: how many before, how many after."""
    both = [_counts(store, dataset, version, newest) for version in (old, new)]
    order = [*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE, ""]
    rows = []
    for name in order:
        before, after = (int(counts.get(name, 0)) for counts in both)
        if not before and not after:
            continue
        dot = f'<i aria-hidden="true" style="background:{labels.colour(name)}"></i>'
        cells = f"<td>{before:,}</td><td>{after:,}</td><td>{_signed(after - before)}</td>"
        rows.append(f"<tr><th scope=row>{dot}{html.escape(name or 'no label')}</th>{cells}</tr>")
    heads = "".join(f"<th scope=col>{html.escape(said)}</th>" for said in ("", old, name_of(new), "change"))
    style = (
        "<style>.fer-balance{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%;max-width:26em}"
        ".fer-balance th,.fer-balance td{padding:.3em .5em;text-align:right;font-weight:400;"
        "border-bottom:1px solid rgba(128,128,128,.25);overflow-wrap:anywhere}"
        ".fer-balance th[scope=row]{text-align:left;white-space:nowrap}"
        ".fer-balance thead th{opacity:.7}.fer-balance i{display:inline-block;width:.7em;height:.7em;"
        "margin-right:.6em;border:1px solid rgba(128,128,128,.6);border-radius:50%}</style>"
    )
    return f"{style}<table class=fer-balance><thead><tr>{heads}</tr></thead>{''.join(rows)}</table>"


def _signed(change: int) -> str:
    return f"{'+' if change > 0 else '−'}{abs(change):,}" if change else "·"


def _offer_restore(store: Store, dataset: Dataset, old: str, found: pd.DataFrame, who: str) -> None:
    changed = int((found["kind"] == "relabelled").sum())
    if not changed:
        return
    added = int((found["kind"] == "added").sum())
    with st.popover(f"Go back to “{errors.plain(old)}”"):
        stay = f" {words.many(added, 'sample')} imported since stay as they are." if added else ""
        st.markdown(
            f"{words.many(changed, 'label')} will be as in **{errors.plain(old)}** again.{stay} "
            "Today's labels stay in the history, and this can be undone."
        )
        st.button(
            "Go back",
            type="primary",
            disabled=not who,
            on_click=_restore,
            args=(store, dataset, old, who),
            help=None if who else "Enter your name first.",
        )


def _restore(store: Store, dataset: Dataset, version: str, who: str) -> None:
    with errors.guard():
        change = changes.restore(store, dataset.name, version, who)
        labelling.remember(change.batch, f"{words.many(len(change.events), 'label')} as in {version} again")


def _changed(store: Store, dataset: Dataset, found: pd.DataFrame, key: str) -> None:
    """The samples that differ, with small pictures; one click from the sample."""
    said = found.apply(_in_words, axis=1)
    groups = said.value_counts()
    everything = f"all {len(found):,}"
    with st.container(width=320):
        wanted = st.selectbox(
            "Which differences",
            [everything, *groups.index],
            format_func=lambda group: group if group == everything else f"{group} ({groups[group]:,})",
            key=f"differences {key}",
        )
    if wanted != everything:
        found, said = found[said == wanted], said[said == wanted]
    pages = -(-len(found) // A_PAGE)
    page = st.session_state.get(f"diff page {key} {wanted}", 1)
    first = (min(page, pages) - 1) * A_PAGE
    rows, said = found[first : first + A_PAGE], said[first : first + A_PAGE]
    small = gallery.thumbnails(store, rows["image"].dropna().tolist())
    table = pd.DataFrame(
        {
            "Picture": rows["image"].map(small),
            "Label": said,
            "Who": rows["who"],
            "Why": rows["why"],
            "When (UTC)": rows["at"].str[:16].str.replace("T", " "),
            "Split": rows["split"],
            "File": rows["source"],
        }
    )
    # As objects: a column of nothing but gaps would be one of numbers.
    table = table.astype(object).fillna("")

    def opened() -> None:
        if cells := st.session_state[f"changed {key} {wanted} {page}"]["selection"]["cells"]:
            address.go(data=dataset.name, sample=str(rows["sample"].iloc[cells[0][0]]))

    st.dataframe(
        table,
        hide_index=True,
        row_height=56,
        height=min(36 + 56 * len(table) + 4, 640),
        column_config={
            "Picture": st.column_config.ImageColumn(width="small"),
            "Why": st.column_config.TextColumn(width="medium"),
        },
        key=f"changed {key} {wanted} {page}",
        on_select=opened,
        selection_mode="single-cell",
        alt=f"{len(table)} samples that differ",
    )
    st.caption("Click a picture to see all about it.")
    if pages > 1:
        st.pagination(pages, key=f"diff page {key} {wanted}")


def _in_words(row: pd.Series) -> str:
    if row["kind"] != "relabelled":
        return f"{row['kind']}: {row['new'] or row['old'] or 'no label'}"
    return f"{row['old'] or 'no label'} → {row['new'] or 'no label'}"


def _diff(store: Store, dataset: Dataset, old: str, new: str, newest: int) -> pd.DataFrame:
    """`changes.diff`, kept for as long as the ledger of the dataset stays the same."""
    return _kept_diff(store, str(store.engine.url), dataset.name, old, new, newest)


@st.cache_data(max_entries=8, ttl=3600, show_spinner=False)
def _kept_diff(_store: Store, place: str, dataset: str, old: str, new: str, newest: int) -> pd.DataFrame:
    return changes.diff(_store, dataset, old, new or None)


def _counts(store: Store, dataset: Dataset, version: str, newest: int) -> pd.Series:
    """Samples of a version by label."""
    return _kept_counts(store, str(store.engine.url), dataset.name, version, newest)


@st.cache_data(max_entries=32, ttl=3600, show_spinner=False)
def _kept_counts(_store: Store, place: str, dataset: str, version: str, newest: int) -> pd.Series:
    return changes.counts(_store, dataset, version or None).sum(axis=1)
