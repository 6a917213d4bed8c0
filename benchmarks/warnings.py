"""Whether the chances that warnings tell come true, how fast they are told, and the rates beside esda's.

warnings/auc_day5 … day25     chance of red by the month's end, of places not yet red: does it put the right ones first
warnings/rank_day5 … day25    the same beside the count so far alone
warnings/brier_day5, skill_day5   mean squared distance from what came; what of it is saved beside one chance for all
warnings/calibration_day5 … day25   mean distance of the chances told from the share that came (reliability.EDGES)
warnings/bias_day5 … day25    mean chance over the share that came, how far from 1
warnings/interval             place-months within the interval told before them
warnings/after_red            next month of places that were red, expected over what came, how far from 1
warnings/eb                   empirical Bayes of 11,000 places beside esda's, a hundred times
warnings/outlook              11,000 places with 36 months behind them
warnings/farrington           weekly limits of 1,692 places, flexible, one week

Philadelphia's robbery and burglary in 1,692 divisions through `digest`, 2020 to 2025 told from the months before each
(--small: 2019).  Where the data is not, a made-up city stands in.  The reliability table of day 5 is printed beside.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import digest
from benchmarks._peers import HOUSE, Program
from benchmarks._race import ROUNDS, Row, arguments, compared, figure, measured, race_all, reached, report
from geo_service.analysis import control_charts, expectations, reliability

RED = 4
COUNTED = "robbery,burglary"
PLACES = 11_000
TIMES = 100  # one smoothing takes less than a millisecond


@dataclass(frozen=True)
class City:
    """Months of a city as they came in, and the first of them that is told."""

    seen: reliability.Replay
    first: str

    @property
    def months(self) -> list[str]:
        """Name the months."""
        return pd.period_range(end=self.seen.last, periods=self.seen.counts.shape[1], freq="M").astype(str).tolist()


def philadelphia(folder: Path, *, small: bool) -> City | None:
    """Digest the city's files, None where they are not."""
    files = digest.philadelphia(small=small)
    if files is None:
        return None
    [zones] = [words for words in files.zones if words.startswith("communities=")]
    command = ["digest", str(files.calls), "--feed", str(digest.DECADE_FEED), "--zones", zones]
    command += ["--count", COUNTED, "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "geo_service", *command], cwd=HOUSE, check=True, capture_output=True)
    return replayed(folder, ("2018-01", "2019-12", "2019-01") if small else ("2016-01", "2025-12", "2020-01"))


def replayed(folder: Path, months: tuple[str, str, str]) -> City:
    """Read what was digested: first and last month, and the first that is told.  Its own counts must be the same."""
    columns = ["called_at", "category", "community_id"]
    calls = pd.read_parquet(folder / "incidents.parquet", columns=columns)
    calls = calls[calls["category"].isin(COUNTED.split(","))]
    levels = pd.read_parquet(folder / "levels.parquet")
    levels = levels[(levels["zone_kind"] == "communities") & levels["month"].between(*months[:2])]
    levels = levels.pivot_table("count", "zone_id", "month", fill_value=0)
    place = levels.index.get_indexer(pd.Index(calls["community_id"]))
    day = calls["called_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    seen = reliability.replay(place, day, len(levels), months[:2])
    np.testing.assert_array_equal(seen.counts, levels.to_numpy())
    return City(seen, months[2])


def made_up(rng: np.random.Generator, *, small: bool) -> City:
    """Make up four years, rates from quiet to busy."""
    size = 400 if small else 1_692
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2024-01-01"))
    came = rng.poisson(rng.gamma(0.6, 0.04, (size, 1)), (size, len(days)))
    place, day = (np.repeat(axis.ravel(), came.ravel()) for axis in np.indices(came.shape))
    return City(reliability.replay(place, days[day], size, ("2020-01", "2023-12")), "2022-01")


def told(city: City) -> list[Row]:
    """Judge what would have been told of places not yet red."""
    size = len(city.seen.counts)
    every = reliability.backtest(city.seen, np.zeros(size, dtype=np.int64), np.full(size, RED), city.first)
    rows: list[Row] = []
    for day, those in every[every["count"] < RED].groupby("day"):
        chance, came = those["chance"].to_numpy(), those["came"].to_numpy()
        auc, of_count = reliability.auc(chance, came), reliability.auc(those["count"].to_numpy(), came)
        rows += [
            reached(f"warnings/auc_day{day}", auc, "AUC", 0.9),
            compared(f"warnings/rank_day{day}", "count", (auc, of_count), f"AUC over {len(those)} places and months"),
            *kept(int(str(day)), chance, came),
        ]
    return rows


def kept(day: int, chance: np.ndarray, came: np.ndarray) -> list[Row]:
    """Judge whether chances keep their word."""
    table, share = reliability.table(chance, came), came.mean()
    rows = [
        measured(f"warnings/calibration_day{day}", reliability.calibration_error(table), "share", 0.005, digits=5),
        measured(f"warnings/bias_day{day}", abs(chance.mean() / share - 1), "of the share that came", 0.1, digits=3),
    ]
    print(f"day {day}: mean chance {chance.mean():.5f}, came {share:.5f}", file=sys.stderr)
    if day > 5:
        return rows
    print(table.round(4).to_string(index=False), file=sys.stderr)
    one_for_all = round(float(share * (1 - share)), 5)
    return [
        measured("warnings/brier_day5", reliability.brier(chance, came), "squared chance", one_for_all, digits=5),
        reached("warnings/skill_day5", reliability.brier_skill(chance, came), "of that", 0.2),
        *rows,
    ]


def expected(city: City) -> list[Row]:
    """Judge what was expected before each month: of all places, and of those that had been red."""
    counts, groups = city.seen.counts, np.zeros(len(city.seen.counts), dtype=np.int64)
    inside: list[float] = []
    came, believed = 0, 0.0
    for at in range(city.months.index(city.first), counts.shape[1]):
        before, now = expectations.believe(counts[:, :at], groups, city.months[at]), counts[:, at]
        low, high = expectations.interval(before, 1.0)
        inside.append(float(((low <= now) & (now <= high)).mean()))
        red = counts[:, at - 1] >= RED
        came, believed = came + int(now[red].sum()), believed + float(before.mean[red].sum())
    print(f"after red: expected {believed:.0f}, came {came}", file=sys.stderr)
    return [
        reached("warnings/interval", float(np.mean(inside)), "share", 0.9),
        measured("warnings/after_red", abs(believed / came - 1), "of what came", 0.05, digits=3),
    ]


def beside_esda(folder: Path, rng: np.random.Generator, rounds: int) -> list[Row]:
    """Race over rates of places that differ in exposure."""
    exposure = rng.gamma(2.0, 12.0, PLACES)
    events = rng.poisson(rng.gamma(0.6, 0.8, PLACES) * exposure).astype(np.float64)
    np.save(folder / "places.npy", [events, exposure])
    peer = Program("warnings", "rates_esda.py")
    peer.tell(f"load {folder}")

    def ours() -> np.ndarray:
        rate = exposure
        for _ in range(TIMES):
            rate = expectations.fit_prior(events, exposure).after(events, exposure).mean
        return rate

    def same(rate: np.ndarray, _: None) -> str:
        peer.tell(f"save {folder / 'rates.npy'}")
        np.testing.assert_allclose(rate, np.load(folder / "rates.npy"), rtol=1e-12)
        return f"{len(rate)} rates, one by one, to 1e-12 of each"

    rows = race_all("warnings/eb", ours, {"esda": lambda: peer.tell(f"rates {TIMES}")}, same, rounds)
    peer.close()
    return rows


def speed(rng: np.random.Generator) -> list[Row]:
    """Time what a city asks for at once."""
    counts = rng.poisson(rng.gamma(0.6, 0.8, (PLACES, 1)), (PLACES, 36))
    groups, red = rng.integers(0, 5, PLACES), np.full(PLACES, RED)
    so_far = expectations.SoFar("2026-01", rng.poisson(0.2, PLACES), 0.4)
    weekly = rng.poisson(rng.gamma(0.6, 0.2, (1_692, 1)), (1_692, 320))
    years = 52 * np.arange(1, 6)
    return [
        figure("warnings/outlook", lambda: expectations.outlook(counts, groups, so_far, red, red + 2), "ms", 200),
        figure(
            "warnings/farrington",
            lambda: control_charts.farrington(weekly, np.array([319]), years, control_charts.FLEXIBLE),
            "ms",
            200,
        ),
    ]


def main() -> int:
    """Run all and print them."""
    wishes = arguments(__doc__ or "")
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        city = philadelphia(folder / "digested", small=wishes.small) or made_up(rng, small=wishes.small)
        rows = [*told(city), *expected(city), *beside_esda(folder, rng, 2 if wishes.small else ROUNDS)]
    return report([*rows, *speed(rng)], as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
