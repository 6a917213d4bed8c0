"""The ground of one county: a town of the demo city's kind, villages around it, and what they hold, as gazetteer rows.

Drawn with the demo city's own plan, streets, places and buildings, in metres of EPSG:4548.  Doors stand along the
streets, odd numbers on the left; every tenth is left out of the gazetteer, as in life (`Ground.unlisted`).
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from benchmarks.dispatch.administration import County
from benchmarks.dispatch.naming import Drawer
from geo_service.demo import addresses, buildings, places, plan, streets

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

PARTS = {
    "hospital": ("门诊楼", "住院部", "急诊楼", "停车场"),
    "school": ("教学楼", "操场", "食堂", "宿舍楼"),
    "station": ("候车厅", "出站口", "售票厅"),
    "scenic": ("游客中心", "停车场"),
    "market": ("东区", "西区", "停车场"),
    "bank": ("营业厅", "自助银行"),
    "venue": ("大厅", "停车场"),
}
_DOOR_STEP_M = 30.0  # of street between two doors of one side
_NUMBER_STEP_M = 8.0  # of street for each number of one side
_UNLISTED = 0.1  # share of doors that the gazetteer does not know
_NAMED_COUNTRY = 0.3  # share of country roads that have a number
_DOORS_KEPT = 0.42  # share of places for doors that have one
_POST_STEP_M = 90.0
_NUMBERED_VILLAGES = 0.45  # share of villages whose farmsteads have numbers
_NAMED_SHOPS = 0.4  # share of shops that are known by name
_SETBACK_M = (4.0, 9.0)  # from the street's edge to a door


@dataclass
class Ground:
    """What one county is made of.

    entries
        gazetteer rows (rows of one dict of columns each kind); `geometry` in metres
    crossings
        road, crossroad, x, y, rank (0: of large streets): where two streets of different names meet
    unlisted
        road (entry_id), number, x, y: doors that stand there but in no gazetteer
    """

    county: County
    entries: list[pd.DataFrame] = field(default_factory=list[pd.DataFrame])
    crossings: pd.DataFrame = field(default_factory=pd.DataFrame)
    unlisted: pd.DataFrame = field(default_factory=pd.DataFrame)
    _serial: int = 0

    def add(self, kind: str, name: object, parent: str | Objects, geometry: object, **columns: object) -> Objects:
        """Add rows of one kind; give their ids."""
        frame = pd.DataFrame({"name": name, "geometry": geometry, **columns})
        first = self._serial + 1
        self._serial += len(frame)
        frame["entry_id"] = [f"{self.county.code}{number:06d}" for number in range(first, self._serial + 1)]
        frame = frame.assign(kind=kind, parent=parent)
        self.entries.append(frame)
        return frame["entry_id"].to_numpy(dtype=object)

    def move(self) -> None:
        """Take what was drawn around 0, 0 to the county's centre."""
        for frame in self.entries:
            frame["geometry"] = shapely.transform(
                frame["geometry"].to_numpy(), lambda xy: xy + np.array(self.county.centre)
            )
        for frame in (self.crossings, self.unlisted):
            frame[["x", "y"]] += np.array(self.county.centre)


@dataclass(frozen=True)
class _Drawn:
    network: streets.Streets
    where: places.Places
    built: buildings.Buildings


def lay_out(county: County, city: str, *, seat: bool, rng: np.random.Generator) -> Ground:
    """Draw a county and write its gazetteer rows; `seat`: the city's own name leads those of its institutions."""
    naming = Drawer(rng, county.name, city, seat)
    drawn = _draw(county, naming, rng)
    ground = Ground(county)
    home = _towns(ground, drawn, f"{county.code}c")
    roads = _roads(ground, drawn, naming, f"{county.code}c", rng)
    _compounds(ground, drawn, naming, home, roads, rng)
    _villages(ground, drawn, home, rng)
    _units(ground, drawn, naming, home, rng)
    _doors(ground, drawn, home, roads, rng)
    _shops(ground, drawn, naming, home, rng)
    _posts(ground, drawn, roads, rng)
    ground.crossings = _crossings(drawn.network, roads.names)
    ground.move()
    return ground


