"""Charts as inline SVG: text that a screen reader knows by one sentence, colours that the page decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]

_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 20, 10, 40
"""px around the field: for the numbers and titles of the axes."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: what it shows, with its unit.
        ticks: value and text of each mark, rising; the axis reaches from the first to the last.
    """

    title: str
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Where a value lies, 0..1; what is outside lies on the edge."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        return min(1.0, max(0.0, (value - low) / (high - low)))


@dataclass(frozen=True)
class Line:
    """Points joined in their order.

    Attributes:
        kind: class of the page's style: "main", or "aside" for what it is compared with.
        dots: mark each point too.
    """

    points: Sequence[Point]
    kind: str = "main"
    dots: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar that stands on the axis, from `left` to `right`, with the interval of its height."""

    left: float
    right: float
    height: float
    low: float
    high: float


def percents(title: str, low: int = 0, high: int = 100, step: int = 25) -> Axis:
    """An axis of shares 0..1 in percent."""
    return Axis(title, tuple((value / 100, f"{value} %") for value in range(low, high + 1, step)))


def chart(
    x: Axis,
    y: Axis,
    alt: str,
    lines: Sequence[Line] = (),
    bars: Sequence[Bar] = (),
    width: int = 340,
    height: int = 260,
) -> Markup:
    """A chart, `width` by `height` px at most: it shrinks with the page.

    Args:
        alt: the chart in one sentence, for those who cannot see it.
    """
    wide, tall = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def at(point: Point) -> tuple[float, float]:
        return round(_LEFT + x.place(point[0]) * wide, 1), round(_TOP + (1 - y.place(point[1])) * tall, 1)

    parts = []
    for value, text in y.ticks:
        down = at((x.ticks[0][0], value))[1]
        parts.append(_tag('<path class="grid" d="M{} {}H{}"/>', _LEFT, down, width - _RIGHT))
        parts.append(_tag('<text x="{}" y="{}" text-anchor="end">{}</text>', _LEFT - 5, down + 3.5, text))
    for value, text in x.ticks:
        right, foot = at((value, y.ticks[0][0]))
        parts.append(_tag('<text x="{}" y="{}" text-anchor="middle">{}</text>', right, foot + 15, text))
    parts.append(
        _tag('<text x="{}" y="{}" text-anchor="middle">{}</text>', _LEFT + wide / 2, height - 6, x.title)
    )
    parts.append(
        _tag(
            '<text transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>',
            _TOP + tall / 2,
            y.title,
        )
    )
    for bar in bars:
        left, top = at((bar.left, bar.height))
        right, foot = at((bar.right, y.ticks[0][0]))
        sides = (left + 0.5, top, max(0.0, round(right - left - 1, 1)), round(foot - top, 1))
        parts.append(_tag('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>', *sides))
        (middle, high), (_, low) = (at(((bar.left + bar.right) / 2, end)) for end in (bar.high, bar.low))
        parts.append(_tag('<path class="line" d="M{} {}V{}"/>', middle, high, low))
    for line in lines:
        path = " ".join("{} {}".format(*at(point)) for point in line.points)
        parts.append(_tag('<polyline class="line {}" points="{}"/>', line.kind, path))
        if line.dots:
            parts += [
                _tag('<circle class="dot {}" cx="{}" cy="{}" r="2.5"/>', line.kind, *at(point))
                for point in line.points
            ]
    return _tag(
        '<svg viewBox="0 0 {} {}" style="max-width:{}px" role="img"><title>{}</title>{}</svg>',
        width, height, width, alt, Markup("").join(parts),
    )  # fmt: skip


def _tag(text: str, *values: object) -> Markup:
    """The tag with its values escaped: names come from strangers."""
    return Markup(text).format(*values)
