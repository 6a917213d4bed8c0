"""What a person decides, from the queue to the colours: one commit for all that follows, twice changes nothing."""

import threading
from dataclasses import replace
from time import monotonic, sleep

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from geo_service import jobs
from geo_service.errors import StoreFailed
from geo_service.settings import Settings
from geo_service.store import decisions, tables, writing
from geo_service.store.decisions import Correction
from geo_service.store.gazetteers import Signature
from tests.analysis.located import SURE, calls, placed_feed, zones
from tests.geography.addresses import jining
from tests.store.batches import derived, everything, stands
from tests.web import serving

FEED = placed_feed()
HOME = "370811001001"  # the community that is the compound SJ
BUILDING = "任城区水景花园小区3号楼"
ROWS = calls(("大东关", "", ""), ("大东关", "", ""), ("大东关3号楼", "", ""), (BUILDING, "", ""), ("张庄村", "", ""))


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    """A service with the small gazetteer, its zones, and five calls of which only one can be located."""
    made = serving.library(database)
    made.__dict__["calibration"] = SURE
    for kind in zones().values():
        jobs.load_zones(made, kind)
    jobs.load_gazetteer(made, jining.frame(), signed_by="b-001", reason="test")
    jobs.load_incidents(made, FEED, ROWS)
    return made


def decide(service: serving.InJune, take, *said: object) -> int:
    with service.engine.begin() as connection:
        return take(connection, *said, Signature("b-017", "", service.now()))


def correct(service: serving.InJune, incident_id: str, words: str = "", **means: object) -> int:
    return decide(service, decisions.correct, Correction("made", incident_id, words, **means))


def located(service: serving.InJune) -> list[tuple[object, ...]]:
    return stands(service.engine, tables.incidents, "incident_id", "located_by", "community_id")


def asked(service: serving.InJune) -> dict[object, object]:
    return dict(stands(service.engine, tables.reviews, "incident_id", "state"))


def counted(service: serving.InJune) -> list[tuple[object, ...]]:
    return stands(service.engine, tables.zone_levels, "zone_id", "count", "level")


def all_that_stands(database: sa.Engine) -> object:
    kept = [table for table in tables.metadata.sorted_tables if table.name not in ("incidents", "gazetteer", "zones")]
    return [stands(database, table) for table in kept], everything(database).to_csv()


def test_at_first_one_is_located_and_four_wait_for_a_person(service: serving.InJune):
    assert [row[1] for row in located(service)] == ["", "", "", "address", ""]
    assert asked(service) == dict.fromkeys("1235", "open")
    assert counted(service) == [(HOME, 1, 1)]


def test_a_correction_places_its_incident_and_teaches_the_others(service: serving.InJune):
    correct(service, "1", entry_id="SJ")
    assert counted(service) == [(HOME, 1, 1)]
    assert jobs.apply_decisions(service) == 1
    assert located(service) == [
        ("1", "person", HOME), ("2", "address", HOME), ("3", "address", HOME), ("4", "address", HOME), ("5", "", None),
    ]  # fmt: skip
    assert asked(service) == {"1": "corrected", "2": "settled", "3": "settled", "5": "open"}
    assert counted(service) == [(HOME, 4, 3)]
    assert ("enter_red", None) in stands(service.engine, tables.alerts, "kind", "withdrawn_at")
    assert stands(service.engine, tables.decisions, "moved") == [(3,)]
    assert stands(service.engine, tables.incidents, "incident_id", "match_level")[2] == ("3", "building")


def test_a_decision_applied_is_applied_once(service: serving.InJune):
    correct(service, "1", entry_id="SJ")
    jobs.apply_decisions(service)
    before = all_that_stands(service.engine)
    assert correct(service, "1", entry_id="SJ") == 1
    assert jobs.apply_decisions(service) == 0
    jobs.load_incidents(service, FEED, ROWS)
    assert all_that_stands(service.engine)[1] == before[1]
    assert asked(service) == {"1": "corrected", "2": "settled", "3": "settled", "5": "open"}


