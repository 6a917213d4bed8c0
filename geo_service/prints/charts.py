"""Charts: intervals, shares of colours and series with their bands, as SVG.

Pure.  Lengths are user units of the viewBox, about a CSS pixel.  Colours stand in the page's style (page.py), by class,
so that print and screen agree; levels carry their pattern too, for eyes and printers that see no colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_service.maps import layers
from geo_service.maps import patterns as shapes

Floats = npt.NDArray[np.float64]

_LEAST_RATIO, _MOST_RATIO = 0.25, 4.0  # ends of the axis of ratios; what lies beyond ends in an arrow
_SERIES_WIDTH, _SERIES_HEIGHT = 640.0, 190.0
_LABEL_WIDTH = 44.0  # of a month below the axis


def share(value: float, low: float, high: float) -> str:
    """Draw a share and its interval on an axis from 0 to 1.

    >>> share(0.5, 0.4, 0.6).count("<line"), 'cx="60.0"' in share(0.5, 0.4, 0.6)
    (2, True)
    """
    return _interval(value, low, high, None)


def ratio(value: float, low: float, high: float) -> str:
    """Draw a ratio and its interval on a logarithmic axis from a quarter to four times, 1 marked; nothing for none.

    >>> ratio(float("nan"), 0.0, float("inf"))
    ''
    """
    if np.isnan(value):
        return ""
    ends = np.log(
        np.clip([value if np.isfinite(value) else _MOST_RATIO, max(low, 1e-9), high], _LEAST_RATIO, _MOST_RATIO)
    )
    at = (ends - np.log(_LEAST_RATIO)) / np.log(_MOST_RATIO / _LEAST_RATIO)
    return _interval(float(at[0]), float(at[1]), float(at[2]), 0.5)


def _interval(value: float, low: float, high: float, mark: float | None) -> str:
    width, height = 120.0, 14.0
    x = [4 + (width - 8) * float(np.clip(part, 0, 1)) for part in (value, low, high)]
    middle = height / 2
    marked = (
        "" if mark is None else f'<line class="one" x1="{width * mark}" y1="1" x2="{width * mark}" y2="{height - 1}"/>'
    )
    return (
        f'<svg class="interval" {_size(width, height)}>'
        f'<line class="axis" x1="4" y1="{middle}" x2="{width - 4}" y2="{middle}"/>{marked}'
        f'<line class="band" x1="{x[1]:.1f}" y1="{middle}" x2="{max(x[2], x[1] + 0.5):.1f}" y2="{middle}"/>'
        f'<circle class="value" cx="{x[0]:.1f}" cy="{middle}" r="3"/></svg>'
    )


def colours(counts: Sequence[int], scheme: layers.LevelScheme) -> str:
    """Draw how many places wear each level as one bar, from none to the highest.

    The widths are shares; a level that any place wears is a unit wide or more, lest one black place be lost among many.
    """
    width, height, total = 220.0, 14.0, max(1, sum(counts))
    wide = np.array([max(count / total * width, 1.5) if count else 0.0 for count in counts])
    wide[0] = max(0.0, width - wide[1:].sum()) if counts[0] else 0.0
    left = np.concatenate([[0.0], np.cumsum(wide)])
    bars = [
        swatch(level.name, (float(left[at]), 0, float(wide[at]), height))
        for at, level in enumerate(scheme.levels)
        if counts[at]
    ]
    return f'<svg class="colours" {_size(width, height)}>{"".join(bars)}</svg>'


def _size(width: float, height: float) -> str:
    size = f'width="{width:g}" height="{height:g}" preserveAspectRatio="none"'
    return f'viewBox="0 0 {width:g} {height:g}" {size} aria-hidden="true"'


def swatch(name: str, box: tuple[float, float, float, float]) -> str:
    """Draw a box (x, y, width, height) in a level's colour, its pattern over it."""
    x, y, width, height = box
    place = f'x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{height:g}"'
    return f'<rect class="level-{name}" {place}/><rect class="over-{name}" {place}/>'


def patterns(scheme: layers.LevelScheme) -> str:
    """Define the levels' patterns, once for a page."""
    square = f'width="{shapes.TILE:g}" height="{shapes.TILE:g}" patternUnits="userSpaceOnUse"'
    defined = [
        f'<pattern id="pattern-{level.name}" class="pattern" {square}>{shapes.PATHS[level.pattern]}</pattern>'
        for level in scheme.levels
        if level.pattern
    ]
    return f'<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>{"".join(defined)}</defs></svg>'


def level_style(scheme: layers.LevelScheme) -> str:
    """Give the style of the levels: `level-NAME` fills with the colour, `over-NAME` with the pattern."""
    fills = [f".level-{level.name}{{fill:{level.colour}}}" for level in scheme.levels]
    over = [
        f".over-{level.name}{{fill:{f'url(#pattern-{level.name})' if level.pattern else 'none'}}}"
        for level in scheme.levels
    ]
    return "".join(fills + over)


