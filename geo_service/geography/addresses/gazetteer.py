"""Gazetteer: every place of a city that an address may name, from rows of a declared schema.

Pure; reading files is the work of files.py.  A row is an *entry*; entries that addresses call by name (areas, roads,
compounds, units, villages, places of interest) become *places*; buildings, gates, parts and doors are found through
the place they belong to, by their label or number.  Road rows of one name that touch are one street.  Geometry comes
as WGS 84 (EPSG:4326) and is held in metres of the city's projected zone.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import shapely

from geo_service.errors import BadGazetteer
from geo_service.geography import crs
from geo_service.geography.addresses import naming, normalise
from geo_service.geography.addresses.places import (
    AREAS,
    KINDS,
    LABEL_BITS,
    LABELLED,
    ROLE,
    SPOT,
    VILLAGE,
    Doors,
    Entries,
    Gazetteer,
    Places,
)
from geo_service.geography.streets import TOLERANCE_M, Streets

COLUMNS = {
    "entry_id": "own id, unique",
    "kind": "one of " + " ".join(KINDS),
    "name": "full name; of a building or door its number, of a gate or part its label, of a post or plate its code",
    "aliases": 'other names, joined by "|"',
    "parent": "entry_id of what it lies in or along",
    "code": "administrative code (GB/T 2260 and longer)",
    "zone_kind": "communities or units, where it is one of the zones",
    "zone_id": "id of that zone",
    "width_m": "carriage width of a road [m]",
    "valid_from": "first day, ISO 8601; empty: always",
    "valid_to": "day from which it no longer stood; empty: it stands",
    "successor": "entry_id of what it became a part of",
}
NEEDED = ("entry_id", "kind", "name")

_HALF_WIDTH_M = 6.0  # of a road whose width nobody gave
_MOST_DIGITS = 7  # of a door's number; longer ones are codes
_MOST_LETTERS = 60  # of a name; longer ones are remarks
_POINT, _LINES = 0, (1, 5)  # type ids of shapely
_DEEPEST = 12  # parents above each other; city, county, town, compound, building, gate are 6
RADIUS_M = {  # how far a place reaches when nobody drew it
    "city": 60_000.0, "county": 15_000.0, "town": 4_000.0, "village": 350.0, "compound": 150.0, "unit": 120.0,
    "poi": 30.0, "road": 1_000.0,
}  # fmt: skip

_COMPUTE: Any = pyarrow.compute

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


def build(frame: pd.DataFrame, projected: str) -> Gazetteer:
    """Make a gazetteer of rows of the declared schema: COLUMNS and where they lie, in WGS 84.

    That is `geometry`, shapely objects or None, or `lon` and `lat` [deg], which 300,000 doors take less memory in.

    `projected` is the city's metric system, such as EPSG:4548.  Raises BadGazetteer, naming the rows.
    """
    table = _checked(frame)
    ground = _ground(frame, projected)
    parent = _parents(table)
    place, streets, row_of = _place_of(table, parent, ground)
    entries = _entries(table, ground, place)
    places = _places(table, entries, parent, row_of)
    names, meanings = _names(table, places)
    labels, keys, owners = _labels(table, place)
    words = [label[1:] for label in labels if label[0] == "p" and len(label) > 2]
    known = set(names)
    names += [word for word in words if word not in known]
    return Gazetteer(
        projected=projected,
        entries=entries,
        places=places,
        outlines=_outlines(places, ground.shape),
        streets=streets,
        names=tuple(names),
        meanings=(*meanings, *(() for _ in range(len(names) - len(meanings)))),
        labels=labels,
        label_keys=keys,
        label_entries=owners,
        doors=_doors(table, entries, len(places)),
        codes=_codes(table),
        zone_entry=_zone_entry(table, parent),
    )


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    lacking = [column for column in NEEDED if column not in frame]
    if lacking:
        had = ", ".join(str(column) for column in frame.columns)
        raise BadGazetteer(f"no column {', '.join(lacking)}; came {had}; the schema is {', '.join(COLUMNS)}")
    table = pd.DataFrame({column: _text(frame, column) for column in COLUMNS}).reset_index(drop=True)
    _refuse(table, table["entry_id"] == "", "no entry_id; every row needs one")
    _refuse(table, table["entry_id"].duplicated(), "entry_id stands more than once; give each row its own")
    _refuse(table, ~table["kind"].isin(KINDS), f"unknown kind; known are {', '.join(KINDS)}")
    _refuse(table, table["name"] == "", "no name; a building, door, gate or part has its number or label there")
    _refuse(table, table["name"].str.len() > _MOST_LETTERS, f"a name of more than {_MOST_LETTERS} letters")
    orphaned = table["kind"].isin(LABELLED) & (table["parent"] == "")
    _refuse(table, orphaned, "no parent; name the road, compound, unit or village it belongs to")
    for column in ("parent", "successor"):
        unknown = (table[column] != "") & ~table[column].isin(table["entry_id"])
        _refuse(table, unknown, f"its {column} is no row of the gazetteer; load the files together")
    table["kind"] = table["kind"].astype(pd.CategoricalDtype(list(KINDS)))
    return table


def _text(frame: pd.DataFrame, column: str) -> "pd.Series[str]":
    if column not in frame:
        return pd.Series("", index=frame.index, dtype="str")
    text = frame[column].astype("str")
    if text.hasnans:
        text = text.fillna("")
    stripped = text.str.strip()
    return text if stripped.equals(text) else stripped  # what is clean is shared, not copied


def _refuse(table: pd.DataFrame, wrong: "pd.Series[bool] | npt.NDArray[np.bool_]", why: str) -> None:
    if wrong.any():
        rows = table[np.asarray(wrong)]
        shown = ", ".join(
            f"{row.entry_id or '(row ' + str(at + 1) + ')'} ({row.kind} {row.name_})"
            for at, row in zip(rows.index[:3], rows.head(3).rename(columns={"name": "name_"}).itertuples(), strict=True)
        )
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise BadGazetteer(f"gazetteer row {shown}{more}: {why}")


@dataclass(frozen=True)
class _Ground:
    """Where rows lie: a point of each [m], the area of polygons [m2], the shape of lines and polygons, type ids."""

    x: Floats
    y: Floats
    area: Floats
    shape: Objects
    type_id: Whole


def _ground(frame: pd.DataFrame, projected: str) -> _Ground:
    drawn = frame["geometry"].to_numpy() if "geometry" in frame else np.full(len(frame), None)
    type_id = np.where(shapely.is_empty(drawn), -1, shapely.get_type_id(drawn)).astype(np.int64)
    points, others = np.flatnonzero(type_id == _POINT), np.flatnonzero(type_id > _POINT)
    nowhere = pd.Series(np.nan, index=frame.index)
    lon, lat = (np.array(frame.get(name, nowhere), dtype=np.float64) for name in ("lon", "lat"))
    lon[points], lat[points] = shapely.get_x(drawn[points]), shapely.get_y(drawn[points])
    x, y = crs.from_wgs84(lon, lat, projected)
    shape = np.full(len(drawn), None, dtype=object)
    shape[others] = shapely.transform(
        shapely.force_2d(drawn[others]), lambda at: np.column_stack(crs.from_wgs84(at[:, 0], at[:, 1], projected))
    )
    inside = shapely.get_coordinates(shapely.point_on_surface(shape[others]))
    x[others], y[others] = inside[:, 0], inside[:, 1]
    area = np.zeros(len(drawn))
    area[others] = shapely.area(shape[others])
    return _Ground(x, y, area, shape, type_id)


def _rows_of(ids: "pd.Series[str]", table: pd.DataFrame) -> Whole:
    """Give the row of each id, -1 where there is none."""
    found = _COMPUTE.index_in(pa.array(ids, type=pa.string()), value_set=pa.array(table["entry_id"], type=pa.string()))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _parents(table: pd.DataFrame) -> Whole:
    """Give the row of each row's parent, -1 where it has none.  Raises BadGazetteer when rows lie in each other."""
    parent = _rows_of(table["parent"], table)
    up = parent.copy()
    for _ in range(_DEEPEST):
        if (up < 0).all():
            return parent
        up = np.where(up >= 0, parent[up], -1)
    _refuse(table, up >= 0, "it lies, through its parents, in itself; mend the parent column")
    return parent


