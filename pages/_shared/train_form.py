"""From a dataset and a network to a launched run."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from fer_core.dataset import changes, practice, versions, votes
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import BadInput
from fer_core.training import estimate, runs
from fer_core.training.config import Augmentation, TrainingConfig
from fer_core.zoo import library, pretrained, specs
from fer_core.zoo.specs import ModelSpec
from pages._shared import (
    address,
    augmentation_view,
    errors,
    estimate_view,
    jobs,
    train_checks,
    train_settings,
    words,
)
from pages._shared.train_settings import Choices

_NOW = "now"
"""In the address: the newest state of a dataset."""
_PRACTICE = "practice for training"
_COMPLAINT = "training complaint"


def show(store: Store) -> None:
    """The form from top to bottom; what goes wrong is said beside the button."""
    datasets = {dataset.name: dataset for dataset in store.datasets()}
    source = _source(datasets)
    if not datasets:
        _without_data(store)
        return
    st.subheader("A new run", anchor=False)
    dataset, version, frame = _data(store, datasets)
    facts = st.container()
    spec = _network()
    launch = st.container()
    st.subheader("Random changes to the pictures", anchor=False)
    preview = st.container()
    scope = f"{spec.id} {source.id if source else ''}"
    start = _start(spec, source)
    with st.expander("Settings", icon=":material/tune:"):
        choices = _choices(spec, frame, dataset)
        values = train_settings.ask(spec, choices, scope, start)
    values |= {"spec": spec.id, "dataset": dataset.name, "version": version}
    usual = _augmentation(spec.training)
    begin = _augmentation(start)
    config, wrong = _config(values, scope, begin)
    standing = train_checks.look(store, frame, config) if config else train_checks.Standing()
    with facts:
        _facts(frame, standing, bool(config and config.leak_free))
    with launch:
        _launch_box(config, wrong, standing, scope, begin)
    with preview:
        faces = train_checks.faces(frame)
        shape = config.input if config else spec.input
        augmentation_view.show(store, faces, shape, scope, begin, usual)


def _source(datasets: Mapping[str, Dataset]) -> runs.Run | None:
    """The run whose settings fill the form, where the address names one."""
    asked = st.query_params.get("from")
    if asked is None:
        return None
    with errors.guard():
        run = runs.find(asked)
        config = run.config
        st.caption(f"Filled in as in the run {errors.plain(run.id)}.")
        wanted = {"network": config.spec, "dataset": config.dataset, "version": config.version or _NOW}
        st.query_params.update({k: v for k, v in wanted.items() if k not in st.query_params})
        if config.dataset not in datasets:
            st.warning(errors.plain(f"Its dataset {config.dataset!r} is not here any more."))
        return run
    return None


def _without_data(store: Store) -> None:
    st.info("Training needs a dataset, and none is here yet.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Draw the practice dataset",
            type="primary",
            on_click=jobs.start,
            args=(
                _PRACTICE,
                "Drawing the practice dataset",
                lambda progress: practice.import_practice(store, progress=progress),
            ),
        )
        st.caption("701 drawn faces of 50 people; enough to see a network learn within minutes.")
    st.page_link("pages/datasets.py", label="Add a dataset of your own →", query_params={"view": "add"})
    job = jobs.show(_PRACTICE)
    if job and job.state == "done":
        jobs.forget(_PRACTICE)
        st.rerun()


def _data(store: Store, datasets: Mapping[str, Dataset]) -> tuple[Dataset, str | None, pd.DataFrame]:
    """The chosen dataset, its version (None is its newest state), and its rows."""
    left, right = st.columns(2, gap="medium")
    with left:
        name = address.select("Dataset", list(datasets), "dataset", str, always=True)
    known = [version.name for version in reversed(versions.versions(store, name))]
    with right:
        version = address.select(
            "Version",
            [_NOW, *known],
            "version",
            lambda v: "as it is now" if v == _NOW else v,
            "A frozen version stays as it is; the newest state is kept with the run, whatever changes later.",
            always=True,
        )
    newest = changes.newest(store, name)
    chosen = None if version == _NOW else version
    return datasets[name], chosen, train_checks.manifest(store, str(store.engine.url), name, chosen, newest)


def _network() -> ModelSpec:
    families: dict[str, list[str]] = {}
    for spec in specs.SPECS.values():
        families.setdefault(spec.family, []).append(spec.id)
    asked = specs.SPECS.get(st.query_params.get("network", ""), next(iter(specs.SPECS.values())))
    st.session_state["network family"] = asked.family
    if len(families) > 1:
        st.pills(
            "Kind of network",
            list(families),
            key="network family",
            required=True,
            on_change=lambda: st.query_params.update(network=families[st.session_state["network family"]][0]),
        )
    options = families[asked.family]
    chosen = specs.get(address.select("Network", options, "network", _titled, always=True))
    st.markdown(errors.plain(chosen.summary))
    colour = "grey" if chosen.input.channels == 1 else "colour"
    points = " and 68 points of the face" if chosen.input.landmarks else ""
    st.caption(
        f"Answers: {chosen.task.title.lower()}. Sees {chosen.input.width} × {chosen.input.height} px, "
        f"{colour}{points}. {chosen.parameters:,} weights."
    )
    if chosen.pretrained:
        _weights(chosen)
    return chosen


def _titled(network: str) -> str:
    """The network's name, marked where its pretrained weights can be had."""
    spec = specs.get(network)
    kind = pretrained.source(spec).kind
    marks = {"none": "", "download": f" · {spec.pretrained_on} weights by download"}
    return spec.title + marks.get(kind, f" · {spec.pretrained_on} weights here")


