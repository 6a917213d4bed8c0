"""The city map of a page: zones in the colour and pattern of their level, with scale bar, north and legend, as SVG.

Pure.  Zones are WGS 84, longitude first; the map is drawn equirectangular about its middle, true to a thousandth over
a city of 100 km.  One path a level, so that 11,000 places stay under a megabyte.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.geography.zones import Zones
from geo_service.maps import layers

WIDTH = 640.0  # of the viewBox
_TALLEST = 700.0
_MARGIN = 10.0
_FOOT = 34.0  # for the scale bar
_EARTH_M = 6_371_008.8  # mean radius
_STEP = 0.2  # finest detail kept, in units of the viewBox: a twentieth of a millimetre on A4


def draw(zones: Zones, level: npt.NDArray[np.int8], scheme: layers.LevelScheme, label: str) -> str:
    """Draw zones in the look of their levels, which are in the order of the zones; `label` says what it shows."""
    if not len(zones):
        return ""
    west, south, east, north = zones.bounds()
    lon, lat = (west + east) / 2, (south + north) / 2
    metres = np.radians(1.0) * _EARTH_M * np.array([np.cos(np.radians(lat)), 1.0])  # of a degree
    across, up = (east - west) * metres[0], (north - south) * metres[1]
    scale = min((WIDTH - 2 * _MARGIN) / max(across, 1.0), _TALLEST / max(up, 1.0))  # units a metre
    height = up * scale + 2 * _MARGIN + _FOOT
    middle = np.array([WIDTH / 2, _MARGIN + up * scale / 2])
    turned = metres * scale * np.array([1.0, -1.0])
    drawn = shapely.transform(zones.geometry, lambda points: middle + (points - [lon, lat]) * turned)
    drawn = shapely.simplify(drawn, _STEP)
    parts = [_level(look, drawn[level == look.code]) for look in scheme.levels]
    return (
        f'<svg class="map" role="img" aria-label="{label}" viewBox="0 0 {WIDTH:g} {height:.0f}">{"".join(parts)}'
        f"{_scale_bar(scale, height)}{_north()}</svg>"
    )


def legend(words: Mapping[str, str]) -> str:
    """Give the legend: the name of each level, and what it means (HTML)."""
    rows = [f"<li>{box(name)}<span>{text}</span></li>" for name, text in words.items()]
    return f'<ul class="key levels">{"".join(rows)}</ul>'


def box(name: str) -> str:
    """Draw a small box in a level's look."""
    place = 'x="0.5" y="0.5" width="23" height="13"'
    rects = f'<rect class="level-{name} edge" {place}/><rect class="over-{name}" {place}/>'
    return f'<svg class="sample" viewBox="0 0 24 14" width="24" height="14" aria-hidden="true">{rects}</svg> '


def _level(look: layers.Level, shapes: npt.NDArray[np.object_]) -> str:
    path = "".join(_ring(ring) for ring in _rings(shapes))
    if not path:
        return ""
    over = f'<path class="over-{look.name}" d="{path}"/>' if look.pattern else ""
    return f'<path class="zone level-{look.name}" d="{path}"/>{over}'


def _rings(shapes: npt.NDArray[np.object_]) -> list[npt.NDArray[np.float64]]:
    parts = shapely.get_rings(shapely.get_parts(shapes))
    corners, of = shapely.get_coordinates(parts, return_index=True)
    return np.split(corners, np.flatnonzero(np.diff(of)) + 1) if len(corners) else []


def _ring(corners: npt.NDArray[np.float64]) -> str:
    """Write a ring as relative moves of tenths: half the letters of absolute numbers."""
    tenths = np.rint(corners[:-1] * 10).astype(np.int64)
    moves = np.diff(tenths, axis=0)
    moves = moves[moves.any(axis=1)]
    if len(moves) < 2:
        return ""
    text = " ".join(f"{x / 10:g},{y / 10:g}" for x, y in moves.tolist())
    return f"M{tenths[0, 0] / 10:g},{tenths[0, 1] / 10:g}l{text}z"


def _scale_bar(scale: float, height: float) -> str:
    """Draw a bar of a round length, about a quarter of the map."""
    wanted = WIDTH / 4 / scale
    power = 10 ** np.floor(np.log10(wanted))
    length = float(max(unit * power for unit in (1, 2, 5) if unit * power <= wanted))
    said = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    x, y, wide = _MARGIN, height - 14, length * scale
    ends = f"M{x:g},{y - 5:.1f}v5h{wide:.1f}v-5M{x + wide / 2:.1f},{y - 3:.1f}v3"
    return f'<path class="scale" d="{ends}"/><text class="tick" x="{x + wide + 6:.1f}" y="{y:.1f}">{said}</text>'


def _north() -> str:
    x, y = WIDTH - 24, 14
    arrow = f'<path class="north" d="M{x},{y}l6,18l-6,-4l-6,4z"/>'
    return f'{arrow}<text class="tick" x="{x}" y="{y + 30}" text-anchor="middle">N</text>'
