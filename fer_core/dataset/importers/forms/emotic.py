"""EMOTIC as a csv: people in scenes with 26 categories, and valence, arousal and dominance from 1 to 10."""

import re
from collections.abc import Iterator, Mapping

from fer_core import labels
from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.forms import table
from fer_core.dataset.importers.source import Source
from fer_core.labels import FER7

CATEGORIES = (
    "Affection", "Anger", "Annoyance", "Anticipation", "Aversion", "Confidence", "Disapproval",
    "Disconnection", "Disquietment", "Doubt/Confusion", "Embarrassment", "Engagement", "Esteem",
    "Excitement", "Fatigue", "Fear", "Happiness", "Pain", "Peace", "Pleasure", "Sadness", "Sensitivity",
    "Suffering", "Surprise", "Sympathy", "Yearning",
)  # fmt: skip
"""Source: Kosti et al. 2017, "EMOTIC: Emotions in Context Dataset", CVPR workshops, table 1."""

BASIC = {
    "Anger": "angry",
    "Aversion": "disgust",  # "feeling disgust, dislike, repulsion"
    "Fear": "fear",
    "Happiness": "happy",
    "Sadness": "sad",
    "Surprise": "surprise",
}
"""The categories that name a basic expression. The other 20 say what somebody does or how it came about
(Engagement, Confidence, Fatigue …); they are left out unless the person who imports maps them."""

_LISTED = re.compile(r"[^\[\]'\",;|]+")
_KNOWN = {re.sub(r"\W+", "", name).lower(): name for name in CATEGORIES}


def _fits(source: Source) -> int:
    return 9 if any(_is_ours(source, path) for path in lists.entries(source, ".csv", ".tsv")) else 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    found = list(_rows(source, problems))
    names = {name: BASIC.get(name) for name in CATEGORIES}
    if found:
        problems["The pictures are scenes: each is taken whole, not the person's box alone"] = []
    return Reading(lambda: iter(found), names, FER7, problems)


def _rows(source: Source, problems: lists.Problems) -> Iterator[Found]:
    """A sample for each person: someone in the same picture as another is a sample of the same file."""
    files = lists.Files(source)
    people: dict[str, int] = {}
    for path in filter(lambda path: _is_ours(source, path), lists.entries(source, ".csv", ".tsv")):
        split = lists.split_of_name(path)
        named: dict[str, str] = {}
        for place, row in enumerate(lists.rows(source.text(path), path), 1):
            named = named or table.columns(list(row))
            written = "/".join(row.get(named[part], "") for part in ("folder", "path") if part in named)
            picture = files.find(written, path)
            if picture is None:
                lists.note(problems, table.MISSING, f"{path}, row {place:,}: {written}")
                continue
            given = _categories(row, named)
            basic = [name for name in given if name in BASIC]
            if len(basic) > 1:
                lists.note(
                    problems,
                    "People with several basic expressions at once; left out",
                    f"{picture}: {', '.join(basic)}",
                )
                continue
            people[picture] = people.get(picture, 0) + 1
            valence, arousal = _feelings(row)
            yield Found(
                source=picture if people[picture] == 1 else f"{picture}#{people[picture]}",
                path=picture,
                label=next(iter(basic or given), None),
                split=lists.split_of(row.get(named.get("split", ""), "")) or split,
                valence=valence,
                arousal=arousal,
            )


def _categories(row: Mapping[str, str], named: Mapping[str, str]) -> list[str]:
    """The categories of a row: a list in one cell, a single name, or a column for each with 1 in it."""
    text = row.get("categorical_labels", row.get("categories", row.get(named.get("label", ""), "")))
    given = [part.strip() for part in _LISTED.findall(text)]
    given += [name for name, cell in row.items() if _spelt(name) in _KNOWN and lists.number(cell) == 1]
    known = (_KNOWN.get(_spelt(name)) or _basic(name) for name in given)
    return list(dict.fromkeys(name for name in known if name))


def _basic(name: str) -> str | None:
    """The category for a label in our spelling, as in "happy"."""
    return next((category for category, label in BASIC.items() if label == labels.canonical(name)), None)


def _feelings(row: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Valence and arousal, 1..10 brought to -1..1: 1 is -1, 5.5 is 0. Dominance has no place here."""
    cells = _LISTED.findall(row.get("continuous_labels", ""))
    pair = cells[:2] if len(cells) >= 2 else [row.get("valence", ""), row.get("arousal", "")]
    values = [lists.number(cell, 1, 10) for cell in pair]
    valence, arousal = (None if value is None else (value - 5.5) / 4.5 for value in values)
    return valence, arousal


def _spelt(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _is_ours(source: Source, path: str) -> bool:
    header = lists.header(source.head(path))
    if not {"path"} <= table.columns(header).keys():
        return False
    return (
        "categorical_labels" in header
        or "dominance" in header
        or sum(_spelt(name) in _KNOWN for name in header) > 10
    )


FORM = Form(
    key="emotic",
    title="EMOTIC",
    sentence="A csv of people in scenes: file, the 26 categories, valence, arousal and dominance 1 to 10.",
    fits=_fits,
    read=_read,
)
