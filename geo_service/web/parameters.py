"""Parameters: what a query may hold, said once for the parser, the error and the OpenAPI page."""

import math
import re
from typing import Annotated, Self, TypeVar
from urllib.parse import parse_qsl

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from geo_service.maps.atlas import Box
from geo_service.web import problems

MOST = 10_000  # places in one page, and the default: a client that does not follow `next` must not lose any unseen

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+ -]\d\d:\d\d)")  # a plus unescaped is a space
MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


class Nothing(BaseModel):
    """A query that takes no parameter; any is refused."""

    model_config = ConfigDict(extra="forbid")


class OfMonth(Nothing):
    """A query about one month."""

    month: str = Field("", pattern=MONTH, description="Calendar month, YYYY-MM; without it the current one in the city")


class OfMoment(OfMonth):
    """A query about one month, named or holding an instant, and as it was known at a moment."""

    datetime: str = Field(
        "",
        description="Instant (RFC 3339), date, YYYY-MM, or an interval a/b, ../b, a/.. of them: "
        "the last month on record in it; instead of month",
    )
    as_of: AwareDatetime | None = Field(
        None, alias="as-of", description="As known at this moment, such as 2024-06-02T08:00:00+08:00; without it as now"
    )

    @field_validator("as_of", mode="before")
    @classmethod
    def _is_an_instant(cls, as_of: object) -> object:
        if isinstance(as_of, str) and not INSTANT.fullmatch(as_of):
            raise ValueError("expected an RFC 3339 instant with its zone, such as 2024-06-02T08:00:00+08:00")
        return as_of.replace(" ", "+") if isinstance(as_of, str) else as_of

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.month and self.datetime:
            raise ValueError("month and datetime both say which month; give one of them")
        return self


class Items(OfMonth):
    """A query for the places of a layer."""

    limit: int = Field(
        MOST, ge=1, description=f"Places in one page, at most {MOST}", json_schema_extra={"maximum": MOST}
    )
    offset: int = Field(0, ge=0, description="Places to pass over, in the order of their ids")
    kind: str = Field("", description="Only objects of this kind, in layers of objects: gate, venue …; empty: all")
    bbox: str = Field("", description="west,south,east,north [deg]: places that touch the box; west > east crosses 180")

    @field_validator("limit")
    @classmethod
    def _no_more_than_fit(cls, limit: int) -> int:
        return min(limit, MOST)  # OGC API Features 7.15.2: a limit above the maximum is no error

    @field_validator("bbox")
    @classmethod
    def _is_a_box(cls, bbox: str) -> str:
        boxes(bbox)
        return bbox


Q = TypeVar("Q", bound=Nothing)
NothingQuery = Annotated[Nothing, Query()]
MonthQuery = Annotated[OfMonth, Query()]
MomentQuery = Annotated[OfMoment, Query()]
ItemsQuery = Annotated[Items, Query()]


def read(model: type[Q], query: bytes) -> Q:
    """Read a raw query string.  Raises BadParameter.

    >>> read(OfMonth, b"month=2024-05").month
    '2024-05'
    >>> read(OfMonth, b"mouth=2024-05")
    Traceback (most recent call last):
    geo_service.errors.BadParameter: unknown parameter 'mouth'; /api lists what this path takes
    """
    try:
        return model.model_validate(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        raise problems.bad_parameter(error) from None


def boxes(bbox: str) -> list[Box]:
    """Read a bbox [deg]; one that crosses the 180th meridian is two boxes, none at all is no box.

    Heights (the six-number form) are passed over.

    >>> boxes("170,-10,-170,10")
    [(170.0, -10.0, 180.0, 10.0), (-180.0, -10.0, -170.0, 10.0)]
    """
    if not bbox:
        return []
    numbers = [_number(text) for text in bbox.split(",")]
    if len(numbers) == 6:
        numbers = [numbers[i] for i in (0, 1, 3, 4)]
    if len(numbers) != 4:
        raise ValueError(f"expected four numbers west,south,east,north [deg], came {len(numbers)}")
    west, south, east, north = numbers
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise ValueError("expected west,south,east,north [deg] with south <= north, longitude first")
    return [(west, south, east, north)] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a number; expected west,south,east,north [deg]") from None
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is not a coordinate")
    return number
