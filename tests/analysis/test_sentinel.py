"""Each sign is found where it was planted, and honest stations are left in peace."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import sentinel

STATIONS = [f"s{number:02d}" for number in range(30)]


def months_of(rng: np.random.Generator, mean: float = 1.2) -> pd.DataFrame:
    """600 places a month for a year at each station, uneven as places are."""
    rates = rng.gamma(1.2, mean / 1.2, (len(STATIONS), 50, 1))
    counts = rng.poisson(rates, (len(STATIONS), 50, 12))
    return pd.DataFrame({"station": np.repeat(STATIONS, 600), "count": counts.ravel()})


def hushed(months: pd.DataFrame, station: str, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Write some months of 4 down as 3."""
    chosen = (months["station"] == station) & (months["count"] == 4) & (rng.random(len(months)) < share)
    return months.assign(count=months["count"].where(~chosen, 3))


def test_counts_that_stop_under_red_are_found_at_the_station_that_stops_them():
    rng = np.random.default_rng(71)
    found = sentinel.heaping(hushed(months_of(rng), "s05", 0.8, rng), [2, 4, 6])
    guilty = found[found["q"] < 0.05]
    assert guilty[["station", "threshold"]].to_numpy().tolist() == [["s05", 4]]
    assert guilty["ratio"].item() > 1.3


def test_honest_stations_are_rarely_accused_of_heaping():
    rng = np.random.default_rng(73)
    found = pd.concat([sentinel.heaping(months_of(rng, mean), [2, 4, 6]) for mean in (0.4, 1.2, 2.5)])
    assert (found["p"] < 0.05).mean() < 0.07
    assert (found["q"] < 0.05).sum() <= 1


@given(st.integers(0, 2**32 - 1))
def test_writing_more_months_down_never_looks_more_honest(seed: int):
    rng = np.random.default_rng(seed)
    months = pd.DataFrame({"station": "A", "count": rng.poisson(rng.gamma(1.2, 1.0, 400))})
    p = [sentinel.heaping(hushed(months, "A", share, np.random.default_rng(1)), [4])["p"][0] for share in (0, 0.5, 1)]
    assert p[0] >= p[1] - 0.02
    assert p[1] >= p[2] - 0.02


def test_stations_without_incidents_say_nothing():
    found = sentinel.heaping(pd.DataFrame({"station": ["A"] * 5, "count": [0] * 5}), [1, 4])
    assert found[["under", "at"]].to_numpy().tolist() == [[5, 0], [0, 0]]
    assert (found["p"] == 1).all()


def test_a_clean_city_is_not_accused_and_one_district_that_cheats_is(shared_data: Path):
    crime = shared_data / "crime"
    rows = pd.read_csv(crime / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz")
    rows = rows[rows["text_general_code"].str.contains("Robbery|Burglary") & rows["lon"].notna()]
    divisions = gpd.read_file(crime / "philadelphia_polygons" / "2018-08-ward-divisions.geojson")
    points = gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows["lon"], rows["lat"]), crs=4326)
    placed = points.sjoin(divisions[["DIVISION_N", "geometry"]].to_crs(4326), predicate="within")
    district = placed.groupby("DIVISION_N")["dc_dist"].agg(lambda seen: seen.mode().iloc[0])
    for year in ("2018", "2019"):
        own = placed[placed["dispatch_date"].str.startswith(year)]
        table = pd.crosstab(own["DIVISION_N"], own["dispatch_date"].str[:7]).reindex(district.index, fill_value=0)
        count = table.to_numpy()
        months = pd.DataFrame({"station": np.repeat(district.to_numpy(), count.shape[1]), "count": count.ravel()})
        honest = sentinel.heaping(months, [2, 4, 6])
        assert (honest["q"] > 0.5).all()
        assert (honest["p"] < 0.05).mean() <= 0.08
        busiest = months[months["count"] == 4]["station"].mode().iloc[0]
        cheated = sentinel.heaping(hushed(months, busiest, 1.0, np.random.default_rng(1)), [2, 4, 6])
        assert cheated.loc[cheated["q"] < 0.05, ["station", "threshold"]].to_numpy().tolist() == [[busiest, 4]]


