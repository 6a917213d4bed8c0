"""Call records (接警单) of the made-up city, as its dispatch platform hands them over: text columns, typed by people.

Stations send WGS 84, CGCS2000, GCJ-02 or BD-09; some records have no position or no place, some are sent twice, some
are typed anew after the officers' feedback, and about one in a thousand is broken.  No column is about a person.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj

from geo_service.demo import incidents, kinds
from geo_service.demo.incidents import DAY_S, Calls
from geo_service.demo.kinds import KINDS
from geo_service.geography import crs

COLUMNS = (
    "接警编号", "报警时间", "发生时间起", "发生时间止", "警情地址", "经度", "纬度", "坐标系", "警情类别代码",
    "反馈类别代码", "更新时间", "管辖单位代码",
)  # fmt: skip
SYSTEMS = ("WGS84", "WGS84", "CGCS2000", "GCJ02", "BD09", "WGS84", "WGS84", "WGS84")  # of the stations, in turn
PLANE = 4548  # CGCS2000 / 3-degree Gauss-Krueger CM 117E [m]
CENTRE = (463_663.0, 3_919_044.0)  # of the city in PLANE: 116.6 E, 35.4 N [m]

_FEEDBACK = 0.22  # share of calls whose category the officers write back
_RETYPED = 0.03  # share whose category they change
_FEEDBACK_H = 20.0  # mean wait for it [h]
_ZERO, _EMPTY, _NOWHERE = 0.03, 0.02, 0.012  # shares with position "0", no position, place 不详
_SENT_TWICE = 0.008
_EARLIER_TOO = 0.10  # share of calls with feedback that stand twice: as first sent, and with it
_BROKEN = 0.001
_WANDER_M = 2.5  # of a position around the door
_EXTRA = np.array(["", "", "", "", "楼下", "门口", "附近", "对面", "院内"], dtype=object)
_RETYPED_TO = np.array(["030101", "050103", "060101", "010399", "010301", "030102"], dtype=object)

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stations:
    """Police stations, by number of their town: codes of 12 digits and the coordinate system each sends."""

    codes: Objects
    systems: Objects

    @staticmethod
    def of(codes: list[str]) -> "Stations":
        """Give each station its coordinate system, in turn."""
        return Stations(
            np.array(codes, dtype=object),
            np.array([SYSTEMS[i % len(SYSTEMS)] for i in range(len(codes))], dtype=object),
        )


def write(calls: Calls, serials: list[str], stations: Stations, until_s: int, rng: np.random.Generator) -> pd.DataFrame:
    """Write calls as records, a row each, as they stand at `until_s`: later feedback is not known yet."""
    kind, count = calls.kind, len(calls.kind)
    codes = _codes(kind, rng)
    feedback_s = calls.at_s + (1800 + rng.exponential(_FEEDBACK_H * 3600.0, count)).astype(np.int64)
    changed = rng.random(count) < _RETYPED
    spoken = (changed | (rng.random(count) < _FEEDBACK - _RETYPED)) & (feedback_s < until_s)
    other = rng.choice(_RETYPED_TO, count)
    fed_back = np.where(spoken, np.where(changed & (other != codes), other, codes), "")
    first_s = np.minimum(calls.at_s + rng.integers(60, 1500, count), until_s)
    begin, end = _occurred(calls, rng)
    lon, lat, system = _positions(calls, stations, rng)
    unit = stations.codes[calls.towns]
    day = written(calls.at_s, "%y%m%d")
    columns = (
        np.array([f"J{u[:8]}{d}{s}" for u, d, s in zip(unit.tolist(), day, serials, strict=True)], dtype=object),
        written(calls.at_s),
        written(begin), np.where(end > 0, written(end), ""), _places(calls.texts, rng), lon, lat, system,
        codes, fed_back, written(np.where(spoken, feedback_s, first_s)), unit,
    )  # fmt: skip
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), dtype="str")
    frame["_first_s"] = first_s
    return frame


def resent(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Add the rows that are sent twice, and for some calls the row as it stood before the feedback."""
    earlier = frame[(frame["反馈类别代码"] != "").to_numpy() & (rng.random(len(frame)) < _EARLIER_TOO)].copy()
    earlier["更新时间"] = pd.Series(written(earlier["_first_s"].to_numpy()), index=earlier.index, dtype="str")
    earlier["反馈类别代码"] = ""
    twice = frame[rng.random(len(frame)) < _SENT_TWICE]
    return pd.concat([frame, earlier, twice]).sort_index(kind="stable")


