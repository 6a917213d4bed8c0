import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from geo_service.analysis import intake
from geo_service.analysis.incidents import INCIDENT_COLUMNS
from geo_service.errors import BadParameter, StoreFailed
from geo_service.maps.layers import EVERYTHING, View
from geo_service.store import frames, news, reading, tables, writing
from tests.analysis.made import RULES, feed, rows
from tests.store.batches import NOW, ZONES, derived, everything, stands, take_in, think

FOUR = """
1 2024-05-01_10:00 R 0.5 0.5
2 2024-05-02_10:00 R 0.5 0.5
3 2024-05-03_10:00 T 0.5 0.5
4 2024-05-04_10:00 R 0.5 0.5
"""
LATER = NOW + timedelta(hours=1)


def fresh(lines: str) -> intake.Found:
    return intake.digest(rows(lines), feed(), intake.Known(ZONES, RULES), NOW)


def same_frames(got: pd.DataFrame, wanted: pd.DataFrame) -> None:
    keys = ["feed", "incident_id"]
    pd.testing.assert_frame_equal(
        got.sort_values(keys, ignore_index=True), wanted.sort_values(keys, ignore_index=True), check_exact=True
    )


def test_incidents_come_back_as_they_went_in_row_by_row(database: sa.Engine):
    found = fresh(
        FOUR
        + """
        5 2024-04-30_23:59 D 9.5 0.5 2024-05-01_08:00
        6 2024-05-31_23:59 X 0.1 0.7
        7 2024-05-31_23:59 R 0 0
        """
    )
    assert set(found.incidents["placed"]) == {"located", "outside", "waiting"}
    with writing.lease(database) as connection:
        writing.record(connection, found, feed="made", cursor="c", now=NOW)
    same_frames(everything(database), found.incidents)


def test_odd_text_comes_back_as_it_went_in(database: sa.Engine):
    odd = [
        "",
        " ",
        "\n",
        "\\.",
        "a\n\\.\nb",
        "\\N",
        "NULL",
        'say "no"',
        "a,b;c\td",
        "任城区①②③🚓",
        "\r\n",
        "%s %(x)s",
        "'; --",
    ]
    found = fresh("\n".join(f"{i} 2024-05-01_10:00 R 0.5 0.5" for i in range(len(odd))))
    incidents = found.incidents.assign(place=pd.Series(odd, dtype="str"))
    with writing.lease(database) as connection:
        writing.record(connection, replace(found, incidents=incidents), feed="made", cursor=None, now=NOW)
    same_frames(everything(database), incidents)


def test_text_with_nul_does_not_hold_up_a_feed(database: sa.Engine):
    found = fresh("1 2024-05-01_10:00 R 0.5 0.5\n- 2024-05-01_10:00 R 0.5 0.5")
    incidents = found.incidents.assign(place="a\x00b")
    rejected = found.rejected.assign(fields='{"id": "a\\u0000b"}', detail="came \x00")
    odd = replace(found, incidents=incidents, rejected=rejected)
    with writing.lease(database) as connection:
        writing.record(connection, odd, feed="made", cursor=None, now=NOW)
    assert everything(database)["place"].tolist() == ["a\ufffdb"]
    assert stands(database, tables.rejected, "fields", "detail") == [({"id": "a\ufffdb"}, "came \ufffd")]


@pytest.mark.parametrize("seed", range(3))
def test_any_coordinates_and_times_come_back_exactly(database: sa.Engine, seed: int):
    rng = np.random.default_rng(seed)
    found = fresh("\n".join(f"{i} 2024-05-01_10:00 R 0.5 0.5" for i in range(500)))
    moments = pd.to_datetime(rng.integers(0, 2**51, 500), unit="us", utc=True).astype("datetime64[us, UTC]")
    hole = rng.random(500) < 0.2
    incidents = found.incidents.assign(
        lon=np.where(hole, np.nan, rng.uniform(-180, 180, 500)),
        lat=np.where(hole, np.nan, rng.uniform(-90, 90, 500)),
        called_at=moments,
        occurred_from=moments.where(rng.random(500) < 0.5),
    )
    with writing.lease(database) as connection:
        writing.record(connection, replace(found, incidents=incidents), feed="made", cursor=None, now=NOW)
    same_frames(everything(database), incidents)


