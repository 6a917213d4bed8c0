"""Tasks: one a place and month however rows come; moves that stand against are refused; lateness climbs the ladder."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import early_warnings, jurisdictions, supervision
from geo_service.analysis.supervision import LIVE, Change, Task
from geo_service.errors import AlreadyDecided, BadParameter
from tests.analysis.made import RULES
from tests.analysis.test_jurisdictions import AREAS, DUTIES, MEMBERSHIPS
from tests.analysis.test_task_rules import SHIPPED

NOW = datetime(2024, 6, 20, 4, tzinfo=UTC)
MONTH = "2024-06"
RULE = SHIPPED[0]
HOUR = timedelta(hours=1)


def moments(*kinds: str, zone: str = "a", month: str = MONTH, withdrawn: tuple[str, ...] = ()) -> pd.DataFrame:
    rows = [
        ("communities", zone, month, kind, count)
        for kind, count in (("enter_red", 4), ("enter_black", 6))
        if kind in kinds
    ]
    frame = pd.DataFrame(rows, columns=["zone_kind", "zone_id", "month", "kind", "count"])
    gone = [pd.Timestamp(NOW) if kind in withdrawn else pd.NaT for kind in frame["kind"]]
    return frame.assign(withdrawn_at=pd.to_datetime(pd.Series(gone, dtype="object"), utc=True))


def told(changes: list[Change]) -> list[tuple[str, str, int]]:
    return [(change.action, change.after.state, change.after.step) for change in changes]


def task(state: str = "open", **others: object) -> Task:
    stands = Task("communities", "a", MONTH, "enter_red", 4, NOW, NOW + RULE.acknowledge, state, number=7)
    return replace(stands, **others)


def test_red_opens_a_task_black_takes_the_same_one_up():
    changes = supervision.follow(moments("enter_red", "enter_black"), [], RULE, MONTH, NOW)
    assert told(changes) == [("open", "open", 0), ("escalate", "open", 1)]
    assert (changes[0].after.cause, changes[0].after.count, changes[0].after.due_at) == (
        "enter_red",
        4,
        NOW + 24 * HOUR,
    )
    red = supervision.follow(moments("enter_red"), [], RULE, MONTH, NOW)
    black = supervision.follow(moments("enter_red", "enter_black"), [red[0].after], RULE, MONTH, NOW)
    assert black[0].after == changes[1].after


def test_what_was_followed_once_gives_nothing_more():
    changes = supervision.follow(moments("enter_red", "enter_black"), [], RULE, MONTH, NOW)
    assert supervision.follow(moments("enter_red", "enter_black"), [changes[-1].after], RULE, MONTH, NOW) == []


def test_only_the_current_month_opens_tasks():
    assert supervision.follow(moments("enter_red", month="2024-05"), [], RULE, MONTH, NOW) == []


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        ("open", [("cancel", "cancelled", 0)]),
        ("reopened", [("withdraw", "reopened", 0)]),
        ("acknowledged", [("withdraw", "acknowledged", 0)]),
        ("done", [("withdraw", "done", 0)]),
        ("verified", [("withdraw", "verified", 0)]),
        ("cancelled", []),
    ],
)
def test_a_moment_taken_back_cancels_what_nobody_acknowledged_and_marks_the_rest(
    state: str, becomes: list[tuple[str, str, int]]
):
    gone = moments("enter_red", withdrawn=("enter_red",))
    assert told(supervision.follow(gone, [task(state)], RULE, MONTH, NOW)) == becomes


def test_a_moment_that_is_true_again_brings_its_task_back():
    cancelled = task("cancelled", due_at=None, is_true=False)
    [change] = supervision.follow(moments("enter_red"), [cancelled], RULE, MONTH, NOW)
    assert (change.action, change.after.state, change.after.due_at) == ("restore", "open", NOW + RULE.acknowledge)
    [change] = supervision.follow(moments("enter_red"), [task("done", is_true=False)], RULE, MONTH, NOW)
    assert (change.action, change.after) == ("restore", task("done"))


def test_black_reopens_what_was_thought_done_and_leaves_a_mark_when_it_is_taken_back():
    for state in ("done", "verified"):
        [change] = supervision.follow(moments("enter_red", "enter_black"), [task(state, due_at=None)], RULE, MONTH, NOW)
        assert (change.action, change.after.state, change.after.step) == ("escalate", "reopened", 1)
    black = task("acknowledged", is_black=True, step=1)
    [change] = supervision.follow(moments("enter_red"), [black], RULE, MONTH, NOW)
    assert (change.action, change.after) == ("withdraw", replace(black, is_black=False))


def test_a_task_on_demand_follows_no_moment():
    wish = supervision.on_demand(("communities", "a", MONTH), 1, RULE, "p-1", NOW)
    assert supervision.follow(moments(), [wish], RULE, MONTH, NOW) == []
    assert told(supervision.follow(moments("enter_red"), [wish], RULE, MONTH, NOW)) == [("open", "open", 0)]


WALK = (("acknowledge", "acknowledged"), ("done", "done"), ("verify", "verified"), ("reopen", "reopened"))


def test_a_task_walks_from_open_to_verified_each_stage_with_its_time():
    stands = task()
    due = (RULE.finish, RULE.verify, None, RULE.acknowledge)
    for (action, state), stays, by in zip(WALK, due, ("p1", "p1", "p2", "p2"), strict=True):
        stands = supervision.move(stands, action, by, RULE, NOW)
        assert (stands.state, stands.state_by) == (state, by)
        assert stands.due_at == (None if stays is None else NOW + stays)


@pytest.mark.parametrize("state", supervision.STATES)
@pytest.mark.parametrize("action", list(supervision.MOVES))
def test_a_move_is_possible_done_already_or_refused_with_what_is_possible(state: str, action: str):
    stands = task(state, state_by="p1")
    sources, becomes = supervision.MOVES[action]
    if state == becomes:
        assert supervision.move(stands, action, "p2", RULE, NOW) == stands
    elif state in sources:
        assert action in supervision.possible(stands, RULE)
        assert supervision.move(stands, action, "p2", RULE, NOW).state == becomes
    else:
        assert action not in supervision.possible(stands, RULE)
        with pytest.raises(AlreadyDecided, match=f"task 7 is {state} .* takes no {action}; possible are .*comment"):
            supervision.move(stands, action, "p2", RULE, NOW)


def test_who_reports_it_done_does_not_verify_it():
    with pytest.raises(AlreadyDecided, match="somebody else must look"):
        supervision.move(task("done", state_by="p1"), "verify", "p1", RULE, NOW)


def test_a_task_is_taken_up_step_by_step_never_down():
    assert supervision.escalated(task(), 2, RULE).step == 2
    assert supervision.escalated(task(step=1), 1, RULE) == task(step=1)
    with pytest.raises(AlreadyDecided, match="takes no escalate"):
        supervision.escalated(task(step=2), 1, RULE)
    with pytest.raises(AlreadyDecided, match="is verified"):
        supervision.escalated(task("verified"), 1, RULE)
    with pytest.raises(BadParameter, match="from 1 to 2"):
        supervision.escalated(task(), 3, RULE)


@pytest.mark.parametrize(("hours", "step"), [(0, 0), (23, 0), (24, 1), (47, 1), (48, 2), (1000, 2)])
def test_hours_overdue_decide_the_step(hours: int, step: int):
    now = NOW + RULE.acknowledge + hours * HOUR
    found = supervision.overdue([task()], [RULE], now)
    assert [change.after.step for change in found] == ([step] if step else [])


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_whoever_looks_late_or_often_finds_the_same_step(hours: list[int]):
    once = supervision.overdue([task()], [RULE], NOW + max(hours) * HOUR)
    stands = task()
    for hour in sorted(hours):
        for change in supervision.overdue([stands], [RULE], NOW + hour * HOUR):
            assert change.after.step > stands.step
            stands = change.after
    assert stands == (once[-1].after if once else task())


def test_what_is_over_is_never_overdue():
    for state in supervision.STATES:
        late = supervision.overdue([task(state)], [RULE], NOW + 999 * HOUR)
        assert bool(late) == (state in LIVE)


def test_the_owner_is_who_answers_at_the_step_and_the_place_that_lies_nowhere_still_has_a_role():
    roles = {**jurisdictions.parse_roles({"roles": {name: {"tree": "police", "level": level} for name, level in (
        ("station", "station"), ("branch_duty", "branch"), ("city_duty", "bureau"))}}, "x")}  # fmt: skip
    trees = jurisdictions.Trees(AREAS, MEMBERSHIPS)
    answering = jurisdictions.answering(trees, DUTIES, roles, date(2024, 5, 1))
    zone = MEMBERSHIPS.loc[MEMBERSHIPS["tree"] == "police", "zone_id"].iloc[0]
    kind = MEMBERSHIPS.loc[MEMBERSHIPS["tree"] == "police", "zone_kind"].iloc[0]
    here = task(zone_kind=kind, zone_id=zone)
    assert supervision.owner(here, RULE, answering) == supervision.Owner("station", "police", "s1")
    assert supervision.owner(replace(here, step=1), RULE, answering) == supervision.Owner("branch_duty", "police", "f1")
    assert supervision.owner(task(zone_id="nowhere"), RULE, answering) == supervision.Owner("station", "police", "")


ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 20)), max_size=16)


@given(rows=ROWS, cuts=st.sets(st.integers(0, 16)))
def test_rows_cut_into_batches_any_way_open_the_same_tasks(rows: list[tuple[str, int]], cuts: set[int]):
    """Rows that only come, in any order: which tasks there are, their step and colour do not tell how they came."""

    def standing(batches: list[int]) -> dict[tuple[str, str, str], tuple[str, int, bool]]:
        known: dict[tuple[str, str, str], Task] = {}
        for end in batches:
            for change in supervision.follow(found(rows[:end]), list(known.values()), RULE, MONTH, NOW):
                assert (change.before is None) == (change.after.place not in known)
                known[change.after.place] = change.after
        return {place: (one.state, one.step, one.is_black) for place, one in known.items()}

    assert standing([*sorted(cut for cut in cuts if cut < len(rows)), len(rows)]) == standing([len(rows)])


def found(rows: list[tuple[str, int]]) -> pd.DataFrame:
    """Give the moments of calls, each at a place on a day."""
    at = pd.to_datetime([f"2024-06-{day:02d}T02:00Z" for _, day in rows], utc=True).as_unit("us")
    frame = pd.DataFrame({"community_id": [zone for zone, _ in rows], "called_at": at}, dtype=None).assign(
        month=MONTH, category="robbery", unit_id=None, patrol_zone_id=None
    )
    text = dict.fromkeys(("community_id", "month", "category", "unit_id", "patrol_zone_id"), "str")
    alerts = early_warnings.alerts(frame.astype(text), ["communities"], RULES)
    return alerts.assign(withdrawn_at=pd.Series(pd.NaT, index=alerts.index, dtype="datetime64[us, UTC]"))
