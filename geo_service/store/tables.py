"""Every table of the store.  Each table and column carries a comment, so that a plain SQL client can be understood.

The migrations make the tables; a test holds that their sum equals this page.  Times are UTC, coordinates WGS 84.
Nothing here describes a person.
"""

from functools import partial

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
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
_STAFF = "Staff id of who signed, never a name"
_NOTE = "Why, in words about the place; empty: none given"
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
    Column(
        "source_position",
        Geometry("POINT", 4326, spatial_index=False),
        comment="Where the source itself says it was, WGS 84; null: it does not say",
    ),
    always("located_by", Text, server_default="", comment="coordinates, address (text) or person; empty: it waits"),
    always(
        "match_level", Text, server_default="", comment="How finely the place text was understood; empty: not at all"
    ),
    Column("uncertainty_m", Double, comment="Radius that holds the place with 90 % [m]; null: unknown"),
    Column("confidence", Double, comment="Calibrated chance that the text's answer is right [-]; null: unknown"),
    always("conflict", Text, server_default="", comment="How text and coordinates disagree; empty: they do not"),
    always(
        "named_kind", Text, server_default="", comment="communities or units, where the text names one; empty: none"
    ),
    always("named_id", Text, server_default="", comment="Id of the community or unit the text names; empty: none"),
    always("month", Text, comment=f"{_MONTH}, of called_at"),
    Column("community_id", Text, comment="Community that holds the position, or that the text names"),
    Column("unit_id", Text, comment="Unit that holds the position, or that the text names"),
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

gazetteer = Table(
    "gazetteer",
    metadata,
    Column("entry_id", Text, primary_key=True, comment="The gazetteer's own id of the entry"),
    Column(
        "since_version",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="Version of the gazetteer that brought this state of the entry",
    ),
    Column("until_version", Integer, comment="Version from which it no longer stood; null: it stands"),
    always("kind", Text, comment="What it is: county, town, village, road, compound, unit, poi, building, door, …"),
    always("name", Text, comment="Full name; the number of a building or door, the code of a post or plate"),
    always("aliases", Text, comment="Other names in the source file, joined by |; empty: none"),
    always("parent", Text, comment="entry_id of what it lies in or along; empty: nothing above it"),
    always("code", Text, comment="Administrative code (GB/T 2260 and longer); empty: none"),
    always("zone_kind", Text, comment="communities or units, where it is one; empty: that of its parent, if any"),
    always("zone_id", Text, comment="Id of the community or unit it is"),
    Column("width_m", Double, comment="Carriage width of a road [m]"),
    Column("valid_from", Date, comment="First day it is valid; null: always was"),
    Column("valid_to", Date, comment="First day it is no longer valid; null: valid until further notice"),
    always("successor", Text, comment="entry_id of what it became part of; empty: none"),
    Column(
        "geometry",
        Geometry("GEOMETRY", 4326, spatial_index=False),
        comment="Point, line or area, WGS 84; null: known by name only",
    ),
    Index("gazetteer_standing_once", "entry_id", unique=True, postgresql_where=text("until_version IS NULL")),
    comment="Names that addresses are made of, and the states they had before",
)

gazetteer_versions = Table(
    "gazetteer_versions",
    metadata,
    Column("version", Integer, Identity(), primary_key=True, comment="Number, growing in the order of commits"),
    always("at", Time, comment="When it came into force"),
    always("what", Text, comment="load (of files), aliases (taught) or revocation (of an alias)"),
    always("signed_by", Text, comment=_STAFF),
    always("reason", Text, comment=_NOTE),
    always("digest", Text, comment="SHA-256 of all entries; of an alias: of the former digest and the change"),
    always("added", Integer, comment="Entries or aliases that came [-]"),
    always("changed", Integer, comment="Entries that are otherwise than before [-]"),
    always("removed", Integer, comment="Entries or aliases that went [-]"),
    CheckConstraint("what in ('load', 'aliases', 'revocation')", "what_known"),
    comment="Each change of what addresses are read by, signed",
)

