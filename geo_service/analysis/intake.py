"""Intake: one batch of raw rows in, everything that follows from it out.

Pure, and the whole of the thinking: `digest` reads, places, counts, colours and finds the moments that alert; the
job around it only asks the store before and records after, in one commit.  The same batch twice changes nothing;
rows may come late, again, or corrected, in any order.  What is written to files by the command `digest` is this same
function with nothing known before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import corrections as person
from geo_service.analysis import (
    counts,
    early_warnings,
    restatement,
    rules,
    totals,
    triage,
    versions,
    whereabouts,
    witnesses,
)  # fmt: skip
from geo_service.analysis import incidents as incident_rows
from geo_service.analysis.doubts import Doubts
from geo_service.analysis.feed import Feed
from geo_service.geography import grid
from geo_service.geography import zones as zone_geometry

if TYPE_CHECKING:
    from geo_service.geography.addresses.locate import Solver

_NEAR_DEG = 0.5  # a point this far from every zone is not of this city; about 50 km
_COUNTED = [
    "feed", "incident_id", "called_at", "filed_at", "month", "category", "triage", *incident_rows.ID_COLUMN.values(),
    "lon", "lat",
]  # fmt: skip
_ID = ["feed", "incident_id"]
KNOWN_COLUMNS = (*_COUNTED, "digest", "updated_at")  # of stored incidents, unless they are to be restated

Summary = Mapping[str, object]


@dataclass(frozen=True)
class Known:
    """What must be known before a batch can be digested.

    `incidents` are the stored ones that matter: of every month the batch touches, and the former versions of its
    rows; KNOWN_COLUMNS of them, all columns for `restate`.  With a `solver` place texts are located; `corrections` of
    people hold whatever it says, and so do their `verdicts` (triage.TRIAGE_COLUMNS) on calls.  `closed` is the last
    month that has ended and was on record ("YYYY-MM"; "" none): what changes there is restated.
    """

    zones: Mapping[str, zone_geometry.Zones]
    rules: rules.Rules
    incidents: pd.DataFrame = field(default_factory=incident_rows.empty_incidents)
    solver: "Solver | None" = None
    corrections: pd.DataFrame = field(default_factory=person.empty_corrections)
    verdicts: pd.DataFrame = field(default_factory=triage.none)
    closed: str = ""


@dataclass(frozen=True)
class Found:
    """What follows from a batch.

    `incidents`: new or changed ones, whole rows.  `reviews`: those of them that a person should look at
    (whereabouts.REVIEW_COLUMNS), None when nothing was asked about their texts.  `zone_months`, `levels`,
    `cell_months`, `cell_levels`: each row replaces what stood under its key; count 0 means that nothing is left.
    `alerts`: moments that now hold and did not, or held at another time; `withdrawn`: moments that held and no longer
    do.  `summary`: plain numbers, JSON-able.  `closed`: as in Known, and `causes`: which calls may have changed what
    was told of months up to it (restatement.CAUSE_COLUMNS).  `witnesses`: fresh incidents whose texts tell the source's
    coordinate system, None without a solver.
    """

    incidents: pd.DataFrame
    rejected: pd.DataFrame
    reviews: pd.DataFrame | None
    zone_months: pd.DataFrame
    levels: pd.DataFrame
    alerts: pd.DataFrame
    withdrawn: pd.DataFrame
    cell_months: pd.DataFrame
    cell_levels: pd.DataFrame
    summary: Summary
    closed: str
    causes: pd.DataFrame
    witnesses: pd.DataFrame | None = None


@dataclass(frozen=True)
class Scope:
    """What is counted: in which zones and by which rules.

    With `moved`, only in the zones and cells that hold one of these incidents.
    """

    zones: Mapping[str, zone_geometry.Zones]
    rules: rules.Rules
    moved: pd.DataFrame | None = None


@dataclass(frozen=True)
class Tally:
    """What is counted over a set of placed incidents; those of two sets add up."""

    zone_months: pd.DataFrame
    cell_months: pd.DataFrame

    def and_of(self, others: pd.DataFrame, scope: Scope) -> "Tally":
        """Add the counts of other incidents."""
        if others.empty:
            return self
        more = tally(others, scope)
        return Tally(
            counts.added(self.zone_months, more.zone_months, counts.ZONE_ORDER),
            counts.added(self.cell_months, more.cell_months, counts.CELL_ORDER),
        )


@dataclass(frozen=True)
class Picture:
    """Everything that follows from a set of placed incidents, by the rules."""

    zone_months: pd.DataFrame
    levels: pd.DataFrame
    alerts: pd.DataFrame
    cell_months: pd.DataFrame
    cell_levels: pd.DataFrame


@dataclass(frozen=True)
class Asks:
    """What a batch must know of the store: `keys` (feed, incident_id) of its rows, and their `months`."""

    keys: pd.DataFrame
    months: tuple[str, ...]


def asks(rows: pd.DataFrame, feed: Feed, now: datetime, city: rules.Rules) -> Asks:
    """Tell which stored incidents matter to a batch, those too that only a solver would keep."""
    read = incident_rows.read(rows, feed, now, by_text=True, city=city).incidents
    return Asks(read[_ID].drop_duplicates(), tuple(sorted(read["month"].unique())))


def digest(
    rows: pd.DataFrame, feed: Feed, known: Known, now: datetime | None = None, *, as_of: datetime | None = None
) -> Found:
    """Digest one batch of raw rows.

    `rows` as streams.read_rows gives them.  Calls later than `now` are Rejected; what was said after `as_of` is left
    out. Raises AxisOrder when the whole batch makes sense only with longitude and latitude exchanged, BadRows when
    not one time can be read; then nothing is found.
    """
    read = incident_rows.read(rows, feed, now, by_text=known.solver is not None, city=known.rules)
    held, dropped = versions.holding(read.incidents, as_of)
    held = held.reset_index(drop=True).assign(digest=incident_rows.content_digest(held))
    batch = _placed(held, known)
    (read.doubts + around(batch, known.zones)).check(feed)
    fresh = _fresh(batch, known.incidents)
    seen = witnesses.of(fresh) if known.solver else None
    summary = {
        "rows_read": len(rows),
        "duplicates": dropped[versions.DUPLICATE],
        "rejected": totals.by_reason(read.rejected),
        "after_as_of": dropped[versions.NOT_YET_SAID],
        **totals.told(totals.of(batch, known.zones), known.zones),
        **_texts_told(seen, feed, read.doubted),
    }
    return replace(_found(fresh, read.rejected, known, summary), witnesses=seen)


def relocate(incidents: pd.DataFrame, systems: Mapping[str, str], known: Known) -> Found:
    """Look again at the place texts of recorded incidents: after the gazetteer or people's corrections have changed.

    `incidents` are whole rows; `systems` the coordinate system that each feed declares.  `known` as for `digest`.
    Found holds every row that was looked at, and a review of each that still needs a person; the summary says how many
    of them `moved`.
    """
    batch = _placed(whereabouts.afresh(incidents, systems), known)
    summary = {
        "relocated": len(batch),
        "moved": _moved(incidents, batch),
        **totals.told(totals.of(batch, known.zones), known.zones),
    }
    return _found(batch, _no_rejects(), known, summary)


def retriage(incidents: pd.DataFrame, feeds: Mapping[str, Feed], known: Known) -> Found:
    """Let people's verdicts hold over recorded incidents, whole rows, and those taken back no longer.

    `feeds` say what the sources' codes mean, by feed id.
    """
    batch = triage.hold(triage.afresh(incidents, feeds), known.verdicts)
    changed = (batch[["category", "triage"]] != incidents.reset_index(drop=True)[["category", "triage"]]).any(axis=1)
    return _found(batch, _no_rejects(), known, {"triaged": len(batch), "changed": int(changed.sum())}, texts=False)


def restate(known: Known) -> Found:
    """Place and count every known incident anew: after zones or rules have changed.

    `known.incidents` must hold all of them; Found then holds the whole truth, to be recorded in place of what stood.
    """
    placed = place(known.incidents, known.zones)
    nothing = Known(known.zones, known.rules)
    summary = {"restated": len(placed), **totals.told(totals.of(placed, known.zones), known.zones)}
    return replace(_found(placed, _no_rejects(), nothing, summary, texts=False), closed=known.closed)


def _no_rejects() -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype="str") for column in incident_rows.REJECTED_COLUMNS})


def _placed(incidents: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Say where incidents are, in which zones, and what people found; with a solver they keep WORKING_COLUMNS."""
    incidents = triage.hold(incidents, known.verdicts)
    if known.solver is None:
        return place(person.hold(incidents, known.corrections)[0], known.zones)
    located, _ = person.hold(whereabouts.locate(incidents, known.solver), known.corrections)
    placed = place(located, known.zones)
    return whereabouts.settled(placed, whereabouts.shared([whereabouts.conflicts(placed)]))


