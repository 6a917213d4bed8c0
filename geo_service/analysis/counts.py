"""Counts: incidents per place, H3 cell, month and category.

Pure.  `tally` and `tally_cells` count a frame of placed incidents; `added` puts two tallies together; `changes` says
how one becomes another, a count of 0 meaning that nothing is left to keep.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis import keys
from geo_service.geography import grid

ZONE_KEY = ("zone_kind", "zone_id", "month", "category")
CELL_KEY = ("h3", "resolution", "month", "category")
ZONE_ORDER = ("month", "zone_kind", "zone_id", "category")  # of the rows
CELL_ORDER = ("month", "resolution", "h3", "category")
_EARTH_M = 6_371_007.0  # radius of the sphere H3 lies on
_WIDER_THAN_CELL_M = {7: 4_220.0, 8: 1_595.0, 9: 603.0, 10: 228.0}  # three mean edges; the widest cell has 2.3

Floats = npt.NDArray[np.float64]
Part = tuple[keys.Numbers, Mapping[str, keys.Coded]]  # positions of some rows, and the columns they are counted by


def counting(incidents: pd.DataFrame, kind: str, placing: Mapping[str, str]) -> keys.Flags:
    """Tell which incidents a kind of zone counts: those inside one, unless the placing rule leaves them to a unit."""
    inside = incidents[incident_rows.ID_COLUMN[kind]].notna().to_numpy()
    if placing[kind] == "unless_in_unit":
        inside = inside & incidents["unit_id"].isna().to_numpy()
    return inside


def by_zone(
    incidents: pd.DataFrame,
    kinds: Sequence[str],
    placing: Mapping[str, str],
    moved: pd.DataFrame | None = None,
    only: keys.Flags | None = None,
) -> list[Part]:
    """Give the incidents that each kind of zone counts, with columns zone_kind and zone_id; kinds in order of text.

    With `moved`, only those in zones that hold one of these incidents too; with `only`, only these incidents.
    """
    held: list[tuple[keys.Numbers, keys.Coded]] = []
    for kind in sorted(kinds):
        name = incident_rows.ID_COLUMN[kind]
        zone, inside = keys.coded(incidents[name]), counting(incidents, kind, placing)
        if moved is not None:
            inside = inside & zone.among(moved[name])
        rows = np.flatnonzero(inside if only is None else inside & only)
        held.append((rows, zone.of(rows)))
    return _parts("zone_kind", pd.Index(sorted(kinds), dtype="str"), "zone_id", held)


def tally(
    incidents: pd.DataFrame, kinds: Sequence[str], placing: Mapping[str, str], moved: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Count incidents per zone, month and category; with `moved`, only in the zones that hold one of these too.

    Columns zone_kind, zone_id, month, category, count (> 0), in the order of month, zone and category.
    """
    parts = by_zone(incidents, kinds, placing, moved)
    return _count(incidents, parts, ZONE_KEY) if parts else _no_counts()


