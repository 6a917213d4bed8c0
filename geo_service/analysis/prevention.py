"""Prevention: guard posts, patrol checkpoints and their visits, gates, perimeter alarms, graded venues; and measures.

Pure.  An object has states, each from a day on: a venue graded again has a new state, and what it was before stays.
A visit is a checkpoint and a moment, never who came.  A measure is something done to a zone on a day; what it
achieved is the work of measures.py.  What kinds there are and what is expected of them is rules/prevention.toml.

Frames, one row each; text "" where nothing is said, days datetime64 (missing NaT), degrees WGS 84 (missing NaN):
OBJECT_COLUMNS (`properties` is JSON text), VISIT_COLUMNS (`at` UTC) and MEASURE_COLUMNS.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import rules as city_rules
from geo_service.analysis.incidents import Refusals
from geo_service.analysis.incidents import text as text_of
from geo_service.errors import BadInput, BadRule
from geo_service.geography import zones as zone_geometry

OBJECT_COLUMNS = (
    "object_id", "kind", "name", "lon", "lat", "zone_kind", "zone_id", "grade", "valid_from", "valid_to", "regrade_on",
    "properties",
)  # fmt: skip
VISIT_COLUMNS = ("object_id", "at")
MEASURE_COLUMNS = ("zone_kind", "zone_id", "what", "from_day", "note")
DAYS = ("valid_from", "valid_to", "regrade_on")
LINKS = {"communities": "community_id", "units": "unit_id"}

_SAID = ("name", "lon", "lat", "zone_kind", "zone_id", "grade", "regrade_on", "properties")  # what makes a state
_SHOWN = 5  # rows named in an error before "and n more"
_DAY = "a day such as 2024-05-31"

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of object: what people call it, which columns of a file are kept with it, and whether it is graded."""

    title: Texts
    properties: Texts
    graded: bool = False


@dataclass(frozen=True)
class Rules:
    """What the city has decided on prevention: kinds of objects and measures; by day, visits and times to re-grade.

    `visits` [a day] and `regrading` (grade -> months) hold from their day on, in the order of the days.
    """

    kinds: Mapping[str, Kind]
    measures: Mapping[str, Texts]
    visits: Sequence[tuple[date, int]]
    regrading: Sequence[tuple[date, Mapping[str, int]]]

    def visits_on(self, day: date) -> int:
        """Give how many visits each checkpoint is to have on a day [-]; 0 before the first rule.

        >>> Rules({}, {}, [(date(2024, 1, 1), 2), (date(2025, 1, 1), 3)], []).visits_on(date(2024, 12, 31))
        2
        """
        return next((a_day for since, a_day in reversed(self.visits) if since <= day), 0)

    def months_until(self, grade: str, day: date) -> int | None:
        """Give after how many months a venue that was graded on a day is graded again; None: the rule is silent."""
        in_force = next((months for since, months in reversed(self.regrading) if since <= day), {})
        return in_force.get(grade)


def parse_rules(table: Mapping[str, object], where: str) -> Rules:
    """Read rules/prevention.toml.  Raises BadRule for an unknown key, a kind without title, an entry without a day."""
    unknown = sorted(set(table) - {"kinds", "measures", "visits", "regrading"})
    if unknown:
        raise BadRule(f"{where}: unknown key {', '.join(unknown)}; known are kinds, measures, visits, regrading")
    kinds: dict[str, Kind] = {}
    for name, entry in cast(Mapping[str, Mapping[str, object]], table.get("kinds", {})).items():
        title = cast(Texts, entry.get("title", {}))
        if sorted(title) != ["en", "zh"]:
            raise BadRule(f"{where}: kind '{name}' needs a title in zh and en, came {dict(title)}")
        kinds[name] = Kind(title, cast(Texts, entry.get("properties", {})), bool(entry.get("graded", False)))
    return Rules(
        kinds=kinds,
        measures=cast(Mapping[str, Texts], table.get("measures", {})),
        visits=[(day, cast(int, entry.get("a_day"))) for day, entry in _dated(table, "visits", where)],
        regrading=[
            (day, cast(Mapping[str, int], entry.get("months", {}))) for day, entry in _dated(table, "regrading", where)
        ],
    )


def _dated(table: Mapping[str, object], key: str, where: str) -> list[tuple[date, Mapping[str, object]]]:
    entries = cast(Sequence[Mapping[str, object]], table.get(key, ()))
    for entry in entries:
        if not isinstance(entry.get("valid_from"), date):
            raise BadRule(f"{where} [[{key}]]: valid_from must be a date such as 2024-01-01, came {entry!r}")
    return sorted(((cast(date, entry["valid_from"]), entry) for entry in entries), key=lambda one: one[0])


