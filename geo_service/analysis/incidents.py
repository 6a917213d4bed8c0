"""Incidents: a feed's raw row becomes an Incident, or Rejected with the reason.

Pure.  A feed is data (rules/feeds/*.toml): which columns it takes, its clock, its coordinate system, its codes.  The
call time decides month and order; the occurrence time is kept.  A row without usable coordinates is an incident that
waits for geocoding; a row that cannot be an incident is Rejected, whole, with what came, what was expected and what
to do.

Frames (pandas, RangeIndex; times are UTC, coordinates WGS 84):
INCIDENT_COLUMNS  one row an incident;  REJECTED_COLUMNS  one row a refused source row.
How an incident's position is known stands beside it (WHEREABOUTS_COLUMNS); reading knows coordinates only, what the
place text says is the work of whereabouts.py, and WORKING_COLUMNS are what it needs to know for that.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from geo_service.analysis import keys, rules
from geo_service.analysis.doubts import Doubts
from geo_service.analysis.feed import Feed
from geo_service.geography import crs

# lon, lat is where an incident is taken to be, source_lon, source_lat where its source says it is.  located_by:
# coordinates, address, person, "" (waits); match_level: level of the text's answer, "" none; uncertainty_m, confidence:
# NaN unknown; conflict: how text and coordinates disagree, "" not; named_kind, named_id: the zone of the text, "" none.
WHEREABOUTS_COLUMNS = (
    "source_lon", "source_lat", "located_by", "match_level", "uncertainty_m", "confidence", "conflict", "named_kind",
    "named_id",
)  # fmt: skip
NUMBER_COLUMNS = ("lon", "lat", "source_lon", "source_lat", "uncertainty_m", "confidence")
INCIDENT_COLUMNS = (
    "feed", "incident_id", "called_at", "occurred_from", "occurred_to", "filed_at", "updated_at", "place", "category",
    "source_category", "station", "lon", "lat", *WHEREABOUTS_COLUMNS, "month", "community_id", "unit_id",
    "patrol_zone_id", "cell", "placed", "triage", "digest",
)  # fmt: skip
# While texts are looked at: the system of the row's coordinates, and why they are no good, "" where they are.
WORKING_COLUMNS = ("system", "doubt")
REJECTED_COLUMNS = ("feed", "source", "row", "incident_id", "reason", "detail", "fields")
ID_COLUMN = {"communities": "community_id", "units": "unit_id", "patrol_zones": "patrol_zone_id"}
TIME_COLUMNS = ("called_at", "occurred_from", "occurred_to", "filed_at", "updated_at")
CONFIRMED, INVALID = "confirmed", "invalid"  # triage: what a person found; "" while nobody has looked

_DOUBTED = ("bad_coordinates", "axes_swapped", "unknown_system")  # why a position is not believed

_LONGEST_ID = 200  # letters; a database index holds keys of up to 2.7 kB
_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
_WINDOW = re.compile(r"\s*(\d{1,2})\s*[~～\-]\s*(\d{1,2})\s*")

_COMPUTE: Any = pyarrow.compute

Texts: TypeAlias = "pd.Series[str]"
Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Read:
    """What reading a batch gave: `incidents` not yet placed (zone ids, cell and digest are empty) and `rejected`.

    `doubted`: incidents whose coordinates are no good and whose place text must do.
    """

    incidents: pd.DataFrame
    rejected: pd.DataFrame
    doubts: Doubts
    doubted: int = 0


class _Positions(NamedTuple):
    """Coordinates in WGS 84, NaN for rows that wait; the number of each row's system among `names`, -1 unknown."""

    lon: Floats
    lat: Floats
    waiting: Flags
    system: npt.NDArray[np.int64]
    names: Sequence[str]
    doubts: Doubts


def empty_incidents() -> pd.DataFrame:
    """Give an INCIDENTS frame without rows."""
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in INCIDENT_COLUMNS})
    for column in TIME_COLUMNS:
        frame[column] = pd.Series(dtype="datetime64[us, UTC]")
    return frame.astype(dict.fromkeys(NUMBER_COLUMNS, "float64"))


