import numpy as np
import pandas as pd
import pytest
import shapely

from geo_service.errors import BadGazetteer
from geo_service.geography.addresses import gazetteer
from tests.geography.addresses import jining


def changed(row: str, **columns: object) -> pd.DataFrame:
    rows = jining.frame()
    for column, value in columns.items():
        rows.loc[jining.frame()["entry_id"] == row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (jining.frame().drop(columns="kind"), "no column kind"),
        (changed("B3", entry_id="B4"), r"row B4 .*stands more than once"),
        (changed("B3", kind="house"), r"row B3 \(house 3\): unknown kind; known are city, county"),
        (changed("B3", name=""), "row B3 .*: no name"),
        (changed("B3", parent=""), "row B3 .*: no parent; name the road"),
        (changed("B3", parent="nowhere"), "row B3 .*: its parent is no row"),
        (changed("SJ", parent="B3"), "lies, through its parents, in itself"),
        (changed("GHL", geometry=shapely.Point(116, 35)), r"row GHL \(road 古槐路\): a road must be a line"),
        (changed("SZ", valid_to="last year"), "row SZ: valid_to is 'last year'; write a day such as 2013-10-01"),
    ],
)  # fmt: skip
def test_rows_that_contradict_the_schema_are_refused_by_name(rows: pd.DataFrame, says: str):
    with pytest.raises(BadGazetteer, match=says):
        gazetteer.build(rows, jining.PROJECTED)


@pytest.fixture(scope="module")
def made() -> gazetteer.Gazetteer:
    return gazetteer.build(jining.frame(), jining.PROJECTED)


def place(made: gazetteer.Gazetteer, entry_id: str) -> int:
    row = made.entries.ids.to_pylist().index(entry_id)
    return int(made.entries.place[row])


def test_every_place_knows_its_town_and_county(made: gazetteer.Gazetteer):
    spot = place(made, "SJ")
    assert made.places.name[made.places.town[spot]] == "济阳街道"
    assert made.places.name[made.places.county[spot]] == "任城区"
    assert made.places.county[place(made, "C")] == -1


def test_what_is_labelled_is_found_through_its_place(made: gazetteer.Gazetteer):
    assert made.identity(made.labelled(place(made, "SJ"), "b3")) == ("B3", "communities", "370811001001")
    assert made.identity(made.labelled(place(made, "FY"), "p门诊楼")) == ("FYMZ", "units", "U1")
    assert made.labelled(place(made, "SJ"), "b5") == -1


def test_doors_come_in_the_order_of_their_numbers(made: gazetteer.Gazetteer):
    numbers, entries = made.doors_of(place(made, "GHL"))
    assert numbers.tolist() == [120, 121, 125, 126]
    assert [made.identity(int(entry))[0] for entry in entries] == ["D120", "D121", "D125", "D126"]


def test_pieces_of_one_road_that_touch_are_one_street():
    rows = pd.concat(
        [jining.frame(), jining.frame("X road 古槐路 RC 0 2000 0 2400\n Y road 古槐路 JX -9000 0 -9000 500")]
    )
    made = gazetteer.build(rows, jining.PROJECTED)
    assert place(made, "X") == place(made, "GHL")
    assert place(made, "Y") != place(made, "GHL")


def test_an_area_that_nobody_drew_lies_where_what_it_holds_lies(made: gazetteer.Gazetteer):
    town = place(made, "LC")
    assert made.places.x[town] == pytest.approx(jining.EAST + 30500, abs=0.01)
    assert made.places.radius_m[town] > 500.0


def test_the_same_rows_in_any_order_name_the_same_things():
    rows = jining.frame()
    shuffled = gazetteer.build(rows.iloc[np.random.default_rng(3).permutation(len(rows))], jining.PROJECTED)
    made = gazetteer.build(rows, jining.PROJECTED)

    def named(one: gazetteer.Gazetteer) -> dict[str, set[str]]:
        ids = one.entries.ids.to_pylist()
        return {
            name: {ids[one.places.entry[at]] for at, _ in meant}
            for name, meant in zip(one.names, one.meanings, strict=True)
        }

    assert named(shuffled) == named(made)
