"""Class sets: a name, classes of a user's own, a few photos of each; kept in the workspace.

A set is a folder `teach/<id>/`: `set.json`, and a PNG for each example under the hash of its pixels. A
picture is written first, then the list that names it, each under another name and renamed: a process that
dies leaves the set as it was, or with the change.
"""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core import workspace
from fer_core.errors import BadInput, Conflict, NotFound
from fer_core.fewshot.crops import cut, faces_of
from fer_core.fewshot.sets import (
    MOST_CLASSES,
    MOST_EXAMPLES,
    Class,
    ClassSet,
    Example,
    titled,
    usable,
)
from fer_core.fewshot.shelf import all_sets as all_sets
from fer_core.fewshot.shelf import changing, load, replace_file, store, storing
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image, encode_png
from fer_core.imaging.faces import Face

NO_FACE = "no face was found; it can be taken whole"
"""Why a photo is refused that `add` with `whole` takes."""

Progress = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Added:
    """What became of some pictures.

    Attributes:
        taken: the new examples.
        refused: name and reason of each picture, or face, that was not taken.
        notes: what was decided on the way, in words.
    """

    taken: tuple[Example, ...]
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def create(title: str, base: str) -> ClassSet:
    """A new, empty set.

    Raises:
        BadInput: a title without letters or digits.
        StorageError: it cannot be written.
    """
    return store(ClassSet("", titled(title), base), {})


def add(
    set_id: str,
    class_name: str,
    pictures: Sequence[tuple[str, np.ndarray | bytes]],
    *,
    whole: bool = False,
    every_face: bool = False,
    detector: str = detectors.DEFAULT,
    progress: Progress | None = None,
) -> Added:
    """Put photos into a class, which is made where it is new: of each photo the largest face.

    Args:
        pictures: what each is called, and (H, W, 3) uint8 RGB upright; or the bytes of a photo's file,
            which are read one after the other, so that hundreds fit in memory.
        whole: take each picture whole as one face, and search none.
        every_face: take all faces of a photo.

    Raises:
        NotFound: no such set or detector.
        BadInput: the class's name cannot be used, or there are too many classes.
        Conflict: a picture is in another class already; nothing is taken then.
        StorageError: it cannot be written.
    """
    name = usable(class_name)
    present = load(set_id)
    room = MOST_EXAMPLES - next((len(one.examples) for one in present.classes if one.name == name), 0)
    found: list[tuple[Example, np.ndarray]] = []
    refused: list[tuple[str, str]] = []
    notes: list[str] = []
    for done, (title, photo) in enumerate(pictures):
        if len(found) >= room:
            refused += [
                (other, f"a class has at most {MOST_EXAMPLES} examples") for other, _ in pictures[done:]
            ]
            break
        if isinstance(photo, bytes):
            try:
                photo = decode_image(photo)
            except BadInput as error:
                refused.append((title, str(error)))
                continue
        faces: list[Face | None] = [None] if whole else [*faces_of(photo, detector)]
        if not faces:
            refused.append((title, NO_FACE))
        if len(faces) > 1 and not every_face:
            notes.append(f"{title}: {len(faces)} faces, the largest was taken")
            faces = faces[:1]
        for number, face in enumerate(faces, 1):
            words = title if len(faces) == 1 else f"{title}, face {number}"
            found.append(cut(words, photo, face))
        if progress:
            progress(done + 1, len(pictures), "photos looked at")
    with changing(set_id) as (current, keep):
        taken = _placed(current, name, found, refused, keep)
    return Added(taken, tuple(refused), tuple(notes))


def add_crops(set_id: str, class_name: str, crops: Sequence[tuple[str, np.ndarray | bytes]]) -> Added:
    """`add` for pictures that are faces already, as those of a dataset."""
    return add(set_id, class_name, crops, whole=True)


def add_faces(set_id: str, class_name: str, faces: Sequence[tuple[str, np.ndarray, Face | None]]) -> Added:
    """`add` where the faces are known: what each is called, its photo, and the face; None is all of it."""
    name = usable(class_name)
    found = [cut(*each) for each in faces]
    refused: list[tuple[str, str]] = []
    with changing(set_id) as (current, keep):
        taken = _placed(current, name, found, refused, keep)
    return Added(taken, tuple(refused))


def add_class(set_id: str, name: str) -> ClassSet:
    """The set with one more class, still empty; as it was where the class is there. Raises as `add`."""
    with changing(set_id) as (current, keep):
        return keep(_with_class(current, usable(name)))


def rename(set_id: str, title: str) -> ClassSet:
    """The set under another title. Raises as `create`."""
    with changing(set_id) as (current, keep):
        return keep(replace(current, title=titled(title)))


def use_base(set_id: str, base: str) -> ClassSet:
    """The set on the features of another model."""
    with changing(set_id) as (current, keep):
        return keep(replace(current, base=base))


