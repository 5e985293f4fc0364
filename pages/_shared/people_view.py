"""Who labels how well, where people differ, and what they say together."""

import html
import math
import secrets

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from fer_core.dataset import browse
from fer_core.dataset.browse import Tile
from fer_core.dataset.store import Dataset, Store
from fer_core.review import looks, people, quality
from fer_core.review.quality import Kappa, Person, Report, Share
from pages._shared import address, charts, errors, gallery, labelling, words

_SHOWN = 20
"""Pictures of a gallery."""

_FEW = 20
"""Of fewer answers a share in percent would say more than is known."""

_OPEN = "open a labelled picture"


def show(store: Store, dataset: Dataset) -> None:
    """From top to bottom: everyone, each pair, one person, disagreements, consensus, gold."""
    if (sample := st.session_state.pop(_OPEN, None)) is not None:
        st.switch_page("pages/datasets.py", query_params={"data": dataset.name, "sample": str(sample)})
    found = _report(store, str(store.engine.url), dataset.name, quality.state(store, dataset.name))
    if not found.people:
        st.info("Here stands who labels how fast and how well. Nobody has labelled a picture by hand yet.")
        st.button("To the queues", on_click=address.go, kwargs={"data": dataset.name}, type="primary")
        return
    _everyone(found)
    if len(found.people) < 2 or not found.shared:
        _alone(dataset, found)
    else:
        _pairs(found)
        _one(found)
        _disagreements(store, dataset, found)
        _consensus(store, dataset)
    _gold(store, dataset)


@st.cache_data(max_entries=8, show_spinner="Comparing answers…")
def _report(_store: Store, place: str, dataset: str, state: tuple) -> Report:
    return quality.report(_store, dataset)


@st.cache_data(max_entries=8, show_spinner="Weighing answers…")
def _agreed(_store: Store, place: str, dataset: str, state: tuple, method: str, least: int) -> pd.DataFrame:
    return people.consensus(_store, dataset, method, least)


def share(found: Share) -> str:
    """ "82 % (77 to 86) of 230"; of a few "7 of 9"; "none yet" of nothing."""
    if not found.n:
        return "none yet"
    if found.n < _FEW:
        return f"{found.hits} of {found.n}"
    low, high = found.interval
    return f"{found.value * 100:.0f} % ({low * 100:.0f} to {high * 100:.0f}) of {found.n:,}"


def beyond_chance(kappa: Kappa) -> str:
    """ "0.74 (0.65 to 0.83)"; "not known" where there is nothing to tell it from."""
    if math.isnan(kappa.value):
        return "not known"
    return f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"


def _everyone(found: Report) -> None:
    rows = [_row(person) for person in found.people]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="; ".join(", ".join(f"{name}: {value}" for name, value in row.items()) for row in rows),
    )
    st.caption(
        "A minute: pictures while at work, without breaks of more than two minutes. Changed: labels given "
        "another name. As the others: what most of the others say. Same again: second looks that came out as "
        "the first. In brackets the 95 % interval. People are told apart by name alone."
    )


def _row(person: Person) -> dict[str, str]:
    return {
        "Name": person.who,
        "Pictures": f"{person.answers:,}",
        "A minute": "" if math.isnan(person.pace) else f"{person.pace:.0f}",
        "Changed": share(person.changed),
        "As the others": share(person.others),
        "Same again": share(person.itself),
        "Gold right": share(person.gold),
    }


def _alone(dataset: Dataset, found: Report) -> None:
    names = ", ".join(person.who for person in found.people)
    st.info(
        errors.plain(
            f"So far {names} labelled, and no picture was answered by two people. "
            "Agreement, consensus and weights begin when others answer the same pictures."
        )
    )
    st.button("To the queues", on_click=address.go, kwargs={"data": dataset.name})


def _pairs(found: Report) -> None:
    st.subheader("Do people agree?", anchor=False)
    about = (
        f"{words.many(found.shared, 'picture has', 'pictures have')} two answers or more, "
        f"of which {words.percent(found.together.agreement, 0)} of the pairs agree. Beyond chance that is "
        f"a kappa of **{beyond_chance(found.together)}**: 1 is perfect, 0 is chance."
    )
    if found.together.n < _FEW:
        about += " That is too few to say much."
    st.markdown(about)
    if len(found.people) > 2:
        _matrix(found)


