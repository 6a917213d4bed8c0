"""Drawing: the picture of the map, made from the store and kept equal to it.

`whole` asks for everything, `renewed` only for what has changed since a picture was drawn, `turned` goes on without the
store: months begin and input grows stale though the database is away.  Whoever serves pictures follows the store with
them (web/following.py); whoever writes files draws one (export).  How an atlas is drawn stands in maps/atlas.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pandas as pd

from geo_service.analysis import trust
from geo_service.geography import grid
from geo_service.maps import atlas as maps
from geo_service.maps import cells, ground
from geo_service.maps.layers import CELLS, EVERYTHING, ZONE_KINDS
from geo_service.service import Service
from geo_service.store import cells as stored_cells
from geo_service.store import jurisdictions as registers
from geo_service.store import news, prevention, reading

_NO_LINEAGE = pd.DataFrame(columns=["zone_kind", "zone_id", "police_station"])


@dataclass(frozen=True)
class Look:
    """What one look at the store saw, and when: how far it has come, and how old its input is.

    `day` and `month` are the city's; `pulled_at`: when the source that has waited longest was pulled, None where none
    is; `stale`: whether that was too long ago for the running month to have colours.
    """

    at: datetime
    revision: reading.Revision
    day: date
    month: str
    pulled_at: datetime | None
    stale: bool


@dataclass(frozen=True)
class Picture:
    """An atlas, and the look at the store that it last equalled."""

    atlas: maps.Atlas
    look: Look


def whole(library: Service, connection: news.Connection, now: datetime) -> Picture:
    """Draw everything the store holds; the connection is that of a snapshot."""
    look = _look(library, connection, now)
    grounds = [
        ground.survey(reading.zones(connection, kind, EVERYTHING), reading.feature_ids(connection, kind))
        for kind in ZONE_KINDS
    ]
    resolution, shown = _resolution(library, look.month), library.watch.catalogue
    grounds.append(cells.lay(grid.from_text(stored_cells.known(connection, resolution, EVERYTHING))))
    levels, seq = _levels(connection, reading.months(connection), resolution), look.revision.seq
    atlas = maps.Atlas.build(shown.layers, shown.scheme, grounds, levels, month=look.month, seq=seq)
    atlas = atlas.without_colours(_withheld(library, connection, look))
    return Picture(atlas.pinned(_pins(library, connection, look.day), seq=seq), look)


def renewed(library: Service, connection: news.Connection, was: Picture, now: datetime) -> Picture:
    """Draw what has changed since a picture, whose atlas is kept where nothing has; the connection is a snapshot's.

    In a city of 11,000 places ten years are half a million rows: only the months that revisions touched are asked for.
    """
    look, atlas = _look(library, connection, now), was.atlas
    seen, before = look.revision, was.look.revision
    resolution, shown = _resolution(library, look.month), library.watch.catalogue
    has_other_cells = resolution != _resolution(library, was.look.month)
    if before.zones_seq != seen.zones_seq or before.seq > seen.seq or has_other_cells:
        return whole(library, connection, now)  # a smaller seq: the store was put back from a backup
    over = _withheld_in(atlas) - {look.month}  # what was withheld while a month was running comes back
    if over or (atlas.seq, was.look.month, was.look.stale) != (seen.seq, look.month, look.stale):
        months, touched = reading.months(connection), reading.months_touched(connection, atlas.seq)
        changed = {of for of in months if of in over or (touched and touched[0] <= of <= touched[1])}
        levels = _levels(connection, sorted({*changed, look.month}), resolution)  # its colours may have to go or come
        atlas = _with_new_cells(atlas, levels).renewed(
            levels,
            months=months,
            month=look.month,
            seq=seen.seq,
            withheld=_withheld(library, connection, look),
        )
    is_laid_out_anew = atlas.layers is not shown.layers
    if is_laid_out_anew:
        atlas = atlas.with_layers(shown.layers, shown.scheme)
    if is_laid_out_anew or (before.objects_seq, was.look.day) != (seen.objects_seq, look.day):
        atlas = atlas.pinned(_pins(library, connection, look.day), seq=seen.seq)
    return Picture(atlas, look)


def turned(library: Service, was: Picture, now: datetime) -> Picture:
    """Go on though the database is away: a new month is not coloured as the last one, nor a stale one at all."""
    month, stale = library.month(now), trust.is_stale(was.look.pulled_at, now, library.trust)
    if (month, stale) == (was.look.month, was.look.stale):
        return was
    atlas = was.atlas if was.look.month == month else replace(was.atlas, month=month)
    return Picture(
        atlas.without_colours(trust.everywhere()) if stale else atlas, replace(was.look, month=month, stale=stale)
    )


def _look(library: Service, connection: news.Connection, now: datetime) -> Look:
    revision, pulled_at = reading.revision(connection), reading.pulled_at(connection)
    stale = trust.is_stale(pulled_at, now, library.trust)
    return Look(now, revision, library.day(now), library.month(now), pulled_at, stale)


def _withheld_in(atlas: maps.Atlas) -> set[str]:
    """Name the months in which places have no colour."""
    return {month for (_, month), state in atlas.states.items() if (state.levels < 0).any()}


def _withheld(library: Service, connection: news.Connection, look: Look) -> pd.DataFrame:
    """Tell which places the running month must not colour: of poor stations, or all where input is stale."""
    if look.stale:
        return trust.everywhere()
    stations = reading.stations(connection, look.month)
    lineage = _NO_LINEAGE  # of 11,000 places it takes longer than all the rest of a picture, and is seldom needed
    if trust.poor(stations, library.trust):
        lineage = registers.trees(connection, EVERYTHING).lineage(look.day.replace(day=1))
    return trust.withheld(stations, lineage, library.trust)


def _pins(library: Service, connection: news.Connection, day: date) -> list[ground.Ground]:
    """Pin the objects that stand on a day, layer by layer."""
    found = prevention.pins(connection, day, EVERYTHING)
    pinned = [layer for layer in library.watch.catalogue.layers.values() if layer.objects]
    return [ground.pin(layer.id, found[found["kind"].isin(layer.objects)]) for layer in pinned]


def _levels(connection: news.Connection, months: Sequence[str], resolution: int) -> dict[maps.KindMonth, pd.DataFrame]:
    of_zones = {
        (kind, month): reading.zone_levels(connection, kind, month, EVERYTHING)
        for month in months
        for kind in ZONE_KINDS
    }
    of_cells = stored_cells.levels(connection, resolution, months, EVERYTHING)
    return {**of_zones, **{(CELLS, month): frame for month, frame in of_cells.items()}}


def _resolution(library: Service, month: str) -> int:
    """Give the resolution of the H3 cells that wear levels in a month; the whole picture has that of its own month."""
    return library.rules.levels_at(month).h3_resolution


def _with_new_cells(atlas: maps.Atlas, levels: maps.Levels) -> maps.Atlas:
    """Give cells that have their first incidents a place on the ground."""
    had = atlas.grounds[CELLS]
    named = {cell for (kind, _), frame in levels.items() if kind == CELLS for cell in frame["zone_id"].tolist()}
    new = named.difference(had.ids.tolist())
    return atlas.with_ground(cells.grown(had, grid.from_text(sorted(new)))) if new else atlas
