"""What may make an expression hard to read off a face, in plain words.

The limits were measured on 353 faces of JAFFE and affect7 as they are and spoilt on purpose. Hardly
any good face is warned about; beside each limit stands what it catches.
"""

import math

import cv2
import numpy as np

from fer_core.imaging.faces import Face
from fer_core.imaging.preprocess import InputSpec, to_input

SMALL_PX = 48
"""Smaller faces hold less than FER2013's 48x48 px, which the networks learnt from."""

DARK = 65
"""Grey level that a tenth of a face should exceed. Good faces: 1 % lie below 81. At 0.3 of the light,
19 in 20 faces are caught."""

WHITE = 0.2
"""Share of a face at grey level 250 or above. Good faces: 99 % lie below 0.03. At twice the light,
two in three faces are caught."""

FLAT = 64
"""Grey levels between the darkest and the lightest 5 % of a face. Good faces: 1 % lie below 90.
At 0.3 of the contrast three in four are caught, at 0.2 all."""

BLURRED = 0.03
"""Variance of the Laplacian over the variance of the grey levels, of the face at 64 px, so that light
and contrast do not count. Good faces: 1 % lie below 0.125, and of those shrunk to 48 px 1 % below
0.042. A Gaussian blur of 2 % of the face's width is caught nine times in ten, of 3 % always."""

SIDEWAYS = 0.3
"""Distance of the nose's tip from the eyes' middle, along the line through the eyes, in eye distances:
0 from the front. In affect7, where turned heads are common, 5 % lie above."""

TILTED = 20.0
"""Degrees of the line through the eyes. Good faces: 1 % lie above 19."""

CUT_OFF = 0.08
"""Share of the face's box beyond the photo's edge."""

_LOOK = InputSpec(64, 64, 1)


def warnings(image: np.ndarray, face: Face) -> tuple[str, ...]:
    """Reasons to trust the reading of a face less; empty for a good one.

    Args:
        image: (H, W, 3) uint8 RGB, the upright photo.
        face: one of its faces; without eyes and nose nothing is said about its pose.

    Raises:
        BadInput: the face's box does not touch the photo.
    """
    return (*_size(image, face), *_light(image, face), *_pose(face))


def _size(image: np.ndarray, face: Face) -> list[str]:
    found = []
    box = face.box
    side = min(box.width, box.height)
    if side < SMALL_PX:
        found.append(f"The face is small: {side:.0f} px wide, {SMALL_PX} px or more are better.")
    height, width = image.shape[:2]
    inside_x = max(0.0, min(width, box.x + box.width) - max(0.0, box.x))
    inside_y = max(0.0, min(height, box.y + box.height) - max(0.0, box.y))
    if 1 - inside_x * inside_y / (box.width * box.height) > CUT_OFF:
        found.append("The face is cut off by the photo's edge.")
    return found


def _light(image: np.ndarray, face: Face) -> list[str]:
    grey = to_input(image, face.box, _LOOK)[..., 0]
    dark, light = np.percentile(grey, (5, 95))
    found = []
    if np.percentile(grey, 90) < DARK:
        found.append("The face is dark: more light from the front helps.")
    elif np.mean(grey >= 250) > WHITE:
        found.append("The face is over-exposed: parts of it are plain white.")
    elif light - dark < FLAT:
        found.append("The face has little contrast, as in fog or behind glass.")
    if sharpness(grey) < BLURRED:
        found.append("The face is blurred: out of focus, moved, or enlarged from a tiny picture.")
    return found


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian of an (H, W) uint8 picture, over the variance of its grey levels.

    Source: Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy.
    """
    values = grey.astype(np.float32)
    return float(cv2.Laplacian(values, cv2.CV_32F).var() / max(1.0, float(values.var())))


def _pose(face: Face) -> list[str]:
    if face.eyes is None:
        return []
    across = face.eyes[1] - face.eyes[0]
    distance = float(np.hypot(*across))
    found = []
    if face.nose is not None and distance > 0:
        turned = float((face.nose - face.eyes.mean(axis=0)) @ across) / distance**2
        if abs(turned) > SIDEWAYS:
            found.append("The face looks sideways: faces seen from the front are read better.")
    if abs(math.degrees(math.atan2(across[1], across[0]))) > TILTED:
        found.append("The head is tilted: an upright face is read better.")
    return found
