"""Every table of the store.  Each table and column carries a comment, so that a plain SQL client can be understood.

The migrations make the tables; a test holds that their sum equals these pages.  Times are UTC, coordinates WGS 84.
Nothing here describes a person.
"""

from geo_service.store.tables.base import metadata
from geo_service.store.tables.counts import alerts, cell_levels, cell_months, restatements, zone_levels, zone_months
from geo_service.store.tables.incidents import (
    decisions,
    former_incidents,
    incidents,
    rejected,
    reviews,
    source_evidence,
    triages,
)
from geo_service.store.tables.jurisdictions import STAFF_SCHEMA, addresses, areas, duties, memberships
from geo_service.store.tables.keeping import feeds, meta, revisions
from geo_service.store.tables.messages import messages
from geo_service.store.tables.places import aliases, gazetteer, gazetteer_versions, zones
from geo_service.store.tables.prevention import archive_rows, archives, measures, prevention_objects, prevention_visits
from geo_service.store.tables.tasks import task_events, tasks

__all__ = [
    "STAFF_SCHEMA",
    "addresses",
    "alerts",
    "aliases",
    "archive_rows",
    "archives",
    "areas",
    "cell_levels",
    "cell_months",
    "decisions",
    "duties",
    "feeds",
    "former_incidents",
    "gazetteer",
    "gazetteer_versions",
    "incidents",
    "measures",
    "memberships",
    "messages",
    "meta",
    "metadata",
    "prevention_objects",
    "prevention_visits",
    "rejected",
    "restatements",
    "reviews",
    "revisions",
    "source_evidence",
    "task_events",
    "tasks",
    "triages",
    "zone_levels",
    "zone_months",
    "zones",
]
