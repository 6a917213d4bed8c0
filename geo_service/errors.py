"""Every error we raise.  The text says what came, what was expected and what to do next.

    GeoServiceError
    ├── BadInput                 the caller's file, row source or parameter
    │   ├── UndeclaredCRS        coordinates whose system nobody named
    │   ├── AxisOrder            longitude and latitude look exchanged
    │   ├── BadZones             a zone file that cannot be used as it is
    │   ├── BadGazetteer         rows of places and addresses that contradict their schema or themselves
    │   ├── BadRows              incident rows that cannot be read at all (a single bad row is a Rejected, not an error)
    │   ├── BadParameter         a command's or request's parameter
    │   ├── AlreadyDecided       a decision that another one stands against
    │   └── NotSigned            a receipt whose signature is not that of who got the message
    ├── BadRule                  rules/, feeds or layers that contradict themselves
    ├── BadSetting               an unknown or unreadable GEO_* setting
    ├── SourceFailed             an incident source answered wrongly or not at all; the next pull tries again
    ├── DeliveryFailed           a message that did not get out: for good, or until the next try
    ├── BatchFailed              the workers of a distributed run cannot be reached or died; nothing was written
    ├── StoreFailed              the database is missing, unreachable or older than the program
    └── NotFound                 a layer, place or tile that does not exist

A bad *row* is never an exception: it is a `Rejected` with its reason, and the others go on.
"""


class GeoServiceError(Exception):
    """Something the operator or caller can mend; the message says how."""


class BadInput(GeoServiceError):
    """The caller's file, rows or parameter cannot be used."""


class UndeclaredCRS(BadInput):
    """Coordinates came without the name of their system."""


class AxisOrder(BadInput):
    """Longitude and latitude look exchanged."""


class BadZones(BadInput):
    """A zone file cannot be used as it is."""


class BadGazetteer(BadInput):
    """Rows of a gazetteer contradict their schema or themselves."""


class BadRows(BadInput):
    """An incident file or answer cannot be read as rows."""


class BadParameter(BadInput):
    """A parameter is unknown or has a value that cannot be used."""


class AlreadyDecided(BadInput):
    """Another decision stands against this one; take it back first."""


class NotSigned(BadInput):
    """A receipt came without the signature of who got the message."""


class BadRule(GeoServiceError):
    """A file under rules/ or layers/ contradicts itself or names something unknown."""


class BadSetting(GeoServiceError):
    """A GEO_* setting is unknown or cannot be read."""


class SourceFailed(GeoServiceError):
    """An incident source answered wrongly or not at all; nothing was recorded and the next pull tries again."""


class DeliveryFailed(GeoServiceError):
    """A message did not get out: `for_good`, or to be tried again after `wait_s` at least [s]."""

    def __init__(self, why: str, *, for_good: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.for_good = for_good
        self.wait_s = wait_s


class BatchFailed(GeoServiceError):
    """The workers of a distributed run cannot be reached or died; nothing was written."""


class StoreFailed(GeoServiceError):
    """The database is missing, unreachable or older than the program."""


class NotFound(GeoServiceError):
    """A layer, place or tile that does not exist."""
