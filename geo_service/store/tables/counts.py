"""Counts: what follows from the incidents: per place, per H3 cell, and the moments that alert."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, Integer, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.store.tables.base import KIND, LEVEL, MONTH, Time, always, metadata

zone_months = Table(
    "zone_months",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=KIND),
    Column("month", Text, primary_key=True, comment=MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    Column("category", Text, primary_key=True, comment="Canonical category"),
    always("count", Integer, comment="Incidents [-], more than 0"),
    CheckConstraint("count > 0", "count_positive"),
    comment="Incidents per zone, month and category, by the placing rule",
)

zone_levels = Table(
    "zone_levels",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=KIND),
    Column("month", Text, primary_key=True, comment=MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    always("count", Integer, comment="Incidents of the categories that colour [-], more than 0"),
    always("level", SmallInteger, comment=LEVEL),
    CheckConstraint("count > 0", "count_positive"),
    CheckConstraint("level between 0 and 4", "level_known"),
    comment="Colour of each zone and month with counted incidents; a zone without a row stands at none",
)

cell_months = Table(
    "cell_months",
    metadata,
    Column("resolution", SmallInteger, primary_key=True, autoincrement=False, comment="H3 resolution [-]"),
    Column("month", Text, primary_key=True, comment=MONTH),
    Column("h3", Text, primary_key=True, comment="H3 cell in hex"),
    Column("category", Text, primary_key=True, comment="Canonical category"),
    always("count", Integer, comment="Incidents [-], more than 0"),
    CheckConstraint("count > 0", "count_positive"),
    comment="Incidents per H3 cell, month and category",
)

cell_levels = Table(
    "cell_levels",
    metadata,
    Column("resolution", SmallInteger, primary_key=True, autoincrement=False, comment="H3 resolution [-]"),
    Column("month", Text, primary_key=True, comment=MONTH),
    Column("h3", Text, primary_key=True, comment="H3 cell in hex"),
    always("count", Integer, comment="Incidents of the categories that colour [-], more than 0"),
    always("level", SmallInteger, comment=LEVEL),
    CheckConstraint("count > 0", "count_positive"),
    CheckConstraint("level between 0 and 4", "level_known"),
    comment="Colour of each H3 cell and month with counted incidents",
)

alerts = Table(
    "alerts",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=KIND),
    Column("month", Text, primary_key=True, comment=MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    Column("kind", Text, primary_key=True, comment="critical_red, enter_red, critical_black or enter_black"),
    always("at", Time, comment="Call time of the incident that reached the count"),
    always("count", Integer, comment="Count that was reached [-]"),
    always("noticed_at", Time, comment="When the service first noticed"),
    Column("withdrawn_at", Time, comment="When a correction made it untrue; null: it holds"),
    comment="Moments at which a zone became critical, red or black",
)

restatements = Table(
    "restatements",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, comment="Number, in the order of recording"),
    always("at", Time, comment="When it was recorded"),
    always("zone_kind", Text, comment=KIND),
    always("zone_id", Text, comment="Id of the zone"),
    always("month", Text, comment=f"{MONTH}; it had ended"),
    always("count_before", Integer, comment="Incidents that coloured, as told until then [-]"),
    always("count_after", Integer, comment="Incidents that colour since then [-]"),
    always("level_before", SmallInteger, comment=LEVEL),
    always("level_after", SmallInteger, comment=LEVEL),
    always(
        "why",
        JSONB,
        comment="By cause (late, retyped, triaged, redated, relocated) the calls that did it; boundaries, rules: none",
    ),
    Index(None, "month", "zone_kind", "zone_id"),
    Index(None, "at"),
    comment="Counts of ended months that became others, never silently",
)