def tally_cells(incidents: pd.DataFrame, moved: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count incidents with coordinates per H3 cell of each resolution, month and category, in or out of any zone.

    With `moved`, only in the cells that hold one of these incidents too.
    Each resolution's cell is the one that holds the point: hexagons do not nest, and the ancestor of the finest cell
    would be a neighbour for 7 points in 100 (test_philadelphia.py).
    Columns h3 (hex text), resolution, month, category, count (> 0), in the order of month, resolution, cell, category.
    """
    lon, lat = incidents["lon"].to_numpy(), incidents["lat"].to_numpy()
    here = np.flatnonzero(np.isfinite(lon))
    which, lon, lat = _distinct(lon[here], lat[here])  # block geocodes repeat: each place is looked up once
    held: list[tuple[keys.Numbers, keys.Coded]] = []
    for resolution in grid.RESOLUTIONS:
        place = grid.cells(lon, lat, resolution) if moved is None else _shared_cells(lon, lat, resolution, moved)
        cells, cell = np.unique(place, return_inverse=True)
        rows = np.flatnonzero(place[which]) if not cells.all() else slice(None)
        coded = keys.Coded(cell[which[rows]], pd.Index(grid.as_text(cells), dtype="str"))
        held.append((here[rows], coded))
    # As text, cells of a coarser resolution come first.
    return _count(incidents, _parts("resolution", pd.Index(grid.RESOLUTIONS), "h3", held), CELL_KEY)


def added(one: pd.DataFrame, other: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Put the tallies of two sets of incidents together.

    >>> one = pd.DataFrame({"zone_id": ["a", "b"], "count": [1, 2]})
    >>> two = pd.DataFrame({"zone_id": ["b", "c"], "count": [3, 1]})
    >>> added(one, two, ["zone_id"]).to_dict("records")
    [{'zone_id': 'a', 'count': 1}, {'zone_id': 'b', 'count': 5}, {'zone_id': 'c', 'count': 1}]
    """
    if one.empty or other.empty:
        return one if other.empty else other
    return summed(pd.concat([one, other], ignore_index=True), key)


def summed(tallied: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Add up the counts of the rows that agree in every column of a key, in the order of the key; columns stay."""
    columns = keys.of_frame(tallied, key)
    number = keys.numbered(columns)
    order = np.argsort(number)
    distinct, first = np.unique(number[order], return_index=True)
    count = np.add.reduceat(tallied["count"].to_numpy()[order], first) if len(first) else first
    found = {**keys.values_of(columns, distinct), "count": count.astype(np.int64)}
    return pd.DataFrame(found, columns=[column for column in tallied.columns if column in found])


def changes(before: pd.DataFrame, after: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Give the rows of `after` that `before` lacks or has otherwise, and, with count 0, those only `before` has.

    Each key stands once on each side.

    >>> one = pd.DataFrame({"zone_id": ["a", "b"], "count": [1, 2]})
    >>> two = pd.DataFrame({"zone_id": ["b", "c"], "count": [3, 1]})
    >>> changes(one, two, ["zone_id"]).to_dict("records")
    [{'zone_id': 'b', 'count': 3}, {'zone_id': 'c', 'count': 1}, {'zone_id': 'a', 'count': 0}]
    """
    if before.empty:
        return after
    columns = list(after.columns)
    number = keys.numbered(keys.of_frame(pd.concat([before, after], ignore_index=True), key))
    was, now = number[: len(before)], number[len(before) :]
    at = pd.Index(was).get_indexer(pd.Index(now))
    same = at >= 0
    for column in set(columns).difference(key):
        same &= after[column].to_numpy() == before[column].to_numpy()[at]
    gone = before[~np.isin(was, now)].assign(count=0)
    if "level" in columns:
        gone = gone.assign(level=0)
    return pd.concat([after[~same], gone[columns]], ignore_index=True).astype(after.dtypes.to_dict())


def _distinct(lon: Floats, lat: Floats) -> tuple[keys.Numbers, Floats, Floats]:
    """Give the place of each point, and longitude and latitude of each place."""
    of_lon, lons = pd.factorize(lon)
    of_lat, lats = pd.factorize(lat)
    which, pairs = pd.factorize(of_lon * len(lats) + of_lat)
    return which, lons[pairs // len(lats)], lats[pairs % len(lats)]


def _shared_cells(lon: Floats, lat: Floats, resolution: int, moved: pd.DataFrame) -> grid.Cells:
    """Give the cell of each point that lies in one with any of the moved incidents, 0 for the others."""
    there = moved.loc[moved["lon"].notna(), ["lon", "lat"]].to_numpy()
    near = np.flatnonzero(_near(lon, lat, there[:, 0], there[:, 1], _WIDER_THAN_CELL_M[resolution]))
    cell = grid.cells(lon[near], lat[near], resolution)
    found = np.zeros(len(lon), dtype=np.uint64)
    found[near] = np.where(np.isin(cell, grid.cells(there[:, 0], there[:, 1], resolution)), cell, 0)
    return found


def _near(lon: Floats, lat: Floats, lon_there: Floats, lat_there: Floats, within_m: float) -> keys.Flags:
    """Tell which points may lie within some metres of one of the points there; all that do are among them.

    H3 costs 0.5 us a point and resolution, this a tenth.  Boxes in space, not of degrees: poles and the date line are
    then like any other place.
    """
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    boxes = np.unique(_box(lon_there, lat_there, within_m), axis=0)
    return np.isin(_numbered_box(_box(lon, lat, within_m)), _numbered_box((boxes[:, None] + around).reshape(-1, 3)))


def _box(lon: Floats, lat: Floats, side_m: float) -> keys.Numbers:
    """Give the three whole numbers of the box that holds each point."""
    lon, lat = np.radians(lon), np.radians(lat)
    in_space = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    return np.floor(in_space * (_EARTH_M / side_m)).astype(np.int64)


def _numbered_box(box: keys.Numbers) -> keys.Numbers:
    return box @ np.array([1 << 40, 1 << 20, 1])  # a box of 228 m lies within 28,000 of the middle


def _parts(label: str, labels: pd.Index, place: str, held: Sequence[tuple[keys.Numbers, keys.Coded]]) -> list[Part]:
    """Label the rows of each part and their places, which get one numbering for all parts."""
    places = keys.alike([column for _, column in held])
    return [
        (rows, {label: keys.constant(labels, n), place: column})
        for n, ((rows, _), column) in enumerate(zip(held, places, strict=True))
    ]


def _count(incidents: pd.DataFrame, parts: Sequence[Part], key: Sequence[str]) -> pd.DataFrame:
    """Count the rows of each part that agree in month, its columns and category, in that order."""
    said = keys.of_frame(incidents, ("month", "category"))
    columns = {"month": said["month"], **parts[0][1], "category": said["category"]}
    found = [
        np.unique(
            keys.numbered({"month": said["month"].of(rows), **part, "category": said["category"].of(rows)}),
            return_counts=True,
        )
        for rows, part in parts
    ]
    number, count = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.argsort(number, kind="stable")
    return pd.DataFrame({**keys.values_of(columns, number[order]), "count": count[order]}, columns=[*key, "count"])


def _no_counts() -> pd.DataFrame:
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in ZONE_KEY})
    return frame.assign(count=pd.Series(dtype="int64"))
