"""What a class set is, and what its file says."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_core import labels, workspace
from fer_core.errors import BadInput, NotFound
from fer_core.imaging.faces import Box

SCHEMA_VERSION = 1
MOST_CLASSES, MOST_EXAMPLES = 20, 200
"""Of a set, and of a class."""

LONGEST_NAME = 40

SIDE = 256
"""Longest side of a kept crop, px."""


@dataclass(frozen=True)
class Example:
    """One photo of a class.

    Attributes:
        id: start of the hash of the crop's pixels, and the name of its file.
        source: where it came from, in words: a file's name, a dataset's picture, the camera.
        box: the face within the kept crop, px; None where the whole picture is the face.
        image: hash of the picture's pixels that it was cut from (`pixel_id`).
    """

    id: str
    source: str
    box: Box | None
    image: str

    @property
    def file(self) -> str:
        """Its name in the set's folder."""
        return f"{self.id}.png"


@dataclass(frozen=True)
class Class:
    """A class and its examples, in the order in which they came."""

    name: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class ClassSet:
    """What is taught together.

    Attributes:
        id: its folder's name.
        title: its name for people.
        base: id of the model whose features are used.
    """

    id: str
    title: str
    base: str
    classes: tuple[Class, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return workspace.folder("teach") / self.id

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in their order."""
        return tuple(one.name for one in self.classes)

    @property
    def examples(self) -> tuple[tuple[int, Example], ...]:
        """Every example with its class's place, class by class: the order of everything that is computed."""
        return tuple((place, example) for place, one in enumerate(self.classes) for example in one.examples)

    def named(self, name: str) -> Class:
        """The class of that name.

        Raises:
            NotFound: there is none.
        """
        wanted = labels.canonical(name)
        for one in self.classes:
            if one.name == wanted:
                return one
        raise NotFound.of("class", name, self.names)


def parsed(values: Any, set_id: str) -> ClassSet:
    """A set from what its file says.

    Raises:
        BadInput: it is not of this schema, or breaks a rule.
    """
    try:
        if values["schema_version"] != SCHEMA_VERSION:
            raise BadInput(f"schema {values['schema_version']}")
        found = ClassSet(
            set_id,
            str(values["title"]),
            str(values["base"]),
            tuple(
                Class(usable(one["name"]), tuple(_example(row) for row in one["examples"]))
                for one in values["classes"]
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"not a class set: {type(error).__name__}: {error}") from error
    ids = [example.id for _, example in found.examples]
    rules = {
        "a class twice": len(set(found.names)) == len(found.names),
        "a picture twice": len(set(ids)) == len(ids),
        f"more than {MOST_CLASSES} classes": len(found.classes) <= MOST_CLASSES,
        f"more than {MOST_EXAMPLES} examples of a class": all(
            len(one.examples) <= MOST_EXAMPLES for one in found.classes
        ),
    }
    if broken := [rule for rule, kept in rules.items() if not kept]:
        raise BadInput(", ".join(broken))
    return found


def written(class_set: ClassSet) -> str:
    """What the set's file says."""
    values = {"schema_version": SCHEMA_VERSION, **asdict(class_set)}
    del values["id"]
    return json.dumps(values, indent=1) + "\n"


def usable(name: str) -> str:
    """A class's name as cards and datasets spell it.

    Raises:
        BadInput: it cannot be used.
    """
    spelt = labels.canonical(name)
    if not re.search(r"\w", spelt) or len(spelt) > LONGEST_NAME or not spelt.isprintable():
        raise BadInput(
            f"A class has a name of letters or digits, at most {LONGEST_NAME} long. Received: {name!r}."
        )
    if spelt in (labels.UNKNOWN, labels.UNSURE):
        raise BadInput(
            f"{labels.UNKNOWN!r} is what the model says of faces like none of the examples, "
            f"{labels.UNSURE!r} what people say of faces that they cannot tell. "
            f"Received: a class of that name, {name!r}. Choose another."
        )
    return spelt


def titled(title: str) -> str:
    """A set's title, tidied.

    Raises:
        BadInput: it has no letters or digits, or is too long.
    """
    tidy = " ".join(title.split())
    if not re.search(r"\w", tidy) or len(tidy) > 2 * LONGEST_NAME or not tidy.isprintable():
        raise BadInput(
            f"A set has a name of letters or digits, at most {2 * LONGEST_NAME} long. Received: {title!r}."
        )
    return tidy


def _example(row: dict) -> Example:
    box = None if row["box"] is None else Box(**{key: float(value) for key, value in row["box"].items()})
    if not re.fullmatch(r"[0-9a-f]{16}", row["id"]) or not re.fullmatch(r"[0-9a-f]{64}", row["image"]):
        raise BadInput(f"an example of the id {row['id']!r}")
    if box is not None and not (
        0 <= min(box.x, box.y)
        and max(box.x, box.y, box.width, box.height) <= SIDE
        and min(box.width, box.height) >= 1
    ):
        raise BadInput(f"a face at {box}")
    return Example(row["id"], str(row["source"]), box, row["image"])
