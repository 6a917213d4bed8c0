"""Registers: areas, memberships and the roster, each put in the place of the one stored."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy

from geo_service.analysis import (
    intake,
    jurisdictions,
    memberships,
)
from geo_service.geography.zones import Zones
from geo_service.jurisdiction_files import Roster
from geo_service.maps import layers
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import reading, writing


def load_areas(service: Service, areas: pd.DataFrame, where: str) -> intake.Summary:
    """Put areas in the place of those stored, unless memberships or duties on record do not fit in them."""
    with writing.lease(service.engine) as connection:
        former, duties = _jurisdictions(connection)
        jurisdictions.check_succession(areas, former.memberships, duties, service.roles, where)
        registers.replace_trees(connection, replace(former, areas=areas))
    return {"areas": len(areas)}


def load_memberships(service: Service, found: pd.DataFrame, where: str) -> intake.Summary:
    """Put memberships of both trees in the place of those stored; tell what they leave open."""
    with writing.lease(service.engine) as connection:
        former, _ = _jurisdictions(connection)
        jurisdictions.check_memberships(found, former.areas, where)
        registers.replace_trees(connection, replace(former, memberships=found))
        return {"memberships": len(found), **memberships.without(found, service.zones(connection))}


def load_memberships_by_area(service: Service, polygons: Zones, tree: str, where: str) -> intake.Summary:
    """Put memberships by geometry in the place of those of one tree; tell places in no area and in several."""
    with writing.lease(service.engine) as connection:
        former, _ = _jurisdictions(connection)
        found = memberships.by_area(polygons, former.areas, tree, service.zones(connection).values())
        jurisdictions.check_memberships(found.memberships, former.areas, where)
        others = former.memberships[former.memberships["tree"] != tree]
        registers.replace_trees(connection, replace(former, memberships=pd.concat([others, found.memberships])))
    outside, split = (frame.to_dict("records") for frame in (found.outside, found.split))
    return {"memberships": len(found.memberships), "outside": outside, "split": split}


def load_roster(service: Service, roster: Roster, where: str) -> intake.Summary:
    """Put a roster in the place of the one stored; tell by role for how many places nobody answers today."""
    today = service.now().astimezone(ZoneInfo(service.settings.time_zone)).date()
    with writing.lease(service.engine) as connection:
        trees, _ = _jurisdictions(connection)
        jurisdictions.check_duties(roster.duties, service.roles, trees.areas, where)
        registers.replace_roster(connection, roster.duties, roster.addresses)
        places = reading.places(connection, layers.EVERYTHING)
    gaps = jurisdictions.answering(trees, roster.duties, service.roles, today).gaps(places)
    nobody = {str(role): int(count) for role, count in gaps["role"].value_counts(sort=False).items()}
    return {"duties": len(roster.duties), "addresses": len(roster.addresses), "places_with_nobody": nobody}


def _jurisdictions(connection: sqlalchemy.Connection) -> tuple[jurisdictions.Trees, pd.DataFrame]:
    return registers.trees(connection, layers.EVERYTHING), registers.duties(connection, layers.EVERYTHING)