def _draw(county: County, naming: Drawer, rng: np.random.Generator) -> _Drawn:
    villages = sum(len(town.villages) for town in county.towns)
    drawing = plan.draw(county.scale, max(villages, 3), rng, naming)
    network = streets.cut(drawing)
    compounds = round(800 * county.scale)
    counts = {
        "communities": len(drawing.villages) + compounds,
        "units": max(12, round(150 * county.scale)),
        "patrol_zones": 1,
    }
    where = places.settle(drawing, network, counts, rng, naming)
    return _Drawn(network, where, buildings.build(where, network, rng))


@dataclass(frozen=True)
class _Homes:
    """Towns' ids (empty: the county has none) and each community's and unit's town; village names."""

    towns: Objects
    seats: Floats
    urban: Whole
    of_community: Whole
    village_names: list[str]
    county: str

    def nearest(self, xy: Floats) -> Objects:
        """Give the urban town (the county where there is none) that each place in town belongs to."""
        if not len(self.urban):
            return np.full(len(xy), self.county, dtype=object)
        seats = self.seats[self.urban]
        far = np.hypot(xy[:, None, 0] - seats[:, 0], xy[:, None, 1] - seats[:, 1])
        return self.towns[self.urban[far.argmin(axis=1)]]


def _towns(ground: Ground, drawn: _Drawn, county_id: str) -> _Homes:
    """Seat the towns and give each as many villages near it as its list has."""
    towns, homes = ground.county.towns, drawn.where.communities
    at = places.centroids(homes.areas)
    village = homes.classes == "village"
    empty = np.full(len(at), -1, dtype=np.int64)
    if not towns:
        return _Homes(np.array([], dtype=object), np.empty((0, 2)), empty[:0], empty, [""] * len(at), county_id)
    street = np.array([town.name.endswith("街道") or not town.villages for town in towns])
    if not street.any():
        street[0] = True
    seats = np.empty((len(towns), 2))
    seats[street] = _spread(at[~village], int(street.sum()))
    seats[~street] = _spread(at[village], int((~street).sum()))
    lists = [list(town.villages) for town in towns]
    of_village = _share_out(at[village], seats, [len(names) for names in lists])
    home, names = empty, [""] * len(at)
    for i, town in zip(np.flatnonzero(village).tolist(), of_village.tolist(), strict=True):
        home[i] = town
        names[i] = lists[town].pop() if town >= 0 else ""
    codes = [f"{ground.county.code}{i:03d}" for i in range(1, len(towns) + 1)]
    ids = ground.add(
        "town", [town.name for town in towns], county_id, _points(seats), code=np.array(codes, dtype=object)
    )
    return _Homes(ids, seats, np.flatnonzero(street), home, names, county_id)


def _spread(points: Floats, count: int) -> Floats:
    """Choose points far from each other, the middle one first."""
    chosen = [int(np.hypot(*(points - points.mean(axis=0)).T).argmin())]
    far = np.hypot(*(points - points[chosen[0]]).T)
    while len(chosen) < count:
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.hypot(*(points - points[chosen[-1]]).T))
    return points[chosen[:count]]


def _share_out(points: Floats, seats: Floats, sizes: list[int]) -> Whole:
    """Give each point the nearest seat that still has room, the closest pairs first; -1 where all are full."""
    far = np.hypot(points[:, None, 0] - seats[:, 0], points[:, None, 1] - seats[:, 1])
    found = np.full(len(points), -1, dtype=np.int64)
    room = list(sizes)
    for pair in np.argsort(far, axis=None, kind="stable").tolist():
        point, seat = divmod(pair, len(seats))
        if found[point] < 0 and room[seat] > 0:
            found[point] = seat
            room[seat] -= 1
    return found


