"""Random changes to training images, in numpy and OpenCV: the page previews them with the very code that
trains.

They work on 0..255, before the network's own rescaling, and are no part of the saved network. All
geometry is one affine map and thus a single resampling: flip, rotation, shift, shear and zoom one after
another would each blur a 48-pixel face.
"""

import math

import cv2
import numpy as np

from fer_core.imaging import landmarks
from fer_core.training.config import Augmentation


def augment(
    images: np.ndarray,
    settings: Augmentation,
    random: np.random.Generator,
    points: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Each image changed by chance within the settings' limits.

    Args:
        images: (N, H, W, C) uint8.
        points: (N, 68, 2) float32 landmarks, x and y as parts of the side; they move with the pixels.

    Returns:
        (N, H, W, C) float32 0..255, and the points where they now are.
    """
    count, height, width, _ = images.shape
    changed = images
    if (
        settings.flip
        or settings.rotation
        or settings.shift
        or settings.shear
        or settings.zoom + settings.stretch
    ):
        maps, mirrored = _maps(count, height, width, settings, random)
        changed = np.stack([_warped(image, way) for image, way in zip(images, maps, strict=True)])
        if points is not None:
            points = _moved(points, maps, mirrored, height, width)
    changed = changed.astype(np.float32)
    if settings.blur:
        widths = random.uniform(0, settings.blur, (count,))
        for image, sigma in zip(changed, widths, strict=True):
            if sigma > 0.1:
                image[...] = cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    if settings.contrast or settings.brightness:
        gain = random.uniform(1 - settings.contrast, 1 + settings.contrast, (count, 1, 1, 1))
        offset = random.uniform(-255 * settings.brightness, 255 * settings.brightness, (count, 1, 1, 1))
        mean = changed.mean(axis=(1, 2, 3), keepdims=True)
        # (x - mean) * gain + mean + offset, in two passes over the pixels.
        changed *= gain.astype(np.float32)
        changed += (mean * (1 - gain) + offset).astype(np.float32)
    if settings.noise:
        deviation = random.uniform(0, 255 * settings.noise, (count, 1, 1, 1)).astype(np.float32)
        changed += deviation * random.standard_normal(changed.shape, np.float32)
    if settings.cutout:
        _cut_out(changed, settings.cutout, random)
    return np.clip(changed, 0, 255, out=changed), points


def mix(
    images: np.ndarray, targets: list[np.ndarray], strength: float, random: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blend each image and its targets with another of the batch.

    Args:
        images: (N, ...) float32.
        targets: arrays (N, ...) float32, blended alike.
        strength: alpha of the symmetric beta distribution that shares are drawn from; 0 changes nothing.

    Source: Zhang et al. 2018, mixup, arXiv:1710.09412.
    """
    if not strength:
        return images, targets
    share = random.beta(strength, strength, len(images)).astype(np.float32)
    other = random.permutation(len(images))

    def blended(array: np.ndarray) -> np.ndarray:
        part = share.reshape(-1, *[1] * (array.ndim - 1))
        return part * array + (1 - part) * array[other]

    return blended(images), [blended(array) for array in targets]


def _maps(
    count: int, height: int, width: int, settings: Augmentation, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2, 3) float64 affine maps from changed pixels to original ones, and which images are mirrored."""

    def either_way(limit: float) -> np.ndarray:
        return random.uniform(-limit, limit, count)

    angle = either_way(math.radians(settings.rotation))
    lean = np.tan(either_way(math.radians(settings.shear)))
    across = 1 + either_way(settings.zoom)
    down = across * (1 + either_way(settings.stretch))
    mirrored = (random.random(count) < 0.5) & settings.flip
    across = np.where(mirrored, -across, across)
    a, b = np.cos(angle) * across, (lean * np.cos(angle) - np.sin(angle)) * down
    d, e = np.sin(angle) * across, (lean * np.sin(angle) + np.cos(angle)) * down
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    c = middle_x - a * middle_x - b * middle_y + either_way(settings.shift * width)
    f = middle_y - d * middle_x - e * middle_y + either_way(settings.shift * height)
    return np.stack([np.stack([a, b, c], -1), np.stack([d, e, f], -1)], 1), mirrored


def _warped(image: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Bilinear; edges repeat the nearest pixel."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = image.shape[1], image.shape[0]
    return cv2.warpAffine(image, way, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).reshape(image.shape)


def _moved(points: np.ndarray, maps: np.ndarray, mirrored: np.ndarray, height: int, width: int) -> np.ndarray:
    """Landmarks under the same maps; in a mirrored face left and right points change places."""
    size = np.array([width, height])
    there = points * size - 0.5 - maps[:, None, :, 2]
    back = np.linalg.solve(maps[:, None, :, :2], there[..., None])[..., 0]
    moved = ((back + 0.5) / size).astype(np.float32)
    moved[mirrored] = moved[mirrored][:, landmarks.MIRROR]
    return moved


def _cut_out(images: np.ndarray, widest: float, random: np.random.Generator) -> None:
    """Hide a grey square in each image, in place. Source: DeVries & Taylor 2017, arXiv:1708.04552."""
    count, height, width, _ = images.shape
    sides = np.round(random.uniform(0, widest, count) * min(height, width)).astype(int)
    lefts, tops = random.integers(0, width - sides + 1), random.integers(0, height - sides + 1)
    for image, side, left, top in zip(images, sides, lefts, tops, strict=True):
        image[top : top + side, left : left + side] = 127.5
