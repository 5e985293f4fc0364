"""Every model on every dataset: a matrix that is measured bit by bit, and leads to the faces."""

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset import changes, overview
from fer_core.dataset.store import Store
from fer_core.evaluation import across
from fer_core.evaluation.across import Cell, Column
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.evaluation.trial import Rows
from fer_core.imaging import detectors
from fer_core.zoo.card import Card
from pages._shared import address, charts, errors, jobs, trials, words

_PICTURES = {"same": "the same for all models", "most": "as many as possible"}
_ANSWERS = {
    "among": "among the classes that both know",
    "open": "any answer; a class not known here is wrong",
}
_RIGHT = {"labels": "the dataset's labels", "votes": "the most frequent vote"}


@dataclass(frozen=True)
class Place:
    """One cell of the matrix.

    Attributes:
        title: of the model, told apart from all others.
        obstacle: why there can be no figure, or None.
        cell: None where it was not measured yet.
        learnt: the model was trained on this dataset.
    """

    card: Card
    title: str
    column: Column
    obstacle: str | None
    cell: Cell | None
    learnt: bool


def show(store: Store, models: Mapping[str, Card]) -> None:
    """Choices, what is missing, the matrix, and all of it as a table.

    Args:
        models: models of expressions, by id.
    """
    st.subheader("Every model on every dataset", anchor=False)
    st.markdown(
        "A model that learned one collection's pictures often fails on another's. Here each answers for "
        "sets that it has never seen."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=240):
            pictures = address.select(
                "Pictures",
                list(_PICTURES),
                "pictures",
                _PICTURES.__getitem__,
                "The same: a set's test pictures, else those of its validation, once any model learned from "
                "the set; else all of them. As many as possible: all of them for each model that did not.",
            )
        with st.container(width=330):
            answer = address.select(
                "Answers that count",
                list(_ANSWERS),
                "answer",
                _ANSWERS.__getitem__,
                "Where model and dataset do not have the same classes, the first asks less of the model.",
            )
        with st.container(width=230):
            truth = address.select(
                "Right is", list(_RIGHT), "right", _RIGHT.__getitem__, "Where nobody voted, the labels."
            )
        with st.container(width=230):
            faces = address.select(
                "The face is",
                [WHOLE, *detectors.DETECTORS],
                "faces",
                _faces,
                "Sets of cropped faces are read whole. Where a picture shows more than the face, a detector "
                "looks for it; a face that it does not find is a wrong answer.",
            )
    places = _places(store, models, pictures, truth, faces)
    missing = {
        model: [p.column.rows for p in row.values() if p.cell is None and p.obstacle is None]
        for model, row in places.items()
    }
    name = "the matrix" if faces == WHOLE else f"the matrix with {detectors.DETECTORS[faces].title}"
    offer(store, name, {model: rows for model, rows in missing.items() if rows}, faces=faces)
    _matrix(places, answer, faces)
    _table(places)


def _faces(name: str) -> str:
    return "the whole picture" if name == WHOLE else f"what {detectors.DETECTORS[name].title} finds"


def distinct(models: Mapping[str, Card]) -> dict[str, str]:
    """Titles by id, with the id where several models have one title."""
    titles = [card.title for card in models.values()]
    return {
        model: card.title if titles.count(card.title) == 1 else f"{card.title} ({model})"
        for model, card in models.items()
    }


