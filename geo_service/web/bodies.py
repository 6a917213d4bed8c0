"""Bodies: what a POST may hold, said once for the parser, the error and the OpenAPI page.

Whoever changes something signs it with a staff id: letters, digits, dot, dash and underscore, never a name.
"""

from collections import Counter
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field, StringConstraints, model_validator

from geo_service.store.gazetteers import STAFF_ID, Signature
from geo_service.web.parameters import Nothing

MOST_TEXTS = 10_000  # in one request: a second of work and about a megabyte
MOST_VERDICTS = 500  # in one request: a busy day of a city, written within a second
LONGEST_TEXT = 1_000  # letters; the longest place text of two million real ones has 240

ON = "Day the address was spoken of, YYYY-MM-DD: places that were not there then are less likely"

# Nothing that a browser would run: a web address, or where a file stands among the station's own.
_Link = Annotated[
    str, StringConstraints(pattern=r"^(https?://[^\s\"'<>]+|[\w][\w ./#()（）《》、-]*)$", max_length=500)
]
_Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class Signed(Nothing):
    """Who answers for a change, and why."""

    signed_by: str = Field(pattern=STAFF_ID, description="Staff id: letters, digits, dot, dash, underscore; no name")
    note: str = Field("", max_length=500, description="Why, in words about the place; nothing about persons")

    def signature(self, now: datetime) -> Signature:
        """Give what is written down of it."""
        return Signature(self.signed_by, self.note, now)


class Correction(Signed):
    """Where an incident was: an entry of the gazetteer, or a position."""

    words: str = Field("", description="The part of the place text that names the place; without it all of it")
    entry_id: str | None = Field(None, min_length=1, description="Entry of the gazetteer that the words mean")
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False, description="Longitude, WGS 84 [deg]")
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False, description="Latitude, WGS 84 [deg]")
    teach: bool = Field(True, description="Whether the words mean that place in every other text too")

    @model_validator(mode="after")
    def _means_one_place(self) -> "Correction":
        if (self.lon is None) != (self.lat is None):
            raise ValueError("give both lon and lat [deg], or neither")
        if (self.entry_id is None) == (self.lon is None):
            raise ValueError("say where it was by entry_id, or by lon and lat; one of the two")
        return self

    def position(self) -> tuple[float, float] | None:
        """Give the position [deg], if that is how it was said."""
        return None if self.lon is None or self.lat is None else (self.lon, self.lat)


class TaskOpening(Signed):
    """A place to be supervised, whatever its colour; the note says why."""

    zone_kind: Literal["communities", "units", "patrol_zones"] = Field(description="Kind of place")
    zone_id: str = Field(min_length=1, description="Id of the place")
    note: str = Field(min_length=1, max_length=500, description="Why, in words about the place; nothing about persons")


class TaskSaid(Signed):
    """What is said about a task, with its evidence."""

    links: list[_Link] = Field(
        default_factory=list[str], max_length=20, description="Evidence: https addresses, or references to files"
    )


class TaskStep(TaskSaid):
    """A step of the ladder that a task is to go up to; sent twice it goes up once."""

    step: int = Field(ge=1, description="Step of the ladder in rules/tasks.toml: 1 the second role, and so on")


class TaskChecklist(TaskSaid):
    """Answers to the checklist of a task; what is left out stays as answered before."""

    answers: dict[str, dict[str, bool | float]] = Field(
        min_length=1, max_length=50, description="By item: its numbers by name, or done: true or false"
    )


class Verdict(Nothing):
    """What was found on looking at a call."""

    feed: str = Field(description="Feed of the call")
    incident_id: str = Field(description="The source's own id of the call")
    verdict: Literal["confirmed", "invalid", "retyped", ""] = Field(
        description="confirmed: it stands; invalid: no case; retyped: of another category; empty: take it back"
    )
    category: str = Field("", description="With retyped: what it is, a category of rules/categories.toml")

    @model_validator(mode="after")
    def _retyped_to_something(self) -> "Verdict":
        if (self.verdict == "retyped") != bool(self.category):
            raise ValueError("give the category with retyped, and with nothing else")
        return self


class Verdicts(Signed):
    """What was found on looking at some calls."""

    verdicts: list[Verdict] = Field(
        min_length=1, max_length=MOST_VERDICTS, description=f"Up to {MOST_VERDICTS} calls, each once: all or none"
    )

    @model_validator(mode="after")
    def _each_once(self) -> "Verdicts":
        said = Counter((one.feed, one.incident_id) for one in self.verdicts)
        [((feed, incident_id), times)] = said.most_common(1)
        if times > 1:
            raise ValueError(f"incident '{incident_id}' of feed '{feed}' stands here twice; say one thing of it")
        return self


class Addresses(Nothing):
    """One address, or many."""

    text: _Text | None = Field(None, description="One address: answered in full")
    texts: list[_Text] | None = Field(
        None,
        min_length=1,
        max_length=MOST_TEXTS,
        description=f"Up to {MOST_TEXTS} addresses: answered in their order, one JSON object a line",
    )
    on: date | None = Field(None, description=ON)
    trace: bool = Field(False, description="With texts: whether each is answered in full; some 10 times slower")

    @model_validator(mode="after")
    def _one_or_many(self) -> "Addresses":
        if (self.text is None) == (self.texts is None):
            raise ValueError("send either text, one address, or texts, a list of them")
        return self


SignedBody = Annotated[Signed, Body()]
CorrectionBody = Annotated[Correction, Body()]
TaskOpeningBody = Annotated[TaskOpening, Body()]
TaskSaidBody = Annotated[TaskSaid, Body()]
TaskStepBody = Annotated[TaskStep, Body()]
TaskChecklistBody = Annotated[TaskChecklist, Body()]


VerdictsBody = Annotated[Verdicts, Body()]
AddressesBody = Annotated[Addresses, Body()]
