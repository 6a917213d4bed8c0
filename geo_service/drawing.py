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
from geo_service.maps import atlas as maps
from geo_service.maps import ground
from geo_service.maps.layers import EVERYTHING, ZONE_KINDS
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import news, prevention, reading


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
    levels, seq = _levels(connection, reading.months(connection)), look.revision.seq
    atlas = maps.Atlas.build(library.layers, library.scheme, grounds, levels, month=look.month, seq=seq)
    atlas = _without_colours(library, connection, atlas, look)
    return Picture(atlas.pinned(_pins(library, connection, look.day), seq=seq), look)


def renewed(library: Service, connection: news.Connection, was: Picture, now: datetime) -> Picture:
    """Draw what has changed since a picture, whose atlas is kept where nothing has; the connection is a snapshot's.

    In a city of 11,000 places ten years are half a million rows: only the months that revisions touched are asked for.
    """
    look, atlas = _look(library, connection, now), was.atlas
    seen, before = look.revision, was.look.revision
    if before.zones_seq != seen.zones_seq or before.seq > seen.seq:
        return whole(library, connection, now)  # a smaller seq: the store was put back from a backup
    over = _withheld_in(atlas) - {look.month}  # what was withheld while a month was running comes back
    if over or (atlas.seq, was.look.month, was.look.stale) != (seen.seq, look.month, look.stale):
        months, touched = reading.months(connection), reading.months_touched(connection, atlas.seq)
        changed = [of for of in months if of in (look.month, *over) or (touched and touched[0] <= of <= touched[1])]
        atlas = atlas.renewed(_levels(connection, changed), months=months, month=look.month, seq=seen.seq)
        atlas = _without_colours(library, connection, atlas, look)
    if (before.objects_seq, was.look.day) != (seen.objects_seq, look.day):
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


def _without_colours(library: Service, connection: news.Connection, atlas: maps.Atlas, look: Look) -> maps.Atlas:
    """Take the colours that the running month must not wear: of poor stations, or all where input is stale."""
    if look.stale:
        return atlas.without_colours(trust.everywhere())
    stations = reading.stations(connection, look.month)
    lineage = registers.trees(connection, EVERYTHING).lineage(look.day.replace(day=1))
    return atlas.without_colours(trust.withheld(stations, lineage, library.trust))


def _pins(library: Service, connection: news.Connection, day: date) -> list[ground.Ground]:
    """Pin the objects that stand on a day, layer by layer."""
    found = prevention.pins(connection, day, EVERYTHING)
    pinned = [layer for layer in library.layers.values() if layer.objects]
    return [ground.pin(layer.id, found[found["kind"].isin(layer.objects)]) for layer in pinned]


def _levels(connection: news.Connection, months: Sequence[str]) -> dict[maps.KindMonth, pd.DataFrame]:
    return {
        (kind, month): reading.zone_levels(connection, kind, month, EVERYTHING)
        for month in months
        for kind in ZONE_KINDS
    }
