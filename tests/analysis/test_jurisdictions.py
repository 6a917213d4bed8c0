from datetime import date

import pandas as pd
import pytest

from geo_service.analysis import jurisdictions
from geo_service.analysis.jurisdictions import AREA_COLUMNS, DUTY_COLUMNS, LINEAGE_COLUMNS, MEMBERSHIP_COLUMNS
from geo_service.errors import BadInput, BadRule

DAY = date(2024, 5, 1)
ROLES = jurisdictions.parse_roles(
    {
        "roles": {
            "station": {"tree": "police", "level": "station"},
            "branch": {"tree": "police", "level": "branch"},
            "town_office": {"tree": "civil", "level": "town"},
            "property": {},
        }
    },
    "roles.toml",
)


def frame(columns: tuple[str, ...], *rows: str) -> pd.DataFrame:
    """Read rows such as 'police s1 station West b1 - 2024-05-01'; '-' is nothing."""
    cells = [["" if cell == "-" else cell for cell in row.split()] for row in rows]
    found = pd.DataFrame(cells, columns=list(columns), dtype="str")
    days = {day: pd.to_datetime(found[day].replace("", None)).dt.as_unit("us") for day in ("valid_from", "valid_to")}
    return found.assign(**days)


AREAS = frame(
    AREA_COLUMNS,
    "police b1 bureau City - - -",
    "police f1 branch North b1 - -",
    "police s1 station West f1 - 2024-05-01",
    "police s1 station Westgate f1 2024-05-01 -",
    "civil t1 town Town - - -",
)
MEMBERSHIPS = frame(
    MEMBERSHIP_COLUMNS,
    "communities A police f1 - 2024-05-01",
    "communities A police s1 2024-05-01 -",
    "communities A civil t1 - -",
    "units A police s1 - -",
)
DUTIES = frame(
    DUTY_COLUMNS,
    "station police s1 - - w2 - -",
    "station police s1 - - w1 - -",
    "station police s1 - - w0 - 2024-05-01",
    "property - - communities A p1 - -",
)
TREES = jurisdictions.Trees(AREAS, MEMBERSHIPS)


def test_a_place_lies_in_the_areas_above_its_own_of_that_day():
    rows = {(row["zone_kind"], row["zone_id"]): row for row in TREES.lineage(DAY).to_dict("records")}
    assert list(rows) == [("communities", "A"), ("units", "A")]
    place = rows["communities", "A"]
    assert {name: code for name, code in place.items() if name in LINEAGE_COLUMNS and code} == {
        "civil_town": "t1", "police_bureau": "b1", "police_branch": "f1", "police_station": "s1",
    }  # fmt: skip
    [before, _] = TREES.lineage(date(2024, 4, 30)).to_dict("records")
    assert (before["police_branch"], before["police_station"]) == ("f1", "")


def test_names_are_those_of_the_day():
    assert TREES.names(date(2024, 4, 30))["police", "s1"] == "West"
    assert TREES.names(DAY)["police", "s1"] == "Westgate"


def test_who_answers_is_told_by_role_and_who_nobody_holds_stands_empty():
    answering = jurisdictions.answering(TREES, DUTIES, ROLES, DAY)
    told = answering.recipients("communities", "A", ["property", "station", "town_office"])
    assert told.to_numpy().tolist() == [
        ["property", "", "", "", "p1"],
        ["station", "police", "s1", "Westgate", "w1"],
        ["station", "police", "s1", "Westgate", "w2"],
        ["town_office", "civil", "t1", "Town", ""],
    ]
    unknown = answering.recipients("communities", "B", ["station", "property"])
    assert unknown.to_numpy().tolist() == [["station", "police", "", "", ""], ["property", "", "", "", ""]]


def test_who_answered_in_the_past_is_who_held_the_duty_then():
    answering = jurisdictions.answering(TREES, DUTIES, ROLES, date(2024, 4, 30))
    assert answering.recipients("units", "A", ["station"])["staff_id"].tolist() == ["w0", "w1", "w2"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["police x precinct X - - -"], "'precinct' of tree 'police'"),
        (["police s1 station W f9 - -"], "parent 'f9'"),
        (["police s1 station W s2 - -", "police s2 station E s1 - -"], "no area of a higher level"),
        (["civil t town A - - -", "civil t town B - 2024-01-01 -"], "two states on 2024-01-01"),
    ],
)
def test_areas_that_are_no_tree_are_refused(rows: list[str], says: str):
    with pytest.raises(BadInput, match=says):
        jurisdictions.check_areas(frame(AREA_COLUMNS, *rows), "areas.csv")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("streets A police s1 - -", "'streets' is none of"),
        ("communities A police s9 - -", "'s9' of tree 'police'"),
    ],
)
def test_a_membership_in_nothing_is_refused(row: str, says: str):
    jurisdictions.check_memberships(MEMBERSHIPS, AREAS, "m.csv")
    with pytest.raises(BadInput, match=says):
        jurisdictions.check_memberships(frame(MEMBERSHIP_COLUMNS, row), AREAS, "m.csv")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("chief police s1 - - w - -", "role 'chief' is none of"),
        ("station police f1 - - w - -", "held at a station of the police tree"),
        ("property - - - - w - -", "give zone_kind and zone_id"),
    ],
)
def test_a_duty_that_nobody_can_hold_is_refused(row: str, says: str):
    jurisdictions.check_duties(DUTIES, ROLES, AREAS, "roster.csv")
    with pytest.raises(BadInput, match=says):
        jurisdictions.check_duties(frame(DUTY_COLUMNS, row), ROLES, AREAS, "roster.csv")


