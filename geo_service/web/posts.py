"""Posts: which paths take one, and from whom.

A POST that changes something is taken from our own pages and from programs, never from the page of another site in an
officer's browser: its Origin must be ours or absent, and its body JSON, which another site cannot send unasked.
Geocoding only reads, so any page may ask.
"""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

MOST_BYTES = 16 << 20  # of a body: 10,000 long addresses as escaped JSON

_READS = re.compile(r"/geocode")
_CHANGES = re.compile(
    r"/queues/review/rerun|/queues/review/.+/(?:correct|reject)|/gazetteer/aliases/[^/]+/revoke"
    r"|/queues/messages/receipts|/queues/messages/[^/]+/(?:replay|cancel)"
    r"|/queues/tasks(?:/[^/]+/(?:acknowledge|done|verify|reopen|escalate|comment|checklist))?"
    r"|/queues/triage"
)


def takes(path: str) -> bool:
    """Say whether a path takes a POST.

    >>> takes("/geocode"), takes("/queues/review/110/7/correct"), takes("/collections")
    (True, True, False)
    """
    return bool(_READS.fullmatch(path) or _CHANGES.fullmatch(path))


def is_open_to_all(path: str) -> bool:
    """Say whether pages of other sites may POST there."""
    return bool(_READS.fullmatch(path))


def check(scope: Scope) -> None:
    """Raise what tells a client why its POST is not taken: 403 from another site, 413 too long, 415 not JSON."""
    headers = Headers(scope=scope)
    if not is_open_to_all(scope["path"]) and _is_of_another_site(headers):
        raise HTTPException(
            403, "decisions are taken from this server's own pages; this request comes from another site"
        )
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be JSON; send it with content-type: application/json")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _too_long()


def bounded(receive: Receive) -> Receive:
    """Give what the application reads of its client, ending a body that grows beyond MOST_BYTES."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > MOST_BYTES:
            raise _too_long()
        return message

    return counted


def _is_of_another_site(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    sent_from = headers.get("origin")
    return sent_from is not None and urlsplit(sent_from).netloc.lower() != headers.get("host", "").lower()


def _too_long() -> HTTPException:
    return HTTPException(413, f"the body is longer than {MOST_BYTES >> 20} MB; send fewer addresses at a time")