def offer(
    store: Store, key: str, wanted: Mapping[str, list[Rows]], of_all: str = "", faces: str = WHOLE
) -> None:
    """A button that measures what is missing, its progress while it works, and what failed.

    Args:
        key: what is measured, in words; finds the work again.
        wanted: for each model's id the rows it was not measured on; none where its speed alone is missing.
        of_all: what the button says is missing; "" counts the figures.
    """
    name = f"measure {key}"
    ended = jobs.show(name)
    if ended is not None:
        if ended.state == "done":
            st.session_state[f"failures {name}"] = ended.value
        jobs.forget(name)
        if ended.state == "done":
            st.rerun()
    for failure in st.session_state.get(f"failures {name}", []):
        st.warning(errors.plain(failure))
    if not wanted or jobs.find(name) is not None:
        return
    tests = sum((rows.frame["split"] == "test").any() for some in wanted.values() for rows in some)
    count = sum(map(len, wanted.values()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Measure {of_all or words.many(count, 'missing figure')}",
            key=f"start {name}",
            type="primary",
            on_click=_begin,
            args=(store, name, key, dict(wanted), faces),
        )
        if tests:
            st.caption(
                f"{words.many(tests, 'of them is', 'of them are')} on test pictures: each counts as a look "
                "at the test, and is written into the register."
            )


def _begin(store: Store, name: str, key: str, wanted: dict[str, list[Rows]], faces: str) -> None:
    st.session_state.pop(f"failures {name}", None)
    jobs.start(name, f"Measuring {key}", lambda progress: across.measure(store, wanted, faces, progress))


def _places(
    store: Store, models: Mapping[str, Card], pictures: str, truth: str, faces: str
) -> dict[str, dict[str, Place]]:
    """By model and dataset."""
    names = [dataset.name for dataset in store.datasets()]
    learnt = {str(card.training.get("dataset")) for card in models.values()}
    filled, state = {}, {name: changes.newest(store, name) for name in names}
    for name in names:
        counts = overview.balance(store, name).groupby("split")["n"].sum()
        filled[name] = [str(split) for split, n in counts.items() if n]
    titles = distinct(models)
    found: dict[str, dict[str, Place]] = {}
    for model, card in models.items():
        own = {str(card.training.get("dataset"))}
        found[model] = {}
        for name in (name for name in names if filled[name]):
            split = across.split_of(name, filled[name], own if pictures == "most" else learnt)
            column = _column(store, name, split, truth, state[name])
            obstacle = column.obstacle(card)
            cell = None if obstacle else across.kept(card, column, names, faces)
            found[model][name] = Place(card, titles[model], column, obstacle, cell, name in own)
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def _column(_store: Store, dataset: str, split: str, truth: str, place: int) -> Column:
    return across.column(trials.rows(_store, dataset, None, split, place), truth)


def _matrix(places: Mapping[str, Mapping[str, Place]], answer: str, faces: str) -> None:
    datasets = list(next(iter(places.values()), {}))
    if not datasets:
        st.info("No dataset has pictures yet.")
        return
    flat = [(model, name, places[model][name]) for model in places for name in datasets]
    titles = {model: _wrapped(next(iter(row.values())).title) for model, row in places.items()}
    heads = {
        name: f"{_wrapped(name)}<br>{_pictures([row[name] for row in places.values()])}" for name in datasets
    }
    shares = [[_share(places[model][name], answer) for name in datasets] for model in places]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if share is None else share["accuracy"] * 100 for share in row] for row in shares],
            x=list(range(len(datasets))),
            y=list(range(len(places))),
            text=[[_text(places[model][name], answer) for name in datasets] for model in places],
            texttemplate="%{text}",
            textfont={"size": 12},
            hoverinfo="skip",
            colorscale=charts.scale(),
            zmin=0,
            zmax=100,
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    # Streamlit hears of clicks on markers, never of those on a heatmap.
    figure.add_scatter(
        x=[datasets.index(name) for _, name, _ in flat],
        y=[list(places).index(model) for model, _, _ in flat],
        mode="markers+text",
        text=["" if place.cell else _text(place, answer) for _, _, place in flat],
        textfont={"size": 11},
        marker={"size": 44, "symbol": "square", "opacity": 0, "color": "#888"},
        customdata=[[model, name] for model, name, _ in flat],
        hovertext=["<br>".join(textwrap.wrap(html.escape(_said(place)), 60)) for _, _, place in flat],
        hoverinfo="text",
    )
    for column, name in enumerate(datasets):
        for row, model in enumerate(places):
            if places[model][name].learnt:
                edges = {"x0": column - 0.47, "x1": column + 0.47, "y0": row - 0.46, "y1": row + 0.46}
                figure.add_shape(type="rect", line={"width": 2.5, "color": "#E69F00"}, **edges)
    figure.update_xaxes(
        side="top",
        range=[-0.5, len(datasets) - 0.5],
        fixedrange=True,
        showgrid=False,
        tickvals=list(range(len(datasets))),
        ticktext=list(heads.values()),
    )
    figure.update_yaxes(
        range=[len(places) - 0.5, -0.5],
        fixedrange=True,
        showgrid=False,
        automargin=True,
        tickvals=list(range(len(places))),
        ticktext=[titles[model] for model in places],
    )
    figure.update_layout(hovermode="closest", hoverdistance=-1)
    charts.plain(figure, height=62 * len(places) + 80)
    st.plotly_chart(
        figure,
        key="matrix",
        config=charts.BUTTONS,
        on_select=lambda: _open(places, faces),
        selection_mode="points",
        alt="Accuracy of each model on each dataset: " + "; ".join(_said(place) for _, _, place in flat),
    )
    st.caption(
        "Accuracy in percent with its 95 % interval, and the number of faces. Framed: the model was trained "
        "on this set, and answers for the part that it did not learn. A click opens the cell's faces."
    )


