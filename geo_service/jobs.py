"""Jobs: what happens when.  Each is read - think - write; with the store, under one lease and in one commit."""

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence

import pandas as pd
import sqlalchemy

from geo_service.analysis import intake, rules
from geo_service.analysis.feed import Feed
from geo_service.errors import GeoServiceError, StoreFailed
from geo_service.feeds.sources import Source
from geo_service.geography.zones import Zones
from geo_service.maps import layers
from geo_service.service import Service
from geo_service.store import reading, writing

log = logging.getLogger(__name__)


def load_zones(service: Service, zones: Zones) -> intake.Summary:
    """Put a kind of zones in the place of the ones stored, and place and count every stored incident anew."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        writing.replace_zones(connection, zones, now=now)
        known = intake.Known(
            _zones(service, connection), service.rules, reading.known_incidents(connection, None, None)
        )
        found = intake.restate(known)
        writing.record(connection, found, feed=None, cursor=None, now=now, replace=True)
    return found.summary


def pull_incidents(service: Service, feed: Feed, source: Source) -> intake.Summary:
    """Pull a feed once: what is new, and all that follows from it, in one commit with the cursor."""
    with writing.lease(service.engine) as connection:
        pulled = source.pull(reading.cursor(connection, feed.id))
        return _take_in(service, connection, feed, pulled.rows, pulled.cursor)


def load_incidents(service: Service, feed: Feed, rows: pd.DataFrame) -> intake.Summary:
    """Take in rows that came as a file; the feed's cursor stays where it is."""
    with writing.lease(service.engine) as connection:
        return _take_in(service, connection, feed, rows, None)


def work(service: Service, sources: Sequence[tuple[Feed, Source]], stop: threading.Event) -> None:
    """Pull every source every `pull_every_s` until told to stop; one that fails is logged and asked again next time."""
    while not stop.is_set():
        for feed, source in sources:
            try:
                summary = pull_incidents(service, feed, source)
                log.info("pulled %s: %s rows, %s recorded", feed.id, summary["rows_read"], summary["recorded"])
            except GeoServiceError as error:
                log.warning("pull of %s failed, nothing recorded: %s", feed.id, error)
                _remember(service, feed, error)
        stop.wait(service.settings.pull_every_s)


def _remember(service: Service, feed: Feed, error: GeoServiceError) -> None:
    if isinstance(error, StoreFailed):
        return  # there is nowhere to write it
    with contextlib.suppress(StoreFailed), service.engine.begin() as connection:
        writing.note_failure(connection, feed.id, str(error))


def _take_in(
    service: Service, connection: sqlalchemy.Connection, feed: Feed, rows: pd.DataFrame, cursor: str | None
) -> intake.Summary:
    now = service.now()
    asked = intake.asks(rows, feed, now)
    stored = reading.known_incidents(connection, asked.keys, asked.months)
    found = intake.digest(rows, feed, intake.Known(_zones(service, connection), service.rules, stored), now)
    writing.record(connection, found, feed=feed.id, cursor=cursor, now=now)
    return found.summary


def _zones(service: Service, connection: sqlalchemy.Connection) -> Mapping[str, Zones]:
    kept, seq = service.boundaries, reading.revision(connection).zones_seq
    if kept.seq != seq:
        found = {kind: reading.zones(connection, kind, layers.EVERYTHING) for kind in rules.ZONE_KINDS}
        kept.zones = {kind: zones for kind, zones in found.items() if len(zones)}
        kept.seq = seq
    return kept.zones
