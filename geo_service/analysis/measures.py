"""Measures: what came of a place after something was done to it, beside what was to expect without it.

Pure.  A place is refurbished because it was bad, and a bad month is partly chance: the months after are quieter by
themselves.  So the months after are set against what the place's own months before let expect, shrunk to places like
it and with the city's season (expectations.py), and against places like it that were left alone (evaluation.py), each
with its interval and with the smallest fall that could have been seen at all.  The month in which a measure began
belongs to neither side, unless it began on the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.analysis import evaluation, expectations
from geo_service.errors import BadParameter
from geo_service.geography import zones as zone_geometry

RESULT_COLUMNS = (
    "zone_kind", "zone_id", "what", "from_day", "months_before", "months_after", "before", "observed", "expected",
    "low", "high", "difference", "difference_low", "difference_high", "verdict", "matched", "matched_before",
    "matched_after", "against_matched", "against_low", "against_high", "smallest_visible_fall", "power", "found",
)  # fmt: skip
FOUND = ("too_early", "no_history", "fewer", "no_change", "more")

_MATCHES = 5  # untreated places beside each treated one
_FALL = 0.3  # the fall whose chance of being seen is told: 30 %, as much as measures in the literature reach
_FEWEST_BEFORE = 6  # months before, or nothing can be expected

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """What came in the places of one kind: `counts` (places, months), `months` "YYYY-MM" without a gap, oldest first.

    `months` are whole ones: the one in hand is left out.  `classes` are those of the places.
    """

    ids: Sequence[str]
    classes: Sequence[str]
    months: Sequence[str]
    counts: Counts

    def of(self, zone_id: str) -> int:
        """Give the row of a place.  Raises BadParameter when it is none of these."""
        if zone_id not in self.ids:
            raise BadParameter(f"place '{zone_id}' no longer stands; a measure is judged at places that do")
        return list(self.ids).index(zone_id)


def past(ids: Sequence[str], classes: Sequence[str], months: Sequence[str], counted: pd.DataFrame) -> Past:
    """Put counts (month, zone_id, count; zeros left out) in the order of places and months."""
    table = counted.pivot_table(index="zone_id", columns="month", values="count", aggfunc="sum")
    table = table.reindex(index=list(ids), columns=list(months)).fillna(0)
    return Past(ids, classes, months, table.to_numpy(dtype=np.int64))


def span(past: Past, from_day: date, most: int) -> tuple[range, range]:
    """Give the positions of the months before and after a measure, at most so many on each side.

    >>> quarter = Past([], [], ["2024-01", "2024-02", "2024-03"], np.zeros((0, 3), dtype=np.int64))
    >>> span(quarter, date(2024, 2, 10), 12), span(quarter, date(2024, 2, 1), 12)
    ((range(0, 1), range(2, 3)), (range(0, 1), range(1, 3)))
    """
    month = f"{from_day:%Y-%m}"
    before = sum(1 for one in past.months if one < month)
    begins = sum(1 for one in past.months if one < month or (one == month and from_day.day > 1))
    return range(max(0, before - most), before), range(begins, min(len(past.months), begins + most))


def neighbours(zones: zone_geometry.Zones, treated: Sequence[str]) -> frozenset[str]:
    """Give the places that touch one of the treated places, themselves not among them: incidents may have moved there.

    >>> ids, blank = np.array(["a", "b", "c"], dtype=object), np.full(3, "", dtype=object)
    >>> row = np.array([shapely.box(x, 0, x + 1, 1) for x in range(3)])
    >>> sorted(neighbours(zone_geometry.Zones("communities", ids, blank, blank, row), ["a"]))
    ['b']
    """
    here = np.isin(zones.ids.astype(str), list(treated))
    _, beside = shapely.STRtree(zones.geometry).query(zones.geometry[here], predicate="intersects")
    return frozenset(zones.ids[np.unique(beside)].tolist()) - set(treated)


def judged(measures: pd.DataFrame, past: Past, beside: frozenset[str], most: int = 12) -> pd.DataFrame:
    """Judge measures at places of one kind: RESULT_COLUMNS, one row each, in their order.

    `measures` are prevention.MEASURE_COLUMNS, `beside` the places that touch a treated one, `most` the months looked at
    on each side.  `low` and `high` hold 90 % of what was to come without the measure; `against_matched` is the weighted
    displacement difference [incidents a month] of the place less its matched places, with its 90 % interval; `power`
    the chance that a fall by 30 % would have been seen, `smallest_visible_fall` the incidents that must have been
    prevented.  `found` is one of FOUND: one place seldom shows more than "no_change".  Missing: nothing can be said.
    """
    treated = frozenset(measures["zone_id"])
    rows: list[dict[str, object]] = []
    for about in measures[["zone_kind", "zone_id", "what", "from_day"]].to_dict("records"):
        case = _Case(past, past.of(str(about["zone_id"])), *span(past, pd.Timestamp(about["from_day"]).date(), most))
        rows.append({**{str(name): value for name, value in about.items()}, **_one(case, treated, beside)})
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


@dataclass(frozen=True)
class _Case:
    """A place of the past, by its row, and the positions of the months before and after what was done to it."""

    past: Past
    row: int
    before: range
    after: range

    def sums(self, rows: Sequence[int]) -> tuple[int, int]:
        """Count what came in some places before and after."""
        of = self.past.counts[list(rows)]
        return int(of[:, list(self.before)].sum()), int(of[:, list(self.after)].sum())


def _one(case: _Case, treated: frozenset[str], beside: frozenset[str]) -> Mapping[str, object]:
    before, observed = case.sums([case.row])
    told = {"months_before": len(case.before), "months_after": len(case.after), "before": before, "observed": observed}
    if len(case.before) < _FEWEST_BEFORE:
        return {**told, "found": "no_history"}
    if not len(case.after):
        return {**told, "found": "too_early"}
    alone = [row for row, place in enumerate(case.past.ids) if place not in treated]
    believed = _believed(case)
    here = expectations.Belief(believed.shape[[case.row]], believed.rate[[case.row]])
    city = float(believed.mean[alone].sum())
    # The city's course, seasons included, is part of what was to come anyway: what the places left alone had after.
    exposure = case.sums(alone)[1] / city if city > 0 else float(len(case.after))
    [seen] = expectations.observed_minus_expected(np.array([observed]), here, exposure).to_dict("records")
    free = [row for row in alone if case.past.ids[row] not in beside]
    return {
        **told,
        **{str(name): value for name, value in seen.items()},
        **_against_matched(case, free, believed.mean),
        "power": _power(here, exposure),
        "found": ("fewer", "no_change", "more")[int(seen["verdict"]) + 1],
    }


def _believed(case: _Case) -> expectations.Belief:
    codes = np.unique(np.array(case.past.classes, dtype=str), return_inverse=True)[1].astype(np.int64)
    following = case.past.months[case.before.stop]
    return expectations.believe(case.past.counts[:, list(case.before)], codes, following)


def _against_matched(case: _Case, free: Sequence[int], rate: Floats) -> Mapping[str, object]:
    """Set a place beside untreated ones like it: the weighted displacement difference a month."""
    rows = [case.row, *free]
    named = {"zone_id": [case.past.ids[row] for row in rows], "zone_class": [case.past.classes[row] for row in rows]}
    places = pd.DataFrame({**named, "zone_kind": "", "rate": rate[rows]})
    matches = evaluation.matched_places(places, [case.past.ids[case.row]], (), _MATCHES)["match_id"].tolist()
    if not matches:
        return {"matched": 0}
    number, months_before, months_after = len(matches), len(case.before), len(case.after)
    own, they = case.sums([case.row]), case.sums([case.past.of(match) for match in matches])
    effect = evaluation.displacement_difference(
        evaluation.BeforeAfter(*own, months_before, months_after),
        evaluation.BeforeAfter(*they, months_before * number, months_after * number),
    )
    fall = evaluation.smallest_visible_fall(own[0], they[0])
    return {
        "matched": number,
        "matched_before": they[0],
        "matched_after": they[1],
        "against_matched": effect.estimate,
        "against_low": effect.low,
        "against_high": effect.high,
        "smallest_visible_fall": fall if np.isfinite(fall) else None,
    }


def _power(belief: expectations.Belief, exposure: float) -> float:
    """Give the chance that a fall by _FALL leaves the interval: that fewer come than its low end."""
    low, _ = expectations.interval(belief, exposure)
    fallen = expectations.Belief(belief.shape, belief.rate / (1 - _FALL))
    return float(1 - expectations.chance_of_reaching(low, fallen, exposure)[0])
