"""Moments: which month a query shows, and the atlas of what was known at a moment.

`month` and `datetime` say when things happened, `as-of` when they were known.  A month as known at a moment is counted
from the incidents then on record, by the rules of today and on the ground of today, as the tables of statistics are
(intake.levels_of).  Of those answers some are kept; who asks for one that is being drawn waits for it.  What is known
now never asks the store.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from geo_service.analysis import intake, trust
from geo_service.errors import BadParameter
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import CELLS, EVERYTHING, ZONE_KINDS
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import news, reading
from geo_service.web import parameters
from geo_service.web.following import Desk

SETTLED_AFTER = timedelta(minutes=10)  # no job that began before so long ago is still recording

_KEPT = 128  # months as known at moments: two scrubbers over four years
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # before that nothing is known of anything
_MONTH = re.compile(r"\d{4}-\d\d")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EXPECTED = (
    "expected an RFC 3339 instant, a date, YYYY-MM, or an interval of them such as 2024-01/2024-06, ../b or a/.."
)

T = TypeVar("T")
Span = tuple[str, str]  # first and last month on record


@dataclass(frozen=True)
class _Known:
    """How far the store had come at a moment: its revision, the months that had incidents, and the running month."""

    seq: int
    months: Span | tuple[()]
    running: str

    @property
    def span(self) -> Span | None:
        """First and last month on record, None where there was none."""
        return (self.months[0], max(self.months[-1], self.running)) if self.months else None


@dataclass(frozen=True)
class _Kept:
    """An answer, being found or found, and the atlas it stands on."""

    base: Atlas
    answer: "asyncio.Task[object]"

    def holds_on(self, base: Atlas, *, settled: bool) -> bool:
        """Say whether it is an answer on this atlas too; one about moments just past only until the next revision."""
        same = self.base.grounds is base.grounds and self.base.layers is base.layers
        return same and (settled or self.base.seq == base.seq)


class Moments:
    """Answers which atlas and which month a query is about."""

    def __init__(self, library: Service, desk: Desk) -> None:
        self._library = library
        self._desk = desk
        self._zone = ZoneInfo(library.settings.time_zone)
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def at(self, query: parameters.OfMoment) -> tuple[Atlas, str]:
        """Give the atlas that knows what a query asks about, and the month it shows; it is to be asked for that one.

        Raises BadParameter for a datetime that cannot be read, StoreFailed when a past moment cannot be looked up.
        """
        base = self._desk.atlas
        if query.as_of is None or query.as_of >= self._library.now():
            span = (base.months[0], max(base.months[-1], base.month)) if base.months else None
            return base, query.month or month_shown(query.datetime, base.month, span, self._zone)
        as_of = max(query.as_of, _EARLIEST)
        known = await self._once(as_of, as_of, lambda: self._known(as_of))
        month = query.month or month_shown(query.datetime, known.running, known.span, self._zone)
        return await self._once((as_of, month), as_of, lambda: self._drawn(base, known, as_of, month)), month

    def is_settled(self, query: parameters.OfMoment) -> bool:
        """Say whether the answer stays what it is as long as rules and boundaries do: it is about a moment well past.

        Such answers may be kept for hours without asking again (Cache-Control: max-age); not for ever, since recounting
        by new rules or on new boundaries changes them too.
        """
        return query.as_of is not None and query.as_of < self._desk.picture.look.revision.at - SETTLED_AFTER

    def keeping(self, query: parameters.OfMoment) -> str:
        """Give Cache-Control: an answer about a moment well past is good for an hour."""
        return "public, max-age=3600" if self.is_settled(query) else "no-cache"

    async def _once(self, key: Hashable, as_of: datetime, find: Callable[[], T]) -> T:
        """Find something in a thread, once, however many ask; give it again while it holds."""
        base, settled = self._desk.atlas, as_of < self._desk.picture.look.revision.at - SETTLED_AFTER
        kept = self._kept.get(key)
        if kept is None or not kept.holds_on(base, settled=settled):
            kept = self._kept[key] = _Kept(base, asyncio.create_task(asyncio.to_thread(find)))
            kept.answer.add_done_callback(lambda answer: self._forget_failed(key, answer))
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return cast(T, await asyncio.shield(kept.answer))

    def _forget_failed(self, key: Hashable, answer: "asyncio.Task[object]") -> None:
        failed = answer.cancelled() or answer.exception() is not None
        if failed and key in self._kept and self._kept[key].answer is answer:
            del self._kept[key]

    def _known(self, as_of: datetime) -> _Known:
        with news.snapshot(self._library.engine) as connection:
            seq, months = reading.revision(connection, as_of).seq, reading.months_known(connection, as_of)
        return _Known(seq, months or (), self._library.month(as_of))

    def _drawn(self, base: Atlas, known: _Known, as_of: datetime, month: str) -> Atlas:
        """Draw one month as it was known; of other months the atlas knows nothing but whether they were on record."""
        bare = replace(base, states={key: state for key, state in base.states.items() if not key[1]})
        if known.span is None or not known.span[0] <= month <= known.span[1]:
            return bare.renewed({}, months=known.months, month=known.running, seq=known.seq)
        with news.snapshot(self._library.engine) as connection:
            incidents = reading.incidents_in(connection, reading.Wanted(month, month, as_of), EVERYTHING)
            found = intake.levels_of(incidents, self._library.zones(connection), self._library.rules)
            levels = {(kind, month): found[(found["zone_kind"] == kind).to_numpy(dtype=bool)] for kind in ZONE_KINDS}
            if CELLS in base.grounds:
                cells = intake.cell_levels_of(incidents, self._library.rules)
                levels[CELLS, month] = cells.rename(columns={"h3": "zone_id"})
            atlas = bare.renewed(levels, months=known.months, month=known.running, seq=known.seq)
            if month != known.running:
                return atlas
            stations = reading.stations(connection, month, as_of)
            lineage = registers.trees(connection, EVERYTHING).lineage(datetime.fromisoformat(f"{month}-01").date())
        return atlas.without_colours(trust.withheld(stations, lineage, self._library.trust))


def month_shown(text: str, current: str, span: Span | None, zone: ZoneInfo) -> str:
    """Read `datetime` and give the month to show: of an interval the last one on record, without any the current one.

    An interval in which nothing is on record shows its end (its beginning where it has none): that nothing is known is
    told there.  Raises BadParameter.

    >>> month_shown("2024-05-31T17:00:00Z", "2024-06", None, ZoneInfo("Asia/Shanghai"))
    '2024-06'
    >>> [month_shown(text, "2024-06", ("2023-02", "2024-06"), UTC) for text in ("../2024-01-31", "2023-05/..", "1999")]
    Traceback (most recent call last):
    geo_service.errors.BadParameter: datetime=1999: expected an RFC 3339 instant, a date, YYYY-MM, or an interval of \
