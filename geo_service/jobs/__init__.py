"""Jobs: what happens when.  Each is read - think - write; with the store, under one lease and in one commit.

taking_in.py rows and decisions · supervising.py tasks · registers.py who answers · working.py again and again.
"""

from geo_service.jobs.registers import load_areas, load_memberships, load_memberships_by_area, load_roster
from geo_service.jobs.supervising import supervise
from geo_service.jobs.taking_in import (
    apply_decisions,
    load_archive,
    load_gazetteer,
    load_incidents,
    load_prevention,
    load_zones,
    pull_incidents,
    recount,
)
from geo_service.jobs.working import DECISIONS_EVERY_S, DELIVER_EVERY_S, watch_feeds, work

__all__ = [
    "DECISIONS_EVERY_S",
    "DELIVER_EVERY_S",
    "apply_decisions",
    "load_archive",
    "load_areas",
    "load_gazetteer",
    "load_incidents",
    "load_memberships",
    "load_memberships_by_area",
    "load_prevention",
    "load_roster",
    "load_zones",
    "pull_incidents",
    "recount",
    "supervise",
    "watch_feeds",
    "work",
]
