"""A model to take along: .keras, .h5, LiteRT or ONNX, proven to answer as the model does, in one archive."""

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from fer_core import workspace
from fer_core.errors import BadInput, NotFound, StorageError
from fer_core.zoo import card as cards
from fer_core.zoo import library, process, usage
from fer_core.zoo.card import Card
from fer_core.zoo.process import Progress

_WORKER = "fer_core.zoo.export_worker"
_CHECK = "verified.json"


@dataclass(frozen=True)
class Form:
    """One form that a model can be taken along in.

    Attributes:
        file: the model's name inside the archive.
        sentence: for whom it is.
    """

    key: str
    title: str
    file: str
    sentence: str


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        form.key: form
        for form in (
            Form("keras", "Keras", "model.keras", "Keras 3: to go on training it elsewhere."),
            Form("h5", "HDF5", "model.h5", "The older file of Keras, which notebooks load."),
            Form("litert", "LiteRT", "model.tflite", "Small and fast: phones, small computers, this app."),
            Form("onnx", "ONNX", "model.onnx", "For ONNX Runtime, in nearly any language."),
        )
    }
)


@dataclass(frozen=True)
class Exported:
    """An archive that is ready.

    Attributes:
        difference: largest difference of an answer from the model's own, over `probes` stored inputs.
        runtime: what replayed them, name to version.
    """

    path: Path
    form: str
    difference: float
    probes: int
    runtime: dict[str, str]

    @property
    def bytes(self) -> int:
        """Size of the archive."""
        return self.path.stat().st_size


def export(model_id: str, form: str, *, log: bool = False, progress: Progress | None = None) -> Exported:
    """Convert a model, replay its probe in the form's own runtime, and pack it; done once, then kept.

    Args:
        form: a key of FORMS.
        log: put the figures of its run into the archive, for TensorBoard.
        progress: called while the worker is at work, which ends when it raises.

    Raises:
        NotFound: no such model or form, or its run is gone.
        BadInput: it was taught on top of another model.
        BadModel: the converted file answers differently, or cannot be made.
        StorageError: the disk is full.
    """
    if form not in FORMS:
        raise NotFound.of("form", form, FORMS)
    entry = library.find(model_id)
    card = cards.read(entry.folder)
    cards.verify(entry.folder, card)
    if card.taught:
        base = card.training.get("taught", {}).get("base", "")
        raise BadInput(
            f"A model to take along is one network. Received: {model_id}, which was taught on top of {base}. "
            "Export that model, or the class set."
        )
    events = events_of(card) if log else None
    if log and events is None:
        raise NotFound(
            "A training's curves are in the folder of its run. "
            f"Received: {model_id}, {'trained elsewhere' if entry.shipped else 'whose run is gone'}. "
            "Export it without them."
        )
    target = _target(card, form, events)
    if not target.exists():
        try:
            _make(entry.folder, card, FORMS[form], events, target, progress)
        except OSError as error:
            raise StorageError(
                f"An export needs room in the workspace. Received: {error.strerror}. "
                "Free some space and retry."
            ) from error
    with zipfile.ZipFile(target) as archive:
        check = json.loads(archive.read(f"{target.stem}/{_CHECK}"))
    return Exported(target, form, check["difference"], check["probes"], check["runtime"])


def events_of(card: Card) -> Path | None:
    """The events of the run that a model came from; None where they are not here."""
    run = str(card.training.get("run", ""))
    path = workspace.folder("runs") / run / "events.jsonl"
    return path if re.fullmatch(r"[\w-]+", run) and path.is_file() else None


def _target(card: Card, form: str, events: Path | None) -> Path:
    """Where the archive is kept: another place whenever anything in it would differ."""
    record = hashlib.sha256(json.dumps(asdict(card), sort_keys=True).encode())
    record.update(form.encode() + (events.read_bytes() if events else b""))
    name = f"{card.id}-{form}{'-tensorboard' if events else ''}.zip"
    return workspace.folder("cache") / "models" / record.hexdigest()[:16] / name


def _make(
    folder: Path, card: Card, form: Form, events: Path | None, target: Path, progress: Progress | None
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        file = scratch / form.file
        logs = [events, scratch / "tensorboard"] if events else []
        check = process.run(_WORKER, folder, form.key, file, *logs, progress=progress)
        code = usage.example(card, form.key, form.file, check["inputs"])
        texts = {
            "example.py": code,
            "README.md": usage.readme(card, form.key, form.file, code, check),
            "LICENSE.txt": usage.licence(card),
            cards.FILE_NAME: (folder / cards.FILE_NAME).read_text("utf-8"),
            _CHECK: json.dumps(check, indent=1),
        }
        packed = scratch / "packed"
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(p for p in scratch.rglob("*") if p.is_file() and p != packed):
                archive.write(path, f"{target.stem}/{path.relative_to(scratch)}")
            for name, text in texts.items():
                archive.writestr(f"{target.stem}/{name}", text)
        os.replace(packed, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
