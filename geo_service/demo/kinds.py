"""Kinds of calls in the made-up city: their codes, how often they come, when in the year, the week and the day.

The code tree is made up: 01 property and violence, 02 order, 03 disputes, 04 traffic, 05 help, 06 other, 09 not in
any map yet.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

QUARTERS = 96  # of an hour in a day

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """One kind of call.

    `codes`: code -> weight.  `community`, `unit`: calls a month at an average place; `street`: on streets, for each
    community of the city.  `hours`: peaks as (hour, spread [h], weight), on top of a flat tenth.  `summer`: how much
    more in July than on average (negative: winter).  `weekend`: Saturday and Sunday over a working day.  `repeats`:
    mean further calls near by within two weeks.  `window_h`: mean length of the time in which it may have happened
    [h]; 0 where it is known.
    """

    name: str
    counted: bool
    codes: dict[str, float]
    community: float
    unit: float
    street: float
    hours: tuple[tuple[float, float, float], ...]
    summer: float = 0.0
    weekend: float = 1.0
    repeats: float = 0.0
    window_h: float = 0.0


_EVENING = ((20.5, 2.2, 1.0),)
_DAY = ((10.0, 2.5, 1.0), (16.0, 2.5, 0.9))
_RUSH = ((7.8, 0.9, 1.0), (17.8, 1.2, 1.2), (12.2, 1.5, 0.5))
_HOMES_EMPTY = ((10.0, 2.0, 1.0), (3.0, 1.7, 0.9), (15.0, 1.8, 0.8))  # or asleep
_DUSK_AND_DAWN = ((20.5, 2.0, 1.0), (7.0, 1.0, 0.3))
_PARKED = ((18.5, 2.5, 1.0), (8.5, 2.0, 0.6))
_NIGHT = ((2.5, 1.8, 1.0), (22.5, 1.5, 0.5))

KINDS = (
    Kind("robbery", True, {"010101": 3, "010102": 1}, 0.008, 0.02, 0.006, ((22.0, 2.2, 1.0),), 0.10, 1.1),
    Kind("snatching", True, {"010201": 2, "010202": 3}, 0.012, 0.05, 0.02, _DUSK_AND_DAWN, 0.25, 1.0),
    Kind("theft", True, {"010399": 1}, 0.110, 0.26, 0.03, _DAY, 0.08, 1.05),
    Kind("pickpocketing", True, {"010305": 1}, 0.006, 0.20, 0.02, _RUSH, 0.05, 1.25),
    Kind("burglary", True, {"010301": 1}, 0.084, 0.03, 0.0, _HOMES_EMPTY, -0.18, 0.8, 0.30, 7.0),
    Kind("vehicle_theft", True, {"010302": 1}, 0.030, 0.03, 0.006, _NIGHT, 0.0, 1.0, 0.0, 8.0),
    Kind("theft_from_vehicle", True, {"010304": 1}, 0.062, 0.10, 0.012, _NIGHT, 0.05, 1.1, 0.16, 8.0),
    Kind("bicycle_theft", True, {"010303": 4, "010306": 1}, 0.110, 0.25, 0.01, _PARKED, 0.20, 0.9, 0.12, 6.0),
    Kind("fraud", False, {"010401": 1}, 0.02, 0.04, 0.004, _DAY, 0.0, 0.7),
    Kind("telecom_fraud", False, {"010402": 1}, 0.09, 0.05, 0.0, _DAY, 0.0, 0.8),
    Kind("assault", False, {"010501": 1}, 0.03, 0.16, 0.03, ((22.0, 2.4, 1.0),), 0.30, 1.3),
    Kind("damage", False, {"010601": 1}, 0.025, 0.03, 0.01, _EVENING, 0.05, 1.1),
    Kind("disorder", False, {"020101": 2, "020201": 3}, 0.05, 0.22, 0.04, ((21.5, 2.0, 1.0),), 0.30, 1.2),
    Kind("drugs", False, {"020401": 1}, 0.002, 0.01, 0.001, _EVENING),
    Kind("dispute", False, {"030101": 4, "030102": 2, "030103": 1}, 0.30, 0.65, 0.03, _EVENING, 0.08, 1.1),
    Kind("traffic", False, {"040101": 5, "040102": 1}, 0.03, 0.25, 0.24, _RUSH, -0.04, 0.85),
    Kind("help", False, {"050101": 3, "050102": 2, "050103": 2}, 0.22, 0.45, 0.05, _DAY, 0.05, 1.05),
    Kind("other", False, {"060101": 2, "060102": 1}, 0.04, 0.10, 0.02, _DAY),
    Kind("unmapped", False, {"090101": 1}, 0.012, 0.02, 0.003, _DAY),
)
NAMES = tuple(kind.name for kind in KINDS)
CLOSED_CODE = "060201"  # feedback: looked into, no case
_WEEKDAYS = np.array([1.02, 0.98, 0.98, 1.0, 1.04, 1.0, 1.0])
_UNIT_CLASSES = {
    "hospital": 2.0,
    "school": 0.45,
    "station": 3.0,
    "scenic": 1.3,
    "market": 1.7,
    "bank": 0.35,
    "venue": 1.2,
}


def hours() -> Floats:
    """Give each kind's cumulative share of the day by quarter of an hour, (kinds, QUARTERS), ending at 1."""
    at = (np.arange(QUARTERS) + 0.5) / 4.0
    shares = []
    for kind in KINDS:
        away = [(at - peak + 12.0) % 24.0 - 12.0 for peak, _, _ in kind.hours]
        curves = [
            w * np.exp(-0.5 * (d / spread) ** 2) / spread for d, (_, spread, w) in zip(away, kind.hours, strict=True)
        ]
        share = np.sum(curves, axis=0)
        shares.append(np.cumsum(0.9 * share / share.sum() + 0.1 / QUARTERS))
    found = np.array(shares)
    return found / found[:, -1:]


def days(first: int, count: int) -> Floats:
    """Give each kind's weight of each day, about 1: (kinds, days); `first` counts days from 1970-01-01."""
    day = first + np.arange(count)
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday; 0 is Monday
    season = np.cos(2.0 * np.pi * ((day % 365.2425) - 196.0) / 365.2425)
    trend = 0.95 ** ((day - 20454.0) / 365.2425)  # 5 % fewer each year; 20454 is 2026-01-01
    found = []
    for kind in KINDS:
        week = np.where(weekday > 4, kind.weekend, 1.0) * _WEEKDAYS[weekday]
        found.append(week * (1.0 + kind.summer * season) * trend)
    return np.array(found)


def unit_factor(unit_class: str) -> float:
    """Give how often a class of unit is called from, over the average unit."""
    return _UNIT_CLASSES[unit_class]
