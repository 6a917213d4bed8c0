"""Objects of prevention, visits, measures, and archives with what came from them."""

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "pre_0007"
down_revision = "pre_0006"

TIME = sa.DateTime(timezone=True)
STAFF = "Staff id of who signed, never a name"
NOTE = "Why, in words about the place; empty: none given"

T = TypeVar("T")


def upgrade() -> None:
    """Make the tables; a commit may now be about objects."""
    _objects()
    _visits()
    _measures()
    _archives()
    _archive_rows()
    _revisions()


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _objects() -> None:
    op.create_table(
        "prevention_objects",
        sa.Column("id", sa.Integer(), sa.Identity(), comment="Number of this state; an object's lowest is its tile id"),
        _column("object_id", sa.Text(), "The city's own id of the object, compared as text"),
        _column(
            "kind", sa.Text(), "Kind of rules/prevention.toml: guard_post, checkpoint, gate, perimeter_alarm, venue"
        ),
        _column("name", sa.Text(), "Name people read; empty: none"),
        sa.Column(
            "position",
            Geometry("POINT", 4326, spatial_index=False),
            comment="Where, WGS 84; null: known by its zone only",
        ),
        _column("zone_kind", sa.Text(), "communities, units or patrol_zones it was declared for; empty: by position"),
        _column("zone_id", sa.Text(), "Id of the zone it was declared for; empty: by position"),
        _column("grade", sa.Text(), "Grade; empty: not graded"),
        _column("valid_from", sa.Date(), "First day this state holds; of a venue, the day it was graded"),
        sa.Column("valid_to", sa.Date(), comment="First day it no longer holds; null: until further notice"),
        sa.Column("regrade_on", sa.Date(), comment="Day by which it must be graded again; null: never"),
        _column("properties", JSONB(), "What else the rules keep of the kind: guards, width_m, trade, …"),
        _column("community_id", sa.Text(), "Community it stands in, declared or by position; empty: none"),
        _column("unit_id", sa.Text(), "Unit it stands in, declared or by position; empty: none"),
        sa.PrimaryKeyConstraint("id", name="prevention_objects_key"),
        comment="Objects of prevention, and the states they had before",
    )
    op.create_index("prevention_objects_once", "prevention_objects", ["object_id", "valid_from"], unique=True)
    op.create_index("prevention_objects_by_community_id", "prevention_objects", ["community_id"])


def _visits() -> None:
    op.create_table(
        "prevention_visits",
        _column("object_id", sa.Text(), "Checkpoint that was visited"),
        _column("at", TIME, "When; never by whom"),
        sa.PrimaryKeyConstraint("object_id", "at", name="prevention_visits_key"),
        comment="Visits of electronic patrol checkpoints",
    )
    op.create_index("prevention_visits_by_at", "prevention_visits", ["at"])


def _measures() -> None:
    op.create_table(
        "measures",
        _column("zone_kind", sa.Text(), "communities, units or patrol_zones"),
        _column("zone_id", sa.Text(), "Id of the zone it was taken at"),
        _column("what", sa.Text(), "Measure of rules/prevention.toml: refurbished, gated, lit, …"),
        _column("from_day", sa.Date(), "First day with it"),
        _column("note", sa.Text(), NOTE),
        sa.PrimaryKeyConstraint("zone_kind", "zone_id", "what", "from_day", name="measures_key"),
        comment="What was done to places against crime, and from when on",
    )


def _archives() -> None:
    op.create_table(
        "archives",
        sa.Column("id", sa.Integer(), sa.Identity(), comment="Number of the archive"),
        _column("feed", sa.Text(), "Feed its rows were read as"),
        _column("file", sa.Text(), "Name of the file, without its folder"),
        _column("sha256", sa.Text(), "SHA-256 of the file's bytes, in hex: the same file is one archive"),
        _column("rows", sa.Integer(), "Rows in the file [-]"),
        _column("signed_by", sa.Text(), STAFF),
        _column("because", sa.Text(), "Why it was loaded, in words"),
        _column("at", TIME, "When it was first loaded"),
        sa.PrimaryKeyConstraint("id", name="archives_key"),
        sa.CheckConstraint("rows >= 0", name="archives_rows_counted"),
        comment="Digitised archives that restated the past, signed",
    )
    op.create_index("archives_once", "archives", ["feed", "sha256"], unique=True)


def _archive_rows() -> None:
    op.create_table(
        "archive_rows",
        _column("feed", sa.Text(), "Feed of the incident"),
        _column("incident_id", sa.Text(), "The source's own id of the incident"),
        _column("archive_id", sa.Integer(), "Archive that brought it"),
        _column("row", sa.BigInteger(), "Row of the file that speaks of it, from 1"),
        sa.PrimaryKeyConstraint("feed", "incident_id", "archive_id", "row", name="archive_rows_key"),
        comment="Which row of which archive an incident, or a version of it, came from",
    )


def _revisions() -> None:
    op.drop_constraint("revisions_what_known", "revisions", type_="check")
    op.create_check_constraint("revisions_what_known", "revisions", "what in ('zones', 'state', 'objects')")
    op.alter_column(
        "revisions",
        "what",
        comment="zones (boundaries changed), state (incidents and what follows) or objects (of prevention)",
        existing_comment="zones (boundaries changed) or state (incidents and what follows from them)",
    )
