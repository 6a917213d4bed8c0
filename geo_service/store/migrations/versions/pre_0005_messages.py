"""The outbox: messages written with what they tell, delivered afterwards."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "pre_0005"
down_revision = "pre_0004"


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(), comment="Number of the message"),
        *_what(),
        *_state(),
        *_afterwards(),
        sa.PrimaryKeyConstraint("id", name="messages_key"),
        sa.CheckConstraint("state in ('waiting', 'sent', 'dead', 'cancelled')", name="messages_state_known"),
        comment="Outbox: what is to be told to whom, and what became of it",
    )
    due, carried = sa.text("state = 'waiting' AND digest = ''"), sa.text("digest <> ''")
    op.create_index("messages_once", "messages", ["key"], unique=True)
    op.create_index("messages_due", "messages", ["next_try_at"], postgresql_where=due)
    op.create_index("messages_by_state_created_at", "messages", ["state", "created_at"])
    op.create_index("messages_by_topic_month", "messages", ["topic", "month"])
    op.create_index("messages_by_digest", "messages", ["digest"], postgresql_where=carried)


def _always(name: str, kind: TypeEngine[Any], comment: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default, comment=comment)


def _maybe(name: str, kind: TypeEngine[Any], comment: str) -> sa.Column[Any]:
    return sa.Column(name, kind, comment=comment)


def _what() -> tuple[sa.Column[Any], ...]:
    month = "Calendar month in the city's time zone, YYYY-MM; empty: about none"
    key = "SHA-256 of what tells it from others; sent along, so a receiver can drop a second"
    kind = "What happened: enter_red, no_pull, …; of a correction, what is corrected"
    episode = "Which time: how often it was withdrawn before, or the moment a silence began"
    return (
        _always("key", sa.Text(), key),
        _always("topic", sa.Text(), "alert, correction, task, overdue, silent_feed or digest"),
        _always("kind", sa.Text(), kind),
        _always("zone_kind", sa.Text(), "communities, units, patrol_zones; feeds: about a feed; empty: a digest"),
        _always("zone_id", sa.Text(), "Id of the zone or feed"),
        _always("month", sa.Text(), month),
        _always("episode", sa.Text(), episode),
        _always("role", sa.Text(), "Role of rules/roles.toml that is told"),
        _always("tree", sa.Text(), "civil or police; empty: a role at the place itself"),
        _always("area", sa.Text(), "Code of the area the role is held for; empty: none"),
        _always("staff_id", sa.Text(), "Staff id of who is told, never a name; empty: nobody holds the role"),
        _always("urgent", sa.Boolean(), "Whether it goes at once"),
        _always("facts", postgresql.JSONB(), "What is told, as facts about the place; words are found at delivery"),
    )


def _state() -> tuple[sa.Column[Any], ...]:
    time = sa.DateTime(timezone=True)
    reason = "Why it is dead or not sent yet, as a code; empty: it is not"
    error = "What the last try failed with, without secrets; empty: nothing"
    return (
        _always("state", sa.Text(), "waiting, sent, dead (nobody got it; a person can replay it) or cancelled"),
        _always("due_at", time, "When it may go: not in quiet hours, not before its digest"),
        _always("attempts", sa.Integer(), "Tries that have begun [-]", "0"),
        _maybe("tried_at", time, "When the last try began; null: none has"),
        _always("next_try_at", time, "When it is tried next, if it still waits"),
        _always("reason", sa.Text(), reason, ""),
        _always("error", sa.Text(), error, ""),
        _maybe("sent_at", time, "When the other side took it; null: it has not"),
        _always("channel", sa.Text(), "Channel of rules/alerts.toml it went over; empty: none yet", ""),
    )


def _afterwards() -> tuple[sa.Column[Any], ...]:
    time, staff = sa.DateTime(timezone=True), "Staff id of who signed, never a name"
    return (
        _maybe("receipt_at", time, "When the receiver said what became of it; null: it has not"),
        _always("receipt", sa.Text(), "What the receiver said: delivered, read, failed …", ""),
        _always("created_at", time, "When it was written"),
        _maybe("withdrawn_at", time, "When what it tells ceased to hold; null: it holds"),
        _maybe("replay_of", sa.BigInteger(), "Dead message that this one was written for again; null: none"),
        _maybe("decided_by", sa.Text(), f"{staff}: the last replay or cancelling; null: nobody has"),
        _maybe("decided_at", time, "When it was replayed or cancelled by a person; null: it was not"),
        _always("note", sa.Text(), "Why, in words about the place; empty: none given", ""),
        _always("digest", sa.Text(), "Key of the digest that carries it; empty: it goes alone", ""),
    )
