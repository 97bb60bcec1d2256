"""Plots as SVG text: axes with round ticks, lines, bars and ranges.

By hand, because matplotlib's newest dependencies would bring numpy 2 over apt's 1.24 on Bookworm, and a page is written
where the figures are made.
"""

import html
import math
from dataclasses import dataclass, field

# Okabe and Ito 2008: told apart by everybody, on white and on dark.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
LEFT, BOTTOM, TOP, RIGHT = 56, 40, 12, 12


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round values from low to high: multiples of 1, 2 or 5 times a power of ten."""
    step = 10 ** math.floor(math.log10((high - low) / about))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


@dataclass
class Plot:
    """One pair of axes.

    >>> plot = Plot((0, 20), (0, 40), "people", "ms")
    >>> plot.line([(0, 27), (20, 38)], COLOURS[0])
    >>> str(plot)

    x, y: the ranges shown, in the data's units; marks: SVG elements so far.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    across: str
    up: str
    width: int = 460
    height: int = 240
    marks: list[str] = field(default_factory=list)

    def __post_init__(self):
        for axis in ("x", "y"):
            low, high = getattr(self, axis)
            setattr(self, axis, (low, high if high > low else low + 1))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies, in the drawing's pixels."""
        (left, right), (low, high) = self.x, self.y
        across = LEFT + (x - left) / (right - left) * (self.width - LEFT - RIGHT)
        return round(across, 1), round(self.height - BOTTOM - (y - low) / (high - low) * (self.height - BOTTOM - TOP), 1)

    def line(self, points, colour: str, title: str = ""):
        """A line through points; None ends it and a new one begins."""
        piece = []
        for point in [*points, None]:
            if point is None or point[1] is None:
                if piece:
                    path = " ".join(f"{x},{y}" for x, y in piece)
                    self.marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2">{_title(title)}</polyline>')
                piece = []
            else:
                piece.append(self.at(*point))

    def bar(self, start: tuple[float, float], end: tuple[float, float], colour: str, title: str = "", opacity: float = 1.0):
        """A filled rectangle between two corners."""
        (left, low), (right, high) = self.at(*start), self.at(*end)
        place = f'x="{min(left, right):g}" y="{min(low, high):g}" width="{abs(right - left):.1f}" height="{abs(high - low):.1f}"'
        self.marks.append(f'<rect {place} fill="{colour}" opacity="{opacity}">{_title(title)}</rect>')

    def dot(self, x: float, y: float, low: float, high: float, colour: str, title: str = ""):
        """A point with the range it may lie in."""
        (across, top), (_, bottom), (_, middle) = self.at(x, high), self.at(x, low), self.at(x, y)
        self.marks.append(f'<path d="M{across} {top}V{bottom}" stroke="{colour}" stroke-width="1.5"/>'
                          f'<circle cx="{across}" cy="{middle}" r="3.5" fill="{colour}">{_title(title)}</circle>')  # fmt: skip

    def text(self, x: float, y: float, words: str, anchor: str = "start", shift: float = 0):
        """Words at a point."""
        across, up = self.at(x, y)
        self.marks.append(f'<text x="{across + shift:g}" y="{up:g}" text-anchor="{anchor}" dominant-baseline="middle">{html.escape(words)}</text>')

    def __str__(self):
        foot, middle = self.height - BOTTOM, (self.height - BOTTOM + TOP) / 2
        axes = []
        for tick in ticks(*self.x) if self.across else ():
            x, _ = self.at(tick, self.y[0])
            axes.append(f'<path d="M{x} {foot}v4" class="axis"/><text x="{x}" y="{foot + 17}" text-anchor="middle">{tick:g}</text>')
        for tick in ticks(*self.y, 4) if self.up else ():
            _, y = self.at(self.x[0], tick)
            axes.append(f'<path d="M{LEFT} {y}H{self.width - RIGHT}" class="grid"/><text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
        axes.append(f'<path d="M{LEFT} {foot}H{self.width - RIGHT}" class="axis"/>')
        axes.append(f'<text x="{(LEFT + self.width - RIGHT) / 2}" y="{self.height - 6}" text-anchor="middle">{html.escape(self.across)}</text>')
        axes.append(f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{html.escape(self.up)}</text>')
        return f'<svg viewBox="0 0 {self.width} {self.height}" role="img">{"".join(axes + self.marks)}</svg>'


def legend(names) -> str:
    """Colours and what they stand for, as HTML."""
    pairs = zip(names, COLOURS * (1 + len(names) // len(COLOURS)), strict=False)
    return '<p class="legend">' + " ".join(f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>' for name, colour in pairs) + "</p>"


def _title(words):
    return f"<title>{html.escape(words)}</title>" if words else ""
