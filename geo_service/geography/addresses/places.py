"""Places: what the addresses of a city may name, held so that they can be asked a thousand times a second.

Pure.  Metres of the city's projected zone.  Columns are arrays or lists of one length; a place, an entry, a name and a
label is its position in them, -1 none.  gazetteer.py makes a Gazetteer of rows.
"""

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ahocorasick
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import shapely
from scipy.spatial import KDTree

from geo_service.geography.addresses import normalise
from geo_service.geography.crossings import Crossing, Crossings
from geo_service.geography.streets import Street, Streets

KINDS = (
    "city", "county", "town", "village", "road", "compound", "unit", "poi",
    "building", "gate", "part", "door", "post", "plate",
)  # fmt: skip
AREA, ROAD, SPOT, VILLAGE = 1, 2, 4, 8
ROLE = {
    "city": AREA, "county": AREA, "town": AREA, "road": ROAD, "compound": SPOT, "unit": SPOT, "poi": SPOT,
    "village": VILLAGE,
}  # fmt: skip
AREAS = ("city", "county", "town")
LABELLED = ("building", "gate", "part", "door")  # found through the place they belong to
LABEL_BITS = 22  # of a key of place and label: 4 million labels

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """What addresses call by name; lists of one length, read one by one.  x, y, radius in metres; -1 is none."""

    entry: list[int]
    kind: list[str]
    name: list[str]
    x: list[float]
    y: list[float]
    radius_m: list[float]
    parent: list[int]
    town: list[int]
    county: list[int]
    successor: list[int]
    valid_from: list[int]  # ordinal days
    valid_to: list[int]

    def stood(self, place: int, day: int) -> bool:
        """Tell whether a place was there on an ordinal day."""
        return self.valid_from[place] <= day < self.valid_to[place]

    def __len__(self) -> int:
        return len(self.entry)


@dataclass(frozen=True)
class Entries:
    """The rows, column by column.  `place` is the place a row is or belongs to; x, y are NaN where nobody knows."""

    ids: Any  # pyarrow string array: 300,000 texts in 6 MB
    names: Any
    kind: npt.NDArray[np.uint8]
    place: npt.NDArray[np.int32]
    x: Floats
    y: Floats
    radius_m: Floats  # of a disc as large as the row's polygon; 0 for points and lines
    valid_from: npt.NDArray[np.int32]  # ordinal days
    valid_to: npt.NDArray[np.int32]
    zone_kind: Any
    zone_id: Any


