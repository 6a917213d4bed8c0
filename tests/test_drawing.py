"""A picture renewed from the store, or turned without it, is the one that would be drawn afresh."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from geo_service import drawing
from geo_service.maps.atlas import Atlas
from geo_service.store import news, tables
from tests.maps.drawn import tile_at
from tests.web import serving

DAYS_TO_JULY = timedelta(days=11)


@pytest.fixture
def library(database: sa.Engine) -> serving.InJune:
    return serving.city(database)


def pulled(library: serving.InJune, at: datetime) -> None:
    with library.engine.begin() as connection:
        connection.execute(sa.update(tables.feeds).values(cursor="1", pulled_at=at))


def whole(library: serving.InJune, now: datetime) -> drawing.Picture:
    with news.snapshot(library.engine) as connection:
        return drawing.whole(library, connection, now)


def renewed(library: serving.InJune, was: drawing.Picture, now: datetime) -> drawing.Picture:
    with news.snapshot(library.engine) as connection:
        return drawing.renewed(library, connection, was, now)


def levels(atlas: Atlas, month: str) -> list[int]:
    state = atlas.state("communities", month)
    assert state is not None
    return state.levels.tolist()


def digests(atlas: Atlas, *months: str) -> list[str]:
    return [
        state.digest for kind in ("communities", "units") for month in months if (state := atlas.state(kind, month))
    ]


def test_a_picture_is_kept_as_it_is_while_the_store_is(library: serving.InJune):
    now = library.now()
    was = whole(library, now)
    again = renewed(library, was, now + timedelta(seconds=1))
    assert again.atlas is was.atlas
    assert again.look.at == now + timedelta(seconds=1)


def test_places_whose_colour_stays_withheld_keep_the_names_of_their_tiles(library: serving.InJune):
    now = library.now()
    pulled(library, now - timedelta(minutes=31))
    was = whole(library, now)
    serving.commit(library, f"n1 2024-06-10_10:00 R {serving.AT_A}")
    pulled(library, now - timedelta(minutes=31))  # taking in rows was a pull
    again = renewed(library, was, now)
    a, d = (tile_at(serving.LON + (at + 0.5) * serving.SIDE, serving.LAT + serving.SIDE / 2, 15) for at in (0, 3))
    assert levels(again.atlas, "2024-06") == [-1] * 4
    assert again.atlas.version("warnings", d) == was.atlas.version("warnings", d)
    assert again.atlas.version("warnings", a) != was.atlas.version("warnings", a)


def test_a_month_that_is_over_gets_back_what_was_withheld_while_it_ran(library: serving.InJune):
    now = library.now()
    pulled(library, now - timedelta(minutes=31))
    was = whole(library, now)
    assert levels(was.atlas, "2024-06") == [-1] * 4
    july = now + DAYS_TO_JULY
    stepwise, away = renewed(library, was, july), drawing.turned(library, was, july)
    for one in (stepwise, renewed(library, away, july)):
        assert digests(one.atlas, "2024-06", "2024-07") == digests(whole(library, july).atlas, "2024-06", "2024-07")
        assert levels(one.atlas, "2024-06") == [1, 0, 0, 1]
        assert levels(one.atlas, "2024-07") == [-1] * 4
    assert renewed(library, stepwise, july).atlas is stepwise.atlas


def test_without_the_store_a_month_begins_uncoloured_and_input_grows_stale(library: serving.InJune):
    now = library.now()
    pulled(library, now)
    was = whole(library, now)
    assert drawing.turned(library, was, now + timedelta(minutes=29)) is was
    stale = drawing.turned(library, was, now + timedelta(minutes=31))
    assert (levels(stale.atlas, "2024-06"), stale.look.stale) == ([-1] * 4, True)
    july = drawing.turned(library, stale, now + DAYS_TO_JULY)
    assert (july.atlas.month, levels(july.atlas, "2024-07")) == ("2024-07", [-1] * 4)
    assert july.look.at == now  # what is served still is as old as the last look
