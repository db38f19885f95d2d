"""Small figures as SVG: axes, lines, bands, bars and dots, in the colours of the page.

A figure is text that Python writes once: no script draws it, it follows light and dark by classes of the style sheet, and it
prints as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 10, 42
Words = Callable[[float], str]


@dataclass(frozen=True)
class Axes:
    """The rectangle of a figure: ranges of the data, and its place in pixels of the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: int = HEIGHT
    left: int = LEFT

    def across(self, value: float) -> float:
        """Pixels from the left."""
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - self.left - RIGHT)

    def down(self, value: float) -> float:
        """Pixels from the top."""
        return self.height - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - BOTTOM - TOP)

    def points(self, x: np.ndarray, y: np.ndarray) -> list[str]:
        """Places of finite points, as SVG writes them."""
        return [f"{self.across(a):.1f},{self.down(b):.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(a + b)]


def span(*values: np.ndarray | Sequence[float] | float, margin: float = 0.05) -> tuple[float, float]:
    """The range of all finite values, with a margin on each side; never empty.

    >>> span([0.0, 1.0], margin=0.5), span([2.0], margin=0)
    ((-0.5, 1.5), (1.0, 3.0))
    """
    numbers = np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in values])
    numbers = numbers[np.isfinite(numbers)]
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    if low == high:
        half = abs(low) / 2 or 1.0
        return low - half, high + half
    return low - margin * (high - low), high + margin * (high - low)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within a range: multiples of 1, 2 or 5 times a power of ten.

    >>> ticks(-0.3, 1.1, 5)
    [0.0, 0.5, 1.0]
    """
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


def logarithmic_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Common logarithms of round numbers within a range of common logarithms.

    >>> [round(10.0**tick, 3) for tick in logarithmic_ticks(-0.05, 0.08)], logarithmic_ticks(-3.2, 1.1)
    ([0.9, 1.0, 1.1, 1.2], [-3.0, -2.0, -1.0, 0.0, 1.0])
    """
    if high - low >= 1.0:
        return ticks(low, high, most)
    return [math.log10(value) for value in ticks(10.0**low, 10.0**high, most) if value > 0.0]


def plain(value: float) -> str:
    """A number at an axis, without digits that say nothing.

    >>> plain(0.5), plain(-1200.0), plain(1e-05)
    ('0.5', '-1,200', '1e-05')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def whole(value: float) -> str:
    """A count at an axis; nothing between two of them."""
    return plain(value) if value == round(value) else ""


def frame(
    axes: Axes,
    *,
    x_title: str,
    y_title: str,
    x_words: Words = plain,
    y_words: Words = plain,
    x_ticks: Mapping[float, str] | None = None,
    y_ticks: Sequence[float] | None = None,
) -> str:
    """Grid, ticks and titles; ticks at round numbers unless they are given, those of the horizontal axis with their words."""
    bottom, right = axes.height - BOTTOM, WIDTH - RIGHT
    parts = []
    for value in ticks(*axes.y, 5) if y_ticks is None else y_ticks:
        y = axes.down(value)
        parts.append(f'<path class="grid" d="M{axes.left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{axes.left - 6}" y="{y + 4:.1f}" class="end">{escape(y_words(value))}</text>')
    for value, words in ({each: x_words(each) for each in ticks(*axes.x, 6)} if x_ticks is None else x_ticks).items():
        x = axes.across(value)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" class="middle">{escape(words)}</text>')
    parts.append(f'<path class="axis" d="M{axes.left} {bottom}H{right}"/>')
    parts.append(
        f'<text x="{(axes.left + right) / 2:.0f}" y="{axes.height - 6}" class="middle title">{escape(x_title)}</text>'
    )
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" class="middle title">{escape(y_title)}</text>'
    )
    return "".join(parts)


def line(axes: Axes, x: np.ndarray, y: np.ndarray, kind: str) -> str:
    """A line through finite points; one that is broken by NaN is drawn in parts."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    gaps = np.flatnonzero(~np.isfinite(x + y))
    parts = []
    for rows in np.split(np.arange(len(x)), gaps):
        points = axes.points(x[rows], y[rows])
        if points:
            parts.append("M" + "L".join(points))
    return f'<path class="line {kind}" d="{"".join(parts)}"/>'


def band(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> str:
    """The area between two lines."""
    points = [*axes.points(x, high), *reversed(axes.points(x, low))]
    return f'<path class="band {kind}" d="M{"L".join(points)}Z"/>' if points else ""


def dots(axes: Axes, x: np.ndarray, y: np.ndarray, kind: str, labels: Sequence[str] = (), radius: float = 4) -> str:
    """Dots, each with its label when pointed at."""
    parts = []
    for index, (a, b) in enumerate(zip(x, y, strict=True)):
        if np.isfinite(a + b):
            label = f"<title>{escape(labels[index])}</title>" if labels else ""
            parts.append(f'<circle cx="{axes.across(a):.1f}" cy="{axes.down(b):.1f}" r="{radius:g}">{label}</circle>')
    return f'<g class="dots {kind}">{"".join(parts)}</g>'


def whiskers(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> str:
    """Vertical intervals."""
    places = zip(x, low, high, strict=True)
    path = "".join(f"M{axes.across(a):.1f} {axes.down(b):.1f}V{axes.down(c):.1f}" for a, b, c in places)
    return f'<path class="line {kind}" d="{path}"/>'


def bars(axes: Axes, edges: np.ndarray, values: np.ndarray, kind: str, labels: Sequence[str] = ()) -> str:
    """Bars from zero between consecutive edges, (bars + 1,), each with its label when pointed at."""
    zero = axes.down(max(axes.y[0], min(0.0, axes.y[1])))
    parts = []
    for index, value in enumerate(values):
        if not np.isfinite(value):
            continue
        left, right, top = axes.across(edges[index]), axes.across(edges[index + 1]), axes.down(value)
        label = f"<title>{escape(labels[index])}</title>" if labels else ""
        parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{min(top, zero):.1f}" width="{max(right - left - 1, 0.8):.1f}" '
            f'height="{max(abs(zero - top), 0.5):.1f}">{label}</rect>'
        )
    return f'<g class="bars {kind}">{"".join(parts)}</g>'


def level(axes: Axes, value: float, kind: str) -> str:
    """A horizontal line across the figure."""
    return f'<path class="line {kind}" d="M{axes.left} {axes.down(value):.1f}H{WIDTH - RIGHT}"/>'


def mark(axes: Axes, value: float, kind: str) -> str:
    """A vertical line through the figure."""
    return f'<path class="line {kind}" d="M{axes.across(value):.1f} {TOP}V{axes.height - BOTTOM}"/>'


def drawing(axes: Axes, label: str, *parts: str) -> str:
    """The figure; `label` says what it shows to those who do not see it."""
    return f'<svg viewBox="0 0 {WIDTH} {axes.height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