# ------------------------------------------------------------------------------------------------------ reading a file


def is_about(columns: Sequence[str]) -> str:
    """Tell by its columns what a file holds: objects, visits or measures.  Raises BadInput.

    >>> is_about(["object_id", "at"]), is_about(["zone_kind", "zone_id", "what", "from_day"])
    ('visits', 'measures')
    """
    for what, needed in (
        ("measures", ("zone_kind", "zone_id", "what", "from_day")),
        ("visits", ("object_id", "at")),
        ("objects", ("object_id", "kind")),
    ):
        if set(needed) <= set(columns):
            return what
    raise BadInput(
        f"a file with the columns {', '.join(columns)} is nothing of prevention; objects need object_id and kind (and "
        "lon, lat or a geometry), visits object_id and at, measures zone_kind, zone_id, what and from_day"
    )


def read_objects(table: pd.DataFrame, rules: Rules, today: date, where: str) -> pd.DataFrame:
    """Read objects: OBJECT_COLUMNS and `dated`, whether the file itself says from when the state holds.

    `table` holds text columns, one row an object's state, with `lon`, `lat` in WGS 84 (NaN: none).  A state without
    valid_from holds from `today`; the day of re-grading follows from the grade where the file does not say it.  Raises
    BadInput naming the rows (from 1, without the header) that cannot be used, and what to do: all come in, or none.
    """
    refusals, found = Refusals(len(table)), pd.DataFrame(index=pd.RangeIndex(len(table)))
    for name in OBJECT_COLUMNS:
        found[name] = text_of(table, name)
    found["lon"], found["lat"] = (table[name].to_numpy(dtype=np.float64).round(7) for name in ("lon", "lat"))
    _check_identity(found, rules, refusals)
    for name in DAYS:
        found[name] = _days(found[name], name, refusals)
    dated = found["valid_from"].notna()
    graded = found["kind"].isin([name for name, kind in rules.kinds.items() if kind.graded])
    refusals.add(
        graded & ~(dated & (found["grade"] != "")),
        "ungraded",
        lambda i: f"a {found['kind'][i]} needs its grade, and valid_from, the day it was graded",
    )
    found["valid_from"] = found["valid_from"].fillna(pd.Timestamp(today)).astype("datetime64[us]")
    refusals.add(
        found["valid_to"] <= found["valid_from"],
        "bad_days",
        lambda i: f"valid_to {found['valid_to'][i]:%Y-%m-%d} is not after valid_from; correct one of them",
    )
    _check_place(found, refusals)
    refusals.add(
        found.duplicated(["object_id", "valid_from"]),
        "twice",
        lambda i: f"object '{found['object_id'][i]}' has two states from one day; take one out or date it otherwise",
    )
    _raise(refusals, where)
    found["regrade_on"] = _regrading(found, rules)
    found["properties"] = _properties(table, found["kind"], rules)
    return found.assign(dated=dated)


def read_visits(table: pd.DataFrame, checkpoints: Sequence[str], zone: str, where: str) -> pd.DataFrame:
    """Read visits of checkpoints: VISIT_COLUMNS, each once.

    `at` is a moment on the city's clock, YYYY-MM-DD HH:MM[:SS].  Raises BadInput as read_objects.
    """
    refusals = Refusals(len(table))
    found = pd.DataFrame({"object_id": text_of(table, "object_id")})
    refusals.add(
        ~found["object_id"].isin(checkpoints),
        "unknown",
        lambda i: f"'{found['object_id'][i]}' is no checkpoint that has been loaded; load it first or correct the id",
    )
    written = text_of(table, "at")
    naive = pd.to_datetime(written, format="ISO8601", errors="coerce")
    refusals.add(
        naive.isna(),
        "bad_time",
        lambda i: f"at is '{written[i]}', expected a moment such as 2024-05-31 08:30; correct it",
    )
    _raise(refusals, where)
    first = np.ones(len(naive), dtype=bool)  # an hour that the clock shows twice is its first one, as of incidents
    at = naive.dt.as_unit("us").dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").dt.tz_convert("UTC")
    return found.assign(at=at).drop_duplicates(ignore_index=True)


