"""The first tables: zones, incidents, what is counted of them, and how far each feed has come."""

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "pre_0001"
down_revision = None

KIND = "communities, units or patrol_zones"
MONTH = "Calendar month in the city's time zone, YYYY-MM"
LEVEL = "Level the rule of that month gives: 0 none, 1 yellow, 2 orange, 3 red, 4 black"
TIME = sa.DateTime(timezone=True)

T = TypeVar("T")


def upgrade() -> None:
    """Make the tables."""
    _zones()
    _incidents()
    _incident_indexes()
    _rejected()
    _zone_counts()
    _cell_counts()
    _alerts()
    _progress()


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _zones() -> None:
    op.create_table(
        "zones",
        sa.Column(
            "fid",
            sa.Integer,
            sa.Identity(),
            nullable=False,
            comment="Number of the zone in tiles; kept as long as its id stays",
        ),
        _column("kind", sa.Text(), KIND),
        _column("zone_id", sa.Text(), "The city's own id of the zone, compared as text"),
        _column("name", sa.Text(), "Name people read"),
        _column("class", sa.Text(), "What kind of place: residential, village, hospital, school, …; empty: unknown"),
        _column("geometry", Geometry("MULTIPOLYGON", 4326, spatial_index=False), "Area, valid, WGS 84"),
        _column("valid_from", sa.Date(), "First day this state of the zone was loaded for (UTC)"),
        sa.Column("valid_to", sa.Date, comment="Day from which it no longer stood; null: it stands"),
        sa.PrimaryKeyConstraint("fid", name="zones_key"),
        comment="Communities, units and patrol zones, and the states they had before",
    )
    standing = sa.text("valid_to IS NULL")
    op.create_index("zones_standing_once", "zones", ["kind", "zone_id"], unique=True, postgresql_where=standing)
    op.create_index("zones_by_geometry", "zones", ["geometry"], postgresql_using="gist")


def _incidents() -> None:
    op.create_table(
        "incidents",
        _column("feed", sa.Text(), "Feed the incident came from"),
        _column("incident_id", sa.Text(), "The source's own id of the incident"),
        _column("called_at", TIME, "When the call came in; decides month and order"),
        sa.Column("occurred_from", TIME, comment="Earliest time it may have happened"),
        sa.Column("occurred_to", TIME, comment="Latest time it may have happened"),
        sa.Column("updated_at", TIME, comment="When the source last changed the row"),
        _column("place", sa.Text(), "Place text as the source gives it; empty: none"),
        _column("category", sa.Text(), "Canonical category (rules/categories.toml), or unmapped"),
        _column("source_category", sa.Text(), "The source's own category code or text"),
        sa.Column(
            "position",
            Geometry("POINT", 4326, spatial_index=False),
            comment="Where, WGS 84; null: waits for geocoding",
        ),
        _column("month", sa.Text(), f"{MONTH}, of called_at"),
        sa.Column("community_id", sa.Text, comment="Community that holds the position"),
        sa.Column("unit_id", sa.Text, comment="Unit that holds the position"),
        sa.Column("patrol_zone_id", sa.Text, comment="Patrol zone that holds the position"),
        sa.Column("cell", sa.Text, comment="H3 cell of resolution 10 that holds the position, in hex"),
        _column("placed", sa.Text(), "located, outside (of every zone) or waiting (for coordinates)"),
        _column("digest", sa.Text(), "Digest of the row's content: equal means that a re-sent row says nothing new"),
        _column("first_seen_at", TIME, "When the row was first recorded"),
        _column("changed_at", TIME, "When the row was last recorded otherwise than before"),
        sa.PrimaryKeyConstraint("feed", "incident_id", name="incidents_key"),
        sa.CheckConstraint("placed in ('located', 'outside', 'waiting')", name="incidents_placed_known"),
        comment="Incidents: places and times, never persons",
    )


def _incident_indexes() -> None:
    op.create_index("incidents_by_month", "incidents", ["month"])
    op.create_index("incidents_by_called_at", "incidents", ["called_at"])
    op.create_index("incidents_by_community_id_month", "incidents", ["community_id", "month"])
    op.create_index("incidents_by_unit_id_month", "incidents", ["unit_id", "month"])
    op.create_index("incidents_by_patrol_zone_id_month", "incidents", ["patrol_zone_id", "month"])
    op.create_index("incidents_by_position", "incidents", ["position"], postgresql_using="gist")


def _rejected() -> None:
    op.create_table(
        "rejected",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False, comment="Number of the rejected row"),
        _column("feed", sa.Text(), "Feed the row came from"),
        _column("source", sa.Text(), "File or address the row came from"),
        _column("row", sa.BigInteger(), "Position of the row in its source, from 1"),
        _column("incident_id", sa.Text(), "The source's id of the incident; empty: unknown"),
        _column("reason", sa.Text(), "Why, as a code: missing_id, bad_time, …"),
        _column("detail", sa.Text(), "Why, as a sentence: what came, what was expected, what to do"),
        _column("fields", JSONB(), "The columns the feed lists, as they came"),
        _column("row_digest", sa.Text(), "SHA-256 of what tells the row from others: the same bad row is kept once"),
        sa.Column(
            "state",
            sa.Text,
            nullable=False,
            server_default="open",
            comment="open, superseded (accepted later) or resolved (by a person)",
        ),
        _column("first_seen_at", TIME, "When the row was first rejected"),
        sa.PrimaryKeyConstraint("id", name="rejected_key"),
        sa.CheckConstraint("state in ('open', 'superseded', 'resolved')", name="rejected_state_known"),
        comment="Rows that could not become incidents, with the reason; nothing is dropped silently",
    )
    still_open = sa.text("state = 'open'")
    op.create_index("rejected_once", "rejected", ["feed", "row_digest"], unique=True)
    op.create_index("rejected_open", "rejected", ["feed", "incident_id"], postgresql_where=still_open)


