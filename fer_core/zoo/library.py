"""The models that can be used: those that ship, and those that the user trained."""

from dataclasses import dataclass
from pathlib import Path

from fer_core import workspace
from fer_core.errors import BadModel, NotFound
from fer_core.zoo import card as cards
from fer_core.zoo.card import Card
from fer_core.zoo.specs import EXPRESSION

DEFAULT = "resnet_ferplus"


@dataclass(frozen=True)
class Entry:
    """A model folder; `card` is None and `problem` says why where it cannot be used."""

    id: str
    folder: Path
    shipped: bool
    card: Card | None
    problem: str | None = None


def entries() -> list[Entry]:
    """Every model folder, shipped ones first, the broken ones with what is wrong with them."""
    found = []
    for base, shipped in ((workspace.SHIPPED_MODELS, True), (workspace.folder("models"), False)):
        for folder in sorted(base.iterdir() if base.is_dir() else ()):
            if folder.is_dir() and not folder.name.startswith("."):
                found.append(_entry(folder, shipped))
    return found


def find(model_id: str) -> Entry:
    """The usable model of that id; a user's own wins over a shipped one of the same name.

    Raises:
        NotFound: no such model.
        BadModel: its folder cannot be used.
    """
    everything = entries()
    named = [entry for entry in everything if entry.id == model_id]
    if not named:
        raise NotFound.of("model", model_id, (entry.id for entry in everything))
    if named[-1].problem:
        raise BadModel(named[-1].problem)
    return named[-1]


def default_id() -> str | None:
    """The model of expressions that a first visitor gets: the shipped default, else the first usable one."""
    usable = [entry.id for entry in entries() if entry.card and entry.card.task == EXPRESSION.id]
    return DEFAULT if DEFAULT in usable else next(iter(usable), None)


def _entry(folder: Path, shipped: bool) -> Entry:
    try:
        return Entry(folder.name, folder, shipped, cards.read(folder))
    except BadModel as error:
        return Entry(folder.name, folder, shipped, None, str(error))
