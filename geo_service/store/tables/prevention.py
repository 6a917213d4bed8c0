"""Prevention: objects and the states they had, visits of checkpoints, measures at zones; and digitised archives."""

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Identity, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.store.tables.base import KIND, NOTE, STAFF, Time, always, metadata

prevention_objects = Table(
    "prevention_objects",
    metadata,
    Column(
        "id", Integer, Identity(), primary_key=True, comment="Number of this state; an object's lowest is its tile id"
    ),
    always("object_id", Text, comment="The city's own id of the object, compared as text"),
    always("kind", Text, comment="Kind of rules/prevention.toml: guard_post, checkpoint, gate, perimeter_alarm, venue"),
    always("name", Text, comment="Name people read; empty: none"),
    Column(
        "position", Geometry("POINT", 4326, spatial_index=False), comment="Where, WGS 84; null: known by its zone only"
    ),
    always("zone_kind", Text, comment="communities, units or patrol_zones it was declared for; empty: by position"),
    always("zone_id", Text, comment="Id of the zone it was declared for; empty: by position"),
    always("grade", Text, comment="Grade; empty: not graded"),
    always("valid_from", Date, comment="First day this state holds; of a venue, the day it was graded"),
    Column("valid_to", Date, comment="First day it no longer holds; null: until further notice"),
    Column("regrade_on", Date, comment="Day by which it must be graded again; null: never"),
    always("properties", JSONB, comment="What else the rules keep of the kind: guards, width_m, trade, …"),
    always("community_id", Text, comment="Community it stands in, declared or by position; empty: none"),
    always("unit_id", Text, comment="Unit it stands in, declared or by position; empty: none"),
    Index("prevention_objects_once", "object_id", "valid_from", unique=True),
    Index(None, "community_id"),
    comment="Objects of prevention, and the states they had before",
)

prevention_visits = Table(
    "prevention_visits",
    metadata,
    Column("object_id", Text, primary_key=True, comment="Checkpoint that was visited"),
    Column("at", Time, primary_key=True, comment="When; never by whom"),
    Index(None, "at"),
    comment="Visits of electronic patrol checkpoints",
)

measures = Table(
    "measures",
    metadata,
    Column("zone_kind", Text, primary_key=True, comment=KIND),
    Column("zone_id", Text, primary_key=True, comment="Id of the zone it was taken at"),
    Column("what", Text, primary_key=True, comment="Measure of rules/prevention.toml: refurbished, gated, lit, …"),
    Column("from_day", Date, primary_key=True, comment="First day with it"),
    always("note", Text, comment=NOTE),
    comment="What was done to places against crime, and from when on",
)

archives = Table(
    "archives",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of the archive"),
    always("feed", Text, comment="Feed its rows were read as"),
    always("file", Text, comment="Name of the file, without its folder"),
    always("sha256", Text, comment="SHA-256 of the file's bytes, in hex: the same file is one archive"),
    always("rows", Integer, comment="Rows in the file [-]"),
    always("signed_by", Text, comment=STAFF),
    always("because", Text, comment="Why it was loaded, in words"),
    always("at", Time, comment="When it was first loaded"),
    CheckConstraint("rows >= 0", "rows_counted"),
    Index("archives_once", "feed", "sha256", unique=True),
    comment="Digitised archives that restated the past, signed",
)

archive_rows = Table(
    "archive_rows",
    metadata,
    Column("feed", Text, primary_key=True, comment="Feed of the incident"),
    Column("incident_id", Text, primary_key=True, comment="The source's own id of the incident"),
    Column("archive_id", Integer, primary_key=True, autoincrement=False, comment="Archive that brought it"),
    Column(
        "row", BigInteger, primary_key=True, autoincrement=False, comment="Row of the file that speaks of it, from 1"
    ),
    comment="Which row of which archive an incident, or a version of it, came from",
)
