"""Sittings: what everyone did when, the way back from it, and a report to take along."""

import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from fer_core.dataset import browse, exports, ledger
from fer_core.dataset.browse import Tile
from fer_core.dataset.exports import names
from fer_core.dataset.store import Dataset, Store
from fer_core.evaluation import tables
from fer_core.review import people, quality, sittings
from pages._shared import address, errors, gallery, labelling, words

A_PAGE = 60
"""Pictures of a sitting shown at a time."""

_FEW = 10
"""Rows of the list of pictures that people labelled differently."""

_OPEN = "open a picture of a sitting"


def show(store: Store, dataset: Dataset) -> None:
    """From top to bottom: all sittings, one of them, the way back, what people differ on, all changes."""
    if (sample := st.session_state.pop(_OPEN, None)) is not None:
        st.switch_page("pages/datasets.py", query_params={"data": dataset.name, "sample": str(sample)})
    known = _sittings(store, str(store.engine.url), dataset.name, quality.state(store, dataset.name))
    if known.empty:
        st.info("Here stands who labelled what in one go, with a way back. Nobody has labelled by hand yet.")
        st.button("To the queues", on_click=address.go, kwargs={"data": dataset.name}, type="primary")
        return
    _table(known)
    ids = [_id(row) for row in known.itertuples(index=False)]
    titles = dict(zip(ids, known.apply(_title, axis=1), strict=True))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=400):
            chosen = address.select("One sitting", ids, "of", titles.__getitem__, always=True)
        with st.container(width=200):
            labelling.ask_name()
    labelling.offer_undo(store)
    _one(store, dataset, known.iloc[ids.index(chosen)])
    _everything_of(store, dataset, known)
    _differing(store, dataset)
    st.subheader("All changes of labels", anchor=False)
    st.download_button(
        "Download as csv",
        data=partial(_changes, store, dataset),
        file_name=names.safe(f"{dataset.name} changes") + ".csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        help="Each label that is another one than the import said: old, new, who, when and why. Another copy "
        "of the dataset can take it over.",
    )


@st.cache_data(max_entries=8, show_spinner="Counting answers…")
def _sittings(_store: Store, place: str, dataset: str, state: tuple) -> pd.DataFrame:
    return sittings.sittings(_store, dataset)


@st.cache_data(max_entries=8, show_spinner="Comparing answers…")
def _conflicts(_store: Store, place: str, dataset: str, state: tuple) -> pd.DataFrame:
    return people.conflicts(people.votes_of(_store, dataset))


def _table(known: pd.DataFrame) -> None:
    rows = pd.DataFrame(
        {
            "Who": known["who"],
            "When (UTC)": known["from"].map(_moment),
            "Until": known["to"].map(_moment),
            "Answers": known["answers"],
            "Still stand": known["standing"],
            "Changed the label": known["changed"],
            "A minute": [_pace(row) for row in known.itertuples(index=False)],
            "From": known["queue"],
        }
    )
    said = "; ".join(known.head(_FEW).apply(_title, axis=1))
    st.dataframe(rows, hide_index=True, height="content" if len(rows) <= _FEW else 390, alt=said)
    st.caption("A minute: pictures while at work, without breaks of more than two minutes.")


