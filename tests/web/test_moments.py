"""Which month a query shows, and what was known at a moment: the picture that was drawn then."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from geo_service import drawing, jobs
from geo_service.analysis import jurisdictions
from geo_service.errors import BadParameter, StoreFailed
from geo_service.maps.atlas import Atlas
from geo_service.store import jurisdictions as registers
from geo_service.store import news, opening, reading
from geo_service.web import following, moments, parameters
from tests.analysis import made
from tests.analysis.test_jurisdictions import frame
from tests.web.serving import AT_A, AT_D, AT_S, InJune, commit

T = TypeVar("T")
HOUR = timedelta(hours=1)
KINDS = ("communities", "units")
MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06", "2024-07")


def drawn(library: InJune) -> drawing.Picture:
    with news.snapshot(library.engine) as connection:
        return drawing.whole(library, connection, library.now())


def asking(library: InJune, ask: Callable[[moments.Moments], Awaitable[T]]) -> T:
    """Ask on the newest picture."""

    async def run() -> T:
        desk = following.Desk(library.now)
        desk.put(drawn(library))
        return await ask(moments.Moments(library, desk))

    return asyncio.run(run())


def of(**said: str) -> parameters.OfMoment:
    return parameters.OfMoment.model_validate({name.replace("_", "-"): text for name, text in said.items()})


def stands(atlas: Atlas, month: str) -> list[object]:
    """What a month tells of each place: count, level, why it is withheld."""
    states = [atlas.state(kind, month) for kind in KINDS]
    return [
        state and list(zip(state.counts.tolist(), state.levels.tolist(), state.withheld.tolist(), strict=True))
        for state in states
    ]


def show(library: InJune, **said: str) -> tuple[str, list[object]]:
    atlas, month = asking(library, lambda there: there.at(of(**said)))
    return month, stands(atlas, month)


def test_without_a_moment_the_running_month_is_shown_as_it_is_now(library: InJune):
    picture = drawn(library)
    assert show(library) == ("2024-06", stands(picture.atlas, "2024-06"))
    assert show(library, month="2024-03") == ("2024-03", stands(picture.atlas, "2024-03"))
    ahead = (library.now() + HOUR).isoformat()
    assert show(library, as_of=ahead, month="2024-03") == ("2024-03", stands(picture.atlas, "2024-03"))


@pytest.mark.parametrize(
    ("datetime", "month"),
    [
        ("2024-03", "2024-03"),
        ("2024-03-31", "2024-03"),
        ("2024-03-31T15:59:59Z", "2024-03"),
        ("2024-03-31T16:00:00Z", "2024-04"),  # April has begun in the city
        ("2024-04-01T00:00:00+08:00", "2024-04"),
        ("2024-04-01T00:00:00 08:00", "2024-04"),  # a plus that nobody escaped
        ("2024-03-31t23:59:59.999+08:00", "2024-03"),
        ("2020-01/2024-04", "2024-04"),
        ("2024-02-10/2024-05-02T00:00:00Z", "2024-05"),
        ("2024-05/2030-01", "2024-06"),
        ("../2024-05", "2024-05"),
        ("/2024-05", "2024-05"),
        ("2024-01/..", "2024-06"),
        ("2024-01/", "2024-06"),
        ("../..", "2024-06"),
        ("../2020-05", "2020-05"),  # before all that is known: so it is told, there
        ("2029-05/..", "2029-05"),
    ],
)
def test_an_interval_shows_the_last_month_on_record_in_it(library: InJune, datetime: str, month: str):
    assert show(library, datetime=datetime)[0] == month


@pytest.mark.parametrize(
    "datetime",
    ["yesterday", "2024", "2024-13", "2024-02-30", "2024-05-01T10:00:00", "2024-05-01T25:00:00Z", "2024-05/2024-04",
     "2024-01/2024-02/2024-03", "..", "2024-05-01 10:00", "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_a_datetime_that_cannot_be_read_is_refused_with_what_was_expected(library: InJune, datetime: str):
    with pytest.raises(BadParameter, match="datetime="):
        show(library, datetime=datetime)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (b"month=2024-05&datetime=2024-05", "give one of them"),
        (b"as-of=2024-05-01T10:00:00", "as-of"),
        (b"as-of=soon", "expected an RFC 3339 instant"),
        (b"as-of=1717200000", "expected an RFC 3339 instant"),
        (b"as-of=2024-02-30T10:00:00Z", "as-of"),
        (b"as_of=2024-05-01T10:00:00Z", "unknown parameter 'as_of'"),
    ],
)
def test_a_query_that_contradicts_itself_or_has_no_zone_is_refused(query: bytes, says: str):
    with pytest.raises(BadParameter, match=says):
        parameters.read(parameters.OfMoment, query)


@given(moment=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.sampled_from([UTC, ZoneInfo("Asia/Shanghai")])))
def test_a_moment_is_read_back_whether_its_plus_is_escaped_or_not(moment: datetime):
    written = moment.isoformat()
    for text in (written.replace("+", "%2B"), written):
        assert parameters.read(parameters.OfMoment, f"as-of={text}".encode()).as_of == moment


def test_what_was_known_at_a_moment_is_the_picture_drawn_then(library: InJune):
    chance = random.Random(6)
    places, codes, then = (AT_A, AT_D, AT_S, "0 0"), "RTD", list[tuple[datetime, drawing.Picture]]()
    for step in range(8):
        rows = [
            f"r{chance.randrange(20)} 2024-0{chance.randint(1, 6)}-1{chance.randint(0, 9)}_10:00 "
            f"{chance.choice(codes)} {chance.choice(places)}"
            for _ in range(6)
        ]
        commit(library, "\n".join({row.split()[0]: row for row in rows}.values()))
        if step == 3:
            library.ahead.append(timedelta(days=11))  # July
        then.append((library.now(), drawn(library)))
        library.ahead.append(HOUR)
    for moment, picture in then:
        for month in MONTHS:
            found = show(library, month=month, as_of=moment.isoformat())
            assert found == (month, stands(picture.atlas, month)), (moment, month)
        assert show(library, as_of=moment.isoformat())[0] == picture.atlas.month


def test_before_anything_was_known_no_month_was_on_record(library: InJune):
    for moment in ("2024-06-20T03:00:00Z", "1900-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"):
        assert show(library, month="2024-03", as_of=moment)[1] == [None, None]
    assert show(library, as_of="2024-06-20T03:00:00Z")[0] == "2024-06"


def test_a_station_that_placed_too_few_calls_then_has_no_colours_then(library: InJune):
    areas = frame(jurisdictions.AREA_COLUMNS, "police s1 station West - - -")
    lies = frame(jurisdictions.MEMBERSHIP_COLUMNS, "communities a police s1 - -")
    with library.engine.begin() as connection:
        registers.replace_trees(connection, jurisdictions.Trees(areas, lies))
    before = library.now()
    library.ahead.append(HOUR)
    columns = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "unit": "unit"}
    rows = made.rows("".join(f"w{n} 2024-06-10_10:00 D - -\n" for n in range(30))).assign(unit="s1")
    jobs.load_incidents(library, made.feed(id="others", columns=columns), rows)
    after = library.now()
    library.ahead.append(HOUR)
    atlas, _ = asking(library, lambda there: there.at(of(as_of=before.isoformat())))
    assert stands(atlas, "2024-06") == [[(1, 1, ""), (0, 0, ""), (0, 0, ""), (1, 1, "")], [(2, 2, "")]]
    atlas, _ = asking(library, lambda there: there.at(of(as_of=after.isoformat())))
    assert stands(atlas, "2024-06") == [[(1, -1, "placement"), (0, 0, ""), (0, 0, ""), (1, 1, "")], [(2, 2, "")]]
    assert stands(atlas, "2024-06") == stands(drawn(library).atlas, "2024-06")


def test_the_same_moment_is_drawn_once_however_many_ask_and_kept(library: InJune, monkeypatch: pytest.MonkeyPatch):
    moment = library.now().isoformat()
    library.ahead.append(timedelta(days=1))
    commit(library, f"n1 2024-06-10_10:00 R {AT_A}")
    asked: list[str] = []
    ask = reading.incidents_in

    def counted(*arguments: object) -> pd.DataFrame:
        asked.append("")
        return ask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "incidents_in", counted)

    async def many(there: moments.Moments) -> list[Atlas]:
        query = of(as_of=moment, month="2024-06")
        assert there.is_settled(query)
        found = await asyncio.gather(*(there.at(query) for _ in range(20)))
        return [atlas for atlas, _ in [*found, await there.at(query)]]

    found = asking(library, many)
    assert len(asked) == 1
    assert all(atlas is found[0] for atlas in found)


def test_what_was_known_just_now_is_asked_again_after_the_next_revision(library: InJune):
    async def run() -> None:
        desk = following.Desk(library.now)
        desk.put(drawn(library))
        there = moments.Moments(library, desk)
        query = of(as_of=library.now().isoformat(), month="2024-06")
        library.ahead.append(timedelta(seconds=1))
        assert not there.is_settled(query)
        first, _ = await there.at(query)
        assert (await there.at(query))[0] is first
        await asyncio.to_thread(commit, library, f"n1 2024-06-10_10:00 R {AT_A}")
        desk.put(await asyncio.to_thread(drawn, library))
        second, _ = await there.at(query)
        assert second is not first
        assert stands(second, "2024-06") == stands(first, "2024-06")

    asyncio.run(run())


def test_new_boundaries_are_the_ground_of_the_past_too(library: InJune):
    moment = library.now().isoformat()
    library.ahead.append(timedelta(days=1))
    jobs.load_zones(library, made.squares("communities", "ab"))
    atlas, _ = asking(library, lambda there: there.at(of(as_of=moment, month="2024-06")))
    assert atlas.ground("warnings").digest == drawn(library).atlas.ground("warnings").digest


def test_what_failed_is_not_kept(library: InJune, server: sa.Engine):
    moment = library.now().isoformat()
    library.ahead.append(timedelta(days=1))

    async def run() -> None:
        desk = following.Desk(library.now)
        desk.put(drawn(library))
        there, away = moments.Moments(library, desk), library.engine
        nowhere = opening.connect("postgresql+psycopg://nobody@127.0.0.1:9/none")
        object.__setattr__(library, "engine", nowhere)
        with pytest.raises(StoreFailed):
            await there.at(of(as_of=moment))
        object.__setattr__(library, "engine", away)
        assert (await there.at(of(as_of=moment)))[1] == "2024-06"
        nowhere.dispose()

    asyncio.run(run())
