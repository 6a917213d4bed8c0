"""schemathesis against a real server: it asks what the description at /api lets a client ask, and what it forbids.

Its questions are the same in every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from geo_service.analysis import statistics
from tests.clients import everything
from tests.web.serving import FEED, HOME

QUESTIONS = 5  # of each operation that keep to the description, and as many that do not
RULES = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ENDLESS = "/live"  # an answer that never ends; its head is asked for below


@pytest.fixture(scope="module")
def client(server: sa.Engine, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with everything.served(server, template, tmp_path_factory.mktemp("city")) as client:
        opening = {"zone_kind": "communities", "zone_id": "a", "note": "to be watched", "signed_by": "b-017"}
        assert client.post("/queues/tasks", json=opening).status_code == 201
        yield client


def there(path: str, client: httpx.Client) -> dict[str, list[object]]:
    """Give the values of a path's parameters that the city knows, where the description can only say "a text"."""
    layers: list[object] = [one["id"] for one in client.get("/collections").json()["collections"]]
    if any(part in path for part in ("{zone_id}", "{z}", "outlook")):
        layers = ["warnings"]
    if path.startswith("/cells"):
        layers = ["incident_cells"]
    geometry = client.get("/tiles/warnings.json").json()["geometry"]
    return {
        "layer": layers,
        "layers": ["warnings", "warnings,prevention"],
        "digest": [geometry.split("/g/")[1].split("/")[0]],
        "form": ["svg", "png"] if "legends" in path else ["qml", "sld"],
        "name": ["patterns", "patterns@2x"] if "sprites" in path else [*statistics.TABLES],
        "z": [HOME.z],
        "x": [HOME.x],
        "y": [HOME.y],
        "zone_kind": ["communities"],
        "zone_id": ["a", "b"],
        "feed": [FEED.id],
        "incident_id": ["j6"],
        "number": [1, 2],
        "month": ["2024-05", "2024-06"],
    }


def description(client: httpx.Client) -> dict[str, Any]:
    """Give the description without `default`, and with what the city knows in the paths."""
    page = client.get("/api").json()
    for path, operations in page["paths"].items():
        known = there(path, client)
        for operation in operations.values():
            del operation["responses"]["default"]
            for one in operation.get("parameters", ()):
                if one["in"] == "path" and one["name"] in known:
                    one["schema"] = {**one["schema"], "enum": known[one["name"]]}
    return page


@dataclass(frozen=True)
class Found:
    """What came of asking an operation: the statuses, and what is wrong with the answers, "" when nothing."""

    statuses: set[int]
    wrong: str


def ask(operation: APIOperation, address: str, mode: GenerationMode) -> Found:
    """Ask an operation as the description has it, or as it has it not."""
    statuses: set[int] = set()

    @hypothesis.settings(
        max_examples=QUESTIONS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def asks(case: schemathesis.Case) -> None:
        answer = case.call(base_url=address)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=RULES)

    try:
        asks()
    except Unsatisfiable:  # whatever is asked of a path without parameters is as described
        assert mode is GenerationMode.NEGATIVE
    except FailureGroup as failures:
        return Found(statuses, "\n".join(str(failure) for failure in failures.exceptions))
    return Found(statuses, "")


def test_no_operation_fails_or_answers_what_is_not_described(client: httpx.Client):
    schema = schemathesis.openapi.from_dict(description(client))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 60
    found = {
        (operation.label, mode): ask(operation, str(client.base_url), mode)
        for operation in operations
        if operation.path != ENDLESS
        for mode in GenerationMode
    }
    assert {question: one.wrong for question, one in found.items() if one.wrong} == {}
    answered = {label for (label, _), one in found.items() if min(one.statuses, default=0) in range(200, 300)}
    assert len(answered) > 50  # the others need what only persons make: aliases, dead letters, calls to be looked at


def test_every_answer_is_described_with_its_type(client: httpx.Client):
    described = client.get("/api").json()["paths"]
    answers = {
        (path, method, status): answer
        for path, operations in described.items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
    }
    assert [
        named for named, answer in answers.items() if named[2] not in ("204", "304") and not answer["content"]
    ] == []


def test_the_stream_of_events_begins_as_described(client: httpx.Client):
    described = client.get("/api").json()["paths"][ENDLESS]["get"]["responses"]
    for asked, status in (("", 200), ("?layers=warnings", 200), ("?layers=nothing", 400), ("?lairs=warnings", 400)):
        with client.stream("GET", ENDLESS + asked) as answer:
            assert answer.status_code == status
            assert answer.headers["content-type"].partition(";")[0] in described[str(status)]["content"]