@dataclass(frozen=True)
class _Roads:
    """Each edge's street: its name, the entry it lies in, and that entry's line's width."""

    names: Objects
    ids: Objects


def _roads(ground: Ground, drawn: _Drawn, naming: Drawer, county_id: str, rng: np.random.Generator) -> _Roads:
    """Name the streets and join each one's edges; a street in several pieces has several rows."""
    network = drawn.network
    named = {
        name: "" if kind == "country" and rng.random() > _NAMED_COUNTRY else naming.road(name, kind)
        for name, kind in dict(zip(network.roads.tolist(), network.kinds.tolist(), strict=True)).items()
    }
    names = np.array([named[name] for name in network.roads.tolist()], dtype=object)
    ids = np.full(len(names), "", dtype=object)
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], names[order][1:] != names[order][:-1]]))
    lines, labels, widths, members = [], [], [], []
    for edges in np.split(order, starts[1:]):
        if not names[edges[0]]:
            continue  # a country road without a number
        parts = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(network.lines[edges].tolist())))
        middle = shapely.line_interpolate_point(network.lines[edges], 0.5, normalized=True)
        part = shapely.STRtree(parts).query_nearest(middle, all_matches=False)[1]
        for i, line in enumerate(parts.tolist()):
            lines.append(line)
            labels.append(names[edges[0]])
            widths.append(2.0 * network.half_width_m()[edges[0]])
            members.append(edges[part == i])
    entries = ground.add("road", labels, county_id, np.array(lines, dtype=object), width_m=widths)
    for entry, edges in zip(entries.tolist(), members, strict=True):
        ids[edges] = entry
    return _Roads(names, ids)


def _compounds(
    ground: Ground, drawn: _Drawn, naming: Drawer, home: _Homes, roads: _Roads, rng: np.random.Generator
) -> None:
    """Write compounds with their gates and buildings, and the street each is reached from."""
    chosen = np.flatnonzero(drawn.where.communities.classes != "village")
    areas = drawn.where.communities.areas[chosen]
    at = places.centroids(areas)
    labels = [naming.compound() for _ in areas]
    main = np.flatnonzero(np.isin(drawn.network.kinds, ("ring", "arterial", "secondary")))
    street = main[shapely.STRtree(drawn.network.lines[main]).query_nearest(areas, all_matches=False)[1]]
    ids = ground.add(
        "compound", labels, home.nearest(at), areas,
        aliases=_joined(naming, labels), along=roads.names[street],
        zone_kind="communities", zone_id=drawn.where.communities.ids[chosen],
    )  # fmt: skip
    _gates(ground, ids, areas, rng)
    row_of = np.full(len(drawn.where.communities.ids), -1)
    row_of[chosen] = np.arange(len(chosen))
    building = np.flatnonzero((drawn.built.number > 0) & (row_of[drawn.built.community] >= 0))
    _numbered(ground, drawn, building, ids[row_of[drawn.built.community[building]]])


def _numbered(ground: Ground, drawn: _Drawn, chosen: Whole, parents: Objects) -> None:
    number = drawn.built.number[chosen].astype(str).astype(object)
    ground.add("building", number, parents, _points(places.centroids(drawn.built.shapes[chosen])))


def _gates(ground: Ground, ids: Objects, areas: Objects, rng: np.random.Generator) -> None:
    """Write one to three gates of each area, in the middle of the sides they are called after."""
    names, parents, at = [], [], []
    for entry, area in zip(ids.tolist(), areas.tolist(), strict=True):
        x, y = area.centroid.coords[0]
        for turn in rng.permutation(4)[: int(rng.integers(1, 4))].tolist():
            dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
            ray = shapely.LineString([(x, y), (x + 3000.0 * dx, y + 3000.0 * dy)])
            met = shapely.get_coordinates(shapely.intersection(area.exterior, ray))
            if len(met):
                names.append(("东门", "北门", "西门", "南门")[turn])
                parents.append(entry)
                at.append(met[np.hypot(*(met - (x, y)).T).argmax()])
    ground.add("gate", names, np.array(parents, dtype=object), _points(np.array(at).reshape(-1, 2)))