@dataclass(frozen=True)
class Doors:
    """Numbered doors of streets, by street (place) and number; `begin[p]:begin[p + 1]` are those of place p."""

    begin: Whole
    number: npt.NDArray[np.int32]
    entry: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Gazetteer:
    """The places of a city, ready to be asked."""

    projected: str
    entries: Entries
    places: Places  # those that are streets come last
    outlines: Mapping[int, shapely.Geometry]  # of compounds, units and villages that are drawn as polygons
    streets: Streets
    names: tuple[str, ...]
    meanings: tuple[tuple[tuple[int, float], ...], ...]
    labels: Mapping[str, int]
    label_keys: Whole
    label_entries: npt.NDArray[np.int32]
    doors: Doors
    codes: Mapping[str, int]
    zone_entry: npt.NDArray[np.int32]  # the row whose zone each row lies in, itself or one above; -1 for none

    @cached_property
    def automaton(self) -> Any:
        """All names, to be found in a text in one pass: number, length and weight of each.

        A name weighs the square of its length, so that a long one beats the shorter ones in it; a short form less.
        """
        found = ahocorasick.Automaton()
        for at, name in enumerate(self.names):
            trust = max((trust for _, trust in self.meanings[at]), default=1.0)
            found.add_word(name, (at, len(name), len(name) ** 2 * trust**2))
        found.make_automaton()
        return found

    @cached_property
    def is_label(self) -> tuple[bool, ...]:
        """Whether a name is also, or only, that of parts of places (门诊楼)."""
        return tuple("p" + name in self.labels for name in self.names)

    @cached_property
    def roles(self) -> tuple[int, ...]:
        """What the places of each name are: bits of ROLE."""
        kinds = self.places.kind
        return tuple(functools.reduce(operator.or_, (ROLE[kinds[at]] for at, _ in one), 0) for one in self.meanings)

    @cached_property
    def _met(self) -> Mapping[tuple[int, int], tuple[Crossing, ...]]:
        return Crossings.of(self.streets).found

    @cached_property
    def first_street(self) -> int:
        """The first place that is a street."""
        return len(self.places) - len(self.streets)

    def street(self, place: int) -> Street | None:
        """Give the street that a place is, or None."""
        at = place - self.first_street
        return self.streets[at] if at >= 0 else None

    def crossings(self, one: int, other: int) -> tuple[Crossing, ...]:
        """Give where two places that are streets meet; () where they do not."""
        first = self.first_street
        a, b = one - first, other - first
        return self._met.get((a, b) if a < b else (b, a), ())

    def identity(self, entry: int) -> tuple[str, str, str]:
        """Give an entry's id and the zone it is, or lies in through its parents, as kind and id; "" for none."""
        if entry < 0:
            return "", "", ""
        entries = self.entries
        zone = int(self.zone_entry[entry])
        kind, zone_id = (entries.zone_kind[zone].as_py(), entries.zone_id[zone].as_py()) if zone >= 0 else ("", "")
        return entries.ids[entry].as_py(), kind, zone_id

    def describe(self, frame: pd.DataFrame, entry: Whole) -> None:
        """Add entry_id, zone_kind and zone_id of entries (-1: none) to a frame."""
        zone = np.where(entry >= 0, self.zone_entry[entry], -1)
        columns = {"entry_id": entry, "zone_kind": zone, "zone_id": zone}
        entries = self.entries
        for (column, which), values in zip(
            columns.items(), (entries.ids, entries.zone_kind, entries.zone_id), strict=True
        ):
            taken = values.take(pa.array(np.maximum(which, 0))).cast(pa.string())
            frame[column] = pd.Series(taken.to_pandas().where(which >= 0, "").to_numpy(), dtype="str")

    def holds(self, area: int, place: int) -> bool:
        """Tell whether an area, or what it became a part of, holds a place; the city holds all."""
        places = self.places
        if place < 0:
            return False
        within = {places.town[place], places.county[place]} - {-1}
        return places.kind[area] == "city" or not within.isdisjoint((area, places.successor[area]))

    def labelled(self, place: int, label: str) -> int:
        """Give the entry of a place with this label, a letter for its kind and the label itself; -1 where none is."""
        code = self.labels.get(label, -1)
        if code < 0:
            return -1
        key = (place << LABEL_BITS) | code
        at = int(self.label_keys.searchsorted(key))
        return int(self.label_entries[at]) if at < len(self.label_keys) and self.label_keys[at] == key else -1

    @cached_property
    def located(self) -> Whole:
        """The rows of what has a point of its own and is no area or road."""
        far = np.isin(self.entries.kind, [KINDS.index(kind) for kind in (*AREAS, "road", "village")])
        return np.flatnonzero(np.isfinite(self.entries.x) & ~far)

    @cached_property
    def tree(self) -> KDTree:
        """The points of `located`, for the nearest."""
        return KDTree(np.column_stack([self.entries.x[self.located], self.entries.y[self.located]]))

    @cached_property
    def outline_tree(self) -> tuple[shapely.STRtree, list[int]]:
        """The outlines, for those that hold a point, and the place of each."""
        return shapely.STRtree(list(self.outlines.values())), list(self.outlines)

    @cached_property
    def name_of(self) -> Mapping[str, int]:
        """The number of each name."""
        return {name: at for at, name in enumerate(self.names)}

    @cached_property
    def crossing_names(self) -> Mapping[int, tuple[int, ...]]:
        """The names, by number, of the streets that meet a street (place)."""
        found: dict[int, set[int]] = {}
        first = self.first_street
        for one, other in self._met:
            for street, met in ((one, other), (other, one)):
                found.setdefault(first + street, set()).add(
                    self.name_of[normalise.plain(self.places.name[first + met])]
                )
        return {street: tuple(sorted(names)) for street, names in found.items()}

    def doors_of(self, place: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Give numbers, ascending, and entries of a street's doors."""
        begin, end = int(self.doors.begin[place]), int(self.doors.begin[place + 1])
        return self.doors.number[begin:end], self.doors.entry[begin:end]