def test_what_is_found_stands_in_the_tables(database: sa.Engine):
    found = fresh(FOUR)
    take_in(database, FOUR)
    assert stands(database, tables.zone_levels, "zone_kind", "zone_id", "month", "count", "level") == [
        ("communities", "a", "2024-05", 4, 3),
        ("patrol_zones", "N", "2024-05", 4, 3),
    ]
    for frame, table in (
        (found.zone_months, tables.zone_months),
        (found.levels, tables.zone_levels),
        (found.cell_months, tables.cell_months),
        (found.cell_levels, tables.cell_levels),
    ):
        wanted = sorted(frame.itertuples(index=False, name=None))
        assert stands(database, table, *frame.columns) == wanted
        assert wanted


def test_the_same_found_twice_changes_nothing_and_makes_no_revision(database: sa.Engine):
    found = fresh(FOUR + "- 2024-05-01_10:00 R 0.5 0.5")
    with writing.lease(database) as connection:
        first = writing.record(connection, found, feed="made", cursor="7", now=NOW)
    before = {key: stands(database, table) for key, table in tables.metadata.tables.items() if key != "incidents"}
    rows_before = everything(database)
    with writing.lease(database) as connection:
        second = writing.record(connection, found, feed="made", cursor="7", now=NOW)
    assert second == first == 1
    assert before == {name: stands(database, tables.metadata.tables[name]) for name in before}
    same_frames(everything(database), rows_before)


def test_the_same_rows_again_make_no_revision(database: sa.Engine):
    assert take_in(database, FOUR) == 1
    assert take_in(database, FOUR, LATER) == 1
    assert stands(database, tables.incidents, "changed_at") == [(NOW,)] * 4


@pytest.mark.parametrize("seed", range(4))
def test_uneven_shuffled_repeated_batches_end_like_one(database: sa.Engine, seed: int):
    rng = random.Random(seed)
    lines = [
        f"{i} 2024-0{rng.randint(3, 5)}-0{rng.randint(1, 9)}_1{rng.randint(0, 9)}:00 "
        f"{rng.choice('RRTDX')} {rng.choice([0.5, 1.5, 2.0, 9.0, 0])} 0.5"
        for i in range(120)
    ]
    whole = fresh("\n".join(lines))
    sent = lines + rng.sample(lines, 20)
    rng.shuffle(sent)
    while sent:
        size = rng.randint(1, 30)
        take_in(database, "\n".join(sent[:size]))
        sent = sent[size:]
    same_frames(everything(database), whole.incidents)
    got = derived(database)
    assert got["zone_levels"] == sorted(
        whole.levels[["zone_kind", "month", "zone_id", "count", "level"]].itertuples(index=False, name=None)
    )
    assert got["cell_months"] == sorted(
        whole.cell_months[["resolution", "month", "h3", "category", "count"]].itertuples(index=False, name=None)
    )
    held = [row[:-1] for row in got["alerts"] if row[-1] is None]
    assert held == sorted(
        (*row[:4], pd.Timestamp(row[4]).to_pydatetime(), row[5])
        for row in whole.alerts.itertuples(index=False, name=None)
    )


def test_a_retyped_row_moves_its_count_and_its_alert_is_withdrawn_then_true_again(database: sa.Engine):
    take_in(database, FOUR)
    take_in(database, "4 2024-05-04_10:00 D 0.5 0.5 2024-05-05_00:00", LATER)
    assert stands(database, tables.zone_levels, "zone_id", "count", "level") == [("N", 3, 2), ("a", 3, 2)]
    noticed = {"enter_red": (NOW, LATER), "critical_red": (NOW, None)}
    columns = ("zone_id", "kind", "noticed_at", "withdrawn_at")
    assert stands(database, tables.alerts, *columns) == sorted((z, k, *noticed[k]) for z in "aN" for k in noticed)
    take_in(database, "4 2024-05-04_10:00 R 0.5 0.5 2024-05-06_00:00", LATER + timedelta(hours=1))
    assert stands(database, tables.alerts, *columns) == sorted((z, k, NOW, None) for z in "aN" for k in noticed)


