"""A class set to give away and to take in: a zip of its list and its pictures."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

from fer_core.errors import BadInput, FerError, NotFound
from fer_core.fewshot import classes, crops
from fer_core.fewshot.sets import MOST_CLASSES, MOST_EXAMPLES, SIDE, ClassSet, parsed, written
from fer_core.fewshot.shelf import FILE_NAME
from fer_core.imaging.decode import decode_image, encode_png, pixel_id
from fer_core.zoo import library

MOST_BYTES = 2_000_000
"""Of the list, unpacked: 20 classes of 200 examples take half of it."""

MOST_PICTURE_BYTES = 400_000
"""Of one picture: its pixels as they are take 200,000."""


def exported(set_id: str) -> bytes:
    """A zip with everything of a set.

    Raises:
        NotFound, StorageError: the set or a picture is not there or damaged.
    """
    class_set = classes.load(set_id)
    buffer = io.BytesIO()
    # PNGs are packed already.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(FILE_NAME, written(class_set))
        for _, example in class_set.examples:
            archive.writestr(example.file, encode_png(crops.picture(class_set, example)))
    return buffer.getvalue()


def taken_in(data: bytes | Path) -> ClassSet:
    """A new set from what `exported` made, here or elsewhere; whole or not at all.

    A base that is not here is replaced by the default model.

    Args:
        data: the zip's bytes, or where it lies.

    Raises:
        BadInput: it is no such zip, or one that breaks its rules.
        StorageError: it cannot be written.
    """
    try:
        with zipfile.ZipFile(data if isinstance(data, Path) else io.BytesIO(data)) as archive:
            found, pictures = _read(archive)
    # A damaged zip raises nearly anything.
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, RuntimeError, EOFError) as error:
        raise _refused(str(error)) from error
    return classes.store(replace(found, base=_base(found.base)), pictures)


def _read(archive: zipfile.ZipFile) -> tuple[ClassSet, dict[str, bytes]]:
    """The set, and its pictures written anew from their pixels: nothing else of the zip comes in."""
    there = archive.namelist()
    if len(there) != len(set(there)) or len(there) > MOST_CLASSES * MOST_EXAMPLES + 1:
        raise _refused(f"{len(there):,} files")
    if FILE_NAME not in there:
        raise _refused(f"a zip without {FILE_NAME}")
    try:
        found = parsed(json.loads(_bytes(archive, FILE_NAME, MOST_BYTES)), "")
    except (BadInput, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _refused(f"{FILE_NAME} ({error})") from error
    wanted = {example.file: example for _, example in found.examples}
    if strange := sorted(set(there) ^ {FILE_NAME, *wanted}):
        raise _refused(f"{strange[0][:60]!r}, which is " + ("missing" if strange[0] in wanted else "extra"))
    pictures = {}
    for name, example in wanted.items():
        try:
            crop = decode_image(_bytes(archive, name, MOST_PICTURE_BYTES), max_pixels=SIDE**2, max_side=None)
        except BadInput as error:
            raise _refused(f"{name} ({error})") from error
        if pixel_id(crop)[: len(example.id)] != example.id:
            raise _refused(f"{name}, another picture than its name says")
        pictures[name] = encode_png(crop)
    return found, pictures


def _bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member, unpacked no further than it may be long, whatever the zip says of its size."""
    with archive.open(name) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise _refused(f"{name}, longer than {most:,} bytes")
    return data


def _base(model_id: str) -> str:
    """The base where it is here and no taught model, else the default."""
    try:
        card = library.find(model_id).card
    except FerError:
        card = None
    if card is not None and not card.taught:
        return model_id
    default = library.default_id()
    if default is None:
        raise NotFound.of("model", model_id, ())
    return default


def _refused(what: str) -> BadInput:
    return BadInput(
        f"A class set comes as the zip that was exported here: {FILE_NAME} and its pictures. "
        f"Received: {what}. Nothing was taken in; export it again."
    )