def _place_of(table: pd.DataFrame, parent: Whole, ground: _Ground) -> tuple[npt.NDArray[np.int32], Streets, Whole]:
    """Give the place each row is or belongs to; the streets; and the row each place stands for."""
    kind = table["kind"].to_numpy()
    _refuse(table, (kind == "road") & ~np.isin(ground.type_id, (-1, *_LINES)), "a road must be a line")
    is_road = (kind == "road") & (shapely.length(ground.shape) > TOLERANCE_M)  # a shorter one is a point with a name
    called = ~np.isin(kind, (*LABELLED, "post", "plate"))
    place = np.full(len(table), -1, dtype=np.int32)
    own = np.flatnonzero(called & ~is_road)
    place[own] = np.arange(len(own))
    road_rows = np.flatnonzero(is_road)
    keys = np.array([normalise.plain(name) for name in table["name"].to_numpy()[road_rows].tolist()], dtype=object)
    widths = pd.to_numeric(table["width_m"].iloc[road_rows], errors="coerce").to_numpy() / 2.0
    half = np.where(np.isnan(widths), _HALF_WIDTH_M, widths)
    streets = Streets.of(ground.shape[road_rows], keys, half)
    which = streets.member
    place[road_rows] = len(own) + which
    first = np.full(len(streets), -1, dtype=np.int64)
    first[which[::-1]] = road_rows[::-1]
    up = parent.copy()
    for _ in range(_DEEPEST):
        open_ = (place < 0) & (up >= 0)
        place[open_] = place[up[open_]]
        up[open_] = np.where(place[open_] < 0, parent[up[open_]], -1)
    return place, streets, np.concatenate([own, first])


