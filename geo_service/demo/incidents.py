"""What happens in the made-up city: where calls come from and when, month by month.

Places differ: a few have much, most have nothing in a month (a gamma rate for each place, and one for each place and
kind). Hot spots come, wander and fade within months; a burglary or a theft from a car is followed by others close by
within two weeks. A month is drawn from (seed, month) alone, so that two histories that end at different moments agree
where they overlap.
"""

from dataclasses import dataclass

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.demo import kinds
from geo_service.demo.kinds import KINDS

DAY_S = 86_400
_PLACE_SHAPE = 1.3  # shape of the gamma rate of a place; smaller is more unequal
_KIND_SHAPE = 2.0  # of a place and kind
_HOT = {"burglary": 5.0, "bicycle_theft": 5.0, "theft_from_vehicle": 6.0, "snatching": 6.0, "theft": 3.0}
_HOT_MONTHS = 3
_REPEAT_M = 75.0  # spread of near repeats around the first
_REPEAT_DAYS = 4.5  # mean wait, at most 14
_SAME_ADDRESS = 0.3
_OFFSET_M = 250.0  # farthest description "… crossing 250 m west"
_DIRECTIONS = np.array(["北", "东北", "东", "东南", "南", "西南", "西", "西北"], dtype=object)

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """Addresses by place: those of place i are ``order[starts[i]:starts[i + 1]]``."""

    order: Whole
    starts: Whole

    def draw(self, place: Whole, rng: np.random.Generator) -> Whole:
        """Draw one address of each place."""
        low, high = self.starts[place], self.starts[place + 1]
        return self.order[low + (rng.random(len(place)) * (high - low)).astype(np.int64)]


@dataclass(frozen=True)
class Ground:
    """Where calls can come from, in metres: addresses, the places they belong to, and ways that lead off a crossing.

    Places are communities, then units, then one for all streets; `rates` is calls a month, (places, kinds).
    """

    seed: int
    x: Floats
    y: Floats
    texts: Objects
    towns: Whole
    place: Whole
    groups: Groups
    rates: Floats
    middles: Floats
    ways: shapely.STRtree
    way_lines: Objects
    way_crossings: Whole
    way_share: Floats
    homes: Whole
    home_tree: shapely.STRtree
    hours: Floats


@dataclass(frozen=True)
class Calls:
    """Calls in no order: `at_s` seconds since 1970 on the city's clock; kinds, positions [m], place texts, towns."""

    at_s: Whole
    kind: Whole
    x: Floats
    y: Floats
    texts: Objects
    towns: Whole


def survey(
    seed: int,
    communities: geopandas.GeoDataFrame,
    units: geopandas.GeoDataFrame,
    roads: geopandas.GeoDataFrame,
    addresses: geopandas.GeoDataFrame,
    towns: list[str],
) -> Ground:
    """Look at the city as incidents do.  All frames in metres, with the columns of City."""
    rng = np.random.Generator(np.random.PCG64([seed, 11]))
    xy = shapely.get_coordinates(np.asarray(addresses.geometry))
    place = _place(addresses, communities, units)
    count = len(communities) + len(units) + 1
    kept = np.flatnonzero(place >= 0)
    order = kept[np.argsort(place[kept], kind="stable")]
    groups = Groups(order, np.searchsorted(place[order], np.arange(count + 1)))
    middles = np.vstack(
        [shapely.get_coordinates(shapely.centroid(np.asarray(frame.geometry))) for frame in (communities, units)]
    )
    lines, crossing, share = _ways(roads, addresses)
    homes = np.flatnonzero(
        addresses["kind"].isin(("building", "farmstead", "door")).to_numpy() & (place >= 0) & (place < len(communities))
    )
    return Ground(
        seed=seed, x=xy[:, 0], y=xy[:, 1], texts=addresses["text"].to_numpy(dtype=object),
        towns=pd.Index(towns).get_indexer(addresses["town"]), place=place, groups=groups,
        rates=_rates(communities, units, rng), middles=middles, ways=shapely.STRtree(lines), way_lines=lines,
        way_crossings=crossing, way_share=np.cumsum(share) / share.sum(), homes=homes,
        home_tree=shapely.STRtree(shapely.points(xy[homes])), hours=kinds.hours(),
    )  # fmt: skip


def _place(
    addresses: geopandas.GeoDataFrame, communities: geopandas.GeoDataFrame, units: geopandas.GeoDataFrame
) -> Whole:
    """Give the place each address belongs to: its unit, else its community, else the streets; -1 for crossings."""
    home = pd.Index(communities["zone_id"]).get_indexer(addresses["zone_id"])
    unit = pd.Index(units["zone_id"]).get_indexer(addresses["unit_id"])
    found = np.where(unit >= 0, unit + len(communities), home)
    found = np.where(found < 0, len(communities) + len(units), found)
    return np.where((addresses["kind"] == "crossing").to_numpy(), -1, found)