def _villages(ground: Ground, drawn: _Drawn, home: _Homes, rng: np.random.Generator) -> None:
    """Write villages, and for most of them their numbered farmsteads."""
    chosen = np.flatnonzero(home.of_community >= 0)
    if not len(chosen):
        return
    communities = drawn.where.communities
    ids = ground.add(
        "village", [home.village_names[i] for i in chosen.tolist()], home.towns[home.of_community[chosen]],
        communities.areas[chosen], zone_kind="communities", zone_id=communities.ids[chosen],
    )  # fmt: skip
    row_of = np.full(len(communities.ids), -1)
    row_of[chosen] = np.where(rng.random(len(chosen)) < _NUMBERED_VILLAGES, np.arange(len(chosen)), -1)
    farmstead = np.flatnonzero((drawn.built.number > 0) & (row_of[drawn.built.community] >= 0))
    _numbered(ground, drawn, farmstead, ids[row_of[drawn.built.community[farmstead]]])


def _units(ground: Ground, drawn: _Drawn, naming: Drawer, home: _Homes, rng: np.random.Generator) -> None:
    """Write units, their parts and gates; the demo's drawer has asked for their names already."""
    units = drawn.where.units
    labels = units.names.tolist()
    ids = ground.add(
        "unit", labels, home.nearest(places.centroids(units.areas)), units.areas,
        aliases=_joined(naming, labels), zone_kind="units", zone_id=units.ids,
    )  # fmt: skip
    names, parents, at = [], [], []
    for entry, area, kind in zip(ids.tolist(), units.areas.tolist(), units.classes.tolist(), strict=True):
        parts = PARTS[kind]
        names += parts
        parents += [entry] * len(parts)
        at += [addresses.inside(area, rng) for _ in parts]
    ground.add("part", names, np.array(parents, dtype=object), _points(np.array(at)))
    _gates(ground, ids, units.areas, rng)


def _beside(drawn: _Drawn, edges: Whole, run: Floats, aside: Floats) -> Floats:
    """Give points beside edges: `run` along from their start, `aside` to the left [m]."""
    lines = drawn.network.lines[edges]
    foot = shapely.get_coordinates(shapely.line_interpolate_point(lines, run))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(lines, run + 1.0))
    behind = shapely.get_coordinates(shapely.line_interpolate_point(lines, np.maximum(run - 1.0, 0.0)))
    along = ahead - behind
    along = along / np.hypot(along[:, 0], along[:, 1])[:, None]
    return foot + np.column_stack([-along[:, 1], along[:, 0]]) * aside[:, None]


def _stepped(lengths: Floats, step: float) -> tuple[Whole, Whole]:
    """Give as many (edge, nth) as steps fit on edges of these lengths."""
    count = (lengths // step).astype(np.int64)
    edge = np.repeat(np.arange(len(lengths)), count)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)


