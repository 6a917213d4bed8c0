"""Witnesses: texts that tell in which coordinate system a source really writes.

Pure.  A text that is accepted and as fine as a building tells where the incident is, whatever the source declares; the
coordinates beside it then show their system (geography/source_systems.py).  A place that calls often is one witness
only, and a few hundred places are enough: those whose hash comes first, so that the choice is the same however rows are
cut into parts.  Rows that declare their own system are a source of their own for each.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
import pandas as pd

from geo_service.geography import crs, source_systems
from geo_service.geography.source_systems import DATUMS, Evidence, Watch, Weights

Numbers: TypeAlias = Mapping[str, object]

_FINE = ("code", "building", "gate", "part", "door")
_ENOUGH = 500  # places a system; ten decide it
_KEY = ["system", "hash"]
_POINTS = ["source_lon", "source_lat", "text_lon", "text_lat", "text_m"]


def of(incidents: pd.DataFrame) -> pd.DataFrame:
    """Choose the witnesses among incidents that hold, with whereabouts.WORKING_COLUMNS."""
    usable = incidents["accepted"].to_numpy() & incidents["match_level"].isin(_FINE) & incidents["source_lon"].notna()
    found = incidents.loc[usable, ["system", "called_at", "incident_id", *_POINTS]]
    place = incidents.loc[usable, "place"].to_numpy(dtype=object)
    return together([found.assign(hash=pd.util.hash_array(place, categorize=False))])


def together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Choose among the witnesses of several parts: the first call of each place, the first places of each system."""
    whole = pd.concat(parts, ignore_index=True).sort_values([*_KEY, "called_at", "incident_id"], kind="stable")
    first = whole.drop_duplicates(_KEY)
    return first[first.groupby("system").cumcount() < _ENOUGH].reset_index(drop=True)


def evidence(witnesses: pd.DataFrame) -> dict[str, Evidence]:
    """Sum what they say of each declared system: in which datum the numbers sent are right."""
    found: dict[str, Evidence] = {}
    for system, rows in witnesses.groupby("system"):
        found[str(system)] = _summed(_weighed(rows, str(system)))
    return found


def _weighed(rows: pd.DataFrame, system: str) -> Weights:
    lon, lat, *text = (rows[name].to_numpy(dtype=np.float64) for name in _POINTS)
    sent = crs.from_wgs84(lon, lat, system) if system in DATUMS else (lon, lat)
    return source_systems.weigh(*sent, *text)


def _summed(weights: Weights) -> Evidence:
    return source_systems.evidence(np.full(len(weights.scores), "", dtype=object), weights).get("", Evidence())


def followed(former: Mapping[str, Numbers], witnesses: pd.DataFrame, feed: str) -> tuple[dict[str, Numbers], list[str]]:
    """Add the witnesses of a pull to what is known of each declared system, and watch those that are decided.

    `former` and what is given are plain numbers, for the store.  A source that changes its system gets an alarm, and
    its evidence begins anew with the records that gave it.
    """
    numbers, alarms = dict(former), list[str]()
    for name, rows in witnesses.sort_values(["called_at", "incident_id"], kind="stable").groupby("system"):
        system, weights = str(name), _weighed(rows, str(name))
        known = source_systems.parse_evidence(former[system]) if system in former else Evidence()
        if not known.decided:
            numbers[system] = (known + _summed(weights)).as_table()
            continue
        watch, alarm = _watch(former[system], known.decided).after(weights)
        if alarm is None:
            state = {"datum": watch.datum, "sums": list(watch.sums), "run": list(watch.run)}
            numbers[system] = {**(known + _summed(weights)).as_table(), "watch": state}
            continue
        alarms.append(
            f"feed '{feed}', declared {system}: its texts said {known.decided} and now say {alarm.datum}; ask the "
            "source what it changed and mend crs in the feed file"
        )
        since = max(alarm.since, 0)  # it may have begun with the pull before
        newest = Weights(weights.scores[since:], weights.counts[since:], weights.elsewhere[since:])
        numbers[system] = _summed(newest).as_table()
    return numbers, alarms


def _watch(numbers: Numbers, datum: str) -> Watch:
    kept = cast("Mapping[str, Sequence[float]] | None", numbers.get("watch"))
    if kept is None or kept["datum"] != datum:
        return Watch(datum)
    return Watch(datum, tuple(map(float, kept["sums"])), tuple(map(int, kept["run"])))


def told(found: Mapping[str, Evidence], feed: str) -> Mapping[str, Mapping[str, object]]:
    """Say it as a summary does: numbers (source_systems.parse_evidence reads them), what is decided, and an alarm."""
    return {system: {**_numbers(one), "alarm": _alarm(system, one, feed)} for system, one in sorted(found.items())}


def _numbers(one: Evidence) -> dict[str, object]:
    scores = {name: round(score, 3) for name, score in zip(DATUMS, one.scores, strict=True)}
    plain: dict[str, object] = {"records": one.records, "elsewhere": one.elsewhere, "scores": scores}
    return {**plain, "log_odds": round(one.log_odds, 3), "decided": one.decided}


def _alarm(system: str, one: Evidence, feed: str) -> str:
    declared = system if system in DATUMS else DATUMS[0]  # all others are of the earth itself
    if one.decided in ("", declared):
        return ""
    return (
        f"feed '{feed}' declares {system}, {one.records} texts say {one.decided} (log-odds {one.log_odds:.0f}); "
        "ask the source and mend crs in the feed file"
    )
