"""What the statistics ask of the store: one kind of places with their areas, and the levels of all their months."""

from datetime import date

import sqlalchemy as sa

from geo_service.analysis import statistics
from geo_service.maps import layers
from geo_service.store import frames, jurisdictions, reading, tables


def record(connection: sa.Connection, kind: str, day: date, current: str, view: layers.View) -> statistics.Record:
    """Give the record of a kind of places that stand now, in the areas they lay in on a day.

    `current` is the month that is not over yet.  Months reach from the first to the last with an incident of any place:
    one in which no place of the kind had any is on record all the same.
    """
    reading.admit(view)
    zones, levels = tables.zones.c, tables.zone_levels.c
    places = frames.fetch(
        connection,
        sa.select(zones.kind.label("zone_kind"), zones.zone_id, zones.name, zones["class"])
        .where(zones.kind == kind, zones.valid_to.is_(None))
        .order_by(zones.zone_id.collate("C")),
    )
    counted = frames.fetch(
        connection,
        sa.select(*(levels[name] for name in statistics.LEVEL_COLUMNS)).where(levels.zone_kind == kind),
    )
    trees = jurisdictions.trees(connection, view)
    months = reading.months(connection)
    return statistics.record_of(places, (trees.lineage(day), trees.names(day)), counted, months, current)
