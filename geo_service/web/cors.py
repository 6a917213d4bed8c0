"""CORS: pages of any origin may read every answer, whatever its status; none may send credentials."""

Pair = tuple[bytes, bytes]

_EXPOSED = "ETag, Age, Link, Content-Crs, Content-Disposition, Retry-After, Server-Timing, X-Features-Dropped"

PAIRS: tuple[Pair, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", _EXPOSED.encode()),
)
PREFLIGHT = {
    "access-control-allow-headers": "Accept, Cache-Control, Content-Type, If-None-Match, Last-Event-ID, Range",
    "access-control-max-age": "86400",
}
