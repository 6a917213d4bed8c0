import json

import numpy as np
import numpy.typing as npt
import pytest

from geo_service.geography import crs, source_systems
from geo_service.geography.source_systems import DATUMS, Box, Evidence, Repeats, Watch

Floats = npt.NDArray[np.float64]

JINING = Box(115.87, 34.43, 117.59, 35.97)
URUMQI = Box(86.6, 42.75, 88.97, 44.13)  # two zones of 3 degrees, two of 6
LON, LAT = 116.58, 35.41
M_LAT, M_LON = 110_950.0, 90_900.0  # metres a degree there


def points(box: Box, many: int = 3000) -> tuple[Floats, Floats]:
    rng = np.random.Generator(np.random.PCG64(3))
    return rng.uniform(box.west, box.east, many), rng.uniform(box.south, box.north, many)


@pytest.mark.parametrize(
    ("sent", "factor", "declared", "kind", "says"),
    [
        ("EPSG:4326", 1.0, "EPSG:4490", "ok", ""),
        ("GCJ-02", 1.0, "GCJ-02", "ok", ""),
        ("GCJ-02", 1.0, "EPSG:4326", "ok", ""),  # range cannot tell
        ("EPSG:4548", 1.0, "EPSG:4548", "ok", ""),
        ("EPSG:4548", 1.0, "EPSG:4509", "ok", ""),
        ("EPSG:4527", 1.0, "EPSG:4527", "ok", ""),
        ("EPSG:4548 north first", 1.0, "EPSG:4548 north first", "ok", ""),
        ("EPSG:32650", 1.0, "EPSG:32650", "ok", ""),
        ("EPSG:3857", 1.0, "EPSG:3857", "ok", ""),
        ("EPSG:4326 north first", 1.0, "EPSG:4490", "exchanged", 'declare "EPSG:4490 north first"'),
        ("BD-09 north first", 1.0, "BD-09", "exchanged", 'declare "BD-09 north first"'),
        ("EPSG:4548 north first", 1.0, "EPSG:4548", "exchanged", 'declare "EPSG:4548 north first"'),
        ("EPSG:4548", 1.0, "EPSG:4548 north first", "exchanged", 'declare "EPSG:4548"'),
        ("EPSG:4509 north first", 1.0, "EPSG:4509", "exchanged", 'declare "EPSG:4509 north first"'),
        ("EPSG:4527", 1.0, "EPSG:4548", "prefix_present", 'declare "EPSG:4527"'),
        ("EPSG:4498", 1.0, "EPSG:4548", "prefix_present", 'declare "EPSG:4498"'),
        ("EPSG:4548", 1.0, "EPSG:4527", "prefix_missing", 'declare "EPSG:4548"'),
        ("EPSG:4498", 1.0, "EPSG:4527", "other_prefix", 'declare "EPSG:4498"'),
        ("EPSG:4527 north first", 1.0, "EPSG:4548", "prefix_present", "the two axes are exchanged"),
        ("EPSG:4549", 1.0, "EPSG:4548", "wrong_meridian", 'declare "EPSG:4549"'),
        ("EPSG:4547", 1.0, "EPSG:4548", "wrong_meridian", 'declare "EPSG:4547"'),
        ("EPSG:4548", 1.0, "EPSG:4547", "wrong_meridian", 'declare "EPSG:4548"'),
        ("EPSG:4548", 1.0, "EPSG:4490", "metres_for_degrees", 'declare "EPSG:4548"'),
        ("EPSG:3857", 1.0, "EPSG:4326", "metres_for_degrees", 'declare "EPSG:3857"'),
        ("EPSG:4326", 1.0, "EPSG:4548", "degrees_for_metres", 'declare "EPSG:4326"'),
        ("EPSG:4326 north first", 1.0, "EPSG:4548", "degrees_for_metres", 'declare "EPSG:4326 north first"'),
        ("EPSG:3857", 1.0, "EPSG:4548", "other_system", 'declare "EPSG:3857"'),
        ("EPSG:32650", 1.0, "EPSG:3857", "other_system", '("EPSG:32650" fits as well)'),  # range cannot tell
        ("EPSG:4548", 1e-3, "EPSG:4548", "scaled", 'declare "EPSG:4548" after multiplying by 1000'),
        ("EPSG:4326", 1e6, "EPSG:4326", "scaled", "after multiplying by 1e-06"),
        ("GCJ-02", 1e6, "GCJ-02", "scaled", 'declare "GCJ-02" after multiplying by 1e-06'),
        ("EPSG:4326", 3600.0, "EPSG:4326", "scaled", "after multiplying by 0.000277778"),
    ],
)
def test_the_range_of_a_citys_numbers_tells_how_they_are_written(
    sent: str, factor: float, declared: str, kind: str, says: str
):
    first, second = crs.from_wgs84(*points(JINING), sent)
    found = source_systems.check_declared(first * factor, second * factor, declared, JINING)
    assert found.kind == kind
    assert says in found.says


