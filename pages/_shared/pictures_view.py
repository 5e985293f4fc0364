"""The pictures of a dataset: filter, sort, page through, mark and label."""

from functools import partial

import streamlit as st

from fer_core import labels
from fer_core.dataset import browse, findings, overview
from fer_core.dataset.browse import NO_LABEL, Filter, Tile
from fer_core.dataset.store import SPLITS, Dataset, Store
from pages._shared import address, all_of_filter, gallery, labelling, sample_view, teach_from, words

A_PAGE = 60
"""Pictures shown at a time: divides into rows of 3, 4, 5, 6, 10 and 12."""

HOW_TO_MARK = (
    "Click a picture to see all about it. Mark several: the circle in the corner, a rectangle drawn with "
    "the mouse, shift for a row, on a phone a long press. Then a key labels them; Esc unmarks. Arrows walk, "
    "Space marks."
)

_ANY = ""
_NONE = "none of them"
"""In the address: samples without a label. (No label is an empty text, which would ask for any.)"""


def show(store: Store, dataset: Dataset) -> None:
    """One sample where the address names one, else the grid."""
    where, order = _asked(store, dataset) if "sample" not in st.query_params else _remembered(dataset)
    if (sample := address.number("sample")) is not None:
        sample_view.show(store, dataset, sample, where, order)
        return
    st.session_state[f"filter {dataset.id}"] = where, order
    total = browse.counted(store, dataset.name)
    found = browse.counted(store, dataset.name, where)
    if not found:
        st.info("No picture is like that. Ask for less, or show all.")
        st.button("Show all", on_click=address.go, kwargs={"data": dataset.name})
        return
    pages = -(-found // A_PAGE)
    page = _page(pages, (where, order))
    tiles = browse.page(store, dataset.name, where, order, (page - 1) * A_PAGE, A_PAGE)
    bar, key = st.container(), f"grid {dataset.id} {page}"
    chosen = gallery.show(
        store,
        tiles,
        key,
        on_open=open_sample,
        captions=_caption(where),
        choosing=True,
        size=92,
        classes=labelling.keys(dataset.label_set.names) if labelling.name() else (),
        on_act=partial(labelling.act, store, surfaced_by="pictures"),
        undone=labelling.undone(),
    )
    with bar:
        if all_of_filter.asked(dataset):
            all_of_filter.show(store, dataset, where)
        else:
            said = f"**{words.many(found, 'picture')}**" + (f" of {total:,}" if found < total else "")
            _act(store, dataset, said, chosen, key, found)
    st.caption(HOW_TO_MARK)
    if pages > 1:
        st.pagination(pages, default=page, key=f"page {page}", on_change=_turn, args=(page,))


def open_sample(sample: int) -> None:
    """Show one sample large; for callbacks. Filter and page stay in the address."""
    st.query_params["sample"] = str(sample)


def _asked(store: Store, dataset: Dataset) -> tuple[Filter, str]:
    """The filter and order that the fields say; each stands in the address."""
    classes = [*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE, _NONE]
    checked = findings.summary(store, dataset.name)
    kinds = [kind for kind in findings.KINDS if checked and checked.counts.get(kind)]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        split = _field("Split", ["", *SPLITS], "split", lambda s: "any" if not s else s)
        label = _field("Class", ["", *classes], "label", lambda s: {"": "any", _NONE: "no label"}.get(s, s))
        finding = _field(
            "Finding",
            ["", *kinds],
            "finding",
            lambda k: findings.KINDS[k].title if k else "any",
        )
        orders = [o for o in browse.ORDERS if (o not in ("suspicious", "groups")) or finding]
        if finding:
            grouped = findings.KINDS[finding].grouped
            orders.sort(key=lambda o: o != ("groups" if grouped else "suspicious"))
        order = _field("Order", orders, "order", browse.ORDERS.__getitem__)
        with st.popover("More"):
            more = _more(store, dataset)
    where = Filter(
        split=split or None,
        label=NO_LABEL if label == _NONE else label or None,
        finding=finding or None,
        cluster=address.number("group") if finding else None,
        samples=_some(),
        **more,
    )
    return where, order


def _more(store: Store, dataset: Dataset) -> dict[str, str | None]:
    """The fields that few need: by state, person, subject, import and name."""
    imports = {
        a.batch: f"{a.what}, {a.at[:16].replace('T', ' ')}" for a in overview.arrivals(store, dataset.name)
    }
    fields = {
        "state": ("Label is", list(browse.STATES), browse.STATES.__getitem__),
        "who": ("Labelled by", overview.people(store, dataset.name), str),
        "subject": ("Person shown", overview.subjects(store, dataset.name), str),
        "arrival": ("Came with", list(imports), imports.__getitem__),
    }
    chosen: dict[str, str | None] = {}
    for name, (label, options, said) in fields.items():
        if options:
            chosen[name] = (
                _field(label, ["", *options], name, lambda o, said=said: said(o) if o else "any") or None
            )
    chosen["text"] = address.text("File name holds", "text") or None
    return chosen


def _field(label: str, options: list[str], name: str, said) -> str:
    with st.container(width=165):
        return address.select(label, options, name, said)


def _some() -> tuple[int, ...] | None:
    """The samples that another view picked out, by the number under which the session keeps them."""
    picked = st.session_state.get(f"picked {st.query_params.get('picked')}")
    return tuple(picked) if picked else None


def _remembered(dataset: Dataset) -> tuple[Filter, str]:
    return st.session_state.get(f"filter {dataset.id}", (Filter(), "imported"))


def _page(last: int, asked: tuple[Filter, str]) -> int:
    """The page that the address names, the first one after the filter has changed."""
    if st.session_state.get("asked", asked) != asked:
        st.query_params.pop("page", None)
    st.session_state["asked"] = asked
    return max(1, min(address.number("page", 1) or 1, last))


def _turn(page: int) -> None:
    wanted = st.session_state[f"page {page}"]
    if wanted > 1:
        st.query_params["page"] = str(wanted)
    else:
        st.query_params.pop("page", None)


def _caption(where: Filter):
    def said(tile: Tile) -> str:
        group = f" · group {tile.cluster}" if tile.cluster is not None and where.cluster is None else ""
        return (tile.label or "no label") + group

    return said


def _act(store: Store, dataset: Dataset, said: str, chosen: list[int], key: str, found: int) -> None:
    """One line above the grid: how many there are, or what can be done with the marked ones."""
    with st.container(horizontal=True, vertical_alignment="bottom", height=76, border=False):
        if chosen:
            with st.container(width=170):
                label = st.selectbox(
                    f"Label {len(chosen)} marked",
                    [*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE],
                    format_func=labelling.with_key(dataset.label_set.names),
                )
            with st.container(width=170):
                who = labelling.ask_name()
            st.button(
                "Label", type="primary", disabled=not who, on_click=_label, args=(store, chosen, label, key)
            )
            teach_from.samples(store, dataset.name, chosen, key)
            st.button("Unmark", on_click=gallery.clear_choice, args=(key,), type="tertiary")
            return
        st.markdown(said)
        if st.query_params.keys() - {"data", "page", "order", "view"}:
            st.button("Show all", on_click=address.go, kwargs={"data": dataset.name}, type="tertiary")
        st.button(f"Label all {found:,}…", on_click=all_of_filter.ask, args=(dataset,), type="tertiary")
        st.space("stretch")
        labelling.offer_undo(store)


def _label(store: Store, chosen: list[int], label: str, key: str) -> None:
    if labelling.give(store, chosen, label, "pictures"):
        gallery.clear_choice(key)
