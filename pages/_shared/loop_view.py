"""Did it help: freeze the corrected labels, train the network again, set both before the same faces."""

import streamlit as st

from fer_core.dataset import changes, overview, versions
from fer_core.dataset.store import Dataset, Store
from fer_core.evaluation.trial import Trial
from fer_core.review import loop
from fer_core.review.loop import Proof
from fer_core.training import runs
from fer_core.zoo.card import Card
from pages._shared import address, charts, errors, labelling, resources, run_words, trials, versus_view, words

_NOW = ""
"""In the address: the present state."""


def show(store: Store, dataset: Dataset) -> None:
    """The three steps, one under the other: what changed, train again, the verdict."""
    known = versions.versions(store, dataset.name)
    if not known:
        st.info(
            "A proof compares before and after. Freeze the dataset as it is now, correct labels, then come "
            "back: the version is what the correction is measured against."
        )
        _freeze(store, dataset, "before relabelling")
        return
    names = [version.name for version in reversed(known)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=220):
            old = address.select("Before", names[::-1], "old", str)
        with st.container(width=220):
            new = address.select("After", [_NOW, *names], "new", lambda name: name or "now")
    changed = changes.relabelled(store, dataset.name, old, new or None)
    st.subheader("1. What changed", anchor=False)
    if changed.empty:
        st.info("No label differs between the two. Correct some first, or choose another version.")
        st.button("To the queues", on_click=address.go, kwargs={"data": dataset.name})
        return
    _changed(store, dataset, old, new, changed)
    st.subheader("2. Train again", anchor=False)
    if not new:
        st.markdown("Freeze the corrected labels, so that the training has a name to refer to.")
        _freeze(store, dataset, "relabelled")
        return
    pair = _models(store, dataset, new)
    if pair is None:
        return
    st.subheader("3. The verdict", anchor=False)
    _verdict(store, dataset, old, new, changed, *pair)


def _freeze(store: Store, dataset: Dataset, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=220):
            who = labelling.ask_name()
        with st.container(width=260):
            name = st.text_input("Name of the version", name, max_chars=100)
        if st.button("Freeze", type="primary", disabled=not who):
            with errors.guard():
                made = versions.freeze(store, dataset.name, name, who)
                # With a version of this name, "now" is what it stands for.
                if "old" in st.query_params or len(versions.versions(store, dataset.name)) > 1:
                    st.query_params["new"] = made.name
                st.rerun()


def _changed(store: Store, dataset: Dataset, old: str, new: str, changed) -> None:
    by_split = changed["split"].value_counts()
    parts = [
        f"{by_split[split]:,} in {split}" for split in ("train", "validation", "test") if split in by_split
    ]
    people = words.many(changed["who"].nunique(), "person", "people")
    st.markdown(f"**{words.many(len(changed), 'label')}** changed ({', '.join(parts)}), by {people}.")
    moved = loop.moved(store, dataset.name, old, new or None)
    names = [name for name in dataset.label_set.names if name in moved.index or name in moved.columns]
    names += sorted((set(moved.index) | set(moved.columns)) - set(names))
    table = moved.reindex(index=names, columns=names, fill_value=0).to_numpy()
    with st.expander("From which label to which"):
        most = moved.stack().sort_values(ascending=False)
        (first, second), count = most.index[0], int(most.iloc[0])
        charts.confusion(
            table,
            names,
            "moved",
            f"Labels before against labels now. Most often: {first} became {second}, {count} times.",
            said=("was", "is now"),
        )
    st.page_link(
        "pages/datasets.py",
        label="See every change →",
        query_params={"data": dataset.name, "view": "versions", "old": old, **({"new": new} if new else {})},
    )