def _matrix(found: Report) -> None:
    # Plotly reads HTML, and a name may be anything.
    names = [html.escape(person.who) for person in found.people]
    values = np.full((len(names), len(names)), np.nan)
    hover = [["" for _ in names] for _ in names]
    for (one, other), kappa in found.pairs.items():
        i, j = names.index(html.escape(one)), names.index(html.escape(other))
        about = f"{names[i]} and {names[j]}: kappa {beyond_chance(kappa)}, {words.many(kappa.n, 'picture')}"
        for row, column in ((i, j), (j, i)):
            values[row, column] = kappa.value
            hover[row][column] = about
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            text=[["" if math.isnan(v) else f"{v:.2f}" for v in row] for row in values],
            texttemplate="%{text}",
            hovertext=hover,
            hoverinfo="text",
            colorscale=charts.scale(),
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_xaxes(side="top", fixedrange=True, showgrid=False, tickangle=-40, type="category")
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, showgrid=False, automargin=True, type="category"
    )
    charts.plain(figure, height=42 * len(names) + 80)
    said = "; ".join(
        f"{one} and {other} {beyond_chance(kappa)}, {words.many(kappa.n, 'picture')}"
        for (one, other), kappa in found.pairs.items()
    )
    with st.container(width=120 + 72 * len(names)):
        st.plotly_chart(figure, key="kappas", config=charts.BUTTONS, alt=f"Kappa of each two people: {said}")
    with st.expander("As a table"):
        rows = [
            {
                "Who": f"{one} and {other}",
                "Pictures": kappa.n,
                "Same answer": "" if not kappa.n else words.percent(kappa.agreement, 0),
                "Kappa (95 % interval)": beyond_chance(kappa),
            }
            for (one, other), kappa in found.pairs.items()
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt=said)


def _one(found: Report) -> None:
    known = {person.who: person for person in found.people if person.others.n}
    if not known:
        return
    st.subheader("Where one person differs from the others", anchor=False)
    with st.container(width=260):
        person = known[address.select("Person", list(known), "person", str)]
    met = np.flatnonzero(person.confusion.sum(axis=0) + person.confusion.sum(axis=1))
    names = [found.classes[place] for place in met]
    charts.confusion(
        person.confusion[np.ix_(met, met)],
        names,
        key=f"against others {person.who}",
        alt=f"What {person.who} says where most of the others say something: {share(person.others)} the same",
        said=("others say", f"{html.escape(person.who)} says"),
    )
    st.caption(
        errors.plain(
            f"{words.many(person.others.n, 'picture')} on which most of the others agree; their ties are "
            "left out, and so is this person's own answer."
        )
        + (" Too few to say much." if person.others.n < _FEW else "")
    )


