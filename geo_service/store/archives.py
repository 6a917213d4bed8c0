"""Archives: files of digitised records that restated the past, who answers for them, and what came from which row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

_ARCHIVE = tables.archives.c
_ROW = tables.archive_rows.c
_ROWS = merging.staging(tables.archive_rows, ("incident_id", "row"))


@dataclass(frozen=True)
class Archive:
    """A file of old records: its name, SHA-256 in hex, rows [-], and who answers for it and why."""

    file: str
    sha256: str
    rows: int
    signed_by: str
    because: str


def enter(connection: sa.Connection, feed: str, archive: Archive, now: datetime) -> int:
    """Enter an archive and give its number; the same file of the same feed keeps the number and signature it has."""
    about = {name: getattr(archive, name) for name in ("file", "sha256", "rows", "signed_by", "because")}
    row = insert(tables.archives).values(feed=feed, **about, at=now)
    connection.execute(row.on_conflict_do_nothing(index_elements=["feed", "sha256"]))
    known = sa.select(_ARCHIVE.id).where(_ARCHIVE.feed == feed, _ARCHIVE.sha256 == archive.sha256)
    return connection.execute(known).scalar_one()


def keep_rows(connection: sa.Connection, number: int, feed: str, rows: pd.DataFrame) -> int:
    """Keep which rows of an archive (incident_id, row) brought incidents, and give how many were not known."""
    frames.stage(connection, _ROWS, rows)
    came = sa.select(sa.literal(feed), _ROWS.c.incident_id, sa.literal(number), _ROWS.c.row)
    row = insert(tables.archive_rows).from_select(["feed", "incident_id", "archive_id", "row"], came)
    return merging.rows(connection, row.on_conflict_do_nothing()).rows


def provenance(connection: sa.Connection, keys: pd.DataFrame, view: layers.View) -> pd.DataFrame:
    """Give what is known of where incidents (feed, incident_id) came from; those of live feeds only have no row.

    Columns feed, incident_id, archive_id, row, file, sha256, signed_by, because, at; in order of incident, then of
    loading.
    """
    reading.admit(view)
    named = reading.named_keys(keys)
    question = (
        sa.select(
            *(_ROW[name] for name in ("feed", "incident_id", "archive_id", "row")),
            *(_ARCHIVE[name] for name in ("file", "sha256", "signed_by", "because", "at")),
        )
        .join(named, sa.and_(_ROW.feed == named.c.feed, _ROW.incident_id == named.c.incident_id))
        .join(tables.archives, _ARCHIVE.id == _ROW.archive_id)
        .order_by(_ROW.feed.collate("C"), _ROW.incident_id.collate("C"), _ROW.archive_id, _ROW.row)
    )
    return frames.fetch(connection, question)


def listed(connection: sa.Connection, view: layers.View) -> list[Mapping[str, Any]]:
    """Give every archive, the newest first."""
    reading.admit(view)
    question = sa.select(tables.archives).order_by(_ARCHIVE.id.desc())
    return [dict(row) for row in connection.execute(question).mappings()]