def test_a_row_that_moves_away_leaves_nothing_behind(database: sa.Engine):
    take_in(database, "1 2024-05-01_10:00 R 0.5 0.5")
    take_in(database, "1 2024-04-01_10:00 R 3.5 0.5 2024-05-02_00:00")
    assert stands(database, tables.zone_levels, "zone_id", "month", "count") == [
        ("S", "2024-04", 1),
        ("d", "2024-04", 1),
    ]
    assert {row[0] for row in stands(database, tables.cell_months, "month")} == {"2024-04"}
    with database.connect() as connection:
        assert reading.months(connection) == ["2024-04"]
    assert stands(database, tables.revisions, "seq", "month_from", "month_to") == [
        (1, "2024-05", "2024-05"),
        (2, "2024-04", "2024-05"),
    ]


def test_rejected_rows_wait_once_and_are_superseded_when_the_row_comes_right(database: sa.Engine):
    take_in(database, "1 nonsense R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5")
    take_in(database, "1 nonsense R 0.5 0.5\n3 2024-05-01_10:00 R 0.5 0.5", LATER)
    kept = ("incident_id", "reason", "state", "first_seen_at", "source", "row")
    assert stands(database, tables.rejected, *kept) == [("1", "bad_time", "open", NOW, "made.csv", 1)]
    assert take_in(database, "1 2024-05-01_10:00 R 0.5 0.5") == 3
    assert take_in(database, "1 nonsense R 0.5 0.5") == 3
    assert stands(database, tables.rejected, "state") == [("superseded",)]


def test_rows_that_could_not_be_cut_are_known_by_where_they_stood(database: sa.Engine):
    broken = rows("1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5").assign(
        id="", at="", code="", lon="", lat=""
    )
    broken = broken.assign(_broken="7 fields, expected 6")
    found = intake.digest(broken, feed(), intake.Known(ZONES, RULES), NOW)
    for _ in range(2):
        with writing.lease(database) as connection:
            writing.record(connection, found, feed="made", cursor=None, now=NOW)
    assert stands(database, tables.rejected, "reason", "row") == [("broken_row", 1), ("broken_row", 2)]


def test_a_broken_correction_of_a_good_row_stays_open(database: sa.Engine):
    take_in(database, "1 2024-05-01_10:00 R 0.5 0.5\n1 nonsense R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5")
    assert stands(database, tables.rejected, "incident_id", "state") == [("1", "open")]


def test_the_whole_truth_replaces_what_stood(database: sa.Engine):
    take_in(database, FOUR + "9 2024-04-01_10:00 R 3.5 0.5")
    moved = {"communities": ZONES["communities"]}
    with writing.lease(database) as connection:
        known = intake.Known(moved, RULES, reading.known_incidents(connection, None, None))
        found = intake.restate(known)
        assert writing.record(connection, found, feed=None, cursor=None, now=LATER, replace="boundaries") == 2
    assert {row[0] for row in stands(database, tables.zone_levels, "zone_kind")} == {"communities"}
    assert {row[0] for row in stands(database, tables.zone_months, "zone_kind")} == {"communities"}
    assert stands(database, tables.alerts, "zone_id", "kind", "noticed_at", "withdrawn_at") == [
        ("N", "critical_red", NOW, LATER),
        ("N", "enter_red", NOW, LATER),
        ("a", "critical_red", NOW, None),
        ("a", "enter_red", NOW, None),
    ]
    assert everything(database)["patrol_zone_id"].isna().all()
    with writing.lease(database) as connection:
        assert writing.record(connection, found, feed=None, cursor=None, now=LATER, replace="boundaries") == 2
    assert len(stands(database, tables.feeds)) == 1


