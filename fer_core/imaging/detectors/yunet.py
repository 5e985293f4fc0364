"""YuNet through OpenCV, where the user supplies its file."""

import os
from pathlib import Path

import cv2
import numpy as np

from fer_core import workspace
from fer_core.errors import NotFound
from fer_core.imaging.detectors.base import Convention, Find
from fer_core.imaging.faces import Box, Face

LONGEST = 800
FILE = "face_detection_yunet_2023mar.onnx"

CONVENTION = Convention(scale=1.0, right=0.0, down=-0.01)
_SCORE = 0.7


def load() -> Find:
    """YuNet. Source: Wu, Peng & Yu 2023, YuNet: a tiny millisecond-level face detector (MIT).

    Raises:
        NotFound: its file is not there, or it is another file.
    """
    path = _path()
    try:
        detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), _SCORE)
    except cv2.error as error:
        raise NotFound(f"YuNet needs its file {FILE}. Received: {path}, which OpenCV cannot read.") from error

    def find(image: np.ndarray) -> list[Face]:
        detector.setInputSize(image.shape[1::-1])
        _, rows = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if rows is None else [_face(row) for row in rows]

    return find


def _path() -> Path:
    """$FER_YUNET, or the file in the workspace's folder "detectors"."""
    path = Path(os.environ.get("FER_YUNET") or workspace.folder("detectors") / FILE)
    if not path.is_file():
        raise NotFound(
            f"YuNet needs its file {FILE}, which does not come with this project. "
            f"Received: nothing at {path}. Put the file there, or set FER_YUNET to where it is."
        )
    return path


def _face(row: np.ndarray) -> Face:
    """A row of 15: box, then right eye, left eye, nose tip, mouth corners, then the score."""
    x, y, width, height = map(float, row[:4])
    eyes = row[4:8].reshape(2, 2)
    return Face(
        CONVENTION.apply(Box(x, y, width, height)),
        float(row[14]),
        eyes=eyes[np.argsort(eyes[:, 0])].copy(),
        nose=row[8:10].copy(),
    )
