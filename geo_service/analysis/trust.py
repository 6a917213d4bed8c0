"""Trust: what stands beside a colour: how sure it is, what the last 30 days would give, and when there is none.

Pure.  A colour is as sure as its incidents' places: one near a border may have happened on the other side.  A place has
no colour, but a reason, where its station places too few of its calls, or where nothing has been pulled for too long:
last month's green must not stand for what nobody knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy import special

from geo_service.analysis import counts, early_warnings, rules
from geo_service.analysis import incidents as incident_rows
from geo_service.errors import BadRule
from geo_service.geography.zones import Zones

STALE, PLACEMENT = "stale", "placement"  # why a place has no colour
WITHHELD = -1  # its level

_SIGMAS_IN_90 = 2.1459660262893  # sqrt(2 ln 10): the circle that holds 90 % of a normal scatter in the plane
_WITHIN_SIGMAS = 3.0  # farther from a border 1 incident in 700 lies on the other side
_METRES_A_DEGREE = 111_320.0
_MOST = 200  # incidents of a place looked at one by one; with more of them no border matters

_WITHHELD_COLUMNS = ("zone_kind", "zone_id", "reason", "station", "rate")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trust:
    """What rules/trust.toml says; each unit stands there."""

    coordinates_uncertainty_m: float
    sure: float
    placement_rate: float
    placement_calls: int
    stale_after_min: int
    shadow_days: int
    history_months: int


def parse(table: Mapping[str, object], where: str) -> Trust:
    """Read rules/trust.toml.  Raises BadRule for a key that is missing, unknown or no positive number."""
    known = [field.name for field in fields(Trust)]
    for key in {*known, *table}:
        value = table.get(key)
        if key not in known or not isinstance(value, int | float) or value <= 0:
            raise BadRule(f"{where}: {key} is {value!r}; expected positive numbers under {', '.join(known)}")
    return Trust(**{key: table[key] for key in known})  # type: ignore[arg-type]


def is_stale(pulled_at: datetime | None, now: datetime, trust: Trust) -> bool:
    """Tell whether the running month is stale: the oldest last pull among the sources (None: none is pulled) is old."""
    return pulled_at is not None and now - pulled_at > timedelta(minutes=trust.stale_after_min)


def everywhere() -> pd.DataFrame:
    """Take the colour from every place, because nothing has been pulled for too long; as `withheld`."""
    return pd.DataFrame([["", "", STALE, "", np.nan]], columns=list(_WITHHELD_COLUMNS))


def poor(stations: pd.DataFrame, trust: Trust) -> dict[str, float]:
    """Name the stations that place too few of their calls, each with the share of them that were placed [-]."""
    rate = stations["located"] / stations["calls"].clip(lower=1)
    few = (stations["calls"] >= trust.placement_calls) & (rate < trust.placement_rate)
    return dict(zip(stations["station"][few], rate[few], strict=True))


def withheld(stations: pd.DataFrame, lineage: pd.DataFrame, trust: Trust) -> pd.DataFrame:
    """Tell which places have no colour in a month because their stations place too few of its calls.

    `stations` (station, calls, located) of the month, `lineage` as jurisdictions.Trees.lineage gives it.  Columns
    zone_kind, zone_id ("" is every one), reason, station, rate (share of its calls that were placed [-]).

    >>> stations = pd.DataFrame({"station": ["s1", "s2"], "calls": [50, 50], "located": [49, 40]})
    >>> lineage = pd.DataFrame([["units", "a", "s1"], ["units", "b", "s2"]])
    >>> lineage.columns = ["zone_kind", "zone_id", "police_station"]
    >>> withheld(stations, lineage, Trust(20, 0.8, 0.85, 20, 30, 30, 36)).values.tolist()
    [['units', 'b', 'placement', 's2', 0.8]]
    """
    columns, rates = list(_WITHHELD_COLUMNS), poor(stations, trust)
    places = lineage[lineage["police_station"].isin(list(rates))]
    found = places[["zone_kind", "zone_id"]].assign(reason=PLACEMENT, station=places["police_station"])
    return found.assign(rate=places["police_station"].map(rates).astype(float))[columns].reset_index(drop=True)


def shadow(incidents: pd.DataFrame, zones: Zones, city: rules.Rules, now: datetime, trust: Trust) -> pd.DataFrame:
    """Give what the last days would colour, across the 1st of the month.

    `incidents` of this month and the one before (or more), placed.  Columns shadow_count, shadow_level, one row a zone
    in the order of `zones`; thresholds are those of the newest month.
    """
    since = pd.Timestamp(now) - pd.Timedelta(days=trust.shadow_days)
    recent = incidents[((incidents["called_at"] > since) & (incidents["called_at"] <= pd.Timestamp(now))).to_numpy()]
    count = np.zeros(len(zones), dtype=np.int64)
    for month in recent["month"].unique():
        count += counted(recent[(recent["month"] == month).to_numpy()], zones, city)
    month = str(incidents["month"].max()) if len(incidents) else ""
    limits = limits_of(zones, city.levels_at(month)) if month else np.full((len(zones), 4), 1, dtype=np.int64)
    return pd.DataFrame({"shadow_count": count, "shadow_level": (limits <= count[:, np.newaxis]).sum(axis=1)})


def counted(incidents: pd.DataFrame, zones: Zones, city: rules.Rules) -> npt.NDArray[np.int64]:
    """Count the incidents of one month that colour each zone, in the order of `zones`."""
    these = _colouring(incidents, zones.kind, city)
    which = pd.Index(zones.ids).get_indexer(pd.Index(these[incident_rows.ID_COLUMN[zones.kind]]))
    return np.bincount(which[which >= 0], minlength=len(zones))


def limits_of(zones: Zones, rule: rules.Levels) -> npt.NDArray[np.int64]:
    """Give the thresholds of each zone: (n, 4), yellow to black."""
    code, classes = pd.factorize(zones.classes)
    by_class = np.array([rule.thresholds(zones.kind, str(one)) for one in classes], dtype=np.int64).reshape(-1, 4)
    return by_class[code]


def confidence(incidents: pd.DataFrame, zones: Zones, city: rules.Rules, trust: Trust) -> Floats:
    """Give how likely each zone's colour of one month is the true one, as far as its incidents' places go.

    `incidents` of the month (incidents.INCIDENT_COLUMNS).  Each lies where it is said to within its uncertainty
    (uncertainty_m holds it with 90 %; a normal scatter), so it belongs to a zone whose border is d away with
    probability Phi(d / sigma); where the text names the zone, with the confidence of that reading.  The true count is a
    sum of such chances; the confidence is that of the counts with the colour told.  In the order of `zones`.
    """
    certain = np.ones(len(zones))
    if incidents.empty or not len(zones):
        return certain
    rule = city.levels_at(str(incidents["month"].iloc[0]))
    rows = early_warnings.standing(incidents, city)
    rows = rows[early_warnings.counted_mask(rows, {str(incidents["month"].iloc[0]): rule}) & rows["lon"].notna()]
    which, zone, chance = _chances(rows.reset_index(drop=True), zones, trust)
    if city.placing[zones.kind] == "unless_in_unit":
        chance = chance * rows["unit_id"].isna().to_numpy()[which]
    level = rule.of(counted(rows, zones, city), limits_of(zones, rule))
    limits = limits_of(zones, rule)
    order = np.argsort(zone, kind="stable")
    starts = np.searchsorted(zone[order], np.arange(len(zones) + 1))
    for place in np.unique(zone).tolist():
        certain[place] = _of_level(chance[order[starts[place] : starts[place + 1]]], limits[place], int(level[place]))
    return certain


def _colouring(incidents: pd.DataFrame, kind: str, city: rules.Rules) -> pd.DataFrame:
    """Keep the incidents of one month that colour a kind of zones."""
    rows = early_warnings.standing(incidents, city)
    if rows.empty:
        return rows
    month = str(rows["month"].iloc[0])
    mask = counts.counting(rows, kind, city.placing) & early_warnings.counted_mask(rows, {month: city.levels_at(month)})
    return rows[mask]


def _chances(
    rows: pd.DataFrame, zones: Zones, trust: Trust
) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]":
    """Give the pairs of incident and zone that may belong together, and how likely each is."""
    scale = np.array([np.cos(np.radians(float(rows["lat"].mean()))) if len(rows) else 1.0, 1.0]) * _METRES_A_DEGREE
    areas = np.asarray(shapely.transform(zones.geometry, lambda at: at * scale))
    points = np.asarray(shapely.points(rows[["lon", "lat"]].to_numpy() * scale))
    radius = rows["uncertainty_m"].fillna(trust.coordinates_uncertainty_m).to_numpy()
    sigma = np.maximum(radius, 0.1) / _SIGMAS_IN_90
    which, zone = shapely.STRtree(areas).query(points, predicate="dwithin", distance=_WITHIN_SIGMAS * sigma)
    inside = shapely.intersects(areas[zone], points[which])
    away = shapely.distance(shapely.boundary(areas[zone]), points[which])
    chance = special.ndtr(np.where(inside, away, -away) / sigma[which])
    held = pd.Index(zones.ids).get_indexer(pd.Index(rows[incident_rows.ID_COLUMN[zones.kind]]))
    named = (rows["named_kind"] == zones.kind).to_numpy(dtype=bool) & (held >= 0)
    stays = ~named[which]  # what its text says it belongs to does not hang on a border
    surely = rows["confidence"].fillna(1.0).to_numpy()[named]
    return (
        np.concatenate([which[stays], np.flatnonzero(named)]),
        np.concatenate([zone[stays], held[named]]),
        np.concatenate([chance[stays], surely]),
    )


def _of_level(chances: Floats, limits: npt.NDArray[np.int64], level: int) -> float:
    """Give the probability that the number of chances that come true has a level."""
    some = np.sort(chances[chances > 0])[::-1][:_MOST]
    spread = np.ones(1)
    for chance in some.tolist():
        spread = np.convolve(spread, [1 - chance, chance])
    of = np.searchsorted(limits, np.arange(len(spread)), side="right")
    return float(spread[of == level].sum())
