"""Taking in: zones, rows, decisions and verdicts, each with all that follows from it in one commit."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy

from geo_service.analysis import incidents, intake, prevention, restatement, witnesses
from geo_service.analysis.feed import Feed
from geo_service.feeds.sources import Source
from geo_service.geography.zones import Zones
from geo_service.jobs import supervising
from geo_service.maps import layers
from geo_service.service import Service
from geo_service.store import archives, decisions, gazetteers, history, reading, reviews, triages, writing
from geo_service.store import prevention as objects
from geo_service.store.archives import Archive
from geo_service.store.gazetteers import Signature

_Systems = Mapping[str, Mapping[str, object]]

_RULES = "rules"  # remark: digest of the rules that the store was counted by

log = logging.getLogger(__name__)


def load_zones(service: Service, zones: Zones) -> intake.Summary:
    """Put a kind of zones in the place of the ones stored, and place and count every stored incident anew."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        writing.replace_zones(connection, zones, now=now)
        stored = reading.known_incidents(connection, None, None)
        closed = history.closed(connection, service.month(now))
        known = intake.Known(service.zones(connection), service.rules, stored, closed=closed)
        found = intake.restate(known)
        writing.record(connection, found, feed=None, cursor=None, now=now, replace="boundaries")
        supervising.follow(service, connection, found, now)
        linked = prevention.linked(objects.objects(connection, layers.EVERYTHING), known.zones)
        writing.note_objects(connection, objects.record_objects(connection, linked), now)
    return found.summary


def recount(service: Service) -> bool:
    """Count every stored incident anew where the rules have changed since it was counted; say whether they had."""
    now, digest = service.now(), service.rules.digest()
    with writing.lease(service.engine) as connection:
        if reading.remark(connection, _RULES) == digest:
            return False
        stored = reading.known_incidents(connection, None, None)
        if stored.empty:
            writing.note(connection, _RULES, digest)
            return False
        stored = incidents.dated(stored, service.rules, service.settings.time_zone)
        closed = history.closed(connection, service.month(now))
        found = intake.restate(intake.Known(service.zones(connection), service.rules, stored, closed=closed))
        writing.record(connection, found, feed=None, cursor=None, now=now, replace="rules")
        writing.note(connection, _RULES, digest)
        supervising.follow(service, connection, found, now)
    return True


def load_prevention(service: Service, table: pd.DataFrame, where: str) -> intake.Summary:
    """Take in objects, visits or measures, whichever a table's columns are about: all of them or, with an error, none.

    `table` is as files.objects_of gives it, `where` names it in errors.
    """
    now = service.now()
    what = prevention.is_about(list(table.columns))
    read = {"objects": _load_objects, "visits": _load_visits, "measures": _load_measures}[what]
    with writing.lease(service.engine) as connection:
        changed = read(service, connection, table, where)
        writing.note_objects(connection, changed, now)
    return {"loaded": what, "rows": len(table), "changed": changed}


def _load_objects(service: Service, connection: sqlalchemy.Connection, table: pd.DataFrame, where: str) -> int:
    zones, zone = service.zones(connection), ZoneInfo(service.settings.time_zone)
    came = prevention.read_objects(table, service.prevention, service.now().astimezone(zone).date(), where)
    prevention.check_zones(came, zones, where)
    states = prevention.merged(objects.objects(connection, layers.EVERYTHING), came, where)
    return objects.record_objects(connection, prevention.linked(states, zones))


def _load_visits(service: Service, connection: sqlalchemy.Connection, table: pd.DataFrame, where: str) -> int:
    known = objects.objects(connection, layers.EVERYTHING)
    checkpoints = known.loc[known["kind"] == "checkpoint", "object_id"].tolist()
    found = prevention.read_visits(table, checkpoints, service.settings.time_zone, where)
    return objects.record_visits(connection, found)


def _load_measures(service: Service, connection: sqlalchemy.Connection, table: pd.DataFrame, where: str) -> int:
    found = prevention.read_measures(table, service.prevention, service.zones(connection), where)
    return objects.record_measures(connection, found)


