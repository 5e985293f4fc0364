"""The one road from a picture into a network: training, evaluation and serving all call `to_input`."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.errors import BadInput
from fer_core.imaging.faces import Box, Face


@dataclass(frozen=True)
class InputSpec:
    """How a face becomes a network's input; stored on the model's card, field by field.

    Attributes:
        height, width: px of the input.
        channels: 1 for grey, 3 for RGB.
        scale: side of the crop as a multiple of the face box's side.
        align: turn the photo so that the eyes lie level, where the eyes are known.
        landmarks: the network is also fed the 68 points of the crop (landmarks.of_crops).
    """

    height: int
    width: int
    channels: int
    scale: float = 1.0
    align: bool = False
    landmarks: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or min(self.height, self.width) < 8 or not 0.2 <= self.scale <= 5:
            raise BadInput(
                "An input is at least 8 px wide and high, has 1 or 3 channels, and crops 0.2 to 5 "
                f"face sides. Received: {self}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


def to_input(image: np.ndarray, face: Face | Box | None, spec: InputSpec) -> np.ndarray:
    """Cut, square, turn and resize one face.

    Args:
        image: (H, W, 3) or (H, W) uint8, 0..255, RGB or grey, upright.
        face: the face to cut out; None takes the whole picture as it is (dataset crops).
        spec: what the network wants.

    Returns:
        (spec.height, spec.width, spec.channels) uint8, 0..255. Rescaling is a layer of the network.

    Raises:
        BadInput: the image is not uint8 or has another shape.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.ndim == 3 and image.shape[2] != 3:
        raise BadInput(
            "A picture is (H, W, 3) or (H, W) uint8. "
            f"Received: shape={image.shape}, dtype={image.dtype}. Read it with decode_image."
        )
    crop = image if face is None else _cut(image, face, spec)
    if spec.channels == 1 and crop.ndim == 3:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if crop.shape[:2] != (spec.height, spec.width):
        shrinking = crop.shape[0] > spec.height
        crop = cv2.resize(
            crop, (spec.width, spec.height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        )
    if spec.channels == 3 and crop.ndim == 2:
        crop = cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB)
    return crop.reshape(spec.shape)


def to_batch(image: np.ndarray, faces: Sequence[Face | Box | None], spec: InputSpec) -> np.ndarray:
    """`to_input` for several faces of one photo: (N, height, width, channels) uint8."""
    batch = np.empty((len(faces), *spec.shape), np.uint8)
    for row, face in zip(batch, faces, strict=True):
        row[...] = to_input(image, face, spec)
    return batch


def _cut(image: np.ndarray, face: Face | Box, spec: InputSpec) -> np.ndarray:
    """The square around a face; what lies outside the photo repeats its edge."""
    box, eyes = (face, None) if isinstance(face, Box) else (face.box, face.eyes)
    square = box.square(spec.scale)
    side = max(1, round(square.width))
    left, top = round(square.x), round(square.y)
    height, width = image.shape[:2]
    inside = image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    if inside.size == 0:
        raise BadInput(f"A face box must touch the picture. Received: {box} in {width}x{height} px.")
    if spec.align and eyes is not None:
        return _level(image, left, top, side, eyes)
    if inside.shape[:2] == (side, side):
        return inside
    above, before = max(0, -top), max(0, -left)
    return cv2.copyMakeBorder(
        inside,
        above,
        side - above - inside.shape[0],
        before,
        side - before - inside.shape[1],
        cv2.BORDER_REPLICATE,
    )


def _level(image: np.ndarray, left: int, top: int, side: int, eyes: np.ndarray) -> np.ndarray:
    """The same square, cut out turned about its middle so that the eyes lie level."""
    (lx, ly), (rx, ry) = eyes
    angle = float(np.degrees(np.arctan2(ry - ly, rx - lx)))
    # OpenCV counts from the middle of the first pixel, a box from its edge: half a px apart.
    middle = (side - 1) / 2
    turn = cv2.getRotationMatrix2D((left + middle, top + middle), angle, 1.0)
    turn[:, 2] -= (left, top)
    return cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
