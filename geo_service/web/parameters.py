"""Parameters: what a query may hold, said once for the parser, the error and the OpenAPI page."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import parse_qsl

import numpy as np
import shapely
from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from geo_service.errors import BadParameter
from geo_service.geography import references
from geo_service.web import problems

MOST = 10_000  # places in one page, and the default: a client that does not follow `next` must not lose any unseen
FARTHEST = 1_000_000  # places that `offset` passes over
COUNTS = ("exact", "estimated", "off")

_MOST_PARAMETERS = 100
_CORNERS = 32  # of a side of a box: in 4548, one of 100 km then lies within 10 m of its curve

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+ -]\d\d:\d\d)")  # a plus unescaped is a space
_MONTH = "(19|20)[0-9]{2}-(0[1-9]|1[0-2])"
MONTH, MONTH_OR_NONE = f"^{_MONTH}$", f"^({_MONTH})?$"
EARLIEST_DAY, AFTER_THE_LAST_DAY = date(1900, 1, 1), date(2100, 1, 1)  # the days of those months
_BEFORE_ALL, _AFTER_ALL = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_LARGEST = 2**31 - 1  # number that the store gives anything


def _on_our_clock(moment: datetime) -> datetime:
    """Give a moment in UTC; one that lies before all our records, or after, where the store can still write it."""
    return min(max(moment, _BEFORE_ALL), _AFTER_ALL).astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_on_our_clock)]


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


class OfPage(Nothing):
    """A query for a page that is written in JSON only."""

    f: str = Field("", pattern="^(json)?$", description="Format of the answer: json")


class OfShapes(OfMoment):
    """A query for places as they are drawn, in some format and reference system."""

    f: str = Field("", description="Format of the answer; without it the Accept header decides, then GeoJSON")
    crs: str = Field(
        references.CRS84.uri, description="Reference system of the answer, one of those the collection lists under crs"
    )
    properties: str = Field("", description="Only these properties, by name, comma-separated; empty: all")
    geometry: bool = Field(True, description="false: the places without their shapes")

    @field_validator("crs")
    @classmethod
    def _is_offered(cls, crs: str) -> str:
        return references.read(crs).uri


class Items(OfShapes):
    """A query for the places of a layer."""

    limit: int = Field(
        MOST, ge=1, description=f"Places in one page, at most {MOST}", json_schema_extra={"maximum": MOST}
    )
    offset: int | None = Field(
        None, ge=0, le=FARTHEST, description="Places to pass over; `cursor` is quicker and does not slip"
    )
    cursor: str = Field("", max_length=2000, description="Where to go on, as the links next and prev have it")
    kind: str = Field("", description="Only objects of this kind, in layers of objects: gate, venue …; empty: all")
    bbox: str = Field("", description="west,south,east,north: places that touch the box; west > east crosses 180")
    bbox_crs: str = Field(references.CRS84.uri, alias="bbox-crs", description="Reference system of bbox")
    filter: str = Field("", description="CQL2 filter over the collection's queryables")
    filter_lang: Literal["cql2-text", "cql2-json"] = Field(
        "cql2-text", alias="filter-lang", description="Language of filter"
    )
    filter_crs: str = Field(
        references.CRS84.uri, alias="filter-crs", description="Reference system of the shapes in filter"
    )
    sortby: str = Field("", description="Properties to order by, comma-separated; -name has the largest first")
    count: Literal["exact", "estimated", "off"] = Field(
        "exact", description="How numberMatched is found; off: it is left out, which is quickest"
    )

    @field_validator("limit")
    @classmethod
    def _no_more_than_fit(cls, limit: int) -> int:
        return min(limit, MOST)  # OGC API Features 7.15.2: a limit above the maximum is no error

    @field_validator("bbox_crs", "filter_crs")
    @classmethod
    def _is_known(cls, crs: str, info: ValidationInfo) -> str:
        return references.read(crs, str(info.field_name).replace("_", "-")).uri

    def area(self) -> shapely.Geometry | None:
        """Give the box asked for as a WGS 84 shape, None without one.  Raises BadParameter."""
        return area(self.bbox, references.read(self.bbox_crs)) if self.bbox else None

    def order(self) -> list[tuple[str, bool]]:
        """Give the properties to order by, and whether the largest of each stands first."""
        return [(name.lstrip("+- "), name.startswith("-")) for name in self.sortby.split(",") if name]


Q = TypeVar("Q", bound=Nothing)
NothingQuery = Annotated[Nothing, Query()]
MonthQuery = Annotated[OfMonth, Query()]
PageQuery = Annotated[OfPage, Query()]
ShapesQuery = Annotated[OfShapes, Query()]
Number = Annotated[int, Path(ge=0, le=_LARGEST, description="Its number")]


def read(model: type[Q], query: bytes) -> Q:
    """Read a raw query string.  Raises BadParameter.

    >>> read(OfMonth, b"month=2024-05").month
    '2024-05'
    >>> read(OfMonth, b"mouth=2024-05")
    Traceback (most recent call last):
    geo_service.errors.BadParameter: unknown parameter 'mouth'; /api lists what this path takes
    """
    return _validated(model, dict(_pairs(query)))


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise BadParameter(f"a query may have {_MOST_PARAMETERS} parameters") from None


def _validated(model: type[Q], asked: Mapping[str, str]) -> Q:
    try:
        return model.model_validate(asked)
    except ValidationError as error:
        raise problems.bad_parameter(error) from None


def read_items(query: bytes, queryables: Iterable[str]) -> tuple[Items, dict[str, str]]:
    """Read a query for places, and the properties that it wants to equal something.

    Raises BadParameter for a parameter that is neither ours nor one of the queryables.
    """
    ours = {field.alias or name for name, field in Items.model_fields.items()}
    asked = dict(_pairs(query))
    means = {
        name: asked.get("count") in COUNTS if name == "count" else True for name in ours
    }  # count=3 is a property's
    equal = {name: asked.pop(name) for name in queryables if name in asked and not means.get(name, False)}
    if unknown := [name for name in asked if name not in ours]:
        raise BadParameter(
            f"unknown parameter '{unknown[0][:100]}'; /api lists what this path takes, and the queryables of the layer "
            f"are {', '.join(queryables)}"
        )
    return _validated(Items, asked), equal


def area(bbox: str, system: references.Reference) -> shapely.Geometry:
    """Read a bbox of a reference system as a WGS 84 shape; one that crosses the 180th meridian has two parts.

    Heights (the six-number form) are passed over.  Raises BadParameter.

    >>> area("170,-10,-170,10", references.CRS84).wkt
    'MULTIPOLYGON (((180 -10, 180 10, 170 10, 170 -10, 180 -10)), ((-170 -10, -170 10, -180 10, -180 -10, -170 -10)))'
    """
    numbers = [_number(text) for text in bbox.split(",")]
    if len(numbers) == 6:
        numbers = [numbers[i] for i in (0, 1, 3, 4)]
    if len(numbers) != 4:
        raise BadParameter(f"bbox={bbox[:100]}: expected four numbers west,south,east,north, came {len(numbers)}")
    if system != references.CRS84:
        return _curved(numbers, system, bbox)
    west, south, east, north = numbers
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise BadParameter(
            f"bbox={bbox[:100]}: expected west,south,east,north [deg] with south <= north, longitude first"
        )
    if west <= east:
        return shapely.box(west, south, east, north)
    parts = [shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north)]
    return shapely.multipolygons(parts)


def _curved(numbers: Sequence[float], system: references.Reference, bbox: str) -> shapely.Geometry:
    """Make the shape of a box whose sides may be curves in WGS 84: each is drawn with so many corners."""
    low_first, low_second, high_first, high_second = numbers
    if low_first > high_first or low_second > high_second:
        raise BadParameter(f"bbox={bbox[:100]}: expected the lower corner first, in the axis order of {system.uri}")
    box = shapely.box(low_first, low_second, high_first, high_second)
    longest = max(high_first - low_first, high_second - low_second)
    sides = shapely.segmentize(box, longest / _CORNERS) if longest else box
    return references.to_wgs84(np.array([sides], dtype=object), system, f"bbox={bbox[:100]}")[0]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadParameter(f"bbox: '{text[:100]}' is not a number; expected west,south,east,north [deg]") from None
    if not math.isfinite(number):
        raise BadParameter(f"bbox: '{text[:100]}' is not a coordinate")
    return number
