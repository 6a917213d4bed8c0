"""Keeping: how far each feed has come, each commit a reader can see, and remarks."""

from sqlalchemy import CheckConstraint, Column, Identity, Index, Integer, Table, Text

from geo_service.store.tables.base import Time, always, metadata

feeds = Table(
    "feeds",
    metadata,
    Column("feed", Text, primary_key=True, comment="Id of the feed"),
    Column("cursor", Text, comment="Where the next pull goes on, in the source's own terms; null: the beginning"),
    Column("pulled_at", Time, comment="When the last pull was recorded"),
    Column("last_called_at", Time, comment="Latest call time the feed has brought"),
    Column("last_error", Text, comment="What the last pull failed with; null: it went well"),
    comment="How far each feed has been pulled",
)

revisions = Table(
    "revisions",
    metadata,
    Column("seq", Integer, Identity(), primary_key=True, comment="Number, growing in the order of commits"),
    always("at", Time, comment="When it was recorded"),
    always(
        "what",
        Text,
        comment="zones (boundaries changed), state (incidents and what follows) or objects (of prevention)",
    ),
    Column("month_from", Text, comment="First month it touched, YYYY-MM; null: none"),
    Column("month_to", Text, comment="Last month it touched, YYYY-MM; null: none"),
    always("rows", Integer, comment="Rows that changed [-]"),
    CheckConstraint("what in ('zones', 'state', 'objects')", "what_known"),
    Index(None, "what", "seq"),
    comment="Each commit that changed something a reader can see",
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True, comment="Name of the remark"),
    always("value", Text, comment="What it says"),
    comment="Remarks the program keeps about the store as a whole",
)