def rename_class(set_id: str, name: str, new: str) -> ClassSet:
    """The set with a class renamed.

    Raises:
        NotFound: no such set or class.
        BadInput: the new name cannot be used.
        Conflict: another class has it.
    """
    new = usable(new)
    with changing(set_id) as (current, keep):
        old = current.named(name)
        if new != old.name and new in current.names:
            raise Conflict(f"Each class has a name of its own. Received: {new!r}, which there is already.")
        return keep(_mapped(current, lambda one: replace(one, name=new) if one == old else one))


def remove_class(set_id: str, name: str) -> ClassSet:
    """The set without a class and its examples.

    Raises:
        NotFound: no such set or class.
    """
    with changing(set_id) as (current, keep):
        gone = current.named(name)
        return keep(replace(current, classes=tuple(one for one in current.classes if one != gone)))


def remove(set_id: str, example_ids: Sequence[str]) -> ClassSet:
    """The set without some examples.

    Raises:
        NotFound: no such set, or an example is not in it.
    """
    gone = set(example_ids)
    with changing(set_id) as (current, keep):
        _must_have(current, gone)
        return keep(
            _mapped(
                current,
                lambda one: replace(one, examples=tuple(e for e in one.examples if e.id not in gone)),
            )
        )


def move(set_id: str, example_ids: Sequence[str], class_name: str) -> ClassSet:
    """The set with some examples in another class.

    Raises:
        NotFound: no such set or class, or an example is not in it.
        Conflict: the class would have too many.
    """
    moved = set(example_ids)
    with changing(set_id) as (current, keep):
        target = current.named(class_name)
        _must_have(current, moved)
        coming = tuple(example for _, example in current.examples if example.id in moved)
        staying = tuple(e for e in target.examples if e.id not in moved)
        if len(staying) + len(coming) > MOST_EXAMPLES:
            raise Conflict(
                f"A class has at most {MOST_EXAMPLES} examples. "
                f"Received: {len(staying) + len(coming)} for {target.name!r}. Move fewer."
            )
        return keep(
            _mapped(
                current,
                lambda one: replace(
                    one,
                    examples=staying + coming
                    if one == target
                    else tuple(e for e in one.examples if e.id not in moved),
                ),
            )
        )


def delete(set_id: str) -> None:
    """Remove a set with its photos; models that were taught from it stay.

    Raises:
        NotFound: no such set.
        StorageError: it cannot be removed.
    """
    folder = workspace.folder("teach") / set_id
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", set_id) or not folder.is_dir():
        load(set_id)
    with storing():
        hidden = folder.with_name(f".{set_id}.{secrets.token_hex(4)}.gone")
        os.rename(folder, hidden)
        shutil.rmtree(hidden)


def _placed(
    current: ClassSet,
    name: str,
    found: list[tuple[Example, np.ndarray]],
    refused: list[tuple[str, str]],
    keep: Callable[[ClassSet], ClassSet],
) -> tuple[Example, ...]:
    """Store the new examples; what is in the class already is refused, what is in another an error."""
    changed = _with_class(current, name)
    where = {example.id: changed.names[place] for place, example in changed.examples}
    for example, _ in found:
        if where.get(example.id, name) != name:
            raise Conflict(
                "A picture is an example of one class. "
                f"Received: {example.source}, for {name!r} and already in {where[example.id]!r}. "
                "Move it, or leave it out; nothing was added."
            )
    taken: dict[str, Example] = {}
    target = changed.named(name)
    for example, crop in found:
        if example.id in where or example.id in taken:
            refused.append((example.source, f"the same picture is in {name!r} already"))
        elif len(target.examples) + len(taken) >= MOST_EXAMPLES:
            refused.append((example.source, f"a class has at most {MOST_EXAMPLES} examples"))
        else:
            replace_file(current.folder / example.file, encode_png(crop))
            taken[example.id] = example
    fuller = replace(target, examples=target.examples + tuple(taken.values()))
    keep(_mapped(changed, lambda one: fuller if one == target else one))
    return tuple(taken.values())


def _with_class(current: ClassSet, name: str) -> ClassSet:
    if name in current.names:
        return current
    if len(current.classes) >= MOST_CLASSES:
        raise BadInput(
            f"A set has at most {MOST_CLASSES} classes. Received: one more, {name!r}. Remove another first."
        )
    return replace(current, classes=(*current.classes, Class(name)))


def _mapped(current: ClassSet, change: Callable[[Class], Class]) -> ClassSet:
    return replace(current, classes=tuple(map(change, current.classes)))


def _must_have(current: ClassSet, ids: set[str]) -> None:
    missing = ids - {example.id for _, example in current.examples}
    if missing:
        raise NotFound(
            f"An example is chosen from its set. Received: {', '.join(sorted(missing))}, which "
            f"{current.id} does not have. Reload the page."
        )