them such as 2024-01/2024-06, ../b or a/..
    """
    if not text:
        return current
    ends = [_month_of(end, text, zone) for end in text.split("/")]
    if len(ends) == 1 and ends[0]:
        return ends[0]
    if len(ends) != 2:
        raise BadParameter(f"datetime={text}: {_EXPECTED}")
    first, last = ends
    if first and last and first > last:
        raise BadParameter(f"datetime={text}: the interval ends before it begins; give the earlier end first")
    if span is None or (last and last < span[0]) or (first and first > span[1]):
        return last or first or current
    return min(last or span[1], span[1])


def _month_of(end: str, text: str, zone: ZoneInfo) -> str:
    """Read one end of an interval; "" is open."""
    try:
        if parameters.INSTANT.fullmatch(end):
            instant = datetime.fromisoformat(end.upper().replace(" ", "+"))
            return f"{instant.astimezone(zone):%Y-%m}"
        if _DAY.fullmatch(end):
            return f"{datetime.fromisoformat(end):%Y-%m}"
        if _MONTH.fullmatch(end):
            return f"{datetime.fromisoformat(f'{end}-01'):%Y-%m}"
    except (ValueError, OverflowError) as error:
        raise BadParameter(f"datetime={text}: there is no such day or time: {error}") from None
    if end in ("", "..") and "/" in text:
        return ""
    raise BadParameter(f"datetime={text}: {_EXPECTED}")