def _one(store: Store, dataset: Dataset, row: pd.Series) -> None:
    """The pictures of one sitting, the report and the way back."""
    found = sittings.report(store, dataset.name, row["who"], row["sitting"])
    st.download_button(
        "Report of this sitting",
        data=partial(tables.csv, found.drop(columns="image")),
        file_name=names.safe(f"{dataset.name} {row['who']} {row['from'][:16]}") + ".csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
    others = _conflicts(store, str(store.engine.url), dataset.name, quality.state(store, dataset.name))
    differing = found["sample"].isin(others["sample"]) & found["stands"]
    if differing.any():
        count = found.loc[differing, "sample"].nunique()
        st.markdown(
            f"{words.many(count, 'picture')} of it {'was' if count == 1 else 'were'} labelled differently by "
            "somebody else; all answers are kept."
        )
    last = found.drop_duplicates("sample", keep="last").iloc[::-1]
    _pictures(store, last)
    stand = int(found["stands"].sum())
    st.markdown(
        f"To take it back withdraws the {words.many(stand, 'answer')} that still "
        f"{'stands' if stand == 1 else 'stand'}: pictures get the label that they had before, except those "
        "that somebody else labelled since. Nothing is lost from the history, and Undo brings all of it back."
        if stand
        else "All of it was taken back."
    )
    st.button(
        f"Take back {words.many(stand, 'answer')}",
        disabled=not (stand and labelling.name()),
        help=None if labelling.name() else "Enter your name first.",
        on_click=_revert,
        args=(store, dataset.name, row["who"], row["sitting"]),
    )


def _pictures(store: Store, last: pd.DataFrame) -> None:
    pages = max(1, -(-len(last) // A_PAGE))
    page = max(1, min(address.number("page", 1) or 1, pages))
    part = last.iloc[(page - 1) * A_PAGE : page * A_PAGE]
    said = {
        int(r.sample): f"{r.old or 'no label'} →\n{r.new or 'no label'}"
        + ("" if r.stands else " (taken back)")
        for r in part.itertuples(index=False)
    }

    def opened(sample: int) -> None:
        st.session_state[_OPEN] = sample

    def caption(tile: Tile) -> str:
        return said[tile.sample]

    with store.read() as connection:
        tiles = browse.tiles(connection, list(said))
    gallery.show(store, tiles, "sitting", on_open=opened, captions=caption, size=104)
    if len(tiles) < len(part):
        st.caption(f"{words.many(len(part) - len(tiles), 'picture')} of these were deleted since.")
    if pages > 1:
        st.pagination(pages, default=page, key=f"sitting page {page}", on_change=_turn, args=(page,))


def _turn(page: int) -> None:
    wanted = st.session_state[f"sitting page {page}"]
    address.write("page", wanted if wanted > 1 else None)


def _everything_of(store: Store, dataset: Dataset, known: pd.DataFrame) -> None:
    with st.expander("Take back everything of one person"):
        counts = known.groupby("who", sort=False)["standing"].sum()
        with st.container(width=260):
            who = st.selectbox("Person", list(counts.index), key="take back all of")
        count = int(counts[who])
        sure = st.checkbox(
            errors.plain(f"Withdraw all {words.many(count, 'answer')} of {who} in {dataset.name}"),
            key=f"take back all of {who}",
            disabled=not count,
        )
        st.caption(
            "Pictures get the label they had before; what others labelled since stays. Undo brings all back."
        )
        st.button(
            "Take back everything",
            disabled=not (sure and count and labelling.name()),
            on_click=_revert,
            args=(store, dataset.name, who, None),
        )


def _revert(store: Store, dataset: str, person: str, sitting: str | None) -> None:
    with errors.guard():
        change = ledger.revert(
            store, labelling.name(), dataset=dataset, sitting=sitting, person=person, why="taken back whole"
        )
        kept = f"; {words.many(len(change.kept), 'picture')} kept a later label" if change.kept else ""
        labelling.remember(change.batch, f"{words.many(len(change.events), 'answer')} taken back{kept}")


def _differing(store: Store, dataset: Dataset) -> None:
    st.subheader("Labelled differently by two people", anchor=False)
    votes = _conflicts(store, str(store.engine.url), dataset.name, quality.state(store, dataset.name))
    said = votes.assign(said=votes["who"] + ": " + votes["label"]).sort_values("at", kind="stable")
    rows = said.groupby("sample")["said"].agg(", ".join)
    if rows.empty:
        st.markdown("No picture.")
        return
    latest = votes.groupby("sample")["at"].max().sort_values(ascending=False, kind="stable").index[:_FEW]
    table = pd.DataFrame({"Picture": latest, "Answers": rows[latest].to_numpy()})
    st.dataframe(table, hide_index=True, alt="; ".join(rows[latest]))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"The latest {_FEW} of {len(rows):,}."
            if len(rows) > _FEW
            else "All answers are kept; the newest is the label until somebody settles it.",
            width="content",
        )
        st.button(
            "Settle them at the desk →",
            on_click=address.go,
            kwargs={"data": dataset.name, "queue": "people"},
        )


def _changes(store: Store, dataset: Dataset) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changes.csv"
        exports.export(store, dataset.name, "changes", path)
        return path.read_bytes()


def _id(row) -> str:
    """Names a sitting in the address."""
    return f"{row.sitting or 'none'} {row.who}"


def _title(row: pd.Series) -> str:
    kept = row["from"][:16].replace("T", " ") if row["sitting"] else "without a sitting"
    return f"{row['who']}, {kept}, {words.many(row['answers'], 'answer')}"


def _moment(at: str) -> str:
    return at[:16].replace("T", " ")


def _pace(row) -> str:
    # Without a sitting, several pictures are labelled in one moment.
    return "" if not row.sitting or pd.isna(row.pace) else f"{row.pace:.0f}"
