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
                path = " ".join(f"{x},{y}" for x, y in piece)
                look = f'fill="none" stroke="{colour}" stroke-width="2"'
                self.marks += [f'<polyline points="{path}" {look}>{_title(title)}</polyline>'] if piece else []
                piece = []
            else:
                piece.append(self.at(*point))

    def bar(self, start: tuple[float, float], end: tuple[float, float], colour: str, title: str = "", opacity: float = 1.0):
        """A filled rectangle between two corners."""
        (left, low), (right, high) = self.at(*start), self.at(*end)
        size = f'width="{abs(right - left):.1f}" height="{abs(high - low):.1f}"'
        place = f'x="{min(left, right):g}" y="{min(low, high):g}" {size}'
        self.marks.append(f'<rect {place} fill="{colour}" opacity="{opacity}">{_title(title)}</rect>')

    def dot(self, x: float, y: float, low: float, high: float, colour: str, title: str = ""):
        """A point with the range it may lie in."""
        (across, top), (_, bottom), (_, middle) = self.at(x, high), self.at(x, low), self.at(x, y)
        self.marks.append(f'<path d="M{across} {top}V{bottom}" stroke="{colour}" stroke-width="1.5"/>'
                          f'<circle cx="{across}" cy="{middle}" r="3.5" fill="{colour}">{_title(title)}</circle>')  # fmt: skip

    def text(self, x: float, y: float, words: str, anchor: str = "start", shift: float = 0):
        """Words at a point."""
        across, up = self.at(x, y)
        place = f'x="{across + shift:g}" y="{up:g}" text-anchor="{anchor}" dominant-baseline="middle"'
        self.marks.append(f"<text {place}>{html.escape(words)}</text>")

    def __str__(self):
        inside = "".join([*self._axes(), *self.marks])
        return f'<svg viewBox="0 0 {self.width} {self.height}" role="img">{inside}</svg>'

    def _axes(self):
        foot, end = self.height - BOTTOM, self.width - RIGHT
        for tick in ticks(*self.x):
            x, _ = self.at(tick, self.y[0])
            yield f'<path d="M{x} {foot}v4" class="axis"/><text x="{x}" y="{foot + 17}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks(*self.y, 4) if self.up else ():
            _, y = self.at(self.x[0], tick)
            yield f'<path d="M{LEFT} {y}H{end}" class="grid"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
        yield f'<path d="M{LEFT} {foot}H{end}" class="axis"/>'
        middle = f'text-anchor="middle">{html.escape(self.across)}</text>'
        yield f'<text x="{(LEFT + end) / 2}" y="{self.height - 6}" {middle}'
        turned = f"translate(13 {(foot + TOP) / 2}) rotate(-90)"
        yield f'<text transform="{turned}" text-anchor="middle">{html.escape(self.up)}</text>'


def legend(names) -> str:
    """Colours and what they stand for, as HTML."""
    colours = COLOURS * (1 + len(names) // len(COLOURS))
    pairs = zip(names, colours, strict=False)
    keys = (f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>' for name, colour in pairs)
    return f'<p class="legend">{" ".join(keys)}</p>'


def _title(words):
    return f"<title>{html.escape(words)}</title>" if words else ""
