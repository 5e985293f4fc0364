"""The register of networks: data only, so that pages and cards can read it without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fer_core.errors import NotFound
from fer_core.imaging.preprocess import InputSpec


@dataclass(frozen=True)
class Task:
    """What a network answers.

    Attributes:
        id: its name on cards.
        title: its name for people.
        output: name of the answer among the outputs of the served file.
        figures: what is measured after each epoch, the one that picks the best epoch first. Each is
            better the larger it is, except those in `errors`.
        errors: the figures that are better the smaller they are.
    """

    id: str
    title: str
    output: str
    figures: tuple[str, ...]
    errors: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The figure that picks the best epoch; larger is better."""
        return self.figures[0]


EXPRESSION = Task("expression", "Which expression", "probabilities", ("accuracy", "macro_f1"))
AFFECT = Task("affect", "Valence and arousal", "affect", ("ccc", "pearson", "rmse"), errors=("rmse",))
SIMILARITY = Task("similarity", "Same expression or not", "embedding", ("auc", "accuracy"))

TASKS: Mapping[str, Task] = MappingProxyType({task.id: task for task in (EXPRESSION, AFFECT, SIMILARITY)})


@dataclass(frozen=True)
class ModelSpec:
    """One network that can be trained.

    Attributes:
        id: its name everywhere, from the command line to the card.
        title: its name for people.
        summary: one sentence on what it is good for.
        source: where the architecture was published.
        input: what it is fed.
        builder: "module:function"; the function takes (input shape, number of outputs, **options) and
            returns a keras.Model from float 0..255 to its task's answer, with layers named
            "feature_map" and "embedding". Imported in worker processes only. With `input.landmarks`
            the model has a second input "landmarks".
        max_parameters: promised ceiling for seven classes, checked by the tests.
        task: what it answers.
        family: networks of one family stand together on the page.
        options: given to the builder by name.
        pretrained: where its ImageNet weights come from; None where there are none.
        training: hyperparameters that differ from TrainingConfig's defaults.
    """

    id: str
    title: str
    summary: str
    source: str
    input: InputSpec
    builder: str
    max_parameters: int
    task: Task = EXPRESSION
    family: str = "Small networks"
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    pretrained: str | None = None
    training: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


MINI_XCEPTION = ModelSpec(
    id="mini_xception",
    title="mini-Xception",
    summary="Small and fully convolutional: fast enough for any webcam, fits on any machine.",
    source="Arriaga, Valdenegro-Toro & Plöger 2017, Real-time Convolutional Neural Networks for "
    "Emotion and Gender Classification, arXiv:1710.07557",
    input=InputSpec(height=48, width=48, channels=1),
    builder="fer_core.zoo.networks.mini_xception:build",
    max_parameters=60_000,
)

CNN_RGB48 = ModelSpec(
    id="cnn_rgb48",
    title="48×48×3 CNN",
    summary="Four plain convolutions on small colour pictures: the quickest to train, good for a first try.",
    source="S. Bharodiya 2021, Facial Expression Recognition (report)",
    input=InputSpec(height=48, width=48, channels=3),
    builder="fer_core.zoo.networks.cnn_rgb48:build",
    max_parameters=167_700,
    training=MappingProxyType({"learning_rate": 1e-3, "weight_decay": 1e-4}),
)

SPECS: Mapping[str, ModelSpec] = MappingProxyType({spec.id: spec for spec in (MINI_XCEPTION, CNN_RGB48)})


def get(spec_id: str) -> ModelSpec:
    """The registered network of that name.

    Raises:
        NotFound: no such network.
    """
    if spec_id not in SPECS:
        raise NotFound.of("network", spec_id, SPECS)
    return SPECS[spec_id]
