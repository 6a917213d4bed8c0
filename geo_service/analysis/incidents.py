"""Incidents: a feed's raw row becomes an Incident, or Rejected with the reason.

Pure.  A feed is data (rules/feeds/*.toml): which columns it takes, its clock, its coordinate system, its codes.  The
call time decides month and order; the occurrence time is kept.  A row without usable coordinates is an incident that
waits for geocoding; a row that cannot be an incident is Rejected, whole, with what came, what was expected and what
to do.

Frames (pandas, RangeIndex; times are UTC, coordinates WGS 84):
INCIDENT_COLUMNS  one row an incident;  REJECTED_COLUMNS  one row a refused source row.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import rules
from geo_service.analysis.feed import Feed
from geo_service.errors import AxisOrder, BadRows
from geo_service.geography import crs

INCIDENT_COLUMNS = (
    "feed", "incident_id", "called_at", "occurred_from", "occurred_to", "updated_at", "place", "category",
    "source_category", "lon", "lat", "month", "community_id", "unit_id", "patrol_zone_id", "cell", "placed", "digest",
)  # fmt: skip
REJECTED_COLUMNS = ("feed", "source", "row", "incident_id", "reason", "detail", "fields")
ID_COLUMN = {"communities": "community_id", "units": "unit_id", "patrol_zones": "patrol_zone_id"}
TIME_COLUMNS = ("called_at", "occurred_from", "occurred_to", "updated_at")

_ALL_WRONG = (
    20  # rows; a batch of at least so many, none of whose times can be read, has a wrong format, not typing errors
)
_LONGEST_ID = 200  # letters; a database index holds keys of up to 2.7 kB
_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
_WINDOW = re.compile(r"\s*(\d{1,2})\s*[~～\-]\s*(\d{1,2})\s*")

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Read:
    """What reading a batch gave: `incidents` (not yet placed: zone ids and cell are empty) and `rejected`."""

    incidents: pd.DataFrame
    rejected: pd.DataFrame


def empty_incidents() -> pd.DataFrame:
    """Give an INCIDENTS frame without rows."""
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in INCIDENT_COLUMNS})
    for column in TIME_COLUMNS:
        frame[column] = pd.Series(dtype="datetime64[us, UTC]")
    return frame.astype({"lon": "float64", "lat": "float64"})


def read(rows: pd.DataFrame, feed: Feed, now: datetime | None) -> Read:
    """Read a batch of raw rows.

    `rows` holds one text column for each of ``feed.columns_taken`` (missing is ""), `_source` and `_row`, and may hold
    `_broken` (why the row could not be cut into fields).  With `now` (aware), calls later than it are Rejected.
    Every row comes out exactly once: as an incident or as Rejected.
    Raises BadRows when not one time of a whole batch can be read, AxisOrder when most latitudes lie beyond 90 degrees:
    the feed file is wrong then, not its rows.
    """
    refusals = Refusals(len(rows))
    refusals.add(
        text(rows, "_broken") != "", "broken_row", lambda i: f"{rows['_broken'].iloc[i]}; send the row again whole"
    )
    incident_id = joined(rows, feed.columns["id"], "-")
    refusals.add(
        incident_id == "", "missing_id", lambda _: f"no value in {' + '.join(feed.columns['id'])}, the row's identity"
    )
    refusals.add(
        np.fromiter((len(value) > _LONGEST_ID for value in incident_id), bool, len(rows)),
        "bad_id",
        lambda i: f"an identity of {len(incident_id[i])} letters, at most {_LONGEST_ID} can be kept; shorten it",
    )
    times = _times(rows, feed, now, refusals)
    lon, lat, waiting = _positions(rows, feed, refusals)
    source_category = joined(rows, feed.columns["category"], " ")
    if "retyped" in feed.columns:
        retyped = joined(rows, feed.columns["retyped"], " ")
        source_category = np.where(retyped != "", retyped, source_category)
    local = times["called_at"].dt.tz_convert(feed.city_zone)
    place = (
        joined(rows, feed.columns["place"], " ") if "place" in feed.columns else np.full(len(rows), "", dtype=object)
    )
    place[np.isin(place, feed.unknown_places)] = ""
    frame = pd.DataFrame({"feed": feed.id, "incident_id": incident_id, **times, "place": place})
    frame["category"] = _categories(source_category, local, feed)
    frame["source_category"] = source_category
    frame["lon"], frame["lat"] = lon, lat
    frame["month"] = months(local)
    for column in (*ID_COLUMN.values(), "cell"):
        frame[column] = None
    frame["placed"] = np.where(waiting, "waiting", "outside")
    good = refusals.reason == ""
    kept = frame[good].reset_index(drop=True)
    kept["digest"] = content_digest(kept)
    return Read(kept[list(INCIDENT_COLUMNS)], _rejected(rows, feed, incident_id, refusals))


def content_digest(incidents: pd.DataFrame) -> Texts:
    """Give for each incident a hex text that changes when anything the source said of it changes."""
    said = INCIDENT_COLUMNS[: INCIDENT_COLUMNS.index("lat") + 1]
    hashes = pd.util.hash_pandas_object(incidents[list(said)], index=False, categorize=False).to_numpy()
    return np.array([f"{value:016x}" for value in hashes.tolist()], dtype=object)


def newest(incidents: pd.DataFrame) -> pd.DataFrame:
    """Keep one row of each (feed, incident_id): the one updated last.

    Where the source says no time of update, the one that came last.  The index keeps the order of arrival, so that rows
    dropped can be counted and named.
    """
    if not incidents.duplicated(["feed", "incident_id"]).any():
        return incidents
    version = incidents["updated_at"].fillna(pd.Timestamp("1970-01-01", tz="UTC"))
    order = version.argsort(kind="stable")
    last = incidents.iloc[order].drop_duplicates(["feed", "incident_id"], keep="last")
    return last.sort_index()


def months(local: "pd.Series[pd.Timestamp]") -> Texts:
    """Write the month of each city-local time as "YYYY-MM"; NaT becomes None."""
    number = (local.dt.year * 12 + (local.dt.month - 1)).to_numpy(dtype="float64", na_value=np.nan)
    found = np.full(len(local), None, dtype=object)
    known = np.flatnonzero(np.isfinite(number))
    distinct, which = np.unique(number[known].astype(np.int64), return_inverse=True)
    found[known] = np.array([f"{n // 12:04d}-{n % 12 + 1:02d}" for n in distinct.tolist()], dtype=object)[which]
    return found


class Refusals:
    """The first reason to refuse each row, "" where there is none."""

    def __init__(self, rows: int) -> None:
        self.reason: Texts = np.full(rows, "", dtype=object)
        self.detail: Texts = np.full(rows, "", dtype=object)

    def add(self, wrong: Flags, reason: str, say: Callable[[int], str]) -> None:
        """Refuse the rows of a mask that have no reason yet; `say` makes the sentence of one row."""
        for i in np.flatnonzero(wrong & (self.reason == "")).tolist():
            self.reason[i], self.detail[i] = reason, say(i)


def text(rows: pd.DataFrame, column: str) -> Texts:
    """Give a column as stripped text, "" where the frame lacks it."""
    if column not in rows:
        return np.full(len(rows), "", dtype=object)
    return rows[column].fillna("").str.strip().to_numpy(dtype=object)


def joined(rows: pd.DataFrame, columns: Sequence[str], by: str) -> Texts:
    """Give source columns as one text, joined; "" when any of them is empty."""
    parts = [text(rows, column) for column in columns]
    if len(parts) == 1:
        return parts[0]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + by + part
    whole[np.any([part == "" for part in parts], axis=0)] = ""
    return whole


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
            "incident_id": incident_id[which],
            "reason": refusals.reason[which],
            "detail": refusals.detail[which],
            "fields": pd.Series(fields, dtype="str"),
        },
        columns=list(REJECTED_COLUMNS),
    )


def _categories(code: Texts, local: "pd.Series[pd.Timestamp]", feed: Feed) -> Texts:
    """Map each source code to the canonical category of the entry in force on the (city-local) day of the call."""
    category = np.full(len(code), rules.UNMAPPED, dtype=object)
    which, distinct = pd.factorize(code)
    day = local.dt.tz_localize(None).to_numpy(dtype="datetime64[D]")
    for entry in feed.categories:  # in order of valid_from: a later entry overwrites from its first day on
        mapped = np.array([entry.of(text) or rules.UNMAPPED for text in distinct.tolist()], dtype=object)[which]
        since = day >= np.datetime64(entry.valid_from)
        category[since] = mapped[since]
    return category


def _times(
    rows: pd.DataFrame, feed: Feed, now: datetime | None, refusals: Refusals
) -> dict[str, "pd.Series[pd.Timestamp]"]:
    times = {name: _time(rows, feed, name, refusals) for name in TIME_COLUMNS if name in feed.columns}
    if "occurred_window" in feed.columns:
        times["occurred_from"], times["occurred_to"] = _window(rows, feed, refusals)
    if "called_at" not in feed.columns:
        times["called_at"] = times["occurred_from"]
    nowhere = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    found = {name: times.get(name, nowhere) for name in TIME_COLUMNS}
    called = found["called_at"]
    refusals.add(
        called.isna().to_numpy(),
        "missing_time",
        lambda _: "no call time, which decides the month; fill it in and send the row again",
    )
    _check_span(called, lambda i: _written_time(rows.iloc[[i]], feed), feed, now, refusals)
    wrong = np.isin(refusals.reason, ("bad_time", "missing_time"))
    if len(rows) >= _ALL_WRONG and wrong.all():
        raise BadRows(
            f"feed '{feed.id}': not one of {len(rows)} call times could be read; the first row: {refusals.detail[0]}. "
            f"Mend format under [time] in {feed.path.name}"
        )
    return found


def _written_time(row: pd.DataFrame, feed: Feed) -> str:
    return joined(row, feed.columns["called_at" if "called_at" in feed.columns else "occurred_date"], " ")[0]


def _check_span(
    called: "pd.Series[pd.Timestamp]",
    written: Callable[[int], str],
    feed: Feed,
    now: datetime | None,
    refusals: Refusals,
) -> None:
    earliest = pd.Timestamp(feed.earliest, tz=feed.city_zone)
    refusals.add(
        (called < earliest).to_numpy(),
        "bad_time",
        lambda i: (
            f"the time '{written(i)}' reads as {called.iloc[i]:%Y-%m-%d}, before {feed.earliest}, the earliest this "
            f"source can hold; correct the date"
        ),
    )
    if now is not None:
        refusals.add(
            (called > pd.Timestamp(now)).to_numpy(),
            "in_future",
            lambda i: (
                f"the time '{written(i)}' reads as {called.iloc[i].isoformat()}, later than now ({now.isoformat()}); "
                f"check the source's clock and time zone"
            ),
        )


def _time(rows: pd.DataFrame, feed: Feed, name: str, refusals: Refusals) -> "pd.Series[pd.Timestamp]":
    """Read one time column; text that cannot be read refuses the row, an empty one is NaT."""
    written = joined(rows, feed.columns[name], " ")
    parsed = _to_utc(pd.Series(written, index=rows.index, dtype="str"), feed.formats[name], feed.zone)
    columns = " + ".join(feed.columns[name])
    refusals.add(
        (written != "") & parsed.isna().to_numpy(),
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
    return plain, "".join(re.findall(r"%.", layout)).replace("%K", "%Y")


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
    day = _to_utc(pd.Series(days, index=rows.index, dtype="str"), feed.formats["occurred_date"], feed.zone)
    refusals.add(
        (days != "") & day.isna().to_numpy(),
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


def _positions(rows: pd.DataFrame, feed: Feed, refusals: Refusals) -> tuple[Floats, Floats, Flags]:
    """Read coordinates and take them to WGS 84; give also which rows have none and wait for geocoding."""
    if "lon" not in feed.columns:
        nowhere = np.full(len(rows), np.nan)
        return nowhere, nowhere.copy(), np.ones(len(rows), dtype=bool)
    written_x, written_y = joined(rows, feed.columns["lon"], " "), joined(rows, feed.columns["lat"], " ")
    x, y = _number(written_x), _number(written_y)
    waiting = (written_x == "") & (written_y == "")
    for unknown_x, unknown_y in feed.unknown_positions:
        waiting |= (x == unknown_x) & (y == unknown_y)
    x[waiting], y[waiting] = np.nan, np.nan
    system = _systems(rows, feed, waiting, refusals)
    lon, lat = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for name in np.unique(system[~waiting].astype("U")).tolist():
        here = np.flatnonzero((system == name) & ~waiting) if name else np.empty(0, dtype=np.int64)
        if len(here):
            _refuse_exchanged(x, y, here, name, refusals)
            lon[here], lat[here] = crs.to_wgs84(x[here], y[here], name)
    readable = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    refusals.add(
        ~waiting & ~readable,
        "bad_coordinates",
        lambda i: (
            f"coordinates are '{written_x[i]}', '{written_y[i]}', expected two numbers within {system[i]}; "
            f"correct them or leave both empty"
        ),
    )
    return lon, lat, waiting


def _number(written: Texts) -> Floats:
    return (
        pd.to_numeric(pd.Series(written, dtype="str"), errors="coerce")
        .to_numpy(dtype=np.float64, na_value=np.nan)
        .copy()
    )


def _systems(rows: pd.DataFrame, feed: Feed, waiting: Flags, refusals: Refusals) -> Texts:
    if not feed.system_column:
        return np.full(len(rows), feed.system, dtype=object)
    written = text(rows, feed.system_column)
    system = np.array([feed.systems.get(value, "") for value in written.tolist()], dtype=object)
    refusals.add(
        ~waiting & (system == ""),
        "unknown_system",
        lambda i: (
            f"{feed.system_column} is '{written[i]}', expected one of {', '.join(feed.systems)}; name the "
            f"coordinate system"
        ),
    )
    return system


def _refuse_exchanged(x: Floats, y: Floats, here: npt.NDArray[np.int64], name: str, refusals: Refusals) -> None:
    if not crs.is_geographic(name):
        return
    exchanged = np.zeros(len(x), dtype=bool)
    exchanged[here] = (np.abs(y[here]) > 90.0) & (np.abs(y[here]) <= 180.0) & (np.abs(x[here]) <= 90.0)
    refusals.add(
        exchanged,
        "axes_swapped",
        lambda i: f"longitude {x[i]:g}, latitude {y[i]:g}: a latitude lies within 90 degrees; exchange the two",
    )
    if len(here) >= _ALL_WRONG and exchanged.sum() > len(here) / 2:
        raise AxisOrder(
            f"{exchanged.sum()} of {len(here)} rows have a latitude beyond 90 degrees (first: longitude "
            f"{x[exchanged][0]:g}, latitude {y[exchanged][0]:g}); exchange lon and lat under [columns] in the feed file"
        )
    x[exchanged], y[exchanged] = np.nan, np.nan
