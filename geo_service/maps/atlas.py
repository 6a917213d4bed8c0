"""The served picture: every layer's geometry, put on the grid of each zoom, and the levels of every month on record.

Pure and immutable: a change in the store makes a new atlas, and who holds the old one goes on drawing it.  Geometry
(`Ground`) changes when zones are loaded, seldom; the states of the months change with every pull, so `renewed` keeps
the ground as it is.  Points (prevention objects) are a layer's own ground, without states.

A month is on record from the first month with incidents to the current one (or the last with incidents, where that is
later): there, a place without counted incidents has count 0 and level 0.  Of any other month nothing is known: its
features carry no count and no level.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.errors import BadParameter, NotFound
from geo_service.geography.zones import Zones
from geo_service.maps import geojson, tiles
from geo_service.maps.layers import EVERYTHING, OBJECT_FIELDS, Layer, Level, LevelScheme, View

FINEST = 14  # the last zoom with shapes of its own; deeper tiles are put on their grid when asked for
FORM = 1  # raise when the bytes of a tile change though geometry, state and layer do not: it is part of every ETag

_TOLERANCE = 2.0  # grid steps by which a line may be simplified: a quarter of a pixel on a tile drawn 512 pixels wide

Objects = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]
Properties = dict[str, str | int | None]
KindMonth = tuple[str, str]  # zone kind, month
Levels = Mapping[KindMonth, pd.DataFrame]  # of each: zone_id, count, level
Box = tuple[float, float, float, float]  # west, south, east, north [deg]


@dataclass(frozen=True)
class Ground:
    """The places of one kind, or the points of one layer, in order of their ids, ready to be drawn at every zoom.

    `columns` are what is said of each, by field, in the order they are served; `fids` the numeric ids of their
    features; `degrees` WGS 84, fit to print; `metres` Web Mercator; `shapes` one array per zoom on its world grid
    [steps]; `digest` names all of it.
    """

    kind: str
    ids: Objects
    columns: Mapping[str, Objects]
    fids: Rows
    degrees: Objects
    metres: Objects
    tree: shapely.STRtree
    shapes: tuple[Objects, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north [deg], None without places."""
        if not len(self):
            return None
        west, south, east, north = (round(float(side), 7) for side in shapely.total_bounds(self.degrees))
        return west, south, east, north

    def touching(self, west: float, south: float, east: float, north: float) -> Rows:
        """Give the rows, in order, of the places that touch a box of Web Mercator [m]."""
        return np.sort(self.tree.query(shapely.box(west, south, east, north), predicate="intersects"))

    def on_grid(self, rows: Rows, z: int) -> Objects:
        """Give the shapes of some rows on the world grid of zoom z [steps]."""
        return self.shapes[z][rows] if z <= FINEST else tiles.on_grid(self.metres[rows], z)


def survey(zones: Zones, fids: Mapping[str, int]) -> Ground:
    """Make the ground of one kind of zones; `fids` maps each zone id to its numeric feature id.

    Shapes are simplified together, border by border, so that neighbours stay neighbours (shapely.coverage_simplify).
    """
    columns = {"id": zones.ids, "name": zones.names, "class": zones.classes}
    numbers = np.array([fids[zone] for zone in zones.ids], dtype=np.int64)
    return _ground(zones.kind, columns, numbers, zones.geometry)


def pin(layer: str, objects: pd.DataFrame) -> Ground:
    """Make the ground of a layer of points.

    `objects` hold fid, lon, lat [deg] and layers.OBJECT_FIELDS, one row each, in any order; empty text is no value.
    """
    ordered = objects.sort_values("id", key=lambda ids: ids.astype(object), ignore_index=True)
    columns = {
        name: np.array([text or None for text in ordered[name].tolist()], dtype=object) for name in OBJECT_FIELDS
    }
    points: Objects = np.asarray(shapely.points(ordered[["lon", "lat"]].to_numpy(dtype=np.float64)), dtype=object)
    return _ground(layer, columns, ordered["fid"].to_numpy(dtype=np.int64), points)