def read_measures(
    table: pd.DataFrame, rules: Rules, zones: Mapping[str, zone_geometry.Zones], where: str
) -> pd.DataFrame:
    """Read measures: MEASURE_COLUMNS.  Raises BadInput as read_objects; a measure's zone must stand."""
    refusals = Refusals(len(table))
    found = pd.DataFrame({name: text_of(table, name) for name in MEASURE_COLUMNS})
    refusals.add(
        ~found["what"].isin(list(rules.measures)),
        "unknown",
        lambda i: f"what is '{found['what'][i]}', known are {', '.join(rules.measures)} (rules/prevention.toml)",
    )
    found["from_day"] = _days(found["from_day"], "from_day", refusals)
    refusals.add(found["from_day"].isna(), "bad_days", lambda _: f"from_day is missing; write {_DAY}")
    refuse_unknown_zones(found, zones, refusals)
    refusals.add(
        found.duplicated(["zone_kind", "zone_id", "what", "from_day"]), "twice", lambda _: "stands twice; take one out"
    )
    _raise(refusals, where)
    return found


def check_zones(objects: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones], where: str) -> None:
    """Raise BadInput for objects that are declared to belong to a zone that does not stand."""
    refusals = Refusals(len(objects))
    refuse_unknown_zones(objects, zones, refusals, needed=False)
    _raise(refusals, where)


def refuse_unknown_zones(
    frame: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones], refusals: Refusals, *, needed: bool = True
) -> None:
    """Refuse rows whose zone_kind, zone_id is no zone that stands; unless `needed`, a row may name none."""
    known = {(kind, zone) for kind, held in zones.items() for zone in held.ids.tolist()}
    named = list(zip(frame["zone_kind"], frame["zone_id"], strict=True))
    wrong = np.array([pair not in known and (needed or pair != ("", "")) for pair in named], dtype=bool)
    refusals.add(
        wrong,
        "no_zone",
        lambda i: (
            f"{named[i][0] or 'no zone_kind'} '{named[i][1]}' does not stand; zone_kind is one of "
            f"{', '.join(city_rules.ZONE_KINDS)}, and the zones must be loaded"
        ),
    )


def _check_identity(found: pd.DataFrame, rules: Rules, refusals: Refusals) -> None:
    refusals.add(
        found["object_id"] == "", "missing_id", lambda _: "object_id is empty; every object needs the city's id"
    )
    refusals.add(
        ~found["kind"].isin(list(rules.kinds)),
        "unknown",
        lambda i: f"kind is '{found['kind'][i]}', known are {', '.join(rules.kinds)} (rules/prevention.toml)",
    )
    first = found.groupby("object_id")["kind"].transform("first")
    refusals.add(
        found["kind"] != first,
        "two_kinds",
        lambda i: (
            f"object '{found['object_id'][i]}' is a {first[i]} further up and a {found['kind'][i]} here; give "
            "each object an id of its own"
        ),
    )


def _check_place(found: pd.DataFrame, refusals: Refusals) -> None:
    refusals.add(
        (found["lon"].abs() > 180) | (found["lat"].abs() > 90),
        "bad_coordinates",
        lambda i: f"lon {found['lon'][i]:g}, lat {found['lat'][i]:g} is no place on earth; correct them or say --crs",
    )
    refusals.add(
        found["lon"].isna() & (found["zone_id"] == ""),
        "nowhere",
        lambda _: "has neither a position nor a zone; give lon and lat, a geometry, or zone_kind and zone_id",
    )