def read(
    rows: pd.DataFrame, feed: Feed, now: datetime | None, *, by_text: bool = False, city: rules.Rules | None = None
) -> Read:
    """Read a batch of raw rows.

    `rows` holds one text column for each of ``feed.columns_taken`` (missing is ""), `_source` and `_row`, and may hold
    `_broken` (why the row could not be cut into fields).  With `now` (aware), calls later than it are Rejected.
    Every row comes out exactly once: as an incident or as Rejected.  Whether the feed file is wrong, not its rows, is
    left to the caller (doubts.check).  The month is that of the call, unless the rules of a `city` go by another time.
    With `by_text`, because somebody can locate texts, a row that has a place text
    but impossible coordinates waits instead of being Rejected, and incidents have WORKING_COLUMNS too.
    """
    rows = rows.reset_index(drop=True)
    refusals = Refusals(len(rows))
    incident_id = _identities(rows, feed, refusals)
    times, timed = _times(rows, feed, now, refusals)
    at = _positions(rows, feed, refusals)
    place = _place(rows, feed)
    exchanged = refusals.reason == "axes_swapped"
    doubt = refusals.lift(_DOUBTED, place != "") if by_text else np.full(len(rows), "", dtype=object)
    at = _waiting_too(at, doubt != "") if by_text else at
    source_category = _source_category(rows, feed)
    local = times["called_at"].dt.tz_convert(feed.city_zone)
    found = {
        "feed": spelled([feed.id], np.zeros(len(rows), dtype=np.int64)),
        "incident_id": incident_id,
        **times,
        "place": place,
        "category": categories(source_category, local, feed),
        "source_category": source_category,
        "station": joined(rows, feed.columns.get("unit", ()), " "),
        "lon": at.lon,
        "lat": at.lat,
        **_whereabouts(at),
        "month": _month(times, feed.city_zone, city),
        **dict.fromkeys((*ID_COLUMN.values(), "cell", "digest"), spelled([""], np.full(len(rows), -1))),
        "placed": spelled(["outside", "waiting"], at.waiting.astype(np.int64)),
        "triage": spelled([""], np.zeros(len(rows), dtype=np.int64)),
    }
    frame, good = pd.DataFrame(found)[list(INCIDENT_COLUMNS)], refusals.reason == ""
    if by_text:
        swapped = spelled(["", "swapped"], (exchanged & (doubt != "")).astype(np.int64))
        system = spelled(at.names, at.system).fillna("")
        frame = frame.assign(conflict=swapped, system=system, doubt=pd.Series(doubt, dtype="str"))
    kept = frame if good.all() else frame[good].reset_index(drop=True)
    doubted = int((kept["doubt"] != "").sum()) if by_text else 0
    return Read(kept, _rejected(rows, feed, incident_id, refusals), timed + at.doubts, doubted)


def _place(rows: pd.DataFrame, feed: Feed) -> Texts:
    place = joined(rows, feed.columns.get("place", ()), " ")
    return place.mask(place.isin(feed.unknown_places), "")


def _source_category(rows: pd.DataFrame, feed: Feed) -> Texts:
    source_category = joined(rows, feed.columns["category"], " ")
    if "retyped" not in feed.columns:
        return source_category
    retyped = joined(rows, feed.columns["retyped"], " ")
    return retyped.where(retyped != "", source_category)


def _identities(rows: pd.DataFrame, feed: Feed, refusals: "Refusals") -> Texts:
    broken = text(rows, "_broken")
    refusals.add(broken != "", "broken_row", lambda i: f"{broken[i]}; send the row again whole")
    found = joined(rows, feed.columns["id"], "-")
    refusals.add(
        found == "", "missing_id", lambda _: f"no value in {' + '.join(feed.columns['id'])}, the row's identity"
    )
    refusals.add(
        found.str.len() > _LONGEST_ID,
        "bad_id",
        lambda i: f"an identity of {len(found[i])} letters, at most {_LONGEST_ID} can be kept; shorten it",
    )
    return found


def _waiting_too(at: _Positions, more: Flags) -> _Positions:
    """Let more rows wait, whatever their coordinates were."""
    lon, lat = np.where(more, np.nan, at.lon), np.where(more, np.nan, at.lat)
    return at._replace(lon=lon, lat=lat, waiting=at.waiting | more)