def _models(store: Store, dataset: Dataset, new: str) -> tuple[Card, Card] | None:
    """The model of before and the one of after; where there is none yet, the way to train it."""
    models = resources.models("expression")
    trained = {
        id: card
        for id, card in models.items()
        if card.training.get("dataset") == dataset.name
        and card.training.get("config")
        # Votes stay what they are, whatever becomes of the labels.
        and card.training.get("targets") == "labels"
    }
    if not trained:
        st.info("No model has learned the labels of this dataset yet. Train one on the version of before.")
        st.page_link(
            "pages/train.py", label="Train a model →", query_params={"view": "new", "dataset": dataset.name}
        )
        return None
    wanted = versions.find(store, dataset.name, new).id
    again = {id: card for id, card in trained.items() if card.training.get("version") == wanted}
    earlier = {id: card for id, card in trained.items() if id not in again}
    if not earlier:
        st.info(
            "All models of this dataset were trained on the corrected labels. Train one on those of before."
        )
        return None
    with st.container(width=320):
        before = address.select("Model of before", list(earlier), "before", lambda id: earlier[id].title)
    twins = {id: card for id, card in again.items() if card.spec == earlier[before].spec}
    _train_again(store, earlier[before], new, bool(twins))
    if not twins:
        return None
    with st.container(width=320):
        after = address.select(
            "Model of after",
            list(twins),
            "after",
            lambda id: twins[id].title,
            "Trained on the corrected labels.",
        )
    return earlier[before], twins[after]


def _train_again(store: Store, card: Card, version: str, done: bool) -> None:
    """One click: the same network, seed and settings on the corrected version."""
    going = [
        run
        for run in runs.runs()
        if run.state() in (*run_words.AT_WORK, "queued")
        and run.config.version == version
        and run.config.spec == card.spec
    ]
    for run in going:
        st.markdown(f"At work: **{errors.plain(run_words.name(run.config))}**.")
        st.page_link("pages/train.py", label="Watch it →", query_params={"run": run.id})
    if going:
        if st.button("Look again", icon=":material/refresh:"):
            st.rerun()
        return
    st.caption(
        "The same network with the same seed and settings, on the corrected labels: what differs afterwards "
        "comes from the labels and from chance. The interval tells the chance of the faces that were drawn, "
        "not that of the training itself, which can be as large: trust what shows again with another seed."
    )
    if st.button("Train again" if not done else "Train once more", type="secondary" if done else "primary"):
        with errors.guard():
            runs.enqueue(loop.retrain(store, card, version))
            st.rerun()


def _verdict(store: Store, dataset: Dataset, old: str, new: str, changed, before: Card, after: Card) -> None:
    counts = overview.balance(store, dataset.name).groupby("split")["n"].sum()
    splits = [split for split in ("test", "validation") if counts.get(split)]
    if not splits:
        st.info(
            "A proof needs pictures that no training saw. This dataset has no test and no validation split."
        )
        return
    with st.container(width=200):
        split = address.select("Measured on", splits, "split", str)
    found = [
        [
            trials.get(store, card.id, trials.rows(store, dataset.name, version, split))
            for version in (old, new)
        ]
        for card in (before, after)
    ]
    if any(trial is None for pair in found for trial in pair):
        return
    proof = loop.prove(_both(found[0]), _both(found[1]), changed)
    st.markdown(f"#### {errors.plain(loop.sentence(proof))}")
    st.markdown(versus_view.chance(proof.new, before.title, after.title))
    _both_tests(proof)
    if before.training.get("dataset") == dataset.name and split == "validation":
        st.caption("Validation chose the epoch of both models: a test split would be fairer.")
    st.page_link(
        "pages/evaluate.py",
        label="The two models side by side, and the faces that they read differently →",
        query_params={
            "view": "versus",
            "model": before.id,
            "other": after.id,
            "data": dataset.name,
            "version": new,
            "split": split,
        },
    )


def _both(pair: list[Trial | None]) -> tuple[Trial, Trial]:
    first, second = pair
    assert first is not None and second is not None
    return first, second


def _both_tests(proof: Proof) -> None:
    """The test as it was, and as it is now."""
    rows = {}
    for name, pair in (("by the labels of before", proof.old), ("by the corrected labels", proof.new)):
        change = pair.accuracy
        rows[name] = (
            f"{words.percent(pair.one.right.mean())} → {words.percent(pair.other.right.mean())}, "
            f"{change.value * 100:+.1f} points ({change.low * 100:+.1f} to {change.high * 100:+.1f}), "
            f"{len(pair):,} faces"
        )
    st.table(rows, hide_header=True, border="horizontal")
    if proof.retested:
        st.caption(
            f"{words.many(proof.retested, 'label')} of this test differ between the two versions: a "
            "corrected test is another test, so both are shown."
        )
