"""The ten-minute increment: 500 new rows against 11,000 zones, on top of a month with 30,000 calls.

digest/increment            the thinking alone: intake.digest with the month known
digest/increment_committed  read what must be known, think, record, commit: on a private PostGIS made for the run
Each repetition takes rows that nobody has seen before.
"""

import itertools
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import join
from benchmarks._made import FEED, as_rows
from benchmarks._race import ROUNDS, Row, figure
from geo_service import jobs
from geo_service.analysis import intake
from geo_service.geography.zones import Zones
from geo_service.service import Service, open_service
from geo_service.settings import Settings

PLACES = {"communities": 10_000, "units": 961, "patrol_zones": 64}
MONTH, BATCH = 30_000, 500  # rows
THINKING_MS, COMMITTED_MS = 200, 400


def rows(small: bool) -> list[Row]:
    """Give both figures; small: on a tenth of the month."""
    rng = np.random.default_rng(11)
    month = MONTH // 10 if small else MONTH
    count = month + (ROUNDS + 1) * BATCH
    calls = as_rows(count, "2025-12-01", "2026-01-01", *join.points_of(count, rng), rng)
    batches = [calls[at : at + BATCH] for at in range(month, len(calls), BATCH)]
    with city(rng) as service:
        jobs.load_incidents(service, FEED, calls[:month])
        return [thinking(service, calls[:month], batches), committed(service, batches)]


def thinking(service: Service, month: pd.DataFrame, batches: list[pd.DataFrame]) -> Row:
    """Digest one batch after another, each on top of the month alone."""
    zones = service.boundaries.zones
    stored = intake.digest(month, FEED, intake.Known(zones, service.rules), service.now()).incidents
    known = intake.Known(zones, service.rules, stored)
    fresh = itertools.cycle(batches)
    intake.digest(next(fresh), FEED, known, service.now())  # compiled before the clock runs
    return figure("digest/increment", lambda: intake.digest(next(fresh), FEED, known, service.now()), "ms", THINKING_MS)


def committed(service: Service, batches: list[pd.DataFrame]) -> Row:
    """Take in one batch after another, each on top of those before."""
    fresh = iter(batches)
    jobs.load_incidents(service, FEED, next(fresh))
    return figure(
        "digest/increment_committed", lambda: jobs.load_incidents(service, FEED, next(fresh)), "ms", COMMITTED_MS
    )


@contextmanager
def city(rng: np.random.Generator) -> Generator[Service]:
    """Give a service on a database of its own that holds the zones; both end with the block."""
    with tempfile.TemporaryDirectory(prefix="geo_service-increment-") as name:
        Path(name).chmod(0o711)  # as root the server runs as `postgres`, who must pass through
        service = open_service(Settings(data_dir=name))
        try:
            for kind, count in PLACES.items():
                shapes = join.city(count, rng)
                ids = np.array([f"{number:06d}" for number in range(count)], dtype=object)
                jobs.load_zones(service, Zones(kind, ids, ids, ids, shapes))
            yield service
        finally:
            service.close()
