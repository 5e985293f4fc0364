"""Datasets that tests write row by row, straight into a store."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fer_core.dataset.intake import Intake, Row
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.imaging.decode import encode_jpeg, encode_png, pixel_id
from fer_core.labels import FER7, LabelSet


def picture(seed: int, side: int = 8, colour: bool = False) -> np.ndarray:
    """Noise: (side, side) or (side, side, 3) uint8, another one for each seed."""
    shape = (side, side, 3) if colour else (side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def pgm(grey: np.ndarray) -> bytes:
    return f"P5\n{grey.shape[1]} {grey.shape[0]}\n255\n".encode() + grey.tobytes()


def row(
    source: str,
    shown: np.ndarray,
    label: str | None = "happy",
    split: str = "train",
    kind: str = "png",
    **rest,
) -> Row:
    """One sample of that picture as a PNG, a PGM or (with other pixels) a JPEG."""
    data = {"png": encode_png, "pgm": pgm, "jpg": encode_jpeg}[kind](shown)
    if kind == "jpg":
        from fer_core.imaging.decode import decode_image

        shown = decode_image(data)
    height, width = shown.shape[:2]
    return Row(source, pixel_id(shown), width, height, data, split, label, **rest)


def write(
    store: Store,
    rows: Iterable[Row],
    name: str = "faces",
    label_set: LabelSet = FER7,
    why: str = "import of drawn",
) -> None:
    """Import the rows, as an importer would."""
    with store.write() as connection:
        intake = Intake(connection, ensure_dataset(connection, name, label_set), "raters")
        intake.add(list(rows))
        intake.finish("import", why, f"batch of {name} {len(why)} {store.engine.url.database}")


def here(folder: Path, rows: Iterable[Row], **how) -> Store:
    """A store in `folder` with one dataset of these rows."""
    store = Store.open(folder / "studio.db")
    write(store, rows, **how)
    return store
