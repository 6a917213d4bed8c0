"""The tables of statistics and the bulletin's chapter, on records counted by hand or simulated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import bulletin, rules, statistics
from geo_service.analysis.statistics import Question, Record
from geo_service.errors import BadParameter, NotFound
from tests.analysis.made import JINING


def record(counts: list[list[int]], first: str = "2023-01", current: str = "", **columns: list[str]) -> Record:
    """Make a record of places a, b, c … from their counts by month; columns are classes and areas."""
    ids = [f"{chr(97 + at % 26)}{at // 26 or ''}" for at in range(len(counts))]
    months = [str(month) for month in pd.period_range(first, periods=len(counts[0]), freq="M")]
    places = pd.DataFrame({"zone_kind": "communities", "zone_id": ids, "name": ids, "class": columns.pop("class_", "")})
    lineage = pd.DataFrame({"zone_kind": "communities", "zone_id": ids, **columns})
    rows = [(ids[p], months[m], counts[p][m]) for p in range(len(counts)) for m in range(len(months)) if counts[p][m]]
    levels = pd.DataFrame(rows, columns=["zone_id", "month", "count"]).assign(zone_kind="communities")
    levels["level"] = JINING.of(levels["count"].to_numpy(dtype=np.int64))
    names = {("police", "s1"): "West"}
    return statistics.record_of(places, (lineage, names), levels, months, current)


CITY = record(
    [[0, 0, 0], [1, 0, 0], [0, 0, 5], [0, 0, 0]],
    class_=["village", "residential", "residential", "residential"],
    police_station=["s1", "s1", "s2", ""],
)


def rows_of(table: pd.DataFrame, *names: str) -> list[tuple[object, ...]]:
    return list(table[list(names)].itertuples(index=False, name=None))


def test_the_share_at_zero_is_of_all_the_months_asked():
    named = ("group", "class", "places", "zero_places")
    assert rows_of(statistics.table("zero-incident", CITY, Question(months=3)), *named) == [
        ("all", "", 4, 2),
        ("class", "residential", 3, 1),
        ("class", "village", 1, 1),
    ]
    assert rows_of(statistics.table("zero-incident", CITY, Question("2023-02", 1)), "zero_places") == [(4,), (3,), (1,)]


def test_a_level_of_a_tree_gives_a_row_an_area_and_one_for_places_in_none():
    table = statistics.table("zero-incident", CITY, Question(months=3, level="station"))
    assert rows_of(table, "group", "area", "area_name", "places", "zero_places") == [
        ("all", "", "", 4, 2),
        ("area", "", "", 1, 1),
        ("area", "s1", "West", 2, 1),
        ("area", "s2", "s2", 1, 0),
    ]


def test_an_area_and_a_class_keep_their_places_only():
    asked = Question(months=3, area="s1")
    assert rows_of(statistics.table("zero-incident", CITY, asked), "places")[0] == (2,)
    asked = Question(months=3, zone_class="residential", area="s1")
    assert rows_of(statistics.table("zero-incident", CITY, asked), "class", "places") == [("residential", 1)]


def test_colours_are_counted_month_by_month():
    table = statistics.table("colours", CITY, Question(months=2))
    assert rows_of(table[table["group"] == "all"], "month", *rules.LEVEL_NAMES) == [
        ("2023-02", 4, 0, 0, 0, 0),
        ("2023-03", 3, 0, 0, 1, 0),
    ]


def test_a_change_from_none_has_no_percentage():
    table = statistics.table("changes", CITY, Question(against="month", level="station"))
    assert rows_of(table, "area", "now", "past") == [("", 5, 0), ("", 0, 0), ("s1", 0, 0), ("s2", 5, 0)]
    assert table["percent"].isna().all()
    assert table["verdict"].tolist() == ["no_real_change", "too_few", "too_few", "no_real_change"]


def test_streaks_end_with_the_month_asked():
    table = statistics.table("streaks", CITY, Question("2023-03"))
    assert rows_of(table[table["group"] == "all"], "months", "places") == [(1, 3), (3, 2)]
    assert table["expected"].isna().all()  # nothing lies before to expect it from


def test_the_range_of_streaks_holds_what_it_says_while_rates_stay():
    rng = np.random.default_rng(7)
    inside: list[bool] = []
    for _ in range(60):
        rates = rng.gamma(0.6, 0.7, 300)
        table = statistics.table("streaks", record(rng.poisson(rates[:, np.newaxis], (300, 36)).tolist()), Question())
        known = table[table["expected"].notna()]
        assert known["months"].tolist() == [1, 3, 6, 12, 24]
        inside += ((known["low"] <= known["places"]) & (known["places"] <= known["high"])).tolist()
    assert 0.90 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(("months", "method"), [(20, "ewma"), (48, "farrington")])
def test_a_month_beyond_its_limit_is_an_alarm_and_an_ordinary_one_is_not(months: int, method: str):
    quiet = np.random.default_rng(3).poisson(20, months).tolist()
    table = statistics.table("control", record([quiet, [*quiet[:-1], 90]]), Question(months=1, level=""))
    alone = statistics.table("control", record([quiet]), Question(months=1))
    assert rows_of(table, "method", "alarm") == [(method, True)]
    assert rows_of(alone, "method", "alarm") == [(method, False)]


def test_the_month_in_hand_is_neither_compared_nor_watched():
    made = record([[1, 2, 3]], current="2023-03")
    assert statistics.span(made, Question()).month == "2023-02"
    for name in ("changes", "control"):
        with pytest.raises(BadParameter, match="not over"):
            statistics.table(name, made, Question("2023-03", against="month"))


def test_what_is_not_there_is_refused_by_name():
    with pytest.raises(NotFound, match="zero-incident"):
        statistics.table("none", CITY, Question())
    for question in (Question("2022-12"), Question(level="town"), Question(tree="river"), Question(area="s9")):
        with pytest.raises(BadParameter):
            statistics.table("colours", CITY, question)


@given(st.lists(st.lists(st.integers(0, 8), min_size=4, max_size=4), min_size=1, max_size=12), st.data())
def test_groups_add_up_to_all(counts: list[list[int]], data: st.DataObject):
    stations = data.draw(st.lists(st.sampled_from(["", "s1", "s2"]), min_size=len(counts), max_size=len(counts)))
    made, asked = record(counts, police_station=stations), Question(months=2, level="station", against="month")
    for name, adding in (
        ("zero-incident", ["places", "zero_places"]),
        ("colours", list(rules.LEVEL_NAMES)),
        ("changes", ["now", "past"]),
        ("streaks", ["places"]),
    ):
        table = statistics.table(name, made, asked)
        areas, whole = table[table["group"] == "area"], table[table["group"] == "all"]
        by = next((column for column in ("month", "months") if column in table), "group")
        if by == "group":
            assert areas[adding].sum().tolist() == whole[adding].sum().tolist()
        else:
            assert areas.groupby(by)[adding].sum().to_dict() == whole.groupby(by)[adding].sum().to_dict()


def test_a_chapter_lists_the_red_and_black_places_beside_what_was_expected():
    counts = [[0] * 12, [4, 3, 5, 4, 4, 5, 3, 4, 4, 5, 4, 4], [0] * 11 + [7]]
    told = bulletin.chapter("communities", record(counts), "2023-12", JINING)
    assert rows_of(told.hot, "zone_id", "count", "level") == [("c", 7, 4), ("b", 4, 3)]
    surprising, usual = told.hot.to_dict("records")
    assert surprising["high"] < 7
    assert usual["low"] <= 4 <= usual["high"]
    assert usual["chance_red"] > surprising["chance_red"]
    assert told.year is None
    assert told.month_before is not None
    assert told.levels.tolist() == [0, 3, 4]
    with pytest.raises(BadParameter, match="not over"):
        bulletin.chapter("communities", record(counts, current="2023-12"), "2023-12", JINING)


def test_the_band_about_the_year_before_holds_what_it_says():
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(60):
        history = bulletin.chapter("communities", record([rng.poisson(40, 30).tolist()]), "2025-06", JINING).history
        known = history[history["high"].notna()]
        inside += ((known["low"] <= known["count"]) & (known["count"] <= known["high"])).tolist()
    assert len(inside) == 60 * 18
    assert 0.92 <= np.mean(inside) <= 0.98
