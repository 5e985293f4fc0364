"""Bring in a model of your own: look at the file, declare what it cannot say, check it on golden faces."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import streamlit as st

from fer_core import labels
from fer_core.evaluation import golden
from fer_core.evaluation.golden import Fit, Golden
from fer_core.zoo import incoming
from fer_core.zoo.card import Card
from fer_core.zoo.incoming import Declared, Found
from fer_core.zoo.process import Progress
from pages._shared import address, errors, jobs, uploads, words
from pages._shared.uploads import Draft

PARAMETER = "incoming"
"""Name in the address of the file that is being brought in."""

_OWN = "another order"
_SHOWN = 15
"""The photo and two drawn people, for a network of seven classes."""
_LARGEST_MB = 1024


def show() -> None:
    """All of it, or why it is off."""
    if not incoming.allowed():
        st.markdown(
            "Off here. A model file is a program: whoever made it could have it do things on this computer. "
            "Files are checked and opened in a process of their own, but the owner of this installation "
            f"decides, by starting the app with `{incoming.ALLOWED_BY}=1`."
        )
        return
    draft = uploads.find(st.query_params.get(PARAMETER, ""))
    if draft is None:
        _ask()
        return
    path = Path(draft.paths[0])
    known = _golden()
    key = f"look at model {draft.token}"
    if jobs.find(key) is None:

        def work(progress: Progress) -> Found:
            return incoming.look(path, known.pictures, progress)

        jobs.start(key, "Looking into the file", work)
    st.markdown(f"**{errors.plain(path.name)}**")
    job = jobs.show(key)
    if job and job.state == "done":
        _declare(draft, path, job.value, known)
    if job:
        st.button("Take another file", on_click=_forget, args=(draft,), key=f"forget {draft.token}")


def _ask() -> None:
    upload = st.file_uploader(
        "A network that tells expressions, saved by Keras as .h5 or .keras",
        type=["h5", "hdf5", "keras"],
        max_upload_size=_LARGEST_MB,
        key="model file",
    )
    st.caption("It may hold Keras' own layers only. Bring in files of people whom you trust.")
    if upload:
        uploads.tidy()
        st.query_params[PARAMETER] = uploads.take_in([upload]).token
        st.rerun()


def _forget(draft: Draft) -> None:
    for what in ("look at", "store"):
        jobs.forget(f"{what} model {draft.token}")
    uploads.forget(draft.token)
    st.query_params.pop(PARAMETER, None)


def _declare(draft: Draft, path: Path, found: Found, known: Golden) -> None:
    """What the file cannot say, with the golden faces answering at once."""
    colour = "grey" if found.channels == 1 else "colour"
    st.markdown(
        f"It reads {found.side} × {found.side} px in {colour}, answers with {found.outputs} numbers and has "
        f"{found.parameters:,} weights{'; it rescales by itself' if found.rescales else ''}."
    )
    names = _classes(found, draft.token)
    left, right = st.columns(2)
    colours = incoming.colours(found.channels)
    with left:
        way = st.selectbox(
            "Colours",
            colours,
            format_func=lambda key: incoming.COLOURS[key],
            help="How its training pictures were read: OpenCV's imread gives BGR, nearly all else RGB.",
            key=f"colour {draft.token}",
        )
    with right:
        scales = list(incoming.SCALES)
        scale = st.selectbox(
            "Values",
            scales,
            index=scales.index("0..255") if found.rescales else 0,
            format_func=lambda key: incoming.SCALES[key],
            help="What was done to the pixels, 0 to 255, before they reached the network.",
            key=f"scale {draft.token}",
        )
    if len(set(names)) == found.outputs:
        _check(found, golden.fit(found.answers, (way, scale), names, known.truth), known)
    title = st.text_input("Name", path.stem, max_chars=60, key=f"title {draft.token}")
    trained_on = st.text_input("Trained on", max_chars=200, key=f"trained on {draft.token}")
    licence = st.text_input(
        "Licence of its weights",
        max_chars=100,
        placeholder="MIT, non-commercial…",
        key=f"licence {draft.token}",
    )
    _store(draft, path, found, Declared(names, way, scale, title, trained_on, licence))


def _classes(found: Found, token: str) -> tuple[str, ...]:
    """The names in the order of the outputs: a usual order, or any."""
    base = {7: labels.FER7.names, 8: labels.FERPLUS8.names}.get(found.outputs)
    orders = golden.usual_orders(base) if base else {}
    chosen = _OWN
    if orders:
        chosen = st.selectbox(
            "Order of the classes",
            [*orders, _OWN],
            format_func=lambda order: f"{order}: {', '.join(orders[order])}" if order in orders else order,
            help="Which output stands for which expression. Folders read by Keras are in alphabetical order.",
            key=f"order {token}",
        )
    if chosen in orders:
        return orders[chosen]
    picked = st.multiselect(
        f"The {found.outputs} classes, in the order of the outputs",
        [*labels.FERPLUS8.names],
        accept_new_options=True,
        max_selections=found.outputs,
        placeholder="Choose or type a name",
        key=f"classes {token}",
    )
    return tuple(labels.canonical(name) for name in picked)


def _check(found: Found, chosen: Fit, known: Golden) -> None:
    """How golden faces come out under what is declared, and whether something else fits clearly better."""
    count = len(chosen.right)
    st.markdown(f"**{int(chosen.right.sum())} of {count} golden faces** come out right as declared.")
    others = golden.better(found.answers, chosen, known.truth)
    if others:
        st.warning(
            errors.plain(
                f"Clearly more come out right, {words.percent(others[0].accuracy, 0)} rather than "
                f"{words.percent(chosen.accuracy, 0)}, {_difference(chosen, others[0])}. Is that meant?"
            )
        )
    _grid(found, chosen, known)
    st.caption(
        "One photo and drawn faces. Networks that learned from photos read drawings badly, so this is a hint "
        "and no measurement; of several ways with like figures none is proven."
    )
    with st.expander("Each way of feeding it"):
        table: dict[str, dict[str, str]] = {}
        for way in found.answers:
            fit = golden.fit(found.answers, way, chosen.names, known.truth)
            row = table.setdefault(incoming.COLOURS[way[0]], {})
            row[incoming.SCALES[way[1]]] = words.percent(fit.accuracy, 0)
        st.table(pd.DataFrame(table))


def _difference(chosen: Fit, other: Fit) -> str:
    """In what one fit differs from another, in words."""
    parts = []
    if other.way != chosen.way:
        parts.append(f"with {incoming.COLOURS[other.way[0]]} and values {incoming.SCALES[other.way[1]]}")
    if other.names != chosen.names:
        parts.append(f"with the classes {', '.join(other.names)}")
    return " and ".join(parts)


def _grid(found: Found, chosen: Fit, known: Golden) -> None:
    """Faces with what the model says of them; of those only whose expression it can name."""
    rows = zip(known.pictures, known.truth, found.answers[chosen.way], strict=False)
    nameable = [row for row in rows if row[1] in chosen.names]
    with st.container(horizontal=True, gap="small"):
        for picture, truth, answer in nameable[:_SHOWN]:
            guess, share = chosen.names[int(answer.argmax())], words.share(float(answer.max()))
            said = f"{guess} {share}" + (" ✓" if guess == truth else f", not {truth}")
            alt = f"A face that shows {truth}; the model says {guess}, {share}"
            with st.container(width=104):
                st.image(picture, caption=errors.plain(said), width=104, alt=alt)


def _store(draft: Draft, path: Path, found: Found, declared: Declared) -> None:
    key = f"store model {draft.token}"

    def work(progress: Progress) -> Card:
        return incoming.store(path, found, declared, progress)

    job = jobs.find(key)
    if job is None or job.state in ("failed", "stopped"):
        missing = [what for what, given in _wanted(declared, found.outputs).items() if not given]
        if st.button("Add to the library", type="primary", disabled=bool(missing), key=f"add {draft.token}"):
            jobs.forget(key)
            jobs.start(key, "Converting and checking", work)
            st.rerun()
        if missing:
            st.caption(f"Still wanted: {', '.join(missing)}.")
    job = jobs.show(key)
    if job and job.state == "done":
        card = job.value
        st.success(errors.plain(f"{card.title} is in the library."))
        st.button("Open it", type="primary", on_click=_open, args=(draft, card.id), key=f"open {draft.token}")


def _wanted(declared: Declared, outputs: int) -> Mapping[str, bool]:
    return {
        "all classes": len(set(declared.names)) == outputs,
        "a name": bool(declared.id),
        "what it was trained on": bool(declared.trained_on.strip()),
        "its licence": bool(declared.licence.strip()),
    }


def _open(draft: Draft, model_id: str) -> None:
    _forget(draft)
    address.go(model=model_id)


@st.cache_resource(show_spinner=False)
def _golden() -> Golden:
    return golden.faces()
