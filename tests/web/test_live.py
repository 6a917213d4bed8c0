"""The picture follows the store: commits arrive, an outage leaves the last picture standing, and it heals by itself."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import httpx
import mapbox_vector_tile
import pytest
import shapely
import sqlalchemy as sa

from geo_service import jobs
from geo_service.maps import colours
from geo_service.store import reading
from geo_service.web import live
from tests.web.serving import (
    AT_A,
    AT_D,
    LAT,
    LON,
    SIDE,
    InJune,
    commit,
    load_zones,
    serving,
    tile,
    wait_until,
    worn,
    zones,
)
from tests.web.serving import library as without_zones


class Outage:
    """Lets a database stop answering, and answer again."""

    def __init__(self, server: sa.Engine, database: sa.Engine) -> None:
        self._server = server
        self._name = database.url.database

    def begin(self) -> None:
        self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self._say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")

    def end(self) -> None:
        self._say(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def _say(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(sa.text(statement))


@pytest.fixture
def outage(server: sa.Engine, database: sa.Engine) -> Outage:
    return Outage(server, database)


def events(answer: httpx.Response) -> Iterator[dict[str, object]]:
    """Read a stream's events, comments passed over."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            assert name == "revision"
            yield json.loads(line.removeprefix("data: "))


def ready(client: httpx.Client) -> dict[str, object]:
    return client.get("/health/ready").json()


def test_a_commit_reaches_stream_and_tile(library: InJune):
    with serving(library) as client, client.stream("GET", "/live") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        heard = events(stream)
        first = next(heard)
        assert first == {"seq": ready(client)["revision"], "month": "2024-06"}
        before = client.get(tile())
        for number, level in ((2, 2), (3, 2), (4, 3), (5, 3), (6, 4)):
            commit(library, f"n{number} 2024-06-10_10:00 R {AT_A}")
            told = next(heard)
            after = client.get(tile(), headers={"if-none-match": before.headers["etag"]})
            assert after.status_code == 200
            assert worn(after)["a"] == (number, level)
            assert told == {"seq": ready(client)["revision"], "month": "2024-06"}
        drawn = mapbox_vector_tile.decode(client.get(tile(form="mvt")).content)["warnings"]["features"]
        assert [one["properties"]["level"] for one in drawn] == [4, 0, 0, 1]


def test_a_commit_to_another_month_leaves_this_one_as_it_is(library: InJune):
    with serving(library) as client:
        june, march = client.get(tile()), client.get(tile(), params={"month": "2024-03"})
        seq = ready(client)["revision"]
        commit(library, f"m3 2024-03-07_10:00 R {AT_D}")
        wait_until(lambda: ready(client)["revision"] != seq)
        assert client.get(tile(), headers={"if-none-match": june.headers["etag"]}).status_code == 304
        again = client.get(tile(), params={"month": "2024-03"}, headers={"if-none-match": march.headers["etag"]})
        assert worn(again)["d"] == (1, 1)


def test_a_recording_wakes_the_follower_long_before_it_would_look(library: InJune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "LOOK_EVERY_S", 60.0)

    async def run() -> tuple[int, int]:
        desk = live.Desk(library.now)
        follower = live.Follower(library, desk, asyncio.get_running_loop())
        follower.start()
        await asyncio.to_thread(follower.first.wait)
        await asyncio.sleep(0)
        before = desk.atlas.seq
        changed = desk.change()
        await asyncio.to_thread(commit, library, f"n1 2024-06-10_10:00 R {AT_A}")
        await asyncio.wait_for(changed, 30)
        leaving = asyncio.create_task(asyncio.to_thread(follower.leave))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(commit, library, f"n2 2024-06-10_10:00 R {AT_A}")
        await asyncio.wait_for(leaving, 30)
        return before, desk.atlas.seq

    before, after = asyncio.run(run())
    assert after > before


