"""Tasks over HTTP: places under supervision, what may be done with each, and what supervision achieved.

Who moves a task signs with a staff id.  A move that was made already changes nothing; one that the state stands against
is 409 and says what is possible.
"""

from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import effects, jurisdictions, supervision, task_rules
from geo_service.analysis.supervision import Change, Task
from geo_service.errors import AlreadyDecided, BadParameter
from geo_service.service import Service
from geo_service.store import jurisdictions as areas
from geo_service.store import news, tasks
from geo_service.store.tasks import Said
from geo_service.web import access, answers
from geo_service.web.bodies import TaskChecklistBody, TaskOpeningBody, TaskSaid, TaskSaidBody, TaskStepBody
from geo_service.web.parameters import FARTHEST, Nothing, NothingQuery, Number
from geo_service.web.tiles import origin

MOST = 1_000  # tasks in one page

_Decide = Callable[[Task, task_rules.TaskRule], Task]


class OfTasks(Nothing):
    """A query for a page of tasks."""

    state: Literal["live", "any", "open", "acknowledged", "done", "verified", "reopened", "cancelled"] = Field(
        "live", description="Where tasks stand; live: somebody still has to do something"
    )
    owner: str = Field("", description="Code of the area that owns them: a station, a branch; empty: any")
    zone_kind: Literal["", "communities", "units", "patrol_zones"] = Field("", description="Kind of place; empty: any")
    overdue: bool = Field(False, description="Only those whose time is over")
    limit: int = Field(100, ge=1, le=MOST, description=f"Tasks in one page, at most {MOST}")
    offset: int = Field(0, ge=0, le=FARTHEST, description="Tasks to pass over, the first due first")


TasksQuery = Annotated[OfTasks, Query()]


def routes(library: Service) -> APIRouter:
    """Make the routes that ask and change a library's tasks."""
    return TaskDesk(library).router()


