"""Signatures: how a webhook's receiver knows that a message is ours, and we that a receipt is the receiver's.

HMAC-SHA256 with the secret of the webhook's address, over the time [s since 1970, as text], a dot and the body, in hex.
A signature older than OLDEST_S is refused, so that a copy cannot be sent again later.
"""

import hashlib
import hmac

SIGNATURE, TIMESTAMP = "X-Geo-Signature", "X-Geo-Timestamp"
OLDEST_S = 300.0


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a body.

    >>> sign("s3cret", "1718856000", b'{"key": "1"}')[:16]
    '6aa7ac92733c62e7'
    """
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def holds(secret: str, headers: tuple[str, str], body: bytes, now_s: float) -> bool:
    """Say whether headers (timestamp, signature) are those of who knows the secret, and were written just now."""
    timestamp, signature = headers
    try:
        age_s = abs(now_s - float(timestamp))
    except ValueError:
        return False
    return age_s <= OLDEST_S and hmac.compare_digest(sign(secret, timestamp, body).encode(), signature.encode())
