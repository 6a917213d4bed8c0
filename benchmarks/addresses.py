"""Dispatch language to places: top 1, metres, calibration, speed and memory over a made-up gazetteer, and peers.

addresses/top1_clean, top1_all    share right of what can be resolved: without typos, and with 35 % of them
addresses/crossing_offset_median_m  metres to the point that was drawn, of 金珠路与奎星路西100米处 and its kind, clean
addresses/ece_held_out            calibration error; learned on texts of another seed
addresses/uncertainty_holds       truth within the radius that an answer states as its 90 %, of the worst level
addresses/accepted_share          accepted of what can be resolved; accepted_within_100m: of all accepted, those not too
addresses/per_second, p99_ms      one core, 10,000 mixed texts at once; one text in full
addresses/memory_mb               resident memory of a fresh process that has read the gazetteer and answered
addresses/taipei_understood       share of 8,774 place texts of Taipei read without a rest; left out where they are not
addresses/datum_5_records         share of sources in GCJ-02 or BD-09 whose system 5 building-level records tell
addresses/flat, flat_top1         beside a full-text index over the flat text of every entry (tantivy, bigrams)
addresses/county, county_right, town_right  beside cpca and jionlp, on texts that name them; real names only

What is right stands in _answers.py, what is asked of the peers in _address_peers.py, the language in dispatch/.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ahocorasick
import geopandas
import numpy as np
import pandas as pd

from benchmarks import _address_peers, _answers
from benchmarks._peers import CRIME, HOUSE
from benchmarks._race import ROUNDS, Row, arguments, measured, reached, report
from benchmarks.dispatch import administration, noise, texts
from benchmarks.dispatch import gazetteer as made_up
from benchmarks.dispatch.gazetteer import World
from geo_service.analysis import reliability
from geo_service.geography import crs, source_systems
from geo_service.geography.addresses import calibrate, gazetteer, grammar, locate, normalise

PROJECTED = f"EPSG:{administration.PLANE}"
TAIPEI = CRIME / "taipei" / "taipei_all_cases.csv"
_GPS_M = 8.0  # of an officer's position around the building


@dataclass(frozen=True)
class Sizes:
    """How much is asked in a form of the benchmark."""

    learn: int
    texts: int
    speed: int
    single: int
    taipei: int
    sources: int
    peers: int
    rounds: int


FULL = Sizes(40_000, 20_000, speed=10_000, single=3_000, taipei=8_774, sources=4_000, peers=6_000, rounds=ROUNDS)
SMALL = Sizes(10_000, 3_000, speed=2_000, single=500, taipei=1_000, sources=1_000, peers=600, rounds=2)


def accuracy(found: pd.DataFrame, answers: pd.DataFrame) -> list[Row]:
    """Give what share is right, how far offsets are off, and whether confidence keeps its word."""
    resolvable = found["resolvable"].to_numpy()
    typo = found["noise"].str.contains("|".join(noise.TYPOS)).to_numpy()
    right, error_m = found["right"].to_numpy(dtype=float), found["error_m"].to_numpy()
    offset = resolvable & ~typo & (found["kind"] == "crossing_offset").to_numpy()
    accepted = answers["accepted"].to_numpy(dtype=bool)
    within = error_m <= calibrate.WITHIN_M
    kept = within[accepted].mean() if accepted.any() else 0.0
    told = reliability.table(answers["confidence"].to_numpy(), within, np.linspace(0, 1, 16))
    return [
        reached("addresses/top1_clean", right[resolvable & ~typo].mean(), "share", 0.98),
        reached("addresses/top1_all", right[resolvable].mean(), "share", 0.96),
        measured("addresses/crossing_offset_median_m", float(np.median(error_m[offset])), "m", 15),
        measured("addresses/ece_held_out", reliability.calibration_error(told), "share", 0.01, digits=4),
        reached("addresses/accepted_share", accepted[resolvable].mean(), "share", 0.85),
        reached("addresses/accepted_within_100m", float(kept), "share", 0.99),
        reached("addresses/uncertainty_holds", _least_held(found[resolvable & found["right"]], answers), "share", 0.9),
    ]


def _least_held(right: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Give the share of right answers whose truth lies within the radius they state, of the level where it is least."""
    held = right["error_m"] <= answers["uncertainty_m"].loc[right.index]
    level = held.groupby(right["level"])
    return float(level.mean()[level.size() >= 100].min())


def learned(world: World, solver: locate.Solver, records: pd.DataFrame) -> calibrate.Calibration:
    """Fit the calibration on texts that nothing else is measured on."""
    answers = solver.locate_all(records["text"].tolist())
    found = _answers.judged(world, records, answers)
    level, score = answers["level"].to_numpy(dtype=object), answers["score"].to_numpy(dtype=float)
    return calibrate.fit(level, score, found["error_m"].to_numpy())


