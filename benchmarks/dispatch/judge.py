"""Which places fit the words of a text: what decides whether a record can be resolved.

Words are a dict of roles: county, town, name, along (the street beside a compound), child (a building's number, a gate,
a part, a door's number), cross (the second street).  A word that names nothing fits nothing.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from benchmarks.dispatch.gazetteer import World

Words = dict[str, str]
PLACES = ("compound", "unit", "poi", "village")
SAME_M = 100.0  # two places this close are one answer


@dataclass(frozen=True)
class _Index:
    """Rows of the gazetteer by what they are called."""

    places: dict[str, list[int]]
    roads: dict[str, list[int]]
    codes: dict[str, list[int]]
    children: dict[tuple[str, str], list[int]]
    crossings: dict[frozenset[str], list[int]]


class Judge:
    """Finds every place that fits."""

    def __init__(self, world: World) -> None:
        entries = world.entries
        self.world = world
        self.ids: list[str] = entries["entry_id"].tolist()
        self.kinds: list[str] = entries["kind"].tolist()
        self.names: list[str] = entries["name"].tolist()
        self.aliases = [text.split("|") if text else [] for text in entries["aliases"].tolist()]
        self.parents: list[str] = entries["parent"].tolist()
        self.row_of = {entry: row for row, entry in enumerate(self.ids)}
        self.xy = middles(world.plane, self.kinds)
        self.county: list[str] = world.county.tolist()
        self.town: list[str] = world.town.tolist()
        self.crossing_xy = world.crossings[["x", "y"]].to_numpy()
        self._crossing_county: list[str] = world.crossings["county"].tolist()
        self._counties, self._towns = self._administration()
        self._index = self._indexed()

    def _administration(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Give the counties each word names (what one was called before, too), and the towns."""
        counties: dict[str, set[str]] = {}
        towns: dict[str, set[str]] = {}
        successors = self.world.entries["successor"].tolist()
        for row, kind in enumerate(self.kinds):
            for name in (self.names[row], *self.aliases[row]):
                if kind == "county":
                    counties.setdefault(name, set()).add(successors[row] or self.ids[row])
                if kind == "town":
                    towns.setdefault(name, set()).add(self.ids[row])
        return counties, towns

    def _indexed(self) -> _Index:
        found = _Index({}, {}, {}, {}, {})
        for row, kind in enumerate(self.kinds):
            if kind in {"building", "gate", "part", "door"}:
                found.children.setdefault((self.parents[row], self.names[row]), []).append(row)
            index = found.places if kind in PLACES else found.roads if kind == "road" else found.codes
            for name in (self.names[row], *self.aliases[row]) if kind in {*PLACES, "road", "post", "plate"} else ():
                index.setdefault(name, []).append(row)
        pairs = zip(self.world.crossings["road"].tolist(), self.world.crossings["crossroad"].tolist(), strict=True)
        for nth, pair in enumerate(pairs):
            found.crossings.setdefault(frozenset(pair), []).append(nth)
        return found

    def fits(self, shape: str, words: Words) -> np.ndarray:
        """Give where (n, 2) [m] the places are that fit the words; `shape` says what they ask for."""
        if shape == "crossing":
            pair = frozenset((words["name"], words["cross"]))
            rows = [
                nth
                for nth in self._index.crossings.get(pair, [])
                if self._lies_in(self._crossing_county[nth], "", words)
            ]
            return self.crossing_xy[rows]
        return self.xy[self.rows(shape, words)]

    def rows(self, shape: str, words: Words) -> list[int]:
        """Give the gazetteer rows that fit; shapes: code, place, child, road, door, street (of a door not listed)."""
        if shape == "code":
            return self._index.codes.get(words["name"], [])
        index = self._index.roads if shape in {"road", "door", "street"} else self._index.places
        held = [
            row
            for row in index.get(words["name"], [])
            if self._lies_in(self.county[row], self.town[row], words)
            and words.get("along", self.world.along[row]) == self.world.along[row]
        ]
        if shape in {"child", "door"}:
            return [child for row in held for child in self._index.children.get((self.ids[row], words["child"]), [])]
        return held

    def is_one(self, shape: str, words: Words, truth: tuple[float, float]) -> bool:
        """Tell whether what fits is one answer: one street, or places no farther than SAME_M from the truth."""
        if shape in {"road", "street"}:
            return len({self.county[row] for row in self.rows(shape, words)}) == 1
        found = self.fits(shape, words)
        return len(found) > 0 and bool((np.hypot(*(found - truth).T) <= SAME_M).all())

    def is_only(self, shape: str, words: Words) -> bool:
        """Tell whether the city has one place or street of the name, whatever its number: what a wrong county asks."""
        if shape in {"road", "street", "door"}:
            return len({self.county[row] for row in self.rows("street", words)}) == 1
        if shape in {"place", "child"}:
            found = self.xy[self.rows("place", words)]
            return bool((np.hypot(*(found - found[0]).T) <= SAME_M).all())
        return True

    def _lies_in(self, county: str, town: str, words: Words) -> bool:
        if "county" in words and county not in self._counties.get(words["county"], ()):
            return False
        if "town" not in words:
            return True
        towns = self._towns.get(words["town"], set())
        return town in towns if town else any(self.county[self.row_of[each]] == county for each in towns)


def middles(shapes: np.ndarray, kinds: list[str]) -> np.ndarray:
    """Give each shape's middle (n, 2): of a line half its run, of an area a point on it; NaN for none."""
    found = np.full((len(shapes), 2), np.nan)
    line = np.array([kind == "road" for kind in kinds])
    there = np.array([shape is not None for shape in shapes.tolist()])
    for rows, points in (
        (line & there, lambda lines: shapely.line_interpolate_point(lines, 0.5, normalized=True)),
        (~line & there, shapely.point_on_surface),
    ):
        found[rows] = shapely.get_coordinates(points(shapes[rows]))
    return found
