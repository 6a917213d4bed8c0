"""Patterns: strokes laid over a colour, so that levels can be told without seeing colour.

Pure.  A pattern is a square that repeats, said once here and drawn as SVG (pages, legends) and as pixels (sprites,
legend pictures); desktop programs hatch by themselves, at `angles` (desktop_styles.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # rows, columns, red green blue alpha

TILE = 6.0  # side of the square [units of a page]; screens draw it twice as large
PATHS: Mapping[str, str] = {
    "diagonal": '<path d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2"/>',
    "cross": '<path d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2 M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2"/>',
    "dots": '<circle cx="3" cy="3" r="0.8"/>',
}


@dataclass(frozen=True)
class Ink:
    """How the strokes of a pattern are drawn: colour, opacity [0-1], angles of lines [deg, anticlockwise from east]."""

    colour: str
    opacity: float
    angles: tuple[int, ...]


INKS: Mapping[str, Ink] = {
    "diagonal": Ink("#ffffff", 0.6, (45,)),
    "cross": Ink("#ffffff", 0.6, (45, 135)),
    "dots": Ink("#5a6964", 0.6, ()),  # on white
}

LINE = 0.7  # width of a line, and radius of a dot [units]
_DOT = 0.8


def tile(pattern: str, side: int) -> Pixels:
    """Draw the square of a pattern so many pixels wide, transparent where no stroke is.

    It repeats without a seam, its strokes smoothed by how much of each pixel they cover.

    >>> drawn = tile("diagonal", 12)
    >>> drawn.shape, int(drawn[11, 0, 3]), int(drawn[3, 3, 3])
    ((12, 12, 4), 153, 0)
    """
    ink, unit = INKS[pattern], side / TILE
    x, y = (np.indices((side, side))[::-1] + 0.5) / unit
    covered = np.zeros((side, side))
    for angle in ink.angles:
        across = (x + y if angle == 45 else x - y) % TILE
        away = np.minimum(across, TILE - across) / np.sqrt(2)
        covered = np.maximum(covered, np.clip((LINE / 2 - away) * unit + 0.5, 0, 1))
    if not ink.angles:
        covered = np.clip((_DOT - np.hypot(x - TILE / 2, y - TILE / 2)) * unit + 0.5, 0, 1)
    drawn = np.empty((side, side, 4), dtype=np.uint8)
    drawn[..., :3] = rgb(ink.colour)
    drawn[..., 3] = np.round(covered * ink.opacity * 255)
    return drawn


def rgb(colour: str) -> tuple[int, int, int]:
    """Read "#rrggbb".

    >>> rgb("#d7263d")
    (215, 38, 61)
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def side_by_side(tiles: Sequence[Pixels]) -> Pixels:
    """Put squares of one height into a row."""
    return np.concatenate(tiles, axis=1)