def _rates(communities: geopandas.GeoDataFrame, units: geopandas.GeoDataFrame, rng: np.random.Generator) -> Floats:
    """Give calls a month of each kind at each place, and on all streets together in the last row."""
    home, unit, street = (np.array([getattr(kind, name) for kind in KINDS]) for name in ("community", "unit", "street"))
    size = np.sqrt(communities["households"].to_numpy(dtype=np.float64) + 20.0)
    village = np.where(communities["class"] == "village", 0.8, 1.06)
    level = rng.gamma(_PLACE_SHAPE, 1.0 / _PLACE_SHAPE, len(communities)) * village * size / size.mean()
    own = rng.gamma(_KIND_SHAPE, 1.0 / _KIND_SHAPE, (len(communities), len(KINDS)))
    classes = np.array([kinds.unit_factor(name) for name in units["class"].tolist()])
    unit_level = classes / classes.mean() * rng.gamma(2.0, 0.5, len(units))
    # What is not counted (disputes, help) is spread more evenly than what is.
    even = np.where([kind.counted for kind in KINDS], 1.0, 0.5)
    homes = home * (level / level.mean())[:, None] ** even * own
    return np.vstack([homes, unit * (unit_level / unit_level.mean())[:, None], street * len(communities)])


def _ways(roads: geopandas.GeoDataFrame, addresses: geopandas.GeoDataFrame) -> tuple[Objects, Whole, Floats]:
    """Give the stretches that lead off each crossing on one of its two streets: (lines, crossings, weights)."""
    crossings = np.flatnonzero((addresses["kind"] == "crossing").to_numpy())
    points = np.asarray(addresses.geometry)[crossings]
    lines = np.asarray(roads.geometry)
    weight = (
        roads["class"]
        .map({"ring": 5.0, "arterial": 5.0, "secondary": 3.0, "lane": 1.0, "country": 0.5})
        .to_numpy(dtype=np.float64)
    )
    both = np.concatenate([lines, shapely.reverse(lines)])
    crossing, way = shapely.STRtree(shapely.get_point(both, 0)).query(points, "dwithin", 0.5)
    name = np.tile(roads["name"].to_numpy(dtype=object), 2)[way]
    first, second = (addresses[column].to_numpy(dtype=object)[crossings[crossing]] for column in ("road", "crossroad"))
    fits = (name == first) | (name == second)
    way, crossing = way[fits], crossings[crossing[fits]]
    return both[way], crossing, np.tile(weight, 2)[way] * np.minimum(shapely.length(both[way]), _OFFSET_M)


def month_of(at_s: int) -> int:
    """Give the number of the calendar month (12 x year + month - 1) of a second on the city's clock."""
    return int(np.datetime64(at_s, "s").astype("datetime64[M]").astype(np.int64)) + 1970 * 12


def month_calls(ground: Ground, month: int) -> Calls:
    """Draw the calls of a calendar month, and the near repeats they lead to, which may fall into the next.

    They come in order of time; the same ground and month give the same calls.
    """
    rng = np.random.Generator(np.random.PCG64([ground.seed, 12, month]))
    first, last = (
        int(np.datetime64(m - 1970 * 12, "M").astype("datetime64[D]").astype(np.int64)) for m in (month, month + 1)
    )
    days = kinds.days(first, last - first)
    expected = ground.rates * hot(ground, month) * days.mean(axis=1) * (last - first) / 30.44
    number = rng.poisson(expected)
    place, kind = (np.repeat(index.ravel(), number.ravel()) for index in np.indices(number.shape))
    at_s = _moments(first, days, kind, ground.hours, rng)
    calls = locate(ground, at_s, kind, place, rng)
    return _in_order(_with_repeats(ground, calls, rng))


def hot(ground: Ground, month: int) -> Floats:
    """Give how much more often than usual each place is called from in a month, (places, kinds): the hot spots."""
    factor = np.ones_like(ground.rates)
    for start in range(month - _HOT_MONTHS + 1, month + 1):
        rng = np.random.Generator(np.random.PCG64([ground.seed, 13, start]))
        for _ in range(max(1, round(len(ground.middles) / 260))):
            centre = ground.middles[rng.integers(len(ground.middles))] + rng.normal(0.0, 150.0, 2)
            kind = list(_HOT)[rng.integers(len(_HOT))]
            drift, radius, strength = rng.normal(0.0, 170.0, 2), rng.uniform(300.0, 550.0), rng.uniform(0.6, 1.2)
            age = month - start
            away = np.hypot(*(ground.middles - centre - drift * age).T)
            rise = _HOT[kind] * strength * (1.0, 0.9, 0.5)[age] * np.exp(-0.5 * (away / radius) ** 2)
            factor[:-1, kinds.NAMES.index(kind)] += rise
    return factor