def _moved(before: pd.DataFrame, after: pd.DataFrame) -> int:
    """Count the incidents that stand elsewhere, or otherwise, than before."""
    names = ["lon", "lat", "located_by", *incident_rows.ID_COLUMN.values()]
    was, now = (frame[names].reset_index(drop=True) for frame in (before, after))
    same = (was == now).fillna(False) | (was.isna() & now.isna())
    return int((~same.all(axis=1)).sum())


def _texts_told(seen: pd.DataFrame | None, feed: Feed, doubted: int) -> Summary:
    """Sum up what the place texts of fresh incidents said."""
    if seen is None:
        return {}
    return {"doubted_coordinates": doubted, "systems": witnesses.told(witnesses.evidence(seen), feed.id)}


def place(incidents: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones]) -> pd.DataFrame:
    """Fill in which community, unit and patrol zone holds each incident, and its H3 cell (resolution 10).

    A zone that the incident's place text names, and that stands, holds it wherever its point is.
    """
    lon, lat = incidents["lon"].to_numpy(dtype=np.float64), incidents["lat"].to_numpy(dtype=np.float64)
    point, points = pd.factorize(lon + 1j * lat)  # block geocodes repeat: each place is looked up once; NaN is -1
    at_lon, at_lat = np.append(points.real, np.nan), np.append(points.imag, np.nan)
    inside = np.zeros(len(at_lon), dtype=bool)
    columns: dict[str, pd.Series] = {}
    for kind, column in incident_rows.ID_COLUMN.items():
        found = np.full(len(at_lon), None, dtype=object)
        if kind in zones:
            which = zone_geometry.assign(zones[kind], at_lon, at_lat)
            held = which != zone_geometry.OUTSIDE
            found[held] = zones[kind].ids[which[held]]
            inside |= held
        columns[column] = _spread(found, point, incidents.index)
    columns["cell"] = _spread(grid.as_text(grid.cells(at_lon, at_lat)), point, incidents.index)
    placed = np.where(np.isnan(lon), "waiting", np.where(inside[point], "located", "outside"))
    working = [name for name in whereabouts.WORKING_COLUMNS if name in incidents]
    by_point = incidents.assign(**columns, placed=placed)[[*incident_rows.INCIDENT_COLUMNS, *working]]
    return whereabouts.by_name(by_point, zones)