@pytest.mark.parametrize("box", [JINING, URUMQI])
def test_only_one_reading_explains_a_whole_city_save_utm(box: Box):
    """Every zone that the city touches, either order, with and without prefix: no other reading comes near."""
    middle = (box.west + box.east) / 2
    for width in (3, 6):
        meridian = round((middle - (0 if width == 3 else 3)) / width) * width + (0 if width == 3 else 3)
        for prefixed in (False, True):
            for order in ("", " north first"):
                zone = crs.GaussKrueger(meridian, width, prefixed)
                first, second = crs.from_wgs84(*points(box), zone.system + order)
                found = source_systems.readings(first, second, box)
                best = crs.read_system(found[0].system)
                read = crs.gauss_krueger(found[0].system)
                assert read is not None
                assert (read.meridian, read.is_prefixed) == (meridian, prefixed)
                assert best.north_first == bool(order)
                assert found[0].share == 1.0
                assert all(other.system.startswith("EPSG:326") for other in found[1:] if other.share > 0.2)


def test_rows_of_two_systems_are_mixed_and_rows_of_none_elsewhere():
    lon, lat = points(JINING, 400)
    x, y = crs.from_wgs84(lon, lat, "EPSG:4548")
    half = np.arange(400) % 2 == 0
    found = source_systems.check_declared(np.where(half, x, lon), np.where(half, y, lat), "EPSG:4326", JINING)
    assert found.kind == "mixed"
    assert '50% are "EPSG:4548"' in found.says
    far = source_systems.check_declared(lon + 5.0, lat, "EPSG:4326", JINING)
    assert far.kind == "elsewhere"
    nothing = np.array([0.0, np.nan])
    assert source_systems.check_declared(nothing, nothing, "EPSG:4326", JINING).kind == "empty"
    assert source_systems.readings(nothing, nothing, JINING) == ()


def test_a_few_defaults_at_zero_or_a_neighbours_records_do_not_change_the_finding():
    first, second = crs.from_wgs84(*points(JINING, 1000), "EPSG:4527")
    first[:300], second[:300] = 0.0, 0.0
    first[300:340] += 400_000
    assert source_systems.check_declared(first, second, "EPSG:4527", JINING).kind == "ok"
    assert source_systems.check_declared(first, second, "EPSG:4548", JINING).kind == "prefix_present"


