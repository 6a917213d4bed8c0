"""What was known when: former states of incidents, what people found on looking at calls, months that were restated."""

from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "pre_0004"
down_revision = "pre_0003"

STAFF = "Staff id of who signed, never a name"
NOTE = "Why, in words about the place; empty: none given"
LEVEL = "Level the rule of that month gives: 0 none, 1 yellow, 2 orange, 3 red, 4 black"
TRIAGE = "confirmed or invalid, as a person found; empty: nobody has looked"
STATION = "Police station it is with, as the source says; empty: unknown"
FILED = "When a case was filed; null: not, or the source does not say"
CALLED = "When the call came in; decides order, and the month unless the rule says otherwise"
MONTH = "Calendar month in the city's time zone, YYYY-MM"
OF_INCIDENT = f"{MONTH}, of called_at unless the rule goes by another time"
DECISION = "correct, reject, revoke (an alias), rerun (everything that waits) or triage"
TIME = sa.DateTime(timezone=True)

T = TypeVar("T")


def upgrade() -> None:
    """Make the tables; nobody has looked at what is on record."""
    _incidents()
    _former_incidents()
    _triages()
    _restatements()
    _decisions()


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _number(comment: str) -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), comment=comment)


def _point(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, Geometry("POINT", 4326, spatial_index=False), comment=comment)


def _text_or_empty(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="", comment=comment)


def _incidents() -> None:
    op.add_column("incidents", sa.Column("filed_at", TIME, comment=FILED))
    op.add_column("incidents", _text_or_empty("triage", TRIAGE))
    op.add_column("incidents", _text_or_empty("station", STATION))
    op.alter_column("incidents", "called_at", comment=CALLED)
    op.alter_column("incidents", "month", comment=OF_INCIDENT)
    op.create_index("incidents_untriaged", "incidents", ["called_at"], postgresql_where=sa.text("triage = ''"))


def _former_incidents() -> None:
    op.create_table(
        "former_incidents",
        _number("Number of this state"),
        _column("feed", sa.Text(), "Feed the incident came from"),
        _column("incident_id", sa.Text(), "The source's own id of the incident"),
        *_said(),
        *_found(),
        _column("changed_at", TIME, "When this state was recorded"),
        _column("until_at", TIME, "When the next state was recorded"),
        sa.PrimaryKeyConstraint("id", name="former_incidents_key"),
        comment="States that incidents had before: what was known of them at any past moment",
    )
    op.create_index("former_incidents_by_feed_incident_id", "former_incidents", ["feed", "incident_id"])
    op.create_index("former_incidents_by_month_until_at", "former_incidents", ["month", "until_at"])


def _said() -> list[sa.Column[Any]]:
    return [
        _column("called_at", TIME, CALLED),
        sa.Column("occurred_from", TIME, comment="Earliest time it may have happened"),
        sa.Column("occurred_to", TIME, comment="Latest time it may have happened"),
        sa.Column("filed_at", TIME, comment=FILED),
        sa.Column("updated_at", TIME, comment="When the source last changed the row"),
        _column("place", sa.Text(), "Place text as the source gives it; empty: none"),
        _column("category", sa.Text(), "Canonical category (rules/categories.toml), or unmapped"),
        _column("source_category", sa.Text(), "The source's own category code or text"),
        _text_or_empty("station", STATION),
        _point("position", "Where, WGS 84; null: waits for geocoding"),
        _point("source_position", "Where the source itself says it was, WGS 84; null: it does not say"),
    ]


def _found() -> list[sa.Column[Any]]:
    return [
        _text_or_empty("located_by", "coordinates, address (text) or person; empty: it waits"),
        _text_or_empty("match_level", "How finely the place text was understood; empty: not at all"),
        sa.Column("uncertainty_m", sa.Double(), comment="Radius that holds the place with 90 % [m]; null: unknown"),
        sa.Column(
            "confidence", sa.Double(), comment="Calibrated chance that the text's answer is right [-]; null: unknown"
        ),
        _text_or_empty("conflict", "How text and coordinates disagree; empty: they do not"),
        _text_or_empty("named_kind", "communities or units, where the text names one; empty: none"),
        _text_or_empty("named_id", "Id of the community or unit the text names; empty: none"),
        _column("month", sa.Text(), OF_INCIDENT),
        sa.Column("community_id", sa.Text(), comment="Community that holds the position, or that the text names"),
        sa.Column("unit_id", sa.Text(), comment="Unit that holds the position, or that the text names"),
        sa.Column("patrol_zone_id", sa.Text(), comment="Patrol zone that holds the position"),
        sa.Column("cell", sa.Text(), comment="H3 cell of resolution 10 that holds the position, in hex"),
        _column("placed", sa.Text(), "located, outside (of every zone) or waiting (for coordinates)"),
        _text_or_empty("triage", TRIAGE),
        _column("digest", sa.Text(), "Digest of the row's content: equal means that a re-sent row says nothing new"),
    ]


def _triages() -> None:
    op.create_table(
        "triages",
        _column("feed", sa.Text(), "Feed of the incident"),
        _column("incident_id", sa.Text(), "The source's own id of the incident"),
        _column("source_category", sa.Text(), "What the source called it then; another one asks a person again"),
        _column("verdict", sa.Text(), "confirmed, invalid (no case) or retyped"),
        _column("category", sa.Text(), "Category it was retyped to; empty: not retyped"),
        _column("signed_by", sa.Text(), STAFF),
        _column("signed_at", TIME, "When it was found"),
        _column("note", sa.Text(), NOTE),
        sa.PrimaryKeyConstraint("feed", "incident_id", name="triages_key"),
        sa.CheckConstraint("verdict in ('confirmed', 'invalid', 'retyped')", name="triages_verdict_known"),
        sa.CheckConstraint("(verdict = 'retyped') = (category <> '')", name="triages_retyped_to_something"),
        comment="What people found on looking at calls: the verdict that holds",
    )


def _restatements() -> None:
    why = "By cause (late, retyped, triaged, redated, relocated) the calls that did it; boundaries, rules: none"
    op.create_table(
        "restatements",
        _number("Number, in the order of recording"),
        _column("at", TIME, "When it was recorded"),
        _column("zone_kind", sa.Text(), "communities, units or patrol_zones"),
        _column("zone_id", sa.Text(), "Id of the zone"),
        _column("month", sa.Text(), f"{MONTH}; it had ended"),
        _column("count_before", sa.Integer(), "Incidents that coloured, as told until then [-]"),
        _column("count_after", sa.Integer(), "Incidents that colour since then [-]"),
        _column("level_before", sa.SmallInteger(), LEVEL),
        _column("level_after", sa.SmallInteger(), LEVEL),
        _column("why", JSONB(), why),
        sa.PrimaryKeyConstraint("id", name="restatements_key"),
        comment="Counts of ended months that became others, never silently",
    )
    op.create_index("restatements_by_month_zone_kind_zone_id", "restatements", ["month", "zone_kind", "zone_id"])
    op.create_index("restatements_by_at", "restatements", ["at"])


def _decisions() -> None:
    op.drop_constraint("decisions_kind_known", "decisions", type_="check")
    op.create_check_constraint(
        "decisions_kind_known", "decisions", "kind in ('correct', 'reject', 'revoke', 'rerun', 'triage')"
    )
    op.alter_column("decisions", "kind", comment=DECISION)