@dataclass(frozen=True)
class Series:
    """What a chart over months draws: the counts, a band and a line beside them (NaN: nothing), and months to mark."""

    months: Sequence[str]
    counts: Floats
    low: Floats
    high: Floats
    line: Floats
    alarm: npt.NDArray[np.bool_]


def series(drawn: Series, label: str, size: tuple[float, float] = (_SERIES_WIDTH, _SERIES_HEIGHT)) -> str:
    """Draw counts month by month over their band; alarms are ringed.  `label` tells a screen reader what it is."""
    width, height = size
    left, top, right, bottom = 38.0, 8.0, width - 8, height - 22
    known = [drawn.counts, drawn.high[np.isfinite(drawn.high)], drawn.line[np.isfinite(drawn.line)]]
    ticks = _ticks(max(1.0, *(float(part.max(initial=0)) for part in known)))
    x = left + (right - left) * (np.arange(len(drawn.months)) + 0.5) / max(1, len(drawn.months))

    def y(value: Floats) -> Floats:
        return bottom - (bottom - top) * np.asarray(value, dtype=np.float64) / ticks[-1]

    parts = [
        f'<line class="grid" x1="{left}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>'
        f'<text class="tick" x="{left - 5}" y="{at + 3.5:.1f}" text-anchor="end">{tick:g}</text>'
        for tick, at in zip(ticks, y(np.array(ticks)).tolist(), strict=True)
    ]
    parts.append(_band(x, y(drawn.low), y(drawn.high)))
    parts.append(_line("line", x, y(drawn.line)))
    parts.append(_line("counts", x, y(drawn.counts)))
    for at, (px, py) in enumerate(zip(x.tolist(), y(drawn.counts).tolist(), strict=True)):
        ring = f'<circle class="ring" cx="{px:.1f}" cy="{py:.1f}" r="6"/>' if drawn.alarm[at] else ""
        parts.append(f'<circle class="dot" cx="{px:.1f}" cy="{py:.1f}" r="2"/>{ring}')
    parts += _month_labels(drawn.months, x, height)
    return (
        f'<svg class="series" role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg>'
    )


def _ticks(highest: float) -> list[float]:
    """Give round numbers from 0 to beyond the highest value, four or five of them.

    >>> _ticks(37), _ticks(3)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [0.0, 1.0, 2.0, 3.0])
    """
    rough = highest / 4
    power = 10 ** np.floor(np.log10(rough))
    step = max(1.0, float(min((power * unit for unit in (1, 2, 5, 10)), key=lambda unit: abs(unit - rough))))
    return [float(tick) for tick in np.arange(0, highest + step * 0.999, step)]


def _month_labels(months: Sequence[str], x: Floats, height: float) -> list[str]:
    fit = max(1, int((x[-1] - x[0]) // _LABEL_WIDTH)) if len(x) > 1 else 1
    every = max(1, -(-len(months) // fit))
    shown = [at for at in range(len(months)) if (len(months) - 1 - at) % every == 0]
    return [
        f'<text class="tick" x="{x[at]:.1f}" y="{height - 8:g}" text-anchor="middle">{months[at][2:]}</text>'
        for at in shown
    ]


def _band(x: Floats, low: Floats, high: Floats) -> str:
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return ""
    there = [f"{px:.1f},{py:.1f}" for px, py in zip(x[known], high[known], strict=True)]
    back = [f"{px:.1f},{py:.1f}" for px, py in zip(x[known][::-1], low[known][::-1], strict=True)]
    return f'<polygon class="noise" points="{" ".join(there + back)}"/>'


def _line(name: str, x: Floats, y: Floats) -> str:
    known = np.isfinite(y)
    points = " ".join(f"{px:.1f},{py:.1f}" for px, py in zip(x[known], y[known], strict=True))
    return f'<polyline class="{name}" points="{points}"/>' if points else ""


def key(entries: Mapping[str, str]) -> str:
    """Give the legend of a chart: a sample of each class of mark, and what it means (HTML)."""
    samples = {
        "counts": '<line class="counts" x1="1" y1="7" x2="23" y2="7"/><circle class="dot" cx="12" cy="7" r="2"/>',
        "noise": '<rect class="noise" x="1" y="1" width="22" height="12"/>',
        "line": '<line class="line" x1="1" y1="7" x2="23" y2="7"/>',
        "ring": '<circle class="dot" cx="12" cy="7" r="2"/><circle class="ring" cx="12" cy="7" r="6"/>',
        "interval": '<line class="band" x1="2" y1="7" x2="22" y2="7"/><circle class="value" cx="12" cy="7" r="3"/>',
        "one": '<line class="one" x1="12" y1="0" x2="12" y2="14"/>',
    }
    shown = [
        f'<li><svg viewBox="0 0 24 14" width="24" height="14" aria-hidden="true">{samples[name]}</svg> {text}</li>'
        for name, text in entries.items()
    ]
    return f'<ul class="key">{"".join(shown)}</ul>'
