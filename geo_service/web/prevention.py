"""Prevention over HTTP: what stands where, checkpoints visited too seldom, venues to be graded again.

The objects themselves are layers (features.py, tiles.py); here are the tables about them, as JSON or, one at a time, as
CSV.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Literal, cast
from zoneinfo import ZoneInfo

import pandas as pd
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import jurisdictions, measures, prevention
from geo_service.errors import BadParameter
from geo_service.maps.layers import View
from geo_service.service import Service
from geo_service.store import jurisdictions as trees
from geo_service.store import news, reading
from geo_service.store import prevention as objects
from geo_service.web import access, answers
from geo_service.web.parameters import Nothing

TABLES = ("objects", "checkpoints", "venues", "communities")

_BESIDE = ("guard_post", "checkpoint", "gate", "perimeter_alarm", "venue")  # set beside a community's incidents


class OfPrevention(Nothing):
    """A query for the tables of prevention."""

    day: date | None = Field(None, description="City day the tables are about, YYYY-MM-DD; without it today")
    table: Literal["", "objects", "checkpoints", "venues", "communities"] = Field(
        "", description="One table only; CSV needs it"
    )
    format: Literal["json", "csv"] = Field("json", description="json or csv")
    level: Literal[jurisdictions.LINEAGE_COLUMNS] = Field(  # pyright: ignore[reportInvalidTypeForm]
        "civil_town", description="Level of a tree that objects are counted by"
    )
    days: int = Field(7, ge=1, le=366, description="Days before `day` whose visits are looked at")
    within_days: int = Field(30, ge=0, le=3660, description="Venues to be graded again within so many days")
    months: int = Field(12, ge=1, le=120, description="Months of incidents, that of `day` included")


class OfMeasures(Nothing):
    """A query for what came of measures."""

    zone_kind: Literal["communities", "units", "patrol_zones"] = Field("communities", description="Kind of place")
    months: int = Field(12, ge=6, le=60, description="Months looked at before and after, at most")
    format: Literal["json", "csv"] = Field("json", description="json or csv")


PreventionQuery = Annotated[OfPrevention, Query()]
MeasuresQuery = Annotated[OfMeasures, Query()]


def routes(library: Service) -> APIRouter:
    """Make the routes that answer from a library's store."""
    router = APIRouter(tags=["statistics"])

    @router.get("/statistics/prevention", response_class=Response)
    def statistics(request: Request, query: PreventionQuery) -> Response:
        """Objects by kind and area, checkpoints visited too seldom, venues due, communities beside their incidents."""
        if query.format == "csv" and not query.table:
            raise BadParameter(f"format=csv: one table at a time; add table= one of {', '.join(TABLES)}")
        day = query.day or library.now().astimezone(ZoneInfo(library.settings.time_zone)).date()
        tables = _tables(library, query, day, access.view_of(request.scope))
        if query.format == "csv":
            return as_csv(tables[query.table], f"{query.table}-{day}")
        return answers.as_json({"day": day.isoformat(), **{name: rows_of(frame) for name, frame in tables.items()}})

    @router.get("/statistics/measures", response_class=Response)
    def effects(request: Request, query: MeasuresQuery) -> Response:
        """What came of each measure, beside what was to come without it and places like it, in words and numbers."""
        found = _judged(library, query, access.view_of(request.scope))
        if query.format == "csv":
            return as_csv(found, f"measures-{query.zone_kind}")
        rows = [{**row, "words": _words(library, row)} for row in rows_of(found)]
        return answers.as_json({"zone_kind": query.zone_kind, "measures": rows})

    return router


def _judged(library: Service, query: OfMeasures, view: View) -> pd.DataFrame:
    kind, today = query.zone_kind, library.now().astimezone(ZoneInfo(library.settings.time_zone)).date()
    with news.snapshot(library.engine) as connection:
        known = objects.measures(connection, view)
        on_record = reading.months(connection)
        last = str(pd.Period(today, "M") - 1)  # the last whole month
        first = min([*on_record, last])
        zones = reading.zones(connection, kind, view)
        counted = objects.counted(connection, kind, first, last, view)
    here = known[(known["zone_kind"] == kind) & known["zone_id"].isin(zones.ids.tolist())]
    months = [str(month) for month in pd.period_range(first, last, freq="M")]
    past = measures.past(zones.ids.tolist(), zones.classes.tolist(), months, counted)
    return measures.judged(here, past, measures.neighbours(zones, here["zone_id"].tolist()), query.months)


def _words(library: Service, row: Mapping[Hashable, object]) -> dict[str, str]:
    """Say in every language what was found, and how sure a real fall would have been seen."""
    said: dict[str, str] = {}
    for language, texts in library.texts.items():
        words = cast(Mapping[str, str], texts["measures"])
        said[language] = words[str(row["found"])].format_map(row)
        if (power := row["power"]) is not None:
            said[language] += words["power"].format(percent=100 * cast(float, power))
    return said


def _tables(library: Service, query: OfPrevention, day: date, view: View) -> dict[str, pd.DataFrame]:
    wanted = (query.table,) if query.table else TABLES
    first = day - timedelta(days=query.days)
    months = pd.period_range(end=pd.Period(day, "M"), periods=query.months, freq="M").astype(str)
    with news.snapshot(library.engine) as connection:
        standing = prevention.standing(objects.objects(connection, view), day)
        visits = objects.visits(connection, first, day, library.settings.time_zone, view)
        lineage_of = trees.trees(connection, view)
        counted = objects.counted(connection, "communities", months[0], months[-1], view)
        communities = reading.zones(connection, "communities", view)
    tree = query.level.partition("_")[0]
    names = {code: name for (of, code), name in lineage_of.names(day).items() if of == tree}
    make = {
        "objects": lambda: prevention.by_area(standing, lineage_of.lineage(day), query.level, names),
        "checkpoints": lambda: prevention.missed_visits(
            standing[standing["kind"] == "checkpoint"],
            visits,
            [first + timedelta(days=number) for number in range(query.days)],
            library.prevention,
        ),
        "venues": lambda: prevention.due(standing, day, query.within_days),
        "communities": lambda: prevention.beside_incidents(
            standing, communities, counted.groupby("zone_id")["count"].sum(), _BESIDE
        ),
    }
    return {name: make[name]() for name in wanted}


def rows_of(frame: pd.DataFrame) -> Sequence[Mapping[Hashable, object]]:
    """Write a table as JSON rows: days as YYYY-MM-DD."""
    return _plain(frame).to_dict("records")


def as_csv(frame: pd.DataFrame, name: str) -> Response:
    """Answer with a table as CSV; the mark at its beginning lets Excel read the Chinese."""
    marks = {"content-disposition": f'attachment; filename="{name}.csv"', **answers.UNKEPT}
    content = "\ufeff" + _plain(frame).to_csv(index=False, lineterminator="\r\n")
    return Response(content.encode(), headers=marks, media_type="text/csv")


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    days = frame.select_dtypes("datetime").columns
    written = frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%d") for name in days})
    numbers = written.select_dtypes("float").columns  # whole numbers that may be missing are floats to pandas
    written = written.assign(**{name: written[name].round(4) for name in numbers}).astype(object)
    return written.where(written.notna(), None)
