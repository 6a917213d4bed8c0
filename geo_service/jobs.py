"""Jobs: what happens when.  Each is read - think - write; with the store, under one lease and in one commit."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy

from geo_service.analysis import intake, jurisdictions, memberships, rules, witnesses
from geo_service.analysis.feed import Feed
from geo_service.errors import GeoServiceError, StoreFailed
from geo_service.feeds.sources import Source
from geo_service.geography.zones import Zones
from geo_service.jurisdiction_files import Roster
from geo_service.maps import layers
from geo_service.outbox import delivery, telling
from geo_service.service import Service
from geo_service.store import decisions, gazetteers, history, messages, news, reading, reviews, triages, writing
from geo_service.store import jurisdictions as registers
from geo_service.store.gazetteers import Signature

_Systems = Mapping[str, Mapping[str, object]]

log = logging.getLogger(__name__)

DECISIONS_EVERY_S = 30.0  # a notice that was lost costs this much, a failure too
DELIVER_EVERY_S = 15.0  # what becomes due without a notice, by its hour, is late by this much
_STOPS_WITHIN_S = 0.5


def load_zones(service: Service, zones: Zones) -> intake.Summary:
    """Put a kind of zones in the place of the ones stored, and place and count every stored incident anew."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        writing.replace_zones(connection, zones, now=now)
        stored = reading.known_incidents(connection, None, None)
        closed = history.closed(connection, service.month(now))
        known = intake.Known(_zones(service, connection), service.rules, stored, closed=closed)
        found = intake.restate(known)
        writing.record(connection, found, feed=None, cursor=None, now=now, replace="boundaries")
        telling.moments(connection, service.post, known.zones, now)
    return found.summary


def load_gazetteer(service: Service, entries: pd.DataFrame, signed_by: str, reason: str) -> intake.Summary:
    """Put a gazetteer in the place of the one stored, and locate again everything that waits, in one commit."""
    now = service.now()
    with writing.lease(service.engine) as connection:
        version = gazetteers.replace(connection, entries, Signature(signed_by, reason, now))
        found = _locate_again(service, connection, reviews.waiting(connection), now)
    return {"version": version, "entries": len(entries), **found.summary}


def load_areas(service: Service, areas: pd.DataFrame, where: str) -> intake.Summary:
    """Put areas in the place of those stored, unless memberships or duties on record do not fit in them."""
    with writing.lease(service.engine) as connection:
        former, duties = _jurisdictions(connection)
        jurisdictions.check_succession(areas, former.memberships, duties, service.roles, where)
        registers.replace_trees(connection, replace(former, areas=areas))
    return {"areas": len(areas)}


def load_memberships(service: Service, found: pd.DataFrame, where: str) -> intake.Summary:
    """Put memberships of both trees in the place of those stored; tell what they leave open."""
    with writing.lease(service.engine) as connection:
        former, _ = _jurisdictions(connection)
        jurisdictions.check_memberships(found, former.areas, where)
        registers.replace_trees(connection, replace(former, memberships=found))
        return {"memberships": len(found), **memberships.without(found, _zones(service, connection))}


def load_memberships_by_area(service: Service, polygons: Zones, tree: str, where: str) -> intake.Summary:
    """Put memberships by geometry in the place of those of one tree; tell places in no area and in several."""
    with writing.lease(service.engine) as connection:
        former, _ = _jurisdictions(connection)
        found = memberships.by_area(polygons, former.areas, tree, _zones(service, connection).values())
        jurisdictions.check_memberships(found.memberships, former.areas, where)
        others = former.memberships[former.memberships["tree"] != tree]
        registers.replace_trees(connection, replace(former, memberships=pd.concat([others, found.memberships])))
    outside, split = (frame.to_dict("records") for frame in (found.outside, found.split))
    return {"memberships": len(found.memberships), "outside": outside, "split": split}