def _ground(kind: str, columns: Mapping[str, Objects], fids: Rows, shapes: Objects) -> Ground:
    degrees = geojson.fit_to_print(shapes)
    metres = tiles.mercator(degrees)
    texts = [repr(list(column)).encode() for column in (*columns.values(), fids.tolist())]
    return Ground(
        kind=kind,
        ids=columns["id"],
        columns=columns,
        fids=fids,
        degrees=degrees,
        metres=metres,
        tree=shapely.STRtree(metres),
        shapes=_simplified(metres),
        digest=_digest([*texts, *shapely.to_wkb(degrees)]),
    )


def _simplified(metres: Objects) -> tuple[Objects, ...]:
    if (shapely.get_type_id(metres) == shapely.GeometryType.POINT).any():
        return tuple(tiles.on_grid(metres, z) for z in range(FINEST + 1))
    shapes, lines = [tiles.on_grid(metres, FINEST)], metres
    for z in reversed(range(FINEST)):
        simpler = shapely.coverage_simplify(lines, _TOLERANCE * tiles.step_m(z))
        lines = np.where(shapely.is_valid(simpler) & ~shapely.is_empty(simpler), simpler, lines)
        shapes.append(tiles.on_grid(lines, z))
    return tuple(reversed(shapes))


@dataclass(frozen=True)
class State:
    """Counts [incidents] and levels of one kind in one month, in the order of its ground.

    `withheld`: why a place has no colour, "" where it has; its level is -1.
    """

    counts: npt.NDArray[np.int32]
    levels: npt.NDArray[np.int8]
    withheld: Objects
    digest: str


def tally(ground: Ground, levels: pd.DataFrame | None, withheld: pd.DataFrame | None = None) -> State:
    """Put the levels of a month (zone_id, count, level; None: nobody has any) into the order of a ground.

    Places that are not named have none; names that the ground does not know (zones since withdrawn) are not drawn.
    `withheld` (trust.withheld; None: nothing) takes the colour from places, a zone_id "" from all.
    """
    counts, codes = np.zeros(len(ground), dtype=np.int32), np.zeros(len(ground), dtype=np.int8)
    if levels is not None and len(levels) and len(ground):
        named = levels["zone_id"].to_numpy(dtype=object)
        rows = np.minimum(np.searchsorted(ground.ids, named), len(ground) - 1)
        known = ground.ids[rows] == named
        counts[rows[known]] = levels["count"].to_numpy()[known]
        codes[rows[known]] = levels["level"].to_numpy()[known]
    why = _withheld(ground, withheld)
    codes[why != ""] = -1
    return State(counts, codes, why, _digest([counts.tobytes(), codes.tobytes(), repr(sorted(set(why))).encode()]))


def _withheld(ground: Ground, withheld: pd.DataFrame | None) -> Objects:
    why = np.full(len(ground), "", dtype=object)
    if withheld is not None:
        ours = withheld[withheld["zone_kind"].isin(["", ground.kind])]
        for zone, reason in ours[["zone_id", "reason"]].itertuples(index=False):
            why[ground.ids == zone if zone else slice(None)] = reason
    return why