def _disagreements(store: Store, dataset: Dataset, found: Report) -> None:
    st.subheader("Where people differ", anchor=False)
    said = _answers(found.conflicts)
    if not said:
        st.success("On no picture.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        share_of = Share(len(said), found.shared)
        st.markdown(f"**{words.many(len(said), 'picture')}** · {share(share_of)} with two answers or more")
        st.space("stretch")
        st.button(
            "Settle them at the desk →",
            on_click=address.go,
            kwargs={"data": dataset.name, "queue": "people", "sitting": secrets.token_hex(4)},
        )
    _pictures(store, list(said), "differing", said)
    with st.expander("Who said what"):
        table = found.conflicts.pivot(index="sample", columns="who", values="label").reindex(list(said))
        names = [person.who for person in found.people if person.who in table]
        table = table[names].rename_axis("picture").reset_index()
        st.dataframe(table.fillna(""), hide_index=True, alt="What each person answered to these pictures")
    st.caption("All answers are kept. The label is the one that was given last, until somebody settles it.")


def _answers(conflicts: pd.DataFrame) -> dict[int, str]:
    """Sample -> "sad 2, fear 1", the most evenly divided first."""
    counts = conflicts.groupby(["sample", "label"]).size()
    largest = counts.groupby("sample").agg(lambda n: n.max() / n.sum())
    texts = {}
    for sample in largest.sort_values(kind="stable").index:
        each = counts[sample].sort_values(ascending=False, kind="stable")
        texts[int(sample)] = ", ".join(f"{label} {n}" for label, n in each.items())
    return texts


def _pictures(store: Store, samples: list[int], key: str, said: dict[int, str]) -> None:
    """The first few of some pictures, each with what is said of it; a click opens it among the datasets."""

    def opened(sample: int) -> None:
        st.session_state[_OPEN] = sample

    def caption(tile: Tile) -> str:
        return said[tile.sample]

    with store.read() as connection:
        tiles = browse.tiles(connection, samples[:_SHOWN])
    gallery.show(store, tiles, key, on_open=opened, captions=caption, size=140)
    if len(samples) > _SHOWN:
        st.caption(f"The first {_SHOWN} of {len(samples):,}.")


def _consensus(store: Store, dataset: Dataset) -> None:
    st.subheader("What people say together", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=420):
            method = address.select(
                "How answers count", list(people.METHODS), "method", people.METHODS.__getitem__
            )
        with st.container(width=150):
            least = st.number_input("Answers at least", 2, 20, key="answers at least")
    state = quality.state(store, dataset.name)
    found = _agreed(store, str(store.engine.url), dataset.name, state, method, int(least))
    wanted, ties = people.changed(found), int(found["label"].isna().sum())
    st.markdown(
        f"Of {words.many(len(found), 'picture')} with so many answers, "
        f"**{words.many(len(wanted), 'picture')}** would get another label"
        + (
            f"; {words.many(ties, 'tie')} would stay as {'it is' if ties == 1 else 'they are'}."
            if ties
            else "."
        )
    )
    if method == "dawid-skene":
        st.caption(
            "Each person's habits are estimated from all answers. It takes three people or more who answered "
            "many pictures in common; of two nobody can say who is right."
        )
    if len(wanted):
        said = {
            int(row.sample): f"{row.present or 'no label'} → {row.label}"
            for row in wanted.itertuples(index=False)
        }
        _pictures(store, list(said), f"consensus {method}", said)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=200):
            who = labelling.ask_name()
        st.button(
            f"Give {words.many(len(wanted), 'picture')} this label",
            type="primary",
            disabled=not who or wanted.empty,
            on_click=_write,
            args=(store, dataset.name, method, int(least)),
        )
        labelling.offer_undo(store)


def _write(store: Store, dataset: str, method: str, least: int) -> None:
    with errors.guard():
        change = people.write_consensus(store, dataset, labelling.name(), method, least)
        labelling.remember(
            change.batch, f"{words.many(len(change.events), 'picture')} labelled as people say together"
        )


def _gold(store: Store, dataset: Dataset) -> None:
    with st.expander("Gold pictures: those whose label is beyond doubt"):
        gold = looks.gold_samples(store, dataset.name)
        st.markdown(
            f"{words.many(len(gold), 'gold picture')}. They come up between the others at the desk; what "
            "people answer measures them and changes no label."
        )
        offers = _offers(store, str(store.engine.url), dataset.name, quality.state(store, dataset.name))
        if len(offers):
            who = labelling.name()
            count = min(len(offers), 100)
            st.button(
                f"Add {words.many(count, 'picture')} of the {len(offers):,} on which 9 raters in 10 agree",
                disabled=not who,
                help=None if who else "Enter your name first.",
                on_click=_add_gold,
                args=(store, dataset.name, dict(zip(offers["sample"], offers["label"], strict=True)), count),
            )
        elif gold.empty:
            st.caption(
                "None can be offered: no imported raters agree on a picture, five of them and nine of ten. "
                "By hand: python -m fer_core gold."
            )
        if len(gold):
            said = dict(zip(gold["sample"].tolist(), gold["label"], strict=True))
            _pictures(store, list(said), "gold", said)
            st.button(
                "Take them all off the list",
                type="tertiary",
                on_click=looks.drop_gold,
                args=(store, list(said)),
            )


@st.cache_data(max_entries=8, show_spinner=False)
def _offers(_store: Store, place: str, dataset: str, state: tuple) -> pd.DataFrame:
    return looks.gold_offers(_store, dataset)


def _add_gold(store: Store, dataset: str, offers: dict[int, str], count: int) -> None:
    """Some of the offers, drawn by chance: those that most agree on are the easiest."""
    drawn = np.random.default_rng(0).permutation(list(offers))[:count]
    with errors.guard():
        looks.make_gold(store, dataset, {int(s): offers[int(s)] for s in drawn}, labelling.name())
