"""Small pictures, and the same files as a folder, a zip and tars."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from fer_core.imaging.decode import encode_jpeg, encode_png


def picture(number: int, kind: str = "png", side: int = 12) -> bytes:
    """An encoded picture; another number is another picture."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side)).astype(np.uint8)
    if kind == "pgm":
        return f"P5\n{side} {side}\n255\n".encode() + pixels.tobytes()
    return encode_png(pixels) if kind == "png" else encode_jpeg(pixels)


def pictures(*paths: str, first: int = 0) -> dict[str, bytes]:
    """Path -> a picture of its own."""
    return {path: picture(number, path.rpartition(".")[2]) for number, path in enumerate(paths, first)}


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    return place


def as_zip(place: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return place


def as_tar(place: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(place, mode) as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return place


def packed(place: Path, files: dict[str, bytes]) -> list[Path]:
    """The same files in every packing."""
    place.mkdir(exist_ok=True)
    return [
        as_folder(place / "faces", files),
        as_zip(place / "faces.zip", files),
        as_zip(place / "stored.zip", files, zipfile.ZIP_STORED),
        as_tar(place / "faces.tar", files, "w"),
        as_tar(place / "faces.tar.gz", files),
        as_tar(place / "faces.tgz", files),
        as_tar(place / "faces.tar.bz2", files, "w:bz2"),
        as_tar(place / "faces.tar.xz", files, "w:xz"),
    ]
