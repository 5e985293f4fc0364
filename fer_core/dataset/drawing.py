"""Drawn faces: expression, identity, pose and light vary continuously, and the truth is known.

Nobody's photo: they stand in for photos in the practice dataset, in samples and in tests.
"""

import math
from dataclasses import dataclass, fields

import cv2
import numpy as np

from fer_core.imaging.preprocess import InputSpec, to_input

CANVAS = 256
"""Side of the canvas that is drawn on, px; the picture is that, shrunk."""


@dataclass(frozen=True)
class Expression:
    """What the face does; each 0..1 unless said otherwise, 0 at rest.

    The names follow the action units of the Facial Action Coding System (Ekman & Friesen 1978).
    """

    inner_brow: float = 0.0
    outer_brow: float = 0.0
    frown: float = 0.0
    lids: float = 0.0
    """Eyes wider (to 1) or narrower (to -1)."""
    cheeks: float = 0.0
    nose_wrinkle: float = 0.0
    upper_lip: float = 0.0
    corners: float = 0.0
    """Mouth corners up (to 1) or down (to -1)."""
    one_sided: float = 0.0
    stretch: float = 0.0
    open: float = 0.0
    press: float = 0.0

    def mixed(self, other: "Expression", share: float) -> "Expression":
        """This expression with a share (0..1) of another."""
        return Expression(
            *((1 - share) * getattr(self, f.name) + share * getattr(other, f.name) for f in fields(self))
        )

    @property
    def valence(self) -> float:
        """How pleasant it looks, -1..1, from the drawing's own parameters."""
        pleasant = 0.9 * max(self.corners, 0) + 0.3 * self.cheeks
        unpleasant = 0.75 * max(-self.corners, 0) + 0.4 * self.frown + 0.5 * self.nose_wrinkle
        unpleasant += 0.35 * self.stretch + 0.3 * self.one_sided
        return float(np.clip(pleasant - unpleasant, -1, 1))

    @property
    def arousal(self) -> float:
        """How excited it looks, -1..1, from the drawing's own parameters."""
        awake = 0.7 * max(self.lids, 0) + 0.55 * self.open + 0.35 * self.frown + 0.4 * self.stretch
        awake += 0.25 * self.cheeks + 0.3 * self.nose_wrinkle + 0.2 * self.press
        asleep = 0.5 * max(-self.lids, 0) + 0.45 * max(-self.corners, 0)
        return float(np.clip(awake - asleep, -1, 1))


PROTOTYPES = {
    "angry": Expression(frown=1, lids=0.35, press=0.9, corners=-0.3, outer_brow=0.15),
    "disgust": Expression(nose_wrinkle=1, upper_lip=1, frown=0.45, lids=-0.5, corners=-0.35, cheeks=0.3),
    "fear": Expression(inner_brow=1, outer_brow=0.45, lids=0.95, stretch=1, open=0.5, corners=-0.25),
    "happy": Expression(corners=1, cheeks=1, lids=-0.25, open=0.35),
    "sad": Expression(inner_brow=1, lids=-0.45, corners=-1),
    "surprise": Expression(inner_brow=0.9, outer_brow=1, lids=0.9, open=1),
    "neutral": Expression(),
    "contempt": Expression(one_sided=1, lids=-0.25, cheeks=0.1),
}
"""The usual face of each expression. Source of the combinations: Ekman & Friesen 1978 (EMFACS)."""


