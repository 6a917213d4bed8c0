"""Messages: the outbox.  A row is written in the transaction of what it tells, and delivered afterwards.

It holds facts and a staff id; where the message goes stands in staff.addresses, what it says in texts/.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.store.tables.base import MONTH, NOTE, STAFF, Time, always, metadata

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, comment="Number of the message"),
    always("key", Text, comment="SHA-256 of what tells it from others; sent along, so a receiver can drop a second"),
    always("topic", Text, comment="alert, correction, task, overdue, silent_feed or digest"),
    always("kind", Text, comment="What happened: enter_red, no_pull, …; of a correction, what is corrected"),
    always("zone_kind", Text, comment="communities, units, patrol_zones; feeds: about a feed; empty: a digest"),
    always("zone_id", Text, comment="Id of the zone or feed"),
    always("month", Text, comment=f"{MONTH}; empty: about none"),
    always("episode", Text, comment="Which time: how often it was withdrawn before, or the moment a silence began"),
    always("role", Text, comment="Role of rules/roles.toml that is told"),
    always("tree", Text, comment="civil or police; empty: a role at the place itself"),
    always("area", Text, comment="Code of the area the role is held for; empty: none"),
    always("staff_id", Text, comment="Staff id of who is told, never a name; empty: nobody holds the role"),
    always("urgent", Boolean, comment="Whether it goes at once"),
    always("facts", JSONB, comment="What is told, as facts about the place; words are found at delivery"),
    always("state", Text, comment="waiting, sent, dead (nobody got it; a person can replay it) or cancelled"),
    always("due_at", Time, comment="When it may go: not in quiet hours, not before its digest"),
    always("attempts", Integer, server_default="0", comment="Tries that have begun [-]"),
    Column("tried_at", Time, comment="When the last try began; null: none has"),
    always("next_try_at", Time, comment="When it is tried next, if it still waits"),
    always("reason", Text, server_default="", comment="Why it is dead or not sent yet, as a code; empty: it is not"),
    always("error", Text, server_default="", comment="What the last try failed with, without secrets; empty: nothing"),
    Column("sent_at", Time, comment="When the other side took it; null: it has not"),
    always("channel", Text, server_default="", comment="Channel of rules/alerts.toml it went over; empty: none yet"),
    Column("receipt_at", Time, comment="When the receiver said what became of it; null: it has not"),
    always("receipt", Text, server_default="", comment="What the receiver said: delivered, read, failed …"),
    always("created_at", Time, comment="When it was written"),
    Column("withdrawn_at", Time, comment="When what it tells ceased to hold; null: it holds"),
    Column("replay_of", BigInteger, comment="Dead message that this one was written for again; null: none"),
    Column("decided_by", Text, comment=f"{STAFF}: the last replay or cancelling; null: nobody has"),
    Column("decided_at", Time, comment="When it was replayed or cancelled by a person; null: it was not"),
    always("note", Text, server_default="", comment=NOTE),
    always("digest", Text, server_default="", comment="Key of the digest that carries it; empty: it goes alone"),
    CheckConstraint("state in ('waiting', 'sent', 'dead', 'cancelled')", "state_known"),
    Index("messages_once", "key", unique=True),
    Index("messages_due", "next_try_at", postgresql_where=text("state = 'waiting' AND digest = ''")),
    Index(None, "state", "created_at"),
    Index(None, "topic", "month"),
    Index("messages_by_digest", "digest", postgresql_where=text("digest <> ''")),
    comment="Outbox: what is to be told to whom, and what became of it",
)
