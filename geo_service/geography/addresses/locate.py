"""Locate: the words of an address become a place, with its uncertainty, its rivals, and the reasons.

Pure.  Reading cuts the text (reading.py), every place it may mean is a hypothesis (hypotheses.py), the best are pinned
to points (pinpoint.py).  How far the best is ahead of those that lie elsewhere, how alike its names are and how much
of the text it leaves unexplained make the score; calibrate.py turns that into a confidence, and says what may be
accepted unasked.
"""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from geo_service.geography import crs
from geo_service.geography.addresses import answers, hypotheses, nearby, normalise, pinpoint
from geo_service.geography.addresses import reading as readings
from geo_service.geography.addresses.answers import Answer
from geo_service.geography.addresses.calibrate import Calibration
from geo_service.geography.addresses.hypotheses import Hypothesis
from geo_service.geography.addresses.nearby import Near
from geo_service.geography.addresses.pinpoint import Pin
from geo_service.geography.addresses.places import AREAS, Gazetteer
from geo_service.geography.addresses.reading import Reading
from geo_service.geography.addresses.similar import SimilarNames

COLUMNS = (
    "lon", "lat", "level", "uncertainty_m", "score", "confidence", "accepted", "entry_id", "zone_kind", "zone_id",
)  # fmt: skip

_LONGEST = 400  # letters that are read; what goes on after them is no address
_SHARPNESS = 1.1  # of the soft maximum over scores, per letter
_RIVALS = 6  # places that are pinned and compared
_RIVALS_TOLD = 40  # of an answer in full: 27 villages of one name are a list to ask about
_BEHIND = 6.0  # letters behind the best beyond which a hypothesis is no rival
_LEAST_SHARE = 0.01  # of a rival that is worth a look
_SAME_M = 100.0  # two points no farther apart are the same answer
_ESTIMATED = frozenset(("crossing_offset", "place_offset", "nearby", "door_interpolated"))  # not a listed point
_NEVER = 2.0  # letters that "a place the gazetteer does not have" explains


class Found(NamedTuple):
    """What solving one text gave: its reading, what it may mean, the likeliest first, and the score of that."""

    reading: Reading
    rivals: "list[Rival]"
    score: float


class Rival(NamedTuple):
    """A hypothesis, where it lies, and how probable it is among all [-]."""

    hypothesis: Hypothesis
    pin: Pin
    share: float


