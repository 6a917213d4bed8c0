"""The store: the one door to PostGIS.  It answers questions with values of the core and records what the core found.

It decides nothing: no thresholds, no colours.
"""
