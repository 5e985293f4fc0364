"""A model's card: the only source of what a model is, what it is fed and what it answers."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fer_core.errors import BadInput, BadModel
from fer_core.imaging.preprocess import InputSpec
from fer_core.labels import LabelSet

SCHEMA_VERSION = 1
FILE_NAME = "card.json"
HEAD = "head.npz"
"""The file of what was taught on top of a network (zoo.head), in models that were."""


@dataclass(frozen=True)
class Card:
    """Everything about a model that is not weights.

    Attributes:
        id: its folder's name.
        spec: the network's id in the register.
        labels: classes in the order of the outputs; for other tasks those that it was trained on.
        input: what `to_input` must make.
        flip_average: predict the face and its mirror image and average.
        temperature: divides the logits; fitted on validation.
        answer_threshold: calibrated confidence under which the answer is "can't tell".
        parameters: number of weights.
        files: sha256 of each file in the folder, by name.
        training: what it learned from: dataset, version, counts, what was left out, config, seconds.
        task: what it answers (specs.TASKS).
        evaluations: one record for each dataset, split and kind of label, with n and intervals.
        environment: versions of what trained it.
        limitations: plain sentences.
        licence: of the weights and of the data.
    """

    id: str
    title: str
    spec: str
    labels: LabelSet
    input: InputSpec
    task: str = "expression"
    flip_average: bool = False
    temperature: float = 1.0
    answer_threshold: float = 0.0
    parameters: int = 0
    files: dict[str, str] = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    evaluations: list[dict] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    limitations: list[str] = field(default_factory=list)
    licence: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def taught(self) -> bool:
        """Whether it is another model's network with something taught on top: it has no model.keras."""
        return HEAD in self.files

    @property
    def weights(self) -> str:
        """Checksum of what answers: tells a model from the one that it replaced, and a taught one from the
        network beneath it; "" where there is none yet."""
        network, head = self.files.get("model.tflite", ""), self.files.get(HEAD)
        return hashlib.sha256(f"{network}{head}".encode()).hexdigest() if head else network

    def write(self, folder: Path) -> "Card":
        """Save into a model folder with fresh checksums of all its other files; the card as written."""
        sums = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != FILE_NAME}
        card = replace(self, files=sums)
        (folder / FILE_NAME).write_text(json.dumps(asdict(card), indent=1) + "\n", "utf-8")
        return card


def read(folder: Path) -> Card:
    """The card in a model folder.

    Raises:
        BadModel: there is none, or it is not a card of this schema.
    """
    path = folder / FILE_NAME
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadModel(f"A model folder holds a {FILE_NAME}. Received: {folder.name}, without one.") from None
    except (OSError, ValueError) as error:
        raise BadModel(f"A card is JSON. Received: {folder.name}/{FILE_NAME} ({error}).") from error
    if not isinstance(values, dict) or values.get("schema_version") != SCHEMA_VERSION:
        version = values.get("schema_version") if isinstance(values, dict) else None
        raise BadModel(
            f"This version reads cards of schema {SCHEMA_VERSION}. "
            f"Received: {folder.name} with schema {version}."
        )
    try:
        values["labels"] = LabelSet(values["labels"]["name"], tuple(values["labels"]["names"]))
        values["input"] = InputSpec(**values["input"])
        return Card(**values)
    except (KeyError, TypeError, BadInput) as error:
        raise BadModel(f"A card has every field of the schema. Received: {folder.name} ({error}).") from error


def verify(folder: Path, card: Card) -> None:
    """Compare every file with its checksum.

    Raises:
        BadModel: a file is missing, was changed, or the folder holds no network.
    """
    if "model.tflite" not in card.files or "probe.npz" not in card.files:
        raise BadModel(
            f"A model has model.tflite and probe.npz. Received: {folder.name} with {sorted(card.files)}."
        )
    for name, expected in card.files.items():
        path = folder / name
        if path.parent != folder or not path.is_file():
            raise BadModel(f"Every file on the card must be there. Received: {folder.name} without {name}.")
        if sha256(path) != expected:
            raise BadModel(
                "Files must be those that the card was written for. "
                f"Received: {folder.name}/{name}, changed since. Restore it or train again."
            )


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