class Solver:
    """Answers addresses from a gazetteer; the same text gets the same answer, in any thread."""

    def __init__(self, gazetteer: Gazetteer, calibration: Calibration | None = None) -> None:
        self.gazetteer = gazetteer
        self.calibration = calibration
        self.similar = SimilarNames(gazetteer.names)
        ever = [date.min.toordinal(), date.max.toordinal()]
        places = gazetteer.places
        dated = zip(places.kind, places.valid_from, places.valid_to, strict=True)
        self.is_dated = any(kind not in AREAS and days != ever for kind, *days in dated)
        _ = (
            gazetteer.automaton,
            gazetteer.is_label,
            gazetteer.roles,
            gazetteer.crossing_names,
        )  # made now, not in a request

    def locate(self, text: str, on: date | None = None) -> Answer:
        """Answer one address in full, as of a day: places that were not there then are less likely."""
        found = self.solve(normalise.plain(text[:_LONGEST]), on.toordinal() if on else None, _RIVALS_TOLD)
        return answers.told(normalise.read(text[:_LONGEST]), found, self)

    def locate_all(self, texts: Sequence[str], on: Sequence[date] | None = None) -> pd.DataFrame:
        """Answer many addresses: a frame of COLUMNS, one row a text.

        `on` gives the day of each.  Equal questions are answered once; days do not tell questions apart where every
        place of the gazetteer stands for ever.
        """
        dated = on is not None and self.is_dated
        days = [day.toordinal() for day in on or ()] if dated else [None] * len(texts)
        asked = list(zip(texts, days, strict=True))
        position = {question: at for at, question in enumerate(dict.fromkeys(asked))}
        rows = [self._row(self.solve(normalise.plain(text[:_LONGEST]), day)) for text, day in position]
        x, y, level, radius, score, entry = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 6
        lon, lat = crs.to_wgs84(np.array(x, dtype=float), np.array(y, dtype=float), self.gazetteer.projected)
        frame = pd.DataFrame({"lon": lon, "lat": lat, "level": level, "uncertainty_m": radius, "score": score})
        frame["confidence"], frame["accepted"] = self.judged(frame["level"].to_numpy(), frame["score"].to_numpy())
        self.gazetteer.describe(frame, np.array(entry, dtype=np.int64))
        return frame[list(COLUMNS)].take([position[question] for question in asked]).reset_index(drop=True)

    def reverse(self, lon: float, lat: float, within_m: float = 200.0, most: int = 8) -> tuple[Near, ...]:
        """Give what lies at or around a point (WGS 84), the nearest first: doors, buildings, places, the street."""
        x, y = crs.from_wgs84(np.array([lon]), np.array([lat]), self.gazetteer.projected)
        return nearby.around(self.gazetteer, float(x[0]), float(y[0]), within_m, most)

    def solve(self, plain: str, day: int | None = None, most: int = _RIVALS) -> Found:
        """Solve one plain text (normalise.plain), as of an ordinal day: up to `most` places, the likeliest first."""
        reading = readings.read(plain, self.gazetteer, self.similar)
        code = reading.said.get("code")
        if code:
            one = hypotheses.of_code(code, self.gazetteer)
            at = pinpoint.of_entry(one.entry, self.gazetteer)
            if not math.isnan(at.x):
                return Found(reading, [Rival(one, at, 1.0)], 1.0)
        ranked = hypotheses.all_of(reading, self.gazetteer, day)
        return self._weighed(reading, ranked, most)

    def _weighed(self, reading: Reading, ranked: list[Hypothesis], most: int) -> Found:
        if not ranked:
            return Found(reading, [], 0.0)
        best = ranked[0].score
        near = [one for one in ranked if one.score > best - _BEHIND]
        weight = [math.exp(_SHARPNESS * (one.score - best)) for one in near]
        whole = sum(weight) + math.exp(_SHARPNESS * (_NEVER - best))
        rivals: list[Rival] = []
        for one, much in zip(near, weight, strict=True):
            share = much / whole
            if len(rivals) >= most or (rivals and share < _LEAST_SHARE):
                break
            at = pinpoint.pin(one, reading, self.gazetteer)
            if math.isnan(at.x):  # nobody knows where it is: a row without geometry and with nothing in it
                continue
            same = next((i for i, r in enumerate(rivals) if math.hypot(r.pin.x - at.x, r.pin.y - at.y) < _SAME_M), -1)
            if same >= 0:
                rivals[same] = rivals[same]._replace(share=rivals[same].share + share)
            else:
                rivals.append(Rival(one, at, share))
        if not rivals:
            return Found(reading, [], 0.0)
        rivals.sort(key=lambda rival: -rival.share)
        return Found(reading, rivals, _score(reading, rivals[0]))

    def _row(self, found: Found) -> tuple[float, float, str, float, float, int]:
        if not found.rivals:
            return math.nan, math.nan, "none", math.nan, 0.0, -1
        at = found.rivals[0].pin
        return at.x, at.y, at.level, at.uncertainty_m, found.score, at.entry

    def judged(self, level: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give confidence and whether to accept; without a calibration the score itself, and nothing is accepted."""
        if self.calibration is None:
            return score, np.zeros(len(score), dtype=bool)
        return self.calibration.confidence(level, score), self.calibration.accepted(level, score)


def _score(reading: Reading, best: Rival) -> float:
    """Make one number of what speaks for the best: its share, the likeness of its names, what is left unexplained."""
    one = best.hypothesis
    options = (one.core, one.other) if one.other else (one.core,)
    alike = min(option.alike for option in options)
    left = hypotheses.left_over(reading, one)
    said = max(1, sum(option.end - option.begin for option in options))
    near = 1.0
    if best.pin.level in _ESTIMATED:  # an error of two normal parts, 90 % of it within u: 1 - 0.1 ** (r / u)^2 within r
        near -= 0.1 ** min(9.0, (_SAME_M / best.pin.uncertainty_m) ** 2)
    return best.share * (0.4 + 0.6 * alike) * (1.0 - 0.5 * left / (left + said)) * near