def _spread(values: npt.NDArray[np.object_], which: npt.NDArray[np.int64], index: pd.Index) -> pd.Series:
    return pd.Series(values, dtype="str").take(np.where(which < 0, len(values) - 1, which)).set_axis(index)


def tally(incidents: pd.DataFrame, scope: Scope) -> Tally:
    """Count placed incidents, those that stand."""
    stand = early_warnings.standing(incidents, scope.rules)
    return Tally(
        counts.tally(stand, sorted(scope.zones), scope.rules.placing, scope.moved),
        counts.tally_cells(stand, scope.moved),
    )


def picture(incidents: pd.DataFrame, counted: Tally, scope: Scope) -> Picture:
    """Colour a tally, and find the moments of the incidents behind it, whole for each month they touch."""
    stand = early_warnings.standing(incidents, scope.rules)
    return Picture(
        zone_months=counted.zone_months,
        levels=early_warnings.levels(counted.zone_months, scope.rules, scope.zones),
        alerts=early_warnings.alerts(stand, scope.zones, scope.rules, scope.moved),
        cell_months=counted.cell_months,
        cell_levels=early_warnings.cell_levels(counted.cell_months, scope.rules),
    )


def levels_of(incidents: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones], city: rules.Rules) -> pd.DataFrame:
    """Give the levels that follow from placed incidents (KNOWN_COLUMNS), such as those known at a past moment."""
    counted = counts.tally(early_warnings.standing(incidents, city), sorted(zones), city.placing)
    return early_warnings.levels(counted, city, zones)


