"""What a detector returns: faces, in pixels of the upright photo."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright photo; may reach past the photo's edges."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle, px."""
        return self.x + self.width / 2, self.y + self.height / 2

    def square(self, scale: float = 1.0) -> "Box":
        """The square around the same centre whose side is the longer side times `scale`."""
        side = max(self.width, self.height) * scale
        cx, cy = self.centre
        return Box(cx - side / 2, cy - side / 2, side, side)

    def iou(self, other: "Box") -> float:
        """Intersection over union with another box, 0..1."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if wide <= 0 or high <= 0:
            return 0.0
        shared = wide * high
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class Face:
    """One face.

    Attributes:
        box: where it is. Every detector's boxes are brought to one convention, that of the
            Haar cascade which FER2013's crops were made with: a square, brows to chin.
        score: the detector's confidence; comparable within one detector only.
        eyes: (2, 2) float32 px, x and y of the eye on the left and on the right of the picture;
            None where the detector gives none.
        nose: (2,) float32 px, tip of the nose; None where the detector gives none.
    """

    box: Box
    score: float
    eyes: np.ndarray | None = None
    nose: np.ndarray | None = None

    def scaled(self, factor: float) -> "Face":
        """The same face in a photo that is `factor` times as large."""
        b = self.box
        return replace(
            self,
            box=Box(b.x * factor, b.y * factor, b.width * factor, b.height * factor),
            eyes=None if self.eyes is None else self.eyes * factor,
            nose=None if self.nose is None else self.nose * factor,
        )