def broken(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Break about one row in a thousand, each in another way."""
    frame = frame.copy()
    column = {name: frame.columns.get_loc(name) for name in COLUMNS}
    for row in np.flatnonzero(rng.random(len(frame)) < _BROKEN).tolist():
        lon, lat = frame.iat[row, column["经度"]], frame.iat[row, column["纬度"]]
        when = frame.iat[row, column["报警时间"]]
        faults = (
            {"接警编号": ""},
            {"报警时间": ""},
            {"报警时间": when[:4] + "13" + when[6:]},
            {"报警时间": when[:8] + "25" + when[10:]},
            {"经度": lat, "纬度": lon},
            {"经度": lon.replace(".", "")},
            {"坐标系": "BJ54"},
        )
        for name, value in faults[int(rng.integers(len(faults)))].items():
            frame.iat[row, column[name]] = value
    return frame


def written(at_s: Whole, layout: str = "%Y%m%d%H%M%S") -> Objects:
    """Write seconds on the city's clock as text.

    >>> written(np.array([1767225600])).tolist()
    ['20260101000000']
    """
    return pd.DatetimeIndex(at_s.astype("datetime64[s]")).strftime(layout).to_numpy(dtype=object)


def to_wgs84(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Take the city's metres (centre 0, 0) to WGS 84 degrees."""
    lon, lat = _transformer().transform(x + CENTRE[0], y + CENTRE[1])
    return np.asarray(lon), np.asarray(lat)


def from_wgs84(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Take WGS 84 degrees to the city's metres."""
    x, y = _transformer().transform(lon, lat, direction="INVERSE")
    return np.asarray(x) - CENTRE[0], np.asarray(y) - CENTRE[1]


@functools.cache
def _transformer() -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(PLANE, 4326, always_xy=True)  # 80 ms to make


def _codes(kind: Whole, rng: np.random.Generator) -> Objects:
    found = np.empty(len(kind), dtype=object)
    draw = rng.random(len(kind))
    for number in np.unique(kind).tolist():
        codes = KINDS[number].codes
        here = np.flatnonzero(kind == number)
        share = np.cumsum(list(codes.values())) / sum(codes.values())
        found[here] = np.array(list(codes), dtype=object)[np.searchsorted(share, draw[here], side="right")]
    return found


def _occurred(calls: Calls, rng: np.random.Generator) -> tuple[Whole, Whole]:
    """Give when it happened: from, and to (0 where the moment is known)."""
    window = np.array([kind.window_h for kind in KINDS])[calls.kind] * 3600.0
    since = rng.gamma(2.0, 0.5, len(window))
    end = calls.at_s - (600.0 + 3000.0 * rng.random(len(window))).astype(np.int64)
    begin = np.where(
        window > 0.0,
        end - (600.0 + window * since).astype(np.int64),
        calls.at_s - (120.0 + 900.0 * since).astype(np.int64),
    )
    return begin, np.where(window > 0.0, end, 0)


def _positions(calls: Calls, stations: Stations, rng: np.random.Generator) -> tuple[Objects, Objects, Objects]:
    """Write positions in the system of each call's station; "0" or nothing where the caller's place was not found."""
    wander = rng.normal(0.0, _WANDER_M, (2, len(calls.x)))
    lon, lat = to_wgs84(calls.x + wander[0], calls.y + wander[1])
    system = stations.systems[calls.towns]
    shifted = np.isin(system, ("GCJ02", "BD09"))
    lon[shifted], lat[shifted] = crs.wgs84_to_gcj02(lon[shifted], lat[shifted])
    twice = system == "BD09"
    lon[twice], lat[twice] = crs.gcj02_to_bd09(lon[twice], lat[twice])
    texts = [np.array([f"{value:.6f}" for value in degrees.tolist()], dtype=object) for degrees in (lon, lat)]
    draw = rng.random(len(lon))
    for text in texts:
        text[draw < _ZERO + _EMPTY] = ""
        text[draw < _ZERO] = "0"
    return texts[0], texts[1], system


def _places(texts: Objects, rng: np.random.Generator) -> Objects:
    extra = rng.choice(_EXTRA, len(texts))
    plain = np.array([text.endswith(("米", "交叉口")) for text in texts.tolist()], dtype=bool)
    found = np.where(plain, texts, texts + extra)
    found[rng.random(len(texts)) < _NOWHERE] = "不详"
    return found


def history(ground: incidents.Ground, stations: Stations, start_s: int, until_s: int) -> pd.DataFrame:
    """Give the records of all calls from `start_s` up to `until_s` [s on the city's clock], by month and time."""
    months = range(incidents.month_of(start_s - 15 * DAY_S), incidents.month_of(until_s) + 1)
    parts = []
    for month in months:
        calls = incidents.month_calls(ground, month)
        rng = np.random.Generator(np.random.PCG64([ground.seed, 14, month]))
        # A month's near repeats may be called in the next: even and odd months number their calls apart.
        serials = [f"{2 * i + month % 2:05d}" for i in range(len(calls.kind))]
        rows = broken(resent(write(calls, serials, stations, until_s, rng), rng), rng)
        inside = (calls.at_s >= start_s) & (calls.at_s < until_s)
        parts.append(rows[inside[rows.index.to_numpy()]])
    found = pd.concat(parts, ignore_index=True)
    return found[list(COLUMNS)]


def codes_of(counted: bool) -> frozenset[str]:
    """Give the codes of the kinds that colour a place, or of those that do not."""
    return frozenset(code for kind in kinds.KINDS if kind.counted == counted for code in kind.codes)
