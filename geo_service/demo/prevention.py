"""Prevention in the made-up city: gates and who guards them, checkpoints and their visits, alarms, venues, measures.

Tables of text as files hold them (docs/prevention.md), for `load prevention`; made from the finished city alone, so
that its ground and records do not depend on them.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import shapely

from geo_service.demo.city import TIME_ZONE, City

VISIT_DAYS = 30

_GUARDED = 0.45  # share of gates with a post
_ALARMED = 0.15  # share of communities with an alarm on their border
_PATROLLED = 0.25  # share of communities with two checkpoints
_VISITS_A_DAY = 1.8
_CHANGED = 0.04  # share of communities with a measure in the year before last
_VENUES_A_COMMUNITY = 0.3  # 3,262 venues stand beside 10,834 places in the city this one is made after
_TRADES = ("hotel", "internet", "karaoke", "bath", "pawnshop", "repair", "scrap")
_GRADES, _SHARES = ("A", "B", "C", "D"), (0.45, 0.35, 0.15, 0.05)
_MEASURES = ("refurbished", "gated", "lit", "guarded")


def of(city: City) -> dict[str, pd.DataFrame]:
    """Give the tables objects, visits and measures; positions are WGS 84."""
    rng = np.random.Generator(np.random.PCG64([city.seed, 31]))
    parts = [*_at_gates(city, rng), _checkpoints(city, rng), _alarms(city, rng), _venues(city, rng)]
    objects = pd.concat(parts, ignore_index=True).fillna("")
    checkpoints = objects.loc[objects["kind"] == "checkpoint", "object_id"].tolist()
    return {"objects": objects, "visits": _visits(city, checkpoints, rng), "measures": _measures(city, rng)}


def _objects(kind: str, sign: str, points: np.ndarray, names: list[str], **more: object) -> pd.DataFrame:
    columns = {
        "object_id": [f"{sign}{number:05d}" for number in range(1, len(points) + 1)],
        "kind": kind,
        "name": names,
        "lon": [f"{lon:.7f}" for lon in shapely.get_x(points)],
        "lat": [f"{lat:.7f}" for lat in shapely.get_y(points)],
        "valid_from": "2020-01-01",
    }
    return pd.DataFrame({**columns, **more}, dtype="str")


def _at_gates(city: City, rng: np.random.Generator) -> list[pd.DataFrame]:
    gates = city.addresses[city.addresses["kind"] == "gate"].reset_index(drop=True)
    names = (gates["place"] + gates["building"]).tolist()
    access = rng.choice(["open", "card", "face"], len(gates), p=[0.4, 0.35, 0.25])
    belong = {"zone_kind": "communities", "zone_id": gates["zone_id"].to_numpy()}
    found = _objects("gate", "G", np.asarray(gates.geometry), names, access=access, **belong)
    guarded = np.flatnonzero(rng.random(len(gates)) < _GUARDED)
    posts = _objects(
        "guard_post",
        "P",
        np.asarray(gates.geometry)[guarded],
        [f"{names[at]}岗" for at in guarded],
        guards=rng.integers(1, 4, len(guarded)).astype(str),
        zone_kind="communities",
        zone_id=gates["zone_id"].to_numpy()[guarded],
    )
    return [found, posts]


def _checkpoints(city: City, rng: np.random.Generator) -> pd.DataFrame:
    chosen = city.communities[rng.random(len(city.communities)) < _PATROLLED]
    middle = shapely.point_on_surface(np.asarray(chosen.geometry))
    corner = shapely.get_point(shapely.get_exterior_ring(np.asarray(chosen.geometry.convex_hull)), 0)
    halfway = shapely.line_interpolate_point(shapely.shortest_line(middle, corner), 0.5, normalized=True)
    names = [f"{name}巡更点{number}" for number in (1, 2) for name in chosen["name"]]
    ids = np.tile(chosen["zone_id"].to_numpy(), 2)
    points = np.concatenate([middle, halfway])
    return _objects("checkpoint", "C", points, names, zone_kind="communities", zone_id=ids)


def _alarms(city: City, rng: np.random.Generator) -> pd.DataFrame:
    chosen = city.communities[rng.random(len(city.communities)) < _ALARMED]
    border = shapely.get_exterior_ring(np.asarray(chosen.geometry.convex_hull))
    points = shapely.line_interpolate_point(border, rng.random(len(border)), normalized=True)
    names = [f"{name}周界报警" for name in chosen["name"]]
    status = rng.choice(["online", "offline", "fault"], len(chosen), p=[0.92, 0.05, 0.03])
    ids = chosen["zone_id"].to_numpy()
    return _objects("perimeter_alarm", "A", points, names, status=status, zone_kind="communities", zone_id=ids)


def _venues(city: City, rng: np.random.Generator) -> pd.DataFrame:
    doors = city.addresses[city.addresses["kind"] == "door"].reset_index(drop=True)
    number = min(len(doors), round(_VENUES_A_COMMUNITY * len(city.communities)))
    chosen = np.sort(rng.choice(len(doors), size=number, replace=False))
    graded = [city.until.date() - timedelta(days=int(days)) for days in rng.integers(5, 400, number)]
    return _objects(
        "venue",
        "V",
        np.asarray(doors.geometry)[chosen],
        [f"{doors['road'][at]}{doors['number'][at]}号" for at in chosen],
        grade=rng.choice(_GRADES, number, p=_SHARES),
        trade=rng.choice(_TRADES, number),
    ).assign(valid_from=[day.isoformat() for day in graded])


def _visits(city: City, checkpoints: list[str], rng: np.random.Generator) -> pd.DataFrame:
    today = city.until.astimezone(ZoneInfo(TIME_ZONE)).date()
    rows: list[tuple[str, str]] = []
    for checkpoint in checkpoints:
        for back, number in enumerate(rng.poisson(_VISITS_A_DAY, VISIT_DAYS).tolist(), start=1):
            day = today - timedelta(days=back)
            minutes = rng.integers(0, 1440, number).tolist()
            rows += [(checkpoint, f"{day} {minute // 60:02d}:{minute % 60:02d}") for minute in minutes]
    return pd.DataFrame(rows, columns=["object_id", "at"], dtype="str")


def _measures(city: City, rng: np.random.Generator) -> pd.DataFrame:
    ids = city.communities["zone_id"].to_numpy()
    chosen = np.sort(rng.choice(ids, size=max(1, round(_CHANGED * len(ids))), replace=False))
    days = [city.until.date() - timedelta(days=int(back)) for back in rng.integers(240, 400, len(chosen))]
    columns = {"zone_kind": "communities", "zone_id": chosen, "what": rng.choice(_MEASURES, len(chosen))}
    return pd.DataFrame({**columns, "from_day": [day.isoformat() for day in days]}, dtype="str")
