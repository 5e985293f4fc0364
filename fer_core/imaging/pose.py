"""How far a head is turned and tilted, roughly, from its landmarks."""

import numpy as np

_EYE_CORNERS, _MOUTH_CORNERS, _NOSE_TIP = (36, 45), (48, 54), 30
"""Points of the 68, counted from 0. Source: the iBUG 300-W mark-up."""

NOSE = 0.5
"""How far the nose's tip stands out, in distances from the eyes to the mouth. Ours: common face models have
0.4 to 0.6, so that a turn is right to a fifth, and people differ."""


def turn_and_tilt(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees of yaw and roll: a nose that points to the right of the picture is above 0, and so is a head
    whose eye on the right is lower.

    The nose's tip is held against the line from between the eyes to between the corners of the mouth:
    from the front it lies on that line. Looking up or down, perspective and crooked smiles are neglected,
    and dlib's points are wrong for profiles: good for groups, not for one face.

    Args:
        points: (N, 68, 2) in one unit for x and y.

    Returns:
        yaw and roll, (N,) float64 in -90..90 and -180..180.

    Source: Gee & Cipolla 1994, Determining the gaze of faces in images, Image and Vision Computing 12, for
    the construction under weak perspective.
    """
    points = np.asarray(points, np.float64)
    across = points[:, _EYE_CORNERS[1]] - points[:, _EYE_CORNERS[0]]
    eyes = points[:, _EYE_CORNERS].mean(axis=1)
    down = points[:, _MOUTH_CORNERS].mean(axis=1) - eyes
    length = np.maximum(np.hypot(*down.T), 1e-9)
    side = np.stack([down[:, 1], -down[:, 0]], axis=1) / length[:, None]
    offset = ((points[:, _NOSE_TIP] - eyes) * side).sum(axis=1)
    yaw = np.degrees(np.arcsin(np.clip(offset / (NOSE * length), -1, 1)))
    return yaw, np.degrees(np.arctan2(across[:, 1], across[:, 0]))
