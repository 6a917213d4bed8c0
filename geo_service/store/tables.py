"""Every table of the store.  Each table and column carries a comment, so that a plain SQL client can be understood.

The migrations make the tables; a test holds that their sum equals this page.  Times are UTC, coordinates WGS 84.
Nothing here describes a person.
"""

from functools import partial

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

always = partial(Column, nullable=False)
Time = DateTime(timezone=True)
_MONTH = "Calendar month in the city's time zone, YYYY-MM"
_KIND = "communities, units or patrol_zones"
_LEVEL = "Level the rule of that month gives: 0 none, 1 yellow, 2 orange, 3 red, 4 black"

zones = Table(
    "zones",
    metadata,
    Column(
        "fid",
        Integer,
        Identity(),
        primary_key=True,
        comment="Number of the zone in tiles; kept as long as its id stays",
    ),
    always("kind", Text, comment=_KIND),
    always("zone_id", Text, comment="The city's own id of the zone, compared as text"),
    always("name", Text, comment="Name people read"),
    always("class", Text, comment="What kind of place: residential, village, hospital, school, …; empty: unknown"),
    always("geometry", Geometry("MULTIPOLYGON", 4326, spatial_index=False), comment="Area, valid, WGS 84"),
    always("valid_from", Date, comment="First day this state of the zone was loaded for (UTC)"),
    Column("valid_to", Date, comment="Day from which it no longer stood; null: it stands"),
    Index("zones_standing_once", "kind", "zone_id", unique=True, postgresql_where=text("valid_to IS NULL")),
    Index("zones_by_geometry", "geometry", postgresql_using="gist"),
    comment="Communities, units and patrol zones, and the states they had before",
)

incidents = Table(
    "incidents",
    metadata,
    Column("feed", Text, primary_key=True, comment="Feed the incident came from"),
    Column("incident_id", Text, primary_key=True, comment="The source's own id of the incident"),
    always("called_at", Time, comment="When the call came in; decides month and order"),
    Column("occurred_from", Time, comment="Earliest time it may have happened"),
    Column("occurred_to", Time, comment="Latest time it may have happened"),
    Column("updated_at", Time, comment="When the source last changed the row"),
    always("place", Text, comment="Place text as the source gives it; empty: none"),
    always("category", Text, comment="Canonical category (rules/categories.toml), or unmapped"),
    always("source_category", Text, comment="The source's own category code or text"),
    Column(
        "position", Geometry("POINT", 4326, spatial_index=False), comment="Where, WGS 84; null: waits for geocoding"
    ),
    always("month", Text, comment=f"{_MONTH}, of called_at"),
    Column("community_id", Text, comment="Community that holds the position"),
    Column("unit_id", Text, comment="Unit that holds the position"),
    Column("patrol_zone_id", Text, comment="Patrol zone that holds the position"),
    Column("cell", Text, comment="H3 cell of resolution 10 that holds the position, in hex"),
    always("placed", Text, comment="located, outside (of every zone) or waiting (for coordinates)"),
    always("digest", Text, comment="Digest of the row's content: equal means that a re-sent row says nothing new"),
    always("first_seen_at", Time, comment="When the row was first recorded"),
    always("changed_at", Time, comment="When the row was last recorded otherwise than before"),
    CheckConstraint("placed in ('located', 'outside', 'waiting')", "placed_known"),
    Index(None, "month"),
    Index(None, "called_at"),
    Index(None, "community_id", "month"),
    Index(None, "unit_id", "month"),
    Index(None, "patrol_zone_id", "month"),
    Index("incidents_by_position", "position", postgresql_using="gist"),
    comment="Incidents: places and times, never persons",
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, comment="Number of the rejected row"),
    always("feed", Text, comment="Feed the row came from"),
    always("source", Text, comment="File or address the row came from"),
    always("row", BigInteger, comment="Position of the row in its source, from 1"),
    always("incident_id", Text, comment="The source's id of the incident; empty: unknown"),
    always("reason", Text, comment="Why, as a code: missing_id, bad_time, …"),
    always("detail", Text, comment="Why, as a sentence: what came, what was expected, what to do"),
    always("fields", JSONB, comment="The columns the feed lists, as they came"),
    always("row_digest", Text, comment="SHA-256 of what tells the row from others: the same bad row is kept once"),
    always("state", Text, server_default="open", comment="open, superseded (accepted later) or resolved (by a person)"),
    always("first_seen_at", Time, comment="When the row was first rejected"),
    CheckConstraint("state in ('open', 'superseded', 'resolved')", "state_known"),
    Index("rejected_once", "feed", "row_digest", unique=True),
    Index("rejected_open", "feed", "incident_id", postgresql_where=text("state = 'open'")),
    comment="Rows that could not become incidents, with the reason; nothing is dropped silently",
)

