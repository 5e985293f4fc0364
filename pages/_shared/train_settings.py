"""The settings of a training run, each with a line of help; only those that matter for the network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import streamlit as st

from fer_core import labels
from fer_core.training.config import TrainingConfig
from fer_core.zoo.specs import AFFECT, SIMILARITY, ModelSpec
from pages._shared import errors

SCRATCH, PRETRAINED = "from scratch", "pretrained"
"""Two ways to start; the third is the id of a model."""

_SCHEDULES = {
    "cosine": "falls smoothly to zero",
    "step": "drops every few epochs",
    "plateau": "drops when nothing improves",
    "constant": "stays as it is",
}
_PRECISIONS = {"float32": "full (float32)", "mixed_bfloat16": "mixed (bfloat16)"}


@dataclass(frozen=True)
class Choices:
    """What a dataset and this machine leave to choose from.

    Attributes:
        label_sets: for each kind of target ("labels", "votes") that the dataset has, the label sets that fit.
        pretrained: whether weights that somebody else trained can be had for the network now.
        models: titles of the models of this network by id: training can start from them.
        teachers: titles of the models of expressions by id that are fed the same pictures, and their classes.
        gpus: names of this machine's GPUs.
    """

    label_sets: Mapping[str, Sequence[str]]
    pretrained: bool
    models: Mapping[str, str]
    teachers: Mapping[str, tuple[str, tuple[str, ...]]]
    gpus: Sequence[str]


@dataclass(frozen=True)
class Fields:
    """The widgets of one network's settings.

    Attributes:
        scope: tells them from another network's, which have other defaults.
        start: what they stand at before somebody changes them, by option.
        values: where what they stand at goes.
    """

    scope: str
    start: Mapping[str, Any]
    values: dict[str, Any]

    def at(self, name: str) -> Any:
        """What an option stands at before somebody changes it."""
        return self.start.get(name, TrainingConfig.__dataclass_fields__[name].default)

    def whole(self, name: str, label: str, help: str, least: int, most: int, step: int = 1) -> None:
        self.values[name] = st.number_input(
            label, least, most, min(max(int(self.at(name)), least), most), step, help=help, **self._kept(name)
        )

    def rate(self, name: str, label: str, help: str, most: float, least: float = 0.0) -> None:
        value = float(self.at(name))
        self.values[name] = st.number_input(
            label, least, most, value, max(value / 4, 1e-6), "%g", help=help, **self._kept(name)
        )

    def share(self, name: str, label: str, help: str, most: float, step: float) -> None:
        value = float(self.at(name))
        self.values[name] = st.slider(
            label, 0.0, max(most, value), value, step, help=help, **self._kept(name)
        )

    def switch(self, name: str, label: str, help: str) -> None:
        self.values[name] = st.toggle(label, bool(self.at(name)), help=help, **self._kept(name))

    def one(
        self, name: str, label: str, options: Sequence[str], words: Callable[[str], str], help: str
    ) -> None:
        index = options.index(self.at(name)) if self.at(name) in options else 0
        key = self._kept(name)
        if st.session_state.get(key["key"], options[0]) not in options:
            del st.session_state[key["key"]]
        self.values[name] = st.selectbox(label, options, index, words, help=help, **key)

    def text(self, name: str, label: str, placeholder: str, help: str) -> None:
        said = st.text_input(
            label,
            self.at(name) or "",
            max_chars=80,
            placeholder=placeholder,
            help=help,
            **self._kept(name),
        )
        self.values[name] = (said or "").strip() or None

    def _kept(self, name: str) -> dict[str, Any]:
        return {"key": f"{name} {self.scope}", "persist_state": "session"}


def ask(spec: ModelSpec, choices: Choices, scope: str, start: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the settings; returns all options of a run but dataset, version and augmentation."""
    fields = Fields(scope, start, dict(start))
    _what(fields, spec, choices)
    _how(fields, spec)
    _from_where(fields, spec, choices)
    _where(fields, choices)
    return fields.values


def _what(fields: Fields, spec: ModelSpec, choices: Choices) -> None:
    st.markdown("**What it learns**")
    columns = cycle(st.columns(3, gap="medium"))
    if spec.task is AFFECT:
        with next(columns):
            fields.one(
                "affect_loss",
                "What counts as wrong",
                ["ccc", "mse"],
                {"ccc": "poor agreement (1 − CCC)", "mse": "distance (MSE)"}.__getitem__,
                "CCC, the concordance correlation, also asks for the same spread as the truth; MSE, the mean "
                "squared error, is content with careful answers near the middle.",
            )
    else:
        _truth(fields, spec, choices, columns)
    with next(columns):
        fields.switch(
            "leak_free",
            "Leak-free",
            "Leaves out training pictures that validation or test hold as well: with them the figures would "
            "promise more than new faces get.",
        )


