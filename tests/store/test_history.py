"""What was known when, what people found, and ended months whose counts became others: on a real PostGIS."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.analysis import early_warnings, intake
from geo_service.errors import BadParameter, NotFound
from geo_service.maps.layers import EVERYTHING
from geo_service.store import decisions, reading, tables, triages
from geo_service.store.gazetteers import Signature
from geo_service.store.triages import Verdict
from tests.analysis import made
from tests.store.batches import stands
from tests.web import serving

MAY = "".join(f"{n} 2024-05-0{n}_10:00 R 0.5 0.5\n" for n in range(1, 5))
JUNE_TOO = MAY + "9 2024-06-01_10:00 R 0.5 0.5"
MONTHS = ("2024-04", "2024-05", "2024-06")


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    """A service in June 2024 with four squares."""
    found = serving.library(database)
    object.__setattr__(found, "feeds", (made.feed(),))
    jobs.load_zones(found, made.squares("communities", "abcd"))
    return found


def load(service: serving.InJune, lines: str) -> None:
    jobs.load_incidents(service, made.feed(), made.rows(lines))


def look(service: serving.InJune, *found: Verdict) -> list[int]:
    with service.engine.begin() as connection:
        numbers = triages.decide(connection, found, Signature("b-017", "", service.now()))
    jobs.apply_decisions(service)
    return numbers


def levels(service: serving.InJune) -> list[tuple[object, ...]]:
    return stands(service.engine, tables.zone_levels, "zone_id", "month", "count", "level")


def log(service: serving.InJune) -> list[tuple[object, ...]]:
    names = ("zone_id", "month", "count_before", "count_after", "level_before", "level_after", "why")
    columns = [tables.restatements.c[name] for name in names]
    with service.engine.connect() as connection:
        rows = connection.execute(sa.select(*columns).order_by(tables.restatements.c.id))
        return [tuple(row) for row in rows]


def known(service: serving.InJune, month: str, as_of: datetime | None) -> list[tuple[object, ...]]:
    """The levels that a month had, as far as was known then."""
    with service.engine.connect() as connection:
        rows = reading.incidents_in(connection, reading.Wanted(month, month, as_of), EVERYTHING)
    zones = {"communities": made.squares("communities", "abcd")}
    scope = intake.Scope(zones, service.rules)
    found = intake.picture(rows, intake.tally(rows, scope), scope).levels
    return list(found[["zone_id", "month", "count", "level"]].itertuples(index=False, name=None))


def test_the_first_load_of_a_past_restates_nothing(service: serving.InJune):
    load(service, JUNE_TOO)
    assert levels(service) == [("a", "2024-05", 4, 3), ("a", "2024-06", 1, 1)]
    assert log(service) == []


def test_a_call_retyped_after_its_month_is_restated_and_the_past_can_be_asked_as_it_was(service: serving.InJune):
    load(service, JUNE_TOO)
    before = service.now()
    service.ahead.append(timedelta(hours=1))
    load(service, "4 2024-05-04_10:00 D 0.5 0.5")
    assert log(service) == [("a", "2024-05", 4, 3, 3, 2, {"retyped": ["made/4"]})]
    assert known(service, "2024-05", before) == [("a", "2024-05", 4, 3)]
    assert known(service, "2024-05", None) == known(service, "2024-05", service.now()) == [("a", "2024-05", 3, 2)]
    assert known(service, "2024-05", datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_a_late_call_and_one_that_moves_are_told_apart(service: serving.InJune):
    load(service, JUNE_TOO)
    load(service, "0 2024-05-31_10:00 R 1.5 0.5\n1 2024-05-01_10:00 R 1.5 0.5\n2 2024-04-30_10:00 R 0.5 0.5")
    assert log(service) == [
        ("a", "2024-04", 0, 1, 0, 1, {"redated": ["made/2"]}),
        ("a", "2024-05", 4, 2, 3, 2, {"redated": ["made/2"], "relocated": ["made/1"]}),
        ("b", "2024-05", 0, 2, 0, 2, {"late": ["made/0"], "relocated": ["made/1"]}),
    ]


def test_the_running_month_is_not_restated(service: serving.InJune):
    load(service, JUNE_TOO)
    load(service, "8 2024-06-02_10:00 R 0.5 0.5\n9 2024-06-01_10:00 D 0.5 0.5")
    assert log(service) == []


def test_new_boundaries_restate_what_they_change(service: serving.InJune):
    load(service, JUNE_TOO)
    jobs.load_zones(service, made.squares("communities", "bacd"))  # a and b change places
    assert sorted(log(service), key=str) == [
        ("a", "2024-05", 4, 0, 3, 0, {"boundaries": []}),
        ("b", "2024-05", 0, 4, 0, 3, {"boundaries": []}),
    ]


def test_changed_rules_count_everything_anew_at_the_next_start_and_only_once(service: serving.InJune):
    load(service, JUNE_TOO)
    look(service, Verdict("made", "1", "confirmed"))
    assert jobs.recount(service)  # the store does not say yet by which rules it was counted
    assert log(service) == []
    [rule] = service.rules.levels
    strict = replace(service, rules=replace(service.rules, levels=(replace(rule, counts="triaged"),)))
    assert jobs.recount(strict)
    assert not jobs.recount(strict)
    assert levels(service) == [("a", "2024-05", 1, 1)]
    assert log(service) == [("a", "2024-05", 4, 1, 3, 1, {"rules": []})]


def test_another_basis_moves_what_is_on_record(service: serving.InJune):
    columns = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "occurred_from": "was"}
    rows = made.rows("1 2024-05-01_10:00 R 0.5 0.5").assign(was="2024-04-30 22:00")
    jobs.load_incidents(service, made.feed(columns=columns), rows)
    [rule] = service.rules.levels
    jobs.recount(replace(service, rules=replace(service.rules, levels=(replace(rule, basis="occurrence"),))))
    assert levels(service) == [("a", "2024-04", 1, 1)]


def test_what_a_person_finds_invalid_leaves_the_count_and_comes_back_when_taken_back(service: serving.InJune):
    load(service, JUNE_TOO)
    [number] = look(service, Verdict("made", "1", "invalid"))
    assert look(service, Verdict("made", "1", "invalid")) == [number]
    assert levels(service)[0] == ("a", "2024-05", 3, 2)
    assert stands(service.engine, tables.alerts, "kind", "withdrawn_at")[1][0] == "enter_red"
    look(service, Verdict("made", "1", ""))
    assert levels(service)[0] == ("a", "2024-05", 4, 3)
    assert log(service) == [
        ("a", "2024-05", 4, 3, 3, 2, {"triaged": ["made/1"]}),
        ("a", "2024-05", 3, 4, 2, 3, {"triaged": ["made/1"]}),
    ]


def test_a_verdict_holds_until_the_source_says_otherwise(service: serving.InJune):
    load(service, JUNE_TOO)
    look(service, Verdict("made", "1", "retyped", "dispute"), Verdict("made", "2", "confirmed"))
    load(service, "1 2024-05-01_10:30 R 0.5 0.5\n2 2024-05-02_10:30 R 0.5 0.5")  # another time, the same code
    found = stands(service.engine, tables.incidents, "incident_id", "category", "triage")[:2]
    assert found == [("1", "dispute", "confirmed"), ("2", "robbery", "confirmed")]
    load(service, "1 2024-05-01_10:30 T 0.5 0.5")
    assert stands(service.engine, tables.incidents, "incident_id", "category", "triage")[0] == ("1", "theft", "")


def test_a_retyped_call_taken_back_is_what_its_source_says(service: serving.InJune):
    load(service, JUNE_TOO)
    look(service, Verdict("made", "1", "retyped", "dispute"))
    look(service, Verdict("made", "1", ""))
    assert stands(service.engine, tables.incidents, "incident_id", "category", "triage")[0] == ("1", "robbery", "")


def test_many_verdicts_are_all_written_or_none(service: serving.InJune):
    load(service, JUNE_TOO)
    with pytest.raises(NotFound, match="no incident '77'"):
        look(service, Verdict("made", "1", "invalid"), Verdict("made", "77", "invalid"))
    with pytest.raises(BadParameter, match="verdict 'retyped' with category ''"):
        look(service, Verdict("made", "1", "retyped"))
    with service.engine.connect() as connection:
        assert decisions.pending(connection) == []
    assert stands(service.engine, tables.triages) == []


def test_the_queue_lists_a_day_the_earliest_first(service: serving.InJune):
    load(service, JUNE_TOO)
    look(service, Verdict("made", "2", "invalid"))
    since, until = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 4, tzinfo=UTC)
    with service.engine.connect() as connection:
        number, page = triages.listed(connection, triages.Wanted(since, until), EVERYTHING)
        assert (number, [row["incident_id"] for row in page]) == (2, ["1", "3"])
        _, [found] = triages.listed(connection, triages.Wanted(since, until, state="invalid"), EVERYTHING)
        assert (found["verdict"], found["signed_by"]) == ("invalid", "b-017")
        number, _ = triages.listed(connection, triages.Wanted(since, until, categories=("theft",)), EVERYTHING)
        assert number == 0


@pytest.mark.parametrize("seed", range(6))
def test_any_past_moment_is_answered_as_it_stood_then(service: serving.InJune, seed: int):
    chance = random.Random(seed)
    told: list[tuple[datetime, dict[str, list[tuple[object, ...]]]]] = []
    for number in range(5):
        lines = [
            f"{chance.randint(1, 6)} 2024-0{chance.randint(4, 6)}-10_1{number}:00 {chance.choice('RTD')} "
            f"{chance.choice(['0.5', '1.5'])} 0.5"
            for _ in range(chance.randint(1, 5))
        ]
        load(service, "\n".join(lines))
        told.append(
            (service.now(), {month: known(service, month, None) for month in ("2024-04", "2024-05", "2024-06")})
        )
        assert sorted(row for rows in told[-1][1].values() for row in rows) == levels(service)
        service.ahead.append(timedelta(hours=1))
    for moment, months in told:
        assert {month: known(service, month, moment) for month in months} == months


def test_only_what_was_confirmed_counts_where_the_rule_says_so():
    rows = made.rows(MAY)
    city, rule = made.RULES, made.JINING
    waits = replace(city, levels=(replace(rule, counts="triaged"),))
    zones = {"communities": made.squares("communities", "abcd")}
    verdicts = pd.DataFrame(
        [
            ["made", "1", "R", "confirmed", ""],
            ["made", "2", "R", "invalid", ""],
            ["made", "3", "R", "retyped", "theft"],
        ],
        columns=list(intake.triage.TRIAGE_COLUMNS),
    )
    for rules_of_city, count in ((city, 3), (waits, 2)):
        found = intake.digest(rows, made.feed(), intake.Known(zones, rules_of_city, verdicts=verdicts))
        assert found.levels["count"].tolist() == [count]
        assert len(early_warnings.standing(found.incidents, rules_of_city)) == count
