"""What a place was to expect and what came: without action nothing is found, although every red place comes down."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import shapely

from geo_service.analysis import effects, evaluation
from geo_service.geography.zones import Zones

MONTH, ZONE = "2024-06", "Asia/Shanghai"
MONTHS = effects.months_before(MONTH, 36, first="2000-01")
RED = 4


def places(number: int, classes: str = "residential") -> Zones:
    ids = np.array([f"{i:04d}" for i in range(number)], dtype=object)
    boxes = np.array([shapely.box(i, 0, i + 1, 1) for i in range(number)], dtype=object)
    return Zones("communities", ids, ids, np.full(number, classes, dtype=object), boxes)


def past(counts: np.ndarray, so_far: np.ndarray) -> effects.Past:
    """Give the past of places of which counts (places, months) and the count of the month itself are known."""
    number, ids = len(counts), places(len(counts)).ids
    whole = np.column_stack([counts, so_far])
    at, when = np.nonzero(whole)
    names = np.array([*MONTHS, MONTH], dtype=object)
    rows = {"zone_id": ids[at], "month": names[when], "count": whole[at, when]}
    return effects.Past(places(number), pd.DataFrame(rows), MONTHS, MONTH)


def row(zone_id: str, frozen: object, **others: object) -> dict[str, object]:
    told = {"zone_kind": "communities", "zone_id": zone_id, "zone_class": "residential", "month": MONTH, "count": 4}
    return {**told, "frozen": frozen, **others}


def test_months_and_shares_are_those_of_the_city():
    assert effects.months_before("2024-02", 5, first="2023-11") == ["2023-11", "2023-12", "2024-01"]
    at = datetime(2024, 5, 31, 16, tzinfo=UTC)  # midnight in the city
    assert effects.share_gone("2024-06", at, ZONE) == 0.0
    assert effects.share_gone("2024-05", at, ZONE) == 1.0


def test_what_a_red_place_is_to_expect_lies_near_its_own_past_not_near_its_red_month():
    counts = np.tile([1, 2, 1, 2], (40, 9))
    here = past(counts, np.where(np.arange(40) == 7, 5, 1))
    frozen = effects.frozen("0007", here, 0.9, set(), RED, 5)
    assert 1.4 < frozen["mean"] < 2.2
    assert frozen["low"] <= 1
    assert 3 <= frozen["high"] <= 5
    assert frozen["chance_down"] > 0.8
    assert (frozen["month"], frozen["counts"], frozen["so_far"]) == ("2024-07", [1, 2, 1, 2] * 3, 5)


def test_matched_places_are_alike_left_alone_and_do_not_touch():
    rates = np.array([3, 3, 3, 0, 3, 0, 1, 3, 2])
    here = past(np.tile(rates[:, np.newaxis], 36), rates)
    frozen = effects.frozen("0001", here, 0.5, {"0001", "0004"}, RED, 2)
    assert [one["zone_id"] for one in frozen["matched"]] == ["0007", "0008"]  # 0 and 2 touch it, 4 is supervised


def test_where_nothing_is_known_nothing_is_told():
    nothing = {"method": effects.METHOD, "month": "2024-07"}
    assert effects.frozen("9999", past(np.ones((2, 36), dtype=int), np.ones(2)), 0.5, set(), RED, 5) == nothing
    young = effects.Past(places(2), pd.DataFrame({"zone_id": [], "month": [], "count": []}), [], MONTH)
    assert effects.frozen("0000", young, 0.5, set(), RED, 5) == nothing


def test_without_action_the_pooled_effect_holds_zero_although_nearly_all_come_down():
    rng = np.random.default_rng(7)
    fell, inside, runs = [], 0, 40
    for _ in range(runs):
        rate = rng.gamma(1.2, 0.9, 600)
        here = past(rng.poisson(rate[:, np.newaxis], (600, 36)), rng.poisson(rate))
        observed = dict(zip(here.places.ids, rng.poisson(rate), strict=True))
        red = here.places.ids[here.so_far >= RED]
        tasks = [measured(here, one, observed) for one in red]
        found = effects.city(tasks, {})["all"]
        fell.append(found["observed"] - found["before"])
        inside += found["difference_low"] <= 0 <= found["difference_high"]
        assert found["verdict"] in (-1, 0, 1)
    assert max(fell) < 0  # each time they came down
    assert inside >= 0.85 * runs  # and each time but few it is told that nothing was done


def test_an_action_that_halves_what_comes_is_found():
    rng = np.random.default_rng(11)
    rate = rng.gamma(1.2, 0.9, 2000)
    here = past(rng.poisson(rate[:, np.newaxis], (2000, 36)), rng.poisson(rate))
    red = here.places.ids[here.so_far >= RED]
    came = rng.poisson(np.where(here.so_far >= RED, rate / 2, rate))
    observed = dict(zip(here.places.ids, came, strict=True))
    found = effects.city([measured(here, one, observed) for one in red], {})["all"]
    assert (found["tasks"], found["verdict"]) == (len(red), -1)
    assert found["difference"] == pytest.approx(-found["expected"] / 2, rel=0.25)
    assert found["came_down"] > found["would_have_come_down_high"]


def measured(here: effects.Past, zone_id: str, observed: dict[str, int]) -> dict[str, object]:
    task = row(zone_id, effects.frozen(zone_id, here, 1.0, set(), RED, 5))
    return {**task, "effect": effects.measured(task, here, observed, 1.0)}


def test_one_place_can_show_little():
    here = past(np.tile([1, 2, 1, 2], (40, 9)), np.full(40, 5))
    effect = measured(here, "0003", {})["effect"]
    assert (effect["observed"], effect["verdict"], effect["smallest_visible_fall"]) == (0, 0, None)


def test_the_comparison_leaves_out_the_month_that_was_chosen_for_being_high():
    counts = np.ones((8, 36), dtype=int)
    here = past(counts, np.where(np.arange(8) == 3, 9, 1))
    task = row("0003", effects.frozen("0003", here, 1.0, set(), RED, 2))
    beside = effects.measured(task, here, {"0003": 1, "0000": 1, "0001": 1}, 1.0)["displacement"]
    assert task["frozen"]["matched"]
    assert {one["zone_id"] for one in task["frozen"]["matched"]} == {"0000", "0001"}
    own = evaluation.BeforeAfter(12, 1, 12, 1)
    two = evaluation.BeforeAfter(24, 2, 24, 2)
    wanted = evaluation.displacement_difference(own, two)
    assert (beside["estimate"], beside["low"], beside["high"]) == (wanted.estimate, wanted.low, wanted.high)
    assert beside["estimate"] == 0


def test_the_city_is_told_apart_by_kind_class_district_and_month():
    here = past(np.ones((30, 36), dtype=int), np.full(30, 4))
    tasks = [measured(here, one, {"0001": 2}) for one in ("0001", "0002", "0003")]
    lineage = pd.DataFrame({"zone_kind": "communities", "zone_id": ["0001", "0002"], effects.DISTRICT: ["C1", "C2"]})
    found = effects.city(tasks, {MONTH: lineage})
    assert [(one["district"], one["tasks"], one["observed"]) for one in found["by"]["district"]] == [
        ("", 1, 0), ("C1", 1, 2), ("C2", 1, 0),
    ]  # fmt: skip
    for groups in found["by"].values():
        for name in ("tasks", "observed", "before", "difference"):
            assert sum(one[name] for one in groups) == pytest.approx(found["all"][name])
    assert effects.city([], {}) == {
        "method": effects.METHOD,
        "all": {"tasks": 0},
        "by": {name: [] for name in found["by"]},
    }
