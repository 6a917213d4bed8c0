"""What the pages of tables have in common."""

from functools import partial

from sqlalchemy import Column, DateTime, MetaData

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

always = partial(Column, nullable=False)
Time = DateTime(timezone=True)
MONTH = "Calendar month in the city's time zone, YYYY-MM"
KIND = "communities, units or patrol_zones"
STAFF = "Staff id of who signed, never a name"
NOTE = "Why, in words about the place; empty: none given"
LEVEL = "Level the rule of that month gives: 0 none, 1 yellow, 2 orange, 3 red, 4 black"