@dataclass(frozen=True)
class Person:
    """Who is drawn: colours are RGB 0..255, the rest are factors about 1 unless said otherwise."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    iris: tuple[int, int, int]
    background: tuple[int, int, int]
    width: float
    height: float
    eye_size: float
    eye_distance: float
    brow_weight: float
    nose: float
    mouth: float
    hair_style: int
    """0 none, 1 short, 2 fringe, 3 long."""
    glasses: bool


@dataclass(frozen=True)
class View:
    """How the face is seen.

    Attributes:
        turn, nod: -1..1, about 30 degrees to the right and down at 1.
        roll: degrees, clockwise.
        light: RGB-independent direction of the light in degrees; strength 0..1; brightness factor.
    """

    turn: float = 0.0
    nod: float = 0.0
    roll: float = 0.0
    light: float = 45.0
    shade: float = 0.3
    brightness: float = 1.0


_SKINS = ((255, 219, 190), (241, 194, 158), (224, 172, 130), (198, 134, 92), (150, 98, 66), (104, 68, 48))
_HAIRS = ((36, 28, 24), (70, 46, 30), (120, 76, 40), (190, 146, 84), (150, 60, 34), (150, 150, 154))
_IRISES = ((70, 44, 28), (60, 90, 120), (76, 104, 62), (96, 74, 44))
_BACKGROUNDS = ((214, 222, 228), (228, 218, 206), (200, 212, 200), (186, 190, 204), (232, 232, 228))


def person(random: np.random.Generator) -> Person:
    """Somebody."""
    tone = random.uniform(0, len(_SKINS) - 1)
    low, part = int(tone), tone - int(tone)
    skin = np.array(_SKINS[low]) * (1 - part) + np.array(_SKINS[min(low + 1, len(_SKINS) - 1)]) * part
    return Person(
        skin=_colour(skin),
        hair=_HAIRS[random.integers(len(_HAIRS))],
        iris=_IRISES[random.integers(len(_IRISES))],
        background=_BACKGROUNDS[random.integers(len(_BACKGROUNDS))],
        width=random.uniform(0.9, 1.1),
        height=random.uniform(0.93, 1.07),
        eye_size=random.uniform(0.88, 1.12),
        eye_distance=random.uniform(0.94, 1.06),
        brow_weight=random.uniform(0.75, 1.35),
        nose=random.uniform(0.85, 1.15),
        mouth=random.uniform(0.88, 1.12),
        hair_style=int(random.integers(4)),
        glasses=bool(random.random() < 0.15),
    )


def view(random: np.random.Generator) -> View:
    """An everyday view: mostly from the front, mostly well lit."""
    return View(
        turn=float(np.clip(random.normal(0, 0.3), -0.9, 0.9)),
        nod=float(np.clip(random.normal(0, 0.2), -0.7, 0.7)),
        roll=float(random.normal(0, 5)),
        light=float(random.uniform(0, 360)),
        shade=float(random.uniform(0.1, 0.45)),
        brightness=float(np.clip(random.normal(1.0, 0.12), 0.6, 1.25)),
    )


def draw(
    expression: Expression, who: Person, seen: View, size: int = 96, noise: np.random.Generator | None = None
) -> np.ndarray:
    """One face, filling the picture as dataset crops do.

    Args:
        size: side of the result, px, at most CANVAS.
        noise: adds the grain of a camera.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    canvas = np.empty((CANVAS, CANVAS, 3), np.uint8)
    canvas[:] = who.background
    _Pen(canvas, expression, who, seen).face()
    canvas = _lit(canvas, seen)
    turned = cv2.warpAffine(
        canvas,
        cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), -seen.roll, 1.0),
        (CANVAS, CANVAS),
        borderMode=cv2.BORDER_REPLICATE,
    )
    picture = to_input(turned, None, InputSpec(size, size, 3))
    if noise is not None:
        grain = noise.normal(0, 3.0, picture.shape)
        picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    return picture