class TaskDesk:
    """The tasks of a city, and what people do with them."""

    def __init__(self, library: Service) -> None:
        self._library = library
        self._zone = ZoneInfo(library.settings.time_zone)

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["supervision"])
        opened: dict[int | str, dict[str, Any]] = {201: {"description": "Opened; 200: it was open"}}
        router.add_api_route("/queues/tasks", self.open, methods=["POST"], responses=opened, response_class=Response)
        for path, method, asks in (
            ("/queues/tasks", self.listed, "GET"),
            ("/queues/tasks/{number}", self.task, "GET"),
            ("/queues/tasks/{number}/escalate", self.escalate, "POST"),
            ("/queues/tasks/{number}/comment", self.comment, "POST"),
            ("/queues/tasks/{number}/checklist", self.checklist, "POST"),
            ("/queues/tasks/{number}/{action}", self.move, "POST"),
            ("/statistics/supervision", self.effect, "GET"),
        ):
            router.add_api_route(path, method, methods=[asks], response_class=Response)
        return router

    def listed(self, request: Request, query: TasksQuery) -> Response:
        """Tasks, the first due first; and the areas that own any."""
        view = access.view_of(request.scope)
        late = self._library.now() if query.overdue else None
        state = "" if query.state == "any" else query.state
        wanted = tasks.Wanted(state, query.owner, query.zone_kind, late, query.limit, query.offset)
        with news.snapshot(self._library.engine) as connection:
            matched, page = tasks.listed(connection, wanted, view)
            owners = tasks.owners(connection, view)
        told = [self._told(row) for row in page]
        counted = {"numberMatched": matched, "numberReturned": len(told)}
        return self._json({**counted, "owners": owners, "tasks": told})

    def task(self, request: Request, number: Number, _: NothingQuery) -> Response:
        """One task with everything that was done and said about it."""
        return self._whole(request, number)

    def open(self, request: Request, body: TaskOpeningBody) -> Response:
        """Put a place under supervision this month, whatever its colour."""
        now = self._library.now()
        today = now.astimezone(self._zone).date()
        rule, month = task_rules.on(self._library.task_rules, today), f"{today:%Y-%m}"
        with self._library.engine.begin() as connection:
            zone_class, count = tasks.place(connection, body.zone_kind, body.zone_id, month)
            at = (body.zone_kind, body.zone_id, month)
            number = _standing(connection, at, body.signed_by)
            is_new = number is None
            if number is None:
                task = supervision.on_demand(at, count, rule, body.signed_by, now)
                opening = tasks.Opening(rule.programme, rule.version, zone_class)
                owner = supervision.owner(task, rule, self._answering(request, connection, today))
                said = Said(body.signed_by, body.note)
                number = tasks.open_task(connection, Change("open", None, task), opening, owner, said)
                tasks.wake(connection, number or 0)
        return self._whole(request, number or 0, HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    def move(
        self,
        request: Request,
        number: Number,
        action: Literal["acknowledge", "done", "verify", "reopen"],
        body: TaskSaidBody,
    ) -> Response:
        """Acknowledge a task, report that it is done, verify that it is, or reopen it."""
        now = self._library.now()
        return self._act(
            request, number, action, body, lambda task, rule: supervision.move(task, action, body.signed_by, rule, now)
        )

    def escalate(self, request: Request, number: Number, body: TaskStepBody) -> Response:
        """Take a task up to a step of the ladder."""
        return self._act(
            request, number, "escalate", body, lambda task, rule: supervision.escalated(task, body.step, rule)
        )

    def comment(self, request: Request, number: Number, body: TaskSaidBody) -> Response:
        """Say something about a task, or add evidence."""
        if not (body.note or body.links):
            raise BadParameter("a comment needs a note or links; send one of them")
        return self._annotate(request, number, "comment", Said(body.signed_by, body.note, tuple(body.links)))

    def checklist(self, request: Request, number: Number, body: TaskChecklistBody) -> Response:
        """Answer items of a task's checklist."""
        said = Said(body.signed_by, body.note, tuple(body.links), body.answers)
        return self._annotate(request, number, "checklist", said)

    def effect(self, request: Request, _: NothingQuery) -> Response:
        """What supervision achieved over all measured tasks, against what was expected without action."""
        view = access.view_of(request.scope)
        with news.snapshot(self._library.engine) as connection:
            measured = tasks.measured(connection, view)
            trees = areas.trees(connection, view)
        months = sorted({row["month"] for row in measured})
        lineage = {month: trees.lineage(date.fromisoformat(f"{month}-01")) for month in months}
        return self._json(effects.city(measured, lineage))

    def _act(self, request: Request, number: int, action: str, body: TaskSaid, decide: _Decide) -> Response:
        now = self._library.now()
        with self._library.engine.begin() as connection:
            task, row = tasks.locked(connection, number)
            rule = self._rule(row)
            after = decide(task, rule)
            if after != task:
                today = now.astimezone(self._zone).date()
                owner = supervision.owner(after, rule, self._answering(request, connection, today))
                said = Said(body.signed_by, body.note, tuple(body.links))
                tasks.write(connection, Change(action, task, after), owner, said, now)
                tasks.wake(connection, number)
        return self._whole(request, number)

    def _annotate(self, request: Request, number: int, action: str, said: Said) -> Response:
        now = self._library.now()
        with self._library.engine.begin() as connection:
            task, row = tasks.locked(connection, number)
            rule = self._rule(row)
            supervision.check_takes(task, action, rule)
            _check_answers(said.answers, rule.checklist(task.zone_kind, row["zone_class"]))
            last = tasks.last_event(connection, number)
            same = Said(last["signed_by"], last["note"], tuple(last["links"]), last["answers"])
            if (last["action"], same) != (action, said):
                owner = supervision.Owner(row["owner_role"], row["owner_tree"], row["owner_area"])
                tasks.write(connection, Change(action, task, task), owner, said, now)
        return self._whole(request, number)

    def _answering(self, request: Request, connection: news.Connection, day: date) -> jurisdictions.Answering:
        return areas.answering(connection, self._library.roles, day, access.view_of(request.scope))

    def _rule(self, row: Mapping[str, Any]) -> task_rules.TaskRule:
        return task_rules.on(self._library.task_rules, row["opened_at"].astimezone(self._zone).date())

    def _whole(self, request: Request, number: int, status: HTTPStatus = HTTPStatus.OK) -> Response:
        with news.snapshot(self._library.engine) as connection:
            row = tasks.one(connection, number, access.view_of(request.scope))
        where = f"{origin(request.scope)}/queues/tasks/{number}"
        return self._json(self._told(row), status, **({"location": where} if status == HTTPStatus.CREATED else {}))

    def _told(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        rule = self._rule(row)
        names = [name for name in Task.__dataclass_fields__ if name != "number"]
        task = Task(**{name: row[name] for name in names}, number=row["id"])
        items = [
            {
                **{name: getattr(item, name) for name in ("id", "title", "part", "whole", "at_least", "share")},
                "numbers": item.numbers,
                "answer": row["checklist"].get(item.id, {}),
                "needed": item.needed(row["checklist"].get(item.id, {})),
                "verdict": item.verdict(row["checklist"].get(item.id, {})),
            }
            for item in rule.checklist(task.zone_kind, row["zone_class"])
        ]
        late = supervision.overdue_by(task, self._library.now())
        told = {
            "is_overdue": bool(late),
            "days_overdue": late.days,
            "possible": supervision.possible(task, rule),
            "ladder": rule.ladder,
        }
        return {**row, **told, "checklist": items, "href": f"/queues/tasks/{task.number}"}

    def _json(self, content: object, status: HTTPStatus = HTTPStatus.OK, **marks: str) -> Response:
        return answers.as_json(answers.local(content, self._zone), status, **marks)


def _check_answers(answers: Mapping[str, task_rules.Answer], items: tuple[task_rules.Item, ...]) -> None:
    asked = {item.id: item for item in items}
    for name, answer in answers.items():
        if name not in asked:
            raise BadParameter(f"the checklist has no item '{name}'; it asks {', '.join(asked)}")
        asked[name].check(answer)


def _standing(connection: news.Connection, at: tuple[str, str, str], signed_by: str) -> int | None:
    """Give the number of the live task that the same person opened.  Raises AlreadyDecided for another one."""
    stands = tasks.live_at(connection, *at)
    if stands is None or (stands.cause == supervision.ON_DEMAND and stands.state_by == signed_by):
        return None if stands is None else stands.number
    raise AlreadyDecided(
        f"{at[0]} '{at[1]}' is under supervision already: GET /queues/tasks/{stands.number}; comment or escalate it"
    )
