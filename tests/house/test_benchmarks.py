"""Every benchmark runs in its small form, and its answers equal its peer's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (HOUSE / "benchmarks").glob("[!_]*.py"))
RACE = {"what", "peer", "ours", "theirs", "unit", "ratio", "check", "equal"}
FIGURE = {"what", "value", "unit", "goal", "met"}
FIXED = {  # names that others read
    "addresses": {
        f"addresses/{name}"
        for name in (
            "top1_clean",
            "top1_all",
            "crossing_offset_median_m",
            "ece_held_out",
            "accepted_share",
            "accepted_within_100m",
            "per_second",
            "p99_ms",
            "memory_mb",
            "datum_5_records",
            "flat",
            "flat_top1",
        )
    },
    "digest": {"digest/decade", "digest/decade_places", "digest/decade_wall", "digest/decade_peak", "digest/increment"},
    "join": {
        f"join/{name}" for name in ("reused", "reused_1m", "oneshot", "ties", "sectors", "tally", "build", "memory")
    },
    "live": {
        f"live/{name}"
        for name in (
            *("commit_to_event_p50", "commit_to_event_p95", "follow_ms", "state_tile_bytes", "not_modified_share"),
            *("listeners_1000_mb", "listener_kb", "change_bytes", "change_ms"),
        )
    },
    "province": {"province/two_workers", "province/rows_per_s"},
    "tiles": {
        f"tiles/{name}"
        for name in (
            *(
                f"{phase}{part}"
                for phase in ("cold", "warm", "after_invalidation")
                for part in ("", "_p50", "_p95", "_p99")
            ),
            *("warm_default", "after_invalidation_not_modified", "first_of_a_zoom"),
            *("cold_over_tipg", "cold_over_postgis", "warm_over_fastapi", "start", "memory"),
        )
    },
    "warnings": {
        f"warnings/{name}"
        for name in (
            *(f"{name}_day{day}" for name in ("auc", "rank", "calibration", "bias") for day in (5, 10, 15, 20, 25)),
            *("brier_day5", "skill_day5", "interval", "after_red", "eb", "outlook", "farrington"),
        )
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_its_answers_are_equal(name: str):
    said = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--small", "--json"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    rows = json.loads(said.stdout)
    assert {row["what"] for row in rows} >= FIXED[name]
    for row in rows:
        assert set(row) in (RACE, FIGURE)
        assert row["what"].startswith(f"{name}/")
        assert row.get("equal", True), row


def test_every_benchmark_has_its_fixed_names():
    assert set(NAMES) == set(FIXED)