def _weights(spec: ModelSpec) -> None:
    """Where the pretrained weights are, and a way to bring them where they are not."""
    found = pretrained.source(spec)
    mark = ":material/check: " if found.path else ""
    st.caption(f"{mark}{spec.pretrained_on} weights: {errors.plain(found.words)}")
    if found.kind not in ("download", "file"):
        return
    with st.expander("Give the weights as a file" if found.path is None else "Give another file of weights"):
        st.markdown(
            "Where Keras cannot download them, bring the file (.h5, without top) from elsewhere. Without it "
            "the network can start from scratch, see Settings; it then needs many more pictures."
        )
        key = f"weights {spec.id}"
        st.file_uploader("Weights (.h5)", "h5", key=key, on_change=_keep_weights, args=(spec, key))


def _keep_weights(spec: ModelSpec, key: str) -> None:
    if (file := st.session_state[key]) is None:
        return
    try:
        pretrained.keep_weights(spec, file.getvalue())
    except Exception as error:  # noqa: BLE001 (a callback runs outside of the page's guard)
        st.session_state[_COMPLAINT] = errors.sentence(error)


def _start(spec: ModelSpec, source: runs.Run | None) -> dict[str, Any]:
    """What the settings stand at first: the run's that is done again, else the network's own."""
    if source is None or source.config.spec != spec.id:
        return dict(spec.training)
    return json.loads(source.config.to_json()) | {
        "name": None,
        "continued_at": (),
        "folds": 0,
        "fold": 0,
    }


def _augmentation(values: Mapping[str, Any]) -> Augmentation:
    given = values.get("augmentation", {})
    return given if isinstance(given, Augmentation) else Augmentation(**given)


def _choices(spec: ModelSpec, frame: pd.DataFrame, dataset: Dataset) -> Choices:
    seen = {"labels": set(frame["label"].dropna())}
    if answers := votes.names(frame):
        seen["votes"] = set(answers)
    models = {
        entry.id: entry.card.title
        for entry in library.entries()
        if entry.card and entry.card.spec == spec.id and (entry.folder / "model.keras").exists()
    }
    teachers = {
        entry.id: (entry.card.title, entry.card.labels.names)
        for entry in library.entries()
        if entry.card
        and (entry.card.task, entry.card.input) == (spec.task.id, spec.input)
        and not spec.input.landmarks
    }
    return Choices(
        {kind: train_checks.fitting(names, dataset) for kind, names in seen.items()},
        spec.pretrained is not None and pretrained.source(spec).kind != "none",
        models,
        teachers,
        _gpus(),
    )


def _config(
    values: dict[str, Any], scope: str, begin: Augmentation
) -> tuple[TrainingConfig | None, list[str]]:
    """The config, or None and what is wrong with it."""
    try:
        values["augmentation"] = augmentation_view.settings(scope, begin)
        config = TrainingConfig.from_dict(values)
    except BadInput as error:
        return None, [train_settings.words(error)]
    taken = config.name in {entry.id for entry in library.entries()}
    return config, [f"There is a model named {config.name} already: choose another id."] * taken


def _facts(frame: pd.DataFrame, standing: train_checks.Standing, leak_free: bool) -> None:
    """How much there is to learn from."""
    test = int((frame["split"] == "test").sum())
    unseen = f"Training never sees the {test:,} of the test split." if test else ""
    if standing.train:
        left = "".join(f" Left out: {count:,} ({reason})." for reason, count in standing.left_out)
        st.markdown(
            f"**{words.many(standing.train, 'picture')} to train on, {standing.validation:,} to validate.** "
            f"{unseen}{errors.plain(left)}"
        )
        if leak_free:
            st.caption("Near copies are looked for when the run begins, and left out like exact ones.")
    if standing.counts:
        st.caption(errors.plain(train_checks.balance(standing)))


def _launch_box(
    config: TrainingConfig | None,
    wrong: list[str],
    standing: train_checks.Standing,
    scope: str,
    begin: Augmentation,
) -> None:
    """The button, what is in its way, and how long it will take."""
    problems = wrong + ([errors.plain(standing.problem)] if standing.problem else [])
    complaint = st.session_state.pop(_COMPLAINT, None)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Train",
                type="primary",
                icon=":material/play_arrow:",
                disabled=bool(problems),
                on_click=_launch,
                args=(config, scope, begin),
            )
            if not problems:
                estimate_view.button(config, standing.train, standing.validation)
        for problem in problems + ([errors.plain(complaint)] if complaint else []):
            st.error(problem)
        if config and not problems:
            for warning in train_checks.warnings(config, standing):
                st.warning(errors.plain(warning))
            estimate_view.show(config, standing.train, standing.validation)
            if any(run.state() in ("running", "stopping", "queued") for run in runs.runs()):
                st.caption("Another run is at work: this one waits in line until that has ended.")


def _launch(config: TrainingConfig, scope: str, begin: Augmentation) -> None:
    """Make the run, put it in line, and go to it."""
    try:
        # The sliders may have moved since the page was drawn: they redraw themselves alone.
        run = runs.start(replace(config, augmentation=augmentation_view.settings(scope, begin)))
        runs.enqueue(run)
    except Exception as error:  # noqa: BLE001 (a callback runs outside of the page's guard)
        st.session_state[_COMPLAINT] = errors.sentence(error)
        return
    address.go(run=run.id)


@st.cache_data(ttl=600, show_spinner=False)
def _gpus() -> list[str]:
    return estimate.gpus()
