"""Plots as SVG, drawn here: a page with them needs no plotting library, no script and no network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from services.anomaly.domain.arrays import Floats

NORMAL: Final = "#4e79a7"
ANOMALOUS: Final = "#d1495b"
LIMIT: Final = "#222222"
OTHER: Final = "#8a8f98"
LEFT_PX: Final = 58
_TOP, _BOTTOM = 22, 42
# More points than pixels cannot be seen.
_LINE_POINTS = 1200
# What fits beside a picture.
_NAME_SIGNS = 22


@dataclass(frozen=True, slots=True)
class Axis:
    """A range and what it measures.

    Parameters
    ----------
    powers
        Values are decimal logarithms, and ticks are written as powers.
    whole
        Only whole numbers have a tick.
    """

    low: float
    high: float
    label: str
    powers: bool = False
    whole: bool = False

    @classmethod
    def around(cls, values: ArrayLike, label: str, *, powers: bool = False, whole: bool = False) -> "Axis":
        """An axis that holds all finite values, with a little room."""
        known = np.asarray(values, dtype=np.float64).ravel()
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        room = 0.04 * (high - low) or 0.5 * abs(low) or 0.5
        return cls(low - room, high + room, label, powers, whole)

    def ticks(self) -> list[float]:
        """About five round numbers in the range."""
        rough = (self.high - self.low) / 5.0
        magnitude = 10.0 ** floor(log10(rough))
        step = next(m * magnitude for m in (1.0, 2.0, 5.0, 10.0) if m * magnitude >= rough * 0.999)
        if self.powers or self.whole:
            step = max(1.0, round(step))
        first = ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, floor(self.high / step + 1e-9) + 1)]

    def text(self, tick: float) -> str:
        """A tick as it is written."""
        value = 10.0**tick if self.powers else tick
        return f"{value:.6g}" if abs(value) >= 1e-12 else "0"


@dataclass(slots=True)
class Plot:
    """Marks between two axes; ask for `svg` at the end.

    Parameters
    ----------
    title
        What a reader who does not see it is told.
    right_px
        Room on the right.
    """

    x: Axis
    y: Axis
    title: str
    width: int = 480
    height: int = 300
    right_px: int = 14
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def line(self, x: ArrayLike, y: ArrayLike, colour: str, name: str = "", *, dashed: bool = False) -> None:
        """Join points in their order; gaps (NaN) stay open."""
        across, up = _thinned(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        for start, stop in _stretches(across, up):
            points = " ".join(
                f"{a},{b}" for a, b in zip(self._across(across[start:stop]), self._up(up[start:stop]), strict=True)
            )
            self._marks.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.4"{dash} points="{points}"/>')
        self._name(name, colour)

    def points(self, x: ArrayLike, y: ArrayLike, colour: str, name: str = "") -> None:
        """Draw a dot at every point."""
        places = zip(self._across(x), self._up(y), strict=True)
        dots = "".join(f"M{a},{b}h0" for a, b in places)
        self._marks.append(
            f'<path d="{dots}" stroke="{colour}" stroke-width="4.5" stroke-linecap="round" stroke-opacity="0.55"/>'
        )
        self._name(name, colour)

    def bars(self, edges: ArrayLike, heights: ArrayLike, colour: str, name: str = "") -> None:
        """Draw a histogram."""
        places, tops = self._across(edges), self._up(heights)
        floor_px = self._up([self.y.low])[0]
        outline = "".join(
            f"M{left},{floor_px}V{top}H{right}V{floor_px}"
            for left, right, top in zip(places[:-1], places[1:], tops, strict=True)
        )
        self._marks.append(f'<path d="{outline}" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>')
        self._name(name, colour)

    def band(self, left: float, right: float, colour: str, name: str = "", *, opacity: float = 0.15) -> None:
        """Colour a stretch of the plot from bottom to top."""
        self._box(left, right, self.height - _BOTTOM - _TOP, colour, opacity)
        self._name(name, colour)

    def rug(self, left: float, right: float, colour: str, name: str = "") -> None:
        """Mark a stretch along the bottom."""
        self._box(left, right, 6, colour, 1.0)
        self._name(name, colour)

    def across(self, y: float, colour: str, name: str) -> None:
        """Draw a level from side to side."""
        self.line([self.x.low, self.x.high], [y, y], colour, name, dashed=True)

    def upright(self, x: float, colour: str, name: str) -> None:
        """Draw a mark from bottom to top."""
        self.line([x, x], [self.y.low, self.y.high], colour, name, dashed=True)

    def svg(self) -> str:
        """The picture."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.title)}">'
            f"{self._grid()}{''.join(self._marks)}{self._names()}</svg>"
        )

    def _box(self, left: float, right: float, height_px: int, colour: str, opacity: float) -> None:
        start, stop = self._across([left, right])
        # A single row of a long file still shows.
        place = f'x="{start}" y="{self.height - _BOTTOM - height_px}" width="{max(stop - start, 1.0):.1f}"'
        self._marks.append(f'<rect {place} height="{height_px}" fill="{colour}" fill-opacity="{opacity}"/>')

    def _grid(self) -> str:
        bottom, right = self.height - _BOTTOM, self.width - self.right_px
        parts = [f'<path d="M{LEFT_PX},{_TOP}V{bottom}H{right}" fill="none" stroke="#999"/>']
        for tick in self.x.ticks():
            at = self._across([tick])[0]
            parts.append(f'<path d="M{at},{_TOP}V{bottom}" stroke="#eee"/>')
            parts.append(f'<text x="{at}" y="{bottom + 15}" text-anchor="middle">{self.x.text(tick)}</text>')
        for tick in self.y.ticks():
            at = self._up([tick])[0]
            parts.append(f'<path d="M{LEFT_PX},{at}H{right}" stroke="#eee"/>')
            parts.append(f'<text x="{LEFT_PX - 6}" y="{at + 4:.1f}" text-anchor="end">{self.y.text(tick)}</text>')
        centre_px, middle_px = (LEFT_PX + right) / 2, (_TOP + bottom) / 2
        parts.append(
            f'<text x="{centre_px}" y="{self.height - 6}" text-anchor="middle">{escape(self.x.label)}</text>'
            f'<text x="14" y="{middle_px}" text-anchor="middle" transform="rotate(-90 14 {middle_px})">'
            f"{escape(self.y.label)}</text>"
        )
        return "".join(parts)

    def _names(self) -> str:
        at, parts = LEFT_PX, list[str]()
        for name, colour in self._legend:
            parts.append(f'<rect x="{at}" y="6" width="10" height="10" fill="{colour}"/>')
            parts.append(f'<text x="{at + 14}" y="15">{escape(name)}</text>')
            at += 34 + 7 * len(name)
        return "".join(parts)

    def _name(self, name: str, colour: str) -> None:
        if name and (name, colour) not in self._legend:
            self._legend.append((name, colour))

    def _across(self, values: ArrayLike) -> list[float]:
        return _scaled(values, self.x, LEFT_PX, self.width - self.right_px)

    def _up(self, values: ArrayLike) -> list[float]:
        return _scaled(values, self.y, self.height - _BOTTOM, _TOP)


