"""Registers of who answers: the part of `load` that is about areas, memberships and rosters, and those of the demo."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from geo_service import cli, files, jobs, jurisdiction_files, service, settings
from geo_service.cli import Arguments
from geo_service.errors import BadParameter
from geo_service.service import Service

if TYPE_CHECKING:
    from geo_service.demo import City

LOADED = ("areas", "memberships", "roster")


def load(arguments: Arguments, knobs: settings.Settings) -> None:
    """Put areas, memberships or a roster in the place of those stored."""
    if len(arguments.file) > 1:
        raise BadParameter(f"load {arguments.what} takes one file, which replaces what stands; put all into one")
    if arguments.by_area and arguments.what != "memberships":
        raise BadParameter(f"load {arguments.what} does not go by area; --by-area is for load memberships")
    if arguments.by_area:
        _load_by_area(arguments, knobs)
        return
    path = Path(arguments.file[0])
    with closing(service.open_service(knobs)) as parts:
        if arguments.what == "areas":
            summary = jobs.load_areas(parts, jurisdiction_files.read_areas(path), path.name)
        elif arguments.what == "memberships":
            summary = jobs.load_memberships(parts, jurisdiction_files.read_memberships(path), path.name)
        else:
            roster = jurisdiction_files.read_roster(path, tuple(parts.texts))
            summary = jobs.load_roster(parts, roster, path.name)
    cli.print_summary(summary, arguments)


def _load_by_area(arguments: Arguments, knobs: settings.Settings) -> None:
    path, code = cli.file_and_property(arguments.file[0])
    if not code:
        raise BadParameter(
            f"{path} by area names no property; write FILE:PROPERTY, of the property that holds the codes"
        )
    polygons, repaired = files.read_zones(files.ZoneFile("areas", path, code, arguments.crs))
    with closing(service.open_service(knobs)) as parts:
        summary = jobs.load_memberships_by_area(parts, polygons, arguments.by_area, path.name)
    cli.print_summary({**summary, "repaired": repaired}, arguments)


def load_made(parts: Service, city: "City") -> None:
    """Give the demo its trees and its roster."""
    from geo_service.demo import jurisdictions

    made = jurisdictions.of(city)
    jobs.load_areas(parts, jurisdiction_files.states_of(made.areas, "demo/areas"), "demo/areas")
    jobs.load_memberships(parts, jurisdiction_files.states_of(made.memberships, "demo/memberships"), "demo/memberships")
    roster = jurisdiction_files.roster_of(made.roster, "demo/roster", tuple(parts.texts))
    jobs.load_roster(parts, roster, "demo/roster")
