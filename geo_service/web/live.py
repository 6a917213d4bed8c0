"""Live: keeps the picture equal to the store, and tells who listens that it has changed.

A thread of its own follows the store (woken by NOTIFY, asking each second in any case), draws the new atlas and hands
it over; who reads tiles never waits for it.  With the database away the last picture stays, growing old; the store is
followed again as soon as it answers.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pandas as pd
from starlette.types import Receive, Scope, Send

from geo_service.analysis import trust
from geo_service.errors import StoreFailed
from geo_service.maps import atlas as maps
from geo_service.maps import ground
from geo_service.maps.layers import EVERYTHING, ZONE_KINDS
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import news, prevention, reading
from geo_service.web import parameters

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # a lost NOTIFY costs this much
STALE_AFTER = timedelta(seconds=5)  # without a look at the store: the database is away
FIRST_PICTURE_S = 20.0  # the server opens its doors with a picture, or after this long without
HEARTBEAT_S = 15.0  # under the 30 s after which proxies cut a silent stream


@dataclass(frozen=True)
class Picture:
    """An atlas, the revisions of its zones and objects, the day these stand on, and when it last equalled the store.

    `pulled_at`: when the source that has waited longest was pulled, None where none is; `stale`: whether that was too
    long ago for the running month to have colours.
    """

    atlas: maps.Atlas
    zones_seq: int
    objects_seq: int
    day: date
    seen_at: datetime
    pulled_at: datetime | None
    stale: bool


class Desk:
    """Where the newest picture lies.  Read and changed on the event loop only, so that no reader needs a lock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._picture: Picture | None = None
        self._next: asyncio.Future[None] | None = None

    @property
    def picture(self) -> Picture:
        """The newest picture.  Raises StoreFailed before there is one."""
        if self._picture is None:
            raise StoreFailed(
                "no picture has been drawn yet: the database has not answered; try again in a few seconds"
            )
        return self._picture

    @property
    def atlas(self) -> maps.Atlas:
        """The newest atlas.  Raises StoreFailed before there is one."""
        return self.picture.atlas

    def is_drawn(self) -> bool:
        """Say whether there is a picture."""
        return self._picture is not None

    def age(self) -> timedelta:
        """Give how long ago the picture was last known to equal the store."""
        return max(self._now() - self.picture.seen_at, timedelta())

    def is_stale(self) -> bool:
        """Say whether the store has been out of sight too long to trust the picture."""
        return self.age() > STALE_AFTER

    def marks(self) -> dict[str, str]:
        """Give the headers that say how old a picture is whose store is out of sight."""
        return {"age": str(int(self.age().total_seconds()))} if self.is_stale() else {}

    def put(self, picture: Picture) -> None:
        """Lay a picture down; who waits for a change is woken when the atlas is another one."""
        changed = self._picture is None or picture.atlas is not self._picture.atlas
        self._picture = picture
        if changed and self._next is not None:
            waiting, self._next = self._next, None
            waiting.set_result(None)

    def change(self) -> "asyncio.Future[None]":
        """Give what is done when the next atlas has been laid down; shared, so nobody may cancel it."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next


class Follower(threading.Thread):
    """Follows the store and lays each new picture on the desk."""

    def __init__(self, library: Service, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="follower", daemon=True)
        self._library = library
        self._desk = desk
        self._loop = loop
        self._picture: Picture | None = None
        self._leaving = threading.Event()
        self.first = threading.Event()

    def leave(self) -> None:
        """Stop following, within LOOK_EVERY_S."""
        self._leaving.set()
        self.join()

    def run(self) -> None:
        """Look whenever the store has news, and each LOOK_EVERY_S in any case."""
        reached = True
        while not self._leaving.is_set():
            try:
                with news.listening(self._library.engine) as wait:
                    while not self._leaving.is_set():
                        self._look()
                        if not reached:
                            log.warning("the database answers again")
                        reached = True
                        wait(LOOK_EVERY_S)
            except StoreFailed as error:
                if reached:
                    log.warning("serving the last picture: %s", error)
                reached = False
            except Exception:
                log.exception("the picture could not be drawn; trying again")
            self._turn_the_page()
            self._leaving.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        now = self._library.now()
        day = now.astimezone(ZoneInfo(self._library.settings.time_zone)).date()
        month = f"{day:%Y-%m}"
        with news.snapshot(self._library.engine) as connection:
            seen, pulled_at = reading.revision(connection), reading.pulled_at(connection)
            stale = trust.is_stale(pulled_at, now, self._library.trust)
            was = self._picture
            is_anew = was is None or was.zones_seq != seen.zones_seq or was.atlas.seq > seen.seq
            if was is None or is_anew:
                atlas = self._draw(connection, seen, month)  # a smaller seq: the store was put back from a backup
            elif was.atlas.seq != seen.seq:
                atlas = self._renewed(was.atlas, connection, seen, month)
            elif (was.stale, was.atlas.month) != (stale, month):
                atlas = self._with_month(was.atlas, connection, month)
            else:
                atlas = was.atlas
            if stale and (was is None or atlas is not was.atlas):
                atlas = _dull(atlas)
            if was is None or is_anew or (was.objects_seq, was.day) != (seen.objects_seq, day):
                atlas = atlas.pinned(self._pins(connection, day), seq=seen.seq)
        self._lay_down(Picture(atlas, seen.zones_seq, seen.objects_seq, day, now, pulled_at, stale))

    def _pins(self, connection: news.Connection, day: date) -> list[ground.Ground]:
        """Pin the objects that stand on a day, layer by layer."""
        found = prevention.pins(connection, day, EVERYTHING)
        pinned = [layer for layer in self._library.layers.values() if layer.objects]
        return [ground.pin(layer.id, found[found["kind"].isin(layer.objects)]) for layer in pinned]

    def _draw(self, connection: news.Connection, seen: reading.Revision, month: str) -> maps.Atlas:
        grounds = [
            ground.survey(reading.zones(connection, kind, EVERYTHING), reading.feature_ids(connection, kind))
            for kind in ZONE_KINDS
        ]
        library = self._library
        levels = _levels(connection, reading.months(connection))
        atlas = maps.Atlas.build(library.layers, library.scheme, grounds, levels, month=month, seq=seen.seq)
        return atlas.without_colours(self._withheld(connection, month))

    def _renewed(
        self, atlas: maps.Atlas, connection: news.Connection, seen: reading.Revision, month: str
    ) -> maps.Atlas:
        """Ask only for the months that have changed: in a city of 11,000 places ten years are half a million rows."""
        months, touched = reading.months(connection), reading.months_touched(connection, atlas.seq)
        changed = [of for of in months if (touched and touched[0] <= of <= touched[1]) or of == month]
        renewed = atlas.renewed(_levels(connection, changed), months=months, month=month, seq=seen.seq)
        return renewed.without_colours(self._withheld(connection, month))

    def _with_month(self, atlas: maps.Atlas, connection: news.Connection, month: str) -> maps.Atlas:
        """Draw the running month anew: it has begun, or is stale no longer."""
        renewed = atlas.renewed(_levels(connection, [month]), months=atlas.months, month=month, seq=atlas.seq)
        return renewed.without_colours(self._withheld(connection, month))

    def _withheld(self, connection: news.Connection, month: str) -> pd.DataFrame:
        """Ask which places of a month have no colour because of their stations."""
        trees = registers.trees(connection, EVERYTHING)
        lineage = trees.lineage(date.fromisoformat(f"{month}-01"))
        return trust.withheld(reading.stations(connection, month), lineage, self._library.trust)

    def _turn_the_page(self) -> None:
        """Go on though the database is away: a new month is not coloured as the last one, nor a stale one at all."""
        if (stood := self._picture) is None:
            return
        now = self._library.now()
        month = month_of(now, self._library.settings.time_zone)
        stale = trust.is_stale(stood.pulled_at, now, self._library.trust)
        atlas = stood.atlas if stood.atlas.month == month else replace(stood.atlas, month=month)
        if (stale, month) != (stood.stale, stood.atlas.month):
            self._lay_down(replace(stood, atlas=_dull(atlas) if stale else atlas, stale=stale))

    def _lay_down(self, picture: Picture) -> None:
        self._picture = picture
        self._loop.call_soon_threadsafe(self._desk.put, picture)
        self.first.set()


def month_of(instant: datetime, zone: str) -> str:
    """Give the calendar month of an instant in a time zone.

    >>> from datetime import UTC
    >>> month_of(datetime(2024, 5, 31, 17, 0, tzinfo=UTC), "Asia/Shanghai")
    '2024-06'
    """
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m")


def _dull(atlas: maps.Atlas) -> maps.Atlas:
    """Take the colours from the running month: nothing has been pulled for too long."""
    return atlas.without_colours(trust.everywhere())


def _levels(connection: news.Connection, months: Sequence[str]) -> dict[maps.KindMonth, pd.DataFrame]:
    return {
        (kind, month): reading.zone_levels(connection, kind, month, EVERYTHING)
        for month in months
        for kind in ZONE_KINDS
    }


async def stream(desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an event "revision" with seq and month, at once and whenever the picture has changed."""
    parameters.read(parameters.Nothing, scope["query_string"])
    told = desk.atlas
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"retry: 2000\n\n" + event(told), "more_body": True})
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        while not gone.done():
            if desk.atlas is told:
                await asyncio.wait({gone, desk.change()}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            text = b": still here\n\n" if desk.atlas is told else event(desk.atlas)
            told = desk.atlas
            await send({"type": "http.response.body", "body": text, "more_body": True})
    finally:
        gone.cancel()


def event(atlas: maps.Atlas) -> bytes:
    """Write the event that announces a picture."""
    return b"event: revision\nid: %d\ndata: %s\n\n" % (
        atlas.seq,
        orjson.dumps({"seq": atlas.seq, "month": atlas.month}),
    )


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
