"""A made-up city and its feed: everything the program shows before a real city's files are there.

``build`` makes the city from (size, seed, until) alone: roads, water, compounds, villages, units, patrol zones,
buildings, cameras, addresses and two years of call records.  ``write`` puts it into files that ``geo-service digest``
and ``load`` read. ``ReplaySource`` goes on where the records end, live.  Names, codes and ground are invented and
copied from no gazetteer; there is no person in it.

names.py words · plan.py the drawing · streets.py network and blocks · places.py who lives where · buildings.py ·
addresses.py · gazetteer.py · jurisdictions.py who answers · prevention.py · cameras.py · kinds.py what happens
how often · incidents.py when and where · records.py as the dispatch platform writes it · city.py the whole ·
replay.py live.
"""

from geo_service.demo.city import SEED, City, build, write
from geo_service.demo.records import COLUMNS
from geo_service.demo.replay import PACE_S, Replay, ReplaySource

__all__ = ["COLUMNS", "PACE_S", "SEED", "City", "Replay", "ReplaySource", "build", "write"]
