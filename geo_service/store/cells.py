"""H3 cells in the store: which have had incidents, and their counts and levels month by month."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from geo_service.maps import layers
from geo_service.store import frames, reading, tables

_TABLE = tables.cell_levels.c


def known(connection: sa.Connection, resolution: int, view: layers.View) -> list[str]:
    """List the cells of a resolution that have counted incidents in any month, in hex, ascending."""
    reading.admit(view)
    question = sa.select(_TABLE.h3).distinct().where(_TABLE.resolution == resolution)
    return sorted(connection.scalars(question))


def levels(
    connection: sa.Connection, resolution: int, months: Sequence[str], view: layers.View
) -> dict[str, pd.DataFrame]:
    """Give zone_id (the cell), count and level of the cells with counted incidents, month by month."""
    reading.admit(view)
    question = sa.select(_TABLE.month, _TABLE.h3.label("zone_id"), _TABLE.count, _TABLE.level)
    asked = question.where(_TABLE.resolution == resolution, _TABLE.month.in_(months))
    found = frames.fetch(connection, asked.order_by(_TABLE.month, _TABLE.h3.collate("C")))
    of_month = {str(month): rows.drop(columns="month") for month, rows in found.groupby("month")}
    return {month: of_month.get(month, found[:0].drop(columns="month")) for month in months}