def test_a_revoked_alias_gives_back_all_it_had_placed(service: serving.InJune):
    start = derived(service.engine), located(service), asked(service)
    correct(service, "1", entry_id="SJ")
    jobs.apply_decisions(service)
    decide(service, decisions.revoke, 1)
    assert jobs.apply_decisions(service) == 1
    counts, *others = derived(service.engine), located(service), asked(service)
    assert others == list(start[1:])
    assert [row for row in counts.pop("alerts") if row[-1] is None] == start[0].pop("alerts")
    assert counts == start[0]
    correct(service, "1", position=(116.587, 35.414))
    jobs.apply_decisions(service)
    assert located(service)[0][1] == "person"


def test_a_row_told_otherwise_stays_where_the_person_said_unless_its_text_changes(service: serving.InJune):
    correct(service, "1", entry_id="SJ", teaches=False)
    jobs.apply_decisions(service)
    assert [row[1] for row in located(service)] == ["person", "", "", "address", ""]
    first = ROWS.iloc[:1].assign(code="T", said="2024-05-02 10:00")
    jobs.load_incidents(service, FEED, first)
    assert located(service)[0] == ("1", "person", HOME)
    assert stands(service.engine, tables.incidents, "category")[-1] == ("theft",)
    assert asked(service)["1"] == "corrected"
    jobs.load_incidents(service, FEED, first.assign(place="小东关", said="2024-05-03 10:00"))
    assert located(service)[0] == ("1", "", None)
    assert asked(service)["1"] == "open"
    assert counted(service) == [(HOME, 1, 1)]


def test_a_rejected_review_stays_rejected_and_its_incident_waits(service: serving.InJune):
    decide(service, decisions.reject, "made", "5")
    decide(service, decisions.rerun)
    assert jobs.apply_decisions(service) == 1
    assert asked(service) == {**dict.fromkeys("123", "open"), "5": "rejected"}
    assert stands(service.engine, tables.decisions, "kind", "moved") == [("reject", 0), ("rerun", 0)]


def test_a_new_gazetteer_places_what_was_waiting(service: serving.InJune):
    better = jining.frame()
    better.loc[better["entry_id"] == "SJ", "aliases"] = "大东关"
    summary = jobs.load_gazetteer(service, better, signed_by="b-001", reason="new names")
    assert (summary["version"], summary["moved"]) == (2, 3)
    assert [row[1] for row in located(service)] == ["address"] * 4 + [""]
    assert asked(service) == {**dict.fromkeys("123", "settled"), "5": "open"}
    assert counted(service) == [(HOME, 4, 3)]


def test_a_conflict_is_settled_by_a_person_for_this_incident_alone(service: serving.InJune):
    far = calls((BUILDING, 3000, -2000)).assign(id="9")
    jobs.load_incidents(service, FEED, far)
    [before] = [row for row in located(service) if row[0] == "9"]
    assert before == ("9", "address", HOME)
    assert stands(service.engine, tables.reviews, "incident_id", "reason")[-1] == ("9", "conflict")
    [said] = everything(service.engine).query("incident_id == '9'").to_dict("records")
    there = (said["source_lon"], said["source_lat"])
    correct(service, "9", position=there, teaches=False)
    jobs.apply_decisions(service)
    [now] = everything(service.engine).query("incident_id == '9'").to_dict("records")
    assert (now["located_by"], now["lon"], now["lat"], now["conflict"]) == ("person", *there, "")
    assert counted(service) == [(HOME, 1, 1)]
    decide(service, decisions.revoke, 1)
    jobs.apply_decisions(service)
    [again] = everything(service.engine).query("incident_id == '9'").to_dict("records")
    assert again == said
    assert asked(service)["9"] == "open"