def _entries(table: pd.DataFrame, ground: _Ground, place: npt.NDArray[np.int32]) -> Entries:
    return Entries(
        ids=pa.array(table["entry_id"], type=pa.string()),
        names=pa.array(table["name"], type=pa.string()),
        kind=table["kind"].cat.codes.to_numpy().astype(np.uint8),
        place=place,
        x=ground.x,
        y=ground.y,
        radius_m=np.sqrt(ground.area / np.pi),
        valid_from=_days(table, "valid_from", date.min),
        valid_to=_days(table, "valid_to", date.max),
        zone_kind=pa.array(table["zone_kind"], type=pa.string()).dictionary_encode(),
        zone_id=pa.array(table["zone_id"], type=pa.string()),
    )


def _days(table: pd.DataFrame, column: str, default: date) -> npt.NDArray[np.int32]:
    found = np.full(len(table), default.toordinal(), dtype=np.int32)
    for row in np.flatnonzero(table[column] != "").tolist():
        written = table[column].iloc[row]
        try:
            found[row] = date.fromisoformat(written[:10]).toordinal()
        except ValueError:
            raise BadGazetteer(
                f"gazetteer row {table['entry_id'].iloc[row]}: {column} is '{written}'; write a day such as 2013-10-01"
            ) from None
    return found


def _places(table: pd.DataFrame, entries: Entries, parent: Whole, row_of: Whole) -> Places:
    over = np.where(parent[row_of] >= 0, entries.place[parent[row_of]], -1)
    kind = table["kind"].to_numpy()[row_of].tolist()
    successor = _rows_of(table["successor"].iloc[row_of], table)
    town, county = _areas(kind, over.tolist())
    x, y, radius = _extents(entries, kind, over, row_of)
    return Places(
        entry=row_of.tolist(),
        kind=kind,
        name=table["name"].iloc[row_of].tolist(),
        x=x.tolist(),
        y=y.tolist(),
        radius_m=radius.tolist(),
        parent=over.tolist(),
        town=town,
        county=county,
        successor=np.where(successor >= 0, entries.place[successor], -1).tolist(),
        valid_from=entries.valid_from[row_of].tolist(),
        valid_to=entries.valid_to[row_of].tolist(),
    )


def _outlines(places: Places, shape: Objects) -> dict[int, shapely.Geometry]:
    found: dict[int, shapely.Geometry] = {}
    for place, (kind, row) in enumerate(zip(places.kind, places.entry, strict=True)):
        if ROLE[kind] in (SPOT, VILLAGE) and shapely.get_dimensions(shape[row]) == 2:
            found[place] = shape[row]
    return found


def _areas(kind: list[str], over: list[int]) -> tuple[list[int], list[int]]:
    """Give the town and the county that hold each place, itself included; -1 is none."""
    found: dict[str, list[int]] = {"town": [], "county": []}
    for place in range(len(kind)):
        at, met = place, dict.fromkeys(found, -1)
        while at >= 0:
            if met.get(kind[at]) == -1:
                met[kind[at]] = at
            at = over[at]
        for name, holders in found.items():
            holders.append(met[name])
    return found["town"], found["county"]


