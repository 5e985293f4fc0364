"""Class sets: begun, chosen, renamed, taken along and deleted."""

import streamlit as st

from fer_core.errors import NotFound, StorageError
from fer_core.fewshot import classes, sharing
from fer_core.fewshot.sets import LONGEST_NAME, MOST_CLASSES, ClassSet
from fer_core.zoo import library
from pages._shared import address, errors, words

_STEPS = (
    ("1", "Name what you want to tell apart", "“bored”, “skeptical”, “amused”: two classes or more."),
    ("2", "Show 1 to 8 photos of each", "From files, the camera or a dataset. The face is found for you."),
    (
        "3",
        "Use it at once",
        "On photos, live and on video. No training: it is ready as you drop the last photo.",
    ),
)


def choose() -> str | None:
    """The class set that the visitor works on; None while there is none, and how to begin."""
    found = {one.id: one for one in classes.all_sets()}
    asked = st.query_params.get("set")
    if asked is not None and asked not in found:
        _not_here(asked, bool(found))
    if not found:
        st.query_params.pop("set", None)
        _begin()
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=420):
            chosen = address.select("Class set", list(found), "set", lambda id: found[id].title, always=True)
        with st.popover("New", icon=":material/add:", help="Another class set, or one from a file"):
            _new("popover")
            _import()
        with st.popover("More", icon=":material/more_horiz:", help="Rename, take along, delete"):
            _more(found[chosen])
    return chosen


def _not_here(set_id: str, others: bool) -> None:
    """Why the set that the address asks for cannot be shown."""
    try:
        classes.load(set_id)
    except NotFound:
        # With others there, the box that chooses among them says so.
        if not others:
            st.warning("The class set that the address asks for is not here any more.")
    except StorageError as error:
        st.error(errors.plain(str(error)))
        with st.popover("Delete it", icon=":material/delete_forever:"):
            if st.button("Delete for good", key="delete the damaged set"):
                classes.delete(set_id)
                address.go()
                st.rerun()


def missing(class_set: ClassSet) -> str:
    """What a set lacks before it can be taught, in words; "" where nothing."""
    empty = [one.name for one in class_set.classes if not one.examples]
    if len(class_set.classes) < 2:
        return "Name two classes or more: a model tells one from another."
    if empty:
        return f"Photos are missing: {', '.join(map(errors.plain, empty))}. Add some, or remove the class."
    return ""


def base_for_new() -> str:
    """The model that a new set stands on.

    Raises:
        NotFound: no model is here.
    """
    found = library.default_id()
    if found is None:
        raise NotFound("A class set stands on a model. Received: none is here. Train one first.")
    return found


def _begin() -> None:
    """What this is, and the first step."""
    for column, (number, title, sentence) in zip(st.columns(3), _STEPS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{number}. {title}**")
            st.markdown(sentence)
    st.caption(
        "For example: a teacher shows eight photos each of “with me”, “lost” and “bored”, acted out with "
        "friends, and lets the camera say which one a rehearsed lesson gets. "
        "It reads how faces look in your photos, not what people feel."
    )
    _new("page")
    with st.expander("You have a class set in a file"):
        _import()


def _new(where: str) -> None:
    with st.form(f"new set {where}", border=False):
        title = st.text_input(
            "Name of the class set", placeholder="Moods in class", max_chars=2 * LONGEST_NAME
        )
        names = st.text_input(
            "Its classes, with commas between",
            placeholder="bored, skeptical, amused",
            help="They can be changed, and others added, at any time.",
        )
        go = st.form_submit_button("Begin", type="primary")
    if go:
        with errors.guard():
            made = classes.create(title, base_for_new())
            st.session_state["teach said"] = add_named(made.id, names)
            address.go(set=made.id)
            st.rerun()


def add_named(set_id: str, names: str) -> str:
    """Add the classes of a line with commas; what went wrong with any of them, in words."""
    problems = []
    for name in filter(None, map(str.strip, names.split(","))):
        try:
            classes.add_class(set_id, name)
        except Exception as error:  # noqa: BLE001 (one name that cannot be used must not lose the others)
            problems.append(errors.sentence(error))
    return "\n\n".join(problems)


def _import() -> None:
    key = f"import set {st.session_state.get('teach imports', 0)}"
    file = st.file_uploader(
        "A class set from a file (zip)", type=["zip"], max_upload_size=500, key=key, help="As exported here."
    )
    if file is not None:
        with errors.guard():
            made = sharing.taken_in(file.getvalue())
            st.session_state["teach imports"] = st.session_state.get("teach imports", 0) + 1
            address.go(set=made.id)
            st.rerun()


def _more(class_set: ClassSet) -> None:
    with st.form(f"rename set {class_set.id}", border=False):
        title = st.text_input("Name", class_set.title, max_chars=2 * LONGEST_NAME)
        if st.form_submit_button("Rename"):
            with errors.guard():
                classes.rename(class_set.id, title)
                st.rerun()
    count = len(class_set.examples)
    st.download_button(
        "Export (zip)",
        lambda: sharing.exported(class_set.id),
        f"{class_set.id}.zip",
        "application/zip",
        on_click="ignore",
        icon=":material/download:",
        key=f"export set {class_set.id}",
        help="The classes and the faces cut out of the photos; not the photos, not the model.",
    )
    st.divider()
    sure = st.checkbox(
        f"Delete “{errors.plain(class_set.title)}” with its {words.many(count, 'photo')}",
        key=f"sure {class_set.id}",
    )
    st.caption("Models that were saved from it stay in the library.")
    if st.button("Delete for good", disabled=not sure, icon=":material/delete_forever:"):
        with errors.guard():
            classes.delete(class_set.id)
            address.go()
            st.rerun()


def more_classes(class_set: ClassSet) -> None:
    """The line that adds classes."""
    if len(class_set.classes) >= MOST_CLASSES:
        st.caption(f"A set has at most {MOST_CLASSES} classes.")
        return
    with st.form("add class", border=False, clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container(width=240):
                names = st.text_input(
                    "Add a class",
                    placeholder="bored, skeptical",
                )
            go = st.form_submit_button("Add")
    if go and names.strip():
        st.session_state["teach said"] = add_named(class_set.id, names)
        st.rerun()
