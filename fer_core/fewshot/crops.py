"""From photos to the crops that a class set keeps, and from those to a network's input."""

import numpy as np

from fer_core.errors import BadInput, StorageError
from fer_core.fewshot.sets import SIDE, ClassSet, Example
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image, pixel_id
from fer_core.imaging.faces import Box, Face
from fer_core.imaging.preprocess import InputSpec, to_input

MARGIN = 1.5
"""Side of a kept crop as a multiple of the face's: room for networks that look further than the face."""


def picture(class_set: ClassSet, example: Example) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the kept crop of an example.

    Raises:
        StorageError: its file is gone or damaged.
    """
    path = class_set.folder / example.file
    try:
        return decode_image(path.read_bytes())
    except (OSError, BadInput) as error:
        raise StorageError(
            f"Every example has its picture. Received: {class_set.id}/{example.file} ({error}). "
            "Remove the example and add its photo again."
        ) from error


def inputs(class_set: ClassSet, spec: InputSpec) -> np.ndarray:
    """(N, *spec.shape) uint8: every example as a network wants it, in the order of `ClassSet.examples`."""
    batch = np.empty((len(class_set.examples), *spec.shape), np.uint8)
    for row, (_, example) in zip(batch, class_set.examples, strict=True):
        row[...] = to_input(picture(class_set, example), example.box, spec)
    return batch


def faces_of(photo: np.ndarray, detector: str = detectors.DEFAULT) -> list[Face]:
    """The faces of an (H, W, 3) uint8 RGB photo, largest first.

    Raises:
        NotFound: no such detector.
    """
    return sorted(detectors.get(detector).detect(photo), key=lambda face: -face.box.width)


def cut(source: str, photo: np.ndarray, face: Face | None) -> tuple[Example, np.ndarray]:
    """An example and its crop: the square around the face, not turned, or the whole picture."""
    if face is None:
        shrink = min(1.0, SIDE / max(photo.shape[:2]))
        height, width = (max(8, round(side * shrink)) for side in photo.shape[:2])
        crop, box = to_input(photo, None, InputSpec(height, width, channels=3)), None
    else:
        side = min(SIDE, max(16, round(face.box.square(MARGIN).width)))
        crop = to_input(photo, face.box, InputSpec(side, side, channels=3, scale=MARGIN))
        inner = side / MARGIN
        box = Box((side - inner) / 2, (side - inner) / 2, inner, inner)
    return Example(pixel_id(crop)[:16], source, box, pixel_id(photo)), crop
