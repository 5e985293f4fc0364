"""What the report tells besides the figures of one trial: what the model is, and what it was measured on."""

from collections.abc import Sequence

from fer_core.dataset import versions
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.document.figures import Table, interval
from fer_core.evaluation.register import ALL, Entry
from fer_core.zoo import thresholds
from fer_core.zoo.card import Card
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY, SPECS, TASKS

TRUTHS = {
    "labels": "labels",
    "votes": "votes",
    "affect": "valence and arousal",
    "similarity": "pairs by label",
}
"""What a record was measured against, in a word."""


def sentence(card: Card) -> str:
    """What it is, in one or two sentences."""
    if card.taught:
        return f"{TASKS[card.task].title}, taught on top of {card.training.get('taught', {}).get('base')}."
    spec = SPECS.get(card.spec)
    what = f"{TASKS[card.task].title}, by the network {spec.title if spec else card.spec}"
    return f"{what}. {spec.summary}" if spec else f"{what}."


def where(store: Store, dataset: str, version: str, split: str, faces: str) -> str:
    """The rows of a trial in words."""
    found = "" if faces == WHOLE else f", faces found by {faces}"
    part = dataset if split == ALL else f"the {split} split of {dataset}"
    return f"{part}, version {_version(store, dataset, version)}{found}"


def measured(store: Store, card: Card, entries: Sequence[Entry]) -> Table:
    """All that was measured of a model, a row for each kind of truth: its own dataset first."""
    own = card.training.get("dataset")
    expression = card.task == EXPRESSION.id
    rows = []
    for entry in sorted(entries, key=lambda entry: (entry.dataset != own, entry.dataset, entry.id)):
        place = where(store, entry.dataset, entry.version, entry.split, entry.faces)
        for record in entry.figures:
            left = ", ".join(f"{n:,} {reason}" for reason, n in record.get("left_out", {}).items())
            rows.append((f"{place} ({entry.at[:10]})", TRUTHS[record["kind"]], *_figures(record)))
            if expression:
                rows[-1] += (left or "nothing",)
    figures = ("as published", "leak-free", "macro F1", "ECE", "left out") if expression else ("figure",)
    return Table(("measured on", "against", *figures), tuple(rows))


def note(entries: Sequence[Entry]) -> str:
    """What the table of `measured` is, in words."""
    tests = len({(e.dataset, e.version, e.split, e.faces) for e in entries if e.split == "test"})
    looks = {0: "No test split was", 1: "One test split was"}.get(tests, f"{tests} test splits were")
    return f"From the register of evaluations, which forgets nothing. {looks} measured with these weights."


def tables(card: Card) -> dict[str, dict[str, str]]:
    """Sections of the model card: titles, and in each names and texts."""
    training = card.training
    return {
        "What it is": {
            "Sees": f"{card.input.width} × {card.input.height} px, "
            + ("grey" if card.input.channels == 1 else "colour")
            + (", and 68 points of the face" if card.input.landmarks else ""),
            "Answers": ", ".join(card.labels.names)
            if card.task == EXPRESSION.id
            else TASKS[card.task].title.lower(),
            "Size": f"{card.parameters:,} weights",
            "Says can't tell": _threshold(card),
            "Made with": ", ".join(f"{name} {version}" for name, version in card.environment.items())
            or "not recorded",
        },
        **({"What it was taught": _taught(training["taught"])} if "taught" in training else {}),
        "What it learnt from": _told(training) if "imported" in training else _recorded(training),
        "Licence": {name.capitalize(): text for name, text in card.licence.items()}
        or {"Licence": "not recorded"},
    }


def method(card: Card) -> list[str]:
    """How the figures came about, in sentences."""
    said = [
        "The model answered through the same road that serves photos: one resampling, one set of weights"
        + (", the mean of each face and its mirror image" if card.flip_average else "")
        + (f", probabilities at temperature {card.temperature:.2f}." if card.task == EXPRESSION.id else "."),
        "As published counts every face of the split. Leak-free leaves out faces of which the model's "
        "training set has an exact or a near copy. Faces that a detector did not find are wrong answers.",
        "Intervals hold 95 %: Wilson's for shares. They are about the draw of faces from this "
        "dataset, not about other cameras, people or labels.",
    ]
    if card.task == AFFECT.id:
        said[1] = "Faces that a detector did not find are left out."
        said[2] = said[2].replace("Wilson's for shares", "Lin's for CCC")
    if card.task == SIMILARITY.id:
        said[1] = "Pairs are drawn at random, half of them of one expression; they share images."
    return said


def _figures(record: dict) -> tuple[str, ...]:
    if record["kind"] == AFFECT.id:
        return (f"CCC {record['ccc']:.3f}, {record['n']:,} faces",)
    if record["kind"] == SIMILARITY.id:
        return (f"AUC {record['auc']:.3f}, {record['n']:,} pairs",)
    free = record["leak_free"]
    clean = f"{interval(free)}, {free['n']:,} faces" if free["n"] else "not known"
    published = f"{interval(record)}, {record['n']:,} faces"
    return published, clean, f"{record['macro_f1']:.3f}", f"{record['ece']:.3f}"


def _threshold(card: Card) -> str:
    value = thresholds.of(card)
    if card.task != EXPRESSION.id or not value:
        return "never"
    chosen = ", as was chosen here" if thresholds.chosen(card) is not None else ""
    return f"below {value * 100:.0f} % confidence{chosen}"


def _recorded(training: dict) -> dict[str, str]:
    """Of a model that this program trained."""
    images = training.get("images", {})
    counts = ", ".join(
        f"{n:,} to {'train' if split == 'train' else 'validate'}" for split, n in images.items()
    )
    config = training.get("config", {})
    return {
        "Dataset": f"{training.get('dataset', 'not recorded')}, version {training.get('version', '')[:8]}",
        "Images": counts or "not recorded",
        "Learnt": {"votes": "what several raters saw in each"}.get(
            training.get("targets", ""), "one label each"
        ),
        "Left out": ", ".join(f"{n:,} {what}" for what, n in training.get("left_out", {}).items())
        or "nothing",
        "Chosen as": training.get("selected_on", "not recorded"),
        "Settings": ", ".join(
            f"{name.replace('_', ' ')} {config[name]}"
            for name in ("epochs", "batch_size", "learning_rate", "weights", "seed")
            if config.get(name) is not None
        )
        or "not recorded",
    }


def _taught(record: dict) -> dict[str, str]:
    """Of a model that was taught on top of another; what that one learnt from is told beside it."""
    alone = record.get("leave_one_out", {}).get(record.get("kind"), {})
    return {
        "Taught on": record.get("base", "not recorded"),
        "Examples": ", ".join(f"{n:,} {name}" for name, n in record.get("examples", {}).items()),
        "Answers by": record.get("kind", "not recorded"),
        "Each example left out in turn": f"{alone['right']} of {alone['n']} recognised "
        f"({alone['low'] * 100:.0f} to {alone['high'] * 100:.0f} %)"
        if alone.get("n")
        else "not asked",
    }


def _told(training: dict) -> dict[str, str]:
    """Of a model that was brought in."""
    return {
        "Dataset": f"{training.get('dataset', 'not known')} (as was said when it was brought in)",
        "Came as": str(training["imported"].get("file", "a file")),
    }


def _version(store: Store, dataset: str, identity: str) -> str:
    """Its name, where it has one, else the start of its id."""
    try:
        named = [v.name for v in versions.versions(store, dataset) if v.id == identity]
    except NotFound:
        named = []
    return f"“{named[0]}”" if named else identity[:8]
