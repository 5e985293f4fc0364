"""Everything that decides a training run, in one frozen, validated, serialisable record."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from fer_core import labels
from fer_core.errors import BadInput
from fer_core.imaging.preprocess import InputSpec
from fer_core.zoo import specs

SCHEMA_VERSION = 3
SCHEDULES = ("cosine", "step", "plateau", "constant")
MOST_FOLDS = 20


@dataclass(frozen=True)
class Augmentation:
    """Random changes to each training image; zero switches one off.

    Attributes:
        flip: mirror left and right, half of the time.
        rotation: degrees, either way.
        shift: part of the side, each way.
        shear: degrees by which upright lines lean, either way.
        zoom: part by which the face grows or shrinks.
        stretch: part by which height and width may differ.
        contrast: part by which the contrast changes.
        brightness: part of the full range (255) that is added or taken.
        blur: px of the image, the widest radius (sigma) of a Gaussian blur.
        noise: part of the full range (255), the widest deviation of Gaussian noise.
        cutout: part of the side, the widest grey square that hides a part of the face.
        mixup: how strongly two images and their targets are blended (alpha of a beta distribution).
    """

    flip: bool = True
    rotation: float = 11.0
    shift: float = 0.08
    shear: float = 0.0
    zoom: float = 0.1
    stretch: float = 0.06
    contrast: float = 0.3
    brightness: float = 0.1
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        _require(
            "An augmentation",
            self,
            {
                "rotation must be 0 to 180": 0 <= self.rotation <= 180,
                "shift must be 0 to 0.5": 0 <= self.shift <= 0.5,
                "shear must be 0 to 45": 0 <= self.shear <= 45,
                "zoom must be 0 to 0.5": 0 <= self.zoom <= 0.5,
                "stretch must be 0 to 0.5": 0 <= self.stretch <= 0.5,
                "contrast must be 0 to 1": 0 <= self.contrast <= 1,
                "brightness must be 0 to 1": 0 <= self.brightness <= 1,
                "blur must be 0 to 10": 0 <= self.blur <= 10,
                "noise must be 0 to 1": 0 <= self.noise <= 1,
                "cutout must be 0 to 0.9": 0 <= self.cutout <= 0.9,
                "mixup must be 0 to 2": 0 <= self.mixup <= 2,
            },
        )


@dataclass(frozen=True)
class TrainingConfig:
    """One run.

    Attributes:
        spec: the network's id.
        dataset: name of the dataset in the store.
        version: id or name of the frozen version; None takes the newest state.
        targets: "labels" learns one name an image; "votes" learns how people voted (soft targets).
        label_set: the classes and their order in the output.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: its peak.
        schedule: how the rate goes on after the warm-up: "cosine" down to zero; "step", times `factor`
            every `every` epochs; "plateau", times `factor` after `every` epochs without a better
            validation figure; "constant".
        every, factor: see schedule.
        warmup_epochs: the rate rises in a straight line for so long.
        weight_decay: AdamW's, on kernels only.
        label_smoothing: share of each target that is spread over all classes.
        class_weights: "none", or "balanced": each class counts alike, however rare.
        early_stopping: epochs without a better validation figure after which training ends; 0 never.
        second_head: weight of a head that learns the other kind of target beside the main one and is
            dropped after training (votes beside labels, labels beside votes); 0 is without.
        teacher: id of a model whose answers are learned beside the targets; None is without.
        teacher_share: how much of the loss those answers are.
        affect_loss: what a network of valence and arousal minimises: "ccc" (one minus the concordance
            correlation) or "mse".
        similarity_loss: what a network of similarity compares: "contrastive" pairs, or "triplet", the
            hardest of a batch.
        pairs: pairs, or triplets, an epoch that a network of similarity sees.
        augmentation: random changes to each training image.
        leak_free: leave out training images of which exact or near copies are in validation or test.
        flip_average: predictions are the mean over the face and its mirror image.
        keep_improvements: also keep every epoch that improves, named by epoch and figure.
        start_from: id of a model whose weights training starts from.
        weights: "scratch", or "pretrained": those that somebody else's training left, where the network has
            such.
        input_size: px, side of the input; None is the network's own.
        frozen_epochs: the first epochs, in which the features stay as they are and the answer alone is
            learned.
        unfrozen_layers: how many of the last layers with weights are learned after that; 0 is all. Batch
            normalisation stays as it is.
        fine_tune_rate: the learning rate's peak after the frozen epochs.
        weight_average: share of the running mean of the weights that each step keeps; validation and the
            model that comes out of it use the mean. 0 is without; 0.999 is usual.
        continued_at: epochs at which a finished run was given more; each stretch has its own schedule.
        folds, fold: with folds, the training images are dealt into so many parts, and the run learns from
            all but the part `fold` (0-based): what it says of that part is kept, its model is not
            (training/folds.py). 0 folds: an ordinary run.
        device: "auto", "cpu", "gpu", "all" (every GPU of this machine) or "cpu:N" (N logical devices).
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
    schedule: str = "cosine"
    every: int = 10
    factor: float = 0.3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-3
    label_smoothing: float = 0.0
    class_weights: str = "none"
    early_stopping: int = 0
    second_head: float = 0.0
    teacher: str | None = None
    teacher_share: float = 0.7
    affect_loss: str = "ccc"
    similarity_loss: str = "contrastive"
    pairs: int = 2000
    augmentation: Augmentation = field(default_factory=Augmentation)
    leak_free: bool = True
    flip_average: bool = True
    keep_improvements: bool = False
    start_from: str | None = None
    weights: str = "scratch"
    input_size: int | None = None
    frozen_epochs: int = 0
    unfrozen_layers: int = 0
    fine_tune_rate: float = 1e-4
    weight_average: float = 0.0
    continued_at: tuple[int, ...] = ()
    folds: int = 0
    fold: int = 0
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    precision: str = "float32"
    name: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        spec = specs.get(self.spec)
        labels.get(self.label_set)
        _require(
            "A training run",
            self,
            {
                "targets must be labels or votes": self.targets in ("labels", "votes"),
                "epochs must be 1 to 10,000": 1 <= self.epochs <= 10_000,
                "batch_size must be 1 to 4,096": 1 <= self.batch_size <= 4096,
                "learning_rate must be above 0 and at most 1e9": 0 < self.learning_rate <= 1e9,
                "fine_tune_rate must be above 0 and at most 1e9": 0 < self.fine_tune_rate <= 1e9,
                f"schedule must be one of {', '.join(SCHEDULES)}": self.schedule in SCHEDULES,
                "every must be 1 to 10,000": 1 <= self.every <= 10_000,
                "factor must be above 0 and below 1": 0 < self.factor < 1,
                "warmup_epochs must be 0 or more": 0 <= self.warmup_epochs <= 10_000,
                "weight_decay must be 0 to 1": 0 <= self.weight_decay <= 1,
                "label_smoothing must be at least 0 and below 1": 0 <= self.label_smoothing < 1,
                "class_weights must be none or balanced": self.class_weights in ("none", "balanced"),
                "early_stopping must be 0 to 10,000": 0 <= self.early_stopping <= 10_000,
                "second_head must be 0 to 10": 0 <= self.second_head <= 10,
                "teacher_share must be 0 to 1": 0 <= self.teacher_share <= 1,
                "only networks of expressions have a teacher": self.teacher is None
                or (spec.task is specs.EXPRESSION and not spec.input.landmarks),
                "affect_loss must be ccc or mse": self.affect_loss in ("ccc", "mse"),
                "similarity_loss must be contrastive or triplet": self.similarity_loss
                in ("contrastive", "triplet"),
                "pairs must be 2 to 10,000,000": 2 <= self.pairs <= 10_000_000,
                "threads must be 0 to 1,024": 0 <= self.threads <= 1024,
                "frozen_epochs must be 0 to 10,000": 0 <= self.frozen_epochs <= 10_000,
                "unfrozen_layers must be 0 to 10,000": 0 <= self.unfrozen_layers <= 10_000,
                "weight_average must be at least 0 and below 1": 0 <= self.weight_average < 1,
                "frozen_epochs needs start_from or weights": not self.frozen_epochs
                or self.start_from is not None
                or self.weights != "scratch",
                "weights must be scratch or pretrained": self.weights in ("scratch", "pretrained"),
                f"{self.spec} has no pretrained weights": self.weights == "scratch"
                or spec.pretrained is not None,
                "start_from and pretrained weights exclude each other": self.weights == "scratch"
                or self.start_from is None,
                f"input_size must be {spec.smallest} to 1,024": self.input_size is None
                or spec.smallest <= self.input_size <= 1024,
                f"folds must be 0 or 2 to {MOST_FOLDS}": self.folds == 0 or 2 <= self.folds <= MOST_FOLDS,
                "fold must be 0 or more, and less than folds": 0 <= self.fold < max(self.folds, 1),
                "folds are for networks of expressions that learn labels": not self.folds
                or (spec.task is specs.EXPRESSION and self.targets == "labels"),
                "device must be auto, cpu, gpu, all or cpu:N": re.fullmatch(
                    r"auto|cpu|gpu|all|cpu:[1-9]\d?", self.device
                ),
                "name must be letters, digits, - and _": self.name is None
                or re.fullmatch(r"[\w-]{1,80}", self.name),
                "precision must be float32 or mixed_bfloat16": self.precision
                in ("float32", "mixed_bfloat16"),
            },
        )

    @property
    def input(self) -> InputSpec:
        """What the network is fed in this run."""
        own = specs.get(self.spec).input
        side = self.input_size
        return own if side is None else replace(own, height=side, width=side)

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
        if given.get("weights") == "imagenet":  # schema 2
            given["weights"] = "pretrained"
        if given.pop("frozen", False):  # schema 1
            given["frozen_epochs"] = given.get("epochs", 40)
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
            given["continued_at"] = tuple(given.get("continued_at") or ())  # type: ignore[arg-type]
            return cls(**given)  # type: ignore[arg-type]
        except TypeError as error:
            raise BadInput(
                f"A training run needs at least spec and dataset. Received: {given} ({error})."
            ) from None


def _require(what: str, received: object, rules: Mapping[str, object]) -> None:
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise BadInput(f"{what} is not possible: {'; '.join(broken)}. Received: {received}.")
