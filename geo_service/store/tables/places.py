"""Places: zones, and the names that addresses are made of; each with the states it had before."""

from geoalchemy2 import Geometry
from sqlalchemy import Boolean, CheckConstraint, Column, Date, Double, Identity, Index, Integer, Table, Text, text

from geo_service.store.tables.base import KIND, NOTE, STAFF, Time, always, metadata

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
    always("kind", Text, comment=KIND),
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
    always("signed_by", Text, comment=STAFF),
    always("reason", Text, comment=NOTE),
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
    always("signed_by", Text, comment=STAFF),
    always("signed_at", Time, comment="When it was taught"),
    always("reason", Text, comment=NOTE),
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
