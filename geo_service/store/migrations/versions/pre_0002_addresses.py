"""Addresses become places: the gazetteer, what people decide about places, and how each incident was located."""

from typing import TypeVar

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "pre_0002"
down_revision = "pre_0001"

STAFF = "Staff id of who signed, never a name"
NOTE = "Why, in words about the place; empty: none given"
TIME = sa.DateTime(timezone=True)

T = TypeVar("T")


def upgrade() -> None:
    """Make the tables, and say of every incident on record that its coordinates located it."""
    _gazetteer()
    _gazetteer_versions()
    _aliases()
    _reviews()
    _decisions()
    _source_evidence()
    _incident_points()
    _incident_texts()
    _said_so_far()


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _gazetteer() -> None:
    op.create_table(
        "gazetteer",
        _column("entry_id", sa.Text(), "The gazetteer's own id of the entry"),
        _column("since_version", sa.Integer(), "Version of the gazetteer that brought this state of the entry"),
        sa.Column("until_version", sa.Integer(), comment="Version from which it no longer stood; null: it stands"),
        _column("kind", sa.Text(), "What it is: county, town, village, road, compound, unit, poi, building, door, …"),
        _column("name", sa.Text(), "Full name; the number of a building or door, the code of a post or plate"),
        _column("aliases", sa.Text(), "Other names in the source file, joined by |; empty: none"),
        _column("parent", sa.Text(), "entry_id of what it lies in or along; empty: nothing above it"),
        _column("code", sa.Text(), "Administrative code (GB/T 2260 and longer); empty: none"),
        _column("zone_kind", sa.Text(), "communities or units, where it is one; empty: that of its parent, if any"),
        _column("zone_id", sa.Text(), "Id of the community or unit it is"),
        sa.Column("width_m", sa.Double(), comment="Carriage width of a road [m]"),
        sa.Column("valid_from", sa.Date(), comment="First day it is valid; null: always was"),
        sa.Column("valid_to", sa.Date(), comment="First day it is no longer valid; null: valid until further notice"),
        _column("successor", sa.Text(), "entry_id of what it became part of; empty: none"),
        sa.Column(
            "geometry",
            Geometry("GEOMETRY", 4326, spatial_index=False),
            comment="Point, line or area, WGS 84; null: known by name only",
        ),
        sa.PrimaryKeyConstraint("entry_id", "since_version", name="gazetteer_key"),
        comment="Names that addresses are made of, and the states they had before",
    )
    op.create_index(
        "gazetteer_standing_once",
        "gazetteer",
        ["entry_id"],
        unique=True,
        postgresql_where=sa.text("until_version IS NULL"),
    )


def _gazetteer_versions() -> None:
    op.create_table(
        "gazetteer_versions",
        sa.Column(
            "version", sa.Integer(), sa.Identity(), nullable=False, comment="Number, growing in the order of commits"
        ),
        _column("at", TIME, "When it came into force"),
        _column("what", sa.Text(), "load (of files), aliases (taught) or revocation (of an alias)"),
        _column("signed_by", sa.Text(), STAFF),
        _column("reason", sa.Text(), NOTE),
        _column("digest", sa.Text(), "SHA-256 of all entries; of an alias: of the former digest and the change"),
        _column("added", sa.Integer(), "Entries or aliases that came [-]"),
        _column("changed", sa.Integer(), "Entries that are otherwise than before [-]"),
        _column("removed", sa.Integer(), "Entries or aliases that went [-]"),
        sa.PrimaryKeyConstraint("version", name="gazetteer_versions_key"),
        sa.CheckConstraint("what in ('load', 'aliases', 'revocation')", name="gazetteer_versions_what_known"),
        comment="Each change of what addresses are read by, signed",
    )


def _aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False, comment="Number of the alias"),
        _column("words", sa.Text(), "What people call the place, as it stood in the incident's text"),
        sa.Column("entry_id", sa.Text(), comment="Entry of the gazetteer it means; null: a position instead"),
        sa.Column(
            "position", Geometry("POINT", 4326, spatial_index=False), comment="Where it is, WGS 84; null: an entry"
        ),
        _column("teaches", sa.Boolean(), "Whether it holds for every text; false: for this incident only"),
        _column("signed_by", sa.Text(), STAFF),
        _column("signed_at", TIME, "When it was taught"),
        _column("reason", sa.Text(), NOTE),
        _column("feed", sa.Text(), "Feed of the incident it was learned from"),
        _column("incident_id", sa.Text(), "Incident it was learned from"),
        _column("place", sa.Text(), "Place text of that incident as it then stood"),
        sa.Column(
            "since_version", sa.Integer(), comment="Version of the gazetteer it came into force with; null: it waits"
        ),
        sa.Column("until_version", sa.Integer(), comment="Version from which it was no longer in force; null: it is"),
        sa.Column("revoked_by", sa.Text(), comment="Staff id of who took it back, never a name; null: it stands"),
        sa.Column("revoked_at", TIME, comment="When it was taken back; null: it stands"),
        sa.PrimaryKeyConstraint("id", name="aliases_key"),
        sa.CheckConstraint("(entry_id IS NULL) <> (position IS NULL)", name="aliases_means_one_place"),
        sa.CheckConstraint("(revoked_by IS NULL) = (revoked_at IS NULL)", name="aliases_revoked_whole"),
        comment="Names of places learned from corrections: signed, and revocable",
    )
    op.create_index("aliases_by_feed_incident_id", "aliases", ["feed", "incident_id"])