aliases = Table(
    "aliases",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of the alias"),
    always("words", Text, comment="What people call the place, as it stood in the incident's text"),
    Column("entry_id", Text, comment="Entry of the gazetteer it means; null: a position instead"),
    Column("position", Geometry("POINT", 4326, spatial_index=False), comment="Where it is, WGS 84; null: an entry"),
    always("teaches", Boolean, comment="Whether it holds for every text; false: for this incident only"),
    always("signed_by", Text, comment=_STAFF),
    always("signed_at", Time, comment="When it was taught"),
    always("reason", Text, comment=_NOTE),
    always("feed", Text, comment="Feed of the incident it was learned from"),
    always("incident_id", Text, comment="Incident it was learned from"),
    always("place", Text, comment="Place text of that incident as it then stood"),
    Column("since_version", Integer, comment="Version of the gazetteer it came into force with; null: it waits"),
    Column("until_version", Integer, comment="Version from which it was no longer in force; null: it is"),
    Column("revoked_by", Text, comment="Staff id of who took it back, never a name; null: it stands"),
    Column("revoked_at", Time, comment="When it was taken back; null: it stands"),
    CheckConstraint("(entry_id IS NULL) <> (position IS NULL)", "means_one_place"),
    CheckConstraint("(revoked_by IS NULL) = (revoked_at IS NULL)", "revoked_whole"),
    Index(None, "feed", "incident_id"),
    comment="Names of places learned from corrections: signed, and revocable",
)

reviews = Table(
    "reviews",
    metadata,
    Column("feed", Text, primary_key=True, comment="Feed of the incident"),
    Column("incident_id", Text, primary_key=True, comment="The source's own id of the incident"),
    always("place", Text, comment="Place text that is in question; another one opens a decided review again"),
    always("reason", Text, comment="Why a person is asked: unlocated, uncertain or conflict"),
    always("detail", Text, comment="Why, as a sentence"),
    always("answer", JSONB, comment="What the solver said: best answer, alternatives, question, trace"),
    always("state", Text, server_default="open", comment="open, corrected or rejected (by a person), settled (itself)"),
    always("first_seen_at", Time, comment="When it was first asked"),
    Column("decided_by", Text, comment="Staff id of who decided, never a name; null: nobody has"),
    Column("decided_at", Time, comment="When it was decided or settled; null: it is open"),
    always("note", Text, server_default="", comment=_NOTE),
    CheckConstraint("state in ('open', 'corrected', 'rejected', 'settled')", "state_known"),
    Index(None, "state", "first_seen_at"),
    comment="Incidents whose place a person must look at",
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number, in the order they were taken"),
    always("kind", Text, comment="correct, reject, revoke (an alias) or rerun (everything that waits)"),
    Column("feed", Text, comment="Feed of the incident it is about; null: of none"),
    Column("incident_id", Text, comment="Incident it is about; null: none"),
    Column("alias_id", Integer, comment="Alias it taught or revokes; null: none"),
    always("signed_by", Text, comment=_STAFF),
    always("note", Text, comment=_NOTE),
    always("at", Time, comment="When it was taken"),
    Column("applied_at", Time, comment="When all that follows from it was recorded; null: waits for the worker"),
    Column("moved", Integer, comment="Incidents that stand otherwise since it was applied [-]"),
    CheckConstraint("kind in ('correct', 'reject', 'revoke', 'rerun')", "kind_known"),
    Index("decisions_waiting", "id", postgresql_where=text("applied_at IS NULL")),
    Index(None, "feed", "incident_id"),
    comment="What people decided about places, in order; nothing is ever taken out",
)

source_evidence = Table(
    "source_evidence",
    metadata,
    Column("feed", Text, primary_key=True, comment="Id of the feed"),
    always("numbers", JSONB, comment="Log-odds of each coordinate system, from records with a sure text answer"),
    always("changed_at", Time, comment="When it last grew"),
    comment="Which coordinate system each feed really uses",
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
