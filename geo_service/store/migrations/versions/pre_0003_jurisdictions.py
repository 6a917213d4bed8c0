"""Two trees of areas over the same places, and the restricted room of who answers for them."""

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "pre_0003"
down_revision = "pre_0002"

TREE = "civil or police"
KIND = "communities, units or patrol_zones"
FROM = "First day it holds; null: always did"
TO = "First day it no longer holds; null: until further notice"

T = TypeVar("T")


def upgrade() -> None:
    """Make the tables; nobody but the owner may look into the schema `staff`."""
    _areas()
    _memberships()
    op.execute("CREATE SCHEMA staff")
    op.execute("REVOKE ALL ON SCHEMA staff FROM PUBLIC")
    _duties()
    _addresses()


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _number(comment: str) -> "sa.Column[int]":
    return sa.Column("id", sa.Integer(), sa.Identity(), comment=comment)


def _days() -> "tuple[sa.Column[object], sa.Column[object]]":
    return sa.Column("valid_from", sa.Date(), comment=FROM), sa.Column("valid_to", sa.Date(), comment=TO)


def _areas() -> None:
    op.create_table(
        "areas",
        _number("Number of this state of the area"),
        _column("tree", sa.Text(), TREE),
        _column("code", sa.Text(), "Code of the area in its tree: of administration, or of police organisation"),
        _column("level", sa.Text(), "city, county, town, community; or bureau, branch, station, officer_area, grid"),
        _column("name", sa.Text(), "Name people read"),
        _column("parent", sa.Text(), "Code of the area above it in the same tree; empty: none"),
        *_days(),
        sa.PrimaryKeyConstraint("id", name="areas_key"),
        sa.CheckConstraint("tree in ('civil', 'police')", name="areas_tree_known"),
        comment="Areas of the civil and the police tree, and the states they had",
    )
    op.create_index("areas_by_tree_code", "areas", ["tree", "code"])


def _memberships() -> None:
    op.create_table(
        "memberships",
        _number("Number of this state of the membership"),
        _column("zone_kind", sa.Text(), KIND),
        _column("zone_id", sa.Text(), "Id of the zone"),
        _column("tree", sa.Text(), TREE),
        _column("area", sa.Text(), "Code of the finest area of that tree the zone lies in"),
        *_days(),
        sa.PrimaryKeyConstraint("id", name="memberships_key"),
        sa.CheckConstraint("tree in ('civil', 'police')", name="memberships_tree_known"),
        comment="Which area of each tree a zone lies in, by date",
    )
    op.create_index("memberships_by_zone_kind_zone_id", "memberships", ["zone_kind", "zone_id"])


def _duties() -> None:
    op.create_table(
        "duties",
        _number("Number of the duty"),
        _column("role", sa.Text(), "Role of rules/roles.toml"),
        _column("tree", sa.Text(), "civil or police; empty: a role at the place itself"),
        _column("area", sa.Text(), "Code of the area it is held for; empty: a place"),
        _column("zone_kind", sa.Text(), "communities, units or patrol_zones; empty: an area"),
        _column("zone_id", sa.Text(), "Id of the zone it is held for; empty: an area"),
        _column("staff_id", sa.Text(), "Staff id, never a name"),
        *_days(),
        sa.PrimaryKeyConstraint("id", name="duties_key"),
        schema="staff",
        comment="Who holds which role for which area or place, by date",
    )
    op.create_index("duties_by_area", "duties", ["role", "area"], schema="staff")


def _addresses() -> None:
    op.create_table(
        "addresses",
        _column("staff_id", sa.Text(), "Staff id, never a name"),
        _column("channel", sa.Text(), "Channel of rules/alerts.toml: wecom, smtp, webhook, …"),
        _column("url", sa.Text(), "Where messages go: an Apprise URL, mailto: or https: address; may hold a secret"),
        _column("language", sa.Text(), "Language of messages: zh or en"),
        sa.PrimaryKeyConstraint("staff_id", "channel", name="addresses_key"),
        schema="staff",
        comment="Where messages reach a member of staff; read by the outbox only",
    )
