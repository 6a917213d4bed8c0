"""Jurisdictions: two trees of areas over the same places, and, in a room of its own, who answers for them.

The schema `staff` is the one restricted room: staff ids, their duties and where messages reach them.  Nothing outside
it says how to reach anybody.
"""

from sqlalchemy import CheckConstraint, Column, Date, Identity, Index, Integer, Table, Text

from geo_service.store.tables.base import KIND, always, metadata

STAFF_SCHEMA = "staff"

_TREE = "civil or police"
_FROM = "First day it holds; null: always did"
_TO = "First day it no longer holds; null: until further notice"

areas = Table(
    "areas",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of this state of the area"),
    always("tree", Text, comment=_TREE),
    always("code", Text, comment="Code of the area in its tree: of administration, or of police organisation"),
    always("level", Text, comment="city, county, town, community; or bureau, branch, station, officer_area, grid"),
    always("name", Text, comment="Name people read"),
    always("parent", Text, comment="Code of the area above it in the same tree; empty: none"),
    Column("valid_from", Date, comment=_FROM),
    Column("valid_to", Date, comment=_TO),
    CheckConstraint("tree in ('civil', 'police')", "tree_known"),
    Index(None, "tree", "code"),
    comment="Areas of the civil and the police tree, and the states they had",
)

memberships = Table(
    "memberships",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of this state of the membership"),
    always("zone_kind", Text, comment=KIND),
    always("zone_id", Text, comment="Id of the zone"),
    always("tree", Text, comment=_TREE),
    always("area", Text, comment="Code of the finest area of that tree the zone lies in"),
    Column("valid_from", Date, comment=_FROM),
    Column("valid_to", Date, comment=_TO),
    CheckConstraint("tree in ('civil', 'police')", "tree_known"),
    Index(None, "zone_kind", "zone_id"),
    comment="Which area of each tree a zone lies in, by date",
)

duties = Table(
    "duties",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of the duty"),
    always("role", Text, comment="Role of rules/roles.toml"),
    always("tree", Text, comment="civil or police; empty: a role at the place itself"),
    always("area", Text, comment="Code of the area it is held for; empty: a place"),
    always("zone_kind", Text, comment="communities, units or patrol_zones; empty: an area"),
    always("zone_id", Text, comment="Id of the zone it is held for; empty: an area"),
    always("staff_id", Text, comment="Staff id, never a name"),
    Column("valid_from", Date, comment=_FROM),
    Column("valid_to", Date, comment=_TO),
    Index("duties_by_area", "role", "area"),
    schema=STAFF_SCHEMA,
    comment="Who holds which role for which area or place, by date",
)

addresses = Table(
    "addresses",
    metadata,
    Column("staff_id", Text, primary_key=True, comment="Staff id, never a name"),
    Column("channel", Text, primary_key=True, comment="Channel of rules/alerts.toml: wecom, smtp, webhook, …"),
    always("url", Text, comment="Where messages go: an Apprise URL, mailto: or https: address; may hold a secret"),
    always("language", Text, comment="Language of messages: zh or en"),
    schema=STAFF_SCHEMA,
    comment="Where messages reach a member of staff; read by the outbox only",
)
