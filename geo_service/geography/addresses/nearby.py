"""Nearby: what the gazetteer has at and around a point, which is geocoding backwards.

Pure.  Distances are metres; a place whose outline holds the point is 0 m away.
"""

import math
from typing import NamedTuple

import numpy as np
import shapely

from geo_service.geography.addresses.places import KINDS, Gazetteer


class Near(NamedTuple):
    """Something near a point: what it is, the place it belongs to, how far away [m], and the areas it lies in."""

    entry_id: str
    kind: str
    name: str
    place: str
    distance_m: float
    county: str
    town: str


def around(gazetteer: Gazetteer, x: float, y: float, within_m: float, most: int) -> tuple[Near, ...]:
    """Give up to `most` things within some metres of a point [m]: at most one street, the others nearest first."""
    if not math.isfinite(x + y):
        return ()
    found = {gazetteer.places.entry[place]: 0.0 for place in _holding(gazetteer, x, y)}
    distances, rows = (
        np.atleast_1d(one) for one in gazetteer.tree.query([x, y], k=most, distance_upper_bound=within_m)
    )
    for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
        if math.isfinite(distance):
            found.setdefault(int(gazetteer.located[row]), distance)
    street, away = gazetteer.streets.nearest(np.array([x]), np.array([y]))
    if street[0] >= 0 and away[0] <= within_m:
        found.setdefault(gazetteer.places.entry[gazetteer.first_street + int(street[0])], float(away[0]))
    ranked = sorted(found.items(), key=lambda one: (round(one[1], 1), one[0]))[:most]
    return tuple(_near(gazetteer, row, distance) for row, distance in ranked)


def _holding(gazetteer: Gazetteer, x: float, y: float) -> list[int]:
    """Give the places whose outline holds a point."""
    tree, places = gazetteer.outline_tree
    held = tree.query(shapely.Point(x, y), predicate="intersects")
    return [places[at] for at in held.tolist()]


def _near(gazetteer: Gazetteer, row: int, distance: float) -> Near:
    places, place = gazetteer.places, int(gazetteer.entries.place[row])
    county, town = (places.county[place], places.town[place]) if place >= 0 else (-1, -1)
    return Near(
        entry_id=gazetteer.entries.ids[row].as_py(),
        kind=KINDS[gazetteer.entries.kind[row]],
        name=gazetteer.entries.names[row].as_py(),
        place=places.name[place] if place >= 0 else "",
        distance_m=round(distance, 1),
        county=places.name[county] if county >= 0 else "",
        town=places.name[town] if town >= 0 else "",
    )
