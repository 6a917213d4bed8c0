"""Negotiation: what a client can read, what it already holds, and where it believes us to be (RFC 9110).

A coding is one of CODINGS.  The tag of a representation ends in its suffix, so that no cache takes one for another.
"""

import gzip
from collections.abc import Iterable
from functools import lru_cache

import brotli
import zstandard
from starlette.datastructures import Headers
from starlette.types import Scope

# Of codings equally welcome the first is sent: made once and sent often, the smallest is the cheapest.
CODINGS = {"br": "br", "zstd": "zstd", "gzip": "gz", "identity": "id"}

_BROTLI_QUALITY = 5  # a city tile: 11 is a tenth smaller and takes sixty times as long; gzip is twice as large
_ZSTD_LEVEL = 6
_GZIP_LEVEL = 6


def conditions(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Give Accept-Encoding and If-None-Match out of raw headers, b"" where there is none.

    >>> conditions([(b"host", b"a"), (b"accept-encoding", b"br"), (b"accept-encoding", b"gzip")])
    (b'br,gzip', b'')
    """
    accepted = held = b""
    for name, value in headers:
        if name == b"accept-encoding":
            accepted = accepted + b"," + value if accepted else value
        elif name == b"if-none-match":
            held = held + b"," + value if held else value
    return accepted, held


@lru_cache(maxsize=256)
def chosen(accepted: bytes) -> str:
    """Choose the coding a client wants most, by its weights; without Accept-Encoding nothing is packed.

    Identity that is not named is wanted less than what is, and sent where nothing else can be, refused or not: bytes
    that can be read are better than none.

    >>> chosen(b"gzip, deflate, br, zstd"), chosen(b"br;q=0.2, gzip;q=0.8"), chosen(b"gzip;q=0, *;q=0.5"), chosen(b"")
    ('br', 'gzip', 'br', 'identity')
    """
    named = dict(_weighted(coding) for coding in accepted.decode("latin-1").lower().split(","))
    others = named.get("*", 0.0)
    weights = {coding: named.get(coding, others) for coding in CODINGS}
    if "identity" not in named:
        weights["identity"] = 0.0
    best = max(weights.values())
    return next(coding for coding in CODINGS if weights[coding] == best) if best > 0 else "identity"


def packed(content: bytes, coding: str) -> bytes:
    """Pack a body; equal bytes are packed to equal bytes.

    >>> gzip.decompress(packed(b"tile", "gzip")), packed(b"tile", "identity")
    (b'tile', b'tile')
    """
    if coding == "br":
        return brotli.compress(content, quality=_BROTLI_QUALITY)
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content)
    if coding == "gzip":
        return gzip.compress(content, compresslevel=_GZIP_LEVEL, mtime=0)
    return content


def is_held(held: bytes, etag: bytes) -> bool:
    """Say whether an If-None-Match names an ETag, by weak comparison.

    >>> is_held(b'"a", W/"b"', b'"b"'), is_held(b"*", b'"b"'), is_held(b"", b'"b"')
    (True, True, False)
    """
    if not held or held == etag:
        return bool(held)
    plain = etag.removeprefix(b"W/")
    return held.strip() == b"*" or any(one.strip().removeprefix(b"W/") == plain for one in held.split(b","))


def is_known(headers: Headers, etag: str) -> bool:
    """Say whether the client holds what an ETag names."""
    return is_held(",".join(headers.getlist("if-none-match")).encode("latin-1"), etag.encode())


def origin(scope: Scope) -> str:
    """Give scheme and host under which the client reached us, and the path we are mounted at."""
    host = Headers(scope=scope).get("host") or "{}:{}".format(*scope["server"])
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def _weighted(coding: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in coding.split(";"))
    weight = next((text.partition("=")[2] for text in parameters if text.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 0.0  # what cannot be read is not wished for