def _moments(first: int, days: Floats, kind: Whole, hours: Floats, rng: np.random.Generator) -> Whole:
    """Draw the second of each call: a day by its weight, a time by the kind's hours."""
    shares = np.cumsum(days, axis=1) / days.sum(axis=1, keepdims=True)
    day = _pick(shares, kind, rng)
    return (first + day) * DAY_S + _times(kind, hours, rng)


def _times(kind: Whole, hours: Floats, rng: np.random.Generator) -> Whole:
    return (_pick(hours, kind, rng) * 900 + rng.random(len(kind)) * 900.0).astype(np.int64)


def _pick(shares: Floats, row: Whole, rng: np.random.Generator) -> Whole:
    """Draw a column for each row number from rows of cumulative shares."""
    flat = (shares + np.arange(len(shares))[:, None]).ravel()
    found = np.searchsorted(flat, rng.random(len(row)) + row, side="right") - row * shares.shape[1]
    return np.minimum(found, shares.shape[1] - 1)


def locate(ground: Ground, at_s: Whole, kind: Whole, place: Whole, rng: np.random.Generator) -> Calls:
    """Give calls an address of their place; two of three on a street are told from a crossing."""
    spot = ground.groups.draw(place, rng)
    x, y, texts = ground.x[spot], ground.y[spot], ground.texts[spot]
    towns = ground.towns[spot]
    street = np.flatnonzero((place == len(ground.rates) - 1) & (rng.random(len(place)) < 0.67))
    way = np.searchsorted(ground.way_share, rng.random(len(street)))
    line, crossing = ground.way_lines[way], ground.way_crossings[way]
    far = np.minimum(
        np.round(rng.uniform(-60.0, _OFFSET_M, len(street)), -1), np.floor(shapely.length(line) / 10.0) * 10.0 - 10.0
    )
    far = np.maximum(far, 0.0)
    at = shapely.get_coordinates(shapely.line_interpolate_point(line, far))
    x[street], y[street], towns[street] = at[:, 0], at[:, 1], ground.towns[crossing]
    away = at - np.column_stack([ground.x[crossing], ground.y[crossing]])
    word = _DIRECTIONS[np.round(np.arctan2(away[:, 0], away[:, 1]) / (np.pi / 4.0)).astype(np.int64) % 8]
    for i, text, direction, metres in zip(
        street.tolist(), ground.texts[crossing].tolist(), word.tolist(), far.tolist(), strict=True
    ):
        texts[i] = f"{text}{direction}{metres:.0f}米" if metres else text
    return Calls(at_s, kind, x, y, texts, towns)


def _with_repeats(ground: Ground, calls: Calls, rng: np.random.Generator) -> Calls:
    """Add the near repeats: close by, within two weeks, at the kind's own hours."""
    mean = np.array([kind.repeats for kind in KINDS])[calls.kind]
    parent = np.repeat(np.arange(len(calls.kind)), rng.poisson(mean))
    wait = 1.0 + np.minimum(rng.exponential(_REPEAT_DAYS, len(parent)), 12.0)
    kind = calls.kind[parent]
    day = (calls.at_s[parent] + wait * DAY_S).astype(np.int64) // DAY_S
    at_s = day * DAY_S + _times(kind, ground.hours, rng)
    spread = np.where(rng.random(len(parent)) < _SAME_ADDRESS, 0.0, _REPEAT_M)
    wished = shapely.points(
        calls.x[parent] + rng.normal(size=len(parent)) * spread, calls.y[parent] + rng.normal(size=len(parent)) * spread
    )
    nearest = ground.home_tree.query_nearest(wished, all_matches=False)[1] if len(parent) else np.empty(0, np.int64)
    spot = ground.homes[nearest]
    near = np.hypot(ground.x[spot] - calls.x[parent], ground.y[spot] - calls.y[parent]) < 400.0
    spot, kind, at_s = spot[near], kind[near], at_s[near]
    more = (at_s, kind, ground.x[spot], ground.y[spot], ground.texts[spot], ground.towns[spot])
    first = (calls.at_s, calls.kind, calls.x, calls.y, calls.texts, calls.towns)
    return Calls(*(np.concatenate(pair) for pair in zip(first, more, strict=True)))


def _in_order(calls: Calls) -> Calls:
    order = np.argsort(calls.at_s, kind="stable")
    return Calls(*(column[order] for column in (calls.at_s, calls.kind, calls.x, calls.y, calls.texts, calls.towns)))