def load_gazetteer(service: Service, entries: pd.DataFrame, signed_by: str, reason: str) -> intake.Summary:
    """Put a gazetteer in the place of the one stored, and locate again everything that waits, in one commit."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        version = gazetteers.replace(connection, entries, Signature(signed_by, reason, now))
        found = _locate_again(service, connection, reviews.waiting(connection), now)
    return {"version": version, "entries": len(entries), **found.summary}


def apply_decisions(service: Service) -> int:
    """Apply what people have decided and all that follows from it, in one commit; give how many decisions it was."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        decided = decisions.pending(connection)
        looked_at = decisions.looked_at(decided)
        if len(looked_at):
            _triage(service, connection, looked_at, now)
        about_places = [decision for decision in decided if decision["kind"] != "triage"]
        moved = 0
        if about_places:
            decisions.bring_into_force(connection, about_places, now)
            touched = decisions.touched(connection, about_places)
            keys = pd.concat([reviews.waiting(connection), touched]).drop_duplicates()
            moved = int(str(_locate_again(service, connection, keys, now).summary["moved"]))
        decisions.applied(connection, decided, moved, now)
    return len(decided)


def pull_incidents(service: Service, feed: Feed, source: Source) -> intake.Summary:
    """Pull a feed once: what is new, and all that follows from it, in one commit with the cursor."""
    with writing.lease(service.engine) as connection:
        pulled = source.pull(reading.cursor(connection, feed.id))
        return _take_in(service, connection, feed, pulled.rows, pulled.cursor).summary


def load_incidents(service: Service, feed: Feed, rows: pd.DataFrame) -> intake.Summary:
    """Take in rows that came as a file; the feed's cursor stays where it is."""
    with writing.lease(service.engine) as connection:
        return _take_in(service, connection, feed, rows, None).summary


def load_archive(service: Service, feed: Feed, rows: pd.DataFrame, archive: Archive) -> intake.Summary:
    """Take in digitised records as if they had come then, and keep who answers for them and what came from which row.

    The past is restated by the rules as for any late row: of two versions of one incident the newer said holds.
    """
    now = service.now()
    with writing.lease(service.engine) as connection:
        found = _take_in(service, connection, feed, rows, None, late=restatement.ARCHIVE)
        number = archives.enter(connection, feed.id, archive, now)
        named = pd.DataFrame({"incident_id": incidents.joined(rows, feed.columns["id"], "-"), "row": rows["_row"]})
        brought = named[named["incident_id"].isin(found.incidents["incident_id"])].drop_duplicates()
        archives.keep_rows(connection, number, feed.id, brought)
    return {"archive": number, **found.summary}


def _take_in(
    service: Service,
    connection: sqlalchemy.Connection,
    feed: Feed,
    rows: pd.DataFrame,
    cursor: str | None,
    *,
    late: str = restatement.LATE,
) -> intake.Found:
    now = service.now()
    asked = intake.asks(rows, feed, now, service.rules)
    found = intake.digest(rows, feed, _known(service, connection, asked, now), now)
    found = replace(found, causes=found.causes.replace({"why": {restatement.LATE: late}}))
    writing.record(connection, found, feed=feed.id, cursor=cursor, now=now)
    supervising.follow(service, connection, found, now)
    alarms = [system["alarm"] for system in cast("_Systems", found.summary.get("systems", {})).values()]
    if found.witnesses is not None:
        numbers, changed = witnesses.followed(reading.evidence(connection, feed.id), found.witnesses, feed.id)
        writing.record_evidence(connection, feed.id, numbers, now)
        alarms += changed
    for alarm in filter(None, alarms):
        log.warning("%s", alarm)
    return found


def _locate_again(
    service: Service, connection: sqlalchemy.Connection, keys: pd.DataFrame, now: datetime
) -> intake.Found:
    known = _known(service, connection, intake.Asks(keys, ()), now)
    systems = {feed.id: feed.system for feed in service.feeds}
    found = intake.relocate(reading.whole_incidents(connection, keys), systems, known)
    writing.record(connection, found, feed=None, cursor=None, now=now)
    supervising.follow(service, connection, found, now)
    return found


def _triage(service: Service, connection: sqlalchemy.Connection, keys: pd.DataFrame, now: datetime) -> intake.Found:
    known = _known(service, connection, intake.Asks(keys, ()), now)
    feeds = {feed.id: feed for feed in service.feeds}
    found = intake.retriage(reading.whole_incidents(connection, keys), feeds, known)
    writing.record(connection, found, feed=None, cursor=None, now=now)
    supervising.follow(service, connection, found, now)
    return found


def _known(service: Service, connection: sqlalchemy.Connection, asked: intake.Asks, now: datetime) -> intake.Known:
    return intake.Known(
        zones=service.zones(connection),
        rules=service.rules,
        incidents=reading.known_incidents(connection, asked.keys, asked.months),
        solver=service.solver(connection),
        corrections=decisions.corrections(connection, asked.keys),
        verdicts=triages.verdicts(connection, asked.keys),
        closed=history.closed(connection, service.month(now)),
    )
