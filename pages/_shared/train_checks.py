"""What is to be said of a dataset and some settings before a run is launched."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from fer_core import labels
from fer_core.dataset import changes, versions
from fer_core.dataset.store import Dataset, Store
from fer_core.errors import FerError
from fer_core.training import targets
from fer_core.training.config import TrainingConfig
from fer_core.zoo import pretrained, specs
from fer_core.zoo.specs import AFFECT

FACES = 6
"""Training faces on which the random changes are shown."""

_RARE = 10
"""With fewer training images than this, an expression is hardly learned."""


@dataclass(frozen=True)
class Standing:
    """What the engine says of a dataset under some settings.

    Attributes:
        train, validation: images that are left in each split.
        left_out: training images that are not used, by reason.
        counts: training and validation images of each class; empty where no classes are learned.
        problem: why it cannot be learned from, in the engine's words.
    """

    train: int = 0
    validation: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    counts: tuple[tuple[str, int, int], ...] = ()
    problem: str = ""


@st.cache_resource(max_entries=4, ttl=3600, show_spinner="Looking at the dataset…")
def manifest(_store: Store, place: str, dataset: str, version: str | None, newest: int) -> pd.DataFrame:
    """The rows of a version, kept for as long as the ledger of the dataset stays the same."""
    return versions.manifest(_store, dataset, version)


def look(store: Store, frame: pd.DataFrame, config: TrainingConfig) -> Standing:
    """The engine's own look at the data; kept for as long as data and settings stay the same."""
    # Only what `targets.prepare` reads; the rest of the settings changes nothing here.
    asked = TrainingConfig(
        spec=config.spec,
        dataset=config.dataset,
        version=config.version,
        targets=config.targets,
        label_set=config.label_set,
        second_head=float(bool(config.second_head)),
        leak_free=config.leak_free,
    )
    newest = changes.newest(store, config.dataset)
    return _prepared(frame, str(store.engine.url), newest, asked.to_json())


def faces(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Training pictures to show, of as many classes as there are: image ids and labels."""
    train = frame[(frame["split"] == "train") & frame["label"].notna()]
    mixed = train.sample(frac=1, random_state=0)
    turn = mixed.groupby("label").cumcount()
    first = mixed.iloc[np.argsort(turn.to_numpy(), kind="stable")[:FACES]]
    return list(zip(first["image"], first["label"], strict=True))


def warnings(config: TrainingConfig, standing: Standing) -> list[str]:
    """What does not prevent a run but will probably disappoint."""
    said = []
    none = [name for name, train, _ in standing.counts if not train]
    single = [name for name, train, _ in standing.counts if train == 1]
    few = [name for name, train, _ in standing.counts if 1 < train < _RARE]
    unseen = [name for name, train, validation in standing.counts if train and not validation]
    if none:
        said.append(f"No training picture shows {_all(none)}: the network will never answer it.")
    if single:
        said.append(f"A single training picture shows {_all(single)}: nothing can be learned from one.")
    if few:
        said.append(f"Fewer than {_RARE} training pictures show {_all(few)}: it will hardly be learned.")
    if unseen:
        said.append(f"No validation picture shows {_all(unseen)}: nothing says how well that is learned.")
    own = TrainingConfig(config.spec, config.dataset, **_rate_of(config.spec))
    for name, rate, usual in (
        ("learning rate", config.learning_rate, own.learning_rate),
        ("second learning rate", config.fine_tune_rate * bool(config.frozen_epochs), own.fine_tune_rate),
    ):
        if rate >= 10 * usual:
            said.append(
                f"The {name} is {rate / usual:,.0f} times this network's usual {usual:g}: training is likely "
                "to diverge. That is noticed, and the best epoch until then is kept."
            )
    if config.weights == "pretrained" and (found := pretrained.source(specs.get(config.spec))).path is None:
        said.append(
            f"Its weights are not on this machine yet. {found.words} Without one, give them as a file, or "
            "start from scratch in the settings."
        )
    if config.batch_size > standing.train:
        said.append(
            f"A batch of {config.batch_size} is more than the {standing.train} pictures: one step an epoch."
        )
    return said


def balance(standing: Standing) -> str:
    """Training images of each class, and whether that is very uneven."""
    present = [train for _, train, _ in standing.counts if train]
    said = "To train on: " + " · ".join(f"{name} {train:,}" for name, train, _ in standing.counts) + "."
    if present and max(present) > 10 * min(present):
        said += (
            f" The commonest has {max(present) // min(present)} times the pictures of the rarest: “Rare "
            "expressions” in the settings can even that out."
        )
    return said


def fitting(names: set[str], dataset: Dataset) -> list[str]:
    """Label sets for a dataset with these labels, the best first: those of which it has every class,
    else those of which it has two."""
    shared = {name: len(names.intersection(one.names)) for name, one in labels.LABEL_SETS.items()}
    whole = [name for name, count in shared.items() if count == len(labels.get(name))]
    some = [name for name, count in shared.items() if count >= 2]
    own = dataset.label_set.name
    return sorted(whole or some, key=lambda name: (name != own, -shared[name], len(labels.get(name))))


@st.cache_data(max_entries=64, ttl=3600, show_spinner=False)
def _prepared(_frame: pd.DataFrame, place: str, newest: int, asked: str) -> Standing:
    config = TrainingConfig.from_dict(json.loads(asked))
    label_set, task = labels.get(config.label_set), specs.get(config.spec).task
    try:
        train, validation, left_out = targets.prepare(_frame, config, label_set)
    except FerError as error:
        return Standing(problem=str(error))
    counts: tuple[tuple[str, int, int], ...] = ()
    if task is not AFFECT:
        both = [
            np.bincount(part.targets.argmax(axis=1), minlength=len(label_set)) for part in (train, validation)
        ]
        counts = tuple(
            (name, int(first), int(second))
            for name, first, second in zip(label_set.names, *both, strict=True)
        )
    return Standing(len(train), len(validation), tuple(left_out.items()), counts)


def _rate_of(spec: str) -> dict[str, Any]:
    own = specs.get(spec).training
    return {name: own[name] for name in ("learning_rate", "fine_tune_rate") if name in own}


def _all(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
