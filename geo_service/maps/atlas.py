"""The served picture: every layer's ground, and the levels of every month on record.

Pure and immutable: a change in the store makes a new atlas, and who holds the old one goes on drawing it.  Geometry
(ground.py) changes when zones are loaded, seldom; the states of the months change with every pull, so `renewed` keeps
the ground as it is, and names anew only those tiles that hold a place that changed.  Points (prevention objects) are a
layer's own ground, without states.

A month is on record from the first month with incidents to the current one (or the last with incidents, where that is
later): there, a place without counted incidents has count 0 and level 0.  Of any other month nothing is known: its
features carry no count and no level.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.errors import BadParameter, NotFound
from geo_service.maps import colours, geojson, mvt, tiles
from geo_service.maps.colours import State
from geo_service.maps.ground import Ground, Rows, digest_of
from geo_service.maps.layers import EVERYTHING, Layer, LevelScheme, View
from geo_service.maps.mvt import Column, Words

FORM = 2  # raise when the bytes of a tile change though geometry, state and layer do not: it is part of every name

Properties = dict[str, str | int | None]
Classes = npt.NDArray[np.uint8]
KindMonth = tuple[str, str]  # zone kind, month
Levels = Mapping[KindMonth, pd.DataFrame]  # of each: zone_id, count, level
Box = tuple[float, float, float, float]  # west, south, east, north [deg]
Worn = tuple[Mapping[str, Column], Words]  # what features say of a month, and the same as vector tiles write it


@dataclass(frozen=True)
class Drawn:
    """A tile: its bytes (none where it is empty), its features, and how many were left out to keep it bearable."""

    content: bytes
    features: int
    dropped: int


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
    _names: dict[tuple[str, ...], str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _worn: dict[tuple[str, str, int], Worn] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        empty = {(kind, ""): colours.tally(ground, None) for kind, ground in by_kind.items()}
        states = {(kind, of): colours.tally(by_kind[kind], frame) for (kind, of), frame in levels.items()}
        months = tuple(sorted({of for _, of in levels}))
        return cls(layers, scheme, by_kind, {**empty, **states}, months, month, seq)

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
            (kind, of): colours.tally(
                self.grounds[kind], frame, withheld if of == month else None, self._stood(kind, of)
            )
            for (kind, of), frame in levels.items()
        }
        return replace(self, states={**kept, **fresh}, months=tuple(months), month=month, seq=seq)

    def without_colours(self, withheld: pd.DataFrame) -> "Atlas":
        """Give the same picture with the colours of the current month taken from places (trust.withheld)."""
        dull: dict[KindMonth, State] = {}
        for kind in (kind for kind, month in self.states if not month):  # pinned objects wear no colour
            ground, stands = self.grounds[kind], self._stood(kind, self.month)
            levels = pd.DataFrame({"zone_id": ground.ids, "count": stands.counts, "level": stands.levels})
            dull[kind, self.month] = colours.tally(ground, levels, withheld, stands)
        return replace(self, states={**self.states, **dull})

    def _stood(self, kind: str, month: str) -> State:
        return self.states.get((kind, month)) or self.states[kind, ""]

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
        return self._stood(kind, month)

    def tag(self, name: str, month: str = "", view: View = EVERYTHING) -> str:
        """Name the content of all of a layer in a month: equal tags, equal answers.

        Made of geometry, state and definition, never of the revision, so a commit that does not touch the month leaves
        every client's copy good.
        """
        state = self._state(self.layer(name, view), month)
        return digest_of([self._lasting(name, month, view).encode(), (state.digest if state else "").encode()])

    def version(self, name: str, tile: tiles.Tile, month: str = "", view: View = EVERYTHING) -> str:
        """Name the content of one tile in a month, coloured or as a state tile: a look-up, nothing is drawn.

        A commit gives new names to those tiles alone that hold a place that changed.
        """
        state = self._state(self.layer(name, view), month)
        return self._lasting(name, month, view) + (state.version(tile) if state else "")

    def geometry_digest(self, name: str, view: View = EVERYTHING) -> str:
        """Name all geometry tiles of a layer."""
        key = ("geometry", name, view.name)
        if key not in self._names:
            self._names[key] = digest_of([repr((FORM, name)).encode(), self.ground(name, view).digest.encode()])
        return self._names[key]

    def _lasting(self, name: str, month: str, view: View) -> str:
        """Name what a layer shows of a month besides the counts and levels of its places."""
        layer, month = self.layer(name, view), month or self.month
        key = ("lasting", name, month if layer.wears_levels else "", view.name, str(self.on_record(month)))
        if key not in self._names:
            parts = [FORM, layer, self.grounds[layer.ground].digest, self.scheme, *key]
            self._names[key] = digest_of([repr(parts).encode()])
        return self._names[key]

    def _state(self, layer: Layer, month: str) -> State | None:
        return self.state(layer.zones, month or self.month) if layer.wears_levels else None

    def tile(self, name: str, tile: tiles.Tile, form: str, month: str = "", view: View = EVERYTHING) -> Drawn:
        """Draw a tile with the colours of a month, as "mvt" or "geojson".

        It holds every place of the layer that touches the tile or its margin.  Raises NotFound for a layer or tile that
        does not exist.
        """
        ground = self._with_tile(name, tile, view)
        drawing, dropped = ground.draw(tile)
        if not len(drawing.rows):
            return Drawn(b"", 0, 0)
        sheet, worn = ground.sheet(tile.z), self.worn(name, tile.z, month, view)
        if form == "mvt":
            content = mvt.layer(name, drawing, sheet.words, worn[1] if worn else None)
        else:
            shapes = geojson.fit_to_print(tiles.degrees(tiles.from_grid(drawing.shapes(), tile)))
            said = _properties({**sheet.columns, **(worn[0] if worn else {})}, drawing.rows)
            content = geojson.collection(geojson.features(drawing.fids.tolist(), shapes, said))
        return Drawn(content, len(drawing.rows), dropped)

    def geometry_tile(self, name: str, tile: tiles.Tile, view: View = EVERYTHING) -> Drawn:
        """Draw a tile without anything of a month, as MVT; its features stand in the order of `tile`."""
        ground = self._with_tile(name, tile, view)
        drawing, dropped = ground.draw(tile)
        if not len(drawing.rows):
            return Drawn(b"", 0, 0)
        return Drawn(mvt.layer(name, drawing, ground.sheet(tile.z).words), len(drawing.rows), dropped)

    def classes(self, name: str, tile: tiles.Tile, month: str = "", view: View = EVERYTHING) -> Classes:
        """Give the classes of a tile's features in a month (colours.classes), in the order of `tile`.

        Raises NotFound for a layer or tile that does not exist, or a layer without colours.
        """
        ground, layer = self._with_tile(name, tile, view), self.layer(name, view)
        if not layer.wears_levels:
            coloured = ", ".join(
                known for known, other in self.layers.items() if other.wears_levels and view.shows(known)
            )
            raise NotFound(f"layer '{name}' has no colours; {coloured} have")
        rows, _ = ground.pick(tile)
        return colours.classes(self.state(layer.zones, month or self.month), ground.sheet(tile.z))[rows]

    def _with_tile(self, name: str, tile: tiles.Tile, view: View) -> Ground:
        ground = self.ground(name, view)
        if not tile.exists():
            raise NotFound(
                f"there is no tile {tile.z}/{tile.x}/{tile.y}: "
                f"zooms run from 0 to {tiles.DEEPEST}, x and y from 0 to 2^z - 1"
            )
        return ground

    def worn(self, name: str, z: int, month: str = "", view: View = EVERYTHING) -> Worn | None:
        """Give what the features of a layer's sheet say of a month; None where the layer wears no levels."""
        layer = self.layer(name, view)
        if not layer.wears_levels:
            return None
        month, sheet = month or self.month, self.ground(name, view).sheet(z)
        key = (layer.ground, month, -1 if sheet.members is None else z)  # the places say the same at every zoom
        if key not in self._worn:
            said = colours.columns(self.state(layer.zones, month), sheet, self.scheme, month)
            self._worn[key] = said, Words.of(said, len(sheet))
        return self._worn[key]

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
        return rows[np.array(self.ground(name, view).columns["kind"].said(rows), dtype=object) == kind]

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
        return _properties(self.columns(name, month, view), rows)

    def columns(self, name: str, month: str = "", view: View = EVERYTHING) -> Mapping[str, Column]:
        """Give what each field of a layer says of all its places, in their order."""
        layer, ground, month = self.layer(name, view), self.ground(name, view), month or self.month
        if not layer.wears_levels:
            return ground.columns
        said = colours.columns(self.state(layer.zones, month), ground.places, self.scheme, month)
        return {**ground.columns, **said}


def _properties(columns: Mapping[str, Column], rows: Rows) -> list[Properties]:
    said = zip(*(column.said(rows) for column in columns.values()), strict=True)
    return [dict(zip(columns, values, strict=True)) for values in said]
