"""Working: pulls, decisions, deadlines and messages, again and again until told to stop."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from geo_service.analysis.feed import Feed
from geo_service.errors import GeoServiceError, StoreFailed
from geo_service.feeds.sources import Source
from geo_service.jobs import supervising, taking_in
from geo_service.outbox import delivery, telling
from geo_service.service import Service
from geo_service.store import decisions, messages, news, writing

log = logging.getLogger(__name__)

DECISIONS_EVERY_S = 30.0  # a notice that was lost costs this much, a failure too
DELIVER_EVERY_S = 15.0  # what becomes due without a notice, by its hour, is late by this much
_STOPS_WITHIN_S = 0.5


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
    if taking_in.recount(service):
        log.info("the rules have changed: everything on record is counted by them")
    while not stop.is_set():
        for feed, source in sources:
            try:
                summary = taking_in.pull_incidents(service, feed, source)
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
                if woken and (number := taking_in.apply_decisions(service)):
                    log.info("applied %s decisions", number)
                if woken and (number := supervising.supervise(service)):
                    log.info("escalated, froze or measured %s tasks", number)
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