def _open(places: Mapping[str, Mapping[str, Place]], faces: str) -> None:
    points = st.session_state["matrix"].selection.points
    if points:
        model, name = points[-1]["customdata"]
        asked = places[model][name].column
        wanted = {"truth": asked.kind} if asked.kind != "labels" else {}
        wanted |= {"faces": faces} if faces != WHOLE else {}
        address.go(view="model", model=model, data=name, split=asked.rows.split, **wanted)


def _share(place: Place, answer: str) -> dict | None:
    return getattr(place.cell, answer) if place.cell else None


def _text(place: Place, answer: str) -> str:
    share = _share(place, answer)
    if share is None:
        return "no figure" if place.obstacle else "not yet"
    half = (share["accuracy_high"] - share["accuracy_low"]) * 50
    return f"<b>{share['accuracy'] * 100:.1f}</b> ± {half:.1f}<br>n {share['n']:,}"


def _pictures(column: list[Place]) -> str:
    splits = {place.column.rows.split for place in column}
    return " or ".join(sorted("all" if split == ALL else split for split in splits))


def _said(place: Place) -> str:
    """A cell in a sentence."""
    where = f"{place.title} on {place.column.rows.dataset}"
    if place.obstacle:
        return f"{where}: no figure, {place.obstacle}"
    found = place.cell
    if found is None:
        return f"{where}: not measured yet"
    said = f"{where}: {words.accuracy(found.among)}, guessing {words.percent(found.chance)}"
    if found.open != found.among:
        said += f"; with any answer {words.percent(found.open['accuracy'])}"
    out = left_out(found)
    return said + (f". {out}" if out else "")


def left_out(cell: Cell) -> str:
    """What does not count in a cell and why; "" where nothing."""
    parts = []
    for name, n in cell.left_out.items():
        why = "have no answer" if name == "no answer" else f"are {name}, which the model does not know"
        parts.append(f"{n:,} left out: they {why}" if n > 1 else f"1 left out: it {_single(why)}")
    if cell.unasked:
        parts.append(f"not in the dataset: {', '.join(cell.unasked)}")
    return "; ".join(parts)


def _single(why: str) -> str:
    return why.replace("have ", "has ", 1) if why.startswith("have") else why.replace("are ", "is ", 1)


def _table(places: Mapping[str, Mapping[str, Place]]) -> None:
    rows = []
    for row in places.values():
        for name, place in row.items():
            found = place.cell
            rows.append(
                {
                    "model": place.title,
                    "dataset": name,
                    "pictures": "all" if place.column.rows.split == ALL else place.column.rows.split,
                    "trained on it": place.learnt,
                    "n": found and found.among["n"],
                    "among shared classes": found and interval(found.among),
                    "any answer": found and interval(found.open),
                    "leak-free": found and _leak_free(found),
                    "guessing": found and words.percent(found.chance),
                    "always the commonest": found and words.percent(found.commonest),
                    "shared classes": ", ".join(place.column.shared(place.card)),
                    "left out, and why": place.obstacle or (left_out(found) if found else "not measured yet"),
                }
            )
    with st.expander("As a table, with shared classes and what was left out"):
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt="Each model on each dataset, with classes and what was left out",
            column_config={
                "n": st.column_config.NumberColumn("faces", format="localized"),
                "among shared classes": st.column_config.TextColumn(
                    help="Accuracy where the model may only answer with classes that the dataset has too."
                ),
                "any answer": st.column_config.TextColumn(
                    help="Accuracy with any answer of the model; a class that is not in the dataset is wrong."
                ),
                "leak-free": st.column_config.TextColumn(
                    help="Without faces of which the model learned a copy, exact or near."
                ),
                "guessing": st.column_config.TextColumn(help="One of the shared classes, drawn at random."),
            },
        )


def interval(share: dict) -> str:
    """ "65.6 % (64.1 to 67.2)"."""
    low, high = share["accuracy_low"] * 100, share["accuracy_high"] * 100
    return f"{words.percent(share['accuracy'])} ({low:.1f} to {high:.1f})"


def _leak_free(cell: Cell) -> str:
    if cell.leak_free is None:
        return "unknown: its training set is not here"
    if not cell.leaked:
        return "no copies"
    if not cell.leak_free["n"]:
        return "all are copies"
    return f"{interval(cell.leak_free)}, {cell.leak_free['n']:,} faces"


def _wrapped(text: str) -> str:
    """A name over short lines: on a phone the matrix needs the width."""
    return "<br>".join(textwrap.wrap(html.escape(text), 16, break_long_words=True)[:4])
