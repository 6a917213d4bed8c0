"""Access: what the asker may see.

Until roles exist everybody sees everything, and the server listens on loopback only (GEO_HOST).  Every question takes
its view from here, so that roles will change this page and no other.
"""

import hmac
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope

from geo_service.maps.layers import EVERYTHING, View


def view_of(_asker: Scope) -> View:
    """Give the view of who sent a request."""
    return EVERYTHING


def admit_auditor(request: Request, token: str) -> None:
    """Raise 403 unless a request bears the auditors' token; without a token there are no auditors."""
    came = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or not hmac.compare_digest(came.encode(), token.encode()):
        raise HTTPException(HTTPStatus.FORBIDDEN, "this is for auditors; send their token as a bearer token")
