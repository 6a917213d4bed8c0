"""Supervision tasks, and the events that are only ever added to."""

from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "pre_0006"
down_revision = "pre_0005"

T = TypeVar("T")

TIME = sa.DateTime(timezone=True)
STATES = "'open', 'acknowledged', 'done', 'verified', 'reopened', 'cancelled'"
ACTIONS = "What happened: open, a move, escalate, cancel, withdraw, restore, comment, checklist or measure"


def upgrade() -> None:
    """Make the tables; the events can be neither changed nor taken out."""
    _tasks()
    _events()
    op.execute(
        "CREATE FUNCTION task_events_stay() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events of tasks are only ever added'; END $$"
    )
    op.execute(
        "CREATE TRIGGER task_events_stay BEFORE UPDATE OR DELETE ON task_events "
        "FOR EACH ROW EXECUTE FUNCTION task_events_stay()"
    )


def _column(name: str, kind: TypeEngine[T], comment: str) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), sa.Identity(), comment="Number of the task"),
        *_about(),
        *_stand(),
        sa.Column(
            "checklist",
            JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="Answers by item: {done} or numbers by name",
        ),
        sa.Column(
            "frozen",
            JSONB(),
            comment="Expected of the next month without action, and the matched places; null: not yet worked out",
        ),
        sa.Column(
            "effect", JSONB(), comment="What came of it against what was expected; null: the next month has not begun"
        ),
        sa.Column("measured_at", TIME, comment="When the effect was measured for good; null: not yet"),
        sa.PrimaryKeyConstraint("id", name="tasks_key"),
        sa.CheckConstraint(f"state in ({STATES})", name="tasks_state_known"),
        sa.CheckConstraint("step >= 0", name="tasks_step_on_ladder"),
        comment="Supervision tasks: a place and month, who owns it, by when, what was expected and what came of it",
    )
    once = ["zone_kind", "zone_id", "month", "programme"]
    op.create_index("tasks_once", "tasks", once, unique=True, postgresql_where=sa.text("cause <> 'on_demand'"))
    op.create_index("tasks_live", "tasks", ["state", "due_at"])


def _about() -> "list[sa.Column[Any]]":
    return [
        _column("zone_kind", sa.Text(), "communities, units or patrol_zones"),
        _column("zone_id", sa.Text(), "Id of the zone under supervision"),
        _column("zone_class", sa.Text(), "Class of the zone when the task was opened; it chooses the checklist"),
        _column("month", sa.Text(), "Calendar month in the city's time zone, YYYY-MM"),
        _column("programme", sa.Text(), "Programme of rules/tasks.toml it belongs to"),
        _column("rule_version", sa.Text(), "Version of the rule it was opened by"),
        _column("cause", sa.Text(), "Moment that opened it, or on_demand"),
        _column("count", sa.Integer(), "Incidents of that month when it was opened [-]"),
    ]


def _stand() -> "list[sa.Column[Any]]":
    return [
        _column("state", sa.Text(), "open, acknowledged, done, verified, reopened or cancelled"),
        _column("step", sa.SmallInteger(), "Step of the ladder it stands at: 0 the first role, up to the highest"),
        _column("is_black", sa.Boolean(), "Whether the place has reached black in that month"),
        _column("is_true", sa.Boolean(), "Whether the moment still holds; false: a correction took it back"),
        _column("state_by", sa.Text(), "Staff id of who made the last move, never a name; empty: the rules did"),
        _column("owner_role", sa.Text(), "Role of rules/roles.toml that owns it at its step"),
        _column("owner_tree", sa.Text(), "Tree of the owner's area; empty: the place itself"),
        _column("owner_area", sa.Text(), "Code of the owner's area; empty: the place lies in none of that level"),
        _column("opened_at", TIME, "When it was opened"),
        sa.Column("due_at", TIME, comment="When its state must have been left; null: never"),
    ]


def _events() -> None:
    op.create_table(
        "task_events",
        sa.Column("id", sa.Integer(), sa.Identity(), comment="Number of the event"),
        _column("task_id", sa.Integer(), "Task it happened to"),
        _column("at", TIME, "When it happened"),
        _column("action", sa.Text(), ACTIONS),
        _column("state_from", sa.Text(), "State before; empty: there was none"),
        _column("state_to", sa.Text(), "State after"),
        _column("step", sa.SmallInteger(), "Step of the ladder after"),
        _column("signed_by", sa.Text(), "Staff id of who did it, never a name; empty: the rules did"),
        _column("note", sa.Text(), "What was said, in words about the place; empty: nothing"),
        _column("links", JSONB(), "Evidence: web addresses or references to files; an array of text"),
        _column("answers", JSONB(), "Answers to the checklist that came with it, by item"),
        sa.PrimaryKeyConstraint("id", name="task_events_key"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="task_events_of_task"),
        comment="Everything that was done and said about a task; rows are only ever added",
    )
    op.create_index("task_events_by_task_id", "task_events", ["task_id"])
