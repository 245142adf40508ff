"""Made-up TIPs in their normal form."""

import hashlib


def tip(number: int) -> str:
    """The same 64 hex characters for the same number, always."""
    return hashlib.sha256(f"tip {number}".encode()).hexdigest()
