"""The page of tasks: what a station has to do, by when, what was expected without action and what came of it."""

from pathlib import Path

from fastapi import APIRouter

from geo_service.service import Service
from geo_service.web import queue_page

_PAGE = queue_page.QueuePage(
    "/tasks",
    Path(__file__).parent / "task",
    (
        "queue",
        "task",
        "task_state",
        "task_action",
        "task_due",
        "task_cause",
        "task_role",
        "task_effect",
        "class",
        "kind",
    ),
)


def routes(library: Service) -> APIRouter:
    """Make the routes of the page."""
    return queue_page.page_routes(library, _PAGE)
