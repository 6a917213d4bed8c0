"""Silences: feeds that have stopped bringing calls.

Pure.  Two things are told apart: no pull has been recorded for a while, and pulls are recorded but bring no new call.
The second is judged at the last recorded pull, so that a source that is down is not also called quiet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from geo_service.analysis import messages
from geo_service.analysis.alert_rules import AlertRules

NO_PULL, NO_CALL = "no_pull", "no_call"
PROGRESS_COLUMNS = ("feed", "pulled_at", "last_called_at")


def silent(progress: pd.DataFrame, feeds: Sequence[str], rules: AlertRules, now: datetime) -> pd.DataFrame:
    """Give the feeds that are silent now: messages.SUBJECT and `episode`, the moment the silence began (UTC, ISO 8601).

    `progress` (PROGRESS_COLUMNS) of feeds that have been pulled; a feed that never was has no moment, and is left out.

    >>> from datetime import UTC, date, time
    >>> from geo_service.analysis.alert_rules import Silence
    >>> rules = AlertRules(date(2000, 1, 1), "1", time(22), time(7), True, 30, (60,), Silence(60, 24), {}, {})
    >>> noon = datetime(2024, 6, 2, 12, 0, tzinfo=UTC)
    >>> stood = pd.DataFrame({"feed": ["110"], "pulled_at": [noon - timedelta(hours=2)], "last_called_at": [noon]})
    >>> silent(stood, ["110"], rules, noon)[["zone_id", "kind", "episode"]].values.tolist()
    [['110', 'no_pull', '2024-06-02T10:00:00+00:00']]
    """
    rows: list[dict[str, str]] = []
    for row in progress[progress["feed"].isin(list(feeds))].to_dict("records"):
        after = rules.silence_of(row["feed"])
        pulled, called = row["pulled_at"], row["last_called_at"]
        if after.pull_min and pd.notna(pulled) and now - pulled > timedelta(minutes=after.pull_min):
            rows.append(_silence(row["feed"], NO_PULL, pulled))
        if after.call_h and pd.notna(pulled) and pd.notna(called) and pulled - called > timedelta(hours=after.call_h):
            rows.append(_silence(row["feed"], NO_CALL, called))
    return pd.DataFrame(rows, columns=[*messages.SUBJECT, "episode"], dtype="str")


def _silence(feed: str, kind: str, began: datetime) -> dict[str, str]:
    subject = {"zone_kind": messages.FEED_KIND, "zone_id": feed, "month": "", "kind": kind}
    return {**subject, "episode": began.isoformat()}