def test_the_datum_a_feed_really_uses_is_summed_over_pulls(service: serving.InJune):
    for number in range(2):
        jobs.load_incidents(service, FEED, calls((BUILDING, 700, 700)).assign(id=f"e{number}"))
        jobs.load_incidents(service, FEED, calls((BUILDING, 700, 700)).assign(id=f"e{number}"))
    [(numbers,)] = stands(service.engine, tables.source_evidence, "numbers")
    assert numbers["EPSG:4326"]["records"] == 2


MOMENTS = [
    "UPDATE aliases", "INSERT INTO gazetteer_versions", "INSERT INTO incidents", "INSERT INTO reviews",
    "UPDATE reviews", "INTO zone_levels", "INTO alerts", "UPDATE decisions",
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_database_that_goes_away_while_a_decision_is_applied_leaves_it_waiting_whole(
    service: serving.InJune, server: sa.Engine, moment: str
):
    correct(service, "1", entry_id="SJ")
    before = all_that_stands(service.engine)
    struck: list[int] = []

    def strike(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if moment in statement and not struck:
            struck.append(connection.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]
            with server.connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": struck[0]})

    event.listen(service.engine, "before_cursor_execute", strike)
    with pytest.raises(StoreFailed):
        jobs.apply_decisions(service)
    assert struck
    assert all_that_stands(service.engine) == before
    assert jobs.apply_decisions(service) == 1
    assert counted(service) == [(HOME, 4, 3)]
    assert [row[1] for row in located(service)] == ["person", "address", "address", "address", ""]


def test_a_solver_of_a_version_that_was_rolled_back_answers_nobody(service: serving.InJune):
    correct(service, "1", entry_id="SJ")
    with pytest.raises(ZeroDivisionError), writing.lease(service.engine) as connection:  # noqa: PT012
        decisions.bring_into_force(connection, decisions.pending(connection), service.now())
        solver = service.solver(connection)
        assert solver is not None
        assert solver.locate("大东关").entry_id == "SJ"
        _ = 1 / 0
    with service.engine.connect() as connection:
        solver = service.solver(connection)
        assert solver is not None
        assert solver.locate("大东关").entry_id == ""


def test_another_process_answers_at_once_and_soon_by_what_was_decided(service: serving.InJune):
    other = serving.library(service.engine)

    def meant() -> str:
        with other.engine.connect() as connection:
            solver = other.solver_at_hand(connection)
        assert solver is not None
        return solver.locate("大东关").entry_id

    assert meant() == ""
    correct(service, "1", entry_id="SJ")
    jobs.apply_decisions(service)
    serving.wait_until(lambda: meant() == "SJ")


def test_the_worker_applies_a_decision_as_it_comes(service: serving.InJune):
    stop = threading.Event()
    patient = replace(service, settings=Settings(pull_every_s=600))
    patient.__dict__["calibration"] = SURE
    worker = threading.Thread(target=jobs.work, args=(patient, [], stop))
    worker.start()
    sleep(0.3)
    begun = monotonic()
    correct(service, "1", entry_id="SJ")
    serving.wait_until(lambda: counted(service) == [(HOME, 4, 3)], within_s=10)
    assert monotonic() - begun < 10
    stop.set()
    worker.join(timeout=5)
    assert not worker.is_alive()


def test_an_alias_of_a_position_moves_the_texts_around_it(service: serving.InJune):
    rows = calls(("老王饭店", "", ""), ("老王饭店西100米", "", ""), system="EPSG:4326").assign(id=["w1", "w2"])
    jobs.load_incidents(service, FEED, rows)
    correct(service, "w1", position=(116.5875, 35.4145))
    jobs.apply_decisions(service)
    found = everything(service.engine).set_index("incident_id")
    assert found.loc["w1", ["lon", "lat"]].tolist() == [116.5875, 35.4145]
    east, _ = jining.metres(*found.loc["w2", ["lon", "lat"]].astype(float))
    at, _ = jining.metres(116.5875, 35.4145)
    assert found.loc["w2", "located_by"] == "address"
    assert at - east == pytest.approx(100, abs=10)
    assert isinstance(found, pd.DataFrame)