def _whereabouts(at: _Positions) -> "dict[str, Texts | Floats]":
    """Say how positions are known as far as coordinates tell."""
    texts = spelled([""], np.zeros(len(at.waiting), dtype=np.int64))
    unknown = np.full(len(at.waiting), np.nan)
    return {
        **dict.fromkeys(WHEREABOUTS_COLUMNS, texts),
        "source_lon": at.lon,
        "source_lat": at.lat,
        "located_by": spelled(["coordinates", ""], at.waiting.astype(np.int64)),
        **dict.fromkeys(("uncertainty_m", "confidence"), unknown),
    }


def spelled(values: Sequence[str] | Objects, code: npt.NDArray[np.int64]) -> Texts:
    """Give the text of each number, values[code]; a negative one is missing."""
    known = pa.array(np.asarray(values, dtype=object), type=pa.large_string())
    which = pa.array(code, mask=code < 0) if (code < 0).any() else pa.array(code)
    return pd.Series(known.take(which), dtype="str")


def content_digest(incidents: pd.DataFrame) -> Objects:
    """Give for each incident a hex text that changes when anything the source said of it changes."""
    said = INCIDENT_COLUMNS[: INCIDENT_COLUMNS.index("lat") + 1]
    hashes = pd.util.hash_pandas_object(incidents[list(said)], index=False, categorize=False).to_numpy()
    return np.array([f"{value:016x}" for value in hashes.tolist()], dtype=object)


def months(local: "pd.Series[pd.Timestamp]") -> Texts:
    """Write the month of each city-local time as "YYYY-MM"; NaT becomes missing."""
    number = (local.dt.year * 12 + (local.dt.month - 1)).to_numpy(dtype="float64", na_value=np.nan)
    code, distinct = pd.factorize(number)
    return spelled([f"{int(n) // 12:04d}-{int(n) % 12 + 1:02d}" for n in distinct.tolist()], code)


def dated(incidents: pd.DataFrame, city: rules.Rules, zone: str) -> pd.DataFrame:
    """Give recorded incidents the month that a city's rules give them today, in its time zone."""
    times = {name: incidents[name] for name in TIME_COLUMNS}
    return incidents.assign(month=_month(times, zone, city))


def _month(times: Mapping[str, "pd.Series[pd.Timestamp]"], zone: str, city: rules.Rules | None) -> Texts:
    """Give the month of each incident: of its call, or of the time that the rule of that month goes by."""
    called = months(times["called_at"].dt.tz_convert(zone))
    basis = keys.coded(called)
    first = f"{city.levels[0].valid_from:%Y-%m-%d}" if city else ""  # what lies before is a typing error, refused yet
    ruled = [city is not None and f"{month}-01" >= first for month in basis.distinct]
    names = [
        city.levels_at(month).basis if city and known else rules.BASES[0]
        for month, known in zip(basis.distinct, ruled, strict=True)
    ]
    for other, column in (("occurrence", "occurred_from"), ("filing", "filed_at")):
        if other in names:
            goes_by = np.append(np.array([name == other for name in names]), False)[basis.code]
            then = months(times[column].dt.tz_convert(zone))
            called = called.mask(goes_by & then.notna().to_numpy(), then)
    return called


class Refusals:
    """The first reason to refuse each row, "" where there is none."""

    def __init__(self, rows: int) -> None:
        self.reason: Objects = np.full(rows, "", dtype=object)
        self.detail: Objects = np.full(rows, "", dtype=object)

    def add(self, wrong: "Flags | pd.Series[bool]", reason: str, say: Callable[[int], str]) -> None:
        """Refuse the rows of a mask that have no reason yet; `say` makes the sentence of one row."""
        for i in np.flatnonzero(np.asarray(wrong, dtype=bool)).tolist():
            if self.reason[i] == "":
                self.reason[i], self.detail[i] = reason, say(i)

    def lift(self, reasons: Sequence[str], whose: "pd.Series[bool]") -> Objects:
        """Refuse some rows no longer for these reasons; give the sentences that said why, "" for all others."""
        freed = np.isin(self.reason, reasons) & whose.to_numpy(dtype=bool)
        said = np.where(freed, self.detail, "")
        self.reason[freed], self.detail[freed] = "", ""
        return said


