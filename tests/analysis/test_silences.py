from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from geo_service.analysis import silences
from tests.analysis.test_alert_rules import of

NOW = datetime(2024, 6, 30, 4, 0, tzinfo=UTC)
HOURS = timedelta(hours=1)
RULES = of(silence={"pull_min": 60, "call_h": 24, "feeds": {"slow": {"pull_min": 600, "call_h": 0}}})


def stood(feed: str, pulled_ago, called_ago) -> pd.DataFrame:
    moments = pd.to_datetime([None if ago is None else NOW - ago for ago in (pulled_ago, called_ago)], utc=True)
    return pd.DataFrame({"feed": [feed], "pulled_at": moments[:1], "last_called_at": moments[1:]})


@pytest.mark.parametrize(
    ("progress", "wanted"),
    [
        (stood("110", HOURS, 2 * HOURS), []),  # exactly as long as is allowed
        (stood("110", 1.1 * HOURS, 2 * HOURS), [("no_pull", "2024-06-30T02:54:00+00:00")]),
        (stood("110", 0 * HOURS, 25 * HOURS), [("no_call", "2024-06-29T03:00:00+00:00")]),
        (stood("110", 23 * HOURS, 25 * HOURS), [("no_pull", "2024-06-29T05:00:00+00:00")]),
        (stood("slow", 9 * HOURS, 900 * HOURS), []),
        (stood("slow", 11 * HOURS, 900 * HOURS), [("no_pull", "2024-06-29T17:00:00+00:00")]),
        (stood("110", None, None), []),
        (stood("110", 0 * HOURS, None), []),
        (stood("another", 99 * HOURS, None), []),
    ],
)  # fmt: skip
def test_a_feed_is_silent_without_pulls_or_without_calls_in_them(progress: pd.DataFrame, wanted: list[tuple[str, str]]):
    found = silences.silent(progress, ["110", "slow"], RULES, NOW)
    assert list(found[["kind", "episode"]].itertuples(index=False, name=None)) == wanted
    assert set(found["zone_kind"]) <= {"feeds"}