def test_a_role_at_an_unknown_level_is_refused():
    with pytest.raises(BadRule, match="role 'x' is at police, town"):
        jurisdictions.parse_roles({"roles": {"x": {"tree": "police", "level": "town"}}}, "roles.toml")


def test_a_role_is_asked_only_of_the_kinds_of_places_that_have_it():
    table = {"roles": {"property": {"zone_kinds": ["units"]}, "station": {"tree": "police", "level": "station"}}}
    answering = jurisdictions.answering(TREES, DUTIES, jurisdictions.parse_roles(table, "roles.toml"), DAY)
    asked = answering.recipients("communities", "A", ["property", "station"])
    assert asked["role"].tolist() == ["station", "station"]
    with pytest.raises(BadRule, match="zone_kinds streets"):
        jurisdictions.parse_roles({"roles": {"x": {"zone_kinds": ["streets"]}}}, "roles.toml")


def test_gaps_are_the_places_whose_recipients_are_nobody():
    answering = jurisdictions.answering(TREES, DUTIES, ROLES, DAY)
    places = pd.DataFrame({"zone_kind": ["communities", "units", "units"], "zone_id": ["A", "A", "B"]}, dtype="str")
    assert answering.gaps(places).to_numpy().tolist() == [
        ["station", "police", "", "", "units", "B"],
        ["branch", "police", "f1", "North", "communities", "A"],
        ["branch", "police", "f1", "North", "units", "A"],
        ["branch", "police", "", "", "units", "B"],
        ["town_office", "civil", "t1", "Town", "communities", "A"],
        ["town_office", "civil", "", "", "units", "A"],
        ["town_office", "civil", "", "", "units", "B"],
        ["property", "", "", "", "units", "A"],
        ["property", "", "", "", "units", "B"],
    ]
    for kind, zone in places.itertuples(index=False):
        told = answering.recipients(kind, zone, list(ROLES))
        nobody = set(told.loc[told["staff_id"] == "", "role"])
        gaps = answering.gaps(pd.DataFrame({"zone_kind": [kind], "zone_id": [zone]}, dtype="str"))
        assert set(gaps["role"]) == nobody


def test_places_are_counted_in_every_area_above_them():
    assert sorted(TREES.sizes(DAY).itertuples(index=False, name=None)) == [
        ("civil", "t1", "communities", 1),
        ("police", "b1", "communities", 1),
        ("police", "b1", "units", 1),
        ("police", "f1", "communities", 1),
        ("police", "f1", "units", 1),
        ("police", "s1", "communities", 1),
        ("police", "s1", "units", 1),
    ]


def test_what_lies_in_an_area_must_not_outlive_it():
    areas = frame(AREA_COLUMNS, "police f1 branch N - - 2024-05-01", "police f1 branch N2 - 2024-06-01 -",
                  "police s1 station S - - -")  # fmt: skip
    member = frame(MEMBERSHIP_COLUMNS, "communities A police f1 2024-04-01 2024-07-01")
    with pytest.raises(BadInput, match=r"m.csv, row 0: lies in 'f1' .* does not stand on 2024-05-01"):
        jurisdictions.check_memberships(member, areas, "m.csv")
    jurisdictions.check_memberships(member.assign(valid_to=pd.Timestamp("2024-05-01")), areas, "m.csv")
    with pytest.raises(BadInput, match=r"areas.csv, row 2: lies in 'f1'"):
        jurisdictions.check_areas(areas.assign(parent=["", "", "f1"]), "areas.csv")


def test_areas_that_places_or_duties_still_use_cannot_vanish():
    jurisdictions.check_succession(AREAS, MEMBERSHIPS, DUTIES, ROLES, "new.csv")
    without_towns = AREAS[AREAS["tree"] == "police"]
    with pytest.raises(
        BadInput, match=r"new.csv: lacks areas that memberships use: civil 't1'; .*load memberships FILE"
    ):
        jurisdictions.check_succession(without_towns, MEMBERSHIPS, DUTIES, ROLES, "new.csv")
    nothing = MEMBERSHIPS.iloc[:0]
    with pytest.raises(BadInput, match=r"lacks areas that the roster uses: police 's1'; .*load roster FILE"):
        jurisdictions.check_succession(AREAS[AREAS["code"] != "s1"], nothing, DUTIES, ROLES, "new.csv")
    other_level = AREAS.assign(level=AREAS["level"].replace("station", "grid"))
    with pytest.raises(BadInput, match=r"new.csv and the roster on record, row 0: role 'station' is held at a station"):
        jurisdictions.check_succession(other_level, MEMBERSHIPS, DUTIES, ROLES, "new.csv")


@pytest.mark.parametrize("staff", ["张三", "a@b.cn", "", "138 0000"])
def test_staff_are_numbers_and_what_came_instead_is_not_repeated(staff: str):
    with pytest.raises(BadInput, match="row 0: staff_id is no staff id") as caught:
        jurisdictions.check_duties(DUTIES.head(1).assign(staff_id=staff), ROLES, AREAS, "roster.csv")
    assert not staff or staff not in str(caught.value)
