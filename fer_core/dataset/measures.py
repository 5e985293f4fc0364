"""What a look at the pixels of a picture tells: light, contrast, sharpness, a fingerprint, faces."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from fer_core.dataset import schema
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, find_dataset
from fer_core.errors import BadInput, FerError
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.imaging.quality import sharpness

FINGERPRINT = InputSpec(16, 16, 1)
"""The perceptual hash of a picture is itself, grey and this small: 256 bytes that tell near copies
from other pictures, also mirrored, and that any shorter code can be made of."""

MARGINS = ((0.25, None), (0.5, 255))
"""Margins that are laid around a picture before faces are looked for, in sides, and their grey level;
None is the picture's own mean."""

_LOOK = InputSpec(64, 64, 1)
"""Sharpness is that of every picture at one size, so that it may be compared (imaging/quality.py)."""

_BLOCK = 1024
"""Pictures that are measured and stored in one short transaction."""

_SIDE = 640
"""px: larger pictures are read this large; nothing that is measured needs more."""

_measure = schema.measure.c
_sample = schema.sample.c


def measure(store: Store, dataset: str, *, faces: bool = False, progress: Progress | None = None) -> int:
    """Measure the pictures of a dataset that were not measured before.

    Block after block is stored, so that what was stopped or killed goes on where it was.

    Args:
        faces: also count the faces that the default detector finds; takes 5 to 20 ms a picture.
        progress: called with (pictures done, pictures in all, text); what it raises ends the work.

    Returns:
        How many pictures were measured.

    Raises:
        NotFound: no such dataset.
        BadInput: a picture cannot be read.
        Conflict, StorageError: it could not be stored; earlier blocks are.
    """
    with store.read() as connection:
        key = find_dataset(connection, dataset).id
        total = connection.scalar(sa.select(sa.func.count()).select_from(_missing(key, faces).subquery()))
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for images in _blocks(store, key, faces):
            data = store.image_bytes(images)
            rows = []
            for row in pool.map(partial(_row, faces=faces), data.items()):
                rows.append(row)
                if progress and (len(rows) % 256 == 0 or len(rows) == len(images)):
                    progress(done + len(rows), total, f"{done + len(rows):,} of {total:,} pictures measured")
            _put(store, rows)
            done += len(rows)
    return done


def _missing(dataset: int, faces: bool) -> sa.Select:
    """Pictures of a dataset without a measure, or without a count of faces, by id."""
    measured = sa.select(_measure.image).where(_measure.image == _sample.image)
    if faces:
        measured = measured.where(_measure.faces.is_not(None))
    mine = sa.select(_sample.image).where(_sample.dataset == dataset, ~measured.exists())
    return mine.distinct().order_by(_sample.image)


def _blocks(store: Store, dataset: int, faces: bool) -> Iterator[list[str]]:
    last = ""
    while True:
        with store.read() as connection:
            query = _missing(dataset, faces).where(_sample.image > last).limit(_BLOCK)
            images = list(connection.scalars(query))
        if not images:
            return
        yield images
        last = images[-1]


def _row(item: tuple[str, bytes], faces: bool) -> dict:
    """The row of `measure` for (picture's id, encoded file)."""
    image, data = item
    try:
        picture = decode_image(data, max_side=_SIDE)
    except FerError as error:
        raise BadInput(f"{error} It is the stored picture {image}; delete its sample.") from error
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    mean, spread = cv2.meanStdDev(grey)
    return {
        "image": image,
        "brightness": float(mean[0, 0]),
        "contrast": float(spread[0, 0]),
        "sharpness": sharpness(to_input(grey, None, _LOOK)[..., 0]),
        "hash": to_input(grey, None, FINGERPRINT).tobytes(),
        "faces": faces_of(picture) if faces else None,
    }


def faces_of(picture: np.ndarray) -> int:
    """How many faces the default detector finds in an (H, W, 3) uint8 RGB picture.

    A crop that is filled by its face looks to a detector like a part of a face, so a margin is laid
    around it, and where nothing is found another one: 960 of 1,000 pictures of FER2013 then show a face
    to BlazeFace, 730 as they are, and none of the 12 blank ones.
    """
    for share, level in MARGINS:
        down, across = (round(side * share) for side in picture.shape[:2])
        edge = cv2.mean(picture)[:3] if level is None else (level,) * 3
        wider = cv2.copyMakeBorder(picture, down, down, across, across, cv2.BORDER_CONSTANT, value=edge)
        if found := len(detectors.get().detect(wider)):
            return found
    return 0


def _put(store: Store, rows: list[dict]) -> None:
    """Store measures; a count of faces that is there stays unless there is a new one."""
    upsert = sqlite.insert(schema.measure)
    fresh = upsert.excluded
    kept = sa.func.coalesce(fresh.faces, _measure.faces)
    columns: dict = {name: fresh[name] for name in ("brightness", "contrast", "sharpness", "hash")}
    with store.write() as connection:
        # A picture may have been deleted since it was read.
        known = sa.select(schema.image.c.id).where(schema.image.c.id.in_([row["image"] for row in rows]))
        present = set(connection.scalars(known))
        rows = [row for row in rows if row["image"] in present]
        if rows:
            columns["faces"] = kept
            connection.execute(upsert.on_conflict_do_update(index_elements=["image"], set_=columns), rows)
