"""Supervision: which places get a task, and how a task goes on until it is verified.

Pure.  A moment of the current month (a place entered red or black) opens one task for the place and month; black takes
the same task up the ladder of roles.  What a task is follows from what holds now, not from how it came: however
rows are cut into batches the same tasks stand.

    open ── acknowledge ──► acknowledged ── done ──► done ── verify ──► verified
     │ ▲                         ▲                    │ ▲                  │
     │ └ restore                 └─ acknowledge ── reopened ◄── reopen ────┘
     └── cancel ──► cancelled                         (done is reopened too)

Beside the state stands the step of the ladder, 0 to the highest: who owns the task now.  A moment that is taken back
cancels a task that nobody has acknowledged; later the task stays, and says so.  What a task achieved is effects.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from geo_service.analysis.jurisdictions import Answering
from geo_service.analysis.task_rules import TaskRule
from geo_service.errors import AlreadyDecided, BadParameter

OPEN, ACKNOWLEDGED, DONE, VERIFIED = "open", "acknowledged", "done", "verified"
REOPENED, CANCELLED = "reopened", "cancelled"
STATES = (OPEN, ACKNOWLEDGED, DONE, VERIFIED, REOPENED, CANCELLED)
LIVE = (OPEN, REOPENED, ACKNOWLEDGED, DONE)  # somebody still has to do something
ON_DEMAND = "on_demand"  # the cause of a task that a person opened
MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {  # action: the states it starts from, the one it leads to
    "acknowledge": ((OPEN, REOPENED), ACKNOWLEDGED),
    "done": ((ACKNOWLEDGED,), DONE),
    "verify": ((DONE,), VERIFIED),
    "reopen": ((DONE, VERIFIED), REOPENED),
}
SERVICE = ""  # who signs what follows by rule


@dataclass(frozen=True)
class Task:
    """A place under supervision in a month.

    `cause` is the moment that opened it or ON_DEMAND, `count` the incidents then [-].  `is_black`: the place has
    reached black; `is_true`: the moment still holds.  `state_by` signed the last move (SERVICE: the rules did).
    `due_at` is when the state must be left; None: never.  `number` is the store's, None while it has none.
    """

    zone_kind: str
    zone_id: str
    month: str
    cause: str
    count: int
    opened_at: datetime
    due_at: datetime | None
    state: str = OPEN
    step: int = 0
    is_black: bool = False
    is_true: bool = True
    state_by: str = SERVICE
    number: int | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """Where and when."""
        return self.zone_kind, self.zone_id, self.month


@dataclass(frozen=True)
class Owner:
    """Who owns a task at its step: a role, held for an area (empty: for the place itself, or none is known)."""

    role: str
    tree: str
    area: str


@dataclass(frozen=True)
class Change:
    """What happened to a task: `before` is None where it was opened; an annotation leaves the state as it was."""

    action: str
    before: Task | None
    after: Task


def follow(moments: pd.DataFrame, known: Sequence[Task], rule: TaskRule, month: str, now: datetime) -> list[Change]:
    """Give what follows from the moments that hold for the tasks that are known.

    `moments`: zone_kind, zone_id, month, kind, count, withdrawn_at (NaT: it holds); all of `month` (the city's current
    one, the only one that opens tasks) and of the months of `known`.  `known`: every task the rules opened in
    those months, finished ones too.  Asked again after its changes are recorded it gives none.
    """
    holding = moments[moments["withdrawn_at"].isna()]
    held: dict[tuple[str, str, str], dict[str, int]] = {}
    for zone_kind, zone_id, when, kind, count in holding[["zone_kind", "zone_id", "month", "kind", "count"]].itertuples(
        index=False
    ):
        held.setdefault((zone_kind, zone_id, when), {})[kind] = int(count)
    tasks = {task.place: task for task in known if task.cause != ON_DEMAND}
    changes: list[Change] = []
    for place in sorted({*tasks, *(place for place in held if place[2] == month)}):
        changes += _followed(place, tasks.get(place), held.get(place, {}), rule, now)
    return changes


def _followed(
    place: tuple[str, str, str], task: Task | None, kinds: Mapping[str, int], rule: TaskRule, now: datetime
) -> list[Change]:
    cause = next((kind for kind in rule.opens if kind in kinds), None)
    changes: list[Change] = []
    if task is None:
        if cause is None:
            return []
        task = Task(*place, cause, kinds[cause], now, now + rule.acknowledge)
        changes.append(Change("open", None, task))
    elif cause is None:
        return _untrue(task)
    elif task.state == CANCELLED:
        changes.append(Change("restore", task, replace(task, state=OPEN, due_at=now + rule.acknowledge, is_true=True)))
    elif not task.is_true:
        changes.append(Change("restore", task, replace(task, is_true=True)))
    task = changes[-1].after if changes else task
    is_black = any(kind in kinds for kind in rule.escalates)
    if is_black and not task.is_black:
        changes.append(Change("escalate", task, _blackened(task, rule, now)))
    elif task.is_black and not is_black:
        changes.append(Change("withdraw", task, replace(task, is_black=False)))
    return changes


def _untrue(task: Task) -> list[Change]:
    if task.state == OPEN:
        cancelled = replace(task, state=CANCELLED, due_at=None, is_true=False, is_black=False, step=0)
        return [Change("cancel", task, cancelled)]
    if task.is_true and task.state != CANCELLED:
        return [Change("withdraw", task, replace(task, is_true=False, is_black=False))]
    return []


def _blackened(task: Task, rule: TaskRule, now: datetime) -> Task:
    step = max(task.step, min(1, rule.highest_step))
    if task.state in LIVE and task.state != DONE:
        return replace(task, is_black=True, step=step)
    return replace(task, is_black=True, step=step, state=REOPENED, due_at=now + rule.acknowledge, state_by=SERVICE)


def on_demand(place: tuple[str, str, str], count: int, rule: TaskRule, signed_by: str, now: datetime) -> Task:
    """Give the task that a person opens for a place: zone kind, zone id, month."""
    return Task(*place, ON_DEMAND, count, now, now + rule.acknowledge, state_by=signed_by)


def owner(task: Task, rule: TaskRule, answering: Answering) -> Owner:
    """Say who owns a task at its step, by the trees of areas and the ladder."""
    role = rule.ladder[min(task.step, rule.highest_step)]
    first = answering.recipients(task.zone_kind, task.zone_id, [role]).iloc[0]
    return Owner(role, str(first["tree"]), str(first["area"]))


def possible(task: Task, rule: TaskRule) -> list[str]:
    """Say which actions a task takes now."""
    moves = [action for action, (sources, _) in MOVES.items() if task.state in sources]
    if task.state in LIVE and task.step < rule.highest_step:
        moves.append("escalate")
    if task.state in LIVE and task.state != DONE:
        moves.append("checklist")
    return [*moves, "comment"]


def move(task: Task, action: str, signed_by: str, rule: TaskRule, now: datetime) -> Task:
    """Give a task after a move of MOVES; one that has been made already changes nothing.

    Raises AlreadyDecided where the state stands against it, saying what is possible; and where who reports that it is
    done would also verify it.
    """
    sources, state = MOVES[action]
    if task.state == state:
        return task
    if task.state not in sources:
        raise _stands_against(task, action, rule)
    if action == "verify" and task.state_by == signed_by:
        raise AlreadyDecided(
            f"task {task.number} was reported done by {signed_by}; somebody else must look and verify it"
        )
    stays = {DONE: rule.verify, ACKNOWLEDGED: rule.finish, REOPENED: rule.acknowledge}
    due_at = now + stays[state] if state in stays else None
    return replace(task, state=state, due_at=due_at, state_by=signed_by)


def escalated(task: Task, step: int, rule: TaskRule) -> Task:
    """Give a task after it went up to a step of the ladder; one that stands there changes nothing.

    Raises BadParameter for a step the ladder lacks, AlreadyDecided where it stands higher or is over.
    """
    if not 1 <= step <= rule.highest_step:
        raise BadParameter(f"step={step} is not on the ladder; it goes from 1 to {rule.highest_step}")
    if step == task.step:
        return task
    if task.state not in LIVE or step < task.step:
        raise _stands_against(task, "escalate", rule)
    return replace(task, step=step)


def check_takes(task: Task, action: str, rule: TaskRule) -> None:
    """Raise AlreadyDecided where a task takes no such action now."""
    if action not in possible(task, rule):
        raise _stands_against(task, action, rule)


def overdue(tasks: Sequence[Task], rules: Sequence[TaskRule], now: datetime) -> list[Change]:
    """Give the escalations of tasks (each with its rule) that are overdue.

    After `escalate_after` past its due time a task stands at least at step 1, after twice that at step 2, and so
    on to the end of the ladder; whoever looks late or twice finds the same.
    """
    changes: list[Change] = []
    for task, rule in zip(tasks, rules, strict=True):
        step = min(rule.highest_step, int(overdue_by(task, now) / rule.escalate_after))
        if step > task.step:
            changes.append(Change("escalate", task, replace(task, step=step)))
    return changes


def overdue_by(task: Task, now: datetime) -> timedelta:
    """Say how long a task is overdue; one that is not, or over, by nothing."""
    if task.state not in LIVE or task.due_at is None:
        return timedelta()
    return max(now - task.due_at, timedelta())


def _stands_against(task: Task, action: str, rule: TaskRule) -> AlreadyDecided:
    return AlreadyDecided(
        f"task {task.number} is {task.state} at step {task.step} and takes no {action}; "
        f"possible are {', '.join(possible(task, rule))}"
    )
