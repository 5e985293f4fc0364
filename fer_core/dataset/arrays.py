"""What training reads: one uint8 array per (pictures, input spec), built once and kept in the cache."""

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core import workspace
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, slices
from fer_core.errors import BadInput, FerError, StorageError
from fer_core.imaging.decode import decode_image
from fer_core.imaging.landmarks import of_crops as points_of
from fer_core.imaging.preprocess import InputSpec, to_input

CHUNK = 256
"""Pictures that one thread reads at a time."""

_CHECKSUM_BYTES = 4


def build(store: Store, frame: pd.DataFrame, spec: InputSpec, progress: Progress | None = None) -> np.memmap:
    """The pictures of a manifest as a network takes them, in the manifest's row order.

    The whole picture is the face, as in dataset crops. The file is kept by spec and pictures in
    their order, so that relabelling builds nothing anew; a damaged file is made again.

    Args:
        frame: a manifest, or any rows of one.
        progress: called with (pictures done, pictures in all, text).

    Returns:
        (N, spec.height, spec.width, spec.channels) uint8 0..255, read-only.

    Raises:
        BadInput: no rows, or a picture cannot be read.
        NotFound: a picture is not in the store.
        StorageError: the cache cannot be written.
    """
    if frame.empty:
        raise BadInput("An array needs pictures. Received: 0 rows. Choose another split or filter.")
    images = frame["image"].tolist()
    shape = (len(images), *spec.shape)
    path = workspace.folder("cache") / f"{_key(images, spec)}.u8"
    if _whole(path, shape):
        return np.memmap(path, np.uint8, "r", shape=shape)
    # A name of its own for each builder: two may make the same file at once, and either result is right.
    growing = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.part")
    try:
        array = np.memmap(growing, np.uint8, "w+", shape=shape)
        _fill(array, store, images, spec, progress)
        array.flush()
        checksum = _checksum(array)
        with growing.open("ab") as file:
            file.write(checksum)
            file.flush()
            os.fsync(file.fileno())
        os.replace(growing, path)
    except OSError as error:
        raise StorageError(
            f"The cache must be writable. Received: {path.parent} ({error.strerror}). "
            f"Free {np.prod(shape) / 1e6:,.0f} MB there, or set FER_WORKSPACE to another folder."
        ) from error
    finally:
        growing.unlink(missing_ok=True)
    return np.memmap(path, np.uint8, "r", shape=shape)


def landmarks(
    images: np.ndarray, frame: pd.DataFrame, spec: InputSpec, progress: Progress | None = None
) -> np.ndarray:
    """The 68 points of each picture of an array made by `build` from the same rows; kept in the cache.

    Returns:
        (N, 68, 2) float32, parts of the side.

    Raises:
        NotFound: the landmark predictor's file is not there.
        StorageError: the cache cannot be written.
    """
    names = frame["image"].tolist()
    path = workspace.folder("cache") / f"{_key(names, spec)}.landmarks.npy"
    if (kept := cached(path, (len(names), 68, 2))) is not None:
        return kept
    distinct = {name: row for row, name in enumerate(names)}
    rows = np.fromiter(distinct.values(), np.int64)
    parts = []
    for first in range(0, len(rows), CHUNK):
        parts.append(points_of(images[rows[first : first + CHUNK]]))
        if progress:
            progress(min(first + CHUNK, len(rows)), len(rows), f"landmarks of {len(rows):,} pictures")
    place = {name: position for position, name in enumerate(distinct)}
    found = np.concatenate(parts)[[place[name] for name in names]]
    keep(path, found)
    return found


def cached(path: Path, shape: tuple[int, ...] | None = None) -> np.ndarray | None:
    """What `keep` wrote, or None where it is missing, damaged or of another shape than the given one."""
    try:
        found = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return found if shape in (None, found.shape) else None


def keep(path: Path, array: np.ndarray) -> None:
    """Write an array into the cache, whole or not at all.

    Raises:
        StorageError: the cache cannot be written.
    """
    # A name of its own: two may make the same at once, and either result is right.
    part = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            np.save(file, array)
        os.replace(part, path)
    except OSError as error:
        raise StorageError(
            f"The cache must be writable. Received: {path.parent} ({error.strerror}). "
            "Free some space, or set FER_WORKSPACE to another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _key(images: list[str], spec: InputSpec) -> str:
    # Pixels are the same with and without landmarks.
    content = json.dumps(asdict(replace(spec, landmarks=False)), sort_keys=True) + "\n" + "\n".join(images)
    return hashlib.sha256(content.encode()).hexdigest()


def _fill(
    array: np.ndarray, store: Store, images: list[str], spec: InputSpec, progress: Progress | None
) -> None:
    rows: dict[str, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(image, []).append(row)

    def fill(some: list[str]) -> int:
        for image, data in store.image_bytes(some).items():
            try:
                array[rows[image]] = to_input(decode_image(data), None, spec)
            except FerError as error:
                raise BadInput(f"{error} It is the stored picture {image}; delete its sample.") from error
        return len(some)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = 0
        for count in pool.map(fill, slices(list(rows), CHUNK)):
            done += count
            if progress:
                progress(done, len(rows), f"{done:,} of {len(rows):,} pictures")


def _whole(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a cache file is there and is what was written."""
    size = int(np.prod(shape))
    try:
        if path.stat().st_size != size + _CHECKSUM_BYTES:
            return False
        with path.open("rb") as file:
            file.seek(size)
            return file.read() == _checksum(np.memmap(path, np.uint8, "r", shape=shape))
    except OSError:
        return False


def _checksum(array: np.ndarray) -> bytes:
    """CRC-32, 1 s for some GB; a stronger one would guard against nothing that happens to a cache."""
    total = 0
    for part in _parts(array):
        total = zlib.crc32(part.data, total)
    return total.to_bytes(_CHECKSUM_BYTES, "big")


def _parts(array: np.ndarray, size: int = 16 << 20) -> Iterator[np.ndarray]:
    flat = array.reshape(-1)
    for start in range(0, flat.size, size):
        yield flat[start : start + size]
