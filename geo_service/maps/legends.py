"""Legends: the looks of a style with their texts, laid out once and drawn as SVG.

Pure.  Lengths are CSS pixels.  Pictures for clients that show no SVG are drawn from the same layout (web/pictures.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from geo_service.maps import patterns
from geo_service.maps.styles import Look, Style

FONT_PX = 14.0
TITLE_PX = 16.0
EDGE = "#8c9894"  # around every swatch: white and pale ones must be seen too
INK = "#23302c"

_MARGIN, _ROW, _SWATCH = 12.0, 26.0, (34.0, 18.0)
_WIDE = 1.0  # widths of letters, of their size; a Latin one takes about 0.56
_NARROW = 0.56


@dataclass(frozen=True)
class Row:
    """A look, its label and the top of its swatch [px]."""

    look: Look
    label: str
    top: float


@dataclass(frozen=True)
class Legend:
    """A legend as it is laid out: size [px], title, rows from the top."""

    width: float
    height: float
    title: str
    rows: tuple[Row, ...]
    is_round: bool  # points, not areas

    @property
    def left(self) -> float:
        """Left side of swatches and title [px]."""
        return _MARGIN

    @property
    def swatch(self) -> tuple[float, float]:
        """Width and height of a swatch [px]."""
        return _SWATCH

    @property
    def text_left(self) -> float:
        """Left side of the labels [px]."""
        return _MARGIN + _SWATCH[0] + 10

    @property
    def title_middle(self) -> float:
        """Half the height of the title [px from the top]."""
        return _MARGIN + TITLE_PX / 2


def lay_out(style: Style, language: str) -> Legend:
    """Lay out the legend of a style: its title, then a row for each look."""
    labels = [look.label(language) for look in style.looks]
    title, top = style.layer.title[language], _MARGIN + TITLE_PX + 10
    rows = [Row(look, label, top + at * _ROW) for at, (look, label) in enumerate(zip(style.looks, labels, strict=True))]
    widest = max(width_of([title], TITLE_PX) + _MARGIN, width_of(labels, FONT_PX) + _MARGIN + _SWATCH[0] + 10)
    height = top + len(rows) * _ROW - (_ROW - _SWATCH[1]) + _MARGIN
    return Legend(round(widest + _MARGIN), round(height), title, tuple(rows), style.layer.style == "points")


def width_of(lines: Sequence[str], size_px: float) -> float:
    """Estimate how wide the widest of some lines will be [px], whatever the reader's font.

    >>> width_of(["red", "红色"], 10.0)
    20.0
    """
    return size_px * max(sum(_WIDE if letter > "\u2e80" else _NARROW for letter in line) for line in lines)


def svg(style: Style, language: str) -> str:
    """Draw a legend as an SVG document that asks for nothing."""
    laid = lay_out(style, language)
    width, height = laid.swatch
    used = sorted({row.look.pattern for row in laid.rows if row.look.pattern})
    side = patterns.TILE
    defined = [
        f'<pattern id="{name}" width="{side:g}" height="{side:g}" patternUnits="userSpaceOnUse">'
        f"<g {_ink(name)}>{patterns.PATHS[name]}</g></pattern>"
        for name in used
    ]
    drawn: list[str] = []
    for row in laid.rows:
        box = f'x="{laid.left:g}" y="{row.top:g}" width="{width:g}" height="{height:g}"'
        middle = row.top + height / 2
        if laid.is_round:
            centre = f'cx="{laid.left + width / 2:g}" cy="{middle:g}" r="{height / 3:g}"'
            drawn.append(f'<circle {centre} fill="{row.look.colour}"/>')
        else:
            drawn.append(f'<rect {box} fill="{row.look.colour}" stroke="{EDGE}"/>')
            if row.look.pattern:
                drawn.append(f'<rect {box} fill="url(#{row.look.pattern})"/>')
        drawn.append(_text(laid.text_left, middle, FONT_PX, row.label))
    size = f'width="{laid.width:g}" height="{laid.height:g}" viewBox="0 0 {laid.width:g} {laid.height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} xml:lang="{language}" role="img">'
        f"<title>{escape(laid.title)}</title><defs>{''.join(defined)}</defs>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f"{_text(laid.left, laid.title_middle, TITLE_PX, laid.title, bold=True)}{''.join(drawn)}</svg>"
    )


def _ink(pattern: str) -> str:
    ink = patterns.INKS[pattern]
    return (
        f'fill="none" stroke="{ink.colour}" stroke-width="{patterns.LINE:g}" stroke-opacity="{ink.opacity:g}"'
        if ink.angles
        else f'fill="{ink.colour}" fill-opacity="{ink.opacity:g}"'
    )


def _text(left: float, middle: float, size: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    font = f'font-family="sans-serif" font-size="{size:g}"{weight} fill="{INK}"'
    return f'<text x="{left:g}" y="{middle:g}" dominant-baseline="central" {font}>{escape(text)}</text>'
