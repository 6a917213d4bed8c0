"""Calibrate: a match's raw score becomes the chance of being right within 100 m, and a rule for what needs no eyes.

Pure.  Both are learned from answers whose true place is known: reviewed records, patrol positions, generated
addresses.  A confidence of 0.9 means that nine of ten such answers lie within 100 m; `accepted` bounds the share of
those that do not.  What is learned is kept as a plain table, so that it is a dated data file like every other
decision.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import bdtr

from geo_service.errors import BadInput, BadRule

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

WITHIN_M = 100.0  # an answer nearer than this to the true place is right [m]
FINE = (
    "code",
    "building",
    "gate",
    "part",
    "door",
    "door_interpolated",
    "unit",
    "compound",
    "poi",
    "crossing",
    "crossing_offset",
    "place_offset",
)
COARSE = ("nearby", "village", "road", "town", "county", "city", "none")  # larger than 100 m, as a rule

_ENOUGH = 100  # rows that shape a level's curve from which on it has its own
_CANDIDATES = 100  # thresholds that are tried


@dataclass(frozen=True)
class Curve:
    """Confidence over raw score, both rising; straight between the points and level beyond them."""

    score: tuple[float, ...]
    confidence: tuple[float, ...]

    def at(self, score: Floats) -> Floats:
        """Read the curve; no score, no confidence."""
        return np.where(np.isnan(score), 0.0, np.interp(score, self.score, self.confidence))


@dataclass(frozen=True)
class Calibration:
    """What raw scores have meant, level by level, and from which confidence on an answer is accepted unseen."""

    curves: Mapping[str, Curve]
    """Levels with enough rows of their own."""
    pooled: Mapping[str, Curve]
    """"fine" and "coarse": the levels of each kind together, for those with too few rows."""
    accept_from: float
    """Confidence from which on an answer is accepted; infinite when the rows cannot show any to be safe."""
    at_most: float
    """Share of accepted answers that may be worse than 100 m [-]."""
    doubt: float
    """Chance that the rows misled us and the share is larger [-]."""
    rows: int
    """How many answers it was learned from."""

    def confidence(self, level: Texts, score: Floats) -> Floats:
        """Give the chance that each answer lies within 100 m of the true place.

        Rises with the score within a level.  Raises BadInput on a level nobody knows.
        """
        _check_levels(level)
        found = np.empty(len(score), dtype=np.float64)
        for name in set(level.tolist()):
            here = level == name
            curve = self.curves.get(name) or self.pooled["fine" if name in FINE else "coarse"]
            found[here] = curve.at(score[here])
        return found

    def accepted(self, level: Texts, score: Floats) -> Flags:
        """Tell which answers need no eyes.

        Of all answers accepted so, at most `at_most` (1 %) are worse than 100 m, with probability 1 - `doubt` (95 %)
        over the rows it was learned from, as long as later answers come from where those came from.  It holds for all
        accepted together, not for each level, and for one rule learned once: learn anew on new rows.  A village,
        road, town, county or city is accepted only where enough rows of its own level have shown it to be exact.
        """
        names = [name for name in (*FINE, *COARSE) if name in FINE or name in self.curves]
        return np.isin(level, names) & (self.confidence(level, score) >= self.accept_from)

    def as_table(self) -> dict[str, object]:
        """Write as plain numbers and text, for TOML and JSON; `parse` reads them."""
        accept: dict[str, float] = {"at_most": self.at_most, "doubt": self.doubt}
        if math.isfinite(self.accept_from):
            accept["from"] = self.accept_from
        return {
            "within_m": WITHIN_M,
            "rows": self.rows,
            "accept": accept,
            "curves": {name: _curve_table(curve) for name, curve in self.curves.items()},
            "pooled": {name: _curve_table(curve) for name, curve in self.pooled.items()},
        }


def fit(level: Texts, score: Floats, error_m: Floats, at_most: float = 0.01, doubt: float = 0.05) -> Calibration:
    """Learn confidence and acceptance from answers whose distance to the true place is known [m].

    `error_m` is infinite where nothing was found.  A third of the rows shapes the curves, the others only judge the
    acceptance, since a rule may not be judged by the rows that made it.

    Curves: isotonic regression of "within 100 m" on the score (pool adjacent violators; Barlow et al. 1972; Zadrozny
    and Elkan 2002, KDD).  No confidence comes nearer to 0 or 1 than 1 / (rows + 2).

    Acceptance: Learn then Test (Angelopoulos, Bates, Candes, Jordan, Lei 2021, arXiv:2110.01052): a threshold is safe
    when an exact binomial test (Clopper and Pearson 1934) at level `doubt` refutes that more than `at_most` of the
    answers above it are wrong.  Thresholds are tested from the one that looks safest downwards until one fails, an
    order fixed by the other rows, so that testing many costs nothing; the last that passed is taken.  Conformal risk
    control (Angelopoulos et al. 2022, arXiv:2208.02814) would bound the mean over draws only, and a share that is not
    monotone in the threshold not at all.

    How many rows it takes (simulated, with 57 % of the answers acceptable to who knew the truth): 20,000 accept 53 %;
    6,000 accept 48 %, in one draw of ten nothing; 2,000 accept nothing in two draws of three.

    Raises BadInput when arrays differ in length, hold no numbers or unknown levels, or are too few.

    >>> score = np.linspace(0.0, 1.0, 4000)
    >>> error_m = np.where(np.arange(4000) * 0.7548 % 1.0 < score, 20.0, 500.0)
    >>> learned = fit(np.full(4000, "building", dtype=object), score, error_m)
    >>> learned.confidence(np.array(["building"] * 2, dtype=object), np.array([0.5, 0.99])).round(1).tolist()
    [0.5, 1.0]
    """
    _check_rows(level, score, error_m, at_most, doubt)
    right = error_m <= WITHIN_M
    shapes = _third(len(level))
    judges = ~shapes
    curves, pooled = _curves(level[shapes], score[shapes], right[shapes])
    learned = Calibration(curves, pooled, -math.inf, at_most, doubt, len(level))
    candidates, confidence = learned.accepted(level, score), learned.confidence(level, score)
    confidence = np.where(candidates, confidence, -math.inf)
    thresholds = _in_order(confidence[shapes], right[shapes], at_most)
    accept_from = _lowest_safe(thresholds, confidence[judges], right[judges], at_most, doubt)
    return Calibration(curves, pooled, accept_from, at_most, doubt, len(level))


def _third(rows: int) -> Flags:
    """Take a third of the rows in no rhythm that rows may have, such as every second one with a typing error."""
    number = np.arange(1, rows + 1, dtype=np.uint64)
    return number * np.uint64(0x9E3779B97F4A7C15) < np.uint64((1 << 64) // 3)


def _curves(level: Texts, score: Floats, right: Flags) -> tuple[dict[str, Curve], dict[str, Curve]]:
    curves: dict[str, Curve] = {}
    for name in (*FINE, *COARSE):
        here = level == name
        if here.sum() >= _ENOUGH:
            curves[name] = _curve(score[here], right[here])
    kinds = {"fine": np.isin(level, FINE), "coarse": np.isin(level, COARSE)}
    return curves, {kind: _curve(score[here], right[here]) for kind, here in kinds.items()}


def _curve(score: Floats, right: Flags) -> Curve:
    """Pool adjacent violators; a point a block, at the block's mean score."""
    known = ~np.isnan(score)
    if not known.any():
        return Curve((0.0,), (0.0,))
    distinct, which, weight = np.unique(score[known], return_inverse=True, return_counts=True)
    share = np.bincount(which, right[known]) / weight
    fitted = isotonic_regression(share, weights=weight)
    first = np.asarray(fitted.blocks)[:-1]
    middle = np.add.reduceat(distinct * weight, first) / np.add.reduceat(weight, first)
    nearest = 1.0 / (known.sum() + 2)
    confidence = np.clip(np.asarray(fitted.x)[first], nearest, 1.0 - nearest)
    return Curve(tuple(middle.tolist()), tuple(confidence.tolist()))


