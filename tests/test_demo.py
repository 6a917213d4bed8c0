"""The made-up city: the same from the same inputs, sound as a map, lifelike in its counts, and live without end."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from geo_service import demo, files, jurisdiction_files
from geo_service.analysis import incidents as reading
from geo_service.analysis import intake, rules, versions
from geo_service.demo import city as whole
from geo_service.demo import incidents, jurisdictions, kinds, names, records
from geo_service.errors import BadParameter
from geo_service.feeds import streams

UNTIL = datetime(2026, 3, 20, 6, 30, tzinfo=UTC)
RULES = Path(__file__).parents[1] / "rules"
WGS84_SHAPES = ("communities", "units", "patrol_zones", "towns", "roads", "buildings", "cameras", "addresses", "water")
PLACES = ("communities", "units", "patrol_zones")
# What would name a person: Chinese and English parts of column names.
PERSONAL = (
    "姓名",
    "电话",
    "身份证",
    "车牌",
    "报警人",
    "性别",
    "出生",
    "手机",
    "联系",
    "简要",
    "内容",
    "caller",
    "phone",
    "plate",
    "person",
)


@pytest.fixture(scope="module")
def city():
    return demo.build(0.25, until=UNTIL)


@pytest.fixture(scope="module")
def feed():
    return files.read_feed(RULES / "feeds" / "demo.toml")


@pytest.fixture(scope="module")
def found(city, feed):
    zones = {kind: files.zones_of(getattr(city, kind), files.ZoneFile(kind, Path(kind)))[0] for kind in PLACES}
    rows = city.history.assign(_source="history", _row=np.arange(1, len(city.history) + 1))
    return intake.digest(rows, feed, intake.Known(zones, files.read_rules(RULES, "unit_first")), UNTIL)


def plane(frame):
    return np.asarray(frame.to_crs(records.PLANE).geometry)


# ------------------------------------------------------------------------------------------------------- the same city


def test_the_same_inputs_make_the_same_city_to_the_last_coordinate():
    assert demo.build(0.03, until=UNTIL).digest() == demo.build(0.03, until=UNTIL).digest()


def test_another_seed_or_size_makes_another_city():
    one = demo.build(0.03, until=UNTIL)
    assert one.digest() != demo.build(0.03, seed=7, until=UNTIL).digest()
    assert one.digest() != demo.build(0.04, until=UNTIL).digest()


def test_the_ground_does_not_depend_on_the_moment_and_pasts_agree_where_they_overlap():
    early, late = (demo.build(0.05, until=UNTIL + timedelta(days=days)) for days in (0, 40))
    for name in WGS84_SHAPES:
        assert getattr(early, name).equals(getattr(late, name)), name
    # Feedback may have come between the two moments; the call itself stays as it was.
    said = [column for column in demo.COLUMNS if column not in ("反馈类别代码", "更新时间")]
    known = [part[said].drop_duplicates("接警编号").set_index("接警编号") for part in (early.history, late.history)]
    both = known[0].index.intersection(known[1].index)
    assert len(both) > 0.9 * len(known[0])
    changed = (known[0].loc[both] != known[1].loc[both]).any(axis=1).mean()
    assert changed < 0.005  # rows broken in one telling and whole in the other


@pytest.mark.parametrize("size", [0.02, 0.1, 0.35])
def test_a_city_has_as_many_places_as_its_size_says(size):
    made = demo.build(size, until=UNTIL)
    wanted = (round(1200 * size), round(150 * size), max(1, round(60 * size)), round(3000 * size))
    assert (len(made.communities), len(made.units), len(made.patrol_zones), len(made.cameras)) == wanted


@pytest.mark.parametrize("size", [0.0, 0.01, 9.0])
def test_a_size_that_makes_no_city_is_refused_with_the_range(size):
    with pytest.raises(BadParameter, match=r"choose from 0.02 to 8.0"):
        demo.build(size, until=UNTIL)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(BadParameter, match=r"without a zone"):
        demo.build(0.02, until=datetime(2026, 3, 1))


# ------------------------------------------------------------------------------------------------------- sound as a map


@pytest.mark.parametrize("name", WGS84_SHAPES)
def test_every_shape_is_valid_whole_and_in_the_municipality(city, name):
    frame = getattr(city, name)
    shapes = np.asarray(frame.geometry)
    assert frame.crs == 4326
    assert shapely.is_valid(shapes).all()
    assert not shapely.is_empty(shapes).any()
    west, south, east, north = shapely.total_bounds(shapes)
    assert 116.3 < west < east < 116.9
    assert 35.15 < south < north < 35.65


@pytest.mark.parametrize("name", PLACES)
def test_no_two_places_of_a_kind_overlap(city, name):
    shapes = plane(getattr(city, name))
    a, b = shapely.STRtree(shapes).query(shapes, "intersects")
    shared = shapely.area(shapely.intersection(shapes[a[a < b]], shapes[b[a < b]]))
    assert shared.sum() < 1e-3  # [m2] in the whole city


def test_communities_have_natural_outlines_and_some_share_a_wall(city):
    shapes = plane(city.communities)
    corners = shapely.get_num_coordinates(shapes) - 1
    assert corners.min() >= 5
    assert corners.max() <= 40
    square = shapely.area(shapes) / shapely.area(shapely.oriented_envelope(shapes))
    assert np.median(square) < 0.97
    a, b = shapely.STRtree(shapes).query(shapes, "touches")
    assert (a < b).sum() > 5


def test_units_lie_inside_communities_and_beside_them(city):
    homes, units = shapely.union_all(plane(city.communities)), plane(city.units)
    inside = shapely.area(shapely.intersection(units, homes)) / shapely.area(units)
    assert 0.3 < (inside > 0.99).mean() < 0.8
    beside = units[inside < 0.01]
    assert len(beside) >= 5
    assert np.median(shapely.distance(beside, homes)) < 60.0  # [m], across a street


def test_patrol_zones_tile_the_built_up_area(city):
    zones = shapely.union_all(plane(city.patrol_zones))
    compounds = plane(city.communities[city.communities["class"] == "residential"])
    assert shapely.area(shapely.difference(compounds, zones)).sum() / shapely.area(compounds).sum() < 0.001
    villages = plane(city.communities[city.communities["class"] == "village"])
    assert not shapely.intersects(zones, shapely.centroid(villages)).any()


def test_roads_meet_only_at_their_ends(city):
    lines = plane(city.roads)
    assert shapely.STRtree(lines).query(lines, "crosses").size == 0
    node = {}
    for ends, at in (("from_node", 0), ("to_node", -1)):
        points = shapely.get_coordinates(shapely.get_point(lines, at))
        for number, point in zip(city.roads[ends].tolist(), points.round(3).tolist(), strict=True):
            assert node.setdefault(number, point) == pytest.approx(point, abs=0.002)
    neighbours = Counter(city.roads["from_node"].tolist() + city.roads["to_node"].tolist())
    assert sum(count >= 3 for count in neighbours.values()) > 0.8 * len(neighbours)


def test_the_road_network_is_one_piece(city):
    first, second = city.roads["from_node"].to_numpy(), city.roads["to_node"].to_numpy()
    label = np.arange(max(first.max(), second.max()) + 1)
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, first, label[second])
        np.minimum.at(lowest, second, lowest[first])
        if (lowest == label).all():
            break
        label = lowest
    used = label[np.unique(np.concatenate([first, second]))]
    assert Counter(used.tolist()).most_common(1)[0][1] > 0.98 * len(used)


def test_positions_along_a_road_rise_with_its_length(city):
    length = shapely.length(plane(city.roads))
    run = (city.roads["end_m"] - city.roads["start_m"]).to_numpy()
    assert (run >= 0.0).all()
    long = length > 50.0
    assert 0.6 < np.percentile(run[long] / length[long], 1) < np.percentile(run[long] / length[long], 99) < 1.6


def test_buildings_stand_on_their_ground_clear_of_one_another_and_of_large_roads(city):
    shapes = plane(city.buildings)
    assert shapely.STRtree(shapes).query(shapes, "overlaps").size == 0
    roads = plane(city.roads[city.roads["class"].isin(("ring", "arterial", "secondary"))])
    assert len(shapely.STRtree(shapes).query(roads, "intersects")[0]) == 0
    homes = dict(zip(city.communities["zone_id"], plane(city.communities), strict=True))
    held = city.buildings["zone_id"].notna().to_numpy()
    ground = np.array([homes[zone] for zone in city.buildings["zone_id"][held]], dtype=object)
    assert shapely.covers(ground, shapes[held]).all()


def test_the_buildings_of_a_community_are_numbered_from_one_without_gaps(city):
    numbered = city.buildings[city.buildings["number"] > 0]
    for zone, numbers in numbered.groupby("zone_id")["number"]:
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), zone


def test_cameras_hang_on_poles_outside_buildings_and_look_somewhere(city):
    heads = city.cameras
    assert 2.0 < len(heads) / heads["pole_id"].nunique() < 2.4
    assert heads["camera_id"].is_unique
    assert heads["camera_id"].str.fullmatch(r"\d{20}").all()
    assert heads.groupby("pole_id").geometry.nunique().eq(1).all()
    assert (heads["azimuth_deg"].isna() == (heads["type"] == "dome")).all()
    aimed = heads[heads["type"] != "dome"]
    assert aimed["azimuth_deg"].between(0.0, 360.0, inclusive="left").all()
    assert set(heads["owner"]) == {"public", "private"}
    inside, _ = shapely.STRtree(plane(city.buildings)).query(plane(heads), "intersects")
    assert len(inside) == 0


def test_each_place_has_a_name_of_its_own_but_for_a_few_villages(city):
    homes = city.communities
    compounds, villages = (homes[homes["class"] == name]["name"] for name in ("residential", "village"))
    assert compounds.is_unique
    assert city.units["name"].is_unique
    assert city.patrol_zones["name"].is_unique
    assert 0.9 < villages.nunique() / len(villages) <= 1.0
    every = pd.concat([homes["name"], city.units["name"], city.patrol_zones["name"], city.roads["name"]])
    assert every.str.fullmatch(r"[\u4e00-\u9fffY\d]{2,16}").all()


@pytest.mark.parametrize("name", PLACES)
def test_zone_ids_are_unique_texts(city, name):
    assert getattr(city, name)["zone_id"].is_unique
    assert getattr(city, name)["zone_id"].str.len().nunique() == 1


def test_house_numbers_are_given_once_and_rise_along_the_road(city):
    doors = city.addresses[city.addresses["kind"] == "door"]
    assert not doors.duplicated(["road", "number"]).any()
    held = doors.groupby("road").filter(lambda group: len(group) > 12)
    for road, group in held.groupby("road"):
        if road.endswith(("环路", "湖路")):
            continue  # a ring comes back to where it began
        xy = shapely.get_coordinates(plane(group))
        far = xy @ np.linalg.svd(xy - xy.mean(axis=0), full_matrices=False)[2][0]
        assert abs(np.corrcoef(far, group["number"])[0, 1]) > 0.97, road


def test_addresses_lie_in_the_zone_they_name(city):
    zones = dict(zip(city.communities["zone_id"], plane(city.communities), strict=True))
    held = city.addresses["zone_id"].notna().to_numpy()
    ground = np.array([zones[zone] for zone in city.addresses["zone_id"][held]], dtype=object)
    assert shapely.distance(ground, plane(city.addresses[held])).max() < 0.01
    assert set(city.addresses["zone_id"].dropna()) == set(zones)
    assert set(city.addresses["unit_id"].dropna()) == set(city.units["zone_id"])


# -------------------------------------------------------------------------------------------------- lifelike in counts


def test_no_column_is_about_a_person(city, feed):
    columns = {column for name in WGS84_SHAPES for column in getattr(city, name).columns} | set(city.history.columns)
    assert set(city.history.columns) == set(feed.columns_taken)
    assert not [column for column in columns for word in PERSONAL if word in column.lower()]


def test_two_years_of_calls_of_all_kinds(city, found):
    assert 0.85 * 15_000 < len(city.history) < 1.2 * 15_000  # 60,000 at size 1
    called = found.incidents["called_at"]
    assert called.max() < pd.Timestamp(UNTIL)
    assert called.min() > pd.Timestamp(UNTIL - timedelta(days=732))
    assert called.min() < pd.Timestamp(UNTIL - timedelta(days=728))
    assert set(found.incidents["category"]) == set(kinds.NAMES)


def test_every_code_is_mapped_to_its_kind_and_one_family_to_none(feed):
    mapped = feed.categories[0]
    for kind in kinds.KINDS:
        for code in kind.codes:
            assert (mapped.of(code) or rules.UNMAPPED) == kind.name, code
    assert mapped.of(kinds.CLOSED_CODE) == "other"


def test_counted_kinds_are_those_that_colour(found):
    levels = files.read_rules(RULES, "unit_first").levels[0]
    assert {kind.name for kind in kinds.KINDS if kind.counted} == set(levels.counted)


def test_most_places_have_a_month_of_nothing_and_few_are_red_or_black(city, found):
    months = sorted(set(found.incidents["month"]))[1:-1]
    assert len(months) == 23
    counts, sizes = {}, {"communities": len(city.communities), "units": len(city.units)}
    for kind, size in sizes.items():
        own = found.levels[(found.levels["zone_kind"] == kind) & found.levels["month"].isin(months)]
        counts[kind] = np.concatenate([own["count"], np.zeros(size * len(months) - len(own))])
    assert 0.35 < counts["communities"].mean() < 0.55
    assert counts["units"].mean() > 1.4 * counts["communities"].mean()
    both = np.concatenate(list(counts.values()))
    assert 0.64 < (both == 0).mean() < 0.73
    assert 0.01 < ((both == 4) | (both == 5)).mean() < 0.024
    assert 0.002 < (both >= 6).mean() < 0.009


def test_rates_follow_season_week_and_hour(found):
    local = found.incidents["called_at"].dt.tz_convert(whole.TIME_ZONE)
    kind = found.incidents["category"]
    burglary, assault = (local[kind == name].dt.month for name in ("burglary", "assault"))
    assert burglary.isin((11, 12, 1)).mean() > burglary.isin((6, 7, 8)).mean()
    assert assault.isin((6, 7, 8)).mean() > assault.isin((11, 12, 1)).mean()
    hour = {name: local[kind == name].dt.hour for name in ("traffic", "vehicle_theft")}
    assert hour["traffic"].isin((7, 8, 17, 18)).mean() > 0.3
    assert hour["vehicle_theft"].isin(range(6)).mean() > 0.4


def knox(incidents_, metres, days):
    """Give (pairs close in space and time, pairs expected were the two unrelated): Knox 1964."""
    x, y = records.from_wgs84(incidents_["lon"].to_numpy(), incidents_["lat"].to_numpy())
    day = incidents_["called_at"].astype("int64").to_numpy() / 86_400e6
    near = np.hypot(x[:, None] - x, y[:, None] - y) <= metres
    soon = np.abs(day[:, None] - day) <= days
    pairs = np.triu(np.ones((len(x), len(x)), dtype=bool), 1)
    return (near & soon & pairs).sum(), (near & pairs).sum() * (soon & pairs).sum() / pairs.sum()


def test_burglaries_repeat_near_by_within_days(found):
    burglary = found.incidents[(found.incidents["category"] == "burglary") & found.incidents["lon"].notna()]
    seen, expected = knox(burglary, 200.0, 7.0)
    assert seen > 30
    assert seen / expected > 1.5
    rows = burglary.assign(called_at=np.random.default_rng(1).permutation(burglary["called_at"]))
    shuffled, expected = knox(rows, 200.0, 7.0)
    assert shuffled / expected < 1.35


def test_hot_spots_come_wander_and_fade(city):
    ground, _ = whole.survey(city)
    first, second, later = (incidents.hot(ground, month) for month in (24312, 24313, 24330))
    assert first.max() > 3.0
    assert 0.0 < (first > 1.5).any(axis=1).mean() < 0.3
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.3 > np.corrcoef(first.ravel(), later.ravel())[0, 1]


# ------------------------------------------------------------------------------------- as the dispatch platform writes


def test_every_row_is_an_incident_or_rejected_for_a_reason_and_few_are(city, found):
    summary = found.summary
    rejected = sum(summary["rejected"].values())
    assert summary["rows_read"] == summary["incidents"] + summary["duplicates"] + rejected
    assert 0.0003 < rejected / len(city.history) < 0.003
    assert set(summary["rejected"]) <= {
        "missing_id", "missing_time", "bad_time", "bad_coordinates", "axes_swapped", "unknown_system",
    }  # fmt: skip
    assert len(summary["rejected"]) >= 4
    assert summary["duplicates"] > 0.02 * len(city.history)
    assert 0.03 < summary["without_coordinates"] / summary["incidents"] < 0.07


def test_about_three_in_a_hundred_are_typed_anew(city):
    newest = city.history.drop_duplicates("接警编号", keep="last")
    given = newest[newest["反馈类别代码"] != ""]
    assert 0.15 < len(given) / len(newest) < 0.3
    assert 0.02 < (given["反馈类别代码"] != given["警情类别代码"]).sum() / len(newest) < 0.04


def test_a_month_and_the_repeats_of_the_month_before_never_share_a_number(city):
    rows = city.history[
        city.history["接警编号"].str.fullmatch(r"J\d{19}") & city.history["报警时间"].str.fullmatch(r"202\d{11}")
    ]
    month = rows["报警时间"].str[4:6].astype(int) - 1  # January is 0: even
    late = rows["报警时间"].str[6:8].astype(int) > 16  # repeats follow within 14 days
    odd = rows["接警编号"].str[-5:].astype(int) % 2
    assert (odd[late] == month[late] % 2).mean() > 0.999  # but for the rows whose time is broken
    assert 0.0 < (odd[~late] != month[~late] % 2).mean() < 0.1


def test_every_system_brings_a_building_back_to_its_place(city, feed):
    rows = city.history.assign(_source="history", _row=1)
    read = reading.read(rows, feed, UNTIL).incidents.drop_duplicates("incident_id")
    system = city.history.drop_duplicates("接警编号").set_index("接警编号")["坐标系"]
    homes = city.addresses[city.addresses["kind"] == "building"].drop_duplicates("text").set_index("text")
    read = read[read["lon"].notna() & read["place"].isin(homes.index)]
    truth = shapely.get_coordinates(plane(homes.loc[read["place"]]))
    x, y = records.from_wgs84(read["lon"].to_numpy(), read["lat"].to_numpy())
    away = np.hypot(x + records.CENTRE[0] - truth[:, 0], y + records.CENTRE[1] - truth[:, 1])
    sent = system.loc[read["incident_id"]].to_numpy()
    assert set(sent) == {"WGS84", "CGCS2000", "GCJ02", "BD09"}
    for name in set(sent):
        assert np.percentile(away[sent == name], 99) < 12.0, name  # the wander around a door, not a datum's 500 m


def test_an_offset_from_a_crossing_is_where_its_words_say(city):
    ground, _ = whole.survey(city)
    calls = incidents.month_calls(ground, 24313)
    crossing = dict(zip(city.addresses["text"], shapely.get_coordinates(plane(city.addresses)), strict=True))
    once = ~city.addresses["text"].duplicated(keep=False)
    names_ = set(city.addresses["text"][once])
    words = {"北": 0, "东北": 45, "东": 90, "东南": 135, "南": 180, "西南": 225, "西": 270, "西北": 315}
    seen = 0
    for x, y, text in zip(calls.x.tolist(), calls.y.tolist(), calls.texts.tolist(), strict=True):
        told = re.fullmatch(r"(.*交叉口)(东北|东南|西北|西南|东|南|西|北)(\d+)米", text)
        if not told or told[1] not in names_:
            continue
        away = np.array([x, y]) + records.CENTRE - crossing[told[1]]
        turn = (np.degrees(np.arctan2(*away)) - words[told[2]] + 180.0) % 360.0 - 180.0
        assert abs(turn) < 23.0, text
        assert int(told[3]) * 0.8 < np.hypot(*away) < int(told[3]) + 0.5, text
        seen += 1
    assert seen > 20


def test_what_is_written_can_be_read_again(city, feed, tmp_path):
    small = demo.build(0.02, until=UNTIL)
    demo.write(small, tmp_path)
    rows = streams.read_rows(tmp_path / "incidents.csv", feed.columns_taken)
    assert rows[list(demo.COLUMNS)].equals(small.history)
    for kind in PLACES:
        zones, repaired = files.read_zones(files.ZoneFile(kind, tmp_path / f"{kind}.gpkg"))
        assert zones.ids.tolist() == sorted(getattr(small, kind)["zone_id"])
        assert repaired == []
    assert {path.stem for path in tmp_path.glob("*.gpkg")} == {*WGS84_SHAPES, "gazetteer"}
    made = jurisdictions.of(small)
    areas, members = jurisdiction_files.read_areas(tmp_path / "areas.csv"), tmp_path / "memberships.csv"
    assert areas.astype(object).where(areas.notna(), "").to_numpy().tolist() == made.areas.to_numpy().tolist()
    assert len(jurisdiction_files.read_memberships(members)) == len(made.memberships)
    roster = jurisdiction_files.read_roster(tmp_path / "roster.csv", ("zh", "en"))
    assert len(roster.duties) == len(made.roster) == len(roster.addresses) + (made.roster["channel"] == "").sum()


def test_an_ordinal_name_reads_as_a_numeral():
    given = names.Names(np.random.default_rng(0))
    assert [given.unit("hospital", nth) for nth in (0, 3)] == ["济川市第一人民医院", "济川市第四人民医院"]
    assert given.unit("school", 33) == "济川第三十四中学"


# -------------------------------------------------------------------------------------------------- live, without end


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock(UNTIL)


@pytest.fixture
def live(city, clock):
    return demo.ReplaySource(city, clock=clock, started=UNTIL)


def test_the_feed_starts_empty_and_calls_arrive_with_the_clock(live, clock, feed):
    first = live.pull(None)
    assert len(first.rows) == 0
    clock.now += timedelta(minutes=5)
    later = live.pull(first.cursor)
    assert 300 / demo.PACE_S - 2 <= later.rows["接警编号"].nunique() <= 300 / demo.PACE_S + 2
    assert set(feed.columns_taken) <= set(later.rows.columns)
    read = reading.read(later.rows, feed, clock.now)
    assert len(read.rejected) == 0
    assert read.incidents["called_at"].between(pd.Timestamp(UNTIL), pd.Timestamp(clock.now)).all()


def test_the_same_cursor_and_clock_give_the_same_rows(live, clock):
    clock.now += timedelta(minutes=40)
    once, twice = live.pull(None), live.pull(None)
    assert once.rows.equals(twice.rows)
    assert once.cursor == twice.cursor
    assert len(live.pull(once.cursor).rows) == 0


def test_many_small_pulls_give_what_one_large_pull_gives(city, clock):
    ends = UNTIL + timedelta(minutes=12)
    source = demo.ReplaySource(city, clock=clock, started=UNTIL)
    cursor, parts = None, []
    while clock.now < ends:
        clock.now = min(clock.now + timedelta(seconds=17), ends)
        pulled = source.pull(cursor)
        cursor, parts = pulled.cursor, [*parts, pulled.rows]
    whole_ = demo.ReplaySource(city, clock=clock, started=UNTIL).pull(None)
    assert cursor == whole_.cursor
    pieces = pd.concat(parts, ignore_index=True)
    columns = list(demo.COLUMNS)
    assert pieces[columns].equals(whole_.rows[columns])


def test_numbers_are_given_once_and_never_one_of_the_past(city, live, clock):
    clock.now += timedelta(hours=1)
    rows = live.pull(None).rows
    calls = rows[rows["反馈类别代码"] == ""]
    assert calls["接警编号"].is_unique
    assert not set(calls["接警编号"]) & set(city.history["接警编号"])
    assert set(rows["接警编号"]) == set(calls["接警编号"])  # feedback is only ever to a call that was given


def test_a_feed_taken_up_again_goes_on_where_it_was(city, live, clock):
    clock.now += timedelta(minutes=3)
    before = live.pull(None)
    clock.now += timedelta(minutes=4)
    again = demo.ReplaySource(city, clock=clock, started=clock.now)
    went_on = again.pull(before.cursor)
    assert went_on.rows.equals(live.pull(before.cursor).rows)
    assert len(went_on.rows) > 20


def test_a_cursor_of_another_pace_begins_anew(city, clock):
    slow = demo.ReplaySource(city, clock=clock, started=UNTIL, every_s=60.0)
    clock.now += timedelta(minutes=30)
    quick = demo.ReplaySource(city, clock=clock, started=clock.now)
    assert len(quick.pull(slow.pull(None).cursor).rows) == 0


def test_a_clock_set_back_gives_nothing_and_keeps_the_cursor(live, clock):
    clock.now += timedelta(minutes=10)
    cursor = live.pull(None).cursor
    clock.now -= timedelta(minutes=5)
    pulled = live.pull(cursor)
    assert len(pulled.rows) == 0
    assert pulled.cursor == cursor


def open_counted(rows, feed, state):
    """Take rows into the state of all live calls; give the counted ones, by number."""
    for row in versions.holding(reading.read(rows, feed, None).incidents, None)[0].to_dict("records"):
        state[row["incident_id"]] = row
    counted = set(files.read_rules(RULES, "unit_first").levels[0].counted)
    return {number: row for number, row in state.items() if row["category"] in counted}


def test_counts_stay_lifelike_however_long_it_runs(live, clock, feed):
    state, cursor, seen = {}, None, []
    for hours in (1, 5, 60):
        clock.now += timedelta(hours=hours)
        pulled = live.pull(cursor)
        cursor = pulled.cursor
        assert len(pulled.rows) < 2000
        seen.append(len(open_counted(pulled.rows, feed, state)))
    assert seen[0] < 120
    assert seen[2] < 2 * seen[0]


def test_a_newcomer_sees_a_place_change_colour_within_a_minute(city, live, clock, feed):
    zones = {kind: files.zones_of(getattr(city, kind), files.ZoneFile(kind, Path(kind)))[0] for kind in PLACES[:2]}
    the_rules = files.read_rules(RULES, "unit_first")
    past = city.history[city.history["报警时间"] >= "202603"].assign(_source="history", _row=1)
    rows, cursor, colours, changed_at = past, None, None, []
    for _ in range(18):
        clock.now += timedelta(seconds=10)
        pulled = live.pull(cursor)
        cursor, rows = pulled.cursor, pd.concat([rows, pulled.rows], ignore_index=True)
        levels = intake.digest(rows, feed, intake.Known(zones, the_rules), clock.now).levels
        now = {(row.zone_kind, row.zone_id): row.level for row in levels.itertuples() if row.month == "2026-03"}
        if colours is not None and now != colours:
            changed_at.append(clock.now)
        colours = now
    waits = np.diff([stamp.timestamp() for stamp in [UNTIL + timedelta(seconds=10), *changed_at]])
    assert waits.max() <= 60.0
    assert waits.mean() < 20.0