def _doors(ground: Ground, drawn: _Drawn, home: _Homes, roads: _Roads, rng: np.random.Generator) -> None:
    """Set doors along both sides of the streets, and codes on some of them."""
    network = drawn.network
    edge, nth = _stepped(np.where(network.kinds == "country", 0.0, shapely.length(network.lines)), _DOOR_STEP_M)
    edge, nth = np.repeat(edge, 2), np.repeat(nth, 2)
    right = np.arange(len(edge)) % 2 == 1
    length = shapely.length(network.lines)
    counted = np.abs(np.abs(network.end_m - network.start_m) - length) < 0.2 * length  # not where a ring closes
    kept = (rng.random(len(edge)) < _DOORS_KEPT) & counted[edge]
    edge, nth, right = edge[kept], nth[kept], right[kept]
    run = (nth + rng.uniform(0.1, 0.9, len(nth))) * _DOOR_STEP_M
    share = run / length[edge]
    measure = network.start_m[edge] + share * (network.end_m[edge] - network.start_m[edge])
    number = 2 * (measure // _NUMBER_STEP_M).astype(np.int64) + 1 + right
    aside = network.half_width_m()[edge] + rng.uniform(*_SETBACK_M, len(edge))
    at = _beside(drawn, edge, run, np.where(right, -aside, aside))
    first = ~pd.DataFrame({"road": roads.names[edge], "number": number}).duplicated().to_numpy()
    listed = first & (rng.random(len(edge)) >= _UNLISTED)
    ids = ground.add(
        "door", number[listed].astype(str).astype(object), roads.ids[edge[listed]], _points(at[listed]),
        lies_in=home.nearest(at[listed]) if len(home.towns) else "",
    )  # fmt: skip
    hidden = first & ~listed
    ground.unlisted = pd.DataFrame(
        {"road": roads.ids[edge[hidden]], "number": number[hidden], "x": at[hidden, 0], "y": at[hidden, 1]}
    )
    coded = np.flatnonzero(rng.random(len(ids)) < 0.04)
    plates = [f"{ground.county.code}{n:07d}" for n in rng.permutation(10**7)[: len(coded)].tolist()]
    ground.add("plate", plates, ids[coded], _points(at[listed][coded]))


def _shops(ground: Ground, drawn: _Drawn, naming: Drawer, home: _Homes, rng: np.random.Generator) -> None:
    shop = np.flatnonzero(np.isin(drawn.built.kinds, ("shop", "commercial")))
    shop = shop[rng.random(len(shop)) < _NAMED_SHOPS]
    at = places.centroids(drawn.built.shapes[shop])
    labels = [naming.poi() for _ in shop]
    ground.add("poi", labels, home.nearest(at), _points(at), aliases=_joined(naming, labels))


def _posts(ground: Ground, drawn: _Drawn, roads: _Roads, rng: np.random.Generator) -> None:
    """Set lamp posts with codes along the larger streets."""
    network = drawn.network
    large = np.isin(network.kinds, ("ring", "arterial"))
    edge, nth = _stepped(np.where(large, shapely.length(network.lines), 0.0), _POST_STEP_M)
    at = _beside(drawn, edge, (nth * _POST_STEP_M).astype(np.float64), network.half_width_m()[edge] - 1.0)
    letters = "".join(rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ"), 2).tolist())
    codes = [f"{letters}{ground.county.code[-2:]}{number:05d}" for number in range(1, len(edge) + 1)]
    ground.add("post", codes, roads.ids[edge], _points(at))


def _crossings(network: streets.Streets, names: Objects) -> pd.DataFrame:
    """Give every pair of streets that meet at a node, the larger street first."""
    rank = {kind: i for i, kind in enumerate(plan.CLASSES)}
    meeting: dict[int, dict[str, int]] = {}
    for ends in (network.tails, network.heads):
        for node, name, kind in zip(ends.tolist(), names.tolist(), network.kinds.tolist(), strict=True):
            if name:
                meeting.setdefault(node, {})[name] = rank[kind]
    rows = [
        (*sorted(pair, key=lambda name: here[name]), *network.nodes[node].tolist(), max(here[name] for name in pair))
        for node, here in meeting.items()
        for pair in itertools.combinations(here, 2)
    ]
    return pd.DataFrame(rows, columns=["road", "crossroad", "x", "y", "rank"])


def _joined(naming: Drawer, labels: list[str]) -> Objects:
    return np.array(["|".join(naming.aliases(label)) for label in labels], dtype=object)


def _points(xy: Floats) -> Objects:
    return np.asarray(shapely.points(xy), dtype=object)
