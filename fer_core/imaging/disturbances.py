"""Faces made worse on purpose: blurred, noisy, dark, turned, covered, compressed, small.

Each is a pure function of a picture and a strength: chance, where it plays, is seeded by the pixels.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from fer_core.imaging import landmarks
from fer_core.imaging.decode import decode_image, encode_jpeg
from fer_core.imaging.preprocess import InputSpec, to_input

_EYES = np.r_[17:27, 36:48]
_MOUTH = np.r_[48:68]
"""Eyes with their brows, and the lips. Source: the iBUG 300-W mark-up."""

_MARGIN = 0.05
"""What a cover adds on each side of its landmarks, in sides of the face."""


@dataclass(frozen=True)
class Disturbance:
    """One way in which the picture of a face may be worse.

    Attributes:
        when: goes on from "It loses … of its accuracy when".
        axis: what the strengths are, with their unit.
        strengths: in the order of a chart.
        usual: the one of them at which disturbances are compared: what photos of daily life often have. Ours.
        make: called with the picture, a strength, its (68, 2) landmarks in parts of the side, and a source
            of random numbers.
        nothing: the place among the strengths where the picture as it is belongs.
    """

    id: str
    title: str
    when: str
    axis: str
    strengths: tuple[float, ...]
    usual: float
    make: Callable[[np.ndarray, float, np.ndarray, np.random.Generator], np.ndarray]
    nothing: int = 0

    @property
    def steps(self) -> tuple[float | None, ...]:
        """The strengths with None, the picture as it is, in its place."""
        return (*self.strengths[: self.nothing], None, *self.strengths[self.nothing :])

    def said(self, strength: float | None) -> str:
        """A strength for the axis: "20", "as it is"."""
        return "as it is" if strength is None else f"{strength:g}"


def disturbed(
    disturbance: Disturbance, picture: np.ndarray, strength: float | None, points: np.ndarray | None = None
) -> np.ndarray:
    """The picture made worse; None leaves it as it is.

    Args:
        picture: (H, W, 3) uint8 RGB, filled by one face.
        points: its landmarks (`landmarks.of_crops`), where they are known already.

    Returns:
        (H, W, 3) uint8 of the same size, except for low resolution.

    Raises:
        NotFound: the landmark predictor's file is not there.
    """
    if strength is None:
        return picture
    if points is None:
        points = landmarks.of_crops(picture[None])[0]
    random = np.random.default_rng(zlib.crc32(np.ascontiguousarray(picture).data))
    return disturbance.make(picture, strength, points, random)


def _blurred(picture, strength, points, random) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), picture.shape[1] * strength / 100)


def _noisy(picture, strength, points, random) -> np.ndarray:
    # The same in all channels: else a network that sees grey would meet less of it than one that sees colour.
    return _bytes(picture + random.normal(0, strength, (*picture.shape[:2], 1)))


def _lit(picture, strength, points, random) -> np.ndarray:
    return _bytes(picture * strength)


def _flat(picture, strength, points, random) -> np.ndarray:
    middle = picture.mean()
    return _bytes(middle + (picture - middle) * (strength / 100))


def _turned(picture, strength, points, random) -> np.ndarray:
    height, width = picture.shape[:2]
    angle = strength * random.choice((-1, 1))
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _eyeless(picture, strength, points, random) -> np.ndarray:
    return _covered(picture, strength, points[_EYES])


def _mouthless(picture, strength, points, random) -> np.ndarray:
    return _covered(picture, strength, points[_MOUTH])


def _covered(picture: np.ndarray, strength: float, points: np.ndarray) -> np.ndarray:
    """A bar of the picture's mean colour around the middle of the points; at 100 it just covers them."""
    size = np.array(picture.shape[1::-1])
    low, high = points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN
    middle, half = (low + high) / 2, (high - low) / 2 * strength / 100
    left, top = np.clip(np.round((middle - half) * size), 0, size).astype(int)
    right, bottom = np.clip(np.round((middle + half) * size), 0, size).astype(int)
    made = picture.copy()
    made[top:bottom, left:right] = picture.mean(axis=(0, 1)).round()
    return made


def _compressed(picture, strength, points, random) -> np.ndarray:
    return decode_image(encode_jpeg(picture, int(strength)))


def _small(picture, strength, points, random) -> np.ndarray:
    side = int(strength)
    return picture if min(picture.shape[:2]) <= side else to_input(picture, None, InputSpec(side, side, 3))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


DISTURBANCES = (
    Disturbance(
        "blur", "Blur", "the face is out of focus", "blur, % of the face's width",
        (1, 2, 4, 6, 8), 2, _blurred,
    ),
    Disturbance(
        "noise", "Noise", "the picture is noisy", "deviation of the noise, grey levels",
        (5, 10, 20, 30, 50), 10, _noisy,
    ),
    Disturbance(
        "light", "Brightness", "the picture is dark", "brightness, times the grey levels",
        (0.2, 0.35, 0.6, 1.5, 2.2), 0.35, _lit, nothing=3,
    ),
    Disturbance(
        "contrast", "Contrast", "there is little contrast", "contrast that is left, %",
        (70, 50, 30, 20, 10), 30, _flat,
    ),
    Disturbance(
        "turn", "Rotation", "the head is tilted", "tilt to the left or right, degrees",
        (10, 20, 30, 45, 60), 20, _turned,
    ),
    Disturbance(
        "eyes", "Eyes covered", "the eyes are covered", "cover, % of the eyes and brows",
        (25, 50, 75, 100, 125), 100, _eyeless,
    ),
    Disturbance(
        "mouth", "Mouth covered", "the mouth is covered", "cover, % of the mouth",
        (25, 50, 75, 100, 125), 100, _mouthless,
    ),
    Disturbance(
        "jpeg", "JPEG", "the picture is compressed hard", "JPEG quality, of 100",
        (50, 30, 20, 10, 5), 30, _compressed,
    ),
    Disturbance(
        "small", "Low resolution", "the face is tiny", "width of the face, px",
        (32, 24, 16, 12, 8), 24, _small,
    ),
)  # fmt: skip
"""The blur is Gaussian, with this deviation. So is the noise, of each stored pixel: in a small picture
it hides more than in a large one, whose pixels a network sees averaged. Quality is libjpeg's."""
