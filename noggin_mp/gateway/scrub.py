"""Samples of foreign bodies without our token: a server may echo what it was sent."""

import re

SAMPLE_BYTES = 500
CAUGHT_BYTES = 8192
"""Of a body this much is kept to take the sample from: a secret on its edge is seen whole."""

_SHORTEST_PART = 4
_BEARER = re.compile(rb"(?i)bearer[ \t]+[^\s\"'<>,;]+")


def sample(body: bytes, token: str) -> bytes:
    """The first 500 bytes of `body` without `token`: whole, cut off at the end, or another's."""
    secret = token.encode()
    if secret:
        body = body.replace(secret, b"***")
        for size in range(min(len(secret), len(body)), _SHORTEST_PART - 1, -1):
            if body.endswith(secret[:size]):
                body = body[:-size] + b"***"
                break
    return _BEARER.sub(b"Bearer ***", body)[:SAMPLE_BYTES]