class _Pen:
    """Draws one face onto a canvas; coordinates are face units: (0, 0) between the eyes, 1 = half a head."""

    def __init__(self, canvas: np.ndarray, expression: Expression, who: Person, seen: View):
        self.canvas, self.do, self.who, self.seen = canvas, expression, who, seen
        self.unit = CANVAS * 0.42
        self.dark = _colour(np.array(who.skin) * 0.55)
        self.deep = _colour(np.array(who.skin) * 0.78)
        self.lip = _colour(np.array(who.skin) * np.array((0.82, 0.55, 0.55)))

    def face(self) -> None:
        w, h = self.who.width, self.who.height
        if self.who.hair_style == 3:
            self.ellipse((0, 0.3), (0.98 * w, 1.15 * h), self.who.hair, depth=-0.5)
        for side in (-1, 1):
            self.ellipse((side * 0.83 * w, 0.2), (0.13, 0.2), self.deep, depth=-0.4)
        self.fill(self.neck(), _colour(np.array(self.who.skin) * 0.85), depth=-0.4)
        self.fill(self.outline(), self.who.skin, depth=0)
        self.lines_of_effort()
        self.hair()
        for side in (-1, 1):
            self.eye(side)
            self.brow(side)
        self.nose()
        self.mouth()
        if self.who.glasses:
            self.glasses()

    def at(self, x: float, y: float, depth: float = 0.35) -> tuple[float, float]:
        """Canvas px of a point in face units; what stands nearer moves more when the head turns."""
        turn, nod = self.seen.turn, self.seen.nod
        squeeze = 1 - 0.12 * abs(turn) * (1 + np.sign(turn) * np.clip(x, -1, 1)) / 2
        px = (x * squeeze + 0.32 * turn * depth) * self.unit + CANVAS / 2
        py = (y + 0.25 * nod * depth) * self.unit + CANVAS * 0.43
        return px, py

    def points(self, path, depth: float) -> np.ndarray:
        return np.round(np.array([self.at(x, y, depth) for x, y in path]) * 16).astype(np.int32)

    def fill(self, path, colour, depth: float = 0.35) -> None:
        cv2.fillPoly(self.canvas, [self.points(path, depth)], colour, cv2.LINE_AA, 4)

    def line(self, path, colour, thickness: float, depth: float = 0.35) -> None:
        pixels = max(1, round(thickness * self.unit))
        cv2.polylines(self.canvas, [self.points(path, depth)], False, colour, pixels, cv2.LINE_AA, 4)

    def ellipse(self, centre, radii, colour, depth: float = 0.35) -> None:
        self.fill(_ellipse(centre, radii), colour, depth)

    def outline(self):
        w, h = self.who.width, self.who.height
        drop = 0.1 * self.do.open
        top = [
            (0.8 * w * math.cos(a), 0.1 + 0.98 * h * math.sin(a))
            for a in np.linspace(math.pi, 2 * math.pi, 30)
        ]
        chin = [
            (0.8 * w * math.cos(a) * (1 - 0.16 * math.sin(a)), 0.1 + (1.12 * h + drop) * math.sin(a))
            for a in np.linspace(0, math.pi, 30)
        ]
        return top + chin

    def neck(self):
        return [(-0.36, 0.9), (0.36, 0.9), (0.42, 2.2), (-0.42, 2.2)]

    def hair(self) -> None:
        w, h, style = self.who.width, self.who.height, self.who.hair_style
        if style == 0:
            return
        high = {1: 0.7, 2: 0.54, 3: 0.62}[style]
        over, under = np.linspace(math.pi, 2 * math.pi, 30), np.linspace(2 * math.pi, math.pi, 30)
        outer = [(0.86 * w * math.cos(a), 0.1 + 1.06 * h * math.sin(a)) for a in over]
        inner = [(0.76 * w * math.cos(a), -0.05 + high * h * math.sin(a)) for a in under]
        self.fill(outer + inner, self.who.hair, depth=0.05)

    def lines_of_effort(self) -> None:
        """Wrinkles and raised cheeks: faint, but what tells disgust from anger."""
        do = self.do
        if do.frown > 0.25:
            for side in (-1, 1):
                self.line([(side * 0.06, -0.3), (side * 0.05, -0.14)], self.deep, 0.022 * do.frown)
        if do.nose_wrinkle > 0.2:
            for height in (0.02, 0.11):
                bend = [(-0.11, height + 0.03), (0, height), (0.11, height + 0.03)]
                self.line(bend, self.deep, 0.022 * do.nose_wrinkle, depth=0.5)
        folds = max(do.cheeks, do.upper_lip, do.nose_wrinkle)
        if folds > 0.25:
            for side in (-1, 1):
                fold = [(side * 0.2, 0.42), (side * 0.35, 0.55), (side * 0.42, 0.74)]
                self.line(fold, self.deep, 0.025 * folds)
        if do.cheeks > 0.3:
            blush = _colour(np.array(self.who.skin) * np.array((1.0, 0.9, 0.88)))
            for side in (-1, 1):
                self.ellipse((side * 0.45, 0.38), (0.17, 0.11), blush)
        if do.inner_brow > 0.4 and do.frown < 0.5:
            for height in (-0.56, -0.48):
                self.line(
                    [(-0.2, height + 0.02), (0, height), (0.2, height + 0.02)],
                    self.deep,
                    0.018 * do.inner_brow,
                )

    def eye(self, side: int) -> None:
        do, who = self.do, self.who
        x, wide = side * 0.36 * who.eye_distance, 0.185 * who.eye_size
        tall = 0.105 * who.eye_size * (1 + 0.55 * do.lids)
        lower = tall * (1 - 0.45 * do.cheeks)
        droop = 0.03 * do.inner_brow * (1 - max(do.lids, 0))
        upper_lid = [
            (x + wide * math.cos(a), tall * math.sin(a) + droop * (math.cos(a) * side + 1) / 2)
            for a in np.linspace(math.pi, 2 * math.pi, 20)
        ]
        lower_lid = [(x + wide * math.cos(a), lower * math.sin(a)) for a in np.linspace(0, math.pi, 20)]
        shape = upper_lid + lower_lid
        self.fill(shape, (246, 246, 244))
        self.clipped(shape, lambda: self.gaze(x))
        self.line(upper_lid, _colour(np.array(who.skin) * 0.28), 0.035)
        self.line(lower_lid, self.deep, 0.018)

    def gaze(self, x: float) -> None:
        r = 0.092 * self.who.eye_size
        x = x + 0.03 * self.seen.turn
        self.ellipse((x, 0.0), (r, r), self.who.iris)
        self.ellipse((x, 0.0), (r * 0.52, r * 0.52), (14, 12, 12))
        self.ellipse((x + 0.03, -0.035), (r * 0.22, r * 0.22), (252, 252, 252))

    def brow(self, side: int) -> None:
        do, who = self.do, self.who
        x = side * who.eye_distance
        inner = (
            -0.23 - 0.17 * do.inner_brow + 0.16 * do.frown + 0.05 * do.nose_wrinkle - 0.05 * max(do.lids, 0)
        )
        outer = -0.22 - 0.13 * do.outer_brow - 0.05 * do.frown + 0.05 * do.inner_brow - 0.03 * max(do.lids, 0)
        middle = (inner + outer) / 2 - 0.05 - 0.03 * do.outer_brow + 0.03 * do.frown
        near = x * (0.15 - 0.035 * do.frown)
        lift = 0.05 * do.one_sided * (side > 0)
        curve = _curve((near, inner - lift), (x * 0.38, middle - lift), (x * 0.6, outer - lift))
        colour = who.hair if who.hair_style else _colour(np.array(who.skin) * 0.4)
        self.line(curve, colour, 0.062 * who.brow_weight)

    def nose(self) -> None:
        s, do = self.who.nose, self.do
        lift = 0.05 * do.nose_wrinkle
        bridge = [(0.05 * s, 0.05), (0.085 * s, 0.3 - lift), (0.12 * s, 0.4 - lift)]
        self.line(bridge, self.deep, 0.024, depth=0.6)
        base = _curve((-0.13 * s, 0.42 - lift), (0.0, 0.5 - lift), (0.13 * s, 0.42 - lift))
        self.line(base, self.dark, 0.03, depth=0.6)
        for side in (-1, 1):
            self.ellipse(
                (side * 0.065 * s, 0.44 - lift),
                (0.03 * s, 0.018),
                _colour(np.array(self.who.skin) * 0.4),
                depth=0.6,
            )

    def mouth(self) -> None:
        do, size = self.do, self.who.mouth
        wide = size * (
            0.27
            + 0.12 * max(do.corners, 0)
            + 0.1 * do.stretch
            - 0.07 * do.open * (do.corners < 0.5)
            - 0.02 * do.press
        )
        y = 0.74 + 0.02 * do.open
        smirk = 0.13 * do.one_sided
        left = (-wide, y - 0.13 * do.corners)
        right = (wide + 0.04 * do.one_sided, y - 0.13 * do.corners - smirk)
        bow = 0.075 * do.corners
        upper = y - 0.05 * do.open - 0.09 * do.upper_lip + bow
        lower = y + bow + 0.34 * do.open + 0.05 * do.upper_lip * 0.5
        top, bottom = _curve(left, (0, upper), right), _curve(right, (0, lower), left)
        if do.open > 0.12 or do.upper_lip > 0.4:
            hole = top + bottom
            self.fill(hole, (70, 24, 28))
            self.clipped(hole, lambda: self.inside(wide, upper, lower))
            self.line(hole + hole[:1], self.lip, 0.05)
        else:
            thin = 1 - 0.75 * do.press
            self.line(_curve(left, (0, lower + 0.035 * thin), right), self.lip, 0.07 * thin + 0.012)
            self.line(_curve(left, (0, upper), right), _colour(np.array(self.lip) * 0.55), 0.03)
        if do.corners < -0.3 or do.press > 0.5:
            chin = _curve((-0.12, 0.98), (0, 0.94), (0.12, 0.98))
            self.line(chin, self.deep, 0.022)

    def inside(self, wide: float, upper: float, lower: float) -> None:
        teeth = min(0.075, 0.4 * (lower - upper))
        middle = (upper + lower) / 2
        top = min(upper, middle) - 0.1
        self.fill(
            [(-wide, top), (wide, top), (wide * 0.9, upper + teeth), (-wide * 0.9, upper + teeth)],
            (244, 242, 236),
        )
        if self.do.stretch > 0.5 or self.do.upper_lip > 0.5:
            self.fill(
                [
                    (-wide, lower - 0.6 * teeth),
                    (wide, lower - 0.6 * teeth),
                    (wide, lower + 0.2),
                    (-wide, lower + 0.2),
                ],
                (236, 234, 228),
            )
        else:
            self.ellipse((0, lower - 0.02), (wide * 0.5, 0.07), (196, 92, 98))

    def glasses(self) -> None:
        frame = (40, 42, 48)
        for side in (-1, 1):
            ring = _ellipse((side * 0.36 * self.who.eye_distance, 0.01), (0.27, 0.23))
            self.line(ring + ring[:1], frame, 0.03, depth=0.5)
        self.line(_curve((-0.1, -0.02), (0, -0.06), (0.1, -0.02)), frame, 0.03, depth=0.5)

    def clipped(self, path, paint) -> None:
        """Paint within a shape only."""
        before = self.canvas.copy()
        paint()
        mask = np.zeros(self.canvas.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self.points(path, 0.35)], 255, cv2.LINE_AA, 4)
        share = mask[:, :, None].astype(np.float32) / 255
        self.canvas[:] = (self.canvas * share + before * (1 - share)).astype(np.uint8)


def _lit(canvas: np.ndarray, seen: View) -> np.ndarray:
    """Light from one side, and brightness."""
    rows, columns = np.mgrid[-1 : 1 : CANVAS * 1j, -1 : 1 : CANVAS * 1j].astype(np.float32)
    along = columns * math.cos(math.radians(seen.light)) + rows * math.sin(math.radians(seen.light))
    gain = seen.brightness * (1 + seen.shade * along)
    return np.clip(canvas * gain[:, :, None], 0, 255).astype(np.uint8)


def _ellipse(centre, radii):
    return [
        (centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a))
        for a in np.linspace(0, 2 * math.pi, 32, endpoint=False)
    ]


def _curve(start, middle, end):
    """Twenty points of the parabola through three points (middle at half the way)."""
    (x0, y0), (x1, y1), (x2, y2) = start, middle, end
    cx, cy = 2 * x1 - (x0 + x2) / 2, 2 * y1 - (y0 + y2) / 2
    return [
        (
            (1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t * t * x2,
            (1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t * t * y2,
        )
        for t in np.linspace(0, 1, 20)
    ]


def _colour(values) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.round(values), 0, 255).astype(int)
    return int(red), int(green), int(blue)