def _in_order(confidence: Floats, right: Flags, at_most: float) -> Floats:
    """Give thresholds to test, from the one that looks safest downwards."""
    usable = confidence[np.isfinite(confidence)]
    if not len(usable):
        return usable
    falling = np.unique(np.quantile(usable, np.linspace(0.0, 1.0, _CANDIDATES + 1), method="lower"))[::-1]
    safest = int(np.argmin([_p_value(confidence, right, threshold, at_most) for threshold in falling]))
    return falling[safest:]


def _lowest_safe(thresholds: Floats, confidence: Floats, right: Flags, at_most: float, doubt: float) -> float:
    found = math.inf
    for threshold in thresholds.tolist():
        if _p_value(confidence, right, threshold, at_most) > doubt:
            break
        found = threshold
    return found


def _p_value(confidence: Floats, right: Flags, threshold: float, at_most: float) -> float:
    """Give the chance of so few wrong answers above the threshold if `at_most` of them were wrong in truth."""
    above = confidence >= threshold
    return float(bdtr(int((above & ~right).sum()), int(above.sum()), at_most))


def parse(table: Mapping[str, object], where: str) -> Calibration:
    """Read what `Calibration.as_table` wrote.

    Raises BadRule when something is missing, falls where it should rise, or was learned for another distance.
    """
    try:
        if table["within_m"] != WITHIN_M:
            raise BadRule(
                f"{where}: within_m is {table['within_m']}, expected {WITHIN_M:g}; learn the calibration anew"
            )
        accept = cast(Mapping[str, float], table["accept"])
        curves, pooled = (cast(Mapping[str, Mapping[str, Sequence[float]]], table[key]) for key in ("curves", "pooled"))
        return Calibration(
            {name: _read_curve(curve, f"{where} curves.{name}") for name, curve in curves.items()},
            {name: _read_curve(pooled[name], f"{where} pooled.{name}") for name in ("fine", "coarse")},
            float(accept.get("from", math.inf)),
            float(accept["at_most"]),
            float(accept["doubt"]),
            int(cast(int, table["rows"])),
        )
    except KeyError as error:
        raise BadRule(f"{where}: {error.args[0]} is missing; learn the calibration anew") from None