@dataclass(frozen=True)
class Atlas:
    """The picture as of revision `seq`: layers drawn on grounds in the colours of the scheme.

    `months` are those with incidents, ascending; `month` is the current one; a state under the month "" is that of no
    incidents.
    """

    layers: Mapping[str, Layer]
    scheme: LevelScheme
    grounds: Mapping[str, Ground]
    states: Mapping[KindMonth, State]
    months: tuple[str, ...]
    month: str
    seq: int
    _tags: dict[tuple[str, str, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def build(
        cls,
        layers: Mapping[str, Layer],
        scheme: LevelScheme,
        grounds: Iterable[Ground],
        levels: Levels,
        *,
        month: str,
        seq: int,
    ) -> "Atlas":
        """Draw a new picture: a ground for each kind the layers draw, and the levels of every month with incidents."""
        by_kind = {ground.kind: ground for ground in grounds}
        empty = {(kind, ""): tally(ground, None) for kind, ground in by_kind.items()}
        months = sorted({of for _, of in levels})
        return cls(layers, scheme, by_kind, empty, (), month, seq).renewed(levels, months=months, month=month, seq=seq)

    def renewed(
        self,
        levels: Levels,
        *,
        months: Sequence[str],
        month: str,
        seq: int,
        withheld: pd.DataFrame | None = None,
    ) -> "Atlas":
        """Give the picture of a later revision on the same ground.

        `levels` holds the months that have changed, `months` all that now have incidents, ascending; `withheld` what
        has no colour in the current one (trust.withheld).
        """
        kept = {(kind, of): state for (kind, of), state in self.states.items() if of in {"", *months}}
        fresh = {
            (kind, of): tally(self.grounds[kind], frame, withheld if of == month else None)
            for (kind, of), frame in levels.items()
        }
        return replace(self, states={**kept, **fresh}, months=tuple(months), month=month, seq=seq)

    def without_colours(self, withheld: pd.DataFrame) -> "Atlas":
        """Give the same picture with the colours of the current month taken from places (trust.withheld)."""
        dull: dict[KindMonth, State] = {}
        for kind in (kind for kind, month in self.states if not month):  # pinned objects wear no colour
            ground, stands = self.grounds[kind], self.states.get((kind, self.month)) or self.states[kind, ""]
            levels = pd.DataFrame({"zone_id": ground.ids, "count": stands.counts, "level": stands.levels})
            dull[kind, self.month] = tally(ground, levels, withheld)
        return replace(self, states={**self.states, **dull})

    def pinned(self, grounds: Iterable[Ground], *, seq: int) -> "Atlas":
        """Give the picture of a later revision with other points: grounds that `pin` made take the place of theirs."""
        return replace(self, grounds={**self.grounds, **{ground.kind: ground for ground in grounds}}, seq=seq)

    def layer(self, name: str, view: View = EVERYTHING) -> Layer:
        """Give a layer's definition.  Raises NotFound when it does not exist for this view."""
        shown = [known for known in self.layers if view.shows(known)]
        if name not in shown:
            raise NotFound(f"there is no layer '{name}'; there are {', '.join(shown)}")
        return self.layers[name]

    def ground(self, name: str, view: View = EVERYTHING) -> Ground:
        """Give the places a layer draws.  Raises NotFound when the layer does not exist for this view."""
        return self.grounds[self.layer(name, view).ground]

    def on_record(self, month: str) -> bool:
        """Say whether the counts of a month are known: from the first month with incidents to the current one."""
        return bool(self.months) and self.months[0] <= month <= max(self.months[-1], self.month)

    def state(self, kind: str, month: str) -> State | None:
        """Give counts and levels of a month, None where it is not on record."""
        if not self.on_record(month):
            return None
        return self.states.get((kind, month)) or self.states[kind, ""]

    def tag(self, name: str, month: str = "", view: View = EVERYTHING) -> str:
        """Name the content of all tiles of a layer in a month: equal tags, equal tiles.

        Made of geometry, state and definition, never of the revision, so a commit that does not touch the month leaves
        every client's copy good.
        """
        layer, month = self.layer(name, view), month or self.month
        state = self.state(layer.zones, month) if layer.wears_levels else None
        key = (name, month if state else "", view.name)
        if key not in self._tags:
            parts = [FORM, layer, self.grounds[layer.ground].digest, self.scheme, state and state.digest, *key]
            self._tags[key] = _digest([repr(parts).encode()])
        return self._tags[key]

    def tile(self, name: str, tile: tiles.Tile, form: str, month: str = "", view: View = EVERYTHING) -> bytes:
        """Draw a tile as "mvt" or "geojson"; no bytes where it is empty.

        It holds every place of the layer that touches the tile or its margin.  Raises NotFound for a layer or tile that
        does not exist.
        """
        ground = self.ground(name, view)
        if not tile.exists():
            raise NotFound(
                f"there is no tile {tile.z}/{tile.x}/{tile.y}: "
                f"zooms run from 0 to {tiles.DEEPEST}, x and y from 0 to 2^z - 1"
            )
        rows = ground.touching(*tile.metres(tiles.MARGIN))
        if not len(rows):
            return b""
        pieces = tiles.cut(ground.on_grid(rows, tile.z), ground.metres[rows], tile)
        fids, properties = ground.fids[rows].tolist(), self.properties(name, rows, month, view)
        if form == "mvt":
            return tiles.mvt(name, fids, pieces, [_without_none(values) for values in properties])
        shapes = geojson.fit_to_print(tiles.degrees(tiles.from_grid(pieces, tile)))
        return geojson.collection(geojson.features(fids, shapes, properties))

    def rows(self, name: str, boxes: Sequence[Box] = (), view: View = EVERYTHING) -> Rows:
        """Give the rows, in order, of a layer's places that touch one of the boxes; without boxes, of all."""
        ground = self.ground(name, view)
        if not boxes:
            return np.arange(len(ground), dtype=np.int64)
        corners = tiles.mercator(np.array([shapely.box(*box) for box in boxes], dtype=object))
        return np.unique(np.concatenate([ground.touching(*shapely.bounds(corner).tolist()) for corner in corners]))

    def of_kind(self, name: str, rows: Rows, kind: str, view: View = EVERYTHING) -> Rows:
        """Keep the rows of one kind of objects.  Raises BadParameter for a layer that has none of that kind."""
        kinds = self.layer(name, view).objects
        if kind not in kinds:
            had = f"it holds {', '.join(kinds)}" if kinds else "it holds places, not objects"
            raise BadParameter(f"kind={kind}: layer {name} has no such kind; {had}")
        return rows[self.ground(name, view).columns["kind"][rows] == kind]

    def row(self, name: str, zone_id: str, view: View = EVERYTHING) -> Rows:
        """Give the row of one place of a layer, alone in an array.  Raises NotFound when there is no such place."""
        ground = self.ground(name, view)
        row = int(np.searchsorted(ground.ids, zone_id)) if len(ground) else 0
        if row == len(ground) or ground.ids[row] != zone_id:
            raise NotFound(f"layer {name} has no place '{zone_id}'; /collections/{name}/items lists them")
        return np.array([row], dtype=np.int64)

    def features(self, name: str, rows: Rows, month: str = "", view: View = EVERYTHING) -> list[dict[str, object]]:
        """Give whole places of a layer as GeoJSON features, in the order of `rows`."""
        ground = self.ground(name, view)
        return geojson.features(
            ground.fids[rows].tolist(), ground.degrees[rows], self.properties(name, rows, month, view)
        )

    def properties(self, name: str, rows: Rows, month: str = "", view: View = EVERYTHING) -> list[Properties]:
        """Give what a layer's fields say of some places: who they are and, if it wears levels, the month's colour."""
        layer, ground, month = self.layer(name, view), self.ground(name, view), month or self.month
        said = zip(*(column[rows] for column in ground.columns.values()), strict=True)
        places: list[Properties] = [dict(zip(ground.columns, values, strict=True)) for values in said]
        if not layer.wears_levels:
            return places
        state = self.state(layer.zones, month)
        if state is None:
            unknown = self._worn(self.scheme.unknown, month, None)
            return [{**place, **unknown} for place in places]
        worn = zip(state.counts[rows].tolist(), state.levels[rows].tolist(), state.withheld[rows].tolist(), strict=True)
        looks = (*self.scheme.levels, self.scheme.unknown)  # the last one is that of level -1
        colours = [self._worn(looks[code], month, count, why) for count, code, why in worn]
        return [{**place, **colour} for place, colour in zip(places, colours, strict=True)]

    @staticmethod
    def _worn(level: Level, month: str, count: int | None, withheld: str = "") -> Properties:
        worn = {"month": month, "count": count, "level": level.code, "level_name": level.name, "colour": level.colour}
        return {**worn, "withheld": withheld} if withheld else worn


def _without_none(properties: Properties) -> dict[str, str | int]:
    return {name: value for name, value in properties.items() if value is not None}


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()