def test_a_picture_renewed_step_by_step_equals_one_drawn_afresh(library: InJune):
    steps = [
        f"n1 2024-03-10_10:00 R {AT_D}",
        f"n2 2024-04-10_10:00 R {AT_A}\nn3 2024-06-10_10:00 T {AT_A}",
        f"n2 2024-02-10_10:00 R {AT_A}",  # moves to another month and leaves its own empty
        f"j1 2024-06-01_00:10 D {AT_A}",  # is typed anew, and colours no longer
        f"m1 2024-03-05_23:30 R {AT_D}\nm2 2024-03-06_08:00 T {AT_D}",  # move to another place
    ]
    stepwise, afresh = live.Desk(library.now), live.Desk(library.now)

    async def run() -> None:
        follower = live.Follower(library, stepwise, asyncio.get_running_loop())
        follower.start()
        await stepwise.change()
        for step in steps:
            changed = stepwise.change()
            await asyncio.to_thread(commit, library, step)
            await changed
        other = live.Follower(library, afresh, asyncio.get_running_loop())
        other.start()
        await afresh.change()
        await asyncio.to_thread(follower.leave)
        await asyncio.to_thread(other.leave)

    asyncio.run(asyncio.wait_for(run(), 60))
    one, other = stepwise.atlas, afresh.atlas
    assert (one.seq, one.months) == (other.seq, other.months)
    assert one.months == ("2024-02", "2024-03", "2024-06")
    assert {key: state.digest for key, state in one.states.items()} == {
        key: state.digest for key, state in other.states.items()
    }


def test_the_same_rows_again_are_no_change(library: InJune):
    with serving(library) as client, client.stream("GET", "/live") as stream:
        heard = events(stream)
        first = next(heard)
        commit(library, f"j1 2024-06-01_00:10 T {AT_A}")
        commit(library, f"n1 2024-06-10_10:00 R {AT_A}")
        assert next(heard)["seq"] == int(str(first["seq"])) + 1
        assert worn(client.get(tile()))["a"] == (2, 2)