def test_restating_what_has_not_changed_changes_nothing(database: sa.Engine):
    take_in(database, FOUR)
    before = derived(database)
    with writing.lease(database) as connection:
        found = intake.restate(intake.Known(ZONES, RULES, reading.known_incidents(connection, None, None)))
        assert writing.record(connection, found, feed=None, cursor=None, now=LATER, replace="boundaries") == 1
    assert derived(database) == before


def test_the_cursor_moves_with_the_rows_and_an_error_is_forgotten(database: sa.Engine):
    with database.begin() as connection:
        assert reading.cursor(connection, "made") is None
        writing.note_failure(connection, "made", "the source answered 500")
    assert stands(database, tables.feeds) == [("made", None, None, None, "the source answered 500")]
    take_in(database, FOUR, cursor="2024-05-04")
    called = datetime(2024, 5, 4, 2, 0, tzinfo=UTC)
    assert stands(database, tables.feeds) == [("made", "2024-05-04", NOW, called, None)]
    with database.begin() as connection:
        writing.note_failure(connection, "made", "again")
    take_in(database, "0 2024-05-01_10:00 R 0.5 0.5", LATER, cursor=None)
    assert stands(database, tables.feeds) == [("made", "2024-05-04", LATER, called, None)]


def test_known_incidents_are_the_months_whole_and_the_former_versions(database: sa.Engine):
    take_in(
        database,
        """
        1 2024-03-01_10:00 R 0.5 0.5
        2 2024-03-02_10:00 R 0.5 0.5
        3 2024-04-02_10:00 R 0.5 0.5
        4 2024-05-02_10:00 R 0.5 0.5
        """,
    )
    with database.connect() as connection:

        def known(ids: str, months: list[str] | None) -> list[str]:
            keys = pd.DataFrame({"feed": ["made"] * len(ids), "incident_id": list(ids)}, dtype="str")
            return sorted(reading.known_incidents(connection, keys, months)["incident_id"])

        assert known("1", []) == ["1", "2"]
        assert known("1x", ["2024-05", "1999-01"]) == ["1", "2", "4"]
        assert known("", ["2024-04"]) == ["3"]
        assert known("", []) == []
        assert known("3", None) == ["3"]
        assert len(reading.known_incidents(connection, None, None)) == 4


def test_an_empty_answer_has_the_columns_and_kinds_of_a_full_one(database: sa.Engine):
    with database.connect() as connection:
        nothing = reading.known_incidents(connection, None, None)
    take_in(database, FOUR)
    assert tuple(nothing.columns) == INCIDENT_COLUMNS
    assert nothing.dtypes.to_dict() == everything(database).dtypes.to_dict()


def test_questions_about_a_place_and_month(database: sa.Engine):
    take_in(database, FOUR + "5 2024-05-01_09:00 D 0.5 0.5\n6 2024-04-01_09:00 R 0.5 0.5\n7 2024-05-09_09:00 R 1.5 0.5")
    with database.connect() as connection:
        levels = reading.zone_levels(connection, "communities", "2024-05", EVERYTHING)
        assert levels.to_dict("list") == {"zone_id": ["a", "b"], "count": [4, 1], "level": [3, 1]}
        here = reading.incidents_of(connection, "communities", "a", reading.Wanted("2024-05", "2024-05"), EVERYTHING)
        assert here["incident_id"].tolist() == ["5", "1", "2", "3", "4"]
        assert tuple(here.columns) == INCIDENT_COLUMNS
        alerts = reading.alerts(connection, "2024-05", EVERYTHING)
        assert alerts["kind"].tolist()[:2] == ["critical_red", "enter_red"]
        assert list(alerts.columns[-2:]) == ["noticed_at", "withdrawn_at"]
        assert reading.months(connection) == ["2024-04", "2024-05"]
        assert reading.zone_levels(connection, "units", "2024-05", EVERYTHING).empty


