"""The page of the daily triage: a day's calls in a table, looked at by keyboard, sent in bulk."""

from pathlib import Path

from fastapi import APIRouter

from geo_service.service import Service
from geo_service.web import queue_page

_PAGE = queue_page.QueuePage("/triage", Path(__file__).parent / "triaging", ("queue", "triage", "category"))


def routes(library: Service) -> APIRouter:
    """Make the routes of the page."""
    return queue_page.page_routes(library, _PAGE)