def _truth(fields: Fields, spec: ModelSpec, choices: Choices, columns: Iterator[Any]) -> None:
    """Labels or votes, the classes, and what counts how much."""
    kinds = list(choices.label_sets) or ["labels"]
    fields.values["targets"] = kinds[0]
    if len(kinds) > 1:
        with next(columns):
            fields.one(
                "targets",
                "Learns from",
                kinds,
                {"labels": "one label a picture", "votes": "how people voted"}.__getitem__,
                "Votes (soft targets) tell how clear a face is, not only what most people saw in it.",
            )
    fitting = list(choices.label_sets.get(fields.values["targets"], ())) or [fields.at("label_set")]
    with next(columns):
        fields.one(
            "label_set",
            "Expressions and their order",
            fitting,
            lambda name: f"{len(labels.get(name))}: " + ", ".join(labels.get(name).names),
            "The answers that the network can give. Pictures with another label are left out.",
        )
    fields.values["second_head"] = 0.0
    if spec.task is SIMILARITY:
        with next(columns):
            fields.one(
                "similarity_loss",
                "Compares",
                ["contrastive", "triplet"],
                {"contrastive": "pairs", "triplet": "the hardest triplets of a batch"}.__getitem__,
                "Pairs are drawn together or pushed apart (contrastive loss). Triplets put each face nearer "
                "to the least alike of its own expression than to the most alike of another one.",
            )
        with next(columns):
            fields.whole(
                "pairs",
                "Pairs or triplets in an epoch",
                "Half of the pairs show the same expression, half do not; each picture of a batch stands for "
                "one triplet. New ones in each epoch.",
                2,
                1_000_000,
                500,
            )
        return
    with next(columns):
        fields.one(
            "class_weights",
            "Rare expressions",
            ["none", "balanced"],
            {"none": "count as they come", "balanced": "count as much as common ones"}.__getitem__,
            "Counting each expression alike finds more of the rare ones and fewer of the common ones.",
        )
    if len(kinds) > 1:
        with next(columns):
            fields.share(
                "second_head",
                "Learns the other kind beside it",
                "Votes beside labels, or labels beside votes: a second answer that helps the features and is "
                "dropped afterwards. 0 is without.",
                2.0,
                0.1,
            )
    _teacher(fields, choices, columns)


def _teacher(fields: Fields, choices: Choices, columns: Iterator[Any]) -> None:
    """A model that it learns from, among those that give the same answers to the same pictures."""
    names = labels.get(fields.values["label_set"]).names
    teachers = {model: title for model, (title, classes) in choices.teachers.items() if classes == names}
    fields.values["teacher"] = None
    if not teachers:
        return
    with next(columns):
        fields.one(
            "teacher",
            "Learns from a model, too",
            ["", *teachers],
            lambda model: teachers.get(model, "no"),
            "A small network learns more from the answers of a better one (distillation): it is told how "
            "alike expressions look, not only which one it is. Takes the time of both networks.",
        )
    fields.values["teacher"] = fields.values["teacher"] or None
    if fields.values["teacher"]:
        with next(columns):
            fields.share(
                "teacher_share",
                "How much it listens",
                "Part of what it learns that comes from the model; the rest comes from labels or votes.",
                1.0,
                0.05,
            )


def _how(fields: Fields, spec: ModelSpec) -> None:
    st.markdown("**How long and how fast**")
    first, second, third = st.columns(3, gap="medium")
    with first:
        fields.whole(
            "epochs",
            "Epochs",
            "How often it sees all training pictures. The best epoch is kept, so too many only cost time.",
            1,
            10_000,
        )
        fields.whole(
            "early_stopping",
            "Stop early after",
            "Epochs without a better validation figure after which training ends. 0 never ends early.",
            0,
            10_000,
        )
        fields.whole(
            "batch_size",
            "Batch size",
            "Pictures that one step learns from. More need more memory; less make steps more uneven.",
            1,
            4096,
            8,
        )
    with second:
        fields.rate(
            "learning_rate",
            "Learning rate",
            "How far each step goes. Too large and training goes astray, too small and it crawls.",
            1e9,
        )
        fields.one(
            "schedule",
            "The learning rate then",
            list(_SCHEDULES),
            _SCHEDULES.__getitem__,
            "Large steps find the region, small ones the spot: most runs end better with a falling rate.",
        )
        if fields.values["schedule"] in ("step", "plateau"):
            plateau = fields.values["schedule"] == "plateau"
            fields.whole(
                "every",
                "Drops after" if plateau else "Drops every",
                "Epochs without a better validation figure." if plateau else "Epochs from drop to drop.",
                1,
                10_000,
            )
            fields.rate("factor", "Drops to this part", "0.3: each drop leaves 30 % of the rate.", 0.99, 0.01)
    with third:
        fields.rate("warmup_epochs", "Warm-up", "Epochs in which the rate rises from zero.", 100.0)
        fields.rate(
            "weight_decay",
            "Weight decay",
            "Pulls weights towards zero, which keeps a network from learning faces by heart.",
            1.0,
        )
        fields.share(
            "weight_average",
            "Running mean of the weights",
            "How much of it each step keeps; the mean is what comes out, and is steadier than the last step. "
            "0.999 is usual where an epoch has hundreds of steps, 0 is without.",
            0.999,
            0.001,
        )
        if spec.task not in (AFFECT, SIMILARITY):
            fields.share(
                "label_smoothing",
                "Doubt about labels",
                "Part of each target that is spread over all expressions: labels are not always right.",
                0.5,
                0.05,
            )