def drifting(rng: np.random.Generator, city: float, guilty: float) -> pd.DataFrame:
    """400 calls a period at each station, a third of them of other categories; the first station drifts."""
    other_past = rng.binomial(400, 0.3, len(STATIONS))
    share = np.full(len(STATIONS), 0.3 * city)
    share[0] *= guilty
    other_now = rng.binomial(400, share)
    calls = pd.DataFrame({"station": STATIONS, "counted_past": 400 - other_past, "other_past": other_past})
    return calls.assign(counted_now=400 - other_now, other_now=other_now)


def test_a_station_that_drifts_is_found_and_a_city_that_drifts_is_not():
    rng = np.random.default_rng(79)
    found = sentinel.category_drift(drifting(rng, city=1.4, guilty=1.6))
    assert found.loc[found["q"] < 0.05, "station"].tolist() == ["s00"]
    assert found["ratio_low"][0] > 1
    calm = pd.concat([sentinel.category_drift(drifting(rng, city=1.5, guilty=1.0)) for _ in range(20)])
    assert (calm["p"] < 0.05).mean() < 0.05


def test_stations_without_calls_in_a_period_are_left_out():
    calls = pd.DataFrame({"station": ["A", "B"], "counted_past": [5, 0], "other_past": [1, 0]})
    found = sentinel.category_drift(calls.assign(counted_now=[4, 3], other_now=[2, 1]))
    assert found["station"].tolist() == ["A"]


def lagging(rng: np.random.Generator, slower: float) -> pd.DataFrame:
    """A call every two hours; from day 40 on the first station records later."""
    called = pd.date_range("2026-01-01", periods=960, freq="2h")
    parts: list[pd.DataFrame] = []
    for number, station in enumerate(STATIONS[:10]):
        lag_h = rng.lognormal(0.5, 1.0, len(called))
        if number == 0:
            lag_h[480:] *= slower
        recorded = called + pd.to_timedelta(lag_h, unit="h")
        parts.append(pd.DataFrame({"station": station, "called_at": called, "recorded_at": recorded}))
    return pd.concat(parts).iloc[rng.permutation(9600)]


def test_a_station_that_begins_to_record_late_is_found_with_its_day():
    found = sentinel.recording_lags(lagging(np.random.default_rng(83), slower=1.8))
    assert found.loc[found["q"] < 0.05, "station"].tolist() == ["s00"]
    assert abs(found["changed_at"][0] - pd.Timestamp("2026-02-10")) < pd.Timedelta(days=4)
    assert found["ratio"][0] == pytest.approx(1.8, rel=0.15)


def test_steady_stations_change_nothing():
    rng = np.random.default_rng(89)
    found = pd.concat([sentinel.recording_lags(lagging(rng, slower=1.0)) for _ in range(20)])
    assert (found["p"] < 0.05).mean() < 0.06
    alone = sentinel.recording_lags(lagging(rng, 1.0).head(1))
    assert alone["p"].tolist() == [1.0]


def test_a_station_that_retypes_too_much_is_found_and_small_ones_are_not():
    rng = np.random.default_rng(97)
    counted = rng.integers(5, 400, len(STATIONS))
    out = rng.binomial(counted, 0.06)
    counted[3], out[3] = 250, 50
    counted[4], out[4] = 5, 1  # 20 % as well, of five
    found = sentinel.retyping(pd.DataFrame({"station": STATIONS, "counted": counted, "retyped_out": out}))
    assert found.loc[found["q"] < 0.05, "station"].tolist() == ["s03"]
    assert found["low"][3] > 1
    assert found["low"][4] < 1


def test_no_calls_are_no_signs():
    at = pd.Series(dtype="datetime64[us, UTC]")
    none = pd.Series(dtype="int64")
    names = ("counted_past", "other_past", "counted_now", "other_now", "counted", "retyped_out", "count")
    empty = pd.DataFrame(
        {"station": pd.Series(dtype="str"), "called_at": at, "recorded_at": at, **dict.fromkeys(names, none)}
    )
    found = [
        sentinel.heaping(empty, [2, 4]),
        sentinel.category_drift(empty),
        sentinel.recording_lags(empty),
        sentinel.retyping(empty),
    ]
    assert [(len(one), {"station", "p", "q"} <= set(one.columns)) for one in found] == [(0, True)] * 4
