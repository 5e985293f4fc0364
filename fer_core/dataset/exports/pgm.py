"""Every picture as 256 x 256 grey PGM, as siamese networks on small sets of faces are given them."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.names import Names, folder
from fer_core.dataset.exports.selection import Selection
from fer_core.dataset.exports.target import Files
from fer_core.errors import BadInput
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import InputSpec, to_input

SPEC = InputSpec(height=256, width=256, channels=1)

_HEADER = f"P5\n{SPEC.width} {SPEC.height}\n255\n".encode()


def _write(selection: Selection, path: Path, ending: str) -> None:
    names = Names(selection)
    with Files(path, ending == ".zip") as files, ThreadPoolExecutor(os.cpu_count()) as pool:
        for group in selection.groups():
            made = pool.map(_prepared, [data for _, data in group])
            for (sample, _), data in zip(group, made, strict=True):
                files.write(f"{folder(sample)}/{names.plain(sample)}.pgm", data)
            selection.rows += len(group)


def _prepared(data: bytes) -> bytes:
    try:
        return _HEADER + to_input(decode_image(data), None, SPEC).tobytes()
    except BadInput as error:
        raise BadInput(f"{error} It is a stored picture; delete its sample.") from error


FORM = Export(
    key="pgm",
    title="Grey PGM, 256 × 256",
    sentence="Class folders with every picture turned grey and resized to 256 × 256, for siamese networks.",
    endings=(".zip", ""),
    write=_write,
)