def _curve_table(curve: Curve) -> dict[str, list[float]]:
    return {"score": list(curve.score), "confidence": list(curve.confidence)}


def _read_curve(table: Mapping[str, Sequence[float]], where: str) -> Curve:
    curve = Curve(tuple(map(float, table["score"])), tuple(map(float, table["confidence"])))
    rises = all(np.diff(curve.score) > 0.0) and all(np.diff(curve.confidence) >= 0.0)
    if len(curve.score) != len(curve.confidence) or not curve.score or not rises:
        raise BadRule(f"{where}: score and confidence must be as many and rise; learn the calibration anew")
    if not (curve.confidence[0] >= 0.0 and curve.confidence[-1] <= 1.0):
        raise BadRule(f"{where}: a confidence lies outside 0 to 1; learn the calibration anew")
    return curve


def _check_levels(level: Texts) -> None:
    unknown = set(level.tolist()) - {*FINE, *COARSE}
    if unknown:
        raise BadInput(f"level {min(map(str, unknown))!r} is unknown; write one of {', '.join((*FINE, *COARSE))}")


def _check_rows(level: Texts, score: Floats, error_m: Floats, at_most: float, doubt: float) -> None:
    if not len(level) == len(score) == len(error_m):
        raise BadInput(
            f"{len(level)} levels, {len(score)} scores and {len(error_m)} errors came; as many of each are needed"
        )
    _check_levels(level)
    if len(level) < 3 * _ENOUGH:
        raise BadInput(f"{len(level)} answers with a known place came; a calibration needs {3 * _ENOUGH} at least")
    located = level != "none"
    if not np.isfinite(score[located]).all():
        raise BadInput(
            "a score of a located answer is no finite number; leave the answer out or give its level as none"
        )
    if not (error_m >= 0.0).all():  # NaN compares false
        raise BadInput("an error_m is negative or no number; write metres, and infinity where nothing was found")
    if not (0.0 < at_most < 1.0 and 0.0 < doubt < 1.0):
        raise BadInput(
            f"at_most is {at_most:g} and doubt {doubt:g}; both are shares between 0 and 1, such as 0.01 and 0.05"
        )
