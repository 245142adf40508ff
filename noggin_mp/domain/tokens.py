"""What an API token says about itself; nothing here is trusted, only shown."""

import base64
import binascii
import json
import math
from typing import Final

_LATEST: Final = 253_402_300_800  # the year 10000: later is no date


def expires_at(token: str) -> float | None:
    """When the token expires by its own `exp` claim, in seconds since 1970; None when it is silent.

    The signature is not verified. Source: RFC 7519, 4.1.4; RFC 7515, 3.1.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    found = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) and 0 < found < _LATEST else None
