import json

import numpy as np
import numpy.typing as npt
import pytest

from geo_service.analysis import reliability
from geo_service.errors import BadInput, BadRule
from geo_service.geography.addresses import calibrate

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

# level: how often it comes, and the score at which half of its answers are right
LEVELS = {
    "building": (0.3, 0.35),
    "poi": (0.25, 0.45),
    "door": (0.2, 0.55),
    "crossing": (0.1, 0.50),
    "village": (0.1, 1.10),
    "town": (0.05, 2.0),
}


def chance(level: Texts, score: Floats) -> Floats:
    """The truth: how probably an answer lies within 100 m."""
    half = np.array([LEVELS[name][1] for name in LEVELS])[[list(LEVELS).index(name) for name in level]]
    return 1.0 / (1.0 + np.exp(-14.0 * (score - half)))


def answers(rows: int, seed: int) -> tuple[Texts, Floats, Floats, Floats]:
    rng = np.random.Generator(np.random.PCG64(seed))
    level = rng.choice(np.array(list(LEVELS), dtype=object), rows, p=[share for share, _ in LEVELS.values()])
    score = rng.beta(4.0, 1.5, rows)
    truth = chance(level, score)
    error_m = np.where(rng.random(rows) < truth, rng.uniform(0, 99, rows), rng.uniform(101, 5_000, rows))
    return level, score, error_m, truth


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    return reliability.calibration_error(
        reliability.table(confidence, right, reliability.equal_edges(confidence, bins))
    )


def test_the_calibration_error_on_answers_kept_aside_is_below_one_percent():
    level, score, error_m, _ = answers(80_000, seed=1)
    learned = calibrate.fit(level[:40_000], score[:40_000], error_m[:40_000])
    confidence = learned.confidence(level[40_000:], score[40_000:])
    right = error_m[40_000:] <= calibrate.WITHIN_M
    assert calibration_error(score[40_000:], right) > 0.05
    assert calibration_error(confidence, right) <= 0.01
    for name in LEVELS:
        here = level[40_000:] == name
        assert calibration_error(confidence[here], right[here], bins=5) <= 0.02


def test_at_most_one_percent_of_the_accepted_is_wrong_in_nineteen_of_twenty_draws():
    """300 draws of 6,000 answers; the truth of what each rule accepts is known exactly, on 20,000 others."""
    level, score, _, truth = answers(20_000, seed=2)
    wrong, taken = [], []
    for seed in range(300):
        learned = calibrate.fit(*answers(6_000, seed=100 + seed)[:3])
        accepted = learned.accepted(level, score)
        wrong.append(1.0 - truth[accepted].mean() if accepted.any() else 0.0)
        taken.append(accepted.mean())
    assert np.mean(np.array(wrong) <= 0.01) >= 0.95
    order = np.argsort(-truth)
    best = (np.cumsum(1.0 - truth[order]) / np.arange(1, 20_001) <= 0.01).sum() / 20_000  # who knew the truth
    assert np.median(taken) >= 0.8 * best
    assert np.mean(np.array(taken) == 0.0) <= 0.15


def test_it_does_not_matter_in_which_rhythm_the_rows_come():
    level, score, error_m, truth = answers(6_000, seed=3)
    order = np.argsort(error_m > 100, kind="stable")
    alternating = np.empty(6_000, dtype=np.int64)  # right and wrong in turn, as a generator's clean and typo rows
    alternating[0::2], alternating[1::2] = order[:3_000], order[3_000:]
    learned = calibrate.fit(level[alternating], score[alternating], error_m[alternating])
    accepted = learned.accepted(level, score)
    assert accepted.any()
    assert 1.0 - truth[accepted].mean() <= 0.012


def test_confidence_rises_with_the_score_and_never_says_certain():
    learned = calibrate.fit(*answers(3_000, seed=4)[:3])
    score = np.linspace(-1.0, 2.0, 500)
    for name in (*calibrate.FINE, *calibrate.COARSE):
        confidence = learned.confidence(np.full(500, name, dtype=object), score)
        assert (np.diff(confidence) >= 0.0).all()
        assert confidence.min() > 0.0
        assert confidence.max() < 1.0


def test_pooling_is_that_of_the_textbook():
    """Scores 1 to 6, outcomes 0 1 0 1 1 1: the second and third pool to one half."""
    score, right = np.arange(1.0, 7.0), np.array([False, True, False, True, True, True])
    curve = calibrate._curve(np.repeat(score, 100), np.repeat(right, 100))
    assert curve.at(np.array([1.0, 2.5, 5.0])) == pytest.approx([1 / 602, 0.5, 601 / 602])
    assert curve.at(np.array([1.75])) == pytest.approx([(1 / 602 + 0.5) / 2])