def share_bars(names: Sequence[str], shares: Sequence[float], title: str) -> str:
    """Horizontal bars of shares, the largest first; at most thirty."""
    order = sorted(range(len(names)), key=lambda i: -shares[i])[:30]
    height = 20 * len(order) + 8
    longest = max((shares[i] for i in order), default=1.0) or 1.0
    parts = [f'<svg viewBox="0 0 480 {height}" role="img" aria-label="{escape(title)}">']
    for line, i in enumerate(order):
        y = 4 + 20 * line
        parts.append(f'<text x="170" y="{y + 14}" text-anchor="end">{escape(shortened(names[i]))}</text>')
        parts.append(f'<rect x="178" y="{y + 3}" width="{240 * shares[i] / longest:.1f}" height="14" fill="{NORMAL}"/>')
        parts.append(f'<text x="{184 + 240 * shares[i] / longest:.1f}" y="{y + 14}">{shares[i]:.1%}</text>')
    return "".join([*parts, "</svg>"])


def shortened(name: str) -> str:
    """A name that fits beside a plot; signs of East Asia are twice as wide."""
    ends = np.cumsum([2 if ord(sign) > 0x2E7F else 1 for sign in name])
    return name if not name or ends[-1] <= _NAME_SIGNS else name[: int((ends < _NAME_SIGNS).sum())] + "…"


def _scaled(values: ArrayLike, axis: Axis, first_px: float, last_px: float) -> list[float]:
    # A mark beyond the axis stays at its edge.
    share = (np.clip(np.asarray(values, dtype=np.float64), axis.low, axis.high) - axis.low) / (axis.high - axis.low)
    return [round(place, 1) for place in (first_px + share * (last_px - first_px)).tolist()]


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Keep the lowest and the highest of every few points: no peak is lost."""
    each = ceil(2 * len(x) / _LINE_POINTS)
    if each <= 2:
        return x, y
    whole = len(x) // each * each
    groups = np.where(np.isnan(y[:whole]), -np.inf, y[:whole]).reshape(-1, each)
    starts = np.arange(0, whole, each)
    kept = np.unique(
        np.concatenate((starts + groups.argmin(axis=1), starts + groups.argmax(axis=1), np.arange(whole, len(x))))
    )
    return x[kept], y[kept]


def _stretches(x: Floats, y: Floats) -> list[tuple[int, int]]:
    known = np.concatenate(([False], np.isfinite(x) & np.isfinite(y), [False]))
    edges = np.flatnonzero(np.diff(known.astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
