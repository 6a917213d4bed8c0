"""The review queue: asked once, settled by itself, decided once by a person, and decided things stay decided."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa

from geo_service.analysis import intake
from geo_service.analysis.corrections import CORRECTION_COLUMNS
from geo_service.errors import AlreadyDecided, BadParameter, NotFound
from geo_service.maps.layers import EVERYTHING, View
from geo_service.store import decisions, gazetteers, news, reviews, tables, writing
from geo_service.store.decisions import Correction
from geo_service.store.gazetteers import Signature
from geo_service.store.reviews import Wanted
from tests.analysis.made import RULES, feed, rows
from tests.store.batches import NOW, ZONES, stands
from tests.store.test_gazetteers import frame, load

LATER = NOW + timedelta(hours=1)
BY = Signature("b-017", "see the plan", LATER)
OPEN = {"decided_by": None, "decided_at": None, "note": ""}


def found(places: dict[str, str], asked: str = "", reason: str = "unlocated") -> intake.Found:
    """Give what intake would find: incidents with place texts, no coordinates, and reviews of some."""
    thought = intake.digest(
        rows("\n".join(f"{i} 2024-05-01_10:00 R - -" for i in places)), feed(), intake.Known(ZONES, RULES), NOW
    )
    texts = pd.Series(list(places.values()), dtype="str")
    incidents = thought.incidents.assign(place=texts, digest=texts)
    about = pd.DataFrame(
        [("made", i, reason, f"nothing named in {places[i]}", '{"best": null, "trace": ["x"]}') for i in asked],
        columns=["feed", "incident_id", "reason", "detail", "answer"],
    ).astype("str")
    return replace(thought, incidents=incidents, reviews=about)


def record(database: sa.Engine, what: intake.Found, now=NOW) -> int:
    with writing.lease(database) as connection:
        return writing.record(connection, what, feed="made", cursor=None, now=now)


def states(database: sa.Engine) -> list[tuple[object, ...]]:
    return stands(database, tables.reviews, "incident_id", "state", "place")


def test_what_needs_a_person_is_asked_once_and_settled_when_it_no_longer_does(database: sa.Engine):
    assert record(database, found({"1": "甲", "2": "乙"}, "12")) == 1
    assert record(database, found({"1": "甲", "2": "乙"}, "12"), LATER) == 1
    assert states(database) == [("1", "open", "甲"), ("2", "open", "乙")]
    assert stands(database, tables.reviews, "first_seen_at") == [(NOW,), (NOW,)]
    record(database, found({"1": "甲"}), LATER)
    assert states(database) == [("1", "settled", "甲"), ("2", "open", "乙")]
    record(database, found({"1": "甲"}, "1"), LATER)
    assert states(database) == [("1", "open", "甲"), ("2", "open", "乙")]


def test_a_decided_review_stays_decided_until_the_text_changes(database: sa.Engine):
    record(database, found({"1": "甲"}, "1"))
    with database.begin() as connection:
        decisions.reject(connection, "made", "1", BY)
    record(database, found({"1": "甲"}, "1", "conflict"), LATER)
    assert states(database) == [("1", "rejected", "甲")]
    record(database, found({"1": "丙"}, "1"), LATER)
    assert states(database) == [("1", "open", "丙")]
    assert stands(database, tables.reviews, *OPEN, "first_seen_at") == [(*OPEN.values(), LATER)]
    with database.begin() as connection:
        decisions.reject(connection, "made", "1", BY)
    record(database, found({"1": "丁"}), LATER)
    assert states(database) == [("1", "settled", "丙")]


def test_the_queue_is_listed_longest_waiting_first_page_by_page(database: sa.Engine):
    record(database, found({"2": "乙"}, "2"))
    record(database, found({"1": "甲", "3": "丙"}, "13", "conflict"), LATER)
    with database.connect() as connection:

        def listed(**wanted: object) -> tuple[int, list[object]]:
            number, page = reviews.listed(connection, Wanted(**wanted), EVERYTHING)
            return number, [row["incident_id"] for row in page]

        assert listed() == (3, ["2", "1", "3"])
        assert listed(limit=1, offset=1) == (3, ["1"])
        assert listed(reason="conflict") == (2, ["1", "3"])
        assert listed(state="rejected") == (0, [])
        _, [first] = reviews.listed(connection, Wanted(limit=1), EVERYTHING)
        assert first["answer"] == {"best": None}
        assert (first["placed"], first["lon"], first["category"]) == ("waiting", None, "robbery")
        assert reviews.one(connection, "made", "2", EVERYTHING)["answer"]["trace"] == ["x"]
        with pytest.raises(NotFound, match="incident '9' of feed 'made'"):
            reviews.one(connection, "made", "9", EVERYTHING)
        with pytest.raises(BadParameter, match="'public'"):
            reviews.listed(connection, Wanted(), View("public", frozenset()))


def test_a_decision_taken_twice_is_one_decision(database: sa.Engine):
    load(database, frame())
    record(database, found({"1": "老王饭店门口", "2": "乙"}, "12"))
    for _ in range(2):
        with database.begin() as connection:
            assert decisions.correct(connection, Correction("made", "1", "老王饭店", "k"), BY) == 1
            assert decisions.reject(connection, "made", "2", BY) == 2
            assert decisions.rerun(connection, BY) == 3
    written = ("kind", "incident_id", "alias_id", "signed_by", "note", "at", "applied_at")
    assert stands(database, tables.decisions, "id", *written) == [
        (1, "correct", "1", 1, "b-017", "see the plan", LATER, None),
        (2, "reject", "2", None, "b-017", "see the plan", LATER, LATER),
        (3, "rerun", None, None, "b-017", "see the plan", LATER, None),
    ]
    assert stands(database, tables.aliases, "words", "entry_id", "place", "since_version") == [
        ("老王饭店", "k", "老王饭店门口", None)
    ]
    assert states(database) == [("1", "corrected", "老王饭店门口"), ("2", "rejected", "乙")]


def test_another_correction_needs_the_first_to_be_revoked(database: sa.Engine):
    load(database, frame())
    record(database, found({"1": "老王饭店门口"}, "1"))
    with database.begin() as connection:
        decisions.correct(connection, Correction("made", "1", "老王饭店", "k"), BY)
    for other in (
        Correction("made", "1", "老王饭店", position=(0.5, 0.5)),
        Correction("made", "1", "老王", "k"),
        Correction("made", "1", "老王饭店", "k", teaches=False),
    ):
        with pytest.raises(AlreadyDecided, match="aliases/1/revoke first"), database.begin() as connection:
            decisions.correct(connection, other, BY)
    with pytest.raises(AlreadyDecided, match="revoke its alias"), database.begin() as connection:
        decisions.reject(connection, "made", "1", BY)


@pytest.mark.parametrize(
    ("correction", "error", "says"),
    [
        (Correction("made", "1", "小李", "k"), BadParameter, "'小李' do not occur in .*'老王饭店门口'"),
        (Correction("made", "1", "", "x"), NotFound, "no entry 'x'"),
        (Correction("made", "1", "", "c"), BadParameter, "has no place of its own"),
        (Correction("made", "9", "", "k"), NotFound, "no review of incident '9'"),
        (Correction("made", "2", "", "k"), BadParameter, "at most 60 letters"),
        (Correction("made", "3", "", "k"), BadParameter, "no place text"),
    ],
)
def test_a_correction_that_cannot_be_says_what_to_do(database: sa.Engine, correction, error, says):
    load(database, frame())
    record(database, found({"1": "老王饭店门口", "2": "很" * 61, "3": ""}, "123"))
    with pytest.raises(error, match=says), database.begin() as connection:
        decisions.correct(connection, correction, BY)
    assert stands(database, tables.aliases) == stands(database, tables.decisions) == []


def test_a_correction_holds_from_when_it_is_applied_until_its_revocation_is(database: sa.Engine):
    load(database, frame())
    record(database, found({"1": "老王饭店门口", "2": "王奶奶家", "3": "乙"}, "123"))
    keys = pd.DataFrame({"feed": ["made"] * 3, "incident_id": ["1", "2", "3"]})
    with database.begin() as connection:
        decisions.correct(connection, Correction("made", "1", "老王饭店", "b"), BY)
        decisions.correct(connection, Correction("made", "2", "", position=(0.25, 0.75)), BY)
        assert decisions.corrections(connection, keys).empty
        decided = decisions.pending(connection)
        decisions.bring_into_force(connection, decided, LATER)
        decisions.applied(connection, decided, 2, LATER)
        assert decisions.pending(connection) == []
        held = decisions.corrections(connection, keys).sort_values("incident_id")
        assert tuple(held.columns) == CORRECTION_COLUMNS
        assert [tuple(row) for row in held.itertuples(index=False)] == [
            ("made", "1", "老王饭店门口", "老王饭店", "building", "communities", "a", shapely.Point(1 / 3, 2 / 3)),
            ("made", "2", "王奶奶家", "王奶奶家", "", "", "", shapely.Point(0.25, 0.75)),
        ]
        assert decisions.corrections(connection, keys.iloc[2:]).empty
        assert decisions.revoke(connection, 1, BY) == decisions.revoke(connection, 1, BY) == 3
        assert len(decisions.corrections(connection, keys)) == 2
        decided = decisions.pending(connection)
        touched = decisions.touched(connection, decided)
        assert touched["incident_id"].tolist() == ["1"]
        decisions.bring_into_force(connection, decided, LATER)
        assert decisions.corrections(connection, keys)["incident_id"].tolist() == ["2"]
    assert states(database)[0] == ("1", "open", "老王饭店门口")
    assert stands(database, tables.aliases, "id", "since_version", "until_version", "revoked_by") == [
        (1, 2, 4, "b-017"),
        (2, 3, None, None),
    ]


def test_a_correction_of_an_entry_that_is_gone_still_holds(database: sa.Engine):
    load(database, frame())
    record(database, found({"1": "老王饭店门口"}, "1"))
    with database.begin() as connection:
        decisions.correct(connection, Correction("made", "1", "老王饭店", "k"), BY)
        decisions.bring_into_force(connection, decisions.pending(connection), LATER)
    load(database, frame(("c", "county", "金乡县", *[""] * 5, np.nan, "", "", "", None)))
    with database.connect() as connection:
        keys = pd.DataFrame({"feed": ["made"], "incident_id": ["1"]})
        [held] = decisions.corrections(connection, keys).itertuples()
        assert (held.match_level, held.geometry) == ("compound", shapely.box(0, 0, 1, 1))
        assert gazetteers.version(connection) == 3


def test_who_waits_for_decisions_is_woken_by_them_alone(database: sa.Engine):
    record(database, found({"1": "甲"}, "1"))
    with news.listening(database, decisions.CHANNEL) as wait:
        record(database, found({"2": "乙"}, "2"))
        assert not wait(0.05)
        with database.begin() as connection:
            decisions.rerun(connection, BY)
        assert wait(5.0)


def test_decisions_can_be_looked_up(database: sa.Engine):
    with database.begin() as connection:
        assert decisions.one(connection, decisions.rerun(connection, BY), EVERYTHING)["kind"] == "rerun"
        with pytest.raises(NotFound, match="no decision 7"):
            decisions.one(connection, 7, EVERYTHING)
        with pytest.raises(NotFound, match="no alias 7"):
            decisions.revoke(connection, 7, BY)