def _reviews() -> None:
    op.create_table(
        "reviews",
        _column("feed", sa.Text(), "Feed of the incident"),
        _column("incident_id", sa.Text(), "The source's own id of the incident"),
        _column("place", sa.Text(), "Place text that is in question; another one opens a decided review again"),
        _column("reason", sa.Text(), "Why a person is asked: unlocated, uncertain or conflict"),
        _column("detail", sa.Text(), "Why, as a sentence"),
        _column("answer", JSONB(), "What the solver said: best answer, alternatives, question, trace"),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            server_default="open",
            comment="open, corrected or rejected (by a person), settled (itself)",
        ),
        _column("first_seen_at", TIME, "When it was first asked"),
        sa.Column("decided_by", sa.Text(), comment="Staff id of who decided, never a name; null: nobody has"),
        sa.Column("decided_at", TIME, comment="When it was decided or settled; null: it is open"),
        sa.Column("note", sa.Text(), nullable=False, server_default="", comment=NOTE),
        sa.PrimaryKeyConstraint("feed", "incident_id", name="reviews_key"),
        sa.CheckConstraint("state in ('open', 'corrected', 'rejected', 'settled')", name="reviews_state_known"),
        comment="Incidents whose place a person must look at",
    )
    op.create_index("reviews_by_state_first_seen_at", "reviews", ["state", "first_seen_at"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False, comment="Number, in the order they were taken"),
        _column("kind", sa.Text(), "correct, reject, revoke (an alias) or rerun (everything that waits)"),
        sa.Column("feed", sa.Text(), comment="Feed of the incident it is about; null: of none"),
        sa.Column("incident_id", sa.Text(), comment="Incident it is about; null: none"),
        sa.Column("alias_id", sa.Integer(), comment="Alias it taught or revokes; null: none"),
        _column("signed_by", sa.Text(), STAFF),
        _column("note", sa.Text(), NOTE),
        _column("at", TIME, "When it was taken"),
        sa.Column("applied_at", TIME, comment="When all that follows from it was recorded; null: waits for the worker"),
        sa.Column("moved", sa.Integer(), comment="Incidents that stand otherwise since it was applied [-]"),
        sa.PrimaryKeyConstraint("id", name="decisions_key"),
        sa.CheckConstraint("kind in ('correct', 'reject', 'revoke', 'rerun')", name="decisions_kind_known"),
        comment="What people decided about places, in order; nothing is ever taken out",
    )
    op.create_index("decisions_by_feed_incident_id", "decisions", ["feed", "incident_id"])
    op.create_index("decisions_waiting", "decisions", ["id"], postgresql_where=sa.text("applied_at IS NULL"))


def _source_evidence() -> None:
    op.create_table(
        "source_evidence",
        _column("feed", sa.Text(), "Id of the feed"),
        _column("numbers", JSONB(), "Log-odds of each coordinate system, from records with a sure text answer"),
        _column("changed_at", TIME, "When it last grew"),
        sa.PrimaryKeyConstraint("feed", name="source_evidence_key"),
        comment="Which coordinate system each feed really uses",
    )


def _incident_points() -> None:
    for column in (
        sa.Column(
            "source_position",
            Geometry("POINT", 4326, spatial_index=False),
            comment="Where the source itself says it was, WGS 84; null: it does not say",
        ),
        sa.Column("uncertainty_m", sa.Double(), comment="Radius that holds the place with 90 % [m]; null: unknown"),
        sa.Column(
            "confidence", sa.Double(), comment="Calibrated chance that the text's answer is right [-]; null: unknown"
        ),
    ):
        op.add_column("incidents", column)


def _incident_texts() -> None:
    for column in (
        sa.Column(
            "located_by",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="coordinates, address (text) or person; empty: it waits",
        ),
        sa.Column(
            "match_level",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="How finely the place text was understood; empty: not at all",
        ),
        sa.Column(
            "conflict",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="How text and coordinates disagree; empty: they do not",
        ),
        sa.Column(
            "named_kind",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="communities or units, where the text names one; empty: none",
        ),
        sa.Column(
            "named_id",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="Id of the community or unit the text names; empty: none",
        ),
    ):
        op.add_column("incidents", column)


def _said_so_far() -> None:
    op.execute("UPDATE incidents SET located_by = 'coordinates', source_position = position WHERE position IS NOT NULL")
    for name, said in (
        ("community_id", "Community that holds the position, or that the text names"),
        ("unit_id", "Unit that holds the position, or that the text names"),
    ):
        op.alter_column("incidents", name, existing_type=sa.Text(), comment=said)
