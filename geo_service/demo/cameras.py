"""Cameras of the made-up city: heads on poles at crossings, along streets, at gates and inside units; in metres.

A pole holds 2.2 heads on average (2.24 in the registry of Hwaseong, Korea) and is what fails as one.  Heads at a
crossing look into its streets, heads at a gate along the street; a panoramic dome has no azimuth.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.demo import buildings, places, streets

HEADS_A_POLE = 2.2
# type: share, horizontal angle from and to [deg], range from and to [m]
_TYPES = {
    "fixed": (0.70, 42.0, 98.0, 35.0, 110.0),
    "ptz": (0.18, 55.0, 65.0, 90.0, 220.0),
    "dome": (0.12, 360.0, 360.0, 15.0, 35.0),
}
_STATUS = {"online": 0.945, "offline": 0.04, "fault": 0.015}
_FAR_M = 260.0  # between two poles along one street

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def mount(
    count: int, where: places.Places, network: streets.Streets, built: buildings.Buildings, rng: np.random.Generator
) -> pd.DataFrame:
    """Give `count` camera heads as a frame; x, y are metres, azimuths degrees clockwise from north (NaN for domes)."""
    poles = max(1, round(count / HEADS_A_POLE))
    sites = pd.concat([_street_sites(network, built, rng), _gate_sites(where, network, built, rng)], ignore_index=True)
    weight = sites["weight"].to_numpy() / (0.35 + np.hypot(sites["x"], sites["y"]) / 5000.0)
    poles = min(poles, len(sites))
    chosen = np.sort(rng.choice(len(sites), size=poles, replace=False, p=weight / weight.sum()))
    heads = 1 + rng.multinomial(max(0, count - poles), np.full(poles, 1.0 / poles))
    pole = np.repeat(np.arange(poles), heads)
    nth = np.arange(len(pole)) - np.repeat(np.cumsum(heads) - heads, heads)
    return _heads(sites.iloc[chosen[pole]].reset_index(drop=True), pole, nth, where.towns, rng)


def _heads(site: pd.DataFrame, pole: Whole, nth: Whole, towns: places.Towns, rng: np.random.Generator) -> pd.DataFrame:
    count = len(site)
    kinds = rng.choice(np.array(list(_TYPES), dtype=object), size=count, p=[t[0] for t in _TYPES.values()])
    low, high, near, far = (np.array([_TYPES[kind][i] for kind in kinds.tolist()]) for i in (1, 2, 3, 4))
    looks = np.array(
        [
            look[n % len(look)] + 37.0 * (n // len(look))
            for look, n in zip(site["looks"].tolist(), nth.tolist(), strict=True)
        ]
    )
    azimuth = np.where(kinds == "dome", np.nan, np.round((looks + rng.normal(0.0, 9.0, count)) % 360.0, 0) % 360.0)
    town = towns.of(site[["x", "y"]].to_numpy())
    numbers = [
        f"{towns.codes[t][:6]}0000132{i:07d}" for i, t in enumerate(town.tolist(), 1)
    ]  # 132: camera, as in GB/T 28181
    month = pd.Period("2016-01", "M").ordinal + rng.integers(0, 108, count)
    return pd.DataFrame(
        {
            "camera_id": numbers,
            "pole_id": np.array([f"P{p + 1:06d}" for p in pole.tolist()], dtype=object),
            "name": [f"{label}-{n + 1}" for label, n in zip(site["label"].tolist(), nth.tolist(), strict=True)],
            "type": kinds,
            "owner": site["owner"].to_numpy(),
            "azimuth_deg": azimuth,
            "angle_deg": np.round(rng.uniform(low, high), 0),
            "range_m": np.round(rng.uniform(near, far), 0),
            "height_m": np.round(rng.uniform(3.5, 6.5, pole.max() + 1)[pole], 1),
            "resolution_px": rng.choice([1920, 2560, 3840], size=count, p=[0.6, 0.28, 0.12]),
            "status": rng.choice(np.array(list(_STATUS), dtype=object), size=count, p=list(_STATUS.values())),
            "installed": [str(pd.Period(ordinal=int(m), freq="M")) for m in month.tolist()],
            "retention_days": rng.choice([15, 30, 90], size=count, p=[0.2, 0.7, 0.1]),
            "x": site["x"].to_numpy(),
            "y": site["y"].to_numpy(),
        }
    )


def _street_sites(network: streets.Streets, built: buildings.Buildings, rng: np.random.Generator) -> pd.DataFrame:
    """Give sites for public poles: on the corners of crossings, and on the kerb of long stretches."""
    wide = network.half_width_m()
    degree = network.degree()
    main = np.isin(network.kinds, ("ring", "arterial", "secondary"))
    node = np.concatenate([network.tails, network.heads])
    edge = np.tile(np.arange(len(network.lines)), 2)
    heading = np.concatenate([_headings(network.lines, True), _headings(network.lines, False)])
    found = []
    order = np.argsort(node, kind="stable")
    node, edge, heading = node[order], edge[order], heading[order]
    starts = np.searchsorted(node, np.arange(len(network.nodes) + 1))
    for n in np.flatnonzero(degree > 2).tolist():
        here = slice(starts[n], starts[n + 1])
        looks, edges = heading[here], edge[here]
        x, y = _corner(network.nodes[n], looks, float(wide[edges].max()), rng)
        names = list(dict.fromkeys(network.roads[edges].tolist()))[:2]
        share = 1.0 if main[edges].sum() > 2 else 0.22
        found.append((x, y, looks.tolist(), "public", "与".join(names) + "路口", share))
    for e in np.flatnonzero(main & (shapely.length(network.lines) > _FAR_M)).tolist():
        middle, look = (
            network.lines[e].interpolate(0.5, normalized=True),
            float(_headings(network.lines[e : e + 1], True)[0]),
        )
        away, reach = np.radians(look + 90.0), wide[e] + 1.0
        x, y = middle.x + reach * np.sin(away), middle.y + reach * np.cos(away)
        found.append((x, y, [look, (look + 180.0) % 360.0], "public", f"{network.roads[e]}路段", 0.5))
    return _clear(_sites(found), built)


def _corner(node: Floats, looks: Floats, half_width: float, rng: np.random.Generator) -> tuple[float, float]:
    """Give a point on the kerb of a crossing: between two neighbouring streets, outside both."""
    turns = np.sort(looks)
    gaps = np.diff(np.append(turns, turns[0] + 360.0))
    nth = int(rng.choice(np.flatnonzero(gaps > 40.0)))
    gap = min(float(gaps[nth]), 180.0)
    away = np.radians(turns[nth] + gaps[nth] / 2.0)
    far = (half_width + 1.0) / np.sin(np.radians(gap / 2.0))
    return float(node[0] + far * np.sin(away)), float(node[1] + far * np.cos(away))


def _headings(lines: Objects, from_start: bool) -> Floats:
    """Give the compass direction in which each line leaves its first (or last) point [deg]."""
    end = shapely.get_coordinates(shapely.get_point(lines, 0 if from_start else -1))
    onward = shapely.get_coordinates(shapely.line_interpolate_point(lines, 15.0 if from_start else -15.0))
    return np.degrees(np.arctan2(*(onward - end).T)) % 360.0


def _gate_sites(
    where: places.Places, network: streets.Streets, built: buildings.Buildings, rng: np.random.Generator
) -> pd.DataFrame:
    """Give sites for poles at the walls of communities and units, most of them private."""
    found = []
    for zones, weight in ((where.communities, 0.8), (where.units, 2.2)):
        wall = shapely.get_exterior_ring(zones.areas)
        edge = shapely.STRtree(network.lines).query_nearest(shapely.centroid(zones.areas), all_matches=False)[1]
        gate = shapely.shortest_line(wall, network.lines[edge])
        middle = shapely.get_coordinates(shapely.centroid(zones.areas))
        for nth in range(3):
            at = (
                shapely.line_interpolate_point(wall, rng.random(len(wall)), normalized=True)
                if nth
                else shapely.get_point(gate, 0)
            )
            xy = shapely.get_coordinates(at)
            inward = np.degrees(np.arctan2(*(middle - xy).T)) % 360.0
            owner = np.where(rng.random(len(xy)) < 0.85, "private", "public")
            rows = zip(xy.tolist(), inward.tolist(), owner.tolist(), zones.names.tolist(), strict=True)
            found += [
                (x, y, [a + 75.0, a - 75.0, a], o, f"{name}{'门口' if nth == 0 else '围墙'}", weight)
                for (x, y), a, o, name in rows
            ]
    return _clear(_sites(found), built)


def _sites(rows: list[tuple[float, float, list[float], str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["x", "y", "looks", "owner", "label", "weight"])


def _clear(sites: pd.DataFrame, built: buildings.Buildings) -> pd.DataFrame:
    """Leave out sites inside or against a building."""
    blocked = shapely.STRtree(built.shapes).query(shapely.points(sites[["x", "y"]].to_numpy()), "dwithin", 0.4)[0]
    return sites.drop(index=np.unique(blocked)).reset_index(drop=True)