def test_a_level_with_few_rows_borrows_from_its_kind_and_a_coarse_one_is_then_never_accepted():
    level, score, error_m, _ = answers(6_000, seed=5)
    level, error_m = level.copy(), error_m.copy()
    level[:100], score[:100], error_m[:100] = "gate", 0.95, 10.0
    level[100:200], score[100:200], error_m[100:200] = "county", 0.95, 10.0
    learned = calibrate.fit(level, score, error_m)
    asked = np.array(["gate", "county", "code", "city"], dtype=object)
    confidence = learned.confidence(asked, np.full(4, 1.0))
    assert "gate" not in learned.curves
    assert confidence[0] == confidence[2] > 0.95
    assert confidence[1] == confidence[3] < confidence[0]
    assert learned.accepted(asked, np.full(4, 1.0)).tolist() == [True, False, True, False]


def test_a_village_is_accepted_where_its_own_rows_show_it_to_be_exact():
    level, score, error_m, _ = answers(6_000, seed=6)
    level = np.where(level == "building", "village", level)
    learned = calibrate.fit(level, score, error_m)
    assert "village" in learned.curves
    exact = calibrate.fit(np.full(6_000, "village", dtype=object), score, np.where(score > 0.5, 20.0, 900.0))
    asked = np.array(["village", "village", "town"], dtype=object)
    assert exact.accepted(asked, np.array([0.9, 0.3, 0.9])).tolist() == [True, False, False]


def test_where_nothing_can_be_shown_to_be_safe_nothing_is_accepted():
    level, score, _, _ = answers(2_000, seed=7)
    rng = np.random.Generator(np.random.PCG64(8))
    learned = calibrate.fit(level, score, np.where(rng.random(2_000) < 0.9, 20.0, 900.0))
    assert not learned.accepted(level, score).any()
    few = answers(440, seed=9)  # 293 judges: even none wrong would not show 1 %
    assert not calibrate.fit(*few[:3]).accepted(few[0], few[1]).any()
    lost = calibrate.fit(np.full(500, "none", dtype=object), np.full(500, np.nan), np.full(500, np.inf))
    assert lost.confidence(np.array(["none", "building"], dtype=object), np.array([np.nan, 0.9])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rows", [1_500, 6_000])
def test_a_calibration_is_kept_as_a_table(rows: int):
    level, score, error_m, _ = answers(rows, seed=10)
    learned = calibrate.fit(level, score, error_m, at_most=0.02, doubt=0.1)
    again = calibrate.parse(json.loads(json.dumps(learned.as_table(), allow_nan=False)), "calibration.json")
    assert again == learned
    nothing = calibrate.fit(level, score, np.full(rows, np.inf))
    assert calibrate.parse(json.loads(json.dumps(nothing.as_table(), allow_nan=False)), "x") == nothing


def test_a_table_that_contradicts_itself_is_refused():
    table = calibrate.fit(*answers(2_000, seed=11)[:3]).as_table()
    with pytest.raises(BadRule, match="x: within_m is 50, expected 100"):
        calibrate.parse({**table, "within_m": 50}, "x")
    with pytest.raises(BadRule, match="x: curves is missing"):
        calibrate.parse({key: value for key, value in table.items() if key != "curves"}, "x")
    for curve, says in (
        ({"score": [1, 2], "confidence": [0.5, 0.4]}, "rise"),
        ({"score": [2, 1], "confidence": [0.4, 0.5]}, "rise"),
        ({"score": [1], "confidence": [0.4, 0.5]}, "as many"),
        ({"score": [], "confidence": []}, "as many"),
        ({"score": [1, 2], "confidence": [0.5, 1.5]}, "outside 0 to 1"),
    ):
        with pytest.raises(BadRule, match=says):
            calibrate.parse({**table, "curves": {"poi": curve}}, "x")


def test_rubbish_is_refused_with_what_to_do():
    level, score, error_m, _ = answers(1_000, seed=12)
    with pytest.raises(BadInput, match="999 scores"):
        calibrate.fit(level, score[1:], error_m)
    with pytest.raises(BadInput, match="needs 300 at least"):
        calibrate.fit(level[:10], score[:10], error_m[:10])
    with pytest.raises(BadInput, match=r"level 'flat' is unknown; write one of code, "):
        calibrate.fit(np.where(score > 0.5, "flat", level), score, error_m)
    with pytest.raises(BadInput, match="'flat'"):
        calibrate.fit(level, score, error_m).confidence(np.array(["flat"], dtype=object), np.array([1.0]))
    with pytest.raises(BadInput, match="no finite number"):
        calibrate.fit(level, np.where(score > 0.9, np.nan, score), error_m)
    for wrong in (-1.0, np.nan):
        with pytest.raises(BadInput, match="infinity where nothing was found"):
            calibrate.fit(level, score, np.where(score > 0.9, wrong, error_m))
    with pytest.raises(BadInput, match=r"such as 0\.01"):
        calibrate.fit(level, score, error_m, at_most=1.0)