def test_a_silent_stream_is_kept_open(library: InJune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    with serving(library) as client, client.stream("GET", "/live") as stream:
        lines = stream.iter_lines()
        assert [next(line for line in lines if line.startswith(":")) for _ in range(3)] == [": still here"] * 3


def test_with_the_database_away_the_maps_are_served_and_say_their_age(library: InJune, outage: Outage):
    with serving(library) as client:
        assert "age" not in client.get(tile()).headers
        before = worn(client.get(tile()))
        outage.begin()
        library.ahead.append(timedelta(minutes=3))
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        told = ready(client)
        assert (told["status"], told["database"], told["month"]) == ("stale", "down", "2024-06")
        assert float(str(told["picture_age_s"])) >= 180
        for path in (
            tile(),
            tile(form="mvt"),
            "/tiles/warnings.json",
            "/collections/warnings/items",
            "/collections/warnings/items/a",
        ):
            answer = client.get(path)
            assert answer.status_code == 200
            assert int(answer.headers["age"]) >= 180
        assert worn(client.get(tile())) == before
        held = client.get(tile(), headers={"if-none-match": client.get(tile()).headers["etag"]})
        assert (held.status_code, int(held.headers["age"]) >= 180) == (304, True)
        assert client.get("/health/live").json() == {"status": "live"}

        why = client.get("/collections/warnings/items/a/why")
        assert (why.status_code, why.headers["content-type"]) == (503, "application/problem+json")
        assert int(why.headers["retry-after"]) > 0
        assert why.headers["cache-control"] == "no-store"
        assert "the database cannot be used" in why.json()["detail"]

        outage.end()
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        assert "age" not in client.get(tile()).headers
        commit(library, f"n1 2024-06-10_10:00 R {AT_A}")
        wait_until(lambda: worn(client.get(tile()))["a"] == (2, 2))
        assert client.get("/collections/warnings/items/a/why").json()["count"] == 2


def test_a_new_month_begins_though_the_database_is_away(library: InJune, outage: Outage):
    with serving(library) as client:
        outage.begin()
        library.ahead.append(timedelta(days=11))
        wait_until(lambda: ready(client)["month"] == "2024-07")
        assert set(worn(client.get(tile())).values()) == {(0, 0)}
        assert worn(client.get(tile(), params={"month": "2024-06"}))["a"] == (1, 1)


def test_a_new_month_begins_at_midnight_in_the_city_and_is_told(library: InJune):
    with serving(library) as client, client.stream("GET", "/live") as stream:
        heard = events(stream)
        assert next(heard)["month"] == "2024-06"
        library.ahead.append(timedelta(days=10, hours=12, minutes=1))  # 1 July 00:01 in the city, 30 June in UTC
        assert next(heard)["month"] == "2024-07"
        assert set(worn(client.get(tile())).values()) == {(0, 0)}


def test_a_server_without_a_database_starts_and_gets_its_picture_later(
    library: InJune, outage: Outage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "FIRST_PICTURE_S", 0.2)
    outage.begin()
    with serving(library) as client:
        for path in (tile(), "/tiles/warnings.json", "/collections", "/live", "/map/config.json"):
            answer = client.get(path)
            assert answer.status_code == answer.json()["status"] == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "no picture has been drawn yet" in answer.json()["detail"]
        assert client.get("/health/ready").status_code == 503
        assert ready(client)["status"] == "starting"
        assert client.get("/health/live").status_code == 200
        outage.end()
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        assert worn(client.get(tile()))["a"] == (1, 1)


def test_new_boundaries_are_drawn_and_those_who_stay_keep_their_numbers(library: InJune):
    def numbers(client: httpx.Client) -> dict[str, int]:
        return {one["properties"]["id"]: one["id"] for one in client.get(tile()).json()["features"]}

    with serving(library) as client:
        before = numbers(client)
        shapes = {letter: square(i) for i, letter in enumerate("bcde", start=1)}
        jobs.load_zones(library, zones("communities", shapes, "village"))
        wait_until(lambda: "e" in numbers(client))
        after = numbers(client)
        assert {letter: after[letter] for letter in "bcd"} == {letter: before[letter] for letter in "bcd"}
        assert "a" not in after
        assert after["e"] not in before.values()
        assert client.get("/collections/warnings/items/a").status_code == 404
        assert worn(client.get(tile()))["d"] == (1, 1)


def square(column: int) -> shapely.Polygon:
    return shapely.box(LON + column * SIDE, LAT, LON + (column + 1) * SIDE, LAT + SIDE)


def test_a_city_without_zones_or_incidents_is_served_empty(database: sa.Engine):
    service = without_zones(database)
    with serving(service) as client:
        assert client.get(tile()).status_code == 204
        assert client.get("/collections/warnings/items").json()["features"] == []
        assert client.get("/map/config.json").json()["months"] == []
        assert ready(client) | {"picture_age_s": 0} == {
            "status": "ready",
            "database": "up",
            "revision": 0,
            "picture_age_s": 0,
            "month": "2024-06",
        }
        load_zones(service)
        wait_until(lambda: client.get(tile()).status_code == 200)
        # Nothing has ever been counted: that is not the same as no incidents.
        assert set(worn(client.get(tile())).values()) == {(None, None)}


def test_a_picture_that_cannot_be_drawn_is_tried_again(
    library: InJune, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with serving(library) as client:
        with monkeypatch.context() as broken:
            broken.setattr(colours, "tally", None)
            commit(library, f"n1 2024-06-10_10:00 R {AT_A}")
            wait_until(lambda: "the picture could not be drawn" in caplog.text)
            assert worn(client.get(tile()))["a"] == (1, 1)
        wait_until(lambda: worn(client.get(tile()))["a"] == (2, 2))


def test_a_picture_never_mixes_two_revisions(library: InJune, monkeypatch: pytest.MonkeyPatch):
    # Something is recorded between two questions of one look: the picture still is of the moment the look began.
    ask, late = reading.zone_levels, iter([True])

    def interrupted(connection: sa.Connection, kind: str, month: str, view: object) -> object:
        if next(late, False):
            commit(library, f"n1 2024-06-10_10:00 R {AT_A}\nn2 2024-03-10_10:00 R {AT_A}")
        return ask(connection, kind, month, live.EVERYTHING)

    seen: list[live.Picture] = []

    async def run() -> None:
        desk = live.Desk(library.now)
        follower = live.Follower(library, desk, asyncio.get_running_loop())
        monkeypatch.setattr(reading, "zone_levels", interrupted)
        follower.start()
        for _ in range(2):
            await desk.change()
            seen.append(desk.picture)
        await asyncio.to_thread(follower.leave)

    asyncio.run(asyncio.wait_for(run(), 30))
    counts = {
        picture.atlas.seq: [
            int(state.counts[0])
            for month in ("2024-03", "2024-06")
            if (state := picture.atlas.state("communities", month))
        ]
        for picture in seen
    }
    assert list(counts.values()) == [[2, 1], [3, 2]]