def text(rows: pd.DataFrame, column: str) -> Texts:
    """Give a column as stripped text, "" where the frame lacks it."""
    if column not in rows:
        return spelled([""], np.zeros(len(rows), dtype=np.int64))
    return rows[column].astype("str").fillna("").str.strip()


def joined(rows: pd.DataFrame, columns: Sequence[str], by: str) -> Texts:
    """Give source columns as one text, joined; "" when any of them is empty or none is named."""
    parts = [text(rows, column) for column in columns or ("",)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + by + part
    return whole if len(parts) == 1 else whole.mask(np.any([part == "" for part in parts], axis=0), "")


def _rejected(rows: pd.DataFrame, feed: Feed, incident_id: Texts, refusals: Refusals) -> pd.DataFrame:
    which = np.flatnonzero(refusals.reason != "")
    taken = [column for column in feed.columns_taken if column in rows]
    records = rows.iloc[which][taken].fillna("").to_dict("records")
    fields = [json.dumps(record, ensure_ascii=False) for record in records]
    return pd.DataFrame(
        {
            "feed": pd.Series([feed.id] * len(which), dtype="str"),
            "source": rows["_source"].iloc[which].astype("str").to_numpy(dtype=object),
            "row": rows["_row"].iloc[which].to_numpy(dtype=np.int64),
            "incident_id": incident_id.iloc[which].to_numpy(dtype=object),
            "reason": refusals.reason[which],
            "detail": refusals.detail[which],
            "fields": pd.Series(fields, dtype="str"),
        },
        columns=list(REJECTED_COLUMNS),
    )


def categories(code: Texts, local: "pd.Series[pd.Timestamp]", feed: Feed) -> Texts:
    """Map each source code to the canonical category of the entry in force on the (city-local) day of the call."""
    which, distinct = pd.factorize(code)
    names = [rules.UNMAPPED, *sorted({name for entry in feed.categories for name in entry.prefixes.values()})]
    number = {name: at for at, name in enumerate(names)}
    day = local.dt.tz_localize(None).to_numpy(dtype="datetime64[D]")
    category = np.zeros(len(code), dtype=np.int64)
    for entry in feed.categories:  # in order of valid_from: a later entry overwrites from its first day on
        mapped = np.array([number[entry.of(text) or rules.UNMAPPED] for text in distinct.tolist()], dtype=np.int64)
        category = np.where(day >= np.datetime64(entry.valid_from), mapped[which], category)
    return spelled(names, category)


def _times(
    rows: pd.DataFrame, feed: Feed, now: datetime | None, refusals: Refusals
) -> tuple[dict[str, "pd.Series[pd.Timestamp]"], Doubts]:
    times = {name: _time(rows, feed, name, refusals) for name in TIME_COLUMNS if name in feed.columns}
    if "occurred_window" in feed.columns:
        times["occurred_from"], times["occurred_to"] = _window(rows, feed, refusals)
    if "called_at" not in feed.columns:
        times["called_at"] = times["occurred_from"]
    nowhere = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    found = {name: times.get(name, nowhere) for name in TIME_COLUMNS}
    called = found["called_at"]
    refusals.add(
        called.isna(),
        "missing_time",
        lambda _: "no call time, which decides the month; fill it in and send the row again",
    )
    _check_span(called, lambda i: _written_time(rows.iloc[[i]], feed), feed, now, refusals)
    wrong = np.flatnonzero(np.isin(refusals.reason, ("bad_time", "missing_time")))
    return found, Doubts(len(rows), len(wrong), str(refusals.detail[wrong[0]]) if len(wrong) else "")


def _written_time(row: pd.DataFrame, feed: Feed) -> str:
    return joined(row, feed.columns["called_at" if "called_at" in feed.columns else "occurred_date"], " ").iloc[0]


def _check_span(
    called: "pd.Series[pd.Timestamp]",
    written: Callable[[int], str],
    feed: Feed,
    now: datetime | None,
    refusals: Refusals,
) -> None:
    earliest = pd.Timestamp(feed.earliest, tz=feed.city_zone)
    refusals.add(
        called < earliest,
        "bad_time",
        lambda i: (
            f"the time '{written(i)}' reads as {called.iloc[i]:%Y-%m-%d}, before {feed.earliest}, the earliest this "
            f"source can hold; correct the date"
        ),
    )
    if now is not None:
        refusals.add(
            called > pd.Timestamp(now),
            "in_future",
            lambda i: (
                f"the time '{written(i)}' reads as {called.iloc[i].isoformat()}, later than now ({now.isoformat()}); "
                f"check the source's clock and time zone"
            ),
        )


def _time(rows: pd.DataFrame, feed: Feed, name: str, refusals: Refusals) -> "pd.Series[pd.Timestamp]":
    """Read one time column; text that cannot be read refuses the row, an empty one is NaT."""
    written = joined(rows, feed.columns[name], " ")
    parsed = _to_utc(written, feed.formats[name], feed.zone)
    columns = " + ".join(feed.columns[name])
    refusals.add(
        (written != "") & parsed.isna(),
        "bad_time",
        lambda i: (
            f"{columns} is '{written[i]}', expected a time written as {feed.formats[name]}; correct it and send "
            f"the row again"
        ),
    )
    return parsed


def _to_utc(written: "pd.Series[str]", layout: str, zone: str) -> "pd.Series[pd.Timestamp]":
    """Read times as the source's clock shows them.

    An hour that the clock shows twice (end of summer time) is its first one; one it skips is moved forward.
    """
    if layout == "iso":
        zoned = written.str.contains(_ZONED).to_numpy(dtype=bool)
        naive = pd.to_datetime(written.mask(zoned), format="ISO8601", errors="coerce")
        absolute = pd.to_datetime(written.where(zoned), format="ISO8601", errors="coerce", utc=True)
        return _localised(naive, zone).fillna(absolute.dt.as_unit("us"))
    if "%K" in layout:
        written, layout = _from_roc(written, layout)
    return _localised(pd.to_datetime(written, format=layout, errors="coerce"), zone)


def _localised(naive: "pd.Series[pd.Timestamp]", zone: str) -> "pd.Series[pd.Timestamp]":
    first = np.ones(len(naive), dtype=bool)
    local = naive.dt.as_unit("us").dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC")


def _from_roc(written: "pd.Series[str]", layout: str) -> tuple["pd.Series[str]", str]:
    """Turn the year of the ROC (民国) calendar, year 1 = 1912, into one %Y can read; what does not fit becomes ""."""
    digits = {"K": r"(\d{2,3})", "Y": r"(\d{4})"}
    pattern = re.sub(r"%(.)", lambda m: digits.get(m[1], r"(\d{2})"), layout)
    year = re.findall(r"%(.)", layout).index("K")

    def western(match: re.Match[str]) -> str:
        parts = list(match.groups())
        parts[year] = f"{int(parts[year]) + 1911:04d}"
        return "".join(parts)

    plain = written.map(lambda value: western(m) if (m := re.fullmatch(pattern, str(value))) else "")
    return plain.astype("str"), "".join(re.findall(r"%.", layout)).replace("%K", "%Y")


def _window(
    rows: pd.DataFrame, feed: Feed, refusals: Refusals
) -> tuple["pd.Series[pd.Timestamp]", "pd.Series[pd.Timestamp]"]:
    """Read a day and its window of hours "22~24"; one that ends before it begins ends on the next day."""
    written = text(rows, feed.columns["occurred_window"][0])
    days = text(rows, feed.columns["occurred_date"][0])
    hours = np.array([_hours(value) for value in written.tolist()], dtype=np.float64).reshape(-1, 2)
    refusals.add(
        (written != "") & np.isnan(hours[:, 0]),
        "bad_time",
        lambda i: (
            f"{feed.columns['occurred_window'][0]} is '{written[i]}', expected two hours from 0 to 24 such as "
            f"22~24; correct it"
        ),
    )
    day = _to_utc(days, feed.formats["occurred_date"], feed.zone)
    refusals.add(
        (days != "") & day.isna(),
        "bad_time",
        lambda i: (
            f"{feed.columns['occurred_date'][0]} is '{days[i]}', expected a day written as "
            f"{feed.formats['occurred_date']}; correct it"
        ),
    )
    midnight = day.dt.tz_convert(feed.zone).dt.tz_localize(None)
    begin, end = hours[:, 0], np.where(hours[:, 1] > hours[:, 0], hours[:, 1], hours[:, 1] + 24.0)
    return _localised(midnight + _hours_of(begin), feed.zone), _localised(midnight + _hours_of(end), feed.zone)


def _hours(written: str) -> tuple[float, float]:
    match = _WINDOW.fullmatch(written)
    if not match or int(match[1]) > 24 or int(match[2]) > 24:
        return np.nan, np.nan
    return float(match[1]), float(match[2])


def _hours_of(hours: Floats) -> "pd.Series[pd.Timedelta]":
    return pd.Series(pd.to_timedelta(hours, unit="h")).dt.as_unit("us")


def _positions(rows: pd.DataFrame, feed: Feed, refusals: Refusals) -> _Positions:
    """Read coordinates and take them to WGS 84; rows that have none wait for geocoding."""
    lon, lat = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if "lon" not in feed.columns:
        return _Positions(lon, lat, np.ones(len(rows), dtype=bool), np.full(len(rows), -1), [""], Doubts())
    written_x, written_y = joined(rows, feed.columns["lon"], " "), joined(rows, feed.columns["lat"], " ")
    x, y = _number(written_x), _number(written_y)
    waiting = ((written_x == "") & (written_y == "")).to_numpy(dtype=bool)
    for unknown_x, unknown_y in feed.unknown_positions:
        waiting = waiting | ((x == unknown_x) & (y == unknown_y))
    x, y = np.where(waiting, np.nan, x), np.where(waiting, np.nan, y)
    system, names = _systems(rows, feed, waiting, refusals)
    doubts = Doubts()
    for number, name in enumerate(names):
        here = np.flatnonzero((system == number) & ~waiting)
        if len(here):
            doubts += _refuse_exchanged(x, y, here, name, refusals)
            lon[here], lat[here] = crs.to_wgs84(x[here], y[here], name)
    readable = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    refusals.add(
        ~waiting & ~readable,
        "bad_coordinates",
        lambda i: (
            f"coordinates are '{written_x[i]}', '{written_y[i]}', expected two numbers within "
            f"{names[system[i]] if system[i] >= 0 else ''}; correct them or leave both empty"
        ),
    )
    return _Positions(lon, lat, waiting, system, names, doubts)


def _number(written: Texts) -> Floats:
    column = pa.chunked_array(pa.array(written))
    try:
        found = _COMPUTE.cast(_COMPUTE.if_else(_COMPUTE.equal(column, ""), None, column), pa.float64())
    except pa.ArrowInvalid:  # somebody wrote something else; that is worth a slower look
        found = pd.to_numeric(written, errors="coerce")
    return np.asarray(found, dtype=np.float64)


def _systems(
    rows: pd.DataFrame, feed: Feed, waiting: Flags, refusals: Refusals
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Give the coordinate system of each row as a number, -1 where it is unknown, and the systems' names."""
    if not feed.system_column:
        return np.zeros(len(rows), dtype=np.int64), [feed.system]
    written, names = text(rows, feed.system_column), sorted(set(feed.systems.values()))
    number = {value: names.index(name) for value, name in feed.systems.items()}
    which, distinct = pd.factorize(written)
    system = np.array([number.get(value, -1) for value in distinct.tolist()], dtype=np.int64)[which]
    refusals.add(
        ~waiting & (system < 0),
        "unknown_system",
        lambda i: (
            f"{feed.system_column} is '{written[i]}', expected one of {', '.join(feed.systems)}; name the "
            f"coordinate system"
        ),
    )
    return system, names


def _refuse_exchanged(x: Floats, y: Floats, here: npt.NDArray[np.int64], name: str, refusals: Refusals) -> Doubts:
    if not crs.is_geographic(name):
        return Doubts()
    exchanged = np.zeros(len(x), dtype=bool)
    exchanged[here] = (np.abs(y[here]) > 90.0) & (np.abs(y[here]) <= 180.0) & (np.abs(x[here]) <= 90.0)
    first = f"longitude {x[exchanged][0]:g}, latitude {y[exchanged][0]:g}" if exchanged.any() else ""
    refusals.add(
        exchanged,
        "axes_swapped",
        lambda i: f"longitude {x[i]:g}, latitude {y[i]:g}: a latitude lies within 90 degrees; exchange the two",
    )
    x[exchanged], y[exchanged] = np.nan, np.nan
    return Doubts(degrees=len(here), beyond=int(exchanged.sum()), beyond_first=first)