def sources(
    datum: str, many: int, records: int, seed: int, sigma_m: tuple[float, float] = (15.0, 30.0), worse: float = 1.0
) -> source_systems.Weights:
    """Simulate sources that truly speak `datum`: one record in twenty is 100 m to 10 km off."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n = many * records
    text_lon, text_lat = points(Box(115.9, 34.5, 117.5, 35.9), n)
    sigma = rng.uniform(*sigma_m, n)
    east, north = rng.normal(0.0, sigma * worse), rng.normal(0.0, sigma * worse)
    out, turn = rng.random(n) < 0.05, rng.uniform(0, 2 * np.pi, n)
    away = 10 ** rng.uniform(2, 4, n)
    east, north = np.where(out, away * np.cos(turn), east), np.where(out, away * np.sin(turn), north)
    sent = crs.from_wgs84(text_lon + east / M_LON, text_lat + north / M_LAT, datum)
    return source_systems.weigh(sent[0], sent[1], text_lon, text_lat, 2.146 * sigma)


def decisions(weights: source_systems.Weights, records: int) -> dict[str, int]:
    name = np.repeat(np.arange(len(weights.scores) // records), records).astype(str).astype(object)
    found = [known.decided for known in source_systems.evidence(name, weights).values()]
    return {datum: found.count(datum) for datum in ("", *DATUMS)}


@pytest.mark.parametrize("datum", DATUMS)
def test_five_building_level_records_recognise_a_source(datum: str):
    """At least 99.9 % of 20,000 simulated sources, and never the wrong datum for a source in ten thousand."""
    found = decisions(sources(datum, 20_000, 5, seed=5), 5)
    assert found[datum] / 20_000 >= 0.999
    assert 20_000 - found[datum] - found[""] <= 2


@pytest.mark.parametrize("datum", DATUMS)
def test_texts_half_as_exact_again_as_they_claim_change_little(datum: str):
    found = decisions(sources(datum, 5_000, 5, seed=6, worse=1.5), 5)
    assert found[datum] / 5_000 >= 0.995
    assert 5_000 - found[datum] - found[""] <= 2


@pytest.mark.parametrize("datum", DATUMS)
def test_road_level_records_take_some_more(datum: str):
    found = decisions(sources(datum, 2_000, 12, seed=7, sigma_m=(150.0, 150.0)), 12)
    assert found[datum] / 2_000 >= 0.998
    assert 2_000 - found[datum] - found[""] <= 2


def test_one_record_never_decides_and_a_caller_kilometres_off_says_nothing():
    one = sources("BD-09", 1_000, 1, seed=8)
    assert decisions(one, 1)[""] == 1_000
    there = np.array([LON]), np.array([LAT])
    far = source_systems.weigh(there[0] + 0.08, there[1], *there, np.array([30.0]))
    assert far.elsewhere.tolist() == [True]
    assert np.abs(far.scores).max() < 0.7


def test_a_source_in_a_fourth_system_is_never_decided():
    """Read UTM as Gauss-Krueger: 1.5 km off everywhere.  Chance agreements must not add up to a datum."""
    text_lon, text_lat = points(JINING, 4_000)
    x, y = crs.from_wgs84(text_lon, text_lat, "EPSG:32650")
    lon, lat = crs.to_wgs84(x, y, "EPSG:4548")
    weights = source_systems.weigh(lon, lat, text_lon, text_lat, np.full(4_000, 30.0))
    known = source_systems.evidence(np.full(4_000, "a", dtype=object), weights)["a"]
    assert known.elsewhere == 4_000
    assert known.decided == ""
    assert Evidence(1_000, 990, (0.0, -60.0, -60.0)).decided == ""


def test_evidence_adds_up_batch_by_batch_and_is_kept_as_json():
    weights = sources("GCJ-02", 1, 40, seed=9)
    whole = source_systems.evidence(np.full(40, "a", dtype=object), weights)["a"]
    parts = Evidence()
    for part in np.array_split(np.arange(40), 7):
        piece = source_systems.Weights(weights.scores[part], weights.counts[part], weights.elsewhere[part])
        batch = source_systems.evidence(np.full(len(part), "a", dtype=object), piece)["a"]
        parts = source_systems.parse_evidence(json.loads(json.dumps((parts + batch).as_table())))
    assert (parts.records, parts.elsewhere) == (whole.records, whole.elsewhere) == (40, whole.elsewhere)
    assert parts.scores == pytest.approx(whole.scores)
    assert parts.decided == whole.decided == "GCJ-02"
    assert parts.log_odds == pytest.approx(whole.log_odds)
    assert sum(whole.posterior.values()) == pytest.approx(1.0)
    assert whole.posterior["GCJ-02"] > 0.9999


def test_a_record_without_coordinate_or_text_is_no_evidence():
    lon, lat = np.array([LON, np.nan, LON]), np.array([LAT, LAT, LAT])
    weights = source_systems.weigh(lon, lat, np.array([LON, LON, np.nan]), lat * 0 + LAT, np.full(3, 30.0))
    assert weights.counts.tolist() == [True, False, False]
    assert weights.scores[1:].tolist() == [[0.0] * 3] * 2
    found = source_systems.evidence(np.array(["a", "b", "b"], dtype=object), weights)
    assert found["b"] == Evidence()


def test_a_source_that_changes_is_reported_within_five_records_and_a_steady_one_is_not():
    late: list[int] = []
    for seed in range(200):
        before, after = sources("EPSG:4326", 1, 100, seed=seed), sources("GCJ-02", 1, 20, seed=1000 + seed)
        watch, alarm = Watch("EPSG:4326").after(before)
        assert alarm is None
        _, alarm = watch.after(after)
        assert alarm is not None
        assert alarm.datum == "GCJ-02"
        late.append(alarm.record)
    assert np.quantile(late, 0.95) <= 4
    for datum in DATUMS:
        assert Watch(datum).after(sources(datum, 1, 100_000, seed=11))[1] is None


def test_a_watch_cut_into_batches_sees_what_one_batch_sees():
    before, after = sources("BD-09", 1, 30, seed=12), sources("EPSG:4326", 1, 10, seed=13)
    both = [np.concatenate([getattr(before, name), getattr(after, name)]) for name in ("scores", "counts", "elsewhere")]
    whole = Watch("BD-09").after(source_systems.Weights(*both))[1]
    assert whole is not None
    assert whole.since == pytest.approx(30, abs=2)
    watch, alarm = Watch("BD-09"), None
    for number in range(40):
        watch, alarm = watch.after(source_systems.Weights(*(column[[number]] for column in both)))
        if alarm:
            assert (number, number + alarm.since) == (whole.record, whole.since)
            break
    assert alarm is not None
    empty = source_systems.Weights(np.empty((0, 3)), np.empty(0, dtype=bool), np.empty(0, dtype=bool))
    assert watch.after(empty) == (watch, None)


def explained(lon: float, lat: float, system: str = "EPSG:4326", same: Repeats | None = None, radius_m: float = 30.0):
    at = np.array([LON]), np.array([LAT])
    return source_systems.explain_disagreement(
        np.array([lon]), np.array([lat]), *at, np.array([radius_m]), system, same
    )[0]


def known(places: int, spread_m: float, is_default: bool = False) -> Repeats:
    return Repeats(np.array([places]), np.array([spread_m]), np.array([is_default]))


def test_a_disagreement_has_one_kind():
    assert explained(LON, LAT) == ""
    assert explained(LON + 40 / M_LON, LAT) == ""
    assert explained(LON + 5 * 139 / M_LON, LAT, radius_m=300.0) == ""
    assert explained(np.nan, LAT) == ""
    assert explained(LON, LAT, radius_m=np.nan) == ""
    assert explained(LON + 0.03, LAT) == "elsewhere"
    assert explained(LAT, LON) == "swapped"
    for sent in DATUMS:
        for declared in DATUMS:
            read = crs.to_wgs84(*crs.from_wgs84(np.array([LON]), np.array([LAT]), sent), declared)
            assert explained(read[0][0], read[1][0], declared) == ("" if sent == declared else "datum")
    assert explained(LON + 0.01, LAT, same=known(7, 900.0)) == "cell_tower"
    assert explained(LON + 0.01, LAT, same=known(2, 900.0)) == "elsewhere"
    assert explained(LON + 0.01, LAT, same=known(40, 18_000.0)) == "default_point"
    assert explained(LON + 0.01, LAT, same=known(1, 900.0, is_default=True)) == "default_point"
    assert explained(LON, LAT, same=known(40, 18_000.0, is_default=True)) == ""


def test_a_vague_text_is_never_explained_by_a_datum():
    """A village known to 800 m cannot tell 500 m of offset from a caller who stands elsewhere."""
    east = np.linspace(0.0, 8_000.0, 200)
    kinds = source_systems.explain_disagreement(
        LON + east / M_LON, np.full(200, LAT), np.full(200, LON), np.full(200, LAT), np.full(200, 1_500.0)
    )
    assert set(kinds.tolist()) == {"", "elsewhere"}


def test_a_batch_counts_its_own_repeats():
    at = 116.5
    lon = np.array([at, at, at, at, 116.6, np.nan])
    text_lon = np.array([116.51, 116.51, 116.53, np.nan, 116.6, 116.6])
    lat = np.full(6, LAT)
    found = source_systems.repeats(lon, lat, text_lon, lat)
    assert found.places.tolist()[:5] == [2, 2, 2, 2, 1]
    assert found.spread_m[:4] == pytest.approx([0.01 * M_LON] * 4, rel=0.01)
    assert not found.is_default.any()
    assert source_systems.repeats(lon, lat, text_lon, lat, lon == at).is_default.tolist() == [True] * 4 + [False] * 2