def load_roster(service: Service, roster: Roster, where: str) -> intake.Summary:
    """Put a roster in the place of the one stored; tell by role for how many places nobody answers today."""
    today = service.now().astimezone(ZoneInfo(service.settings.time_zone)).date()
    with writing.lease(service.engine) as connection:
        trees, _ = _jurisdictions(connection)
        jurisdictions.check_duties(roster.duties, service.roles, trees.areas, where)
        registers.replace_roster(connection, roster.duties, roster.addresses)
        places = reading.places(connection, layers.EVERYTHING)
    gaps = jurisdictions.answering(trees, roster.duties, service.roles, today).gaps(places)
    nobody = {str(role): int(count) for role, count in gaps["role"].value_counts(sort=False).items()}
    return {"duties": len(roster.duties), "addresses": len(roster.addresses), "places_with_nobody": nobody}


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
        return _take_in(service, connection, feed, pulled.rows, pulled.cursor)


def load_incidents(service: Service, feed: Feed, rows: pd.DataFrame) -> intake.Summary:
    """Take in rows that came as a file; the feed's cursor stays where it is."""
    with writing.lease(service.engine) as connection:
        return _take_in(service, connection, feed, rows, None)


def watch_feeds(service: Service, feeds: Sequence[Feed]) -> None:
    """Tell of feeds that have fallen silent, or speak again, in one commit."""
    with writing.lease(service.engine, "silences") as connection:
        telling.silent_feeds(connection, service.post, [feed.id for feed in feeds], service.now())


def work(service: Service, sources: Sequence[tuple[Feed, Source]], stop: threading.Event) -> None:
    """Pull every source every `pull_every_s`, apply decisions as they come, deliver messages, until told to stop.

    What fails is logged and tried again: a source with the next pull, decisions after DECISIONS_EVERY_S.  Messages have
    a thread of their own: a mail server that does not answer holds up no pull.
    """
    postman = threading.Thread(target=_deliver_until, args=(service, [feed for feed, _ in sources], stop), name="post")
    postman.start()
    try:
        _pull_until(service, sources, stop)
    finally:
        stop.set()
        postman.join()


def _pull_until(service: Service, sources: Sequence[tuple[Feed, Source]], stop: threading.Event) -> None:
    while not stop.is_set():
        for feed, source in sources:
            try:
                summary = pull_incidents(service, feed, source)
                log.info("pulled %s: %s rows, %s recorded", feed.id, summary["rows_read"], summary["recorded"])
            except GeoServiceError as error:
                log.warning("pull of %s failed, nothing recorded: %s", feed.id, error)
                _remember(service, feed, error)
        until = time.monotonic() + service.settings.pull_every_s
        while not stop.is_set() and (left_s := until - time.monotonic()) > 0:
            _decide_until(service, stop, min(left_s, DECISIONS_EVERY_S))


def _decide_until(service: Service, stop: threading.Event, seconds: float) -> None:
    """Apply the decisions that wait, and those that come within so many seconds."""
    until = time.monotonic() + seconds
    try:
        with news.listening(service.engine, decisions.CHANNEL) as wait:
            woken = True
            while not stop.is_set() and (left_s := until - time.monotonic()) > 0:
                if woken and (number := apply_decisions(service)):
                    log.info("applied %s decisions", number)
                woken = wait(min(left_s, _STOPS_WITHIN_S))
    except GeoServiceError as error:
        log.warning("decisions could not be applied, nothing recorded: %s", error)
        stop.wait(max(0.0, until - time.monotonic()))


def _deliver_until(service: Service, feeds: Sequence[Feed], stop: threading.Event) -> None:
    """Deliver what is due, and what becomes due, until told to stop; look after silent feeds."""
    while not stop.is_set():
        try:
            with news.listening(service.engine, messages.CHANNEL) as wait:
                while not stop.is_set():
                    watch_feeds(service, feeds)
                    if number := delivery.deliver(service.engine, service.post, service.now, stop):
                        log.info("delivered %s messages", number)
                    _wait(wait, stop)
        except GeoServiceError as error:
            log.warning("messages could not be delivered, they wait: %s", error)
            stop.wait(DELIVER_EVERY_S)


