import json

import numpy as np
import pandas as pd

from geo_service.analysis import witnesses
from geo_service.geography import crs


def seen(numbers: range, system: str) -> pd.DataFrame:
    """Make witnesses whose numbers are really in a system although WGS 84 is declared; a few metres of error."""
    rng = np.random.default_rng(numbers.start)
    lon, lat = 116.5 + rng.random(len(numbers)) / 10, 35.4 + rng.random(len(numbers)) / 10
    sent = crs.from_wgs84(lon, lat, system)
    return pd.DataFrame(
        {
            "system": "EPSG:4326",
            "called_at": pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(list(numbers), unit="h"),
            "incident_id": [f"A{number:03d}" for number in numbers],
            "source_lon": sent[0] + rng.normal(0, 1e-4, len(numbers)),
            "source_lat": sent[1] + rng.normal(0, 1e-4, len(numbers)),
            "text_lon": lon,
            "text_lat": lat,
            "text_m": 30.0,
            "hash": list(numbers),
        }
    )


def test_a_source_that_changes_its_system_gets_an_alarm_within_five_witnesses():
    numbers, alarms = witnesses.followed({}, seen(range(10), "EPSG:4326"), "110")
    assert alarms == []
    numbers, alarms = witnesses.followed(json.loads(json.dumps(numbers)), seen(range(10, 15), "GCJ-02"), "110")
    assert len(alarms) == 1
    assert "said EPSG:4326 and now say GCJ-02" in alarms[0]
    numbers, alarms = witnesses.followed(json.loads(json.dumps(numbers)), seen(range(15, 25), "GCJ-02"), "110")
    assert alarms == []
    assert witnesses.source_systems.parse_evidence(numbers["EPSG:4326"]).decided == "GCJ-02"


def test_a_change_is_noticed_however_few_come_with_each_pull():
    numbers, _ = witnesses.followed({}, seen(range(10), "EPSG:4326"), "110")
    alarms: list[str] = []
    for number in range(10, 16):
        numbers, now = witnesses.followed(numbers, seen(range(number, number + 1), "BD-09"), "110")
        alarms += now
    assert len(alarms) == 1
    assert "now say BD-09" in alarms[0]


def test_a_steady_source_is_left_in_peace():
    numbers: dict[str, witnesses.Numbers] = {}
    for begin in range(0, 400, 20):
        numbers, alarms = witnesses.followed(numbers, seen(range(begin, begin + 20), "EPSG:4326"), "110")
        assert alarms == []
    assert numbers["EPSG:4326"]["records"] == 400
