"""Feeds: incident sources (sources.py), their files read in pieces (streams.py) and the text of both (rows.py)."""
