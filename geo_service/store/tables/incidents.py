"""Incidents: what sources said, what was refused, and what people decided about it."""

from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.store.tables.base import MONTH, NOTE, STAFF, Time, always, metadata


def _said() -> "list[Column[Any]]":
    """Give the columns that hold what a source says of an incident, and may change."""
    return [
        always(
            "called_at",
            Time,
            comment="When the call came in; decides order, and the month unless the rule says otherwise",
        ),
        Column("occurred_from", Time, comment="Earliest time it may have happened"),
        Column("occurred_to", Time, comment="Latest time it may have happened"),
        Column("filed_at", Time, comment="When a case was filed; null: not, or the source does not say"),
        Column("updated_at", Time, comment="When the source last changed the row"),
        always("place", Text, comment="Place text as the source gives it; empty: none"),
        always("category", Text, comment="Canonical category (rules/categories.toml), or unmapped"),
        always("source_category", Text, comment="The source's own category code or text"),
        always(
            "station", Text, server_default="", comment="Police station it is with, as the source says; empty: unknown"
        ),
        Column(
            "position", Geometry("POINT", 4326, spatial_index=False), comment="Where, WGS 84; null: waits for geocoding"
        ),
        Column(
            "source_position",
            Geometry("POINT", 4326, spatial_index=False),
            comment="Where the source itself says it was, WGS 84; null: it does not say",
        ),
    ]


def _found() -> "list[Column[Any]]":
    """Give the columns that hold what was made of it."""
    return [
        always("located_by", Text, server_default="", comment="coordinates, address (text) or person; empty: it waits"),
        always(
            "match_level",
            Text,
            server_default="",
            comment="How finely the place text was understood; empty: not at all",
        ),
        Column("uncertainty_m", Double, comment="Radius that holds the place with 90 % [m]; null: unknown"),
        Column("confidence", Double, comment="Calibrated chance that the text's answer is right [-]; null: unknown"),
        always("conflict", Text, server_default="", comment="How text and coordinates disagree; empty: they do not"),
        always(
            "named_kind", Text, server_default="", comment="communities or units, where the text names one; empty: none"
        ),
        always("named_id", Text, server_default="", comment="Id of the community or unit the text names; empty: none"),
        always("month", Text, comment=f"{MONTH}, of called_at unless the rule goes by another time"),
        Column("community_id", Text, comment="Community that holds the position, or that the text names"),
        Column("unit_id", Text, comment="Unit that holds the position, or that the text names"),
        Column("patrol_zone_id", Text, comment="Patrol zone that holds the position"),
        Column("cell", Text, comment="H3 cell of resolution 10 that holds the position, in hex"),
        always("placed", Text, comment="located, outside (of every zone) or waiting (for coordinates)"),
        always(
            "triage",
            Text,
            server_default="",
            comment="confirmed or invalid, as a person found; empty: nobody has looked",
        ),
        always("digest", Text, comment="Digest of the row's content: equal means that a re-sent row says nothing new"),
    ]


incidents = Table(
    "incidents",
    metadata,
    Column("feed", Text, primary_key=True, comment="Feed the incident came from"),
    Column("incident_id", Text, primary_key=True, comment="The source's own id of the incident"),
    *_said(),
    *_found(),
    always("first_seen_at", Time, comment="When the row was first recorded"),
    always("changed_at", Time, comment="When the row was last recorded otherwise than before"),
    CheckConstraint("placed in ('located', 'outside', 'waiting')", "placed_known"),
    Index(None, "month"),
    Index(None, "called_at"),
    Index(None, "community_id", "month"),
    Index(None, "unit_id", "month"),
    Index(None, "patrol_zone_id", "month"),
    Index("incidents_untriaged", "called_at", postgresql_where=text("triage = ''")),
    Index("incidents_by_position", "position", postgresql_using="gist"),
    comment="Incidents: places and times, never persons",
)

former_incidents = Table(
    "former_incidents",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, comment="Number of this state"),
    always("feed", Text, comment="Feed the incident came from"),
    always("incident_id", Text, comment="The source's own id of the incident"),
    *_said(),
    *_found(),
    always("changed_at", Time, comment="When this state was recorded"),
    always("until_at", Time, comment="When the next state was recorded"),
    Index(None, "feed", "incident_id"),
    Index(None, "month", "until_at"),
    comment="States that incidents had before: what was known of them at any past moment",
)

triages = Table(
    "triages",
    metadata,
    Column("feed", Text, primary_key=True, comment="Feed of the incident"),
    Column("incident_id", Text, primary_key=True, comment="The source's own id of the incident"),
    always("source_category", Text, comment="What the source called it then; another one asks a person again"),
    always("verdict", Text, comment="confirmed, invalid (no case) or retyped"),
    always("category", Text, comment="Category it was retyped to; empty: not retyped"),
    always("signed_by", Text, comment=STAFF),
    always("signed_at", Time, comment="When it was found"),
    always("note", Text, comment=NOTE),
    CheckConstraint("verdict in ('confirmed', 'invalid', 'retyped')", "verdict_known"),
    CheckConstraint("(verdict = 'retyped') = (category <> '')", "retyped_to_something"),
    comment="What people found on looking at calls: the verdict that holds",
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
    always("note", Text, server_default="", comment=NOTE),
    CheckConstraint("state in ('open', 'corrected', 'rejected', 'settled')", "state_known"),
    Index(None, "state", "first_seen_at"),
    comment="Incidents whose place a person must look at",
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number, in the order they were taken"),
    always("kind", Text, comment="correct, reject, revoke (an alias), rerun (everything that waits) or triage"),
    Column("feed", Text, comment="Feed of the incident it is about; null: of none"),
    Column("incident_id", Text, comment="Incident it is about; null: none"),
    Column("alias_id", Integer, comment="Alias it taught or revokes; null: none"),
    always("signed_by", Text, comment=STAFF),
    always("note", Text, comment=NOTE),
    always("at", Time, comment="When it was taken"),
    Column("applied_at", Time, comment="When all that follows from it was recorded; null: waits for the worker"),
    Column("moved", Integer, comment="Incidents that stand otherwise since it was applied [-]"),
    CheckConstraint("kind in ('correct', 'reject', 'revoke', 'rerun', 'triage')", "kind_known"),
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