zone_months = Table(
    "zone_months",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=_KIND),
    Column("month", Text, primary_key=True, comment=_MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    Column("category", Text, primary_key=True, comment="Canonical category"),
    always("count", Integer, comment="Incidents [-], more than 0"),
    CheckConstraint("count > 0", "count_positive"),
    comment="Incidents per zone, month and category, by the placing rule",
)

zone_levels = Table(
    "zone_levels",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=_KIND),
    Column("month", Text, primary_key=True, comment=_MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    always("count", Integer, comment="Incidents of the categories that colour [-], more than 0"),
    always("level", SmallInteger, comment=_LEVEL),
    CheckConstraint("count > 0", "count_positive"),
    CheckConstraint("level between 0 and 4", "level_known"),
    comment="Colour of each zone and month with counted incidents; a zone without a row stands at none",
)

cell_months = Table(
    "cell_months",
    metadata,
    Column("resolution", SmallInteger, primary_key=True, autoincrement=False, comment="H3 resolution [-]"),
    Column("month", Text, primary_key=True, comment=_MONTH),
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
    Column("month", Text, primary_key=True, comment=_MONTH),
    Column("h3", Text, primary_key=True, comment="H3 cell in hex"),
    always("count", Integer, comment="Incidents of the categories that colour [-], more than 0"),
    always("level", SmallInteger, comment=_LEVEL),
    CheckConstraint("count > 0", "count_positive"),
    CheckConstraint("level between 0 and 4", "level_known"),
    comment="Colour of each H3 cell and month with counted incidents",
)

alerts = Table(
    "alerts",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=_KIND),
    Column("month", Text, primary_key=True, comment=_MONTH),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone"),
    Column("kind", Text, primary_key=True, comment="critical_red, enter_red, critical_black or enter_black"),
    always("at", Time, comment="Call time of the incident that reached the count"),
    always("count", Integer, comment="Count that was reached [-]"),
    always("noticed_at", Time, comment="When the service first noticed"),
    Column("withdrawn_at", Time, comment="When a correction made it untrue; null: it holds"),
    comment="Moments at which a zone became critical, red or black",
)

feeds = Table(
    "feeds",
    metadata,
    Column("feed", Text, primary_key=True, comment="Id of the feed"),
    Column("cursor", Text, comment="Where the next pull goes on, in the source's own terms; null: the beginning"),
    Column("pulled_at", Time, comment="When the last pull was recorded"),
    Column("last_called_at", Time, comment="Latest call time the feed has brought"),
    Column("last_error", Text, comment="What the last pull failed with; null: it went well"),
    comment="How far each feed has been pulled",
)

revisions = Table(
    "revisions",
    metadata,
    Column("seq", Integer, Identity(), primary_key=True, comment="Number, growing in the order of commits"),
    always("at", Time, comment="When it was recorded"),
    always("what", Text, comment="zones (boundaries changed) or state (incidents and what follows from them)"),
    Column("month_from", Text, comment="First month it touched, YYYY-MM; null: none"),
    Column("month_to", Text, comment="Last month it touched, YYYY-MM; null: none"),
    always("rows", Integer, comment="Rows that changed [-]"),
    CheckConstraint("what in ('zones', 'state')", "what_known"),
    Index(None, "what", "seq"),
    comment="Each commit that changed something a reader can see",
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True, comment="Name of the remark"),
    always("value", Text, comment="What it says"),
    comment="Remarks the program keeps about the store as a whole",
)