def cell_levels_of(incidents: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Give the levels of H3 cells that follow from placed incidents, as `levels_of` does of zones."""
    return early_warnings.cell_levels(counts.tally_cells(early_warnings.standing(incidents, city)), city)


def _found(fresh: pd.DataFrame, rejected: pd.DataFrame, known: Known, summary: Summary, *, texts: bool = True) -> Found:
    came = fresh[_COUNTED]
    standing, gone = _standing(known.incidents, fresh)
    scope = Scope(known.zones, known.rules, None if known.incidents.empty else _together(gone, came))
    stays = tally(standing, scope)  # once: it is by far the most, and stands before and after
    was = picture(_together(standing, gone), stays.and_of(gone, scope), scope)
    now = picture(_together(standing, came), stays.and_of(came, scope), scope)
    alert_key = list(early_warnings.ALERT_KEY)
    solver = known.solver if texts else None
    reviews = whereabouts.reviews(fresh, solver) if solver else whereabouts.empty_reviews()
    return Found(
        incidents=fresh[list(incident_rows.INCIDENT_COLUMNS)],
        rejected=rejected,
        reviews=reviews if texts else None,
        zone_months=counts.changes(was.zone_months, now.zone_months, counts.ZONE_KEY),
        levels=counts.changes(was.levels, now.levels, early_warnings.LEVEL_KEY),
        alerts=_only_in(now.alerts, was.alerts, list(now.alerts.columns)),
        withdrawn=_only_in(was.alerts, now.alerts, alert_key),
        cell_months=counts.changes(was.cell_months, now.cell_months, counts.CELL_KEY),
        cell_levels=counts.changes(was.cell_levels, now.cell_levels, early_warnings.CELL_LEVEL_KEY),
        summary={**summary, **_asked(reviews, solver), "recorded": len(fresh)},
        closed=known.closed,
        causes=restatement.causes(came, gone, known.closed) if known.closed else restatement.none(),
    )


def _asked(reviews: pd.DataFrame, solver: "Solver | None") -> Summary:
    return {"reviews": totals.by_reason(reviews)} if solver else {}


def _together(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    if one.empty or other.empty:
        return other if one.empty else one
    return pd.concat([one, other], ignore_index=True)


def _standing(stored: pd.DataFrame, fresh: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the stored rows of the months that change: those that stay, and those that fresh rows replace."""
    replaced = _former(fresh, stored)
    replaced = np.sort(replaced[replaced >= 0])
    changing = np.union1d(fresh["month"].unique(), stored["month"].iloc[replaced].unique())
    standing = stored["month"].isin(changing).to_numpy(copy=True)
    standing[replaced] = False
    counted = stored[_COUNTED]
    return counted.iloc[np.flatnonzero(standing)], counted.iloc[replaced]


def _former(rows: pd.DataFrame, stored: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Give for each row the position of the stored one with its feed and id, -1 where there is none."""
    if stored.empty:
        return np.full(len(rows), -1)
    perhaps = np.flatnonzero(stored["incident_id"].isin(rows["incident_id"]))
    pairs = pd.MultiIndex.from_frame(stored[_ID].iloc[perhaps])
    at = pairs.get_indexer(pd.MultiIndex.from_frame(rows[_ID]))
    return np.append(perhaps, -1)[at]


def _only_in(these: pd.DataFrame, those: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Give the rows of `these` whose key `those` lacks."""
    if those.empty:
        return these.reset_index(drop=True)
    missing = ~pd.MultiIndex.from_frame(these[list(key)]).isin(pd.MultiIndex.from_frame(those[list(key)]))
    return these[missing].reset_index(drop=True)


def _fresh(batch: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of a batch that say something the store does not know, or knows only in an older version."""
    if stored.empty:
        return batch
    at = _former(batch, stored)
    former = stored[["digest", "updated_at"]].iloc[at].reset_index(drop=True)  # that of any row where there is none
    same = (batch["digest"] == former["digest"]).fillna(False).to_numpy(dtype=bool)
    older = (batch["updated_at"] < former["updated_at"]).fillna(False).to_numpy(dtype=bool)
    return batch[(at < 0) | ~(same | older)].reset_index(drop=True)


def around(batch: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones]) -> Doubts:
    """Tell whether a batch lies near the zones as given, or only with its axes exchanged."""
    bounds = np.array([place.bounds() for place in zones.values() if len(place)])
    located = batch.loc[batch["source_lon"].notna(), ["source_lon", "source_lat"]]
    if not len(bounds) or located.empty:
        return Doubts()
    west, south = bounds[:, :2].min(axis=0) - _NEAR_DEG
    east, north = bounds[:, 2:].max(axis=0) + _NEAR_DEG
    lon, lat = located["source_lon"], located["source_lat"]
    return Doubts(
        located=len(located),
        near=int((lon.between(west, east) & lat.between(south, north)).sum()),
        exchanged=int((lat.between(west, east) & lon.between(south, north)).sum()),
        located_first=f"lon {lon.iloc[0]:g}, lat {lat.iloc[0]:g}",
    )
