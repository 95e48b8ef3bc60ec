"""Two kinds of plots as inline SVG: bars and lines. Colours come from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from bench.report.table import figure

_WIDTH: Final = 720
_BAR: Final = 22
_GAP: Final = 8
_LABELS: Final = 270
_FIGURES: Final = 70
_HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 16, 44
_COLOURS: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its label and the text behind it; ``ours`` is drawn in another colour."""

    label: str
    value: float
    text: str
    ours: bool


def bars(title: str, items: Sequence[Bar]) -> str:
    """Return horizontal bars on one scale from zero."""
    most = max((item.value for item in items), default=0) or 1
    room = _WIDTH - _LABELS - _FIGURES
    height = len(items) * (_BAR + _GAP) + _GAP
    parts = []
    for at, item in enumerate(items):
        top = _GAP + at * (_BAR + _GAP)
        middle = top + _BAR * 0.7
        width = max(1.0, item.value / most * room)
        kind = "bar ours" if item.ours else "bar"
        parts += [
            f'<text class="label" x="{_LABELS - 8}" y="{middle:.1f}">{escape(item.label)}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{width:.1f}" height="{_BAR}" '
            'rx="2"/>',
            f'<text x="{_LABELS + width + 6:.1f}" y="{middle:.1f}">{escape(item.text)}</text>',
        ]
    return _svg(title, height, parts)


def lines(
    title: str,
    x_title: str,
    y_title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_logarithmic: bool = False,
) -> str:
    """Return a line through the points of each series; the scale of y begins at zero."""
    xs = sorted({x for points in series.values() for x, _ in points})
    top = max((y for points in series.values() for _, y in points), default=0) or 1
    ticks = _ticks(top)
    x_scale = _Scale(xs, _LEFT, _WIDTH - _RIGHT, x_logarithmic)
    y_scale = _Scale([0, ticks[-1]], _HEIGHT - _BOTTOM, _TOP, False)
    parts = []
    for tick in ticks:
        y = y_scale.at(tick)
        parts += [
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text class="label" x="{_LEFT - 8}" y="{y + 4:.1f}">{figure(tick)}</text>',
        ]
    for x in _sparse(xs, x_scale):
        parts.append(
            f'<text class="tick" x="{x_scale.at(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}">'
            f"{x:,.6g}</text>"
        )
    for at, (name, points) in enumerate(series.items()):
        colour = f"c{at % _COLOURS}"
        places = [(x_scale.at(x), y_scale.at(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="{colour}" points="{path}"/>')
        parts += [f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        key = _TOP + 12 + 20 * at
        parts += [
            f'<circle class="{colour}" cx="{_WIDTH - _RIGHT + 18}" cy="{key - 4}" r="4"/>',
            f'<text x="{_WIDTH - _RIGHT + 28}" y="{key}">{escape(name)}</text>',
        ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts += [
        f'<text class="tick" x="{middle}" y="{_HEIGHT - 6}">{escape(x_title)}</text>',
        f'<text class="axis" x="{_LEFT}" y="10">{escape(y_title)}</text>',
    ]
    return _svg(title, _HEIGHT, parts)


class _Scale:
    """Maps values to places."""

    def __init__(
        self, values: Sequence[float], start: float, end: float, logarithmic: bool
    ) -> None:
        self._logarithmic = logarithmic
        least, most = self._of(min(values)), self._of(max(values))
        self._least, self._start = least, start
        self._factor = (end - start) / ((most - least) or 1)

    def _of(self, value: float) -> float:
        return math.log10(value) if self._logarithmic else value

    def at(self, value: float) -> float:
        return self._start + (self._of(value) - self._least) * self._factor


def _ticks(top: float) -> list[float]:
    """Return round numbers from 0 to at least ``top``."""
    step = 10.0 ** math.floor(math.log10(top))
    for part in (0.2, 0.25, 0.5, 1.0):
        if top / (step * part) <= 5:
            step *= part
            break
    else:
        step *= 2
    return [step * at for at in range(math.ceil(top / step - 1e-9) + 1)]


def _sparse(xs: Sequence[float], scale: _Scale) -> list[float]:
    """Leave out labels that would run into the one before."""
    kept: list[float] = []
    for x in xs:
        if not kept or scale.at(x) - scale.at(kept[-1]) > 34:
            kept.append(x)
    return kept


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