@pytest.mark.parametrize("question", ["zones", "zone_levels", "incidents_of", "alerts"])
def test_a_view_the_store_does_not_know_is_refused(database: sa.Engine, question: str):
    arguments = {
        "zones": ("units",),
        "zone_levels": ("units", "2024-05"),
        "incidents_of": ("units", "a", reading.Wanted("2024-05", "2024-05")),
        "alerts": ("2024-05",),
    }[question]
    with database.connect() as connection, pytest.raises(BadParameter, match="'public'"):
        getattr(reading, question)(connection, *arguments, View("public", frozenset({"units"})))


def test_a_revision_says_how_far_the_store_has_come(database: sa.Engine):
    with database.connect() as connection:
        assert reading.revision(connection) == reading.Revision(0, 0, 0, datetime(1970, 1, 1, tzinfo=UTC))
    take_in(database, FOUR)
    with writing.lease(database) as connection:
        writing.replace_zones(connection, ZONES["communities"], now=NOW)
    take_in(database, "5 2024-05-01_09:00 D 0.5 0.5", LATER)
    with database.connect() as connection:
        assert reading.revision(connection) == reading.Revision(3, 2, 0, LATER)


def test_who_listens_hears_of_a_commit_and_of_nothing_else(database: sa.Engine):
    with news.listening(database) as wait:
        assert not wait(0.05)
        with writing.lease(database) as connection:
            writing.record(connection, think(connection, FOUR), feed="made", cursor=None, now=NOW)
            assert not wait(0.05)
        assert wait(5.0)
        take_in(database, FOUR)
        assert not wait(0.05)


def test_a_lease_is_held_by_one_at_a_time(database: sa.Engine):
    order: list[str] = []
    holds = threading.Event()

    def second() -> None:
        holds.wait()
        with writing.lease(database):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with writing.lease(database) as connection:
        holds.set()
        thread.join(0.3)
        with writing.lease(database, "another"):
            order.append("another name")
        writing.record(connection, think(connection, FOUR), feed="made", cursor=None, now=NOW)
        order.append("first")
    thread.join()
    assert order == ["another name", "first", "second"]


def test_an_error_under_a_lease_leaves_nothing(database: sa.Engine):
    with pytest.raises(ZeroDivisionError), writing.lease(database) as connection:  # noqa: PT012
        writing.record(connection, think(connection, FOUR), feed="made", cursor="1", now=NOW)
        _ = 1 / 0
    assert empty(database)


MOMENTS = ("INSERT INTO incidents", "INTO rejected", "INTO zone_levels", "INTO alerts", "INTO feeds", "INTO revisions")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_database_that_goes_away_in_the_middle_leaves_nothing_half_written(
    database: sa.Engine, server: sa.Engine, moment: str
):
    struck: list[int] = []

    def strike(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if moment in statement and not struck:
            driver = connection.connection.driver_connection
            struck.append(driver.info.backend_pid)  # type: ignore[union-attr]
            with server.connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": struck[0]})

    lines = FOUR + "- 2024-05-01_10:00 R 0.5 0.5"
    event.listen(database, "before_cursor_execute", strike)
    with pytest.raises(StoreFailed, match="cannot be used"):
        take_in(database, lines, cursor="9")
    assert struck
    assert empty(database)
    take_in(database, lines, cursor="9")
    assert stands(database, tables.zone_levels, "zone_id", "count") == [("N", 4), ("a", 4)]


def test_a_database_that_goes_away_during_a_copy_leaves_nothing(database: sa.Engine, server: sa.Engine):
    with pytest.raises(StoreFailed), writing.lease(database) as connection:  # noqa: PT012
        found = think(connection, FOUR)
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with server.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        frames.stage(connection, frames.staging("feeds", {"feed": sa.Text()}), found.incidents)
    assert empty(database)


def empty(database: sa.Engine) -> bool:
    return not any(
        stands(database, table) for table in tables.metadata.sorted_tables if table.name != "incidents"
    ) and (everything(database).empty)
