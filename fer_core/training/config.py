"""Everything that decides a training run, in one frozen, validated, serialisable record."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from fer_core import labels
from fer_core.errors import BadInput
from fer_core.zoo import specs

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Augmentation:
    """Random changes to each training image; zero switches one off.

    Attributes:
        flip: mirror left and right, half of the time.
        rotation: degrees, either way.
        shift: part of the side, each way.
        zoom: part by which the face grows or shrinks.
        stretch: part by which height and width may differ.
        contrast: part by which the contrast changes.
        brightness: part of the full range (255) that is added or taken.
    """

    flip: bool = True
    rotation: float = 11.0
    shift: float = 0.08
    zoom: float = 0.1
    stretch: float = 0.06
    contrast: float = 0.3
    brightness: float = 0.1


@dataclass(frozen=True)
class TrainingConfig:
    """One run.

    Attributes:
        spec: the network's id.
        dataset: name of the dataset in the store.
        version: id or name of the frozen version; None freezes the newest state.
        targets: "labels" learns one name an image; "votes" learns how people voted (soft targets).
        label_set: the classes and their order in the output.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: its peak; warmed up over `warmup_epochs`, then a cosine down to zero.
        weight_decay: AdamW's, on kernels only.
        label_smoothing: share of each target that is spread over all classes.
        second_head: weight of a head that learns the other kind of target beside the main one and is
            dropped after training (votes beside labels, labels beside votes); 0 is without.
        leak_free: leave out training images of which exact or near copies are in validation or test.
        flip_average: predictions are the mean over the face and its mirror image.
        keep_improvements: also keep every epoch that improves, named by epoch and accuracy.
        start_from: id of a model whose weights training starts from.
        frozen: keep that model's features as they are and learn the classes alone.
        threads: CPU threads; 0 takes them all.
        precision: "float32" or "mixed_bfloat16".
        name, title: the model's id and its name for people; None makes them from network and time.
    """

    spec: str
    dataset: str
    version: str | None = None
    targets: str = "labels"
    label_set: str = "fer7"
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 4e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-3
    label_smoothing: float = 0.0
    second_head: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    leak_free: bool = True
    flip_average: bool = True
    keep_improvements: bool = False
    start_from: str | None = None
    frozen: bool = False
    seed: int = 0
    threads: int = 0
    precision: str = "float32"
    name: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        specs.get(self.spec)
        labels.get(self.label_set)
        rules = {
            "targets must be labels or votes": self.targets in ("labels", "votes"),
            "epochs must be 1 to 10,000": 1 <= self.epochs <= 10_000,
            "batch_size must be 1 to 4,096": 1 <= self.batch_size <= 4096,
            "learning_rate must be above 0 and at most 1e9": 0 < self.learning_rate <= 1e9,
            "warmup_epochs must be 0 or more": self.warmup_epochs >= 0,
            "weight_decay must be 0 to 1": 0 <= self.weight_decay <= 1,
            "label_smoothing must be at least 0 and below 1": 0 <= self.label_smoothing < 1,
            "second_head must be 0 to 10": 0 <= self.second_head <= 10,
            "threads must be 0 to 1,024": 0 <= self.threads <= 1024,
            "frozen needs start_from": not self.frozen or self.start_from is not None,
            "name must be letters, digits, - and _": self.name is None
            or re.fullmatch(r"[\w-]{1,80}", self.name),
            "precision must be float32 or mixed_bfloat16": self.precision in ("float32", "mixed_bfloat16"),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise BadInput(f"A training run is not possible: {'; '.join(broken)}. Received: {self}.")

    def to_json(self) -> str:
        """The whole record as JSON."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "TrainingConfig":
        """Read what `to_json` wrote, or a part of it; what is missing takes its default.

        Raises:
            BadInput: a name that is not an option, or a value that is out of range.
        """
        given = {name: value for name, value in values.items() if name != "schema_version"}
        known = {f.name for f in fields(cls)}
        strange = given.keys() - known
        if strange:
            raise BadInput(
                f"Options of a training run are {', '.join(sorted(known))}. "
                f"Received: {', '.join(sorted(strange))}."
            )
        try:
            settings = given.get("augmentation")
            if isinstance(settings, Mapping):
                given["augmentation"] = Augmentation(**settings)
            return cls(**given)  # type: ignore[arg-type]
        except TypeError as error:
            raise BadInput(
                f"A training run needs at least spec and dataset. Received: {given} ({error})."
            ) from None
