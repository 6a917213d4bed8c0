"""Following: keeps the picture equal to the store, and lays it where every request finds it.

A thread of its own follows the store (woken by NOTIFY, asking each second in any case), draws the new picture
(drawing.py) and hands it over; who reads tiles never waits for it.  With the database away the last picture stays,
growing old; the store is followed again as soon as it answers.  Who is told of a change: live.py.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from geo_service import drawing
from geo_service.errors import StoreFailed
from geo_service.maps import atlas as maps
from geo_service.maps import mvt
from geo_service.maps.ground import FINEST, Ground
from geo_service.maps.layers import CELLS
from geo_service.service import Service
from geo_service.store import news
from geo_service.web import chronicle

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # a lost NOTIFY costs this much
STALE_AFTER = timedelta(seconds=5)  # without a look at the store: the database is away
FIRST_PICTURE_S = 20.0  # the server opens its doors with a picture, or after this long without

_LOOKED_AT_FIRST = 11  # the zoom at which a city fills a screen


class Desk:
    """Where the newest picture lies.  Read and changed on the event loop only, so that no reader needs a lock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._picture: drawing.Picture | None = None
        self.chronicle = chronicle.Chronicle()

    @property
    def picture(self) -> drawing.Picture:
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
        return max(self._now() - self.picture.look.at, timedelta())

    def is_stale(self) -> bool:
        """Say whether the store has been out of sight too long to trust the picture."""
        return self.age() > STALE_AFTER

    def marks(self) -> dict[str, str]:
        """Give the headers that say how old a picture is whose store is out of sight."""
        return {"age": str(int(self.age().total_seconds()))} if self.is_stale() else {}

    def put(self, picture: drawing.Picture) -> None:
        """Lay a picture down; the chronicle takes note when the atlas is another one."""
        changed = self._picture is None or picture.atlas is not self._picture.atlas
        self._picture = picture
        if changed:
            self.chronicle.note(picture.atlas)


class Follower(threading.Thread):
    """Follows the store and lays each new picture on the desk."""

    def __init__(self, library: Service, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="follower", daemon=True)
        self._library = library
        self._desk = desk
        self._loop = loop
        self._picture: drawing.Picture | None = None
        self._leaving = threading.Event()
        self._prepared: set[str] = set()
        self.first = threading.Event()

    def leave(self) -> None:
        """Stop following, within LOOK_EVERY_S."""
        self._leaving.set()
        self.join()

    def run(self) -> None:
        """Look whenever the store has news, and each LOOK_EVERY_S in any case."""
        reached = True
        mvt.warm_up()
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
            if self._picture is not None:
                self._lay_down(drawing.turned(self._library, self._picture, self._library.now()))
            self._leaving.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        library, was, now = self._library, self._picture, self._library.now()
        library.watch.look()  # the picture is drawn by the layer files as they are now
        with news.snapshot(library.engine) as connection:
            if was is None:
                self._lay_down(drawing.whole(library, connection, now))
            else:
                self._lay_down(drawing.renewed(library, connection, was, now))

    def _lay_down(self, picture: drawing.Picture) -> None:
        self._picture = picture
        self._loop.call_soon_threadsafe(self._desk.put, picture)
        self.first.set()
        self._prepare(picture.atlas.grounds.values())

    def _prepare(self, grounds: Iterable[Ground]) -> None:
        """Make the sheets of new grounds, of every zoom, before somebody waits for them: a second each in a city."""
        # H3 cells are made when asked for: new ones come with every other pull.
        fresh = [one for one in grounds if len(one) and one.kind != CELLS and one.digest not in self._prepared]
        self._prepared |= {ground.digest for ground in fresh}
        if fresh:
            threading.Thread(target=_make_sheets, args=(fresh, self._leaving), name="sheets", daemon=True).start()


def _make_sheets(grounds: Sequence[Ground], leaving: threading.Event) -> None:
    for z in sorted(range(FINEST + 1), key=lambda z: abs(z - _LOOKED_AT_FIRST)):
        for ground in grounds:
            if not leaving.is_set():
                ground.sheet(z)