def _zone_counts() -> None:
    op.create_table(
        "zone_months",
        _column("zone_kind", sa.Text(), KIND),
        _column("month", sa.Text(), MONTH),
        _column("zone_id", sa.Text(), "Id of the zone"),
        _column("category", sa.Text(), "Canonical category"),
        _column("count", sa.Integer(), "Incidents [-], more than 0"),
        sa.PrimaryKeyConstraint("zone_kind", "month", "zone_id", "category", name="zone_months_key"),
        sa.CheckConstraint("count > 0", name="zone_months_count_positive"),
        comment="Incidents per zone, month and category, by the placing rule",
    )
    op.create_table(
        "zone_levels",
        _column("zone_kind", sa.Text(), KIND),
        _column("month", sa.Text(), MONTH),
        _column("zone_id", sa.Text(), "Id of the zone"),
        _column("count", sa.Integer(), "Incidents of the categories that colour [-], more than 0"),
        _column("level", sa.SmallInteger(), LEVEL),
        sa.PrimaryKeyConstraint("zone_kind", "month", "zone_id", name="zone_levels_key"),
        sa.CheckConstraint("count > 0", name="zone_levels_count_positive"),
        sa.CheckConstraint("level between 0 and 4", name="zone_levels_level_known"),
        comment="Colour of each zone and month with counted incidents; a zone without a row stands at none",
    )


def _cell_counts() -> None:
    op.create_table(
        "cell_months",
        _column("resolution", sa.SmallInteger(), "H3 resolution [-]"),
        _column("month", sa.Text(), MONTH),
        _column("h3", sa.Text(), "H3 cell in hex"),
        _column("category", sa.Text(), "Canonical category"),
        _column("count", sa.Integer(), "Incidents [-], more than 0"),
        sa.PrimaryKeyConstraint("resolution", "month", "h3", "category", name="cell_months_key"),
        sa.CheckConstraint("count > 0", name="cell_months_count_positive"),
        comment="Incidents per H3 cell, month and category",
    )
    op.create_table(
        "cell_levels",
        _column("resolution", sa.SmallInteger(), "H3 resolution [-]"),
        _column("month", sa.Text(), MONTH),
        _column("h3", sa.Text(), "H3 cell in hex"),
        _column("count", sa.Integer(), "Incidents of the categories that colour [-], more than 0"),
        _column("level", sa.SmallInteger(), LEVEL),
        sa.PrimaryKeyConstraint("resolution", "month", "h3", name="cell_levels_key"),
        sa.CheckConstraint("count > 0", name="cell_levels_count_positive"),
        sa.CheckConstraint("level between 0 and 4", name="cell_levels_level_known"),
        comment="Colour of each H3 cell and month with counted incidents",
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        _column("zone_kind", sa.Text(), KIND),
        _column("month", sa.Text(), MONTH),
        _column("zone_id", sa.Text(), "Id of the zone"),
        _column("kind", sa.Text(), "critical_red, enter_red, critical_black or enter_black"),
        _column("at", TIME, "Call time of the incident that reached the count"),
        _column("count", sa.Integer(), "Count that was reached [-]"),
        _column("noticed_at", TIME, "When the service first noticed"),
        sa.Column("withdrawn_at", TIME, comment="When a correction made it untrue; null: it holds"),
        sa.PrimaryKeyConstraint("zone_kind", "month", "zone_id", "kind", name="alerts_key"),
        comment="Moments at which a zone became critical, red or black",
    )


def _progress() -> None:
    op.create_table(
        "feeds",
        _column("feed", sa.Text(), "Id of the feed"),
        sa.Column(
            "cursor", sa.Text, comment="Where the next pull goes on, in the source's own terms; null: the beginning"
        ),
        sa.Column("pulled_at", TIME, comment="When the last pull was recorded"),
        sa.Column("last_called_at", TIME, comment="Latest call time the feed has brought"),
        sa.Column("last_error", sa.Text, comment="What the last pull failed with; null: it went well"),
        sa.PrimaryKeyConstraint("feed", name="feeds_key"),
        comment="How far each feed has been pulled",
    )
    op.create_table(
        "revisions",
        sa.Column("seq", sa.Integer, sa.Identity(), nullable=False, comment="Number, growing in the order of commits"),
        _column("at", TIME, "When it was recorded"),
        _column("what", sa.Text(), "zones (boundaries changed) or state (incidents and what follows from them)"),
        sa.Column("month_from", sa.Text, comment="First month it touched, YYYY-MM; null: none"),
        sa.Column("month_to", sa.Text, comment="Last month it touched, YYYY-MM; null: none"),
        _column("rows", sa.Integer(), "Rows that changed [-]"),
        sa.PrimaryKeyConstraint("seq", name="revisions_key"),
        sa.CheckConstraint("what in ('zones', 'state')", name="revisions_what_known"),
        comment="Each commit that changed something a reader can see",
    )
    op.create_index("revisions_by_what_seq", "revisions", ["what", "seq"])
    op.create_table(
        "meta",
        _column("key", sa.Text(), "Name of the remark"),
        _column("value", sa.Text(), "What it says"),
        sa.PrimaryKeyConstraint("key", name="meta_key"),
        comment="Remarks the program keeps about the store as a whole",
    )