def _from_where(fields: Fields, spec: ModelSpec, choices: Choices) -> None:
    """Where the weights start, and what is learned when."""
    st.markdown("**Where it starts**")
    ways = [*[PRETRAINED] * choices.pretrained, SCRATCH, *choices.models]
    usual = fields.at("start_from") or (PRETRAINED if fields.at("weights") == "pretrained" else SCRATCH)
    named = {PRETRAINED: f"{spec.pretrained_on} weights"} | {
        model: f"from the model {title}" for model, title in choices.models.items()
    }
    key = f"start {fields.scope}"
    if st.session_state.get(key, ways[0]) not in ways:
        del st.session_state[key]
    first, second, third = st.columns(3, gap="medium")
    with first:
        way = st.selectbox(
            "Starts",
            ways,
            ways.index(usual) if usual in ways else 0,
            lambda way: named.get(way, way),
            key=key,
            persist_state="session",
            help="A network that has seen many pictures before needs fewer of yours.",
        )
    fields.values["weights"] = "pretrained" if way == PRETRAINED else "scratch"
    fields.values["start_from"] = way if way in choices.models else None
    if not spec.input.landmarks:
        with first:
            own = spec.input.height
            side = st.number_input(
                "Side of its input, px",
                spec.smallest,
                1024,
                int(fields.at("input_size") or own),
                16,
                key=f"input_size {fields.scope}",
                persist_state="session",
                help=f"Its own is {own} px. Twice the side shows finer detail and takes four times as long.",
            )
            fields.values["input_size"] = None if side == own else side
    if way == SCRATCH:
        fields.values["frozen_epochs"] = 0
        return
    with second:
        fields.whole(
            "frozen_epochs",
            "Answer alone first",
            "Epochs in which the features stay as they came; a new answer would spoil them at first.",
            0,
            10_000,
        )
        fields.whole(
            "unfrozen_layers",
            "Then so many layers",
            "How many of the last layers with weights learn after that (fine-tuning). 0 is all of them.",
            0,
            10_000,
            10,
        )
    with third:
        fields.rate(
            "fine_tune_rate",
            "Their learning rate",
            "Of the epochs after the first ones; small, so that what was known before is not lost.",
            1e9,
        )


def _where(fields: Fields, choices: Choices) -> None:
    st.markdown("**Where it runs, and its name**")
    first, second, third = st.columns(3, gap="medium")
    devices = {"auto": "chosen for you", "cpu": "CPU"}
    if choices.gpus:
        devices["gpu"] = f"one GPU ({choices.gpus[0]})"
    if len(choices.gpus) > 1:
        devices["all"] = f"all {len(choices.gpus)} GPUs"
    if (asked := str(fields.at("device"))).startswith("cpu:"):
        devices[asked] = f"{asked[4:]} parts of the CPU"
    found = ", ".join(choices.gpus) or "none"
    with first:
        fields.one(
            "device",
            "Computes on",
            list(devices),
            devices.__getitem__,
            f"NVIDIA GPUs of this machine: {found}.",
        )
        fields.one(
            "precision",
            "Precision",
            list(_PRECISIONS),
            _PRECISIONS.__getitem__,
            "Mixed needs half the memory and is quicker on newer processors and GPUs; figures hardly change.",
        )
    with second:
        fields.whole(
            "threads", "CPU threads", "0 takes all; fewer leave the machine usable meanwhile.", 0, 1024
        )
        fields.whole(
            "seed",
            "Seed",
            "The same seed and settings give the same curve here; another one shows what chance does.",
            0,
            2**31 - 1,
        )
    with third:
        fields.text(
            "name",
            "The model's id",
            "made from network and time",
            "Letters, digits, - and _; it stands in addresses and file names.",
        )
        fields.text("title", "The model's name", "the network's name", "What people read in the library.")
        fields.switch(
            "flip_average",
            "Mirror image too",
            "The answer is then the mean over a face and its mirror image: a little better, twice the work.",
        )


def words(error: Exception) -> str:
    """What is wrong with a config, without the config itself, which is long."""
    return errors.plain(str(error).partition(" Received: TrainingConfig(")[0])
