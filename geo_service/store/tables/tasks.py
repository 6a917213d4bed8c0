"""Tasks: places under supervision, and everything that was done and said about them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.store.tables.base import KIND, MONTH, Time, always, metadata

_STATES = "'open', 'acknowledged', 'done', 'verified', 'reopened', 'cancelled'"

tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of the task"),
    always("zone_kind", Text, comment=KIND),
    always("zone_id", Text, comment="Id of the zone under supervision"),
    always("zone_class", Text, comment="Class of the zone when the task was opened; it chooses the checklist"),
    always("month", Text, comment=MONTH),
    always("programme", Text, comment="Programme of rules/tasks.toml it belongs to"),
    always("rule_version", Text, comment="Version of the rule it was opened by"),
    always("cause", Text, comment="Moment that opened it, or on_demand"),
    always("count", Integer, comment="Incidents of that month when it was opened [-]"),
    always("state", Text, comment="open, acknowledged, done, verified, reopened or cancelled"),
    always("step", SmallInteger, comment="Step of the ladder it stands at: 0 the first role, up to the highest"),
    always("is_black", Boolean, comment="Whether the place has reached black in that month"),
    always("is_true", Boolean, comment="Whether the moment still holds; false: a correction took it back"),
    always("state_by", Text, comment="Staff id of who made the last move, never a name; empty: the rules did"),
    always("owner_role", Text, comment="Role of rules/roles.toml that owns it at its step"),
    always("owner_tree", Text, comment="Tree of the owner's area; empty: the place itself"),
    always("owner_area", Text, comment="Code of the owner's area; empty: the place lies in none of that level"),
    always("opened_at", Time, comment="When it was opened"),
    Column("due_at", Time, comment="When its state must have been left; null: never"),
    always("checklist", JSONB, comment="Answers by item: {done} or numbers by name", server_default=text("'{}'")),
    Column(
        "frozen",
        JSONB,
        comment="Expected of the next month without action, and the matched places; null: not yet worked out",
    ),
    Column("effect", JSONB, comment="What came of it against what was expected; null: the next month has not begun"),
    Column("measured_at", Time, comment="When the effect was measured for good; null: not yet"),
    CheckConstraint(f"state in ({_STATES})", "state_known"),
    CheckConstraint("step >= 0", "step_on_ladder"),
    Index(
        "tasks_once",
        "zone_kind",
        "zone_id",
        "month",
        "programme",
        unique=True,
        postgresql_where=text("cause <> 'on_demand'"),
    ),
    Index("tasks_live", "state", "due_at"),
    comment="Supervision tasks: a place and month, who owns it, by when, what was expected and what came of it",
)

task_events = Table(
    "task_events",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, comment="Number of the event"),
    always("task_id", Integer, ForeignKey("tasks.id", name="task_events_of_task"), comment="Task it happened to"),
    always("at", Time, comment="When it happened"),
    always(
        "action",
        Text,
        comment="What happened: open, a move, escalate, cancel, withdraw, restore, comment, checklist or measure",
    ),
    always("state_from", Text, comment="State before; empty: there was none"),
    always("state_to", Text, comment="State after"),
    always("step", SmallInteger, comment="Step of the ladder after"),
    always("signed_by", Text, comment="Staff id of who did it, never a name; empty: the rules did"),
    always("note", Text, comment="What was said, in words about the place; empty: nothing"),
    always("links", JSONB, comment="Evidence: web addresses or references to files; an array of text"),
    always("answers", JSONB, comment="Answers to the checklist that came with it, by item"),
    Index(None, "task_id"),
    comment="Everything that was done and said about a task; rows are only ever added",
)