def _wait(woken: Callable[[float], bool], stop: threading.Event) -> None:
    """Wait until something may be due: a notice, or DELIVER_EVERY_S."""
    until = time.monotonic() + DELIVER_EVERY_S
    while not stop.is_set() and time.monotonic() < until and not woken(_STOPS_WITHIN_S):
        pass


def _remember(service: Service, feed: Feed, error: GeoServiceError) -> None:
    if isinstance(error, StoreFailed):
        return  # there is nowhere to write it
    with contextlib.suppress(StoreFailed), service.engine.begin() as connection:
        writing.note_failure(connection, feed.id, str(error))


def _take_in(
    service: Service, connection: sqlalchemy.Connection, feed: Feed, rows: pd.DataFrame, cursor: str | None
) -> intake.Summary:
    now = service.now()
    asked = intake.asks(rows, feed, now, service.rules)
    found = intake.digest(rows, feed, _known(service, connection, asked, now), now)
    writing.record(connection, found, feed=feed.id, cursor=cursor, now=now)
    telling.moments(connection, service.post, _zones(service, connection), now)
    alarms = [system["alarm"] for system in cast("_Systems", found.summary.get("systems", {})).values()]
    if found.witnesses is not None:
        numbers, changed = witnesses.followed(reading.evidence(connection, feed.id), found.witnesses, feed.id)
        writing.record_evidence(connection, feed.id, numbers, now)
        alarms += changed
    for alarm in filter(None, alarms):
        log.warning("%s", alarm)
    return found.summary


def _locate_again(
    service: Service, connection: sqlalchemy.Connection, keys: pd.DataFrame, now: datetime
) -> intake.Found:
    known = _known(service, connection, intake.Asks(keys, ()), now)
    systems = {feed.id: feed.system for feed in service.feeds}
    found = intake.relocate(reading.whole_incidents(connection, keys), systems, known)
    writing.record(connection, found, feed=None, cursor=None, now=now)
    telling.moments(connection, service.post, known.zones, now)
    return found


def _triage(service: Service, connection: sqlalchemy.Connection, keys: pd.DataFrame, now: datetime) -> intake.Found:
    known = _known(service, connection, intake.Asks(keys, ()), now)
    feeds = {feed.id: feed for feed in service.feeds}
    found = intake.retriage(reading.whole_incidents(connection, keys), feeds, known)
    writing.record(connection, found, feed=None, cursor=None, now=now)
    telling.moments(connection, service.post, known.zones, now)
    return found


def _jurisdictions(connection: sqlalchemy.Connection) -> tuple[jurisdictions.Trees, pd.DataFrame]:
    return registers.trees(connection, layers.EVERYTHING), registers.duties(connection, layers.EVERYTHING)


def _known(service: Service, connection: sqlalchemy.Connection, asked: intake.Asks, now: datetime) -> intake.Known:
    return intake.Known(
        zones=_zones(service, connection),
        rules=service.rules,
        incidents=reading.known_incidents(connection, asked.keys, asked.months),
        solver=service.solver(connection),
        corrections=decisions.corrections(connection, asked.keys),
        verdicts=triages.verdicts(connection, asked.keys),
        closed=history.closed(connection, service.month(now)),
    )


def _zones(service: Service, connection: sqlalchemy.Connection) -> Mapping[str, Zones]:
    kept, seq = service.boundaries, reading.revision(connection).zones_seq
    if kept.seq != seq:
        found = {kind: reading.zones(connection, kind, layers.EVERYTHING) for kind in rules.ZONE_KINDS}
        kept.zones = {kind: zones for kind, zones in found.items() if len(zones)}
        kept.seq = seq
    return kept.zones