def _days(written: "pd.Series[str]", name: str, refusals: Refusals) -> "pd.Series[pd.Timestamp]":
    """Read days as people write them: 2024-05-31, 2024/5/31, 2024.5.31, 2024年5月31日."""
    plain = written.str.replace(r"[年月/.]", "-", regex=True).str.rstrip("日")
    days = pd.to_datetime(plain, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    refusals.add(
        (written != "") & days.isna(),
        "bad_days",
        lambda i: f"{name} is '{written[i]}', expected {_DAY}; correct it",
    )
    return days


def _regrading(found: pd.DataFrame, rules: Rules) -> "pd.Series[pd.Timestamp]":
    """Fill in the days of re-grading that follow from grade and day."""
    days: list[pd.Timestamp] = []
    for grade, graded_on, said in found[["grade", "valid_from", "regrade_on"]].itertuples(index=False):
        months = rules.months_until(grade, graded_on.date()) if grade else None
        days.append(graded_on + pd.DateOffset(months=months) if months and pd.isna(said) else said)
    return pd.Series(days, index=found.index, dtype="datetime64[us]")


def _properties(table: pd.DataFrame, kinds: "pd.Series[str]", rules: Rules) -> "pd.Series[str]":
    """Write the columns that the rules keep as JSON; columns they do not name are never read."""
    kept = {name: text_of(table, name) for kind in rules.kinds.values() for name in kind.properties}
    rows = [
        json.dumps(
            {name: kept[name].iat[at] for name in rules.kinds[kind].properties if kept[name].iat[at]},
            ensure_ascii=False,
            sort_keys=True,
        )
        for at, kind in enumerate(kinds)
    ]
    return pd.Series(rows, index=kinds.index, dtype="str")


def _raise(refusals: Refusals, where: str) -> None:
    rows = np.flatnonzero(refusals.reason != "")
    if len(rows):
        said = "; ".join(f"row {at + 1}: {refusals.detail[at]}" for at in rows[:_SHOWN].tolist())
        more = f"; and {len(rows) - _SHOWN} rows more" if len(rows) > _SHOWN else ""
        raise BadInput(f"{where}: {said}{more}. Nothing was loaded")


# -------------------------------------------------------------------------------------------------------------- states


def merged(stored: pd.DataFrame, came: pd.DataFrame, where: str) -> pd.DataFrame:
    """Put states that came to those stored: OBJECT_COLUMNS of every object that came, in order of object and day.

    A state ends on the day the next one begins.  One from a day that is stored already takes its place (a correction);
    one without a day of its own that says what holds today adds nothing.  Raises BadInput for an id that stands for
    another kind.
    """
    stored = stored[stored["object_id"].isin(came["object_id"])]
    _check_kinds(stored, came, where)
    fresh = came[came["dated"] | ~_says_nothing_new(stored, came)]
    both = pd.concat([frame[list(OBJECT_COLUMNS)] for frame in (stored, fresh) if len(frame)] or [stored])
    both = both.drop_duplicates(["object_id", "valid_from"], keep="last")
    both = both.sort_values(["object_id", "valid_from"], ignore_index=True)[list(OBJECT_COLUMNS)]
    following = both.groupby("object_id")["valid_from"].shift(-1)
    sooner = following.notna() & ~(both["valid_to"] <= following)
    return both.assign(valid_to=both["valid_to"].mask(sooner, following))


def _check_kinds(stored: pd.DataFrame, came: pd.DataFrame, where: str) -> None:
    kind_of = dict(zip(stored["object_id"], stored["kind"], strict=True))
    for object_id, kind in came[["object_id", "kind"]].itertuples(index=False):
        if kind_of.get(object_id, kind) != kind:
            raise BadInput(
                f"{where}: object '{object_id}' is a {kind_of[object_id]} in the store and a {kind} here; give it "
                "another id. Nothing was loaded"
            )


def _says_nothing_new(stored: pd.DataFrame, came: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Tell which states that came say what a stored one that holds on their day says."""
    pairs = came[["object_id", "valid_from", *_SAID]].reset_index().merge(stored, on="object_id", suffixes=("", "_was"))
    begun = pairs["valid_from_was"] <= pairs["valid_from"]
    holds = begun & ~(pairs["valid_to"] <= pairs["valid_from"])
    for name in _SAID:
        one, other = pairs[name], pairs[f"{name}_was"]
        holds = holds & ((one == other) | (one.isna() & other.isna()))
    return came.index.isin(pairs.loc[holds, "index"]) & came["valid_to"].isna().to_numpy(dtype=bool)


def standing(objects: pd.DataFrame, day: date) -> pd.DataFrame:
    """Keep the states that hold on a day."""
    at = pd.Timestamp(day)
    return objects[(objects["valid_from"] <= at) & ~(objects["valid_to"] <= at)].reset_index(drop=True)


def linked(objects: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones]) -> pd.DataFrame:
    """Say in which community and unit each object stands (LINKS, "" none): declared, or by its position."""
    lon, lat = (objects[name].to_numpy(dtype=np.float64) for name in ("lon", "lat"))
    columns: dict[str, pd.Series] = {}
    for kind, column in LINKS.items():
        found = np.full(len(objects), "", dtype=object)
        if kind in zones and len(zones[kind]):
            which = zone_geometry.assign(zones[kind], lon, lat)
            held = which != zone_geometry.OUTSIDE
            found[held] = zones[kind].ids[which[held]]
        declared = (objects["zone_kind"] == kind).to_numpy(dtype=bool)
        found[declared] = objects["zone_id"].to_numpy(dtype=object)[declared]
        columns[column] = pd.Series(found, index=objects.index, dtype="str")
    return objects.assign(**columns)


# -------------------------------------------------------------------------------------------------------------- tables


def by_area(objects: pd.DataFrame, lineage: pd.DataFrame, level: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Count objects of each kind in the areas of one level: columns area, area_name, kind, count [-].

    `objects` are linked; `lineage` is that of jurisdictions.Trees, `level` one of its columns.  An object in no place
    of the level stands under area "".  Ordered by area and kind.
    """
    areas = {
        (kind, zone): area for kind, zone, area in lineage[["zone_kind", "zone_id", level]].itertuples(index=False)
    }
    found = [
        areas.get(("communities", community), "") or areas.get(("units", unit), "")
        for community, unit in objects[["community_id", "unit_id"]].itertuples(index=False)
    ]
    counted = objects.assign(area=pd.Series(found, index=objects.index, dtype="str"))
    counted = counted.groupby(["area", "kind"]).size().rename("count").reset_index()
    counted["area_name"] = [names.get(code, "") for code in counted["area"].tolist()]
    return counted[["area", "area_name", "kind", "count"]]


def missed_visits(checkpoints: pd.DataFrame, visits: pd.DataFrame, days: Sequence[date], rules: Rules) -> pd.DataFrame:
    """Say which checkpoints were visited too seldom: the most missed first.

    `checkpoints` OBJECT_COLUMNS, `visits` object_id and `day` (datetime64, the city's), `days` those to look at.  On
    each day a checkpoint is expected as often as the rule of the day says, visits beyond that make up for no other
    day's.  Columns object_id, name, expected, visits, missed [visits]; only those with some missed.
    """
    expected = pd.Series({pd.Timestamp(day): rules.visits_on(day) for day in days}, dtype="int64")
    seen = visits[visits["day"].isin(expected.index)].groupby(["object_id", "day"]).size()
    grid = pd.MultiIndex.from_product([checkpoints["object_id"], expected.index], names=["object_id", "day"])
    table = seen.reindex(grid, fill_value=0).rename("visits").reset_index()
    table["expected"] = table["day"].map(expected).astype("int64")
    begins = dict(zip(checkpoints["object_id"], checkpoints["valid_from"], strict=True))
    table = table[table["day"] >= table["object_id"].map(begins)]
    table["missed"] = np.maximum(table["expected"] - table["visits"], 0)
    sums = table.groupby("object_id")[["expected", "visits", "missed"]].sum().reset_index()
    sums["name"] = sums["object_id"].map(dict(zip(checkpoints["object_id"], checkpoints["name"], strict=True)))
    sums = sums[sums["missed"] > 0].sort_values(["missed", "object_id"], ascending=[False, True], ignore_index=True)
    return sums[["object_id", "name", "expected", "visits", "missed"]]


def due(objects: pd.DataFrame, day: date, within_days: int) -> pd.DataFrame:
    """Give the objects to be graded again within some days, the longest overdue first.

    Columns object_id, name, grade, community_id, unit_id, regrade_on and overdue_days (negative: still to come).
    """
    late = (pd.Timestamp(day) - objects["regrade_on"]).dt.days
    found = objects.assign(overdue_days=late)[late >= -within_days]
    found = found.sort_values(["overdue_days", "object_id"], ascending=[False, True], ignore_index=True)
    found["overdue_days"] = found["overdue_days"].astype("int64")
    return found[["object_id", "name", "grade", "community_id", "unit_id", "regrade_on", "overdue_days"]]


def beside_incidents(
    objects: pd.DataFrame, communities: zone_geometry.Zones, incidents: "pd.Series[int]", kinds: Sequence[str]
) -> pd.DataFrame:
    """Set what each community has of some kinds of objects beside its incidents.

    `incidents` counts by community id.  Columns community_id, name, one for each kind [-], incidents [-]; every
    community, the most incidents first.
    """
    names = {"community_id": communities.ids, "name": communities.names}
    table = pd.DataFrame({column: pd.Series(values, dtype="str") for column, values in names.items()})
    for kind in kinds:
        numbers = objects.loc[objects["kind"] == kind, "community_id"].value_counts()
        table[kind] = table["community_id"].map(numbers).fillna(0).astype("int64")
    table["incidents"] = table["community_id"].map(incidents).fillna(0).astype("int64")
    return table.sort_values(["incidents", "community_id"], ascending=[False, True], ignore_index=True)
