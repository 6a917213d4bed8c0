"""Doubts: what tells a wrong feed file from wrong rows.

Pure.  One row with a time that cannot be read or with its axes exchanged is a typing error and Rejected; when all of
them are, the feed file is wrong, and a city would be told that nothing happened.  Doubts add up over the batches of one
source, so that the verdict does not hang on how it was cut.
"""

from dataclasses import dataclass

from geo_service.analysis.feed import Feed
from geo_service.errors import AxisOrder, BadRows

_ENOUGH = 20  # rows; fewer can all be wrong by typing errors


@dataclass(frozen=True)
class Doubts:
    """Numbers of rows, and what the first of each odd sort looked like.

    `timeless` of `rows` have no time that can be read; `beyond` of `degrees` rows with coordinates in degrees have a
    latitude beyond 90; of `located` rows with coordinates `near` lie around the zones as given, `exchanged` only with
    longitude and latitude exchanged.
    """

    rows: int = 0
    timeless: int = 0
    timeless_first: str = ""
    degrees: int = 0
    beyond: int = 0
    beyond_first: str = ""
    located: int = 0
    near: int = 0
    exchanged: int = 0
    located_first: str = ""

    def __add__(self, other: "Doubts") -> "Doubts":
        return Doubts(
            self.rows + other.rows,
            self.timeless + other.timeless,
            self.timeless_first or other.timeless_first,
            self.degrees + other.degrees,
            self.beyond + other.beyond,
            self.beyond_first or other.beyond_first,
            self.located + other.located,
            self.near + other.near,
            self.exchanged + other.exchanged,
            self.located_first or other.located_first,
        )

    def check(self, feed: Feed) -> None:
        """Refuse the whole source when the rows say that its feed file is wrong.

        Raises BadRows when not one time could be read, AxisOrder when most latitudes lie beyond 90 degrees or the rows
        lie in the city only with their axes exchanged.
        """
        if self.rows >= _ENOUGH and self.timeless == self.rows:
            raise BadRows(
                f"feed '{feed.id}': not one of {self.rows} call times could be read; the first row: "
                f"{self.timeless_first}. Mend format under [time] in {feed.path.name}"
            )
        if self.degrees >= _ENOUGH and self.beyond > self.degrees / 2:
            raise AxisOrder(
                f"{self.beyond} of {self.degrees} rows have a latitude beyond 90 degrees (first: {self.beyond_first}); "
                "exchange lon and lat under [columns] in the feed file"
            )
        if self.located >= _ENOUGH and self.exchanged > self.located / 2 and self.near < self.located / 100:
            raise AxisOrder(
                f"feed '{feed.id}': {self.exchanged} of {self.located} rows lie near the zones only with longitude and "
                f"latitude exchanged (first: {self.located_first}); exchange lon and lat under "
                f"[columns] in {feed.path.name}, or write longitude first in the zone file"
            )