@contextmanager
def one_core() -> Generator[None]:
    """Hold this process to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def speed(solver: locate.Solver, said: list[str], sizes: Sizes) -> list[Row]:
    """Time many texts at once, and single ones answered in full."""
    batch, single = said[: sizes.speed], said[: sizes.single]
    with one_core():
        taken = [_seconds(lambda: solver.locate_all(batch)) for _ in range(sizes.rounds)]
        each = [_seconds(lambda text=text: solver.locate(text)) for text in single]
    return [
        reached("addresses/per_second", len(batch) / statistics.median(taken), "addresses/s", 10_000),
        measured("addresses/p99_ms", 1000 * float(np.quantile(each, 0.99)), "ms", 1),
    ]


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def memory(world: World, said: list[str]) -> Row:
    """Let a fresh process read the gazetteer from Parquet and answer."""
    with tempfile.TemporaryDirectory() as name:
        frame = geopandas.GeoDataFrame(world.entries, geometry="geometry", crs="EPSG:4326")
        frame.to_parquet(Path(name) / "gazetteer.parquet", index=False)
        (Path(name) / "texts.json").write_text(json.dumps(said, ensure_ascii=False))
        command = [sys.executable, "-m", "benchmarks._resident", name]
        told = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    return measured("addresses/memory_mb", float(told), "MB", 400)


def taipei(count: int) -> list[Row]:
    """Read place texts of Taipei's open cases: no crash, and what share leaves nothing unread."""
    if not TAIPEI.exists():
        print(f"addresses/taipei_understood is left out: no {TAIPEI}", file=sys.stderr)
        return []
    said = pd.read_csv(TAIPEI, dtype=str, keep_default_na=False)["發生地點"].tolist()[:count]
    understood = [_is_understood(text) for text in said]
    return [reached("addresses/taipei_understood", float(np.mean(understood)), f"share of {len(said)}", 0.0)]


def _is_understood(text: str) -> bool:
    """Tell whether the grammar alone leaves no letter of a text unread: no gazetteer of Taipei is at hand."""
    plain = normalise.plain(text)
    parts = grammar.understood(plain, grammar.cut(plain, ahocorasick.Automaton()))
    return all(part.kind != grammar.UNKNOWN for part in parts)


def datum(found: pd.DataFrame, answers: pd.DataFrame, sources: int, rng: np.random.Generator) -> Row:
    """Draw sources of 5 building-level records in GCJ-02 or BD-09 and let their texts tell which it is."""
    fine = answers["level"].isin(["building", "door", "unit", "gate", "poi"]).to_numpy()
    drawn = rng.choice(np.flatnonzero(fine), (sources, 5)).ravel()
    lon = found["lon"].to_numpy()[drawn] + rng.normal(0.0, _GPS_M / 90_000, len(drawn))
    lat = found["lat"].to_numpy()[drawn] + rng.normal(0.0, _GPS_M / 111_000, len(drawn))
    lon, lat = crs.wgs84_to_gcj02(lon, lat)
    bd09 = np.repeat(np.arange(sources) % 2 == 1, 5)
    lon[bd09], lat[bd09] = crs.gcj02_to_bd09(lon[bd09], lat[bd09])
    text = [answers[name].to_numpy()[drawn] for name in ("lon", "lat", "uncertainty_m")]
    source = np.repeat([f"S{nth}" for nth in range(sources)], 5).astype(object)
    told = source_systems.evidence(source, source_systems.weigh(lon, lat, *text))
    wanted = ["BD-09" if nth % 2 else "GCJ-02" for nth in range(sources)]
    right = [told[f"S{nth}"].decided == each for nth, each in enumerate(wanted)]
    return reached("addresses/datum_5_records", float(np.mean(right)), "share", 0.999)


def main() -> int:
    """Run all and print them."""
    wishes = arguments(__doc__ or "")
    sizes = SMALL if wishes.small else FULL
    world = made_up.make(small=wishes.small)
    learn, test = (texts.write(world, count, seed=seed) for count, seed in ((sizes.learn, 101), (sizes.texts, 202)))
    known = made_up.listed(world)
    index = gazetteer.build(known.entries, projected=PROJECTED)
    solver = locate.Solver(index, calibration=learned(world, locate.Solver(index), learn))
    said = test["text"].tolist()
    answers = solver.locate_all(said)
    found = _answers.judged(world, test, answers)
    if not wishes.json:
        print(_answers.table(found), end="\n\n")
    rows = [*accuracy(found, answers), *speed(solver, said, sizes), memory(known, said), *taipei(sizes.taipei)]
    rows.append(datum(found, answers, sizes.sources, np.random.default_rng(7)))
    sample = test.head(sizes.peers)
    rows += _address_peers.flat(known, sample, solver.locate_all, sizes.rounds)
    if administration.SHARED.exists():
        rows += _address_peers.administrative(world, sample, solver.locate_all, sizes.rounds)
    return report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
