"""What stands in tiles: whether two servers draw the same places, say the same of them, and draw valid polygons.

Servers treat what is smaller than a step of a tile's grid, and what lies in its margin, as they like.  So a place must
be drawn where at least two steps of its breadth lie inside the tile, and may be where it touches tile or margin.  The
places are read from PostGIS, so that neither side marks itself.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import mapbox_vector_tile
import numpy as np
import shapely
import shapely.geometry

from benchmarks._tile_peers import LAYER
from geo_service.maps import tiles

MARGINS = {"pygeoapi": 256}  # steps; ST_AsMVTGeom's own, where a server cannot be told another
_SHOWS = 1.0  # steps a place is shrunk by; what is left has been two steps broad
_SLACK = 2.0  # steps by which servers' margins differ through rounding

Properties = Mapping[str, int | str]


@dataclass(frozen=True)
class Drawn:
    """The features of one tile: what is said of each, its shape on the tile's grid, and the bytes it came in."""

    features: Sequence[tuple[Properties, shapely.Geometry]]
    size: int

    @cached_property
    def by_place(self) -> dict[str, Properties]:
        """What is said of each place; the number of a feature is not part of it."""
        return {
            str(said["id"]): {name: value for name, value in said.items() if name != "fid"} for said, _ in self.features
        }

    @property
    def is_grouped(self) -> bool:
        """Whether one feature stands for many places."""
        return any("places" in said for said, _ in self.features)

    @property
    def worst(self) -> object:
        """The worst level of the tile."""
        return max((said["level"] for said, _ in self.features), default=None)

    @property
    def invalid(self) -> int:
        """Count the polygons that are not valid."""
        return int((~shapely.is_valid([shape for _, shape in self.features])).sum()) if self.features else 0


def read(content: bytes) -> Drawn:
    """Decode a tile, zipped or not.  Raises AssertionError when it holds another layer than ours."""
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    layers = mapbox_vector_tile.decode(plain, default_options={"y_coord_down": True}) if plain else {}
    assert set(layers) <= {LAYER}, f"layers {sorted(layers)}, expected {LAYER}"
    found = layers[LAYER]["features"] if layers else []
    return Drawn([(one["properties"], shapely.geometry.shape(one["geometry"])) for one in found], len(plain))


@dataclass(frozen=True)
class Places:
    """The places as PostGIS has them: ids, and shapes in Web Mercator [m]."""

    ids: np.ndarray
    shapes: np.ndarray

    @cached_property
    def tree(self) -> shapely.STRtree:
        """An index over the shapes."""
        return shapely.STRtree(self.shapes)

    def shown(self, tile: tiles.Tile) -> set[str]:
        """Give the places that every server must draw."""
        inside = shapely.box(*tile.metres())
        rows = self.tree.query(inside, predicate="intersects")
        left = shapely.buffer(shapely.intersection(self.shapes[rows], inside), -_SHOWS * tile.step_m)
        return set(self.ids[rows[~shapely.is_empty(left)]])

    def near(self, tile: tiles.Tile, margin: int = tiles.MARGIN) -> set[str]:
        """Give the places that a server may draw whose tiles have a margin [steps]."""
        around = shapely.box(*tile.metres()).buffer((margin + _SLACK) * tile.step_m, join_style="mitre")
        return set(self.ids[self.tree.query(around, predicate="intersects")])


@dataclass
class Comparison:
    """Tiles of ours beside those of a peer, one after another, and what came of it."""

    places: Places
    peer: str
    features: int = 0
    compared: int = 0
    invalid: dict[str, int] = field(default_factory=lambda: {"ours": 0, "theirs": 0})
    differences: list[str] = field(default_factory=list)

    def add(self, tile: tiles.Tile, ours: Drawn, theirs: Drawn) -> None:
        """Compare a tile: its places, what is said of each, and its polygons."""
        must, where = self.places.shown(tile), f"{tile.z}/{tile.x}/{tile.y}"
        for who, drawn in (("ours", ours), (self.peer, theirs)):
            if missing := must - drawn.by_place.keys():
                self.differences.append(f"{where}: {who} lacks {len(missing)} places, such as {min(missing)}")
            if stray := drawn.by_place.keys() - self.places.near(tile, MARGINS.get(who, tiles.MARGIN)):
                self.differences.append(f"{where}: {who} draws {len(stray)} places that are not there")
        both = ours.by_place.keys() & theirs.by_place.keys()
        if other := [id_ for id_ in both if ours.by_place[id_] != theirs.by_place[id_]]:
            one = min(other)
            self.differences.append(f"{where}: {one} is {ours.by_place[one]}, {self.peer} {theirs.by_place[one]}")
        self.compared += 1
        self.features += len(both)
        self.invalid["ours"] += ours.invalid
        self.invalid["theirs"] += theirs.invalid

    def verdict(self) -> dict[str, object]:
        """Say what was compared, and whether it held: no difference, and every polygon of ours valid."""
        said = (
            f"{self.compared} tiles, {self.features} features by id and properties; polygons not valid: "
            f"ours {self.invalid['ours']}, theirs {self.invalid['theirs']}"
        )
        if self.differences:
            said = f"{len(self.differences)} differences: {'; '.join(self.differences[:3])}"
        return {"check": said, "equal": not self.differences and not self.invalid["ours"]}
