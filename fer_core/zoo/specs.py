"""The register of networks: data only, so that pages and cards can read it without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fer_core.errors import NotFound
from fer_core.imaging.preprocess import InputSpec


@dataclass(frozen=True)
class ModelSpec:
    """One network that can be trained.

    Attributes:
        id: its name everywhere, from the command line to the card.
        title: its name for people.
        summary: one sentence on what it is good for.
        source: where the architecture was published.
        input: what it is fed.
        builder: "module:function"; the function takes (input shape, number of classes) and returns
            a keras.Model from uint8 0..255 to probabilities, with layers named "feature_map" and
            "embedding". Imported in worker processes only.
        max_parameters: promised ceiling, checked by the tests.
        training: hyperparameters that differ from TrainingConfig's defaults.
    """

    id: str
    title: str
    summary: str
    source: str
    input: InputSpec
    builder: str
    max_parameters: int
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

SPECS: Mapping[str, ModelSpec] = MappingProxyType({spec.id: spec for spec in (MINI_XCEPTION,)})


def get(spec_id: str) -> ModelSpec:
    """The registered network of that name.

    Raises:
        NotFound: no such network.
    """
    if spec_id not in SPECS:
        raise NotFound.of("network", spec_id, SPECS)
    return SPECS[spec_id]