def _extents(entries: Entries, kind: list[str], over: Whole, row_of: Whole) -> tuple[Floats, Floats, Floats]:
    """Give where each place is and how far it reaches [m]; areas without geometry lie where what they hold lies."""
    x, y = entries.x[row_of].copy(), entries.y[row_of].copy()
    radius = np.maximum(entries.radius_m[row_of], 0.0)
    located = np.isfinite(entries.x)
    for _ in range(4):  # villages, towns, counties, the city
        missing = np.isnan(x)
        if not missing.any():
            break
        inside = np.concatenate([entries.place[located], np.where(np.isnan(x), -1, over)])
        at_x, at_y = np.concatenate([entries.x[located], x]), np.concatenate([entries.y[located], y])
        use = (inside >= 0) & np.isfinite(at_x)
        held = np.bincount(inside[use], minlength=len(x))
        with np.errstate(invalid="ignore"):
            mean_x = np.bincount(inside[use], at_x[use], len(x)) / held
            mean_y = np.bincount(inside[use], at_y[use], len(x)) / held
        away = (at_x[use] - mean_x[inside[use]]) ** 2 + (at_y[use] - mean_y[inside[use]]) ** 2
        with np.errstate(invalid="ignore"):
            spread = np.sqrt(2.0 * np.bincount(inside[use], away, len(x)) / held)  # of an even disc: its radius
        x, y = np.where(missing, mean_x, x), np.where(missing, mean_y, y)
        radius = np.where(missing & np.isfinite(mean_x), spread, radius)
    for place in np.flatnonzero(np.isnan(x)).tolist():
        above = int(over[place])
        if above >= 0:
            x[place], y[place], radius[place] = x[above], y[above], max(radius[above], RADIUS_M[kind[above]])
    usual = np.array([RADIUS_M[one] for one in kind])
    return x, y, np.where(radius > 0.0, radius, usual)


def _names(table: pd.DataFrame, places: Places) -> tuple[list[str], list[tuple[tuple[int, float], ...]]]:
    found: dict[str, dict[int, float]] = {}
    rows = zip(places.entry, places.kind, places.name, table["aliases"].iloc[places.entry].tolist(), strict=True)
    for place, (_, kind, name, aliases) in enumerate(rows):
        for one in (name, *(alias for alias in aliases.split("|") if alias)):
            for form, trust in naming.forms(kind, one, _above(places, place)).items():
                meant = found.setdefault(form, {})
                meant[place] = max(trust, meant.get(place, 0.0))
    return list(found), [tuple(meant.items()) for meant in found.values()]


def _above(places: Places, place: int) -> list[str]:
    found: list[str] = []
    at = places.parent[place]
    while at >= 0:
        if places.kind[at] in AREAS:
            found.append(places.name[at])
        at = places.parent[at]
    return found


def _labels(table: pd.DataFrame, place: npt.NDArray[np.int32]) -> tuple[dict[str, int], Whole, npt.NDArray[np.int32]]:
    """Give the labels of buildings, gates, parts and oddly numbered doors, and their entries by place and label."""
    rows = np.flatnonzero((table["kind"].isin(LABELLED) & ~_is_numbered(table)).to_numpy())
    names = pa.array(table["name"].iloc[rows], type=pa.string()).dictionary_encode()
    kind = table["kind"].cat.codes.to_numpy().astype(np.int64)[rows]
    # Few labels stand on many rows, so each is written in its one way once.
    pair, distinct = pd.factorize(kind * len(names.dictionary) + names.indices.to_numpy())
    labels: dict[str, int] = {}
    which = np.empty(len(distinct), dtype=np.int64)
    for at, both in enumerate(distinct.tolist()):
        letter, name = KINDS[both // len(names.dictionary)][0], names.dictionary[both % len(names.dictionary)].as_py()
        which[at] = labels.setdefault(letter + normalise.plain(name), len(labels))
    keys = (place[rows].astype(np.int64) << LABEL_BITS) | which[pair]
    order = np.argsort(keys, kind="stable")
    return labels, keys[order], rows[order].astype(np.int32)


def _is_numbered(table: pd.DataFrame) -> "pd.Series[bool]":
    return (table["kind"] == "door") & table["name"].str.isdigit() & (table["name"].str.len() <= _MOST_DIGITS)


def _doors(table: pd.DataFrame, entries: Entries, places: int) -> Doors:
    rows = np.flatnonzero(_is_numbered(table).to_numpy() & np.isfinite(entries.x))  # one that nobody drew tells nothing
    place = entries.place
    number = table["name"].iloc[rows].astype("int64").to_numpy().astype(np.int32)
    order = np.lexsort((number, place[rows]))
    begin = np.concatenate([[0], np.cumsum(np.bincount(place[rows], minlength=places))])
    return Doors(begin.astype(np.int64), number[order], rows[order].astype(np.int32))


def _codes(table: pd.DataFrame) -> dict[str, int]:
    rows = np.flatnonzero(table["kind"].isin(("post", "plate")).to_numpy())
    return {normalise.plain(name): row for row, name in zip(rows.tolist(), table["name"].iloc[rows], strict=True)}


def _zone_entry(table: pd.DataFrame, parent: Whole) -> npt.NDArray[np.int32]:
    has = (table["zone_id"] != "").to_numpy()
    found = np.where(has, np.arange(len(table)), -1)
    up = parent.copy()
    for _ in range(_DEEPEST):
        found = np.where((found < 0) & (up >= 0) & has[up], up, found)
        up = np.where(up >= 0, parent[up], -1)
    return found.astype(np.int32)
