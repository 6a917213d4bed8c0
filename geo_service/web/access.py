"""Access: what the asker may see.

Until roles exist everybody sees everything, and the server listens on loopback only (GEO_HOST).  Every question takes
its view from here, so that roles will change this page and no other.
"""

from starlette.types import Scope

from geo_service.maps.layers import EVERYTHING, View


def view_of(_asker: Scope) -> View:
    """Give the view of who sent a request."""
    return EVERYTHING
